// Fixed-width names and the strong types that keep addresses, frames and sizes apart.
//
// Purpose: a physical address never turns into a pointer, a frame number or a byte count by itself.
// Data model: `Strong<Tag, Rep>` is a value with order and with the arithmetic that has a meaning.
// Context: any.
#pragma once
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace auk {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using usize = std::size_t;
using isize = std::ptrdiff_t;
using uptr = std::uintptr_t;
using byte = unsigned char;

inline constexpr u64 kib = 1024;
inline constexpr u64 mib = 1024 * kib;
inline constexpr u64 gib = 1024 * mib;
inline constexpr u64 tib = 1024 * gib;

inline constexpr unsigned page_shift = 12;
inline constexpr usize page_size = usize{1} << page_shift;
inline constexpr u64 page_mask = page_size - 1;

/// A number with a meaning of its own. `a - b` of two values gives the plain distance; a plain
/// distance can be added to a value; nothing else converts.
template <class Tag, class Rep = u64> struct Strong {
  using rep = Rep;
  Rep value{};

  constexpr Strong() = default;
  constexpr explicit Strong(Rep v) : value(v) {}

  constexpr auto operator<=>(const Strong&) const = default;
  constexpr Strong operator+(Rep n) const { return Strong(value + n); }
  constexpr Strong operator-(Rep n) const { return Strong(value - n); }
  constexpr Rep operator-(Strong o) const { return value - o.value; }
  constexpr Strong& operator+=(Rep n) { return value += n, *this; }
  constexpr Strong& operator-=(Rep n) { return value -= n, *this; }
  constexpr Strong& operator++() { return ++value, *this; }
};

struct PhysAddrTag;
struct VirtAddrTag;
struct PfnTag;
struct CpuIdTag;

using PhysAddr = Strong<PhysAddrTag>;  ///< bytes, as the memory bus sees them
using VirtAddr = Strong<VirtAddrTag>;  ///< bytes, a kernel virtual address
using Pfn = Strong<PfnTag>;            ///< physical frame number: PhysAddr / 4096
using CpuId = Strong<CpuIdTag, u32>;   ///< dense logical CPU number, boot CPU is 0

constexpr Pfn pfn_of(PhysAddr a) { return Pfn(a.value >> page_shift); }
constexpr PhysAddr phys_of(Pfn f) { return PhysAddr(f.value << page_shift); }

/// Half-open range [start, end) of physical memory.
struct PhysRange {
  PhysAddr start, end;
  constexpr u64 size() const { return end.value - start.value; }
  constexpr bool empty() const { return end <= start; }
  constexpr bool contains(PhysAddr a) const { return a >= start && a < end; }
  constexpr bool operator==(const PhysRange&) const = default;
};

}  // namespace auk
