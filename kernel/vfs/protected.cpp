// What others may have laid in a directory that all may write: proc_sys_fs(5), protected_*.
//
// As Debian's kernel has it at first: links are guarded, files and pipes are not.
#include "core/sysctl.hpp"
#include "vfs/rights.hpp"

namespace auk::vfs {
namespace {

constinit Atomic<i64> symlinks{1};
constinit Atomic<i64> hardlinks{1};
constinit Atomic<i64> fifos{0};
constinit Atomic<i64> files{0};
constinit core::NumberSysctl symlinks_variable("fs/protected_symlinks", symlinks, 0, 1);
constinit core::NumberSysctl hardlinks_variable("fs/protected_hardlinks", hardlinks, 0, 1);
constinit core::NumberSysctl fifos_variable("fs/protected_fifos", fifos, 0, 2);
constinit core::NumberSysctl files_variable("fs/protected_regular", files, 0, 2);
SYSCTL(symlinks_variable);
SYSCTL(hardlinks_variable);
SYSCTL(fifos_variable);
SYSCTL(files_variable);

constexpr u32 for_others = 0002, for_group = 0020, group_execute = 0010;

}  // namespace

Result<void> may_follow(const Asker& who, const Inode& dir, const Inode& link) {
  constexpr u32 open_to_all = mode::sticky | for_others;
  const u32 owner = link.uid.load_relaxed();
  if ((dir.mode.load_relaxed() & open_to_all) != open_to_all || symlinks.load_relaxed() == 0 ||
      owner == who.cred.fsuid || owner == dir.uid.load_relaxed())
    return {};
  return Errno::eacces;
}

Result<void> may_open_found(const Asker& who, const FoundIn& dir, const Inode& inode) {
  if ((dir.mode & mode::sticky) == 0) return {};
  const bool is_file = inode.is_regular(), is_fifo = inode.type() == mode::fifo;
  const i64 guard_files = files.load_relaxed(), guard_fifos = fifos.load_relaxed();
  if ((is_file && guard_files == 0) || (is_fifo && guard_fifos == 0)) return {};
  const u32 owner = inode.uid.load_relaxed();
  if (owner == dir.uid || owner == who.cred.fsuid) return {};
  if ((dir.mode & for_others) != 0) return Errno::eacces;
  const bool guard_more = (is_file && guard_files > 1) || (is_fifo && guard_fifos > 1);
  return (dir.mode & for_group) != 0 && guard_more ? Errno::eacces : Result<void>();
}

Result<void> may_link(const Asker& who, const Inode& inode) {
  if (hardlinks.load_relaxed() == 0 || owns(who, inode)) return {};
  constexpr u32 set_gid_program = mode::set_gid | group_execute;
  const u32 m = inode.mode.load_relaxed();
  const bool is_harmless = inode.is_regular() && (m & mode::set_uid) == 0 &&
                           (m & set_gid_program) != set_gid_program &&
                           check_permission(inode, who.cred, Wants(Want::read) | Want::write).ok();
  return is_harmless ? Result<void>() : Errno::eperm;
}

}  // namespace auk::vfs
