// Futexes: sleeping on a word of user memory. See futex(2), decision D7.
//
// Data model: a table of buckets, made at boot for the number of CPUs, holds waiters by key. A
// private key is (space, address); a shared one (object, offset in it), so that two programs meet
// on the same page. Waiters stand on their sleepers' stacks; who is woken is gathered under the
// lock and woken without it. Locking: level futex, one lock per bucket, and futex_twin for the
// second of two; the word is read and changed under them without faulting. Differences from Linux:
// a private and a shared call meet on private memory.
#pragma once
#include "proc/task.hpp"

namespace auk::proc {

/// The table. Before the first program. ENOMEM.
Result<void> setup_futexes();

struct FutexWait {
  UserAddr word;
  u32 value = 0;
  u32 bitset = ~u32{0};
  u64 deadline_ns = sched::no_deadline;
  bool is_private = false;
};
/// EAGAIN: the word has another value. ETIMEDOUT, restart::sys, EFAULT, EINVAL (misaligned).
Result<void> futex_wait(Task& me, const FutexWait& w);
/// How many were woken: up to `count`, but one at least if there is one.
Result<u32> futex_wake(Task& me, UserAddr word, i32 count, u32 bitset, bool is_private);
/// Wakes `wake` waiters and moves up to `move` others to another word; the sum. With `compare`:
/// EAGAIN unless the word still has that value.
Result<u32> futex_requeue(Task& me, UserAddr from, UserAddr to, i32 wake, i32 move,
                          const u32* compare, bool is_private);
/// FUTEX_WAKE_OP: changes the second word as `operation` says, wakes waiters of the first, and of
/// the second if what stood there compares as asked. ENOSYS for an operation that does not exist.
Result<u32> futex_wake_op(Task& me, UserAddr word, UserAddr second, i32 wake, i32 wake_second,
                          u32 operation, bool is_private);
/// The thread lets go of its memory: whoever waits for a lock of its robust list learns that the
/// owner died.
void leave_robust_list(Task& me);

}  // namespace auk::proc
