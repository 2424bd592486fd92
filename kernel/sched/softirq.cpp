#include "sched/softirq.hpp"

#include <array>
#include <bit>

#include "base/annotations.hpp"
#include "base/fmt.hpp"
#include "core/clock.hpp"
#include "core/cpu_mask.hpp"
#include "core/preempt.hpp"
#include "mem/box.hpp"
#include "sched/thread.hpp"
#include "sched/wait.hpp"

namespace auk::sched {
namespace {

constexpr u32 most_rounds = 10;
constexpr u64 longest_ns = 2'000'000;

AUK_RO_AFTER_INIT constinit std::array<SoftirqHandler*, softirq_count> handlers{};

struct CpuSoftirqs {
  Atomic<u32> pending{0};
  bool thread_has_them = false;  ///< ksoftirqd was told and has not caught up
  WaitQueue* thread_sleeps = nullptr;
  std::array<u64, softirq_count> runs{};
};
AUK_PER_CPU core::PerCpu<CpuSoftirqs> softirqs;

void run_round(CpuSoftirqs& mine, u32 bits) {
  for (; bits != 0; bits &= bits - 1) {
    const auto n = static_cast<usize>(std::countr_zero(bits));
    ++mine.runs[n];
    if (handlers[n] != nullptr) handlers[n]->run();
  }
}

/// True when nothing is left.
bool run_rounds(CpuSoftirqs& mine) {
  const u64 end = core::clock_ns() + longest_ns;
  for (u32 round = 0; round < most_rounds; ++round) {
    const u32 bits = mine.pending.exchange_acquire(0);
    if (bits == 0) return true;
    core::preempt_count.add(1);
    machine::irq_enable();
    run_round(mine, bits);
    machine::irq_disable();
    core::preempt_count.add(static_cast<u32>(-1));
    if (core::clock_ns() > end) break;
  }
  return mine.pending.load_relaxed() == 0;
}

class SoftirqThread final : public ThreadMain {
  CpuId cpu_;
  WaitQueue sleeps_;

 public:
  explicit SoftirqThread(CpuId cpu) : cpu_(cpu) {}
  WaitQueue& queue() { return sleeps_; }
  void run() override {
    CpuSoftirqs& mine = softirqs.on(cpu_);
    for (;;) {
      (void)wait(sleeps_, [&] { return mine.thread_has_them; });
      bool done = false;
      {
        const core::IrqOff irq_off;
        done = run_rounds(mine);
        if (done) mine.thread_has_them = false;
      }
      if (!done) yield();
    }
  }
  void discard() override { mem::destroy(this); }
};

}  // namespace

void set_softirq_handler(Softirq which, SoftirqHandler& handler) {
  handlers[static_cast<usize>(which)] = &handler;
}

void raise_softirq(Softirq which) {
  // With interrupts on, the guard's end is the preemption point that runs it.
  const core::PreemptOff here;
  (void)softirqs.here(here).pending.fetch_or_relaxed(u32{1} << static_cast<u32>(which));
  core::want_attention();
}

u64 softirq_runs(Softirq which, CpuId cpu) {
  return softirqs.on(cpu).runs[static_cast<usize>(which)];
}

void run_pending_softirqs() {
  CpuSoftirqs& mine = softirqs.here(core::Pinned::assume());
  if (mine.pending.load_relaxed() == 0 || mine.thread_has_them) return;
  if (run_rounds(mine) || mine.thread_sleeps == nullptr) return;
  mine.thread_has_them = true;
  mine.thread_sleeps->wake_one();
}

Result<void> start_softirq_threads() {
  bool complete = true;
  core::online_cpus.each([&](CpuId cpu) {
    const auto start = [&]() -> Result<void> {
      mem::Box<SoftirqThread> body = TRY(mem::Box<SoftirqThread>::make(ALLOC_SITE, cpu));
      WaitQueue& queue = body->queue();
      std::array<char, core::ThreadCore::name_size> name;
      Writer w(name);
      format_to(w, "ksoftirqd/{}", cpu);
      TRY(spawn(w.text(), *body.release(), {.pinned = true, .cpu = cpu}));
      softirqs.on(cpu).thread_sleeps = &queue;
      return {};
    };
    complete = start().ok() && complete;
  });
  return complete ? Result<void>() : Errno::enomem;
}

}  // namespace auk::sched
