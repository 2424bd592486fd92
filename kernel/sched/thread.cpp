#include "sched/thread.hpp"

#include <array>

#include "base/bytes.hpp"
#include "base/fmt.hpp"
#include "core/oops.hpp"
#include "core/preempt.hpp"
#include "core/smp_call.hpp"
#include "core/spin.hpp"
#include "machine/isa/cpu.hpp"
#include "mem/kasan.hpp"
#include "sched/runqueue.hpp"
#include "sched/softirq.hpp"

namespace auk::sched {
namespace {

constinit Atomic<u32> next_id{1};

class KernelThread final : public Thread {
  void dispose() override { mem::destroy(this); }

 public:
  KernelThread() : Thread(false) {}
  ~KernelThread() = default;
};

/// Dead threads wait here for the thread that frees stacks: that needs interrupts on.
using DeadList = List<Thread, &Thread::dead_node>;
constinit core::Guarded<core::level::waitqueue, DeadList, core::SpinIrqOff> dead_threads;
constinit Atomic<Thread*> reaper{nullptr};

/// Stacks of dead threads, kept mapped for the next ones: unmapping costs a TLB shoot-down.
struct StackCache {
  static constexpr usize capacity = 32;
  std::array<mem::KernelRange*, capacity> stacks{};
  usize count = 0;
};
constinit core::Guarded<core::level::waitqueue, StackCache, core::SpinIrqOff> stack_cache;

void give_stack(mem::KernelRange* stack) {
  {
    auto cache = stack_cache.lock();
    if (cache->count < StackCache::capacity) {
      cache->stacks[cache->count++] = stack;
      return;
    }
  }
  mem::unmap(stack);
}

Result<mem::KernelRange*> take_stack() {
  mem::KernelRange* stack = nullptr;
  {
    auto cache = stack_cache.lock();
    if (cache->count > 0) stack = cache->stacks[--cache->count];
  }
  if (stack == nullptr) return mem::allocate_stack();
  // Nothing of the thread before may show up in this one.
  mem::kasan::unpoison(stack->as<byte>(), stack->size());
  fill_bytes({stack->as<byte>(), stack->size()});
  return stack;
}

}  // namespace

void bury(Thread& t) {
  {
    auto dead = dead_threads.lock();
    dead->push_back(t);
  }
  if (Thread* r = reaper.load_acquire(); r != nullptr) (void)wake(*r);
}

Result<void> RunQueue::prepare(Thread& t, std::string_view name, ThreadMain& body,
                               SpawnOptions options) {
  // Whoever makes threads cleans up behind those that ended, so that they cannot pile up.
  reap();
  t.stack_ = TRY(take_stack());
  t.main_ = &body;
  t.set_name(name);
  t.id = next_id.fetch_add_relaxed(1);
  t.canary = machine::hardware_entropy() & ~u64{0xff};
  t.scheduling_ = options.scheduling;
  if (is_realtime(t.scheduling_.policy)) t.rank_.store_relaxed(t.scheduling_.priority);
  if (options.pinned) {
    t.allowed_.set(options.cpu);
    t.restricted_.store_release(true);
  }
  t.cpu_.store_relaxed(options.cpu.value);
  return {};
}

Result<Thread*> RunQueue::make_idle(CpuId cpu) {
  Ref<KernelThread> idle = TRY(mem::make_ref<KernelThread>(ALLOC_SITE));
  mem::Box<RunQueue> rq = TRY(mem::Box<RunQueue>::make(ALLOC_SITE, cpu));
  TRY(time::create_timer_queue(cpu));
  Writer name(std::span(idle->name_).first(core::ThreadCore::name_size - 1));
  format_to(name, "swapper/{}", cpu);
  idle->cpu_.store_relaxed(cpu.value);
  idle->allowed_.set(cpu);
  idle->restricted_.store_release(true);
  idle->canary = core::initial_canary();
  rq.release()->install(*idle);
  return idle.release();
}

void RunQueue::reap() {
  for (;;) {
    Thread* t = nullptr;
    {
      auto dead = dead_threads.lock();
      t = dead->pop_front();
    }
    if (t == nullptr) return;
    give_stack(t->stack_);
    t->stack_ = nullptr;
    t->main_->discard();
    const Ref<Thread> last = Ref<Thread>::adopt(t);
  }
}

namespace {

class Reaper final : public ThreadMain {
 public:
  void run() override {
    reaper.store_release(&current());
    for (;;) {
      prepare_to_sleep();
      RunQueue::reap();
      schedule();
    }
  }
  void discard() override {}
};
constinit Reaper reaper_main;

class Preempter final : public core::Rescheduler {
 public:
  void preempt() override {
    const core::IrqOff irq_off;
    do {
      core::preempt_count.write(core::preempt_count.read() | core::no_attention_wanted);
      run_pending_softirqs();
      if (is_reschedule_wanted()) RunQueue::schedule(Leaving::preempted);
    } while ((core::preempt_count.read() & core::no_attention_wanted) == 0);
  }
};
constinit Preempter preempter;

class Killer final : public core::TaskKiller {
 public:
  bool can_kill_current() override {
    return core::current_core() != nullptr && !RunQueue::is_idle(current());
  }
  void kill_current() override { exit_thread(); }
};
constinit Killer killer;

}  // namespace

u64 Thread::run_time_ns() { return RunQueue::run_time(*this); }
Scheduling Thread::scheduling() const { return RunQueue::scheduling(*this); }
void Thread::set_scheduling(const Scheduling& s) { RunQueue::set_scheduling(*this, s); }
void Thread::set_nice(i32 nice) { RunQueue::set_nice(*this, nice); }
Rank Thread::own_rank() const { return rank() == 0 ? Rank{0} : scheduling().priority; }
void Thread::set_boost(Rank r) { RunQueue::set_boost(*this, r); }

void RunQueue::abandon(Thread& t) {
  if (t.stack_ == nullptr) return;
  give_stack(t.stack_);
  t.stack_ = nullptr;
}

void Thread::set_name(std::string_view name) {
  std::array<char, name_size> fresh{};
  name.substr(0, name_size - 1).copy(fresh.data(), fresh.size());
  name_ = fresh;
}

Thread& current() { return static_cast<Thread&>(*core::current_core()); }
Result<Ref<Thread>> spawn(std::string_view name, ThreadMain& body, SpawnOptions options) {
  Result<Ref<KernelThread>> made = mem::make_ref<KernelThread>(ALLOC_SITE);
  if (!made.ok()) {
    body.discard();
    return Errno::enomem;
  }
  Ref<Thread> t = Ref<Thread>::adopt(made.take().release());
  if (!RunQueue::prepare(*t, name, body, options).ok()) {
    body.discard();
    return Errno::enomem;
  }
  RunQueue::start(*t);
  return t;
}
Result<void> prepare_thread(Thread& t, std::string_view name, ThreadMain& body,
                            SpawnOptions options) {
  return RunQueue::prepare(t, name, body, options);
}
void start_thread(Thread& t) { RunQueue::start(t); }
void abandon_thread(Thread& t) { RunQueue::abandon(t); }
void exit_thread() { RunQueue::exit(); }
Result<void> set_affinity(Thread& t, const core::CpuMask& cpus) {
  return RunQueue::set_affinity(t, cpus);
}
void inherit_affinity(Thread& t, const Thread& from) {
  if (!from.restricted_.load_acquire()) return;
  t.allowed_.assign_common(from.allowed_, from.allowed_);
  t.restricted_.store_release(true);
}
void schedule() {
  ASSERT((core::preempt_count.read() & ~core::no_attention_wanted) == 0);
  SleepObserver* const observer = current().observer;
  if (observer != nullptr) observer->before_sleep();
  RunQueue::schedule(Leaving::sleeps);
  if (observer != nullptr) observer->after_sleep();
}
u32 runnable_threads() { return RunQueue::runnable(); }
u64 idle_time_ns(CpuId cpu) { return RunQueue::idle_time_ns(cpu); }

void yield() { RunQueue::schedule(Leaving::yields); }
void prepare_to_sleep() { RunQueue::prepare_to_sleep(); }
void cancel_sleep() { RunQueue::cancel_sleep(); }
bool wake(Thread& t) { return RunQueue::wake(t); }

void notify(Thread& t, u32 bits) {
  (void)t.work_bits.fetch_or_acq_rel(bits);
  // The sleeper writes its class, announces its sleep, and then looks at the bits.
  if (t.has_work(t.sleep_class.load_seq_cst()) && wake(t)) return;
  // In user mode it looks at the bits when it next enters and leaves the kernel: make it.
  const CpuId cpu = t.cpu();
  if (cpu != core::this_cpu()) core::ipi_sender()->send_reschedule(cpu);
}

Result<void> setup_boot_cpu() {
  TRY(RunQueue::make_idle(CpuId(0)));
  core::set_rescheduler(preempter);
  core::set_task_killer(killer);
  TRY(spawn("kreaper", reaper_main));
  return {};
}

Result<void> prepare_cpu(CpuId cpu) {
  TRY(RunQueue::make_idle(cpu));
  return {};
}

void drop_cached_stacks() {
  RunQueue::reap();
  for (;;) {
    mem::KernelRange* stack = nullptr;
    {
      auto cache = stack_cache.lock();
      if (cache->count == 0) return;
      stack = cache->stacks[--cache->count];
    }
    mem::unmap(stack);
  }
}

void run_idle() { RunQueue::run_idle(); }

}  // namespace auk::sched
