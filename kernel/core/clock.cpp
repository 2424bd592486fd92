#include "core/clock.hpp"

namespace auk::core {

constinit Atomic<i64> real_offset_ns{0};
constinit Atomic<i64> tai_offset_ns{0};
constinit ClockRate clock_rate;
constinit vdso::SteadyClock steady_clock;

namespace {

constexpr i64 ns_per_s = 1'000'000'000;
constexpr u64 ns_per_ms = 1'000'000;
constinit Atomic<vdso::Data*> published{nullptr};

/// Nanoseconds for each cycle. In two steps: no division here is wider than 64 bits.
u64 rate_of(u64 cycles_per_ms) {
  constexpr u32 first_bits = 44, more_bits = vdso::rate_bits - first_bits;
  static_assert((ns_per_ms << first_bits) >> first_bits == ns_per_ms);
  const u64 whole = (ns_per_ms << first_bits) / cycles_per_ms;
  const u64 rest = (ns_per_ms << first_bits) % cycles_per_ms;
  return (whole << more_bits) + (rest << more_bits) / cycles_per_ms;
}

}  // namespace

void start_clock(u64 cycles_per_ms) {
  clock_rate.cycles_per_ms = cycles_per_ms;
  clock_rate.rate = rate_of(cycles_per_ms);
  steady_clock.go_on(clock_rate.base_cycles, 0, clock_rate.rate);
}

void steer_clock(i64 gain) {
  constexpr u32 gain_bits = 32;
  // So that every CPU knows of the change before it counts.
  constexpr u64 lead_us = 20, us_per_ms = 1000;
  const u64 lead = clock_rate.cycles_per_ms * lead_us / us_per_ms;
  const auto more = static_cast<__int128>(clock_rate.rate / u64{ns_per_s}) * gain >> gain_bits;
  const u64 rate = clock_rate.rate + static_cast<u64>(more);
  // The stretch that is written has no readers any more.
  u64 now = machine::timestamp();
  for (; now < steady_clock.last_change(); now = machine::timestamp()) machine::relax();
  const u64 from = now + lead;
  const u64 ns = steady_clock.at(from);
  steady_clock.go_on(from, ns, rate);
  if (vdso::Data* const d = published.load_acquire(); d != nullptr) d->steady.go_on(from, ns, rate);
}

void set_offsets(i64 real_ns, i32 tai_s) {
  const i64 tai_ns = real_ns + tai_s * ns_per_s;
  real_offset_ns.store_relaxed(real_ns);
  tai_offset_ns.store_relaxed(tai_ns);
  if (vdso::Data* const d = published.load_acquire(); d != nullptr) {
    d->real_offset_ns.store_relaxed(real_ns);
    d->tai_offset_ns.store_relaxed(tai_ns);
  }
}

void publish_clock(vdso::Data& at) {
  at.raw_base_cycles = clock_rate.base_cycles;
  at.raw_rate = clock_rate.rate;
  at.steady.go_on(clock_rate.base_cycles, 0, clock_rate.rate);
  at.real_offset_ns.store_relaxed(real_offset_ns.load_relaxed());
  at.tai_offset_ns.store_relaxed(tai_offset_ns.load_relaxed());
  published.store_release(&at);
}

void publish_zone(i32 minutes_west, i32 dst) {
  vdso::Data* const d = published.load_acquire();
  if (d == nullptr) return;
  d->minutes_west.store_relaxed(minutes_west);
  d->dst.store_relaxed(dst);
}

void spin_delay(u64 ns) {
  const u64 per_ms = clock_rate.cycles_per_ms != 0 ? clock_rate.cycles_per_ms : 8'000'000;
  const u64 cycles = ns / ns_per_ms * per_ms + ns % ns_per_ms * per_ms / ns_per_ms + 1;
  const u64 start = machine::timestamp();
  while (machine::timestamp() - start < cycles) machine::relax();
}

}  // namespace auk::core
