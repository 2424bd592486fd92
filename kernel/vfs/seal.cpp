#include "vfs/seal.hpp"

#include "generated/uapi/fcntl.hpp"

namespace auk::vfs::seal {
namespace {

constexpr u32 of_writing = uapi::f_seal_write | uapi::f_seal_future_write;
constexpr u32 may_run = 0111;

bool has(const Inode& inode, u32 any_of) { return (inode.seals.load_relaxed() & any_of) != 0; }

}  // namespace

Result<u32> get(const Inode& inode) {
  const u32 seals = inode.seals.load_relaxed();
  if ((seals & possible) == 0) return Errno::einval;
  return seals & ~possible;
}

Result<void> add(Inode& inode, u32 seals) {
  constexpr u32 known =
      uapi::f_seal_seal | uapi::f_seal_shrink | uapi::f_seal_grow | of_writing | uapi::f_seal_exec;
  if ((seals & ~known) != 0) return Errno::einval;
  auto changing = inode.lock.lock();
  const u32 have = TRY(get(inode));
  if ((have & uapi::f_seal_seal) != 0) return Errno::eperm;
  if ((seals & uapi::f_seal_write) != 0 && (have & uapi::f_seal_write) == 0)
    TRY(inode.pages()->refuse_writers());
  // What runs and is sealed does not change in any other way either.
  if ((seals & uapi::f_seal_exec) != 0 && (inode.mode.load_relaxed() & may_run) != 0)
    seals |= uapi::f_seal_shrink | uapi::f_seal_grow | of_writing;
  inode.seals.store_relaxed(inode.seals.load_relaxed() | seals);
  return {};
}

Result<void> check_write(const Inode& inode, u64 start, u64 size) {
  if (size == 0 || !has(inode, of_writing | uapi::f_seal_grow)) return {};
  if (has(inode, of_writing)) return Errno::eperm;
  const u64 end = inode.size();
  return start > end || size > end - start ? Errno::eperm : Result<void>();
}

bool forbids_writing(const Inode& inode) { return has(inode, of_writing); }

Result<void> check_size(const Inode& inode, u64 size) {
  const u64 now = inode.size();
  if (size < now && has(inode, uapi::f_seal_shrink)) return Errno::eperm;
  if (size > now && has(inode, uapi::f_seal_grow)) return Errno::eperm;
  return {};
}

Result<void> check_rights(const Inode& inode, u32 rights) {
  const bool changes = ((inode.mode.load_relaxed() ^ rights) & may_run) != 0;
  return changes && has(inode, uapi::f_seal_exec) ? Errno::eperm : Result<void>();
}

Result<void> check_space(const Inode& inode, Space what, u64 end) {
  if (what == Space::hole) return has(inode, of_writing) ? Errno::eperm : Result<void>();
  return end > inode.size() && has(inode, uapi::f_seal_grow) ? Errno::eperm : Result<void>();
}

}  // namespace auk::vfs::seal
