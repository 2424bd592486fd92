#include "core/clock.hpp"

namespace auk::core {

constinit Atomic<i64> real_offset_ns{0};

constinit ClockScale clock_scale;

void spin_delay(u64 ns) {
  const u64 per_ms = clock_scale.cycles_per_ms != 0 ? clock_scale.cycles_per_ms : 8'000'000;
  constexpr u64 ns_per_ms = 1'000'000;
  const u64 cycles = ns / ns_per_ms * per_ms + ns % ns_per_ms * per_ms / ns_per_ms + 1;
  const u64 start = machine::timestamp();
  while (machine::timestamp() - start < cycles) machine::relax();
}

}  // namespace auk::core
