// Spin locks and guarded data.
//
// Purpose: data can only be reached through the lock that protects it:
//   `Guarded<level::slab, Lists, SpinIrqOff> lists_;  auto l = lists_.lock();  l->partial...`
// Data model: a lock is one word; its level (position in the written order) and its kind (what the
// holder gives up: interrupts or only preemption) are types without defaults.
// Context: SpinIrqOff any but NMI; SpinPreemptOff threads and softirq, never where an interrupt
// could take the same lock.
// Differences from Linux: D12: test-and-set with back-off, since a fair lock collapses when virtual
// CPUs lose their core; waiting longer than 10 s is reported once per wait. The order is checked by
// the compiler (core/lock_levels.hpp) and by the validator of the debug profile.
#pragma once
#include <utility>

#include "base/annotations.hpp"
#include "base/atomic.hpp"
#include "core/lock_levels.hpp"
#include "core/lockdep.hpp"
#include "core/preempt.hpp"
#include "machine/isa/cpu.hpp"

namespace auk::core {

class SpinWord {
  Atomic<u32> taken_{0};  ///< 0, or 1 + number of the holder

  AUK_COLD void wait();

 public:
  void lock() {
    u32 expected = 0;
    if (!taken_.cas_acquire(expected, this_cpu_number.read() + 1)) [[unlikely]]
      wait();
  }
  bool try_lock() {
    u32 expected = 0;
    return taken_.cas_acquire(expected, this_cpu_number.read() + 1);
  }
  void unlock() { taken_.store_release(0); }
  bool is_locked() const { return taken_.load_relaxed() != 0; }
};

class AUK_CAPABILITY("spin lock") SpinIrqOff {
  SpinWord word_;

 public:
  static constexpr LockKind kind = LockKind::spin_irq_off;
  using State = machine::IrqFlags;
  static State prepare() { return machine::irq_save(); }
  void take() { word_.lock(); }
  void release(State flags) {
    word_.unlock();
    end_irq_off(flags);
  }
};

class AUK_CAPABILITY("spin lock") SpinPreemptOff {
  SpinWord word_;

 public:
  static constexpr LockKind kind = LockKind::spin_preempt_off;
  struct State {};
  static State prepare() {
    preempt_disable();
    return {};
  }
  void take() { word_.lock(); }
  void release(State) {
    word_.unlock();
    preempt_enable();
  }
};

/// What the validator knows of the locks of a position, and of those that count further out.
template <class Level, class Lock> class LockClasses {
  static inline constinit LockClass class_{Level::label, Level::index, Lock::kind};

 public:
  static LockClass& of(const Lock& lock) {
    if constexpr (requires { lock.is_outer(); }) {
      using Outer = typename Level::outer;
      static constinit LockClass outer{Outer::label, Outer::index, Lock::kind};
      if (lock.is_outer()) return outer;
    }
    return class_;
  }
};

template <class Level, class T, class Lock> class Guarded {
  static_assert(level::spins<Level> == (Lock::kind != LockKind::sleep));
  using Classes = LockClasses<Level, Lock>;
  Lock lock_;
  T value_ AUK_GUARDED_BY(lock_){};

  // Noted only when nothing can come between that would run with the note of a lock it does not
  // hold.
  static typename Lock::State take(Lock& lock, LockClass& as) AUK_LOCK_PRIMITIVE {
    const typename Lock::State state = Lock::prepare();
    note_acquire(as);
    lock.take();
    return state;
  }

 public:
  constexpr Guarded() = default;
  template <class... A> constexpr explicit Guarded(A&&... a) : value_{std::forward<A>(a)...} {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  class AUK_SCOPED Access : public Pinned {
    Guarded& guarded_;
    typename Lock::State state_;

   public:
    explicit Access(Guarded& g) AUK_ACQUIRE(g.lock_, Level::v) AUK_LOCK_PRIMITIVE
        : guarded_(g),
          state_(take(g.lock_, Classes::of(g.lock_))) {}
    ~Access() AUK_RELEASE() AUK_LOCK_PRIMITIVE {
      note_release(Classes::of(guarded_.lock_));
      guarded_.lock_.release(state_);
    }
    T* operator->() AUK_LOCK_PRIMITIVE { return &guarded_.value_; }
    T& operator*() AUK_LOCK_PRIMITIVE { return guarded_.value_; }
  };

  Access lock() AUK_ACQUIRE(lock_, Level::v) AUK_LOCK_PRIMITIVE { return Access(*this); }

  /// The same lock at another position: for the second of two objects of one class, whose order the
  /// caller has settled.
  template <class Twin> class AUK_SCOPED TwinAccess : public Pinned {
    using TwinClasses = LockClasses<Twin, Lock>;
    Guarded& guarded_;
    typename Lock::State state_;

   public:
    explicit TwinAccess(Guarded& g) AUK_ACQUIRE(g.lock_, Twin::v) AUK_LOCK_PRIMITIVE
        : guarded_(g),
          state_(take(g.lock_, TwinClasses::of(g.lock_))) {}
    ~TwinAccess() AUK_RELEASE() AUK_LOCK_PRIMITIVE {
      note_release(TwinClasses::of(guarded_.lock_));
      guarded_.lock_.release(state_);
    }
    T* operator->() AUK_LOCK_PRIMITIVE { return &guarded_.value_; }
    T& operator*() AUK_LOCK_PRIMITIVE { return guarded_.value_; }
  };
  template <class Twin> TwinAccess<Twin> lock_as() AUK_ACQUIRE(lock_, Twin::v) AUK_LOCK_PRIMITIVE {
    return TwinAccess<Twin>(*this);
  }
  /// Of a lock that may count further out, before anybody else sees it.
  Lock& kind_of_lock() AUK_LOCK_PRIMITIVE { return lock_; }
  /// For code that runs alone: before other CPUs exist, or on an object nobody else can see.
  T& alone() AUK_LOCK_PRIMITIVE { return value_; }
};

}  // namespace auk::core
