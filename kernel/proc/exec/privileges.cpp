#include "proc/exec/privileges.hpp"

#include "generated/uapi/capability.hpp"
#include "generated/uapi/mount.hpp"
#include "vfs/operations.hpp"

namespace auk::proc {
namespace {

using ident::Cap;
using ident::Cred;

constexpr u32 group_execute = 010;

/// The owners of a program with set-id bits, where they count.
void follow_file(Task& me, const io::File& file, Cred& c) {
  const vfs::Path* const at = vfs::path_of(file);
  if (at == nullptr || me.no_new_privs || (at->mount->flags() & u64{uapi::ms_nosuid}) != 0) return;
  vfs::Inode& inode = at->inode();
  if ((inode.mode.load_relaxed() & (vfs::mode::set_uid | vfs::mode::set_gid)) == 0) return;
  // Bits and owners that belong together.
  auto still = inode.lock.lock();
  const u32 m = inode.mode.load_relaxed();
  if ((m & vfs::mode::set_uid) != 0) c.euid = inode.uid.load_relaxed();
  // Without the group's right to execute the bit once meant mandatory locks.
  if ((m & vfs::mode::set_gid) != 0 && (m & group_execute) != 0) c.egid = inode.gid.load_relaxed();
}

}  // namespace

bool has_other_owner(Task& me, const io::File& file) {
  Cred seen;
  seen.euid = me.cred().euid;
  seen.egid = me.cred().egid;
  follow_file(me, file, seen);
  return seen.euid != me.cred().uid || seen.egid != me.cred().gid;
}

Result<Privileges> privileges_for(Task& me, const io::File& file) {
  const Cred& old = me.cred();
  Ref<Cred> c = TRY(old.copy());
  follow_file(me, file, *c);
  bool is_set_id = c->euid != old.uid || c->egid != old.gid;
  const bool changes = c->euid != old.euid || c->egid != old.egid;
  // Somebody else could move the working directory of a program with more rights.
  if (changes && me.fs->ref_count() > 1 && !old.has(Cap::setuid)) {
    c->euid = c->uid;
    c->egid = c->gid;
    is_set_id = false;
  }
  c->suid = c->fsuid = c->euid;
  c->sgid = c->fsgid = c->egid;
  if (is_set_id && changes) c->ambient = 0;
  const bool root_counts = !c->is_secure(uapi::secbit_noroot);
  const bool is_root = root_counts && (c->uid == 0 || c->euid == 0);
  c->permitted = (is_root ? c->bounding | c->inheritable : 0) | c->ambient;
  c->effective = root_counts && c->euid == 0 ? c->permitted : c->ambient;
  c->securebits &= ~u32{uapi::secbit_keep_caps};
  const bool gains = (c->permitted & ~c->ambient) != 0 && c->euid == 0;
  return Privileges{.cred = std::move(c), .is_secure = is_set_id || (old.uid != 0 && gains)};
}

bool assume(Task& me, Privileges p) {
  const bool same_ids = p.cred->euid == p.cred->uid && p.cred->egid == p.cred->gid;
  if (p.is_secure) me.parent_death_signal.store_relaxed(0);
  {
    auto t = tree.lock();
    me.group->is_dumpable = false;
  }
  me.set_cred(std::move(p.cred));
  return same_ids;
}

}  // namespace auk::proc
