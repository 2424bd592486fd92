#include "io/interval_timer.hpp"

#include <utility>

#include "core/clock.hpp"
#include "time/interval.hpp"

namespace auk::io {
namespace {

using time::last_moment;

}  // namespace

class TimerList {
  List<IntervalTimer, &IntervalTimer::node_> timers_;

 public:
  constexpr TimerList() = default;
  void add(IntervalTimer& t) { timers_.push_back(t); }
  void remove(IntervalTimer& t) { timers_.remove(t); }
  void clock_was_set() {
    for (IntervalTimer& t : timers_) t.clock_was_set();
  }
};

namespace {
/// All of the time of day's clock: walked when that is set.
constinit core::Guarded<core::level::timer_list, TimerList, sched::SleepLock> real_timers;
}  // namespace

void IntervalTimer::enlist() {
  if (clock_ != TimerClock::steady) real_timers.lock()->add(*this);
}

void IntervalTimer::delist() {
  if (clock_ != TimerClock::steady) real_timers.lock()->remove(*this);
}

void IntervalTimer::stop() {
  auto alone = setting_.lock();
  state_.lock()->is_being_set = true;
  (void)time::cancel(alarm_);
  // An earlier expiry may still be on its way out of the lock, on another CPU.
  auto s = state_.lock();
  s->interval_ns = s->target_ns = 0;
  s->has_expired = false;
}

/// How far the clock that the target is on is ahead of the steady one.
i64 IntervalTimer::offset_of(const State& s) const { return s.is_moment ? offset_ns(clock_) : 0; }

u64 IntervalTimer::now_of(const State& s) const {
  return core::clock_ns() + static_cast<u64>(offset_of(s));
}

u64 IntervalTimer::left(const State& s) const {
  const u64 now = now_of(s);
  return s.target_ns > now ? s.target_ns - now : 0;
}

bool IntervalTimer::take_cancelled(State& s) {
  return s.cancel_on_set && std::exchange(s.is_cancelled, false);
}

/// The expiries that have passed since the one at `target_ns`, which moves behind now.
u64 IntervalTimer::forward(State& s, u64 pause_ns) const {
  return time::step_past(s.target_ns, s.interval_ns, now_of(s) + pause_ns);
}

/// The state is locked; the timer does not run.
void IntervalTimer::start(const State& s) {
  time::start(alarm_, steady_deadline(s.target_ns, offset_of(s)));
}

void IntervalTimer::restart(State& s, u64 pause_ns) {
  if (!s.has_expired || s.interval_ns == 0 || s.is_being_set) return;
  s.has_expired = false;
  s.ticks += forward(s, pause_ns);
  start(s);
}

Result<TimerSetting> IntervalTimer::set(const TimerSetting& wanted, bool is_moment,
                                        bool cancel_on_set) {
  auto alone = setting_.lock();
  state_.lock()->is_being_set = true;
  (void)time::cancel(alarm_);
  auto s = state_.lock();
  s->is_being_set = false;
  if (s->has_expired && s->interval_ns != 0) (void)forward(*s, 0);
  const TimerSetting before{left(*s), s->interval_ns};
  s->is_moment = is_moment && clock_ != TimerClock::steady;
  s->cancel_on_set = cancel_on_set && s->is_moment;
  s->seen_offset_ns = offset_ns(clock_);
  s->interval_ns = wanted.interval_ns;
  s->ticks = 0;
  s->has_expired = false;
  s->target_ns = 0;
  if (wanted.value_ns != 0) {
    const u64 now = is_moment ? 0 : core::clock_ns();
    s->target_ns = wanted.value_ns < last_moment - now ? now + wanted.value_ns : last_moment;
    start(*s);
  }
  if (take_cancelled(*s)) return Errno::ecanceled;
  return before;
}

TimerSetting IntervalTimer::setting() {
  auto s = state_.lock();
  restart(*s);
  return {left(*s), s->interval_ns};
}

void IntervalTimer::clock_was_set() {
  auto alone = setting_.lock();
  {
    auto s = state_.lock();
    if (!s->is_moment) return;
    s->is_being_set = true;
  }
  const bool was_running = time::cancel(alarm_);
  auto s = state_.lock();
  s->is_being_set = false;
  if (was_running) start(*s);
  if (!s->cancel_on_set || std::exchange(s->seen_offset_ns, offset_ns(clock_)) == offset_ns(clock_))
    return;
  s->is_cancelled = true;
  ++s->ticks;
  cancelled();
}

void restart_real_timers() { real_timers.lock()->clock_was_set(); }

}  // namespace auk::io
