#include "proc/access.hpp"

#include <algorithm>

namespace auk::proc {

namespace {

/// By ids and capabilities.
Result<void> may_look(const ident::Cred& mine, const ident::Cred& theirs, Group& target, Ids ids) {
  if (mine.has(ident::Cap::sys_ptrace)) return {};
  const u32 uid = ids == Ids::real ? mine.uid : mine.fsuid;
  const u32 gid = ids == Ids::real ? mine.gid : mine.fsgid;
  const bool same_user = uid == theirs.uid && uid == theirs.euid && uid == theirs.suid;
  const bool same_group = gid == theirs.gid && gid == theirs.egid && gid == theirs.sgid;
  if (!same_user || !same_group) return Errno::eperm;
  // Nobody gains capabilities by looking.
  if ((theirs.permitted & ~mine.permitted) != 0) return Errno::eperm;
  auto t = tree.lock();
  return target.is_dumpable ? Result<void>() : Result<void>(Errno::eperm);
}

}  // namespace

Result<void> may_access(Task& me, Task& target, Ids ids) {
  if (me.group == target.group) return {};
  const ident::Cred& mine = me.cred();
  const Ref<ident::Cred> theirs = target.cred_ref();
  TRY(may_look(mine, *theirs, *target.group, ids));
  // Nor gets rid of what he has given up.
  if (!mine.domain || (theirs->domain && theirs->domain->is_in(*mine.domain))) return {};
  return Errno::eperm;
}

Result<Ref<vm::AddressSpace>> accessible_space(Task& me, Task& target, Ids ids) {
  // In this order: a program's credentials are there before its memory is (exec.cpp).
  Ref<vm::AddressSpace> space = target.space_of();
  // Its own, if another process has it too.
  if (space && space == me.space) return space;
  TRY(may_access(me, target, ids));
  return space;
}

Result<usize> move_memory(vm::AddressSpace& space, io::UserRange range, io::IoBuf& own, Way way,
                          vm::FaultBy by) {
  usize done = 0;
  while (done < range.size && own.left() > 0) {
    const UserAddr at = range.start + done;
    if (!core::is_user_range(at, 1)) return done > 0 ? Result<usize>(done) : Errno::efault;
    const usize inside = at.value % page_size;
    const usize n = std::min<u64>({page_size - inside, range.size - done, own.left()});
    const vm::Access access = way == Way::to ? vm::Access::write : vm::Access::read;
    Result<Ref<mem::Folio>> page = space.page_of(at, access, way == Way::to, by);
    if (!page.ok()) return done > 0 ? Result<usize>(done) : page.error();
    const Ref<mem::Folio> folio = page.take();
    usize moved = 0;
    if (way == Way::to) {
      moved = own.get(folio->bytes().subspan(inside, n));
      folio->unpin();
    } else {
      moved = folio ? own.put(folio->bytes().subspan(inside, n)) : own.put_zeros(n);
    }
    done += moved;
    if (moved < n) return done > 0 ? Result<usize>(done) : Errno::efault;
  }
  return done;
}

}  // namespace auk::proc
