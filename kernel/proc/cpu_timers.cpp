#include "proc/cpu_timers.hpp"

#include "proc/task.hpp"
#include "proc/usage.hpp"
#include "time/interval.hpp"

namespace auk::proc {
namespace {

constexpr u64 ns_per_s = 1'000'000'000, ns_per_us = 1000;
constexpr u64 unlimited = ~u64{0};

u64 counted(CpuClock clock, const CpuSamples& samples) {
  const CpuTime t = samples.sampled();
  return clock == CpuClock::program ? t.user_ns : t.sum();
}

}  // namespace

u64 CpuOwner::now(CpuClock clock) const {
  if (clock == CpuClock::exact) return task ? task->run_time_ns() : run_time_of(*group);
  return counted(clock, task ? task->samples : group->samples);
}

void CpuTimers::check(const CpuOwner& owner) {
  // Exact time costs a look at every thread: once, and only if somebody counts it.
  std::array<std::optional<u64>, 3> now;
  for (;;) {
    CpuTimer* due = nullptr;
    std::optional<CpuClock> missing;
    {
      auto running = running_.lock();
      for (CpuTimer& t : *running) {
        const std::optional<u64>& at = now[static_cast<usize>(t.clock_)];
        if (!at) {
          missing = t.clock_;
          break;
        }
        if (t.target_ns_ > *at) continue;
        due = &t;
        remove(t);
        t.expire(*this, *at);
        break;
      }
    }
    if (missing) {
      now[static_cast<usize>(*missing)] = owner.now(*missing);
      continue;
    }
    if (due == nullptr) return;
    due->tell();
  }
}

void ProcessCpuTimer::expire(CpuTimers& list, u64 now) {
  if (interval_ns_ == 0) {
    target_ns_ = 0;
    return;
  }
  // One signal for all that have passed.
  (void)time::step_past(target_ns_, interval_ns_, now);
  list.add(*this);
}

void ProcessCpuTimer::tell() { (void)send_to_group(group_, kernel_signal(signal_)); }

io::TimerSetting ProcessCpuTimer::setting() {
  return group_.cpu_timers.locked([&]() -> io::TimerSetting {
    if (target_ns_ == 0) return {0, interval_ns_};
    const u64 now = counted(clock_, group_.samples);
    // Due in this moment.
    return {target_ns_ > now ? target_ns_ - now : sample_ns, interval_ns_};
  });
}

io::TimerSetting ProcessCpuTimer::set(const io::TimerSetting& wanted) {
  const io::TimerSetting before = setting();
  group_.cpu_timers.locked([&] {
    group_.cpu_timers.remove(*this);
    interval_ns_ = wanted.interval_ns;
    // Part of the running sample has passed already: one more, so that it is never too early.
    target_ns_ =
        wanted.value_ns == 0 ? 0 : counted(clock_, group_.samples) + wanted.value_ns + sample_ns;
    if (target_ns_ != 0) group_.cpu_timers.add(*this);
  });
  return before;
}

void TimeLimit::check(Group& g, u64 used) {
  const u64 hard = hard_.load_relaxed();
  if (hard != unlimited && used >= hard) {
    (void)send_to_group(g, kernel_signal(uapi::sigkill));
    return;
  }
  u64 seen = soft_.load_relaxed();
  if (used < seen) return;
  if (soft_.cas_acq_rel(seen, seen + step_)) (void)send_to_group(g, kernel_signal(uapi::sigxcpu));
}

void check_cpu_timers(Task& me) {
  if (me.cpu_timers.any()) me.cpu_timers.check({me.group, Ref<Task>(me)});
  Group& g = *me.group;
  if (g.cpu_timers.any()) g.cpu_timers.check({me.group, {}});
  if (g.cpu_limit.is_set()) g.cpu_limit.check(g, g.samples.sampled().sum() / ns_per_s);
  if (g.realtime_limit.is_set()) {
    (void)me.run_time_ns();  // counts up to now
    g.realtime_limit.check(g, me.realtime_burst_ns() / ns_per_us);
  }
}

}  // namespace auk::proc
