#include "sched/thread.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/annotations.hpp"
#include "base/bytes.hpp"
#include "core/clock.hpp"
#include "core/cpu_mask.hpp"
#include "core/log.hpp"
#include "core/oops.hpp"
#include "core/panic.hpp"
#include "core/preempt.hpp"
#include "core/rcu.hpp"
#include "core/smp_call.hpp"
#include "core/spin.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/switch.hpp"
#include "mem/kasan.hpp"
#include "sched/rcu.hpp"
#include "sched/softirq.hpp"
#include "time/timer.hpp"

namespace auk::sched {

struct Behind {
  bool operator()(const Thread& a, const Thread& b) const {
    return static_cast<i64>(a.virtual_time_ - b.virtual_time_) < 0;
  }
};

namespace {

constexpr u64 slice_ns = 3'000'000;
constexpr u64 wake_granularity_ns = 1'000'000;
constexpr u32 nice_0_weight = 1024;

/// Linux's weights: each step of nice is about 10% of a CPU between two threads.
constexpr std::array<u32, 40> weights{
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
    3906,  3121,  2501,  1991,  1586,  1277,  1024,  820,   655,   526,   423,  335,  272,  215,
    172,   137,   110,   87,    70,    56,    45,    36,    29,    23,    18,   15};

/// CPUs that idle and that nobody has given work yet: who does, takes the CPU out, so that the next
/// one finds another. A CPU joins before it looks for work, and anew whenever it found none.
constinit core::CpuMask idle_cpus;
constinit Atomic<u32> next_id{1};

AUK_PER_CPU core::PerCpu<RunQueue*> run_queues;
AUK_PER_CPU core::PerCpu<u32> reschedule_wanted;
AUK_RO_AFTER_INIT constinit UserSwitch* user_switch = nullptr;

class KernelThread final : public Thread {
  void dispose() override { mem::destroy(this); }

 public:
  KernelThread() : Thread(false) {}
  ~KernelThread() = default;
};

RunQueue& queue_of(CpuId cpu) { return *run_queues.on(cpu); }

/// Of those that may run the thread: its old CPU if it idles, else any that idles, else the old
/// one, else the first.
CpuId choose_cpu(const Thread& t) {
  const CpuId home = t.cpu();
  const bool may_stay = t.may_run_on(home);
  if (may_stay && idle_cpus.take(home)) return home;
  if (const auto idle = idle_cpus.take_first([&](CpuId c) { return t.may_run_on(c); }))
    return *idle;
  if (may_stay) return home;
  std::optional<CpuId> first;
  t.each_allowed_cpu([&](CpuId c) {
    if (!first) first = c;
  });
  // None is online only while the set is being changed.
  return first.value_or(home);
}

}  // namespace

void Thread::set_nice(i32 nice) {
  nice_.store_relaxed(nice);
  weight_.store_relaxed(weights[static_cast<u32>(nice + 20)]);
}

class RunQueue {
  core::SpinWord lock_;
  CpuId cpu_;
  Thread* current_ = nullptr;
  Thread* idle_ = nullptr;
  Tree<Thread, &Thread::hook_, Behind> waiting_;
  u64 floor_ = 0;  ///< virtual time no thread of the queue is behind
  Atomic<u32> waiting_count_{0};
  /// So many times was this CPU called to take a thread from elsewhere, and has not looked yet.
  Atomic<u32> calls_{0};

  class SliceTimer final : public time::Timer {
    RunQueue& queue_;

   public:
    bool armed = false;
    explicit SliceTimer(RunQueue& q) : queue_(q) {}
    void fire() override { queue_.slice_ended(); }
  };
  SliceTimer slice_{*this};

  void lock() { lock_.lock(); }
  void unlock() { lock_.unlock(); }

  void account(u64 now) {
    Thread& t = *current_;
    if (&t == idle_) return;
    const u64 ran = now - t.ran_since_;
    t.ran_since_ = now;
    t.run_time_.store_relaxed(t.run_time_.load_relaxed() + ran);
    t.virtual_time_ += ran * nice_0_weight / t.weight_.load_relaxed();
    u64 least = t.virtual_time_;
    if (!waiting_.empty() && static_cast<i64>(waiting_.begin()->virtual_time_ - least) < 0)
      least = waiting_.begin()->virtual_time_;
    if (static_cast<i64>(least - floor_) > 0) floor_ = least;
  }

  void link(Thread& t) {
    ASSERT(t.cpu() == cpu_);
    waiting_.insert_equal(t);
    waiting_count_.store_seq_cst(waiting_count_.load_relaxed() + 1);
  }
  void unlink(Thread& t) {
    waiting_.erase(waiting_.iterator_to(t));
    waiting_count_.store_relaxed(waiting_count_.load_relaxed() - 1);
  }
  void insert(Thread& t) {
    ASSERT(!t.queued_);
    t.queued_ = true;
    link(t);
  }
  void take(Thread& t) {
    unlink(t);
    t.queued_ = false;
  }

  /// This CPU should call schedule() soon. Lock held.
  void want_reschedule() {
    if (cpu_ == core::this_cpu()) {
      note_reschedule();
      return;
    }
    core::ipi_sender()->send_reschedule(cpu_);
  }

  void slice_ended() {
    lock();
    slice_.armed = false;
    account(core::clock_ns());
    if (current_ != idle_ && !waiting_.empty() && Behind()(*waiting_.begin(), *current_))
      want_reschedule();
    else
      arm_slice();
    unlock();
  }

  /// The end of the running thread's slice matters only when somebody waits. Lock held, own CPU.
  void arm_slice() {
    if (slice_.armed || current_ == idle_ || waiting_.empty() || cpu_ != core::this_cpu()) return;
    slice_.armed = true;
    time::start(slice_, core::clock_ns() + slice_ns);
  }

 public:
  explicit RunQueue(CpuId cpu) : cpu_(cpu) {}
  void set_idle(Thread& t) { current_ = idle_ = &t; }
  Thread& running() { return *current_; }
  u32 waiting() const { return waiting_count_.load_relaxed(); }

  /// A thread waits that this CPU does not run next. Lock held.
  bool is_crowded() const { return current_ != idle_ || waiting() > 1; }
  /// If another CPU idles, it comes and takes a thread from whom has too many. One call for each
  /// thread that waits: a CPU may be called again before it comes.
  void call_idle_cpu() {
    const auto lazy = idle_cpus.take_first([&](CpuId c) { return c != cpu_; });
    if (!lazy) return;
    (void)queue_of(*lazy).calls_.fetch_add_acq_rel(1);
    core::ipi_sender()->send_reschedule(*lazy);
  }
  /// This CPU has work now: others answer the calls it has not.
  void pass_calls_on() {
    if (calls_.load_relaxed() == 0) return;
    for (u32 n = calls_.exchange_acq_rel(0); n > 0; --n) call_idle_cpu();
  }

  /// A thread was linked: it runs soon, or its time is limited by others. Ends the lock.
  void settle(const Thread& t) {
    if (current_ == idle_ ||
        static_cast<i64>(t.virtual_time_ + wake_granularity_ns - current_->virtual_time_) < 0)
      want_reschedule();
    else
      arm_slice_or_ask();
    const bool crowded = is_crowded();
    unlock();
    if (crowded) call_idle_cpu();
  }

  /// A thread that is neither queued nor on a CPU becomes runnable here. Interrupts off.
  void enqueue(Thread& t, bool fresh) {
    lock();
    account(core::clock_ns());
    const u64 earliest = fresh ? floor_ : floor_ - slice_ns / 2;
    if (static_cast<i64>(t.virtual_time_ - earliest) < 0) t.virtual_time_ = earliest;
    // Coming from another queue, whose virtual time may be far ahead.
    const u64 latest = floor_ + slice_ns;
    if (static_cast<i64>(t.virtual_time_ - latest) > 0) t.virtual_time_ = latest;
    insert(t);
    settle(t);
  }

  /// Sends a thread of this queue on its way to another one: arrive() there, without this lock. It
  /// counts as queued meanwhile, so that who wakes it leaves it to us. Lock held.
  void send_off(Thread& t, CpuId to) {
    t.queued_ = true;
    t.cpu_.store_relaxed(to.value);
    t.virtual_time_ -= floor_;
  }
  void arrive(Thread& t) {
    lock();
    account(core::clock_ns());
    t.virtual_time_ += floor_;
    link(t);
    settle(t);
  }

  /// A second thread waits on a CPU that ran only one: its slice must end some time.
  void arm_slice_or_ask() {
    if (cpu_ == core::this_cpu())
      arm_slice();
    else if (waiting() == 1)
      want_reschedule();
  }

  enum class Theft : u8 { nothing_there, busy, done };

  /// Gives `thief` a thread that may run elsewhere. Interrupts off. It counts as queued until
  /// accept(): it may have announced a sleep before it was preempted, and who wakes it must leave
  /// it to us. Thieves do not wait for the lock: where many idle they would keep it from its owner.
  Theft give_one(RunQueue& thief) {
    if (waiting() == 0) return Theft::nothing_there;
    if (!lock_.try_lock()) return Theft::busy;
    Thread* found = nullptr;
    for (Thread& t : waiting_)
      if (t.may_run_on(thief.cpu_)) {
        found = &t;
        break;
      }
    if (found != nullptr) {
      unlink(*found);
      send_off(*found, thief.cpu_);
    }
    unlock();
    if (found == nullptr) return Theft::nothing_there;
    thief.accept(*found);
    return Theft::done;
  }

  void accept(Thread& t) {
    lock();
    t.virtual_time_ += floor_;
    link(t);
    // Its own CPU comes to choose one; others may have arrived meanwhile.
    const bool crowded = waiting() > 1;
    unlock();
    if (crowded) call_idle_cpu();
  }

  /// Threads at the head that may not run here any more. The lock, which is held, is let go and
  /// taken again, so nobody in the queue may still be on its CPU.
  void send_strays_off() {
    while (!waiting_.empty() && !waiting_.begin()->may_run_on(cpu_)) {
      Thread& t = *waiting_.begin();
      const CpuId to = choose_cpu(t);
      if (to == cpu_) return;
      unlink(t);
      send_off(t, to);
      unlock();
      queue_of(to).arrive(t);
      lock();
    }
  }

  /// Lock held: the thread has not left this CPU yet.
  bool is_on_cpu(const Thread& t) const { return current_ == &t; }

  /// `preempted`: a thread that announced its sleep is still runnable.
  static void schedule(bool preempted);
  static bool is_idle(const Thread& t);
  static u64 run_time(Thread& t);
  static void finish_switch(Thread* previous);
  static bool wake(Thread& t);
  static Result<void> set_affinity(Thread& t, const core::CpuMask& cpus);
  static void move_if_misplaced(Thread& t);
  static Theft steal_for(RunQueue& thief);
  static void first_steps(void* previous);
  static Result<void> prepare(Thread& t, std::string_view name, ThreadMain& body,
                              SpawnOptions options);
  static void start(Thread& t);
  static void abandon(Thread& t);
  static Result<Thread*> make_idle(CpuId cpu);
  [[noreturn]] static void exit();
  static void prepare_to_sleep() { current().state_.store_seq_cst(State::sleeping); }
  static void cancel_sleep() { current().state_.store_relaxed(State::running); }
  [[noreturn]] static void run_idle();
  static void reap();
};

namespace {

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

void RunQueue::schedule(bool preempted) {
  const machine::IrqFlags flags = machine::irq_save();
  run_pending_softirqs();
  rcu_note_quiescent();
  RunQueue& rq = *run_queues.read();
  Thread& previous = *rq.current_;
  rq.lock();
  core::preempt_count.write(core::preempt_count.read() | core::no_attention_wanted);
  reschedule_wanted.write(0);
  rq.account(core::clock_ns());
  const auto stays = [&] {
    const State s = previous.state_.load_acquire();
    return &previous != rq.idle_ && (s == State::running || (preempted && s == State::sleeping));
  };
  Thread* next = nullptr;
  for (bool stole = false;; stole = true) {
    rq.send_strays_off();
    if (stays() && !previous.queued_) {
      if (previous.may_run_on(rq.cpu_)) {
        rq.insert(previous);
      } else {
        // It goes when its registers are saved: finish_switch().
        previous.leaves_ = previous.queued_ = true;
      }
    }
    if (!rq.waiting_.empty()) {
      next = &*rq.waiting_.begin();
      rq.take(*next);
      // What came here by theft was not meant to wait behind a thread woken meanwhile.
      if (stole && rq.waiting() > 0) rq.call_idle_cpu();
      break;
    }
    if (stole) {
      next = rq.idle_;
      break;
    }
    // Nothing here: look elsewhere, without this lock. Who wakes the previous thread meanwhile
    // finds it still on its CPU and leaves it to us.
    rq.unlock();
    (void)steal_for(rq);
    rq.lock();
  }
  if (next == &previous) {
    rq.arm_slice();
    rq.unlock();
    machine::irq_restore(flags);
    return;
  }
  const bool slept = !preempted && previous.state_.load_relaxed() != State::running;
  Atomic<u64>& switches = slept ? previous.sleeps_ : previous.preemptions_;
  switches.store_relaxed(switches.load_relaxed() + 1);
  rq.current_ = next;
  next->ran_since_ = core::clock_ns();
  if (&previous == rq.idle_) {
    (void)idle_cpus.take(rq.cpu_);
    rq.pass_calls_on();
  }
  rq.arm_slice();
  core::current_thread.write(next);
  if (previous.is_user_) user_switch->leave(previous);
  mem::load_translation(next->translation);
  if (next->is_user_) user_switch->enter(*next);
  void* const from =
      auk_switch_context(&previous.stack_pointer_, next->stack_pointer_, &previous, next->canary);
  finish_switch(static_cast<Thread*>(from));
  machine::irq_restore(flags);
}

void RunQueue::finish_switch(Thread* previous) {
  // Once the lock is free a thread that sleeps may be woken, run elsewhere and end there.
  const bool is_dead = previous->state_.load_acquire() == State::dead;
  // The thread may have come to another CPU than the one it left.
  RunQueue& rq = *run_queues.read();
  const bool leaves = std::exchange(previous->leaves_, false);
  const CpuId to = leaves ? choose_cpu(*previous) : rq.cpu_;
  if (leaves) rq.send_off(*previous, to);
  rq.unlock();
  if (leaves) queue_of(to).arrive(*previous);
  if (!is_dead) return;
  {
    auto dead = dead_threads.lock();
    dead->push_back(*previous);
  }
  if (Thread* r = reaper.load_acquire(); r != nullptr) (void)wake(*r);
}

bool RunQueue::wake(Thread& t) {
  // Changes nothing; a load would not be ordered behind the caller's change of the condition.
  State expected = State::sleeping;
  if (!t.state_.cas_acq_rel(expected, State::sleeping)) return false;
  const core::IrqOff irq_off;
  for (;;) {
    const CpuId home = t.cpu();
    RunQueue& rq = queue_of(home);
    rq.lock();
    if (t.cpu() != home) {
      rq.unlock();
      continue;
    }
    // Under the lock, without which no thread leaves its CPU: woken before, it might run on,
    // announce its next sleep and be asleep again when we look where it is.
    const bool woken = t.state_.cas_acq_rel(expected, State::running);
    // Still on its CPU, or preempted before it slept: it never stopped being runnable.
    const bool stays = rq.is_on_cpu(t) || t.queued_;
    if (woken && !stays) t.cpu_.store_relaxed(choose_cpu(t).value);
    rq.unlock();
    if (woken && !stays) queue_of(t.cpu()).enqueue(t, false);
    return woken;
  }
}

void RunQueue::move_if_misplaced(Thread& t) {
  const core::IrqOff irq_off;
  for (;;) {
    const CpuId home = t.cpu();
    if (t.may_run_on(home)) return;
    RunQueue& rq = queue_of(home);
    rq.lock();
    if (t.cpu() != home) {
      rq.unlock();
      continue;
    }
    if (!t.hook_.is_linked()) {
      // On the CPU, which has to let go of it; or asleep; or on its way.
      if (rq.is_on_cpu(t)) rq.want_reschedule();
      rq.unlock();
      return;
    }
    const CpuId to = choose_cpu(t);
    rq.unlink(t);
    rq.send_off(t, to);
    rq.unlock();
    queue_of(to).arrive(t);
    return;
  }
}

Result<void> RunQueue::set_affinity(Thread& t, const core::CpuMask& cpus) {
  core::CpuMask online;
  online.assign_common(cpus, core::online_cpus);
  if (online.count() == 0) return Errno::einval;
  t.allowed_.assign_common(cpus, online);
  t.restricted_.store_release(true);
  if (&t == &sched::current()) {
    while (!t.may_run_on(core::this_cpu())) yield();
  } else {
    move_if_misplaced(t);
  }
  return {};
}

RunQueue::Theft RunQueue::steal_for(RunQueue& thief) {
  const u32 calls = thief.calls_.exchange_acq_rel(0);
  Theft result = Theft::nothing_there;
  // The neighbours in turn, so that thieves spread out.
  for (u32 i = 1; i < core::possible_cpus; ++i) {
    const CpuId victim((thief.cpu_.value + i) % core::possible_cpus);
    RunQueue* rq = run_queues.on(victim);
    if (rq == nullptr) continue;
    const Theft here = rq->give_one(thief);
    if (here != Theft::nothing_there) result = here;
    if (here == Theft::done) break;
  }
  // What was taken answers one call. Where a lock was taken, this CPU has not looked.
  const u32 answered = result == Theft::busy ? 0 : result == Theft::done ? 1 : calls;
  if (calls > answered) (void)thief.calls_.fetch_add_relaxed(calls - answered);
  return result;
}

void RunQueue::first_steps(void* previous) {
  finish_switch(static_cast<Thread*>(previous));
  machine::irq_enable();
  Thread& me = current();
  me.main_->run();
  exit();
}

void RunQueue::exit() {
  core::assert_no_locks_held("a thread ends");
  machine::irq_disable();
  current().state_.store_release(State::dead);
  schedule(false);
  UNREACHABLE("a dead thread runs");
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
  t.set_nice(std::clamp(options.nice, -20, 19));
  if (options.pinned) {
    t.allowed_.set(options.cpu);
    t.restricted_.store_release(true);
  }
  t.cpu_.store_relaxed(options.cpu.value);
  return {};
}

void RunQueue::start(Thread& t) {
  // At the top the frame of the user registers, if there is a user half.
  t.stack_pointer_ = machine::prepare_stack(t.stack_top() - t.reserved_at_top_, first_steps);
  const core::IrqOff irq_off;
  if (t.may_run_on(core::this_cpu())) t.cpu_.store_relaxed(core::this_cpu().value);
  t.cpu_.store_relaxed(choose_cpu(t).value);
  // The scheduler's own reference: given up by the reaper.
  (void)Ref<Thread>(t).release();
  queue_of(t.cpu()).enqueue(t, true);
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
  rq->set_idle(*idle);
  core::current_thread.on(cpu) = idle.get();
  run_queues.on(cpu) = rq.release();
  return idle.release();
}

void RunQueue::run_idle() {
  RunQueue& rq = *run_queues.read();
  for (;;) {
    machine::irq_disable();
    // First say that this CPU idles, then look for work: whoever queues a thread does it the other
    // way round, so one of the two sees the other.
    if (!idle_cpus.has(rq.cpu_)) idle_cpus.set(rq.cpu_);
    const bool wanted = (core::preempt_count.read() & core::no_attention_wanted) == 0;
    const Theft theft = wanted || rq.waiting() > 0 ? Theft::done : steal_for(rq);
    if (theft == Theft::done) {
      (void)idle_cpus.take(rq.cpu_);
      schedule(false);
      machine::irq_enable();
      continue;
    }
    if (theft == Theft::busy) {
      // A thread waits there: no sleep before it is clear who runs it. Interrupts come meanwhile.
      machine::irq_enable();
      machine::relax();
      continue;
    }
    core::rcu_idle_begins(core::Pinned::assume());
    machine::wait_for_interrupt();
    core::rcu_idle_ends(core::Pinned::assume());
  }
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
      if (reschedule_wanted.read() != 0) RunQueue::schedule(true);
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

bool RunQueue::is_idle(const Thread& t) { return queue_of(t.cpu()).idle_ == &t; }

u64 RunQueue::run_time(Thread& t) {
  const core::IrqOff irq_off;
  RunQueue& rq = queue_of(t.cpu());
  rq.lock();
  if (rq.current_ == &t) rq.account(core::clock_ns());
  rq.unlock();
  return t.run_time_.load_relaxed();
}

u64 Thread::run_time_ns() { return RunQueue::run_time(*this); }

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

void set_user_switch(UserSwitch& s) { user_switch = &s; }

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
  RunQueue::schedule(false);
  if (observer != nullptr) observer->after_sleep();
}
void yield() { RunQueue::schedule(true); }
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

void note_reschedule() {
  reschedule_wanted.write(1);
  core::want_attention();
}

u32 misplaced_threads() {
  u32 waiting = 0;
  u32 asleep = 0;
  for (u32 cpu = 0; cpu < core::possible_cpus; ++cpu)
    if (RunQueue* rq = run_queues.on(CpuId(cpu)); rq != nullptr) {
      waiting += rq->waiting();
      asleep += core::rcu_idles.on(CpuId(cpu)).load_acquire();
    }
  return std::min(waiting, asleep);
}

}  // namespace auk::sched
