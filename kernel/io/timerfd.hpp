// timerfd_create(2): timers that are read.
//
// Data model: TimerFile -> one time::Timer. A periodic timer is started again by who reads it or
// asks it, not by its interrupt: what nobody looks at costs one interrupt, and overruns are
// counted from the time that has passed. Timers for moments of the time of day are in a list that
// clock_was_set() walks. Locking: timer_list -> timer_file (one setter at a time) -> event (the
// state, also in the interrupt). Context: threads. Differences from Linux: the clocks that wake a
// sleeping machine are plain ones, since the machine does not sleep.
#pragma once
#include "io/file.hpp"

namespace auk::io {

enum class TimerClock : u8 { steady, real };

struct TimerSetting {
  u64 value_ns = 0;  ///< 0: not running
  u64 interval_ns = 0;
};

class TimerFile;

/// `flags`: O_NONBLOCK. ENOMEM.
Result<Ref<File>> make_timerfd(TimerClock clock, u32 flags);
/// EINVAL: not a timerfd.
Result<TimerFile*> timer_of(File& f);
/// What it was before. `is_moment`: the value is a moment of the timer's clock, not a span;
/// `cancel_on_set`: see TFD_TIMER_CANCEL_ON_SET. ECANCELED: the clock was set in between; the timer
/// runs all the same.
Result<TimerSetting> set_timer(TimerFile& t, const TimerSetting& wanted, bool is_moment,
                               bool cancel_on_set);
/// What is left until it expires.
TimerSetting timer_setting(TimerFile& t);
/// The time of day has jumped.
void clock_was_set();

}  // namespace auk::io
