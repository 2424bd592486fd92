#include "time/discipline.hpp"

#include <algorithm>

#include "core/log.hpp"

namespace auk::time {
namespace {

constexpr u32 scale = Discipline::scale;
constexpr i64 ns_per_s = 1'000'000'000, ns_per_us = 1000, us_per_s = 1'000'000;
constexpr i64 seconds_per_day = 86'400;
constexpr i64 ticks_per_s = 100;  ///< of those that timex.tick counts
constexpr i64 max_phase_ns = 500'000'000;
constexpr i64 max_frequency = i64{500'000} << scale;
/// Frequencies of timex are parts per million in units of 2^-16.
constexpr i64 frequency_unit = ns_per_us << (scale - 16);
constexpr i64 tolerance = max_frequency / frequency_unit;
/// A clock drifts so much in a second, at the worst.
constexpr i64 drift_us_per_s = 500;
constexpr i64 slow_step_us_per_s = 500;
constexpr u32 pll_shift = 2, fll_shift = 2;
constexpr i64 max_constant = 10;
constexpr i64 max_tai_s = 100'000;
// Between samples: below the first the frequency loop is blind, above the second it is on.
constexpr i64 fll_min_s = 256, fll_max_s = 2048;

/// Rounds toward zero.
constexpr i64 shift_down(i64 v, u32 by) { return v < 0 ? -(-v >> by) : v >> by; }

}  // namespace

/// What the next second takes of the offset.
i64 Discipline::chunk() const {
  return shift_down(offset_, pll_shift + static_cast<u32>(constant_));
}

bool Discipline::changes_by_the_second() const {
  if (chunk() != 0 || slow_step_us_ != 0 || phase_gain_ != 0) return true;
  const i32 asked = status_ & (uapi::sta_ins | uapi::sta_del);
  switch (state_) {
    case uapi::time_ok: return asked != 0;
    case uapi::time_ins: return (asked & uapi::sta_ins) == 0;
    case uapi::time_del: return (asked & uapi::sta_del) == 0;
    case uapi::time_wait: return asked == 0;
    default: return true;
  }
}

i64 Discipline::gain() const {
  return ((tick_us_ - standard_tick_us) * ns_per_us * ticks_per_s << scale) + frequency_ +
         phase_gain_;
}

/// Seconds without news: the clock may be off by more.
void Discipline::age(i64 seconds) {
  const i64 most = (phase_limit_us - max_error_us_) / drift_us_per_s;
  if (seconds <= most) {
    max_error_us_ += seconds * drift_us_per_s;
  } else {
    max_error_us_ = phase_limit_us;
    status_ |= uapi::sta_unsync;
  }
}

/// Leap seconds come at the end of the day: -1 when this second is to be had once more, 1 when it
/// is left out.
i32 Discipline::leap_at(i64 second) {
  const auto end_of_day = [](i64 s) { return s + seconds_per_day - s % seconds_per_day; };
  switch (state_) {
    case uapi::time_ok:
      if ((status_ & uapi::sta_ins) != 0) {
        state_ = uapi::time_ins;
        next_leap_ = end_of_day(second);
      } else if ((status_ & uapi::sta_del) != 0) {
        state_ = uapi::time_del;
        next_leap_ = end_of_day(second + 1) - 1;
      }
      break;
    case uapi::time_ins:
      if ((status_ & uapi::sta_ins) == 0) {
        next_leap_ = no_leap;
        state_ = uapi::time_ok;
      } else if (second == next_leap_) {
        state_ = uapi::time_oop;
        core::log_notice("Clock: inserting leap second 23:59:60 UTC");
        return -1;
      }
      break;
    case uapi::time_del:
      if ((status_ & uapi::sta_del) == 0) {
        next_leap_ = no_leap;
        state_ = uapi::time_ok;
      } else if (second == next_leap_) {
        next_leap_ = no_leap;
        state_ = uapi::time_wait;
        core::log_notice("Clock: deleting leap second 23:59:59 UTC");
        return 1;
      }
      break;
    case uapi::time_oop:
      next_leap_ = no_leap;
      state_ = uapi::time_wait;
      break;
    default:
      if ((status_ & (uapi::sta_ins | uapi::sta_del)) == 0) state_ = uapi::time_ok;
      break;
  }
  return 0;
}

i32 Discipline::begin_second(i64 second) {
  const i32 leap = leap_at(second);
  tai_s_ -= leap;
  age(1);
  phase_gain_ = chunk();
  offset_ -= phase_gain_;
  const i64 step = std::clamp(slow_step_us_, -slow_step_us_per_s, slow_step_us_per_s);
  slow_step_us_ -= step;
  phase_gain_ += step * ns_per_us << scale;
  return leap;
}

i32 Discipline::reach(i64 second) {
  i32 ahead = 0;
  // A leap moves the second that is wanted, too.
  while (second_ < second + ahead) {
    if (!changes_by_the_second()) {
      const i64 quiet = std::min(second + ahead, next_leap_ > second_ ? next_leap_ - 1 : no_leap);
      if (quiet > second_) {
        age(quiet - second_);
        second_ = quiet;
        continue;
      }
    }
    const i32 leap = begin_second(++second_);
    second_ += leap;
    ahead += leap;
  }
  return ahead;
}

void Discipline::clear(i64 second) {
  second_ = second;
  slow_step_us_ = 0;
  status_ |= uapi::sta_unsync;
  max_error_us_ = estimated_error_us_ = phase_limit_us;
  phase_gain_ = offset_ = 0;
  next_leap_ = no_leap;
}

void Discipline::set_status(i32 wanted) {
  if ((status_ & uapi::sta_pll) != 0 && (wanted & uapi::sta_pll) == 0) {
    state_ = uapi::time_ok;
    status_ = uapi::sta_unsync;
    next_leap_ = no_leap;
  }
  if ((status_ & uapi::sta_pll) == 0 && (wanted & uapi::sta_pll) != 0) reference_ = second_;
  status_ = (status_ & uapi::sta_ronly) | (wanted & ~uapi::sta_ronly);
}

/// Frequency out of offsets that are far apart in time.
i64 Discipline::frequency_by_fll(i64 offset_ns, i64 seconds) {
  status_ &= ~uapi::sta_mode;
  if (seconds < fll_min_s) return 0;
  if ((status_ & uapi::sta_fll) == 0 && seconds <= fll_max_s) return 0;
  status_ |= uapi::sta_mode;
  return offset_ns * (i64{1} << (scale - fll_shift)) / seconds;
}

void Discipline::set_offset(i64 offset) {
  if ((status_ & uapi::sta_pll) == 0) return;
  if ((status_ & uapi::sta_nano) == 0) offset = std::clamp(offset, -us_per_s, us_per_s) * ns_per_us;
  const i64 ns = std::clamp(offset, -max_phase_ns, max_phase_ns);
  // The clock may have been set back since the last sample.
  const i64 passed = std::max<i64>(second_ - reference_, 0);
  const i64 seconds = (status_ & uapi::sta_freqhold) != 0 ? 0 : passed;
  reference_ = second_;
  i64 frequency = frequency_by_fll(ns, seconds);
  // A loop that is fed seldom would gain too much by each sample.
  const auto constant = static_cast<u32>(constant_);
  const i64 counted = std::min(seconds, i64{1} << (pll_shift + 1 + constant));
  frequency += ns * counted * (i64{1} << (scale - 2 * (pll_shift + 2 + constant)));
  frequency_ = std::clamp(frequency_ + frequency, -max_frequency, max_frequency);
  offset_ = ns * (i64{1} << scale);
}

void Discipline::change(const uapi::timex& t) {
  const auto asked = [&](int mode) { return (t.modes & static_cast<u32>(mode)) != 0; };
  if (asked(uapi::adj_status)) set_status(t.status);
  if (asked(uapi::adj_nano)) status_ |= uapi::sta_nano;
  if (asked(uapi::adj_micro)) status_ &= ~uapi::sta_nano;
  if (asked(uapi::adj_frequency))
    frequency_ = std::clamp(t.freq, -tolerance, tolerance) * frequency_unit;
  if (asked(uapi::adj_maxerror)) max_error_us_ = std::clamp(t.maxerror, i64{0}, phase_limit_us);
  if (asked(uapi::adj_esterror))
    estimated_error_us_ = std::clamp(t.esterror, i64{0}, phase_limit_us);
  if (asked(uapi::adj_timeconst)) {
    constant_ = std::clamp(t.constant, i64{0}, max_constant);
    if ((status_ & uapi::sta_nano) == 0) constant_ = std::min(constant_ + 4, max_constant);
  }
  if (asked(uapi::adj_tai) && t.constant >= 0 && t.constant <= max_tai_s)
    tai_s_ = static_cast<i32>(t.constant);
  if (asked(uapi::adj_offset)) set_offset(t.offset);
  if (asked(uapi::adj_tick)) tick_us_ = t.tick;
}

i64 Discipline::step_slowly(i64 us) {
  const i64 left = slow_step_us_;
  slow_step_us_ = us;
  return left;
}

i64 Discipline::offset_as_shown() const {
  const i64 ns = shift_down(offset_, scale);
  return (status_ & uapi::sta_nano) != 0 ? ns : ns / ns_per_us;
}

i32 Discipline::report(uapi::timex& t, i64 real_ns) const {
  const bool is_nano = (status_ & uapi::sta_nano) != 0;
  t.freq = frequency_ / frequency_unit;
  t.maxerror = max_error_us_;
  t.esterror = estimated_error_us_;
  t.status = status_;
  t.constant = constant_;
  t.precision = 1;
  t.tolerance = tolerance;
  t.time = {real_ns / ns_per_s, real_ns % ns_per_s / (is_nano ? 1 : ns_per_us)};
  t.tick = tick_us_;
  // No pulse per second.
  t.ppsfreq = t.jitter = t.stabil = t.jitcnt = t.calcnt = t.errcnt = t.stbcnt = 0;
  t.shift = 0;
  t.tai = tai_s_;
  return (status_ & (uapi::sta_unsync | uapi::sta_clockerr)) != 0 ? uapi::time_error : state_;
}

}  // namespace auk::time
