// Memory of other processes: see process_vm_readv(2).
//
// A page that is written to is pinned meanwhile: a fork of its process copies it instead of sharing
// what changes behind the page tables.
#include "proc/access.hpp"
#include "syscall/calls.hpp"
#include "syscall/ranges.hpp"

namespace auk::syscall::calls {
namespace {

using proc::Way;

Value move(Task& me, int pid, UserAddr own_vector, u64 own_count, UserAddr their_vector,
           u64 their_count, u64 flags, Way way) {
  if (flags != 0) return Errno::einval;
  Ranges own;
  TRY(own.load(own_vector, own_count));
  io::IoBuf buf(own.all());
  if (buf.left() == 0) return u64{0};
  Ranges theirs;
  TRY(theirs.load(their_vector, their_count, Ranges::Kind::foreign));
  u64 wanted = 0;
  for (const io::UserRange& r : theirs.all()) wanted += r.size;
  if (wanted == 0) return u64{0};
  if (pid <= 0) return Errno::esrch;
  const Ref<Task> target = TRY(proc::find_task(static_cast<u32>(pid)));
  const Ref<vm::AddressSpace> space = TRY(proc::accessible_space(me, *target, proc::Ids::real));
  if (!space) return Errno::esrch;
  usize done = 0;
  for (const io::UserRange& r : theirs.all()) {
    if (r.size == 0) continue;
    Result<usize> n = proc::move_memory(*space, r, buf, way);
    if (!n.ok()) return done > 0 ? Value(u64{done}) : n.error();
    done += *n;
    if (*n < r.size) break;
  }
  return u64{done};
}

}  // namespace

Value process_vm_readv(Task& me, int pid, UserAddr own, u64 own_count, UserAddr theirs,
                       u64 their_count, u64 flags) {
  return move(me, pid, own, own_count, theirs, their_count, flags, Way::from);
}
Value process_vm_writev(Task& me, int pid, UserAddr own, u64 own_count, UserAddr theirs,
                        u64 their_count, u64 flags) {
  return move(me, pid, own, own_count, theirs, their_count, flags, Way::to);
}

}  // namespace auk::syscall::calls
