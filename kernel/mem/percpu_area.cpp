#include "mem/percpu_area.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "base/math.hpp"
#include "core/spin.hpp"
#include "mem/pages.hpp"
#include "mem/piece_map.hpp"

extern "C" {
extern const auk::byte __ld_percpu[], __ld_percpu_end[];
}

namespace auk::mem {
namespace {

constexpr u32 unit = 8;
constexpr u32 units = AUK_PERCPU_DYNAMIC / unit;

constinit core::Guarded<core::level::innermost, PieceMap<units>, core::SpinIrqOff> pieces;
constinit std::array<bool, config::max_cpus> has_area{true};

u32 static_size() { return static_cast<u32>(__ld_percpu_end - __ld_percpu); }

byte* area_of(CpuId cpu) {
  return reinterpret_cast<byte*>(reinterpret_cast<uptr>(__ld_percpu) +
                                 core::percpu_offsets[cpu.value]);
}

}  // namespace

Result<void> create_percpu_area(CpuId cpu) {
  const usize size = static_size() + AUK_PERCPU_DYNAMIC;
  const Pfn pfn = TRY(allocate_pages(ALLOC_SITE, order_for(size)));
  byte* const area = to_pointer<byte>(phys_of(pfn));
  std::copy_n(__ld_percpu, static_size(), area);
  const uptr offset = reinterpret_cast<uptr>(area) - reinterpret_cast<uptr>(__ld_percpu);
  core::percpu_offsets[cpu.value] = offset;
  core::this_cpu_offset.on(cpu) = offset;
  core::this_cpu_number.on(cpu) = cpu.value;
  has_area[cpu.value] = true;
  return {};
}

std::optional<u32> allocate_percpu(u32 size, u32 align) {
  const auto first = pieces.lock()->take(div_ceil(size, unit), std::max(align / unit, 1U));
  if (!first) return std::nullopt;
  const u32 offset = align_up(static_size(), u32{64}) + *first * unit;
  for (u32 cpu = 0; cpu < config::max_cpus; ++cpu)
    if (has_area[cpu]) fill_bytes({area_of(CpuId(cpu)) + offset, size});
  return offset;
}

void free_percpu(u32 offset, u32 size) {
  pieces.lock()->give((offset - align_up(static_size(), u32{64})) / unit, div_ceil(size, unit));
}

void* percpu_pointer(u32 offset, const core::Pinned&) {
  return reinterpret_cast<byte*>(reinterpret_cast<uptr>(__ld_percpu) +
                                 core::this_cpu_offset.read()) +
         offset;
}

}  // namespace auk::mem
