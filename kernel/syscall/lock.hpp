// The record locks of fcntl(2).
#pragma once
#include "io/file.hpp"
#include "syscall/bind.hpp"

namespace auk::syscall {

/// F_GETLK and its like. `file` is what the descriptor meant when the call began.
Value record_lock(Task& me, Fd fd, Ref<io::File> file, u32 command, UserAddr arg);

}  // namespace auk::syscall
