// poll(2) up to a deadline, for restart_syscall(2).
#pragma once
#include "syscall/bind.hpp"

namespace auk::syscall {

Value poll_until(Task& me, UserAddr fds, u32 count, u64 deadline_ns);

}  // namespace auk::syscall
