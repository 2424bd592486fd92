// Seals: what nobody may do to a file any more, so that programs that do not trust each other can
// share it. See fcntl(2), "File Sealing".
//
// Data model: bits in the inode. Locking: they change under the inode's lock, and what they forbid
// is done under it; whether a shared mapping can write is settled with the object's list of
// mappings (vm::MemObject). Context: threads.
#pragma once
#include "vfs/inode.hpp"

namespace auk::vfs::seal {

/// The file can have seals at all; programs do not see this bit.
inline constexpr u32 possible = u32{1} << 31;

/// EINVAL: not a file that can have any.
Result<u32> get(const Inode& inode);
/// EPERM: no more seals. EBUSY: not to be written, and a shared mapping can, or pages are just
/// being written. EINVAL.
Result<void> add(Inode& inode, u32 seals);

bool forbids_writing(const Inode& inode);
// EPERM.
/// All or nothing; Linux writes pieces of 2 MiB as long as they lie inside.
Result<void> check_write(const Inode& inode, u64 start, u64 size);
Result<void> check_size(const Inode& inode, u64 size);
Result<void> check_rights(const Inode& inode, u32 rights);
Result<void> check_space(const Inode& inode, Space what, u64 end);

}  // namespace auk::vfs::seal
