#include "mem/percpu_area.hpp"

#include <algorithm>
#include <array>

#include "core/spin.hpp"
#include "mem/piece_map.hpp"

namespace auk::mem {
namespace {

constexpr u32 unit = 8;
constexpr u32 units = 16 * kib / unit;
/// Offset 0 is never a dynamic piece.
constexpr u32 first_offset = 64;

struct alignas(64) Area {
  std::array<byte, first_offset + units * unit> bytes{};
};
constinit std::array<Area, machine::host::max_cpus> areas;
constinit core::Guarded<core::level::innermost, PieceMap<units>, core::SpinIrqOff> pieces;

}  // namespace

/// Every simulated CPU has its area from the start.
Result<void> create_percpu_area(CpuId) { return {}; }

std::optional<u32> allocate_percpu(u32 size, u32 align) {
  const auto first = pieces.lock()->take(div_ceil(size, unit), std::max(align / unit, 1U));
  if (!first) return std::nullopt;
  const u32 offset = first_offset + *first * unit;
  for (Area& a : areas) std::fill_n(a.bytes.data() + offset, size, byte{0});
  return offset;
}

void free_percpu(u32 offset, u32 size) {
  pieces.lock()->give((offset - first_offset) / unit, div_ceil(size, unit));
}

void* percpu_pointer(u32 offset, const core::Pinned&) {
  return areas[core::this_cpu_offset.read()].bytes.data() + offset;
}

}  // namespace auk::mem
