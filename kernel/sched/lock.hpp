// Locks that sleep: mutex, reader-writer semaphore, completion.
//
// Data model: each is a word and a WaitQueue. The fast paths are one compare-and-set.
// Context: threads, preemption on. complete() any but NMI.
// Differences from Linux: SleepLock is used as the lock kind of core::Guarded, so that the data it
// protects cannot be reached without it; no optimistic spinning yet.
#pragma once
#include "base/annotations.hpp"
#include "sched/wait.hpp"

namespace auk::sched {

class AUK_CAPABILITY("mutex") SleepLock {
  Atomic<Thread*> owner_{nullptr};
  WaitQueue waiters_;

  bool try_take() {
    Thread* none = nullptr;
    return owner_.cas_acquire(none, &current());
  }

 public:
  static constexpr core::LockKind kind = core::LockKind::sleep;
  struct State {};
  static State prepare() { return {}; }
  void take() {
    if (!try_take()) [[unlikely]]
      (void)wait(waiters_, [this] { return try_take(); });
  }
  void release(State) {
    ASSERT(owner_.load_relaxed() == &current());
    owner_.store_seq_cst(nullptr);
    waiters_.wake_one();
  }
  bool is_held() const { return owner_.load_relaxed() != nullptr; }
};

/// One whose position is the outer one if its object belongs to a file system that stands on
/// others.
class AUK_CAPABILITY("mutex") StackedSleepLock : public SleepLock {
  bool is_outer_ = false;

 public:
  bool is_outer() const { return is_outer_; }
  void set_outer() { is_outer_ = true; }
};

/// Many readers or one writer. A waiting writer keeps new readers out.
template <class Level> class AUK_CAPABILITY("rwsem") RwSemaphore {
  static_assert(!core::level::spins<Level>);
  static constexpr u32 writer = 0x80000000;
  static inline constinit core::LockClass class_{Level::label, Level::index, core::LockKind::sleep};
  Atomic<u32> word_{0};  ///< number of readers, or `writer`
  Atomic<u32> writers_waiting_{0};
  WaitQueue waiters_;

  bool try_read() {
    u32 have = word_.load_relaxed();
    while ((have & writer) == 0 && writers_waiting_.load_seq_cst() == 0)
      if (word_.cas_acquire(have, have + 1)) return true;
    return false;
  }
  bool try_write() {
    u32 none = 0;
    return word_.cas_acquire(none, writer);
  }
  void lock_for_reading() {
    core::note_acquire(class_);
    if (!try_read()) (void)wait(waiters_, [this] { return try_read(); });
  }
  void lock_for_writing() {
    core::note_acquire(class_);
    if (try_write()) return;
    (void)writers_waiting_.fetch_add_acq_rel(1);
    (void)wait(waiters_, [this] { return try_write(); });
    (void)writers_waiting_.fetch_sub_acq_rel(1);
  }
  void unlock_reading() {
    core::note_release(class_);
    if (word_.fetch_sub_acq_rel(1) == 1) waiters_.wake_all();
  }
  void unlock_writing() {
    core::note_release(class_);
    word_.store_seq_cst(0);
    waiters_.wake_all();
  }

 public:
  class AUK_SCOPED Reading {
    RwSemaphore& sem_;

   public:
    explicit Reading(RwSemaphore& s)
        __attribute__((acquire_shared_capability(s, Level::v))) AUK_LOCK_PRIMITIVE : sem_(s) {
      s.lock_for_reading();
    }
    ~Reading() AUK_RELEASE() AUK_LOCK_PRIMITIVE { sem_.unlock_reading(); }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
  };
  class AUK_SCOPED Writing {
    RwSemaphore& sem_;

   public:
    explicit Writing(RwSemaphore& s) AUK_ACQUIRE(s, Level::v) AUK_LOCK_PRIMITIVE : sem_(s) {
      s.lock_for_writing();
    }
    ~Writing() AUK_RELEASE() AUK_LOCK_PRIMITIVE { sem_.unlock_writing(); }
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;
  };
  /// For who must not wait for a writer: has the lock if ok().
  class AUK_SCOPED TryReading {
    RwSemaphore& sem_;
    bool ok_;

   public:
    explicit TryReading(RwSemaphore& s)
        __attribute__((acquire_shared_capability(s, Level::v))) AUK_LOCK_PRIMITIVE
        : sem_(s),
          ok_(s.try_read()) {
      if (ok_) core::note_acquire(class_);
    }
    ~TryReading() AUK_RELEASE() AUK_LOCK_PRIMITIVE {
      if (ok_) sem_.unlock_reading();
    }
    TryReading(const TryReading&) = delete;
    TryReading& operator=(const TryReading&) = delete;
    bool ok() const { return ok_; }
  };
  TryReading try_reading()
      __attribute__((acquire_shared_capability(this, Level::v))) AUK_LOCK_PRIMITIVE {
    return TryReading(*this);
  }
  Reading reading() __attribute__((acquire_shared_capability(this, Level::v))) AUK_LOCK_PRIMITIVE {
    return Reading(*this);
  }
  Writing writing() AUK_ACQUIRE(this, Level::v) AUK_LOCK_PRIMITIVE { return Writing(*this); }
};

/// Something that happens once, or a counted number of times.
class Completion {
  // complete() holds this lock until it has woken, and a waiter needs it to see the completion:
  // when wait_for() returns, nobody touches the object any more and it may be on the waiter's
  // stack.
  core::Guarded<core::level::completion, u32, core::SpinIrqOff> done_;
  WaitQueue waiters_;

  bool try_use() {
    auto done = done_.lock();
    if (*done == 0) return false;
    --*done;
    return true;
  }

 public:
  /// Lets one waiter, present or future, go on.
  void complete() {
    auto done = done_.lock();
    ++*done;
    waiters_.wake_one();
  }
  WaitResult wait_for(u64 deadline_ns = no_deadline) {
    return wait(waiters_, [this] { return try_use(); }, deadline_ns);
  }
};

}  // namespace auk::sched
