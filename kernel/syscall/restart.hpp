// What restart_syscall(2) goes on with.
#pragma once
#include "syscall/bind.hpp"

namespace auk::syscall {

/// poll(2) up to a deadline.
Value poll_until(Task& me, UserAddr fds, u32 count, u64 deadline_ns);
/// futex(2), from what it left in the thread's restart block.
Value go_on_with_futex(Task& me, const Task::Restart& r);

}  // namespace auk::syscall
