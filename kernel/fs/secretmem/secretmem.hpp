// memfd_secret(2): memory that its program alone can see.
//
// Data model: an inode of a file system that is mounted nowhere, with a page cache whose pages are
// not in the kernel's direct map (mem::Folio::create_secret). Each page counts for the user who
// made the file, within RLIMIT_MEMLOCK. Context: threads.
// Differences from Linux: vmsplice(2) copies out of it, as write(2) does on both.
#pragma once
#include "vfs/operations.hpp"

namespace auk::fs::secretmem {

/// Such a file of size 0, open for reading and writing, which mmap(2) and ftruncate(2) alone can
/// use. ENOMEM.
Result<Ref<io::File>> make(const vfs::Asker& who);

}  // namespace auk::fs::secretmem
