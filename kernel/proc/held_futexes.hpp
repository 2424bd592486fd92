// What a thread has to do with locks that hand priorities on (PI futexes): part of its Task.
//
// Data model: only locks that somebody waits for are known to the kernel; the rest is a number in
// the program's word. Locking: level futex_pi, behind the lock of a futex's bucket.
#pragma once
#include "base/list.hpp"
#include "base/own.hpp"
#include "base/types.hpp"

namespace auk::proc {

struct PiState;

/// A lock that somebody waits for, as its owner's list knows it.
struct HeldFutex {
  ListNode held_node;
};

struct FutexUse {
  List<HeldFutex, &HeldFutex::held_node> held;
  /// The lock the thread sleeps for; it lives as long as somebody does.
  PiState* wanted = nullptr;
  u64 wants = 0;  ///< how often that changed
  /// When the thread looked whether it waits for itself; 0: not yet.
  u64 turn = 0;
  static constexpr u64 first_turn = 1;
  bool takes_none = false;  ///< the thread has left its memory for good
};

}  // namespace auk::proc
