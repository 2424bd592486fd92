// Memory of other processes: see process_vm_readv(2).
//
// A page that is written to is pinned meanwhile: a fork of its process copies it instead of sharing
// what changes behind the page tables.
#include "proc/access.hpp"
#include "syscall/calls.hpp"
#include "syscall/ranges.hpp"

namespace auk::syscall::calls {
namespace {

enum class Way : u8 { from, to };

/// Moves what fits between a range of another space and the caller's buffer. Bytes done; an error
/// only if there were none.
Result<usize> move_range(vm::AddressSpace& space, io::UserRange range, io::IoBuf& own, Way way) {
  usize done = 0;
  while (done < range.size && own.left() > 0) {
    const UserAddr at = range.start + done;
    if (!core::is_user_range(at, 1)) return done > 0 ? Result<usize>(done) : Errno::efault;
    const usize inside = at.value % page_size;
    const usize n = std::min<u64>({page_size - inside, range.size - done, own.left()});
    Result<Ref<mem::Folio>> page =
        space.page_of(at, way == Way::to ? vm::Access::write : vm::Access::read, way == Way::to);
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
    Result<usize> n = move_range(*space, r, buf, way);
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
