#include "proc/real_timer.hpp"

#include "core/clock.hpp"
#include "proc/task.hpp"
#include "time/interval.hpp"

namespace auk::proc {

void RealTimer::Alarm::fire() {
  is_running.store_release(false);
  (void)send_to_group(group_, kernel_signal(uapi::sigalrm));
}

RealTimer::Setting RealTimer::get() {
  auto s = state_.lock();
  if (!alarm_.is_running.load_acquire()) return {.interval_ns = s->interval_ns};
  const u64 now = core::clock_ns();
  // Due in this moment.
  return {alarm_.deadline() > now ? alarm_.deadline() - now : 1, s->interval_ns};
}

/// The lock is held; it does not run.
void RealTimer::start(u64 deadline_ns) {
  alarm_.is_running.store_relaxed(true);
  time::start(alarm_, std::min(deadline_ns, time::last_moment));
}

RealTimer::Setting RealTimer::set(const Setting& wanted) {
  const Setting before = get();
  auto s = state_.lock();
  if (time::cancel(alarm_)) alarm_.is_running.store_relaxed(false);
  s->interval_ns = wanted.interval_ns;
  if (wanted.left_ns != 0) start(core::clock_ns() + wanted.left_ns);
  return before;
}

void RealTimer::alarm_taken() {
  auto s = state_.lock();
  if (s->interval_ns == 0 || alarm_.is_running.load_acquire()) return;
  // What was missed is not made up for.
  u64 next = alarm_.deadline();
  (void)time::step_past(next, s->interval_ns, core::clock_ns());
  start(next);
}

}  // namespace auk::proc
