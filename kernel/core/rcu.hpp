// RCU, the reader's side: sections in which what was found stays valid.
//
// Purpose: readers write no shared line. A reader holds off preemption; a grace period is over when
// every CPU has passed a point where no reader can be: a context switch, or idling.
// Data model: RcuHead is a base of what is retired. Each CPU queues heads; the engine on floor 5
// ends their grace period and calls retire() from a thread. Locking: a reader section is the
// position `rcu` of the lock order: nothing that sleeps inside. Context: readers any but NMI;
// rcu_call() any but NMI. Differences from Linux: readers are never preempted; sections stay under
// 1 ms by rule.
#pragma once
#include "base/annotations.hpp"
#include "core/lock_levels.hpp"
#include "core/lockdep.hpp"
#include "core/preempt.hpp"

namespace auk::core {

class AUK_SCOPED RcuReader : public Pinned {
 public:
  RcuReader() AUK_ACQUIRE(level::rcu::v) AUK_LOCK_PRIMITIVE {
    preempt_disable();
    note_rcu_enter();
  }
  ~RcuReader() AUK_RELEASE() AUK_LOCK_PRIMITIVE {
    note_rcu_leave();
    preempt_enable();
  }
};

/// Base of an object that is freed a grace period after it was unlinked.
class RcuHead {
  friend class RcuQueue;
  RcuHead* next_ = nullptr;

 public:
  /// No reader can see the object any more. Context: thread.
  virtual void retire() = 0;

 protected:
  constexpr RcuHead() = default;
  ~RcuHead() = default;
};

/// The heads of one CPU, newest first.
class RcuQueue {
  Atomic<RcuHead*> first_{nullptr};

 public:
  /// True when the queue was empty.
  bool push(RcuHead& h) {
    RcuHead* seen = first_.load_relaxed();
    do {
      h.next_ = seen;
    } while (!first_.cas_release(seen, &h));
    return seen == nullptr;
  }
  RcuHead* take_all() { return first_.exchange_acq_rel(nullptr); }
  static RcuHead* next_of(RcuHead& h) { return h.next_; }
  /// Puts the list `rest` behind the last element of another.
  static void join(RcuHead& last, RcuHead& rest) { last.next_ = &rest; }
};

/// retire() is called after a grace period.
void rcu_call(RcuHead& h);

/// Not zero while this CPU sleeps with nothing to do: then it is in no reader.
extern PerCpu<Atomic<u32>> rcu_idles;
/// Interrupts are off, and the CPU is about to sleep.
inline void rcu_idle_begins(const Pinned& here) { rcu_idles.here(here).store_seq_cst(1); }
/// Behind the sleep, and first thing in every device interrupt: there may be readers again. Ordered
/// before all that they read, so that a grace period that passes this CPU over is one of which they
/// see everything.
inline void rcu_idle_ends(const Pinned& here) {
  Atomic<u32>& idles = rcu_idles.here(here);
  if (idles.load_relaxed() != 0) [[unlikely]]
    idles.store_seq_cst(0);
}

/// The engine: told that a CPU's queue is no longer empty. It may wait for more before it begins.
class RcuEngine {
 public:
  virtual void call() = 0;

 protected:
  constexpr RcuEngine() = default;
  ~RcuEngine() = default;
};
void set_rcu_engine(RcuEngine& e);
extern PerCpu<RcuQueue> rcu_queues;

/// A pointer that readers follow under RCU and one writer replaces under its own lock.
template <class T> class RcuPtr {
  Atomic<T*> p_{nullptr};

 public:
  constexpr RcuPtr() = default;
  T* read(const RcuReader&) const { return p_.load_acquire(); }
  /// For the writer, which holds the lock that guards this pointer.
  T* read_locked() const { return p_.load_relaxed(); }
  /// Returns what stood there before, to be retired.
  T* publish(T* fresh) { return p_.exchange_acq_rel(fresh); }
};

}  // namespace auk::core
