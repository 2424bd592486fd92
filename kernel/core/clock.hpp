// The kernel's clocks: the cycle counter at the rate that calibration has found.
//
// Data model: the steady clock (CLOCK_MONOTONIC), which adjtimex(2) steers; the raw one, which
// nobody does; how far the time of day and TAI are ahead of the steady clock. What programs read
// without a system call is a second copy (vdso/data.hpp), changed in the same breath.
// Locking: writers are alone: boot, then time/wall_clock. Context: reading any, NMI included.
// Until calibration all clocks stand at 0.
#pragma once
#include "base/atomic.hpp"
#include "base/types.hpp"
#include "machine/isa/cpu.hpp"
#include "vdso/data.hpp"

namespace auk::core {

struct ClockRate {
  u64 base_cycles = 0;    ///< cycle counter when the kernel was entered
  u64 cycles_per_ms = 0;  ///< 0: not calibrated yet
  u64 rate = 0;           ///< vdso::rate_bits
};
/// Written on the boot CPU, before other CPUs start.
extern ClockRate clock_rate;
extern vdso::SteadyClock steady_clock;

/// Nanoseconds since the kernel was entered.
inline u64 clock_ns() { return steady_clock.now(machine::timestamp); }
/// As clock_ns(), as the counter counts, whatever adjtimex(2) asked for.
inline u64 raw_clock_ns() {
  return vdso::scaled(machine::timestamp() - clock_rate.base_cycles, clock_rate.rate);
}

/// Starts the clocks: they show the time since clock_rate.base_cycles. Once, by calibration.
void start_clock(u64 cycles_per_ms);
/// From now on the steady clock gains so much on the counter: nanoseconds for each second, in
/// units of 2^-32, at most a quarter of the second. The caller is the only writer, interrupts off.
void steer_clock(i64 gain);

/// Added to clock_ns() for the time of day, and for TAI.
extern Atomic<i64> real_offset_ns;
extern Atomic<i64> tai_offset_ns;
/// The caller is the only writer. `tai_s`: how far TAI is ahead of the time of day.
void set_offsets(i64 real_ns, i32 tai_s);
/// Programs read the clocks at `at` from now on. Once, after calibration.
void publish_clock(vdso::Data& at);
/// The zone that programs get from gettimeofday(2). The kernel has no use for it.
void publish_zone(i32 minutes_west, i32 dst);

/// Nanoseconds since 1970, UTC.
inline i64 real_ns() { return static_cast<i64>(clock_ns()) + real_offset_ns.load_relaxed(); }
inline i64 tai_ns() { return static_cast<i64>(clock_ns()) + tai_offset_ns.load_relaxed(); }

/// Spins for at least `ns`. Before calibration it errs on the long side (assumes 8 GHz).
void spin_delay(u64 ns);

}  // namespace auk::core
