// Reading and writing by vectors of ranges: see readv(2).
#include "generated/uapi/fs.hpp"
#include "syscall/calls.hpp"
#include "syscall/ranges.hpp"
#include "syscall/transfer.hpp"

namespace auk::syscall::calls {
namespace {

/// A call that names no offset: the file's position counts, and moves.
constexpr i64 at_position = -1;

enum class Moves : u8 { in, out };

/// What flags of preadv2(2) ask for. EOPNOTSUPP: nobody knows them, or not of this file.
Result<io::IoWay> way_of(const io::File& f, u32 flags, Moves moves) {
  if (flags == 0) return io::IoWay{};
  if ((flags & ~u32{uapi::rwf_supported}) != 0) return Errno::eopnotsupp;
  constexpr u32 ends = uapi::rwf_append | uapi::rwf_noappend;
  if ((flags & ends) == ends) return Errno::einval;
  const io::WaysOf ways = moves == Moves::in ? f.ways_of_reading() : f.ways_of_writing();
  const bool refuses_to_wait = (flags & uapi::rwf_nowait) != 0;
  if (refuses_to_wait && ways != io::WaysOf::no_wait) return Errno::eopnotsupp;
  // No disk here promises to write a whole range or nothing.
  if ((flags & uapi::rwf_atomic) != 0) return Errno::eopnotsupp;
  if (ways == io::WaysOf::nothing && (flags & ~u32{uapi::rwf_hipri}) != 0) return Errno::eopnotsupp;
  io::IoWay way{.may_wait = !refuses_to_wait};
  if ((flags & ends) != 0)
    way.append = (flags & uapi::rwf_append) != 0 ? io::IoWay::Append::yes : io::IoWay::Append::no;
  // All files are in memory: nothing is behind, so nothing has to be made to wait (RWF_SYNC).
  return way;
}

Value read_vector(Task& me, Fd fd, UserAddr vector, u64 count, i64 offset, u32 flags) {
  const io::FileLoan f = TRY(readable(me, fd));
  Ranges ranges;
  TRY(ranges.load(vector, count));
  io::IoBuf buf(ranges.all());
  if (buf.left() == 0) return u64{0};
  buf.set_way(TRY(way_of(*f, flags, Moves::in)));
  return finish_read(*f, offset == at_position ? f->read(buf)
                                               : f->read_at(buf, static_cast<u64>(offset)));
}

Value write_vector(Task& me, Fd fd, UserAddr vector, u64 count, i64 offset, u32 flags) {
  const io::FileLoan f = TRY(writable(me, fd));
  Ranges ranges;
  TRY(ranges.load(vector, count));
  io::IoBuf buf(ranges.all());
  if (buf.left() == 0) return u64{0};
  buf.set_way(TRY(way_of(*f, flags, Moves::out)));
  return write_with(me, *f, buf, [&](io::IoBuf& b) {
    return offset == at_position ? f->write(b) : f->write_at(b, static_cast<u64>(offset));
  });
}

}  // namespace

Value readv(Task& me, Fd fd, UserAddr vector, u64 count) {
  return counted_read(me, read_vector(me, fd, vector, count, at_position, 0));
}

Value writev(Task& me, Fd fd, UserAddr vector, u64 count) {
  return counted_write(me, write_vector(me, fd, vector, count, at_position, 0));
}

Value preadv(Task& me, Fd fd, UserAddr vector, u64 count, i64 offset) {
  if (offset < 0) return Errno::einval;
  return counted_read(me, read_vector(me, fd, vector, count, offset, 0));
}

Value pwritev(Task& me, Fd fd, UserAddr vector, u64 count, i64 offset) {
  if (offset < 0) return Errno::einval;
  return counted_write(me, write_vector(me, fd, vector, count, offset, 0));
}

// The upper half of the offset is for machines whose registers hold no 64 bits.
Value preadv2(Task& me, Fd fd, UserAddr vector, u64 count, i64 offset, u64, u32 flags) {
  if (offset < 0 && offset != at_position) return Errno::einval;
  return counted_read(me, read_vector(me, fd, vector, count, offset, flags));
}

Value pwritev2(Task& me, Fd fd, UserAddr vector, u64 count, i64 offset, u64, u32 flags) {
  if (offset < 0 && offset != at_position) return Errno::einval;
  return counted_write(me, write_vector(me, fd, vector, count, offset, flags));
}

}  // namespace auk::syscall::calls
