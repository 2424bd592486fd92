// Who may change how another thread runs: sched(7), capabilities(7) under CAP_SYS_NICE.
#pragma once
#include "proc/task.hpp"

namespace auk::syscall {

/// The thread is the caller's by its user ids.
bool owns(proc::Task& me, proc::Task& t);
/// The thread can do nothing that the caller cannot, or the caller has CAP_SYS_NICE.
bool is_subject_to(proc::Task& me, proc::Task& t);
/// RLIMIT_NICE allows the thread this nice value.
bool may_be_as_nice(proc::Task& t, int nice);

}  // namespace auk::syscall
