// Threads, and the run queues that share CPUs among them.
//
// Purpose: what runs, where, and for how long.
// Data model: Thread (a kernel stack with saved registers, a state word, its place in the order)
// belongs to one CPU's RunQueue at a time. Order: real-time threads by their priority, then those
// that share the CPU fairly: each one's virtual time advances by real time divided by its weight;
// the queue runs the thread that is behind most. A waking thread is placed at most half a slice
// behind the others, so sleeping is not saved up. State word: running (on a CPU or queued),
// sleeping, dead. A waker changes sleeping to running by compare-and-set; whoever wins puts the
// thread on a queue, unless it has not left its CPU yet: then its own schedule() sees that it need
// not sleep.
// Locking: each run queue has a raw lock that is held across the switch: the thread switched to
// lets it go. So another CPU that holds the lock knows that every thread which is not `current`
// there has saved its registers. Which queue a thread belongs to changes only under the lock of the
// queue it belonged to, which is what wake() takes. Two run queue locks are never held at once; a
// thief only tries them.
// Context: spawn() and sleeping in threads with preemption on; wake() and changes of scheduling any
// but NMI.
// Differences from Linux: no CPU idles while threads that it may run wait elsewhere. A CPU joins
// the idle ones, then looks for a thread to steal, then sleeps. Whoever makes a thread wait takes a
// CPU out of the idle ones and calls it: one call for each thread, answered by whoever takes a
// thread, passed on by who was called and got work of its own.
#pragma once
#include <string_view>

#include "base/own.hpp"
#include "base/result.hpp"
#include "base/tree.hpp"
#include "core/cpu_mask.hpp"
#include "core/thread_core.hpp"
#include "mem/box.hpp"
#include "mem/translation.hpp"
#include "mem/vmalloc.hpp"
#include "sched/policy.hpp"

namespace auk::sched {

/// The body of a kernel thread. Deleted when the thread is gone.
class ThreadMain {
 public:
  virtual void run() = 0;
  /// Ends the object's life: mem::destroy() of the most derived type.
  virtual void discard() = 0;

 protected:
  constexpr ThreadMain() = default;
  ~ThreadMain() = default;
};

/// Told when a thread gives up its CPU to sleep: the work queues start another worker then.
class SleepObserver {
 public:
  /// In the thread, about to sleep; must not sleep itself.
  virtual void before_sleep() = 0;
  virtual void after_sleep() = 0;

 protected:
  constexpr SleepObserver() = default;
  ~SleepObserver() = default;
};

/// What may end a wait besides its condition and its deadline.
enum class Interruptible : u8 { no, fatal, any };

enum class State : u32 { running = 0, sleeping = 1, dead = 2 };

class RunQueue;

class Thread : public core::ThreadCore, public RefCounted<Thread> {
  friend class ReadyQueue;
  friend class RunQueue;
  friend void inherit_affinity(Thread& t, const Thread& from);
  friend struct Behind;
  u64 stack_pointer_ = 0;
  mem::KernelRange* stack_ = nullptr;
  ThreadMain* main_ = nullptr;
  Atomic<State> state_{State::running};
  Atomic<u32> cpu_{0};
  // Guarded by the lock of the queue it belongs to.
  Scheduling scheduling_;
  Rank boost_ = 0;  ///< what others that wait for it lend it
  Atomic<Rank> rank_{0};
  bool counts_as_urgent_ = false;
  bool queued_ = false;
  bool leaves_ = false;  ///< for another CPU, as soon as this one runs another thread
  /// Not every CPU may run it: only those of `allowed_`.
  Atomic<bool> restricted_{false};
  core::CpuMask allowed_;
  bool is_user_;
  u32 reserved_at_top_ = 0;
  u64 virtual_time_ = 0;
  u64 ran_since_ = 0;
  u64 turn_left_ns_ = round_robin_ns;
  Atomic<u64> run_time_{0};
  Atomic<u64> burst_ns_{0};
  Atomic<u64> sleeps_{0}, preemptions_{0};
  TreeHook hook_;
  ListNode ready_node_;

 public:
  ListNode dead_node;                 ///< for the reaper
  SleepObserver* observer = nullptr;  ///< of the thread itself
  /// The address space its user half runs in; nullptr for kernel threads. Changed by the thread
  /// itself with preemption off.
  mem::TranslationRoot* translation = nullptr;
  static void destroy(Thread* t) { t->dispose(); }
  /// What the thread's sleep lets through; written by the thread alone.
  Atomic<Interruptible> sleep_class{Interruptible::no};
  bool has_work(Interruptible c) const {
    const u32 bits = work_bits.load_seq_cst();
    return (c == Interruptible::any && (bits & core::work::signal) != 0) ||
           (c != Interruptible::no && (bits & core::work::fatal) != 0);
  }
  /// Time on a CPU, up to now.
  u64 run_time_ns();
  /// How often it gave its CPU up to sleep, and to another thread while it could have run.
  u64 sleeps() const { return sleeps_.load_relaxed(); }
  u64 preemptions() const { return preemptions_.load_relaxed(); }
  /// Time on a CPU under a real-time policy since it last slept.
  u64 realtime_burst_ns() const { return burst_ns_.load_relaxed(); }
  bool may_run_on(CpuId c) const { return !restricted_.load_acquire() || allowed_.has(c); }
  /// f(CpuId) for each CPU that may run it and is online.
  template <class F> void each_allowed_cpu(F f) const {
    core::online_cpus.each([&](CpuId c) {
      if (may_run_on(c)) f(c);
    });
  }
  /// More than one CPU may run it.
  bool may_move() const {
    if (!restricted_.load_acquire()) return true;
    u32 count = 0;
    each_allowed_cpu([&](CpuId) { ++count; });
    return count > 1;
  }
  CpuId cpu() const { return CpuId(cpu_.load_relaxed()); }
  /// Or about to.
  bool is_asleep() const { return state_.load_acquire() == State::sleeping; }
  bool is_dead() const { return state_.load_acquire() == State::dead; }
  bool is_user() const { return is_user_; }
  VirtAddr stack_top() const { return stack_->start() + stack_->size(); }
  Scheduling scheduling() const;
  void set_scheduling(const Scheduling& s);
  void set_nice(i32 nice);
  /// Its priority, or the highest that it was lent.
  Rank rank() const { return rank_.load_relaxed(); }
  /// Without what it was lent.
  Rank own_rank() const;
  /// Lends it a real-time priority until the next call; 0: none.
  void set_boost(Rank r);
  void set_name(std::string_view name);
  /// Bytes at the top of the stack that stay free: the user registers. Before start_thread().
  void reserve_at_top(u32 bytes) { reserved_at_top_ = bytes; }

 protected:
  explicit Thread(bool is_user) : is_user_(is_user) {}
  ~Thread() = default;
  /// The last reference is gone: ends the object's life.
  virtual void dispose() = 0;
};

/// What a switch does to threads that have a user half; entry's job.
class UserSwitch {
 public:
  /// Saves the user registers that entry does not save. Interrupts off, on the thread's CPU.
  virtual void leave(Thread& t) = 0;
  /// Puts them back and makes the thread's stack the one that user mode enters on.
  virtual void enter(Thread& t) = 0;

 protected:
  constexpr UserSwitch() = default;
  ~UserSwitch() = default;
};
void set_user_switch(UserSwitch& s);

struct SpawnOptions {
  Scheduling scheduling = {};
  bool pinned = false;  ///< stays on `cpu`
  CpuId cpu;
};
/// Makes a kernel thread and starts it. ENOMEM. The body is deleted whether or not it works.
Result<Ref<Thread>> spawn(std::string_view name, ThreadMain& body, SpawnOptions options = {});
/// The two steps for an object made elsewhere: give it a stack (ENOMEM), and let it run.
Result<void> prepare_thread(Thread& t, std::string_view name, ThreadMain& body,
                            SpawnOptions options);
void start_thread(Thread& t);
/// For a prepared thread that will never run.
void abandon_thread(Thread& t);
[[noreturn]] void exit_thread();

Thread& current();

/// Lets another thread run if one is due; the caller stays runnable.
void yield();
/// Only these CPUs run the thread from now on; EINVAL if none of them is online. The caller itself
/// runs on one of them when this returns.
Result<void> set_affinity(Thread& t, const core::CpuMask& cpus);
/// For a prepared thread: as its maker.
void inherit_affinity(Thread& t, const Thread& from);
/// Gives up the CPU; returns when the thread is runnable again. The caller has set its state.
void schedule();
/// Announces that the caller is about to sleep; from here on wake() cancels that.
void prepare_to_sleep();
/// Takes the announcement back.
void cancel_sleep();
/// Makes a sleeping thread runnable; false when it was not asleep.
bool wake(Thread& t);
/// A signal was posted: sets the work bits, ends a wait that lets it through, and interrupts the
/// thread if it runs in user mode on another CPU.
void notify(Thread& t, u32 work_bits);
/// Sleeps until the clock reaches the deadline.
void sleep_until(u64 deadline_ns);

/// How many run or wait for a CPU, as near as can be told without stopping them.
u32 runnable_threads();
/// How long a CPU had nothing to run.
u64 idle_time_ns(CpuId cpu);
/// Makes the running context the boot CPU's idle thread, and a run queue for it.
Result<void> setup_boot_cpu();
/// The run queue and idle thread of a CPU that will start on `stack`.
Result<void> prepare_cpu(CpuId cpu);
/// The idle loop; the running context becomes the CPU's idle thread.
[[noreturn]] void run_idle();
/// From the reschedule interrupt.
void note_reschedule();

/// Frees the dead threads that wait for it and the stacks that wait for new ones.
void drop_cached_stacks();

/// Counts for tests: threads waiting on queues of busy CPUs while others idle, right now.
u32 misplaced_threads();

}  // namespace auk::sched
