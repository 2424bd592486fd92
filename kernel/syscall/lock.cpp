// Locks on files: see flock(2), fcntl(2) under "Advisory record locking".
#include "syscall/lock.hpp"

#include "generated/uapi/fcntl.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"

namespace auk::syscall {
namespace {

using io::LockKind;
using io::LockRange;
using io::LockRequest;
using io::LockType;

constexpr i64 last = static_cast<i64>(LockRange::last);

Result<LockType> type_of(i16 type) {
  switch (type) {
    case uapi::f_rdlck: return LockType::read;
    case uapi::f_wrlck: return LockType::write;
    case uapi::f_unlck: return LockType::none;
    default: return Errno::einval;
  }
}

/// Where l_start counts from.
Result<i64> base_of(io::File& f, i16 whence) {
  constexpr i16 set = 0, current = 1, end = 2;
  switch (whence) {
    case set: return i64{0};
    case current: {
      Result<i64> at = f.seek(0, current);
      return at.ok() ? at.take() : i64{0};
    }
    case end: {
      io::FileStat s;
      TRY(f.stat(s));
      return static_cast<i64>(s.size);
    }
    default: return Errno::einval;
  }
}

Result<LockRange> range_of(io::File& f, const uapi::flock& l) {
  i64 start = TRY(base_of(f, l.l_whence));
  if (l.l_start > last - start) return Errno::eoverflow;
  start += l.l_start;
  if (start < 0) return Errno::einval;
  i64 end = last;
  if (l.l_len > 0) {
    if (l.l_len - 1 > last - start) return Errno::eoverflow;
    end = start + (l.l_len - 1);
  } else if (l.l_len < 0) {
    if (start + l.l_len < 0) return Errno::einval;
    end = start - 1;
    start += l.l_len;
  }
  return LockRange{static_cast<u64>(start), static_cast<u64>(end)};
}

/// What l_start and its fellows say of a lock.
void show(const Task& me, const LockRequest& found, uapi::flock& l) {
  if (found.type == LockType::none) {
    l.l_type = uapi::f_unlck;
    return;
  }
  constexpr i16 write = uapi::f_wrlck, read = uapi::f_rdlck;
  l.l_type = found.type == LockType::write ? write : read;
  l.l_whence = 0;
  l.l_start = static_cast<i64>(found.range.start);
  l.l_len = found.range.end == LockRange::last
                ? 0
                : static_cast<i64>(found.range.end - found.range.start + 1);
  l.l_pid = found.kind == LockKind::open_file
                ? -1
                : static_cast<i32>(ident::translated(found.pid, me.pid_space()));
}

/// The descriptor was closed by another thread, which found no lock to give up then.
bool is_closed(Task& me, Fd fd, const io::File& f) {
  Result<Ref<io::File>> now = me.files->get(fd.number);
  return !now.ok() || now.take().get() != &f;
}

}  // namespace

Value record_lock(Task& me, Fd fd, Ref<io::File> file, u32 command, UserAddr arg) {
  const bool is_open_file = command >= uapi::f_ofd_getlk;
  const bool is_question = command == uapi::f_getlk || command == uapi::f_ofd_getlk;
  uapi::flock l = TRY(core::UserIn<uapi::flock>(arg).load());
  LockRequest r;
  if (is_question && !is_open_file && l.l_type != uapi::f_rdlck && l.l_type != uapi::f_wrlck)
    return Errno::einval;
  r.range = TRY(range_of(*file, l));
  r.type = TRY(type_of(l.l_type));
  r.kind = is_open_file ? LockKind::open_file : LockKind::posix;
  r.owner = is_open_file ? static_cast<const void*>(file.get()) : me.files.get();
  r.pid = me.group->pid->number();
  io::LockSpace* const space = file->lock_space();
  if (space == nullptr) return Errno::enolck;
  if (is_question) {
    if (is_open_file && l.l_pid != 0) return Errno::einval;
    show(me, space->find_conflict(r), l);
    TRY(core::UserOut<uapi::flock>(arg).store(l));
    return u64{0};
  }
  if (r.type == LockType::read && !file->is_readable()) return Errno::ebadf;
  if (r.type == LockType::write && !file->is_writable()) return Errno::ebadf;
  if (is_open_file && l.l_pid != 0) return Errno::einval;
  if (is_open_file && r.type != LockType::none) file->note_lock();
  const bool may_wait = command == uapi::f_setlkw || command == uapi::f_ofd_setlkw;
  TRY(space->set(*file, r, may_wait));
  if (!is_open_file && r.type != LockType::none && is_closed(me, fd, *file)) {
    r.type = LockType::none;
    r.range = {};
    (void)space->set(*file, r, false);
    return Errno::ebadf;
  }
  return u64{0};
}

namespace calls {

Value flock(Task& me, Fd fd, int operation) {
  LockRequest r;
  r.kind = LockKind::whole;
  if ((operation & uapi::lock_mand) != 0) return u64{0};
  switch (operation & ~uapi::lock_nb) {
    case uapi::lock_sh: r.type = LockType::read; break;
    case uapi::lock_ex: r.type = LockType::write; break;
    case uapi::lock_un: break;
    default: return Errno::einval;
  }
  const io::FileLoan f = TRY(file_of(me, fd));
  io::LockSpace* const space = f->lock_space();
  if (space == nullptr) return Errno::enolck;
  r.owner = f.get();
  r.pid = me.group->pid->number();
  if (r.type != LockType::none) f->note_lock();
  TRY(space->set(*f, r, (operation & uapi::lock_nb) == 0));
  return u64{0};
}

}  // namespace calls
}  // namespace auk::syscall
