// What processes used: for getrusage(2), times(2), wait4(2).
#pragma once
#include "proc/task.hpp"
#include "uapi/resource.hpp"

namespace auk::proc {

/// Of all threads of a process, those that ended included. Also in interrupts.
u64 run_time_of(Group& g);
Events events_of(const Task& t);
Usage usage_of(Group& g);
/// Of one thread; its memory is its process's.
Usage usage_of(Task& t);
/// The same of a process that has no threads any more; the tree lock may be held.
Usage usage_at_end(Group& g);
/// What its threads read and wrote, and children that were waited for.
IoTotals io_of(Group& g);
/// Of children that were waited for, and theirs.
Usage usage_of_children(Group& g);
/// Remembers how much memory the process had at most, as the space knows it now.
void note_peak_pages(Group& g, const vm::AddressSpace& space);
uapi::rusage to_rusage(const Usage& u);
/// What a thread may have of memory: its process's limits and its own capabilities.
vm::Allowance memory_allowance(Task& t);
/// Threads that exist.
u32 thread_count();
/// kernel.threads-max, which nobody exceeds.
extern Atomic<i64> most_threads;

}  // namespace auk::proc
