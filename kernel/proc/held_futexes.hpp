// What a thread has to do with locks that hand priorities on (PI futexes): part of its Task.
//
// Data model: only locks that somebody waits for are known to the kernel; the rest is a number in
// the program's word. Each lends its owner the rank of the most urgent thread that waits for it.
// Locking: level futex_pi, behind the lock of a futex's bucket.
#pragma once
#include "base/own.hpp"
#include "base/tree.hpp"
#include "base/types.hpp"
#include "sched/policy.hpp"

namespace auk::proc {

struct FutexWaiter;
struct PiState;

/// A lock that somebody waits for, as its owner knows it.
struct HeldFutex {
  TreeHook held_hook;
  sched::Rank lends = 0;
};
struct LendsMore {
  bool operator()(const HeldFutex& a, const HeldFutex& b) const { return a.lends > b.lends; }
};

struct FutexUse {
  Tree<HeldFutex, &HeldFutex::held_hook, LendsMore> held;
  sched::Rank lent = 0;  ///< to the thread
  /// The lock the thread sleeps for, and as whom; both live as long as it does.
  PiState* wanted = nullptr;
  FutexWaiter* waiter = nullptr;
  u64 wants = 0;  ///< how often that changed
  /// When the thread looked whether it waits for itself; 0: not yet.
  u64 turn = 0;
  static constexpr u64 first_turn = 1;
  bool takes_none = false;  ///< the thread has left its memory for good
};

}  // namespace auk::proc
