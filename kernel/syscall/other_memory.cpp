// Memory of other processes: see process_vm_readv(2), process_madvise(2).
//
// A page that is written to is pinned meanwhile: a fork of its process copies it instead of sharing
// what changes behind the page tables.
#include "generated/uapi/mman.hpp"
#include "proc/access.hpp"
#include "syscall/advice.hpp"
#include "syscall/calls.hpp"
#include "syscall/pidfd.hpp"
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
    Result<usize> n = proc::move_memory(*space, r, buf, way, vm::FaultBy::kernel);
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

namespace {

/// What changes nothing of what another program sees in its memory.
bool is_for_others(int advice) {
  return advice == uapi::madv_cold || advice == uapi::madv_pageout ||
         advice == uapi::madv_willneed || advice == uapi::madv_collapse;
}

/// Any thread of a process that still has memory. ESRCH.
Result<Ref<Task>> thread_with_memory(proc::Group& g) {
  auto t = proc::tree.lock();
  for (Task& task : g.tasks) {
    auto lock = task.cred_lock.lock();
    if (task.space) return Ref<Task>(task);
  }
  return Errno::esrch;
}

}  // namespace

Value process_madvise(Task& me, Fd fd, UserAddr vector, u64 count, int advice, u32 flags) {
  if (flags != 0) return Errno::einval;
  Ranges ranges;
  TRY(ranges.load(vector, count));
  const Ref<proc::Group> group = TRY(process_named(me, fd));
  const Ref<Task> target = TRY(thread_with_memory(*group));
  const Ref<vm::AddressSpace> space =
      TRY(proc::accessible_space(me, *target, proc::Ids::file_system));
  if (!space) return Errno::esrch;
  if (space != me.space) {
    if (!is_for_others(advice)) return Errno::einval;
    if (!me.cred().has(ident::Cap::sys_nice)) return Errno::eperm;
  }
  u64 bytes = 0;
  for (const io::UserRange& r : ranges.all()) {
    const Result<void> advised = advise(*space, r.start, r.size, advice);
    if (!advised.ok()) return bytes > 0 ? Value(bytes) : advised.error();
    bytes += r.size;
  }
  return bytes;
}

}  // namespace auk::syscall::calls
