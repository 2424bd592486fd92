// RCU, the engine: ends grace periods.
//
// Data model: one thread. A round takes the heads of all CPUs, asks every CPU that is not idle for
// a quiescent state (a reschedule interrupt; the CPU answers in schedule()), sleeps until the last
// answer, and retires what it took. CPUs that idle cannot be in a reader unless an interrupt runs
// there; they are asked like the others only then.
// Locking: none; answers are counted down atomically, the last one wakes the thread.
// Context: synchronize() in threads.
#pragma once
#include "base/result.hpp"

namespace auk::sched {

/// Starts the engine. Once, after the first thread.
Result<void> start_rcu();
/// Returns when every reader that was inside at the call has left.
void rcu_synchronize();
/// All heads queued before the call have been retired when it returns.
void rcu_barrier();
/// From schedule(), preemption count zero: this CPU is in no reader.
void rcu_note_quiescent();
u64 rcu_grace_periods();

}  // namespace auk::sched
