// Timers of programs that expire once or again and again: what timerfd and POSIX timers share.
//
// Data model: one time::Timer with its setting and the expiries that nobody has been told of. A
// periodic timer is started again by who is told of an expiry or asks, not by its interrupt: what
// nobody looks at costs one interrupt, and expiries that were missed are counted from the time that
// has passed. Timers for moments of the time of day are in a list that is walked when it is set.
// Locking: timer_list -> timer_file (one setter at a time) -> event (the state, also in the
// interrupt). Context: threads, but for fire().
#pragma once
#include "core/spin.hpp"
#include "io/real_clock.hpp"
#include "sched/lock.hpp"
#include "time/timer.hpp"

namespace auk::io {

struct TimerSetting {
  u64 value_ns = 0;  ///< 0: not running
  u64 interval_ns = 0;
};

class IntervalTimer {
  class Alarm final : public time::Timer {
    IntervalTimer& owner_;

   public:
    explicit Alarm(IntervalTimer& t) : owner_(t) {}
    ~Alarm() = default;
    void fire() override { owner_.fire(); }
  };
  struct Nothing {};
  Alarm alarm_{*this};
  TimerClock clock_;
  core::Guarded<core::level::timer_file, Nothing, sched::SleepLock> setting_;
  friend class TimerList;
  ListNode node_;

 protected:
  struct State {
    u64 target_ns = 0;  ///< when it expires or expired, on the clock it follows
    u64 interval_ns = 0;
    u64 ticks = 0;
    bool has_expired = false;  ///< and was not started again since
    bool is_being_set = false;
    bool is_moment = false;      ///< the target is one of the timer's clock, which may be set
    bool cancel_on_set = false;  ///< readers learn that the clock was set
    bool is_cancelled = false;
    i64 seen_offset_ns = 0;  ///< of the clock when the timer was set, or last cancelled
  };
  core::Guarded<core::level::event, State, core::SpinIrqOff> state_;

  explicit IntervalTimer(TimerClock clock) : clock_(clock) {}
  /// Stopped, and out of the list.
  ~IntervalTimer() = default;
  /// In the timer's interrupt. Notes the expiry, and tells somebody.
  virtual void fire() = 0;
  /// The clock was set and somebody should know: the state is locked.
  virtual void cancelled() {}
  static void note_expiry(State& s) {
    s.has_expired = true;
    ++s.ticks;
  }
  static bool take_cancelled(State& s);
  /// Somebody is told of the expiry: a periodic timer runs again, to expire in `pause_ns` at the
  /// earliest. The state is locked.
  void restart(State& s, u64 pause_ns = 0);
  /// For timers of a clock that may be set: clock_was_set() finds them.
  void enlist();
  void delist();
  /// It does not expire any more.
  void stop();

 public:
  IntervalTimer(const IntervalTimer&) = delete;
  IntervalTimer& operator=(const IntervalTimer&) = delete;
  TimerClock clock() const { return clock_; }
  /// What it was before. `is_moment`: the value is a moment of the timer's clock, not a span.
  /// ECANCELED: the clock was set in between; the timer runs all the same.
  Result<TimerSetting> set(const TimerSetting& wanted, bool is_moment, bool cancel_on_set);
  /// What is left until it expires.
  TimerSetting setting();

 private:
  i64 offset_of(const State& s) const;
  u64 now_of(const State& s) const;
  u64 left(const State& s) const;
  u64 forward(State& s, u64 pause_ns) const;
  void start(const State& s);
  void clock_was_set();
};

/// The time of day or TAI has jumped: all timers for moments of theirs.
void restart_real_timers();

}  // namespace auk::io
