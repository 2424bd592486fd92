// Registers of a device in memory.
//
// Locking: none. Context: any. Order: what was written to memory before stands there before a
// register is written, and registers are read and written in program order; uncached memory of
// x86-64 does so by itself, other machines need their barriers here.
#pragma once
#include <cstring>
#include <span>

#include "base/result.hpp"
#include "base/types.hpp"
#include "mem/vmalloc.hpp"

namespace auk::bus {

class Registers {
  byte* first_ = nullptr;
  usize size_ = 0;

 public:
  constexpr Registers() = default;
  /// Mapped uncached, for as long as this is used.
  constexpr Registers(byte* first, usize size) : first_(first), size_(size) {}
  /// ENOMEM.
  static Result<Registers> map(PhysAddr at, usize size) {
    mem::KernelRange* const range = TRY(mem::map_physical(
        ALLOC_SITE, at, size, mem::MapRights(mem::MapRight::write) | mem::MapRight::uncached));
    return Registers(range->as<byte>(at.value & page_mask), size);
  }
  usize size() const { return size_; }
  /// Those from `offset` on, which is not behind the end.
  Registers from(usize offset) const { return {first_ + offset, size_ - offset}; }
  /// u8 to u64; one access of that width. `offset` is a multiple of it and inside.
  template <class T> T read(usize offset) const {
    return *reinterpret_cast<volatile T*>(first_ + offset);
  }
  template <class T> void write(usize offset, T v) const {
    *reinterpret_cast<volatile T*>(first_ + offset) = v;
  }
  /// Byte by byte, or with `in_words` words of four bytes where one is wanted as a whole.
  void copy(usize offset, std::span<byte> out, bool in_words) const {
    while (!out.empty()) {
      if (in_words && offset % sizeof(u32) == 0 && out.size() >= sizeof(u32)) {
        const u32 v = read<u32>(offset);
        std::memcpy(out.data(), &v, sizeof(v));
        out = out.subspan(sizeof(v));
        offset += sizeof(v);
      } else {
        out.front() = read<byte>(offset++);
        out = out.subspan(1);
      }
    }
  }
};

}  // namespace auk::bus
