// The run-time validator of lock order and context (profile debug); nothing elsewhere.
//
// Purpose: what the compiler's analysis cannot follow: order across calls, sleeping in the wrong
// place, a lock shared with interrupts but taken with interrupts on.
// Data model: a class is the type of a guarded member (level, kind, data); a thread and the
// interrupt context of a CPU each have a stack of held classes. The order is total
// (lock_levels.hpp), so one comparison with the highest held position decides; there is no graph.
// Each class is reported once. Locking: none. Context: any but NMI. Differences from Linux: no
// dependency graph to learn: the first wrong acquisition is reported, not the first cycle.
#pragma once
#include <array>

#include "base/atomic.hpp"
#include "core/config.hpp"

namespace auk::core {

enum class LockKind : u8 { spin_irq_off, spin_preempt_off, sleep };

struct LockClass {
  const char* level;
  u32 position;
  LockKind kind;
  Atomic<u32> usage{0};
};

/// What one context holds; part of ThreadCore.
struct HeldLocks {
  static constexpr usize capacity = 24;
  u32 count = 0;
  u32 rcu_readers = 0;
  std::array<LockClass*, capacity> classes{};
  /// Deeper ones are only counted.
  u32 known() const { return count < capacity ? count : static_cast<u32>(capacity); }
};
struct NoHeldLocks {};

namespace lockdep {
void acquire_checked(LockClass& c);
void release_checked(LockClass& c);
void enter_rcu_checked();
void leave_rcu_checked();
void may_sleep_checked();
void none_held_checked(const char* where);
}  // namespace lockdep

/// Before a lock is waited for.
inline void note_acquire(LockClass& c) {
  if constexpr (config::lockdep) lockdep::acquire_checked(c);
}
inline void note_release(LockClass& c) {
  if constexpr (config::lockdep) lockdep::release_checked(c);
}
inline void note_rcu_enter() {
  if constexpr (config::lockdep) lockdep::enter_rcu_checked();
}
inline void note_rcu_leave() {
  if constexpr (config::lockdep) lockdep::leave_rcu_checked();
}
/// At the head of everything that may sleep, whether or not it does this time.
inline void might_sleep() {
  if constexpr (config::lockdep) lockdep::may_sleep_checked();
}
/// Where a thread must hold nothing: its end, and the return to user mode.
inline void assert_no_locks_held(const char* where) {
  if constexpr (config::lockdep) lockdep::none_held_checked(where);
}

}  // namespace auk::core
