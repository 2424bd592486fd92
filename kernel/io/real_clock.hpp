// Moments of clocks that may be set: the time of day and TAI.
//
// Purpose: who waits for such a moment waits for the clock to show it, however often it is set.
// Data model: a count of the settings and a queue for sleepers; timers have a list of their own
// (interval_timer.hpp). Locking: none of its own. Context: threads.
#pragma once
#include "base/types.hpp"
#include "sched/wait.hpp"

namespace auk::io {

enum class TimerClock : u8 { steady, real, tai };

/// How far the clock is ahead of the steady one.
i64 offset_ns(TimerClock clock);

/// When the steady clock shows what a clock that is `offset` ahead shows at `moment_ns`.
u64 steady_deadline(u64 moment_ns, i64 offset);

/// The time of day or TAI has jumped: timers and sleepers look again.
void clock_was_set();

/// Where a thread waits that wants to hear of settings, which this counts.
sched::WaitQueue& setting_queue();
u32 setting_count();

/// What a clock shows at some time, or never.
struct Moment {
  u64 ns = sched::no_deadline;
  TimerClock clock = TimerClock::steady;

  bool is_never() const { return ns == sched::no_deadline; }
};

/// Sleeps until done() is true and the thread is woken, the clock shows the moment, or a signal
/// comes.
template <class F> sched::WaitResult wait_until(Moment m, F done) {
  if (m.clock == TimerClock::steady || m.is_never()) {
    sched::WaitQueue nothing;
    return sched::wait_interruptible(nothing, done, m.ns);
  }
  sched::WaitQueue& queue = setting_queue();
  for (;;) {
    const u32 seen = setting_count();
    const sched::WaitResult r = sched::wait_interruptible(
        queue, [&] { return done() || setting_count() != seen; },
        steady_deadline(m.ns, offset_ns(m.clock)));
    if (r != sched::WaitResult::ready || done()) return r;
  }
}

}  // namespace auk::io
