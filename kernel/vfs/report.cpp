#include "vfs/report.hpp"

#include <algorithm>

namespace auk::vfs {

Result<void> ReportFile::next(Place& p) {
  p.begin += p.record.text().size();
  p.record.clear();
  u64 key = p.key;
  Result<bool> written = write_record(key, p.record);
  if (!written.ok() || p.record.failed()) {
    // Half a record is none; the next read tries again.
    p.record.clear();
    return written.ok() ? Errno::enomem : written.error();
  }
  p.key = key;
  p.at_end = !*written;
  return {};
}

Result<usize> ReportFile::read_from(Place& p, io::IoBuf& buf, u64 offset) {
  if (offset < p.begin || offset == 0) {
    p.record.clear();
    p.begin = p.key = 0;
    p.at_end = false;
  }
  usize done = 0;
  while (buf.left() > 0) {
    const std::string_view text = p.record.text();
    if (offset - p.begin >= text.size()) {
      if (p.at_end) break;
      const Result<void> r = next(p);
      if (!r.ok()) return done > 0 ? Result<usize>(done) : r.error();
      continue;
    }
    const std::string_view rest = text.substr(offset - p.begin);
    const usize n = std::min<u64>(rest.size(), buf.left());
    const usize moved = buf.put_text(rest.substr(0, n));
    done += moved;
    offset += moved;
    if (moved < n) return done > 0 ? Result<usize>(done) : Errno::efault;
  }
  return done;
}

Result<usize> ReportFile::read(io::IoBuf& buf) {
  auto place = place_.lock();
  Result<usize> n = read_from(*place, buf, place->offset);
  if (n.ok()) offset_.store_relaxed(place->offset += *n);
  return n;
}

Result<usize> ReportFile::read_at(io::IoBuf& buf, u64 offset) {
  auto place = place_.lock();
  return read_from(*place, buf, offset);
}

Result<u64> sought_position(u64 position, i64 offset, int whence) {
  constexpr int seek_set = 0, seek_cur = 1;
  i64 to = offset;
  if (whence == seek_cur) {
    if (__builtin_add_overflow(static_cast<i64>(position), offset, &to)) return Errno::eoverflow;
  } else if (whence != seek_set) {
    return Errno::einval;
  }
  if (to < 0) return Errno::einval;
  return static_cast<u64>(to);
}

Result<i64> ReportFile::seek(i64 offset, int whence) {
  auto place = place_.lock();
  place->offset = TRY(sought_position(place->offset, offset, whence));
  offset_.store_relaxed(place->offset);
  return static_cast<i64>(place->offset);
}

}  // namespace auk::vfs
