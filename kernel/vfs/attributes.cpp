// What changes attributes: chmod(2), chown(2), utimensat(2), truncate(2); access(2).
#include "vfs/file_caps.hpp"
#include "vfs/landlock.hpp"
#include "vfs/rights.hpp"

namespace auk::vfs {

using ident::Cap;

Result<void> change_mode(const Asker& who, const Path& at, u32 mode) {
  WriteAccess write;
  TRY(write.begin(*at.mount));
  Inode& inode = at.inode();
  // The mode of a link is nobody's business.
  if (inode.is_link()) return Errno::eopnotsupp;
  // Rights are looked at and changed as one.
  auto changing = inode.lock.lock();
  if (!owns(who, inode)) return Errno::eperm;
  mode &= 07777;
  if (!who.cred.has(Cap::fsetid) && !who.cred.is_in_group(inode.gid.load_relaxed()))
    mode &= ~mode::set_gid;
  TRY(inode.set_rights(mode, inode.uid.load_relaxed(), inode.gid.load_relaxed()));
  inode.touch(false);
  return {};
}

Result<void> change_owner(const Asker& who, const Path& at, u32 uid, u32 gid) {
  WriteAccess write;
  TRY(write.begin(*at.mount));
  Inode& inode = at.inode();
  auto changing = inode.lock.lock();
  constexpr u32 same = ~u32{0};
  const bool privileged = who.cred.has(Cap::chown);
  if (uid != same && !privileged &&
      (who.cred.fsuid != inode.uid.load_relaxed() || uid != inode.uid.load_relaxed()))
    return Errno::eperm;
  if (gid != same && !privileged &&
      (who.cred.fsuid != inode.uid.load_relaxed() ||
       (gid != inode.gid.load_relaxed() && !who.cred.is_in_group(gid))))
    return Errno::eperm;
  // A program's set-id bits do not survive a change of owner.
  const u32 old_rights = inode.mode.load_relaxed() & ~mode::type_mask;
  u32 rights = old_rights;
  if (!inode.is_directory()) {
    rights &= ~mode::set_uid;
    if ((rights & 010) != 0) rights &= ~mode::set_gid;
  }
  if (rights != old_rights && uid == same && gid == same && !owns(who, inode)) return Errno::eperm;
  TRY(inode.set_rights(rights, uid != same ? uid : inode.uid.load_relaxed(),
                       gid != same ? gid : inode.gid.load_relaxed()));
  TRY(drop_file_caps(inode));
  inode.touch(false);
  return {};
}

Result<void> change_times(const Asker& who, const Path& at, const NewTimes& times) {
  WriteAccess write;
  TRY(write.begin(*at.mount));
  Inode& inode = at.inode();
  if (!owns(who, inode)) {
    if (!times.both_now) return Errno::eperm;
    TRY(check_permission(inode, who.cred, Want::write));
  }
  return inode.set_times(times);
}

Result<void> drop_privileges(const ident::Cred& cred, Inode& inode) {
  constexpr u32 others_rights = mode::set_uid | mode::set_gid;
  const bool has_caps = may_have_file_caps(inode);
  if ((inode.mode.load_relaxed() & others_rights) == 0 && !has_caps) return {};
  if (!inode.is_regular()) return {};
  auto changing = inode.lock.lock();
  if (has_caps) TRY(drop_file_caps(inode));
  if ((inode.mode.load_relaxed() & others_rights) == 0 || cred.has(Cap::fsetid)) return {};
  u32 rights = inode.mode.load_relaxed() & ~(mode::type_mask | mode::set_uid);
  // Without the group's right to run it the bit has another meaning (mandatory locks, once).
  constexpr u32 group_runs = 010;
  const u32 gid = inode.gid.load_relaxed();
  if ((rights & group_runs) != 0 || !cred.is_in_group(gid)) rights &= ~mode::set_gid;
  TRY(inode.set_rights(rights, inode.uid.load_relaxed(), gid));
  inode.touch(false);
  return {};
}

Result<void> truncate(const Asker& who, const Path& at, u64 size, u64 limit) {
  Inode& inode = at.inode();
  if (inode.is_directory()) return Errno::eisdir;
  if (!inode.is_regular()) return Errno::einval;
  WriteAccess write;
  TRY(write.begin(*at.mount));
  TRY(check_permission(inode, who.cred, Want::write));
  TRY(landlock::may(who, at, uapi::landlock_access_fs_truncate));
  if (size > limit) return Errno::efbig;
  TRY(inode.prepare_write(Inode::Keep::bytes));
  TRY(drop_privileges(who.cred, inode));
  auto changing = inode.lock.lock();
  return inode.resize(size);
}

Result<void> check_access(const ident::Cred& cred, const Path& p, Wants wants) {
  const Inode& inode = p.inode();
  const bool is_stored = inode.is_regular() || inode.is_directory() || inode.is_link();
  if (wants.has(Want::execute) && inode.is_regular() && p.mount->has(mount_flag::no_exec))
    return Errno::eacces;
  if (wants.has(Want::write) && is_stored && inode.super().is_read_only()) return Errno::erofs;
  TRY(check_permission(inode, cred, wants));
  if (wants.has(Want::write) && is_stored && p.mount->is_read_only()) return Errno::erofs;
  return {};
}

}  // namespace auk::vfs
