// Descriptors that name a process: pidfds, and the numbers that stand for the caller.
#pragma once
#include "proc/pidfd.hpp"
#include "syscall/bind.hpp"

namespace auk::syscall {

struct Named {
  Ref<ident::Pid> pid;
  bool is_thread = false;  ///< it names one thread, not its process
};
/// What a pidfd, PIDFD_SELF_THREAD or PIDFD_SELF_THREAD_GROUP names. EBADF.
Result<Named> named_process(Task& me, Fd fd);
/// The thread that a pidfd names, or the first one of the process. EBADF, ESRCH.
Result<Ref<Task>> task_of_pidfd(Task& me, Fd fd);
/// The process that a pidfd names. EBADF; ESRCH: it has gone, or a thread is named that is not its
/// first.
Result<Ref<proc::Group>> process_named(Task& me, Fd fd);

}  // namespace auk::syscall
