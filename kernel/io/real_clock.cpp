#include "io/real_clock.hpp"

#include <algorithm>

#include "core/clock.hpp"
#include "core/cpu_mask.hpp"
#include "core/init_graph.hpp"
#include "core/percpu.hpp"
#include "io/interval_timer.hpp"
#include "sched/workqueue.hpp"
#include "time/interval.hpp"
#include "time/wall_clock.hpp"

namespace auk::io {
namespace {

constinit Atomic<u32> settings{0};
/// One for each CPU, so that those who go to sleep do not meet.
AUK_PER_CPU core::PerCpu<sched::WaitQueue> sleepers;

/// Leap seconds come in an interrupt.
class AfterLeap final : public time::WallClockWatcher, sched::Work {
  void run() override { clock_was_set(); }

 public:
  constexpr AfterLeap() = default;
  void clock_leapt() override { (void)sched::system_queue.queue(*this); }
};
constinit AfterLeap after_leap;

void setup() { time::set_wall_clock_watcher(after_leap); }
INIT_TASK(real_clock, "", "", setup);

}  // namespace

i64 offset_ns(TimerClock clock) {
  switch (clock) {
    case TimerClock::steady: break;
    case TimerClock::real: return core::real_offset_ns.load_relaxed();
    case TimerClock::tai: return core::tai_offset_ns.load_relaxed();
  }
  return 0;
}

u64 steady_deadline(u64 moment_ns, i64 offset) {
  const u64 ahead = static_cast<u64>(offset);
  if (offset < 0) return std::min(moment_ns, time::last_moment) - ahead;
  return moment_ns > ahead ? moment_ns - ahead : 0;
}

void clock_was_set() {
  (void)settings.fetch_add_acq_rel(1);
  for (u32 cpu = 0; cpu < core::possible_cpus; ++cpu) sleepers.on(CpuId(cpu)).wake_all();
  restart_real_timers();
}

sched::WaitQueue& setting_queue() { return sleepers.on(core::this_cpu()); }
u32 setting_count() { return settings.load_acquire(); }

}  // namespace auk::io
