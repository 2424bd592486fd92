#include "proc/access.hpp"

namespace auk::proc {

Result<void> may_access(Task& me, Task& target) {
  if (me.group == target.group) return {};
  const ident::Cred& mine = me.cred();
  const Ref<ident::Cred> theirs = target.cred_ref();
  if (mine.has(ident::Cap::sys_ptrace)) return {};
  const bool same_user =
      mine.uid == theirs->uid && mine.uid == theirs->euid && mine.uid == theirs->suid;
  const bool same_group =
      mine.gid == theirs->gid && mine.gid == theirs->egid && mine.gid == theirs->sgid;
  if (!same_user || !same_group) return Errno::eperm;
  // Nobody gains capabilities by looking.
  if ((theirs->permitted & ~mine.permitted) != 0) return Errno::eperm;
  auto t = tree.lock();
  return target.group->is_dumpable ? Result<void>() : Result<void>(Errno::eperm);
}

}  // namespace auk::proc
