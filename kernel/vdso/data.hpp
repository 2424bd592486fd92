// What the kernel shows every program of its clocks, read by the code in vdso/<isa>.
//
// Data model: one page, mapped read-only in front of the code. The counter's own rate is written
// once, before the first program; how far the time of day and TAI are from the steady clock is one
// word each, so that no reader can see half of a change. Context: any.
#pragma once
#include "vdso/steady_clock.hpp"

namespace auk::vdso {

struct Data {
  SteadyClock steady;
  u64 raw_base_cycles;  ///< of CLOCK_MONOTONIC_RAW, which nobody steers
  u64 raw_rate;
  Atomic<i64> real_offset_ns;     ///< from the steady clock to the time of day
  Atomic<i64> tai_offset_ns;      ///< from the steady clock to TAI
  Atomic<i32> minutes_west, dst;  ///< the zone that settimeofday(2) keeps for gettimeofday(2)
};

}  // namespace auk::vdso
