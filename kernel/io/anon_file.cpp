#include "io/anon_file.hpp"

#include "core/clock.hpp"

namespace auk::io {
namespace {

constexpr u64 device = 14, inode = 1;
/// When the inode was first looked at: it has to be some moment, and always the same.
constinit Atomic<i64> born_ns{0};
constinit LockSpace locks;

i64 birth() {
  i64 none = 0;
  const i64 now = core::real_ns();
  return born_ns.cas_relaxed(none, now) ? now : none;
}

}  // namespace

Result<i64> AnonFile::seek(i64, int whence) {
  constexpr int last_whence = 4;
  if (whence < 0 || whence > last_whence) return Errno::einval;
  return i64{0};
}

LockSpace* AnonFile::lock_space() { return &locks; }

Result<void> AnonFile::stat(FileStat& s) {
  constexpr u32 no_type_owner_only = 0600;
  s = {};
  s.device = device;
  s.inode = inode;
  s.mode = no_type_owner_only;
  s.links = 1;
  s.atime_ns = s.mtime_ns = s.ctime_ns = birth();
  return {};
}

}  // namespace auk::io
