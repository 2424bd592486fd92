// Discipline: what adjtimex(2) makes of the clock: the loop that NTP steers it by.
//
// Purpose: phase and frequency of the time of day as RFC 5905, section 11.3 has them, in the form
// that ntp_adjtime(3) offers; the slow step of adjtime(3); leap seconds.
// Data model: plain numbers. A pure state machine over seconds of the time of day: it is told that
// seconds have passed, and says how much the clock has to gain in the one that runs.
// Locking: the caller's. Context: any.
// Differences from Linux: seconds in which nothing changes are passed over in one step, however
// many; no pulse per second; offsets are kept to the nanosecond, not by the tick.
#pragma once
#include "base/types.hpp"
#include "generated/uapi/time.hpp"
#include "uapi/time.hpp"

namespace auk::time {

class Discipline {
  i64 second_ = 0;  ///< of the time of day, that everything was worked out for
  i32 state_ = uapi::time_ok;
  i32 status_ = uapi::sta_unsync;
  i64 tick_us_ = standard_tick_us;
  i64 frequency_ = 0;     ///< scaled: nanoseconds for each second
  i64 offset_ = 0;        ///< scaled: nanoseconds, not worked off yet
  i64 slow_step_us_ = 0;  ///< adjtime(3), not worked off yet
  i64 phase_gain_ = 0;    ///< scaled: what offset and slow step add in this second
  i64 constant_ = 2;
  i64 max_error_us_ = phase_limit_us, estimated_error_us_ = phase_limit_us;
  i64 reference_ = 0;  ///< the second of the last offset
  i64 next_leap_ = no_leap;
  i32 tai_s_ = 0;

  static constexpr i64 standard_tick_us = 10'000;
  static constexpr i64 phase_limit_us = 16'000'000;
  static constexpr i64 no_leap = INT64_MAX;

  i64 chunk() const;
  bool changes_by_the_second() const;
  void age(i64 seconds);
  i32 leap_at(i64 second);
  i32 begin_second(i64 second);
  void set_status(i32 wanted);
  void set_offset(i64 offset);
  i64 frequency_by_fll(i64 offset_ns, i64 seconds);

 public:
  /// Scaled quantities are in units of 2^-32.
  static constexpr u32 scale = 32;

  /// The time of day has come to `second`, which may be many later or, when the clock was set,
  /// earlier. Seconds that it has to be ahead from now on: a leap second is -1 or 1, mostly 0.
  i32 reach(i64 second);
  /// The clock was set to `second`: what was measured before says nothing any more.
  void clear(i64 second);
  /// True: reach() is to be called at the next second.
  bool has_plans() const { return changes_by_the_second() || next_leap_ != no_leap; }
  /// How much the clock gains on its counter in this second: scaled nanoseconds for each.
  i64 gain() const;
  i32 tai_s() const { return tai_s_; }

  /// Does what `t.modes` says, but for ADJ_SETOFFSET. The request was checked.
  void change(const uapi::timex& t);
  /// Starts a slow step (adjtime(3)). What was left of the last one, in microseconds.
  i64 step_slowly(i64 us);
  i64 slow_step_us() const { return slow_step_us_; }
  /// The state of the clock and of the loop; `real_ns`: now. One of TIME_OK to TIME_ERROR.
  i32 report(uapi::timex& t, i64 real_ns) const;
  /// What is left of the offset, in the unit that the status says.
  i64 offset_as_shown() const;
};

}  // namespace auk::time
