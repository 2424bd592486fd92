#include "proc/cpu_time.hpp"

#include <algorithm>

#include "core/clock.hpp"
#include "core/cpu_mask.hpp"
#include "core/preempt.hpp"
#include "proc/cpu_timers.hpp"
#include "proc/task.hpp"

namespace auk::proc {

CpuTime CpuSamples::sampled() const {
  return {user_.load_relaxed() * sample_ns, system_.load_relaxed() * sample_ns};
}

CpuTime CpuSamples::share(u64 ran_ns) {
  const u64 user = user_.load_relaxed();
  const u64 system = system_.load_relaxed();
  auto shown = shown_.lock();
  if (shown->sum() >= ran_ns) return *shown;
  u64 of_kernel = 0;
  // In two parts, so that no product overflows.
  if (const u64 all = user + system; all != 0)
    of_kernel = ran_ns / all * system + ran_ns % all * system / all;
  of_kernel = std::max(of_kernel, shown->system_ns);
  // What was shown of the one leaves so much for the other.
  of_kernel = std::min(of_kernel, ran_ns - shown->user_ns);
  *shown = {ran_ns - of_kernel, of_kernel};
  return *shown;
}

namespace {

class Sampler final : public time::Timer {
 public:
  bool runs = false;
  Atomic<u64> user{0}, nice{0}, system{0};  ///< samples

  void begin() {
    if (runs) return;
    runs = true;
    time::start(*this, core::clock_ns() + sample_ns);
  }
  void fire() override {
    runs = false;
    if (!sched::current().is_user()) return;
    Task& me = current();
    const bool in_program = core::interrupted_program.read() != 0;
    me.samples.add(in_program);
    me.group->samples.add(in_program);
    Atomic<u64>& mine = !in_program ? system : me.scheduling().nice > 0 ? nice : user;
    mine.store_relaxed(mine.load_relaxed() + 1);
    begin();
    check_cpu_timers(me);
  }
};

AUK_PER_CPU core::PerCpu<Sampler*> samplers;

}  // namespace

void sample_cpu_time() {
  if (Sampler* const s = samplers.read(); s != nullptr) s->begin();
}

CpuUse cpu_use(CpuId cpu) {
  const Sampler* const s = samplers.on(cpu);
  if (s == nullptr) return {};
  return {.user_ns = s->user.load_relaxed() * sample_ns,
          .nice_ns = s->nice.load_relaxed() * sample_ns,
          .system_ns = s->system.load_relaxed() * sample_ns};
}

Result<void> setup_cpu_time() {
  bool complete = true;
  core::online_cpus.each([&](CpuId cpu) {
    Result<mem::Box<Sampler>> made = mem::Box<Sampler>::make(ALLOC_SITE);
    if (made.ok())
      samplers.on(cpu) = made.take().release();
    else
      complete = false;
  });
  return complete ? Result<void>() : Errno::enomem;
}

}  // namespace auk::proc
