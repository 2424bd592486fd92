#include "core/clock.hpp"

namespace auk::core {

constinit Atomic<i64> real_offset_ns{0};

constinit ClockScale clock_scale;

namespace {
constinit Atomic<vdso::Data*> published{nullptr};
}

void set_real_offset(i64 ns) {
  real_offset_ns.store_relaxed(ns);
  if (vdso::Data* const d = published.load_acquire(); d != nullptr)
    d->real_offset_ns.store_relaxed(ns);
}

void publish_clock(vdso::Data& at) {
  at.base_cycles = clock_scale.base;
  at.mult = clock_scale.mult;
  at.shift = clock_scale.shift;
  at.real_offset_ns.store_relaxed(real_offset_ns.load_relaxed());
  published.store_release(&at);
}

void spin_delay(u64 ns) {
  const u64 per_ms = clock_scale.cycles_per_ms != 0 ? clock_scale.cycles_per_ms : 8'000'000;
  constexpr u64 ns_per_ms = 1'000'000;
  const u64 cycles = ns / ns_per_ms * per_ms + ns % ns_per_ms * per_ms / ns_per_ms + 1;
  const u64 start = machine::timestamp();
  while (machine::timestamp() - start < cycles) machine::relax();
}

}  // namespace auk::core
