// userfaultfd(2): missing pages of a program are filled by itself, or by another one.
//
// Data model: an open file that has a watch (vm/fault_watch.hpp) on areas of the space that made
// it; faults come out of it as messages, and its ioctls fill pages and wake who waits.
// Context: threads.
// Differences from Linux: missing pages only, of memory of one's own and of files in memory: no
// write protection, no minor faults, no events, no moves, no poison, as UFFDIO_API says.
#pragma once
#include "io/file.hpp"
#include "proc/task.hpp"

namespace auk::proc {

/// `flags`: of userfaultfd(2), checked. ENOMEM.
Result<Ref<io::File>> make_userfaultfd(Task& me, u32 flags);

}  // namespace auk::proc
