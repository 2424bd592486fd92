// Out of memory: which process is ended for it.
//
// Purpose: when nothing else makes room, the process that gives most memory back dies, and nobody
// else fails (see Linux Documentation/admin-guide/sysctl/vm.rst, oom_*, and proc(5),
// oom_score_adj). Data model: at most one victim at a time. A kernel thread, the reaper, takes the
// victim's private pages, so that memory comes back even if the victim waits for a lock that
// whoever needs memory holds. Locking: level oom while a victim is chosen. Context: threads,
// whatever sleeping locks they hold. Differences from Linux: nobody is killed for an allocation
// that only lacks contiguity; when there is nobody to kill the allocation fails, and the machine
// goes on as long as programs can bear it.
#pragma once
#include "proc/task.hpp"

namespace auk::proc::oom {

/// Starts the reaper; from here on memory that runs out costs a process its life. ENOMEM.
Result<void> setup();
/// What CPUs keep for themselves and what waits for grace periods goes back to the allocators. May
/// sleep.
void give_back_caches();
/// After an allocation for a page fault has failed: nothing is free, and nobody is left to be ended
/// for it. Otherwise the fault is simply taken again.
bool is_hopeless();
/// process_mrelease(2): what a process that is ending still has of private memory goes now. ESRCH,
/// EINVAL: it is not ending.
Result<void> release_memory(Group& g);
/// How likely the process is to be ended, as /proc/PID/oom_score shows it: 0 for never.
u32 score(Group& g);

}  // namespace auk::proc::oom
