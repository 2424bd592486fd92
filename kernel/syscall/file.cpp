// Open files: reading, writing, descriptors. See read(2), readv(2), dup(2), fcntl(2), pipe(2).
#include <algorithm>

#include "generated/uapi/fcntl.hpp"
#include "generated/uapi/resource.hpp"
#include "generated/uapi/unistd.hpp"
#include "io/pipe.hpp"
#include "syscall/calls.hpp"
#include "syscall/lock.hpp"
#include "syscall/ranges.hpp"
#include "syscall/support.hpp"
#include "vfs/notify.hpp"

namespace auk::syscall::calls {
namespace {

Result<Ref<io::File>> readable(Task& me, Fd fd) {
  Ref<io::File> f = TRY(file_of(me, fd));
  if (!f->is_readable()) return Errno::ebadf;
  return f;
}
Result<Ref<io::File>> writable(Task& me, Fd fd) {
  Ref<io::File> f = TRY(file_of(me, fd));
  if (!f->is_writable()) return Errno::ebadf;
  return f;
}

Result<io::UserRange> range_of(UserAddr at, u64 size) {
  if (!core::is_user_range(at, size)) return Errno::efault;
  return io::UserRange{at, std::min(size, most_bytes)};
}

/// Writes by `how`, within the caller's limit. That nobody reads, or that the limit is reached, is
/// also a signal.
template <class F> Value write_with(Task& me, io::File& f, io::IoBuf& buf, F how) {
  const u64 limit = me.group->limit(uapi::rlimit_fsize);
  buf.limit_file_size(limit);
  Result<usize> r = how(buf);
  if (r.ok()) {
    if (*r > 0) vfs::notify::happened(f, uapi::in_modify);
    return u64{*r};
  }
  if (r.error() == Errno::epipe && f.breaks_pipe()) signal_writer(me, uapi::sigpipe);
  if (r.error() == Errno::efbig && limit != uapi::rlim_infinity) signal_writer(me, uapi::sigxfsz);
  return r.error();
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

/// What a read answers; watches are told.
Value moved(const io::File& f, Result<usize> r) {
  if (!r.ok()) return r.error();
  if (*r > 0) vfs::notify::happened(f, uapi::in_access);
  return u64{*r};
}

}  // namespace

Value read(Task& me, Fd fd, UserAddr buffer, u64 size) {
  const Ref<io::File> f = TRY(readable(me, fd));
  io::IoBuf buf(TRY(range_of(buffer, size)));
  return moved(*f, f->read(buf));
}

Value write(Task& me, Fd fd, UserAddr buffer, u64 size) {
  const Ref<io::File> f = TRY(writable(me, fd));
  io::IoBuf buf(TRY(range_of(buffer, size)));
  return write_with(me, *f, buf, [&](io::IoBuf& b) { return f->write(b); });
}

Value pread64(Task& me, Fd fd, UserAddr buffer, u64 size, i64 offset) {
  if (offset < 0) return Errno::einval;
  const Ref<io::File> f = TRY(readable(me, fd));
  io::IoBuf buf(TRY(range_of(buffer, size)));
  return moved(*f, f->read_at(buf, static_cast<u64>(offset)));
}

Value pwrite64(Task& me, Fd fd, UserAddr buffer, u64 size, i64 offset) {
  if (offset < 0) return Errno::einval;
  const Ref<io::File> f = TRY(writable(me, fd));
  io::IoBuf buf(TRY(range_of(buffer, size)));
  return write_with(me, *f, buf,
                    [&](io::IoBuf& b) { return f->write_at(b, static_cast<u64>(offset)); });
}

Value readv(Task& me, Fd fd, UserAddr vector, u64 count) {
  const Ref<io::File> f = TRY(readable(me, fd));
  Ranges ranges;
  TRY(ranges.load(vector, count));
  io::IoBuf buf(ranges.all());
  return moved(*f, f->read(buf));
}

Value writev(Task& me, Fd fd, UserAddr vector, u64 count) {
  const Ref<io::File> f = TRY(writable(me, fd));
  Ranges ranges;
  TRY(ranges.load(vector, count));
  io::IoBuf buf(ranges.all());
  return write_with(me, *f, buf, [&](io::IoBuf& b) { return f->write(b); });
}

Value preadv(Task& me, Fd fd, UserAddr vector, u64 count, i64 offset) {
  if (offset < 0) return Errno::einval;
  const Ref<io::File> f = TRY(readable(me, fd));
  Ranges ranges;
  TRY(ranges.load(vector, count));
  io::IoBuf buf(ranges.all());
  return moved(*f, f->read_at(buf, static_cast<u64>(offset)));
}

Value pwritev(Task& me, Fd fd, UserAddr vector, u64 count, i64 offset) {
  if (offset < 0) return Errno::einval;
  const Ref<io::File> f = TRY(writable(me, fd));
  Ranges ranges;
  TRY(ranges.load(vector, count));
  io::IoBuf buf(ranges.all());
  return write_with(me, *f, buf,
                    [&](io::IoBuf& b) { return f->write_at(b, static_cast<u64>(offset)); });
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
  const Ref<io::File> f = TRY(file_of(me, fd));
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
      if (is_path) return Errno::ebadf;
      if (f->pipe_capacity() == 0) return Errno::ebadf;
      return f->pipe_capacity();
    case uapi::f_setpipe_sz:
      if (is_path) return Errno::ebadf;
      return TRY(f->set_pipe_capacity(static_cast<u32>(arg), pipe_maker(me)));
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

Value ioctl(Task& me, Fd fd, u32 command, u64 arg) {
  const Ref<io::File> f = TRY(file_of(me, fd));
  constexpr u32 fionclex = 0x5450, fioclex = 0x5451, fionbio = 0x5421;
  switch (command) {
    case fioclex: TRY(me.files->set_close_on_exec(fd.number, true)); return u64{0};
    case fionclex: TRY(me.files->set_close_on_exec(fd.number, false)); return u64{0};
    case fionbio: {
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
  mem::Box<io::PipeEnds> ends = TRY(io::make_pipe(flags & u32{uapi::o_nonblock}, pipe_maker(me)));
  return install_pair(me, fds, std::move(ends->read), std::move(ends->write),
                      (flags & uapi::o_cloexec) != 0);
}

Value pipe(Task& me, UserAddr fds) { return pipe2(me, fds, 0); }

Value ftruncate(Task& me, Fd fd, i64 size) {
  if (size < 0) return Errno::einval;
  const Ref<io::File> f = TRY(file_of(me, fd));
  if (!f->is_writable()) return Errno::einval;
  TRY(check_file_size(me, static_cast<u64>(size)));
  TRY(f->truncate(static_cast<u64>(size)));
  vfs::notify::happened(*f, uapi::in_modify);
  return u64{0};
}

Value fsync(Task& me, Fd fd) {
  const Ref<io::File> f = TRY(file_of(me, fd));
  TRY(f->sync());
  return u64{0};
}

Value fdatasync(Task& me, Fd fd) { return fsync(me, fd); }

// Nothing is ever behind: every file system here lives in memory.
Value sync(Task&) { return u64{0}; }

namespace {

/// Moves up to `count` bytes through one page; stops early like read and write do. Without an
/// offset the file's own position counts.
Result<u64> copy_between(io::File& from, u64* offset, io::File& to, u64* to_offset, u64 count) {
  struct Page {
    std::array<byte, page_size> bytes;
  };
  mem::Box<Page> page = TRY(mem::Box<Page>::make(ALLOC_SITE));
  u64 done = 0;
  while (done < count) {
    const usize want = std::min<u64>(count - done, page_size);
    io::IoBuf in(std::span(page->bytes).first(want));
    Result<usize> got = offset != nullptr ? from.read_at(in, *offset) : from.read(in);
    if (!got.ok()) return done > 0 ? Result<u64>(done) : got.error();
    if (*got == 0) break;
    io::IoBuf out(std::span(page->bytes).first(*got));
    Result<usize> put = to_offset != nullptr ? to.write_at(out, *to_offset) : to.write(out);
    if (!put.ok()) return done > 0 ? Result<u64>(done) : put.error();
    done += *put;
    vfs::notify::happened(from, uapi::in_access);
    vfs::notify::happened(to, uapi::in_modify);
    if (offset != nullptr) *offset += *put;
    if (to_offset != nullptr) *to_offset += *put;
    if (*put < *got) break;
  }
  return done;
}

}  // namespace

Value sendfile(Task& me, Fd to, Fd from, UserAddr offset, u64 count) {
  const Ref<io::File> in = TRY(readable(me, from));
  const Ref<io::File> out = TRY(writable(me, to));
  // Only files with pages can be sent without a copy by the program; pipes and terminals cannot.
  if (!in->map_object().ok()) return Errno::einval;
  count = std::min(count, most_bytes);
  if (offset.value == 0) return copy_between(*in, nullptr, *out, nullptr, count);
  u64 at = TRY(UserIn<u64>(offset).load());
  if (static_cast<i64>(at) < 0) return Errno::einval;
  const u64 done = TRY(copy_between(*in, &at, *out, nullptr, count));
  TRY(UserOut<u64>(offset).store(at));
  return done;
}

namespace {

/// An offset of the program, or the file's position. EINVAL below zero.
Result<u64> start_offset(io::File& f, UserAddr offset) {
  const i64 at =
      offset.value == 0 ? TRY(f.seek(0, uapi::seek_cur)) : TRY(UserIn<i64>(offset).load());
  return at < 0 ? Result<u64>(Errno::einval) : Result<u64>(static_cast<u64>(at));
}
Result<void> keep_offset(io::File& f, UserAddr offset, u64 at) {
  if (offset.value != 0) return UserOut<u64>(offset).store(at);
  TRY(f.seek(static_cast<i64>(at), uapi::seek_set));
  return {};
}

Result<void> check_regular(const io::File& f) {
  const vfs::Inode* const i = vfs::inode_of(f);
  if (i != nullptr && i->is_directory()) return Errno::eisdir;
  return i != nullptr && i->is_regular() ? Result<void>() : Result<void>(Errno::einval);
}

}  // namespace

Value copy_file_range(Task& me, Fd from, UserAddr from_offset, Fd to, UserAddr to_offset, u64 size,
                      u32 flags) {
  const Ref<io::File> in = TRY(file_of(me, from));
  const Ref<io::File> out = TRY(file_of(me, to));
  if (flags != 0) return Errno::einval;
  TRY(check_regular(*in));
  TRY(check_regular(*out));
  u64 in_at = TRY(start_offset(*in, from_offset));
  u64 out_at = TRY(start_offset(*out, to_offset));
  if (!in->is_readable() || !out->is_writable()) return Errno::ebadf;
  if ((out->flags() & vfs::open_flag::append) != 0) return Errno::ebadf;
  constexpr u64 last = INT64_MAX;
  if (size > last - in_at || size > last - out_at) return Errno::eoverflow;
  size = std::min(size, most_bytes);
  const bool is_same = vfs::inode_of(*in) == vfs::inode_of(*out);
  if (is_same && in_at < out_at + size && out_at < in_at + size) return Errno::einval;
  if (size == 0) return u64{0};
  TRY(check_file_size(me, out_at + 1));
  const u64 done = TRY(copy_between(*in, &in_at, *out, &out_at, size));
  if (done > 0) {
    TRY(keep_offset(*in, from_offset, in_at));
    TRY(keep_offset(*out, to_offset, out_at));
  }
  return done;
}

Value fadvise64(Task& me, Fd fd, i64, i64 size, int advice) {
  const Ref<io::File> f = TRY(file_of(me, fd));
  if (f->pipe_capacity() != 0) return Errno::espipe;
  if (size < 0 || advice < uapi::posix_fadv_normal || advice > uapi::posix_fadv_noreuse)
    return Errno::einval;
  // Files in memory can neither be read ahead nor dropped.
  return u64{0};
}

}  // namespace auk::syscall::calls
