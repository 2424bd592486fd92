// The clock of log lines and time-outs: cycle counter times a factor, before any clock source
// exists.
//
// Data model: one scale, written once by time calibration on the boot CPU before other CPUs start.
// Until then the clock stands at 0.
// Context: any, NMI included.
#pragma once
#include "base/atomic.hpp"
#include "base/types.hpp"
#include "machine/isa/cpu.hpp"
#include "vdso/data.hpp"

namespace auk::core {

struct ClockScale {
  u64 base = 0;  ///< cycle counter at time 0
  u32 mult = 0;
  u8 shift = 0;
  u64 cycles_per_ms = 0;
};
extern ClockScale clock_scale;

/// Nanoseconds since the kernel was entered.
inline u64 clock_ns() {
  const ClockScale& s = clock_scale;
  const auto cycles = static_cast<unsigned __int128>(machine::timestamp() - s.base);
  return static_cast<u64>((cycles * s.mult) >> s.shift);
}

/// Added to clock_ns() for the time of day; changed by settimeofday(2) and its like.
extern Atomic<i64> real_offset_ns;
void set_real_offset(i64 ns);
/// Programs read the clock at `at` from now on. Once, after calibration.
void publish_clock(vdso::Data& at);
/// Nanoseconds since 1970, UTC.
inline i64 real_ns() { return static_cast<i64>(clock_ns()) + real_offset_ns.load_relaxed(); }

/// Spins for at least `ns`. Before calibration it errs on the long side (assumes 8 GHz).
void spin_delay(u64 ns);

}  // namespace auk::core
