// Process accounting: a record of each process that ends, in a file. See acct(2), acct(5).
//
// Data model: a pid namespace has an Account or none; a process's end is recorded in that of its
// namespace and of each one above. An Account has the file open, through a mount of its own
// (vfs/pin.hpp), from begin_accounting() until another one takes its place, the namespace ends, or
// the mount goes that the file was named by. Whoever ends it is recorded, too, as it is then.
// Locking: level accounting for one Account, held while its file is written; the tree lock for
// which namespace has which. Context: threads.
// Source: acct(5); Linux with CONFIG_BSD_PROCESS_ACCT_V3. Differences from Linux: ASU is never set,
// since nobody notes which capabilities a thread made use of.
#pragma once
#include "proc/task.hpp"

namespace auk::proc {

/// The processes of the thread's namespace and further in are recorded in the file from now on,
/// which was named by a path through `named_by`. ENOMEM.
Result<void> begin_accounting(Task& me, Ref<io::File> file, const vfs::Mount& named_by);
/// Those of a namespace are not any more, if they were.
void end_accounting(ident::PidNamespace& space);
/// The last thread of a process ends, before anybody may learn of it.
void record_end(Task& me);
extern Atomic<u32> account_count;
inline bool is_accounting() { return account_count.load_relaxed() != 0; }

}  // namespace auk::proc
