#include "proc/exec/privileges.hpp"

#include "generated/uapi/capability.hpp"
#include "generated/uapi/mount.hpp"
#include "vfs/file_caps.hpp"
#include "vfs/operations.hpp"

namespace auk::proc {
namespace {

using ident::Cap;
using ident::Cred;

constexpr u32 group_execute = 010;

/// The program's inode, if its mount lets programs have rights of their own.
vfs::Inode* trusted_inode(const io::File& file) {
  const vfs::Path* const at = vfs::path_of(file);
  if (at == nullptr || (at->mount->flags() & u64{uapi::ms_nosuid}) != 0) return nullptr;
  return &at->inode();
}

/// The owners of a program with set-id bits, where they count.
void follow_file(const Task& me, vfs::Inode& inode, Cred& c) {
  if (me.no_new_privs) return;
  if ((inode.mode.load_relaxed() & (vfs::mode::set_uid | vfs::mode::set_gid)) == 0) return;
  // Bits and owners that belong together.
  auto still = inode.lock.lock();
  const u32 m = inode.mode.load_relaxed();
  if ((m & vfs::mode::set_uid) != 0) c.euid = inode.uid.load_relaxed();
  // Without the group's right to execute the bit once meant mandatory locks.
  if ((m & vfs::mode::set_gid) != 0 && (m & group_execute) != 0) c.egid = inode.gid.load_relaxed();
}

/// What the file's capabilities permit. EPERM: they are to be in force at once, and not all can be.
Result<void> follow_caps(vfs::Inode& inode, Privileges& p) {
  if (!vfs::may_have_file_caps(inode)) return {};
  auto still = inode.lock.lock();
  Result<vfs::FileCaps> found = vfs::file_caps(inode);
  if (!found.ok()) return found.error() == Errno::enodata ? Result<void>() : found.error();
  const vfs::FileCaps caps = found.take();
  Cred& c = *p.cred;
  p.has_file_caps = true;
  p.is_effective = caps.is_effective;
  c.permitted = (c.bounding & caps.permitted) | (c.inheritable & caps.inheritable);
  if (caps.is_effective && (caps.permitted & ~c.permitted) != 0) return Errno::eperm;
  return {};
}

/// User 0 has everything, as before there were capabilities.
void follow_root(Privileges& p) {
  Cred& c = *p.cred;
  if (c.is_secure(uapi::secbit_noroot)) return;
  // A set-user-ID program with capabilities has those, whoever else runs it.
  if (p.has_file_caps && c.uid != 0 && c.euid == 0) return;
  if (c.uid == 0 || c.euid == 0) c.permitted = c.bounding | c.inheritable;
  if (c.euid == 0) p.is_effective = true;
}

bool is_set_id(const Cred& old, const Cred& fresh) {
  return fresh.euid != old.uid || fresh.egid != old.gid;
}
bool gains_caps(const Cred& old, const Cred& fresh) {
  return (fresh.permitted & ~old.permitted) != 0;
}

/// What depends on who else is there. No other thread is left in the process.
void settle(Task& me, Privileges& p) {
  const Cred& old = me.cred();
  Cred& c = *p.cred;
  const bool by_owner = is_set_id(old, c);
  // Somebody else could move the working directory of a program with more rights.
  const bool is_shared = me.fs->ref_count() > 1;
  if ((by_owner || gains_caps(old, c)) && (is_shared || me.no_new_privs)) {
    if (me.no_new_privs || !old.has(Cap::setuid)) {
      c.euid = c.uid;
      c.egid = c.gid;
    }
    c.permitted &= old.permitted;
  }
  c.suid = c.fsuid = c.euid;
  c.sgid = c.fsgid = c.egid;
  if (p.has_file_caps || by_owner) c.ambient = 0;
  c.permitted |= c.ambient;
  c.effective = p.is_effective ? c.permitted : c.ambient;
  c.securebits &= ~u32{uapi::secbit_keep_caps};
  p.is_secure = by_owner || (c.uid != 0 && (p.is_effective || (c.permitted & ~c.ambient) != 0));
}

}  // namespace

Result<Privileges> privileges_for(Task& me, const io::File& file) {
  const Cred& old = me.cred();
  Privileges p;
  p.cred = TRY(old.copy());
  p.cred->permitted = 0;
  if (vfs::Inode* const inode = trusted_inode(file); inode != nullptr) {
    follow_file(me, *inode, *p.cred);
    TRY(follow_caps(*inode, p));
  }
  follow_root(p);
  p.are_more = is_set_id(old, *p.cred) || gains_caps(old, *p.cred);
  return p;
}

bool assume(Task& me, Privileges& p) {
  settle(me, p);
  const Cred& old = me.cred();
  Cred& c = *p.cred;
  const bool is_other = c.euid != old.euid || c.egid != old.egid || c.fsuid != old.fsuid ||
                        c.fsgid != old.fsgid || gains_caps(old, c);
  const bool is_open = c.euid == c.uid && c.egid == c.gid && !is_other;
  if (p.is_secure || is_other) me.parent_death_signal.store_relaxed(0);
  {
    auto t = tree.lock();
    me.group->is_dumpable = false;
  }
  me.set_cred(std::move(p.cred));
  return is_open;
}

}  // namespace auk::proc
