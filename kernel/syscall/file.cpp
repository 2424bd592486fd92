// Open files: reading, writing, descriptors. See read(2), dup(2), fcntl(2), pipe(2).
#include <algorithm>

#include "generated/uapi/fcntl.hpp"
#include "generated/uapi/fs.hpp"
#include "generated/uapi/ioctl.hpp"
#include "generated/uapi/resource.hpp"
#include "generated/uapi/unistd.hpp"
#include "io/pipe.hpp"
#include "syscall/calls.hpp"
#include "syscall/lock.hpp"
#include "syscall/ranges.hpp"
#include "syscall/transfer.hpp"
#include "vfs/notify.hpp"
#include "vfs/seal.hpp"

namespace auk::syscall::calls {
namespace {

Result<io::UserRange> range_of(UserAddr at, u64 size) {
  if (!core::is_user_range(at, size)) return Errno::efault;
  return io::UserRange{at, std::min(size, most_bytes)};
}

io::PipeMaker pipe_maker(const Task& me) {
  const ident::Cred& cred = me.cred();
  const bool may_exceed_size = cred.has(ident::Cap::sys_resource);
  return {.uid = cred.fsuid,
          .gid = cred.fsgid,
          .user = cred.user,
          .may_exceed_size = may_exceed_size,
          .may_exceed_limits = may_exceed_size || cred.has(ident::Cap::sys_admin)};
}

}  // namespace

Value read(Task& me, Fd fd, UserAddr buffer, u64 size) {
  const io::FileLoan f = TRY(readable(me, fd));
  io::IoBuf buf(TRY(range_of(buffer, size)));
  return counted_read(me, finish_read(*f, f->read(buf)));
}

Value write(Task& me, Fd fd, UserAddr buffer, u64 size) {
  const io::FileLoan f = TRY(writable(me, fd));
  io::IoBuf buf(TRY(range_of(buffer, size)));
  return counted_write(me, write_with(me, *f, buf, [&](io::IoBuf& b) { return f->write(b); }));
}

namespace {

/// Where there are no positions nothing is tried at one.
bool was_tried(const Value& v) { return v.ok() || v.error() != Errno::espipe; }

}  // namespace

Value pread64(Task& me, Fd fd, UserAddr buffer, u64 size, i64 offset) {
  if (offset < 0) return Errno::einval;
  const io::FileLoan f = TRY(readable(me, fd));
  io::IoBuf buf(TRY(range_of(buffer, size)));
  Value v = finish_read(*f, f->read_at(buf, static_cast<u64>(offset)));
  return was_tried(v) ? counted_read(me, std::move(v)) : std::move(v);
}

Value pwrite64(Task& me, Fd fd, UserAddr buffer, u64 size, i64 offset) {
  if (offset < 0) return Errno::einval;
  const io::FileLoan f = TRY(writable(me, fd));
  io::IoBuf buf(TRY(range_of(buffer, size)));
  Value v = write_with(me, *f, buf,
                       [&](io::IoBuf& b) { return f->write_at(b, static_cast<u64>(offset)); });
  return was_tried(v) ? counted_write(me, std::move(v)) : std::move(v);
}

Value close(Task& me, Fd fd) {
  const Ref<io::File> f = TRY(me.files->remove(fd.number));
  f->closing(*me.files);
  return u64{0};
}

Value close_range(Task& me, u32 first, u32 last, u32 flags) {
  if (first > last || (flags & ~(uapi::close_range_unshare | uapi::close_range_cloexec)) != 0)
    return Errno::einval;
  if ((flags & uapi::close_range_unshare) != 0 && me.files->ref_count() > 1)
    me.replace(&Task::files, TRY(me.files->copy()));
  me.files->close_range(first, last, (flags & uapi::close_range_cloexec) != 0);
  return u64{0};
}

Value lseek(Task& me, Fd fd, i64 offset, int whence) {
  const io::FileLoan f = TRY(file_of(me, fd));
  return static_cast<u64>(TRY(f->seek(offset, whence)));
}

Value dup(Task& me, Fd fd) { return install_file(me, TRY(me.files->get(fd.number)), false); }

namespace {

Value dup_to(Task& me, Fd from, Fd to, bool close_on_exec) {
  Ref<io::File> f = TRY(me.files->get(from.number));
  if (to.number < 0 || static_cast<u64>(to.number) >= me.group->limit(uapi::rlimit_nofile))
    return Errno::ebadf;
  const Ref<io::File> old = TRY(me.files->replace(to.number, std::move(f), close_on_exec));
  if (old) old->closing(*me.files);
  return static_cast<u64>(to.number);
}

}  // namespace

Value dup2(Task& me, Fd from, Fd to) {
  if (from.number == to.number) {
    TRY(me.files->get(from.number));
    return static_cast<u64>(to.number);
  }
  return dup_to(me, from, to, false);
}

Value dup3(Task& me, Fd from, Fd to, int flags) {
  if ((flags & ~uapi::o_cloexec) != 0 || from.number == to.number) return Errno::einval;
  return dup_to(me, from, to, flags != 0);
}

namespace {

Value duplicate_from(Task& me, Ref<io::File> f, u64 least, bool close_on_exec) {
  const u64 limit = me.group->limit(uapi::rlimit_nofile);
  if (least >= limit) return Errno::einval;
  const int fd = TRY(me.files->reserve(static_cast<int>(least), limit));
  me.files->install(fd, std::move(f), close_on_exec);
  return static_cast<u64>(fd);
}

Value seals(const io::File& f, u32 command, u32 arg) {
  const bool adds = command == uapi::f_add_seals;
  if (adds && !f.is_writable()) return Errno::eperm;
  vfs::Inode* const inode = vfs::inode_of(f);
  if (inode == nullptr) return Errno::einval;
  if (!adds) return u64{TRY(vfs::seal::get(*inode))};
  TRY(vfs::seal::add(*inode, arg));
  return u64{0};
}

}  // namespace

Value fcntl(Task& me, Fd fd, u32 command, u64 arg) {
  Ref<io::File> f = TRY(me.files->get(fd.number));
  const bool is_path = (f->flags() & vfs::open_flag::path) != 0;
  constexpr u32 changeable = uapi::o_append | uapi::o_nonblock | uapi::o_direct | uapi::o_noatime;
  switch (command) {
    case uapi::f_dupfd: return duplicate_from(me, std::move(f), arg, false);
    case uapi::f_dupfd_cloexec: return duplicate_from(me, std::move(f), arg, true);
    case uapi::f_getfd: return u64{TRY(me.files->close_on_exec(fd.number)) ? 1U : 0U};
    case uapi::f_setfd:
      TRY(me.files->set_close_on_exec(fd.number, (arg & uapi::fd_cloexec) != 0));
      return u64{0};
    case uapi::f_getfl: return u64{f->flags()};
    case uapi::f_setfl:
      if (is_path) return Errno::ebadf;
      f->set_flags((f->flags() & ~changeable) | (static_cast<u32>(arg) & changeable));
      return u64{0};
    case uapi::f_getpipe_sz:
      if (is_path || f->pipe() == nullptr) return Errno::ebadf;
      return io::capacity_of(*f->pipe());
    case uapi::f_setpipe_sz:
      if (is_path || f->pipe() == nullptr) return Errno::ebadf;
      return io::set_capacity(*f->pipe(), static_cast<u32>(arg), pipe_maker(me));
    case uapi::f_add_seals:
    case uapi::f_get_seals:
      if (is_path) return Errno::ebadf;
      return seals(*f, command, static_cast<u32>(arg));
    case uapi::f_getlk:
    case uapi::f_setlk:
    case uapi::f_setlkw:
    case uapi::f_ofd_getlk:
    case uapi::f_ofd_setlk:
    case uapi::f_ofd_setlkw:
      if (is_path) return Errno::ebadf;
      return record_lock(me, fd, std::move(f), command, UserAddr(arg));
    default: return is_path ? Errno::ebadf : Errno::einval;
  }
}

namespace {

/// The commands that mean the descriptor or the file system, or nothing to a device: they are free
/// to whoever has a device open, landlock(7).
bool is_about_any_file(u32 command) {
  switch (command) {
    case uapi::fioclex:
    case uapi::fionclex:
    case uapi::fionbio:
    case uapi::fioasync:
    case uapi::fioqsize:
    case uapi::fifreeze:
    case uapi::fithaw:
    case uapi::fs_ioc_fiemap:
    case uapi::figetbsz:
    case uapi::ficlone:
    case uapi::ficlonerange:
    case uapi::fideduperange:
    case uapi::fs_ioc_getfsuuid:
    case uapi::fs_ioc_getfssysfspath: return true;
    default: return false;
  }
}

}  // namespace

Value ioctl(Task& me, Fd fd, u32 command, u64 arg) {
  const io::FileLoan f = TRY(file_of(me, fd));
  if (const Result<void> r = f->check(io::Withheld::ioctl); !r.ok() && !is_about_any_file(command))
    return r.error();
  switch (command) {
    case uapi::fioclex: TRY(me.files->set_close_on_exec(fd.number, true)); return u64{0};
    case uapi::fionclex: TRY(me.files->set_close_on_exec(fd.number, false)); return u64{0};
    case uapi::fionbio: {
      const u32 on = TRY(UserIn<u32>(UserAddr(arg)).load());
      f->set_flags((f->flags() & ~u32{uapi::o_nonblock}) | (on != 0 ? uapi::o_nonblock : 0));
      return u64{0};
    }
    default: return f->ioctl(command, {arg});
  }
}

Value pipe2(Task& me, UserAddr fds, u32 flags) {
  constexpr u32 known = uapi::o_cloexec | uapi::o_nonblock | uapi::o_direct;
  if ((flags & ~known) != 0) return Errno::einval;
  mem::Box<io::PipeEnds> ends =
      TRY(io::make_pipe(flags & (uapi::o_nonblock | uapi::o_direct), pipe_maker(me)));
  return install_pair(me, fds, std::move(ends->read), std::move(ends->write),
                      (flags & uapi::o_cloexec) != 0);
}

Value pipe(Task& me, UserAddr fds) { return pipe2(me, fds, 0); }

Value ftruncate(Task& me, Fd fd, i64 size) {
  if (size < 0) return Errno::einval;
  const io::FileLoan f = TRY(file_of(me, fd));
  if (!f->is_writable()) return Errno::einval;
  TRY(f->check(io::Withheld::truncate));
  TRY(check_file_size(me, static_cast<u64>(size)));
  TRY(prepare_change(me, *f));
  TRY(f->truncate(static_cast<u64>(size)));
  vfs::notify::happened(*f, uapi::in_modify);
  return u64{0};
}

Value fsync(Task& me, Fd fd) {
  const io::FileLoan f = TRY(file_of(me, fd));
  TRY(f->sync());
  return u64{0};
}

Value fdatasync(Task& me, Fd fd) { return fsync(me, fd); }

// Nothing is ever behind: every file system here lives in memory.
Value sync(Task&) { return u64{0}; }

Value syncfs(Task& me, Fd fd) {
  TRY(file_of(me, fd));
  return u64{0};
}

Value sync_file_range(Task& me, Fd fd, i64 offset, i64 size, u32 flags) {
  const io::FileLoan f = TRY(file_of(me, fd));
  i64 end = 0;
  if ((flags & ~u32{uapi::sync_file_range_write_and_wait}) != 0 || offset < 0 || size < 0 ||
      __builtin_add_overflow(offset, size, &end))
    return Errno::einval;
  const vfs::Inode* const i = vfs::inode_of(*f);
  const bool has_bytes =
      i != nullptr && (i->is_regular() || i->is_directory() || i->type() == vfs::mode::block);
  return has_bytes ? Value(u64{0}) : Value(Errno::espipe);
}

Value readahead(Task& me, Fd fd, i64, u64) {
  const io::FileLoan f = TRY(readable(me, fd));
  const vfs::Inode* const i = vfs::inode_of(*f);
  // What is in memory need not be read ahead.
  return i != nullptr && i->is_regular() ? Value(u64{0}) : Value(Errno::einval);
}

Value fadvise64(Task& me, Fd fd, i64, i64 size, int advice) {
  const io::FileLoan f = TRY(file_of(me, fd));
  if (f->pipe() != nullptr) return Errno::espipe;
  if (size < 0 || advice < uapi::posix_fadv_normal || advice > uapi::posix_fadv_noreuse)
    return Errno::einval;
  // Files in memory can neither be read ahead nor dropped.
  return u64{0};
}

}  // namespace auk::syscall::calls
