// Futexes: sleeping on a word of user memory. See futex(2), decision D7.
//
// Data model: a table of buckets, made at boot for the number of CPUs, holds waiters by key. A
// private key is (space, address); a shared one (object, offset in it), so that two programs meet
// on the same page. Waiters stand on their sleepers' stacks; who is woken is gathered under the
// lock and woken without it. futex_table.hpp has the table, futex_pi.cpp the locks that hand
// priorities on. Locking: level futex, one lock per bucket, and futex_twin for the second of two;
// the word is read and changed under them without faulting. Differences from Linux:
// a private and a shared call meet on private memory.
#pragma once
#include "io/real_clock.hpp"
#include "proc/task.hpp"

namespace auk::proc {

/// The table. Before the first program. ENOMEM.
Result<void> setup_futexes();

struct FutexWait {
  UserAddr word;
  u32 value = 0;
  u32 bitset = ~u32{0};
  io::Moment end;
  bool is_private = false;
};
/// EAGAIN: the word has another value. ETIMEDOUT, restart::sys, EFAULT, EINVAL (misaligned).
Result<void> futex_wait(Task& me, const FutexWait& w);
/// Waits for several words at once: the number of one that was woken. EAGAIN: one of them has
/// another value. ETIMEDOUT, restart::sys, EFAULT, EINVAL, ENOMEM.
Result<u32> futex_wait_any(Task& me, std::span<const FutexWait> words, io::Moment end);
/// How many were woken: up to `count`, of which any below zero is one.
Result<u32> futex_wake(Task& me, UserAddr word, i32 count, u32 bitset, bool is_private);
/// Wakes `wake` waiters and moves up to `move` others to another word; the sum. With `compare`:
/// EAGAIN unless the word still has that value.
Result<u32> futex_requeue(Task& me, UserAddr from, UserAddr to, i32 wake, i32 move,
                          const u32* compare, bool is_private);
/// FUTEX_WAKE_OP: changes the second word as `operation` says, wakes waiters of the first, and of
/// the second if what stood there compares as asked. ENOSYS for an operation that does not exist.
Result<u32> futex_wake_op(Task& me, UserAddr word, UserAddr second, i32 wake, i32 wake_second,
                          u32 operation, bool is_private);

// Locks that hand priorities on: the word holds the number of the thread that owns it, 0 if none
// does; the kernel is asked only where somebody has to wait.

struct FutexLock {
  UserAddr word;
  io::Moment end;
  bool only_try = false;
  bool is_private = false;
};
/// EDEADLK: the thread owns it, or waits for itself in the end. ESRCH: the owner is gone. EINVAL:
/// others wait as if the word were no lock, or it names another owner than the one that is known.
/// EWOULDBLOCK (only_try), ETIMEDOUT, EFAULT, ENOMEM, restart::no_intr.
Result<void> futex_lock(Task& me, const FutexLock& l);
/// EPERM: another owns it. EINVAL as above, EFAULT.
Result<void> futex_unlock(Task& me, UserAddr word, bool is_private);
/// Waits until futex_requeue_lock() gives the thread the lock `target`, or makes it wait for it.
/// EAGAIN: another value, or a signal came after that.
Result<void> futex_wait_for_lock(Task& me, const FutexWait& w, UserAddr target);
/// Gives the lock to the first waiter of `from`, if it is free, and makes up to `move` others wait
/// for it; the sum.
Result<u32> futex_requeue_lock(Task& me, UserAddr from, UserAddr to, i32 move, u32 compare,
                               bool is_private);

/// The thread lets go of its memory, as it ends or is about to run another program: whoever waits
/// for a lock of its robust list, or for one that hands priorities on, learns that the owner died;
/// its clear_child_tid is cleared.
void leave_futexes(Task& me, bool for_good);

/// The rank of a thread has changed: it takes its place among those that wait for the same lock,
/// and what they lend its owner goes on from there. No lock is held.
void hand_rank_on(Ref<Task> t);

}  // namespace auk::proc
