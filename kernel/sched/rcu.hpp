// RCU, the engine: ends grace periods.
//
// Data model: one thread. The first head that is queued starts a timer, so that a round has a batch
// to end a grace period for; who waits in rcu_synchronize() starts the round at once. A round takes
// the heads of all CPUs, asks every CPU that does not idle for a quiescent state (a reschedule
// interrupt; the CPU answers in schedule()), sleeps until the last answer, and retires what it
// took. A CPU that idles is in no reader, and an interrupt that ends its sleep says so before it
// reads. Locking: level rcu_batch, whether the timer runs; answers are counted down atomically, the
// last one wakes the thread. Context: synchronize() in threads.
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
