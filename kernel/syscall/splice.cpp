// Bytes that go from file to file: see splice(2), tee(2), vmsplice(2), sendfile(2),
// copy_file_range(2).
#include <algorithm>

#include "generated/uapi/fcntl.hpp"
#include "generated/uapi/unistd.hpp"
#include "io/splice.hpp"
#include "mem/heap_bytes.hpp"
#include "syscall/calls.hpp"
#include "syscall/ranges.hpp"
#include "syscall/transfer.hpp"

namespace auk::syscall::calls {
namespace {

/// Moves up to `count` bytes, as many at a time as a pipe holds; stops early like read and write
/// do. Without an offset the other file's position counts.
Result<u64> copy_between(io::File& from, u64& offset, io::File& to, u64* to_offset, u64 count,
                         u64 size_limit) {
  constexpr u64 most_at_once = 16 * page_size;
  const u64 step = std::min(count, most_at_once);
  const mem::HeapBytes memory = TRY(mem::HeapBytes::make(ALLOC_SITE, step, mem::Fill::overwrite));
  const std::span<byte> bytes = memory.bytes();
  u64 done = 0;
  while (done < count && !sched::current().has_work(sched::Interruptible::fatal)) {
    io::IoBuf in(bytes.first(std::min<u64>(count - done, step)));
    Result<usize> got = from.read_at(in, offset);
    if (!got.ok()) return done > 0 ? Result<u64>(done) : got.error();
    if (*got == 0) break;
    io::IoBuf out(bytes.first(*got));
    out.limit_file_size(size_limit);
    Result<usize> put = to_offset != nullptr ? to.write_at(out, *to_offset) : to.write(out);
    if (!put.ok()) return done > 0 ? Result<u64>(done) : put.error();
    done += *put;
    offset += *put;
    if (to_offset != nullptr) *to_offset += *put;
    if (*put < *got) break;
  }
  return done;
}

u64 limit_of(const Task& me) { return me.group->limit(uapi::rlimit_fsize); }

/// What was moved; watches are told, and the writer gets the signals of a failed write. `from`:
/// null if it was memory.
Value spliced(Task& me, const io::File* from, const io::File& to, Result<u64> r) {
  if (!r.ok()) {
    signal_failed_write(me, to, r.error());
    return r.error();
  }
  if (*r > 0 && from != nullptr) vfs::notify::happened(*from, uapi::in_access);
  if (*r > 0) vfs::notify::happened(to, uapi::in_modify);
  return *r;
}

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

// The C library's header has them; Linux exports none.
constexpr u32 splice_nonblock = 2;
constexpr u32 splice_flags = 1 | splice_nonblock | 4 | 8;

/// An offset of the program's for a file, which has positions then. EINVAL, EFAULT.
Result<u64> splice_offset(io::File& f, UserAddr offset) {
  const i64 at = TRY(UserIn<i64>(offset).load());
  if (at < 0 || !f.seek(0, uapi::seek_cur).ok()) return Errno::einval;
  return static_cast<u64>(at);
}

Result<u64> splice_into(io::File& in, UserAddr offset, io::File& pipe, const io::Splice& how) {
  u64 at = 0;
  if (offset.value != 0) at = TRY(splice_offset(in, offset));
  if (!in.can_splice_from()) return Errno::einval;
  const u64 done = TRY(io::splice_in(in, offset.value != 0 ? &at : nullptr, pipe, how));
  if (offset.value != 0) TRY(UserOut<u64>(offset).store(at));
  return done;
}

Result<u64> splice_out_of(Task& me, io::File& pipe, io::File& out, UserAddr offset,
                          const io::Splice& how) {
  u64 at = 0;
  if (offset.value != 0) at = TRY(splice_offset(out, offset));
  if ((out.flags() & uapi::o_append) != 0 || !out.can_splice_to()) return Errno::einval;
  TRY(prepare_change(me, out));
  const u64 done = TRY(io::splice_out(pipe, out, offset.value != 0 ? &at : nullptr, how));
  if (offset.value != 0) TRY(UserOut<u64>(offset).store(at));
  return done;
}

}  // namespace

Value splice(Task& me, Fd from, UserAddr from_offset, Fd to, UserAddr to_offset, u64 size,
             u32 flags) {
  if (size == 0) return u64{0};
  if ((flags & ~splice_flags) != 0) return Errno::einval;
  const io::FileLoan in = TRY(file_of(me, from));
  const io::FileLoan out = TRY(file_of(me, to));
  const bool from_pipe = in->pipe() != nullptr, to_pipe = out->pipe() != nullptr;
  if ((from_pipe && from_offset.value != 0) || (to_pipe && to_offset.value != 0))
    return Errno::espipe;
  if (!in->is_readable() || !out->is_writable()) return Errno::ebadf;
  const bool refuses = (from_pipe && in->is_nonblocking()) || (to_pipe && out->is_nonblocking());
  const io::Splice how{.size = std::min(size, most_bytes),
                       .may_wait = !refuses && (flags & splice_nonblock) == 0,
                       .file_size_limit = limit_of(me)};
  if (from_pipe && to_pipe) {
    if (in->pipe() == out->pipe()) return Errno::einval;
    return spliced(me, in.get(), *out, io::splice_pipes(*in, *out, how));
  }
  if (from_pipe) return spliced(me, in.get(), *out, splice_out_of(me, *in, *out, to_offset, how));
  if (to_pipe) return spliced(me, in.get(), *out, splice_into(*in, from_offset, *out, how));
  return Errno::einval;
}

Value tee(Task& me, Fd from, Fd to, u64 size, u32 flags) {
  if ((flags & ~splice_flags) != 0) return Errno::einval;
  if (size == 0) return u64{0};
  const io::FileLoan in = TRY(readable(me, from));
  const io::FileLoan out = TRY(writable(me, to));
  if (in->pipe() == nullptr || out->pipe() == nullptr || in->pipe() == out->pipe())
    return Errno::einval;
  const bool may_wait =
      !in->is_nonblocking() && !out->is_nonblocking() && (flags & splice_nonblock) == 0;
  return spliced(me, in.get(), *out,
                 io::tee(*in, *out, {.size = std::min(size, most_bytes), .may_wait = may_wait}));
}

Value vmsplice(Task& me, Fd fd, UserAddr vector, u64 count, u32 flags) {
  if ((flags & ~splice_flags) != 0) return Errno::einval;
  const io::FileLoan f = TRY(file_of(me, fd));
  if (!f->is_writable() && !f->is_readable()) return Errno::ebadf;
  Ranges ranges;
  TRY(ranges.load(vector, count));
  io::IoBuf buf(ranges.all());
  if (buf.left() == 0) return u64{0};
  if (f->pipe() == nullptr) return Errno::ebadf;
  const bool may_wait = !f->is_nonblocking() && (flags & splice_nonblock) == 0;
  if (f->is_writable()) return spliced(me, nullptr, *f, io::splice_memory(buf, *f, may_wait));
  buf.set_way({.may_wait = may_wait});
  return finish_read(*f, f->read(buf));
}

namespace {

/// Both files have said that they are open for it.
Value counted_copy(Task& me, Value v) { return counted_write(me, counted_read(me, std::move(v))); }

/// From `at` on, if the file has positions. The offset of the program's moves, or the file's.
Value send(Task& me, io::File& in, io::File& out, UserAddr offset, u64 at, u64 count) {
  if (count == 0) return u64{0};
  if (!in.can_splice_from()) return Errno::einval;
  count = std::min(count, most_bytes);
  if (out.pipe() != nullptr) {
    const io::Splice how{.size = count, .may_wait = !out.is_nonblocking()};
    return spliced(me, &in, out, splice_into(in, offset, out, how));
  }
  const bool has_positions = in.seek(0, uapi::seek_cur).ok();
  if ((out.flags() & uapi::o_append) != 0 || !out.can_splice_to() || !has_positions)
    return Errno::einval;
  TRY(prepare_change(me, out));
  Value done = spliced(me, &in, out, copy_between(in, at, out, nullptr, count, limit_of(me)));
  if (done.ok()) TRY(keep_offset(in, offset, at));
  return done;
}

}  // namespace

Value sendfile(Task& me, Fd to, Fd from, UserAddr offset, u64 count) {
  const io::FileLoan in = TRY(readable(me, from));
  const bool has_positions = in->seek(0, uapi::seek_cur).ok();
  u64 at = in->position();
  if (offset.value != 0) {
    at = TRY(UserIn<u64>(offset).load());
    if (!has_positions) return Errno::espipe;
  }
  if (static_cast<i64>(at) < 0) return Errno::einval;
  const io::FileLoan out = TRY(writable(me, to));
  return counted_copy(me, send(me, *in, *out, offset, at, count));
}

Value copy_file_range(Task& me, Fd from, UserAddr from_offset, Fd to, UserAddr to_offset, u64 size,
                      u32 flags) {
  const io::FileLoan in = TRY(file_of(me, from));
  const io::FileLoan out = TRY(file_of(me, to));
  if (flags != 0) return Errno::einval;
  TRY(check_regular(*in));
  TRY(check_regular(*out));
  u64 in_at = TRY(start_offset(*in, from_offset));
  u64 out_at = TRY(start_offset(*out, to_offset));
  if (!in->is_readable() || !out->is_writable()) return Errno::ebadf;
  if ((out->flags() & vfs::open_flag::append) != 0) return Errno::ebadf;
  if (in_at + size < in_at || out_at + size < out_at) return Errno::eoverflow;
  // What is asked for beyond the end is not there to overlap.
  const u64 end = vfs::inode_of(*in)->size();
  size = std::min({size, in_at >= end ? 0 : end - in_at, most_bytes});
  const bool is_same = vfs::inode_of(*in) == vfs::inode_of(*out);
  if (is_same && in_at < out_at + size && out_at < in_at + size) return Errno::einval;
  if (&vfs::inode_of(*in)->super() != &vfs::inode_of(*out)->super()) return Errno::exdev;
  if (size == 0) return u64{0};
  TRY(check_file_size(me, out_at + 1));
  TRY(prepare_change(me, *out));
  const u64 done =
      TRY(counted_copy(me, spliced(me, in.get(), *out,
                                   copy_between(*in, in_at, *out, &out_at, size, limit_of(me)))));
  if (done > 0) {
    TRY(keep_offset(*in, from_offset, in_at));
    TRY(keep_offset(*out, to_offset, out_at));
  }
  return done;
}

}  // namespace auk::syscall::calls
