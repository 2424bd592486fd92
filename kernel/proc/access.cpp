#include "proc/access.hpp"

namespace auk::proc {

Result<void> may_access(Task& me, Task& target, Ids ids) {
  if (me.group == target.group) return {};
  const ident::Cred& mine = me.cred();
  const Ref<ident::Cred> theirs = target.cred_ref();
  if (mine.has(ident::Cap::sys_ptrace)) return {};
  const u32 uid = ids == Ids::real ? mine.uid : mine.fsuid;
  const u32 gid = ids == Ids::real ? mine.gid : mine.fsgid;
  const bool same_user = uid == theirs->uid && uid == theirs->euid && uid == theirs->suid;
  const bool same_group = gid == theirs->gid && gid == theirs->egid && gid == theirs->sgid;
  if (!same_user || !same_group) return Errno::eperm;
  // Nobody gains capabilities by looking.
  if ((theirs->permitted & ~mine.permitted) != 0) return Errno::eperm;
  auto t = tree.lock();
  return target.group->is_dumpable ? Result<void>() : Result<void>(Errno::eperm);
}

Result<Ref<vm::AddressSpace>> accessible_space(Task& me, Task& target, Ids ids) {
  // In this order: a program's credentials are there before its memory is (exec.cpp).
  Ref<vm::AddressSpace> space = target.space_of();
  TRY(may_access(me, target, ids));
  return space;
}

}  // namespace auk::proc
