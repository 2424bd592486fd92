// What sandboxed threads may do with files: the checks of landlock(7).
//
// Purpose: a thread's Domain has layers; each denies the rights that it speaks of, and has rules
// that give them back for a file, or for all that is below a directory. What is asked for must be
// given by every layer, by one rule or by several on the way from the file up, through mounts, to
// the root of the tree.
// Data model: the rules of a layer are a RuleTable (ruleset.hpp), searched by the Anchor of each
// inode on the way; inodes without an anchor, which are most, have no rules. What an open file may
// be used for later is kept in the File as what is withheld from it.
// The way goes through names and mounts as they are under RCU, with a section for each 256 steps,
// and takes effect like a walk (lookup.hpp). A directory that was moved out of what a mount shows
// leads to the root of its file system, and then on from the root of the mount.
// Locking: none; callers may hold any sleeping locks. Context: threads. Who has no domain pays for
// one load and one branch.
// Source: Linux Documentation/userspace-api/landlock.rst, version 6 with errata 1 to 4.
#pragma once
#include "generated/uapi/landlock.hpp"
#include "vfs/lookup.hpp"

namespace auk::vfs::landlock {

/// Null for those whose files are not restricted. File systems that stand on others use those for
/// whoever mounted them.
inline const ident::Domain* domain_of(const Asker& who) {
  const ident::Domain* const d = who.cred.file_domain();
  return d == nullptr || who.is_stacked ? nullptr : d;
}

// The rights are the ABI's: uapi::landlock_access_fs_*.
inline constexpr u32 all_rights = (uapi::landlock_access_fs_ioctl_dev << 1) - 1;
/// Those to a file, or to any file below a directory; the others are to directories.
inline constexpr u32 file_rights =
    uapi::landlock_access_fs_execute | uapi::landlock_access_fs_write_file |
    uapi::landlock_access_fs_read_file | uapi::landlock_access_fs_truncate |
    uapi::landlock_access_fs_ioctl_dev;

/// EACCES.
Result<void> check(const ident::Domain& domain, const Path& at, u64 access);
/// To do something with a file, or to the entries of a directory. EACCES.
inline Result<void> may(const Asker& who, const Path& at, u64 access) {
  const ident::Domain* const d = domain_of(who);
  return d == nullptr ? Result<void>() : check(*d, at, access);
}
/// The right to make a file of that kind.
u64 right_to_make(u32 mode, u64 raw_device);

/// What link(2) and rename(2) are about to do.
struct Referring {
  Dentry& entry;
  const Path& to_dir;
  Dentry* victim = nullptr;  ///< stands under the new name
  bool moves = false;        ///< the old name goes
  bool exchange = false;     ///< `victim` gets it
};
/// EACCES: entries of this kind may not be made or removed there. EXDEV: they may, but not by
/// moving this one: it could be used for more than before, or directories may not change at all.
Result<void> check_refer(const ident::Domain& domain, const Referring& r);
inline Result<void> may_refer(const Asker& who, const Referring& r) {
  const ident::Domain* const d = domain_of(who);
  return d == nullptr ? Result<void>() : check_refer(*d, r);
}

/// To open a file; the flags are those of open(2). What is withheld from it then. EACCES.
Result<Flags<io::Withheld>> check_open(const ident::Domain& domain, const Path& at, u32 flags);
inline Result<Flags<io::Withheld>> may_open(const Asker& who, const Path& at, u32 flags) {
  const ident::Domain* const d = domain_of(who);
  return d == nullptr ? Result<Flags<io::Withheld>>(Flags<io::Withheld>())
                      : check_open(*d, at, flags);
}

/// Trees of mounts are what rules are about: nobody changes them who is bound by some. EPERM.
inline Result<void> may_change_mounts(const ident::Cred& cred) {
  return cred.file_domain() == nullptr ? Result<void>() : Result<void>(Errno::eperm);
}

}  // namespace auk::vfs::landlock
