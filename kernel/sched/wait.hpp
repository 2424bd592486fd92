// Waiting: the one primitive that every sleep on a condition uses (decision D7).
//
// Purpose: no lost wake-up by construction: a waiter announces itself, then looks at the condition,
// then sleeps; whoever makes the condition true does so first and wakes afterwards.
// Data model: WaitQueue -> Waiter (on the sleeper's stack) -> Thread. wake_one() takes one waiter
// off the queue and marks it granted: it has to look at the condition again, and if it leaves
// without (deadline, or satisfied before) it hands the grant on. A Watcher is told of every
// wake-up instead of sleeping; what follows from that is done by its Relay when the queue's lock
// is free, so that queues that wake other queues never nest their locks. Locking: level waitqueue,
// one lock per queue. Context: waiting in threads with preemption on; waking any but NMI.
// Differences from Linux: a wake function (Watcher) only marks, and no flags; an exclusive wake-up
// is wake_one().
#pragma once
#include "base/bug.hpp"
#include "base/list.hpp"
#include "core/spin.hpp"
#include "machine/isa/cpu.hpp"
#include "sched/thread.hpp"

namespace auk::sched {

inline constexpr u64 no_deadline = ~u64{0};

enum class WaitResult : u8 { ready, timed_out, interrupted };

class WaitQueue;

/// While it lives, sleeps of the running thread end when a signal comes: for waits that are not
/// wait().
class InterruptibleSleep {
  Thread& me_;

 public:
  explicit InterruptibleSleep(Thread& me) : me_(me) {
    me_.sleep_class.store_seq_cst(Interruptible::any);
  }
  ~InterruptibleSleep() { me_.sleep_class.store_relaxed(Interruptible::no); }
  InterruptibleSleep(const InterruptibleSleep&) = delete;
  InterruptibleSleep& operator=(const InterruptibleSleep&) = delete;
};

/// What stands in a queue: watchers first, then waiters in the order they came.
class WaitEntry {
  friend class WaitQueue;
  bool is_watcher_;

 protected:
  explicit WaitEntry(bool is_watcher) : is_watcher_(is_watcher) {}
  ~WaitEntry() = default;

 public:
  ListNode node;  ///< for the queue
  WaitEntry(const WaitEntry&) = delete;
  WaitEntry& operator=(const WaitEntry&) = delete;
};

/// What a watched queue's wake-up leads to. Freed a grace period after its last watcher was
/// detached: a waker may still be on the way.
class Relay {
  friend class RelayList;
  Relay* next_ = nullptr;
  Atomic<bool> pending_{false};

 public:
  /// Once for one or more wake-ups, by one of the wakers. No lock of the queue is held; the caller
  /// of the wake-up may hold any lock before level waitqueue. Context: any but NMI, preemption off.
  virtual void relay() = 0;

 protected:
  constexpr Relay() = default;
  ~Relay() = default;
};

/// Is told of every wake-up of the queue it is attached to.
class Watcher : public WaitEntry {
  WaitQueue* queue_ = nullptr;

 public:
  Watcher() : WaitEntry(true) {}
  /// The queue was woken. Its lock is held and interrupts are off: marks what is to be done, by
  /// atomics, and names who does it; nullptr if nobody must.
  virtual Relay* woken() = 0;
  void attach(WaitQueue& q);
  /// woken() is not called any more when this returns.
  void detach();
  bool is_attached() const { return queue_ != nullptr; }

 protected:
  ~Watcher() { ASSERT(queue_ == nullptr); }
};

class Waiter : public WaitEntry {
  friend class WaitQueue;
  WaitQueue& queue_;
  Thread& thread_;
  Atomic<bool> granted_{false};

  /// Takes back the announcement; true when there is a grant to pass on.
  bool leave();

 public:
  explicit Waiter(WaitQueue& q) : WaitEntry(false), queue_(q), thread_(current()) {}
  ~Waiter();

  /// Announces the wait: from now on a wake-up is not lost. Then look at the condition.
  void prepare();
  /// Sleeps unless a wake-up came since prepare(). False when the deadline has passed.
  bool commit(u64 deadline_ns);
  /// The condition holds: leave the queue.
  void finish();
};

class WaitQueue {
  friend class Waiter;
  friend class Watcher;
  using Entries = List<WaitEntry, &WaitEntry::node>;
  core::Guarded<core::level::waitqueue, Entries, core::SpinIrqOff> entries_;
  Atomic<u32> count_{0};

 public:
  constexpr WaitQueue() = default;
  /// Wakes the waiter that came first, and tells the watchers.
  void wake_one();
  void wake_all();
  /// A waiter or watcher may be there; certain only in the order: change the condition, then ask.
  /// The change may be a plain store: the fence keeps the CPU from looking here before others see
  /// it.
  bool has_waiters() const {
    machine::full_fence();
    return count_.load_relaxed() != 0;
  }
};

/// Sleeps until `condition()` holds, the deadline has passed, or work comes that `interruptible`
/// lets through.
template <class F>
WaitResult wait(WaitQueue& queue, F condition, u64 deadline_ns = no_deadline,
                Interruptible interruptible = Interruptible::no) {
  core::might_sleep();
  if (condition()) return WaitResult::ready;
  Thread& me = current();
  const auto finish = [&](WaitResult r) {
    me.sleep_class.store_relaxed(Interruptible::no);
    return r;
  };
  Waiter waiter(queue);
  if (interruptible != Interruptible::no) me.sleep_class.store_seq_cst(interruptible);
  for (;;) {
    waiter.prepare();
    if (condition()) {
      waiter.finish();
      return finish(WaitResult::ready);
    }
    if (interruptible != Interruptible::no && me.has_work(interruptible))
      return finish(WaitResult::interrupted);
    if (!waiter.commit(deadline_ns)) return finish(WaitResult::timed_out);
  }
}
template <class F>
WaitResult wait_interruptible(WaitQueue& queue, F condition, u64 deadline_ns = no_deadline) {
  return wait(queue, condition, deadline_ns, Interruptible::any);
}

}  // namespace auk::sched
