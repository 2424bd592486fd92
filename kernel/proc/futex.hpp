// Futexes: sleeping on a word of user memory. See futex(2), decision D7.
//
// Data model: buckets of waiters by key. A private key is (space, address); a shared one (object,
// offset in it), so that two programs meet on the same page. Waiters stand on their sleepers'
// stacks. Locking: level futex, one lock per bucket; the word is read under it without faulting.
#pragma once
#include "proc/task.hpp"

namespace auk::proc {

/// EAGAIN: the word has another value. ETIMEDOUT, restart::sys, EFAULT, EINVAL (misaligned).
Result<void> futex_wait(Task& me, UserAddr word, u32 value, u32 bitset, u64 deadline_ns,
                        bool is_private);
/// How many were woken.
Result<u32> futex_wake(Task& me, UserAddr word, u32 count, u32 bitset, bool is_private);
/// Wakes `wake` waiters and moves up to `move` others to another word. With `compare`: EAGAIN
/// unless the word still has that value.
Result<u32> futex_requeue(Task& me, UserAddr from, UserAddr to, u32 wake, u32 move,
                          const u32* compare, bool is_private);

}  // namespace auk::proc
