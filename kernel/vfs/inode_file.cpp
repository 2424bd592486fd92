#include "vfs/inode_file.hpp"

#include <algorithm>

#include "generated/uapi/ioctl.hpp"
#include "vfs/notify.hpp"
#include "vfs/operations.hpp"
#include "vfs/seal.hpp"

namespace auk::vfs {
namespace {

constexpr int seek_set = 0, seek_cur = 1, seek_end = 2, seek_data = 3, seek_hole = 4;
constexpr u64 max_size = ~u64{0} >> 1;

/// Two gigabytes may take long: who is killed does not go on.
bool is_to_die() { return sched::current().has_work(sched::Interruptible::fatal); }

}  // namespace

void PathOrigin::closed(const io::File& f) const {
  if (!is_open_ || (f.flags() & open_flag::path) != 0) return;
  notify::happened(*path.dentry, f.is_writable() ? uapi::in_close_write : uapi::in_close_nowrite);
}

void PathOrigin::tell_of_opening() {
  is_open_ = true;
  notify::happened(*path.dentry, uapi::in_open);
}

Result<usize> InodeFile::copy_out(io::IoBuf& buf, u64 offset) {
  if (inode().is_directory()) return Errno::eisdir;
  if (buf.left() > 0 && (flags() & open_flag::no_atime) == 0)
    touch_access(*opened_.path.mount, inode());
  vm::PageCache& pages = *inode().pages();
  usize done = 0;
  while (buf.left() > 0) {
    const u64 size = pages.size();
    if (offset >= size) break;
    const usize inside = offset % page_size;
    const usize n = std::min<u64>({buf.left(), page_size - inside, size - offset});
    Result<Ref<vm::Folio>> found = pages.read(offset / page_size);
    usize moved = 0;
    if (!found.ok() && found.error() != Errno::enoent)
      return done > 0 ? Result<usize>(done) : found.error();
    if (found.ok()) {
      const Ref<vm::Folio> folio = found.take();
      moved = buf.put(folio->bytes().subspan(inside, n));
    } else {
      moved = buf.put_zeros(n);
    }
    done += moved;
    offset += moved;
    if (moved < n) return done > 0 ? Result<usize>(done) : Errno::efault;
    if (is_to_die()) break;
  }
  return done;
}

/// The inode's lock is held.
Result<usize> InodeFile::copy_in(io::IoBuf& buf, u64& offset) {
  vm::PageCache& pages = *inode().pages();
  const u64 limit = std::min(max_size, buf.file_size_limit());
  if (buf.left() > 0 && offset >= limit) return Errno::efbig;
  TRY(seal::check_write(inode(), offset, buf.left()));
  usize done = 0;
  while (buf.left() > 0 && offset < limit) {
    const usize inside = offset % page_size;
    const usize n = std::min({buf.left(), page_size - inside, limit - offset});
    Result<Ref<vm::Folio>> made = pages.find_or_make(offset / page_size);
    if (!made.ok()) return done > 0 ? Result<usize>(done) : made.error();
    const Ref<vm::Folio> folio = made.take();
    const usize moved = buf.get(folio->bytes().subspan(inside, n));
    done += moved;
    offset += moved;
    pages.grow(offset);
    if (moved < n) return done > 0 ? Result<usize>(done) : Errno::efault;
    if (is_to_die()) break;
  }
  return done;
}

Result<usize> InodeFile::read(io::IoBuf& buf) {
  auto position = position_.lock();
  Result<usize> n = copy_out(buf, *position);
  if (n.ok()) *position += *n;
  return n;
}

Result<usize> InodeFile::write(io::IoBuf& buf) {
  auto position = position_.lock();
  auto changing = inode().lock.lock();
  u64 offset = appends(buf) ? inode().size() : *position;
  Result<usize> n = copy_in(buf, offset);
  if (n.ok()) {
    *position = offset;
    inode().touch(true);
  }
  return n;
}

Result<usize> InodeFile::read_at(io::IoBuf& buf, u64 offset) { return copy_out(buf, offset); }

Result<usize> InodeFile::write_at(io::IoBuf& buf, u64 offset) {
  auto changing = inode().lock.lock();
  if (appends(buf)) offset = inode().size();
  Result<usize> n = copy_in(buf, offset);
  if (n.ok()) inode().touch(true);
  return n;
}

/// From `offset` on, which is before the end. ENXIO: only a hole is left.
Result<i64> InodeFile::next_data(i64 offset, i64 size) {
  const std::optional<u64> page = inode().pages()->next_page(static_cast<u64>(offset) / page_size);
  if (!page || *page > static_cast<u64>(size - 1) / page_size) return Errno::enxio;
  return std::max(offset, static_cast<i64>(*page * page_size));
}

/// Behind the end there is a hole, too.
Result<i64> InodeFile::next_hole(i64 offset, i64 size) {
  const u64 page = inode().pages()->next_gap(static_cast<u64>(offset) / page_size);
  if (page > static_cast<u64>(size - 1) / page_size) return size;
  return std::max(offset, static_cast<i64>(page * page_size));
}

Result<i64> InodeFile::seek(i64 offset, int whence) {
  auto position = position_.lock();
  const auto size = static_cast<i64>(inode().size());
  i64 base = 0;
  switch (whence) {
    case seek_set: break;
    case seek_cur: base = static_cast<i64>(*position); break;
    case seek_end: base = inode().is_directory() ? static_cast<i64>(max_size) : size; break;
    case seek_data:
    case seek_hole:
      if (inode().is_directory()) return Errno::einval;
      if (offset < 0 || offset >= size) return Errno::enxio;
      offset = TRY(whence == seek_data ? next_data(offset, size) : next_hole(offset, size));
      break;
    default: return Errno::einval;
  }
  i64 to = 0;
  if (__builtin_add_overflow(base, offset, &to)) return Errno::eoverflow;
  if (to < 0) return Errno::einval;
  *position = static_cast<u64>(to);
  return to;
}

Result<void> InodeFile::stat(io::FileStat& s) {
  inode().fill_stat(s);
  return {};
}

Result<u64> InodeFile::ioctl(u32 command, io::IoctlArg arg) {
  if (command != uapi::fionread || !inode().is_regular()) return Errno::enotty;
  auto position = position_.lock();
  const u64 size = inode().size();
  const u64 left = size > *position ? size - *position : 0;
  TRY(core::UserOut<u32>(arg.address()).store(static_cast<u32>(left)));
  return u64{0};
}

Result<void> InodeFile::truncate(u64 size) {
  if (!inode().is_regular()) return Errno::einval;
  auto changing = inode().lock.lock();
  return inode().resize(size);
}

Result<void> InodeFile::make_hole(u64 start, u64 size) {
  auto changing = inode().lock.lock();
  return inode().allocate(Space::hole, start, start + size);
}

Result<void> InodeFile::read_dir(io::DirSink& sink) {
  if (!inode().is_directory()) return Errno::enotdir;
  auto position = position_.lock();
  Dentry& dir = *opened_.path.dentry;
  if (dir.inode().links.load_relaxed() == 0) return Errno::enoent;
  const Result<void> r = inode().read_dir(dir, *position, sink);
  touch_access(*opened_.path.mount, inode());
  return r.ok() ? Result<void>() : Result<void>(r.error());
}

Result<Ref<vm::MemObject>> InodeFile::map_object() {
  if (inode().pages() == nullptr) return Errno::enodev;
  return Ref<vm::MemObject>(*inode().pages());
}

}  // namespace auk::vfs
