#include "proc/real_timer.hpp"

#include "core/clock.hpp"
#include "proc/task.hpp"

namespace auk::proc {

void RealTimer::Alarm::fire() {
  (void)send_to_group(group_, kernel_signal(uapi::sigalrm));
  const u64 interval = interval_ns.load_relaxed();
  if (interval == 0) return;
  // What was missed is not made up for.
  const u64 now = core::clock_ns();
  u64 next = deadline() + interval;
  if (next <= now) next += (now - next) / interval * interval + interval;
  time::start(*this, next);
}

RealTimer::Setting RealTimer::get() {
  auto s = state_.lock();
  if (!s->is_set) return {};
  const u64 now = core::clock_ns();
  const u64 interval = alarm_.interval_ns.load_relaxed();
  if (alarm_.deadline() > now) return {alarm_.deadline() - now, interval};
  // Due in this moment, or over.
  return {interval == 0 ? 0U : 1U, interval};
}

RealTimer::Setting RealTimer::set(const Setting& wanted) {
  const Setting before = get();
  auto s = state_.lock();
  alarm_.interval_ns.store_relaxed(0);
  if (s->is_set) (void)time::cancel(alarm_);
  s->is_set = wanted.left_ns != 0;
  if (!s->is_set) return before;
  alarm_.interval_ns.store_relaxed(wanted.interval_ns);
  time::start(alarm_, core::clock_ns() + wanted.left_ns);
  return before;
}

}  // namespace auk::proc
