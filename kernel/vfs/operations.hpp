// What the path system calls do, on decoded arguments: open, make, link, unlink, rename,
// attributes.
//
// Errors are those of the calls' man pages. Context: threads.
#pragma once
#include "vfs/lookup.hpp"

namespace auk::vfs {

/// The flags of open(2) that decide what happens; the numbers are the ABI's. `execute` is none of
/// them: the file is opened to be run.
namespace open_flag {
inline constexpr u32 access_mask = 3, write_only = 1, read_write = 2, execute = 040, create = 0100,
                     exclusive = 0200, no_controlling_tty = 0400, truncate = 01000, append = 02000,
                     non_block = 04000, direct = 040000, large_file = 0100000, directory = 0200000,
                     no_follow = 0400000, no_atime = 01000000, close_on_exec = 02000000,
                     path = 010000000, temporary = 020000000;
}

/// `resolve`: the flags of openat2(2).
Result<Ref<io::File>> open(const Asker& who, const Path& start, std::string_view path, u32 flags,
                           u32 mode, WalkFlags resolve = {});
/// The file behind a path that was found; permissions are checked unless `created`.
Result<Ref<io::File>> open_path(const Asker& who, const Path& at, u32 flags, bool created);
/// open(2) of what was found otherwise than by a name: one that should be made is there already.
Result<Ref<io::File>> open_found(const Asker& who, const Path& at, u32 flags);
Result<void> make_node(const Asker& who, const Path& start, std::string_view path, u32 mode,
                       u64 raw_device);
/// The file of a socket that is bound to it, with the mode that the umask leaves. EEXIST.
Result<Path> make_socket(const Asker& who, const Path& start, std::string_view path);
Result<void> make_directory(const Asker& who, const Path& start, std::string_view path, u32 mode);
Result<void> make_symlink(const Asker& who, const Path& start, std::string_view path,
                          std::string_view target);
Result<void> make_link(const Asker& who, const Path& from, const Path& start,
                       std::string_view path);
Result<void> unlink(const Asker& who, const Path& start, std::string_view path);
Result<void> remove_directory(const Asker& who, const Path& start, std::string_view path);
/// `flags`: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2.
Result<void> rename(const Asker& who, const Path& from_start, std::string_view from,
                    const Path& to_start, std::string_view to, u32 flags);
Result<void> change_mode(const Asker& who, const Path& at, u32 mode);
/// ~0 leaves an id as it is.
Result<void> change_owner(const Asker& who, const Path& at, u32 uid, u32 gid);
Result<void> change_times(const Asker& who, const Path& at, const NewTimes& times);
/// EFBIG: a new size beyond `limit`, found out when nothing else is in the way.
Result<void> truncate(const Asker& who, const Path& at, u64 size, u64 limit);
/// What access(2) asks, with the credentials given; EROFS too. To execute: EACCES on a mount that
/// forbids it.
Result<void> check_access(const ident::Cred& cred, const Path& p, Wants wants);

// For file systems that stand on others: without looking at rights. The directory's lock is held
// and its mount may be written; there is no such entry.
/// ENOENT: the directory was removed. ENOSPC, ENOMEM.
Result<Ref<Dentry>> create_entry(Dentry& dir, std::string_view name, const NewInode& fresh);
/// ENOENT: it has no name any more. ENOSPC, ENOMEM.
Result<void> link_entry(Dentry& dir, std::string_view name, Inode& inode);

/// The path a File was opened by, if it has one.
const Path* path_of(const io::File& f);
/// stat(2) of a device's file: that of the inode it was opened by. EBADF without one.
Result<void> stat_opened(const io::File& f, io::FileStat& s);

/// The file's bytes are about to be changed: a program that runs with its owner's rights loses
/// them, unless who changes it has CAP_FSETID, and capabilities are lost in any case. The inode's
/// lock is not held. ENOMEM, EIO; EPERM: sealed.
Result<void> drop_privileges(const ident::Cred& cred, Inode& inode);

/// The inode behind a File, if it has one.
inline Inode* inode_of(const io::File& f) {
  const Path* const p = path_of(f);
  return p == nullptr ? nullptr : &p->inode();
}

}  // namespace auk::vfs
