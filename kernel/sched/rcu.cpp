#include "sched/rcu.hpp"

#include "core/clock.hpp"
#include "core/cpu_mask.hpp"
#include "core/rcu.hpp"
#include "core/smp_call.hpp"
#include "mem/box.hpp"
#include "sched/lock.hpp"
#include "sched/wait.hpp"
#include "time/timer.hpp"

namespace auk::sched {
namespace {

/// This CPU owes an answer to the running grace period.
AUK_PER_CPU core::PerCpu<Atomic<u32>> answer_owed;
constinit Atomic<u32> answers_missing{0};
constinit Atomic<u32> round_wanted{0};
constinit Atomic<u64> grace_periods{0};
constinit WaitQueue engine_sleeps;

void start_round() {
  round_wanted.store_seq_cst(1);
  engine_sleeps.wake_one();
}

/// What is queued within this time shares a grace period.
constexpr u64 batch_ns = 2'000'000;

class BatchTimer final : public time::Timer {
  core::Guarded<core::level::rcu_batch, bool, core::SpinIrqOff> runs_;

 public:
  void start_if_idle() {
    auto runs = runs_.lock();
    if (*runs) return;
    *runs = true;
    time::start(*this, core::clock_ns() + batch_ns);
  }
  void fire() override {
    // Whoever queues something from here on starts it again; the round sees all that came before.
    *runs_.lock() = false;
    start_round();
  }
};
constinit BatchTimer* batch_timer = nullptr;

class Engine final : public ThreadMain, public core::RcuEngine {
  static void ask_all_cpus() {
    // One more than there are CPUs, so that early answers cannot end the period.
    answers_missing.store_seq_cst(1);
    core::online_cpus.each([](CpuId cpu) {
      if (core::rcu_idles.on(cpu).load_seq_cst() != 0) return;
      (void)answers_missing.fetch_add_acq_rel(1);
      answer_owed.on(cpu).store_seq_cst(1);
      if (cpu != core::this_cpu()) core::ipi_sender()->send_reschedule(cpu);
    });
    (void)answers_missing.fetch_sub_acq_rel(1);
  }

 public:
  static void grace_period() {
    ask_all_cpus();
    // Sleeping goes through schedule(), which answers for this CPU.
    yield();
    (void)wait(engine_sleeps, [] { return answers_missing.load_seq_cst() == 0; });
    (void)grace_periods.fetch_add_acq_rel(1);
  }

  void run() override {
    for (;;) {
      (void)wait(engine_sleeps, [] { return round_wanted.exchange_acq_rel(0) != 0; });
      core::RcuHead* batch = nullptr;
      core::RcuHead* last = nullptr;
      core::online_cpus.each([&](CpuId cpu) {
        core::RcuHead* list = core::rcu_queues.on(cpu).take_all();
        if (list == nullptr) return;
        if (batch == nullptr) {
          batch = list;
        } else {
          for (last = list; core::RcuQueue::next_of(*last) != nullptr;)
            last = core::RcuQueue::next_of(*last);
          core::RcuQueue::join(*last, *batch);
          batch = list;
        }
      });
      if (batch == nullptr) continue;
      grace_period();
      while (batch != nullptr) {
        core::RcuHead& h = *batch;
        batch = core::RcuQueue::next_of(h);
        h.retire();
      }
    }
  }
  void discard() override {}
  void call() override { batch_timer->start_if_idle(); }
};
constinit Engine engine;

class Marker final : public core::RcuHead {
 public:
  Completion passed;
  void retire() override { passed.complete(); }
};

}  // namespace

Result<void> start_rcu() {
  batch_timer = TRY(mem::Box<BatchTimer>::make(ALLOC_SITE)).release();
  core::set_rcu_engine(engine);
  TRY(spawn("rcu_gp", engine));
  return {};
}

void rcu_note_quiescent() {
  const core::Pinned& here = core::Pinned::assume();
  Atomic<u32>& owed = answer_owed.here(here);
  if (owed.load_relaxed() == 0 || owed.exchange_acq_rel(0) == 0) return;
  if (answers_missing.fetch_sub_acq_rel(1) == 1) engine_sleeps.wake_all();
}

void rcu_synchronize() {
  Marker marker;
  core::rcu_call(marker);
  start_round();
  (void)marker.passed.wait_for();
}

void rcu_barrier() {
  // The first marker may be retired before other heads of its batch; that of the next batch is not
  // taken before all of the first are gone.
  rcu_synchronize();
  rcu_synchronize();
}

u64 rcu_grace_periods() { return grace_periods.load_relaxed(); }

}  // namespace auk::sched
