// AreaLock: page faults of one area against changes of that area (decision D2).
//
// Purpose: faults in different areas of one program, and changes elsewhere in it, write no common
// word.
// Data model: a count of faults in the area, and the round in which a change took the area. All
// areas that one change took are let go together, when the space's round moves on.
// Locking: own() with the space's lock held for writing; faults hold nothing and never wait for the
// space's lock while they are counted, so the change that waits for them gets its turn.
// Context: threads.
// Differences from Linux: vm_lock of 6.12 with the same rounds, but a count instead of a semaphore.
#pragma once
#include "core/lock_levels.hpp"
#include "core/lockdep.hpp"
#include "sched/wait.hpp"

namespace auk::vm {

/// The part of the space's lock that its areas share.
class AreaRounds {
  friend class AreaLock;
  Atomic<u64> now_{1};
  sched::WaitQueue idle_;  ///< changes wait here for faults

 public:
  /// The change is over: all that it took is free again. The space's lock is still held.
  void end() { (void)now_.fetch_add_acq_rel(1); }
};

class AreaLock {
  static constexpr u32 wanted = 0x80000000;
  static constexpr u64 gone = ~u64{0};
  static inline constinit core::LockClass class_{core::level::area::label, core::level::area::index,
                                                 core::LockKind::sleep};
  Atomic<u32> faults_{0};
  Atomic<u64> taken_in_{0};

  void drop(AreaRounds& rounds) {
    if (faults_.fetch_sub_acq_rel(1) == (wanted | 1)) rounds.idle_.wake_all();
  }

 public:
  /// For a fault that found the area without a lock, in a section of RCU: it does not sleep. False
  /// when the area changes, or is gone.
  bool try_read(AreaRounds& rounds) {
    u32 n = faults_.load_relaxed();
    do {
      if ((n & wanted) != 0) return false;
    } while (!faults_.cas_acquire(n, n + 1));
    const u64 taken = taken_in_.load_relaxed();
    if (taken != gone && taken != rounds.now_.load_acquire()) return true;
    drop(rounds);
    return false;
  }
  /// Behind the section of RCU: the area counts as a lock that is held while others are taken.
  void begin_read() { core::note_acquire(class_); }
  /// The area must not be looked at any more.
  void end_read(AreaRounds& rounds) {
    core::note_release(class_);
    drop(rounds);
  }

  /// Waits for the faults in the area; until the round ends there are no others.
  void own(AreaRounds& rounds) {
    const u64 round = rounds.now_.load_relaxed();
    if (taken_in_.load_relaxed() == round) return;
    if (faults_.fetch_or_acq_rel(wanted) != 0)
      (void)sched::wait(rounds.idle_, [this] { return faults_.load_seq_cst() == wanted; });
    taken_in_.store_relaxed(round);
    // From here on faults see the round.
    (void)faults_.fetch_and_acq_rel(~wanted);
  }
  /// The area was owned and leaves the tree: no fault takes it ever again.
  void leave() { taken_in_.store_relaxed(gone); }
};

}  // namespace auk::vm
