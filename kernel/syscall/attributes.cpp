// What a file is: attributes, permissions, links' targets, directory entries. See stat(2),
// statx(2), access(2), chmod(2), chown(2), utimensat(2), readlink(2), getdents(2).
#include <algorithm>

#include "base/math.hpp"
#include "generated/uapi/fcntl.hpp"
#include "generated/uapi/stat.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "vfs/device.hpp"
#include "vfs/notify.hpp"

namespace auk::syscall::calls {
namespace {

struct Moment {
  i64 seconds;
  u32 ns;
};
Moment moment(i64 ns) {
  constexpr i64 second = 1'000'000'000;
  i64 s = ns / second;
  i64 rest = ns % second;
  if (rest < 0) {
    rest += second;
    --s;
  }
  return {s, static_cast<u32>(rest)};
}

Value put_stat(const io::FileStat& s, UserOut<uapi::stat> out) {
  uapi::stat a{};
  a.st_dev = s.device;
  a.st_ino = s.inode;
  a.st_nlink = s.links;
  a.st_mode = s.mode;
  a.st_uid = s.uid;
  a.st_gid = s.gid;
  a.st_rdev = s.raw_device;
  a.st_size = static_cast<i64>(s.size);
  a.st_blksize = s.block_size;
  a.st_blocks = static_cast<i64>(s.blocks);
  const auto put = [](i64 ns, u64& seconds, u64& rest) {
    const Moment m = moment(ns);
    seconds = static_cast<u64>(m.seconds);
    rest = m.ns;
  };
  put(s.atime_ns, a.st_atime_sec, a.st_atime_nsec);
  put(s.mtime_ns, a.st_mtime_sec, a.st_mtime_nsec);
  put(s.ctime_ns, a.st_ctime_sec, a.st_ctime_nsec);
  TRY(out.store(a));
  return u64{0};
}

/// AT_EMPTY_PATH with an empty path means the descriptor itself, whatever it is open on.
Result<void> stat_at(Task& me, Fd dir, UserStr path, int flags, io::FileStat& s,
                     vfs::Path* where = nullptr) {
  constexpr int known = uapi::at_symlink_nofollow | uapi::at_empty_path | uapi::at_no_automount |
                        uapi::at_statx_force_sync | uapi::at_statx_dont_sync;
  if ((flags & ~known) != 0) return Errno::einval;
  if ((flags & uapi::at_empty_path) != 0 && dir.number >= 0) {
    bool is_empty = path.is_null();
    if (!is_empty) {
      std::array<char, 1> first{};
      TRY(core::read_user(first.data(), path.address(), 1));
      is_empty = first[0] == '\0';
    }
    if (is_empty) {
      const Ref<io::File> f = TRY(me.files->get(dir.number));
      const vfs::Path* const p = vfs::path_of(*f);
      if (p != nullptr && where != nullptr) *where = *p;
      return f->stat(s);
    }
  }
  const vfs::Path at = TRY(find_path(me, dir, path, flags));
  at.inode().fill_stat(s);
  if (where != nullptr) *where = at;
  return {};
}

}  // namespace

Value newfstatat(Task& me, Fd dir, UserStr path, UserOut<uapi::stat> out, int flags) {
  io::FileStat s;
  TRY(stat_at(me, dir, path, flags, s));
  return put_stat(s, out);
}
Value stat(Task& me, UserStr path, UserOut<uapi::stat> out) {
  return newfstatat(me, cwd, path, out, 0);
}
Value lstat(Task& me, UserStr path, UserOut<uapi::stat> out) {
  return newfstatat(me, cwd, path, out, uapi::at_symlink_nofollow);
}
Value fstat(Task& me, Fd fd, UserOut<uapi::stat> out) {
  const Ref<io::File> f = TRY(me.files->get(fd.number));
  io::FileStat s;
  TRY(f->stat(s));
  return put_stat(s, out);
}

Value statx(Task& me, Fd dir, UserStr path, int flags, u32 mask, UserOut<uapi::statx> out) {
  if ((mask & uapi::statx__reserved) != 0) return Errno::einval;
  constexpr int sync_bits = uapi::at_statx_force_sync | uapi::at_statx_dont_sync;
  if ((flags & sync_bits) == sync_bits) return Errno::einval;
  io::FileStat s;
  vfs::Path where;
  TRY(stat_at(me, dir, path, flags, s, &where));
  uapi::statx x{};
  x.stx_mask = uapi::statx_basic_stats | uapi::statx_btime;
  x.stx_blksize = s.block_size;
  x.stx_nlink = s.links;
  x.stx_uid = s.uid;
  x.stx_gid = s.gid;
  x.stx_mode = static_cast<u16>(s.mode);
  x.stx_ino = s.inode;
  x.stx_size = s.size;
  x.stx_blocks = s.blocks;
  const auto put = [](i64 ns, uapi::statx_timestamp& t) {
    const Moment m = moment(ns);
    t.tv_sec = m.seconds;
    t.tv_nsec = m.ns;
  };
  put(s.atime_ns, x.stx_atime);
  put(s.btime_ns, x.stx_btime);
  put(s.ctime_ns, x.stx_ctime);
  put(s.mtime_ns, x.stx_mtime);
  x.stx_rdev_major = dev::major_of(s.raw_device);
  x.stx_rdev_minor = dev::minor_of(s.raw_device);
  x.stx_dev_major = dev::major_of(s.device);
  x.stx_dev_minor = dev::minor_of(s.device);
  if (where) {
    const bool unique = (mask & uapi::statx_mnt_id_unique) != 0;
    x.stx_mnt_id = unique ? where.mount->unique_id() : where.mount->id();
    x.stx_mask |= unique ? uapi::statx_mnt_id_unique : uapi::statx_mnt_id;
    x.stx_attributes_mask |= uapi::statx_attr_mount_root;
    if (where.dentry.get() == &where.mount->root()) x.stx_attributes |= uapi::statx_attr_mount_root;
  }
  TRY(out.store(x));
  return u64{0};
}

namespace {

/// The ST_ flags of a mount, where they are not the MS_ ones.
u64 shown_flags(const vfs::Mount& m) {
  constexpr u64 rel_atime = 4096, no_symlinks = 8192;
  u64 f = m.flags() & vfs::mount_flag::all &
          ~(vfs::mount_flag::rel_atime | vfs::mount_flag::no_symlinks);
  if (m.has(vfs::mount_flag::rel_atime)) f |= rel_atime;
  if (m.has(vfs::mount_flag::no_symlinks)) f |= no_symlinks;
  if (m.super().is_read_only()) f |= vfs::mount_flag::read_only;
  return f;
}

Value put_statfs(vfs::Superblock& super, u64 mount_flags, UserOut<uapi::statfs> out) {
  const vfs::FsInfo i = super.info();
  uapi::statfs s{};
  s.f_type = static_cast<i64>(i.magic);
  s.f_bsize = s.f_frsize = i.block_size;
  s.f_blocks = static_cast<i64>(i.blocks);
  s.f_bfree = s.f_bavail = static_cast<i64>(i.free_blocks);
  s.f_files = static_cast<i64>(i.files);
  s.f_ffree = static_cast<i64>(i.free_files);
  s.f_fsid.val[0] = static_cast<i32>(super.device());
  s.f_namelen = i.name_max;
  constexpr u64 valid = 0x20;
  s.f_flags = static_cast<i64>(mount_flags | valid);
  TRY(out.store(s));
  return u64{0};
}

}  // namespace

Value statfs(Task& me, UserStr path, UserOut<uapi::statfs> out) {
  const vfs::Path at = TRY(find_path(me, cwd, path, 0));
  return put_statfs(at.inode().super(), shown_flags(*at.mount), out);
}
Value fstatfs(Task& me, Fd fd, UserOut<uapi::statfs> out) {
  const Ref<io::File> f = TRY(me.files->get(fd.number));
  const vfs::Path* const at = vfs::path_of(*f);
  if (at == nullptr) return Errno::enosys;
  return put_statfs(at->inode().super(), shown_flags(*at->mount), out);
}

Value faccessat2(Task& me, Fd dir, UserStr path, u32 mode, int flags) {
  constexpr u32 all = 7;
  constexpr int known = uapi::at_eaccess | uapi::at_symlink_nofollow | uapi::at_empty_path;
  if ((mode & ~all) != 0 || (flags & ~known) != 0) return Errno::einval;
  const vfs::Path at = TRY(find_path(me, dir, path, flags));
  if (mode == 0) return u64{0};
  vfs::Wants wants;
  wants.bits = mode;
  if ((flags & uapi::at_eaccess) != 0) {
    TRY(vfs::check_access(me.cred(), at, wants));
    return u64{0};
  }
  // With the real identity instead of the effective one; root's capabilities are those permitted.
  const Ref<ident::Cred> real = TRY(me.cred().copy());
  real->fsuid = real->uid;
  real->fsgid = real->gid;
  real->effective = real->uid == 0 ? real->permitted : 0;
  TRY(vfs::check_access(*real, at, wants));
  return u64{0};
}
Value faccessat(Task& me, Fd dir, UserStr path, u32 mode) {
  return faccessat2(me, dir, path, mode, 0);
}
Value access(Task& me, UserStr path, u32 mode) { return faccessat2(me, cwd, path, mode, 0); }

Value readlinkat(Task& me, Fd dir, UserStr path, UserAddr buffer, int size) {
  if (size <= 0) return Errno::einval;
  const vfs::Path at =
      TRY(find_path(me, dir, path, uapi::at_symlink_nofollow | uapi::at_empty_path));
  if (!at.inode().is_link()) {
    // Without a path the descriptor was to be that of a link.
    std::array<char, 1> first{};
    if (!path.is_null()) TRY(core::read_user(first.data(), path.address(), 1));
    return first[0] == '\0' ? Errno::enoent : Errno::einval;
  }
  if (!at.inode().is_magic_link()) {
    const std::string_view target = at.inode().target();
    // It leads nowhere for this caller.
    if (target.empty()) return Errno::enoent;
    const usize n = std::min(target.size(), static_cast<usize>(size));
    TRY(core::write_user(buffer, target.data(), n));
    return u64{n};
  }
  using Text = std::array<char, vfs::path_max>;
  const mem::Box<Text> text = TRY(mem::Box<Text>::make(ALLOC_SITE));
  const usize n = TRY(at.inode().read_target(
      me.fs->root(), std::span(*text).first(std::min(text->size(), static_cast<usize>(size)))));
  TRY(core::write_user(buffer, text->data(), n));
  return u64{n};
}
Value readlink(Task& me, UserStr path, UserAddr buffer, int size) {
  return readlinkat(me, cwd, path, buffer, size);
}

namespace {

/// The path behind a descriptor. EBADF; EINVAL for files that have none.
Result<vfs::Path> path_behind(Task& me, Fd fd) {
  const io::FileLoan f = TRY(file_of(me, fd));
  const vfs::Path* const p = vfs::path_of(*f);
  if (p == nullptr) return Errno::einval;
  return *p;
}

/// What a call that changes attributes answers; watches are told.
Value changed(const vfs::Path& at, Result<void> r, u32 event = uapi::in_attrib) {
  if (r.ok()) vfs::notify::happened(*at.dentry, event);
  return done(r);
}

Value change_times(Task& me, const vfs::Path& at, const vfs::NewTimes& times) {
  u32 event = uapi::in_attrib;
  if (times.mtime_ns == vfs::NewTimes::omit) event = uapi::in_access;
  if (times.atime_ns == vfs::NewTimes::omit) event = uapi::in_modify;
  return changed(at, vfs::change_times(me.asker(), at, times), event);
}

}  // namespace

Value fchmodat2(Task& me, Fd dir, UserStr path, u32 mode, int flags) {
  if ((flags & ~(uapi::at_symlink_nofollow | uapi::at_empty_path)) != 0) return Errno::einval;
  const vfs::Path at = TRY(find_path(me, dir, path, flags));
  return changed(at, vfs::change_mode(me.asker(), at, mode));
}
Value fchmodat(Task& me, Fd dir, UserStr path, u32 mode) {
  return fchmodat2(me, dir, path, mode, 0);
}
Value chmod(Task& me, UserStr path, u32 mode) { return fchmodat(me, cwd, path, mode); }
Value fchmod(Task& me, Fd fd, u32 mode) {
  const vfs::Path at = TRY(path_behind(me, fd));
  return changed(at, vfs::change_mode(me.asker(), at, mode));
}

Value fchownat(Task& me, Fd dir, UserStr path, u32 uid, u32 gid, int flags) {
  if ((flags & ~(uapi::at_symlink_nofollow | uapi::at_empty_path)) != 0) return Errno::einval;
  const vfs::Path at = TRY(find_path(me, dir, path, flags));
  return changed(at, vfs::change_owner(me.asker(), at, uid, gid));
}
Value chown(Task& me, UserStr path, u32 uid, u32 gid) {
  return fchownat(me, cwd, path, uid, gid, 0);
}
Value lchown(Task& me, UserStr path, u32 uid, u32 gid) {
  return fchownat(me, cwd, path, uid, gid, uapi::at_symlink_nofollow);
}
Value fchown(Task& me, Fd fd, u32 uid, u32 gid) {
  const vfs::Path at = TRY(path_behind(me, fd));
  return changed(at, vfs::change_owner(me.asker(), at, uid, gid));
}

namespace {

Result<i64> time_of(const uapi::kernel_timespec& t, bool& now) {
  now = t.tv_nsec == uapi::utime_now;
  if (now) return core::real_ns();
  if (t.tv_nsec == uapi::utime_omit) return vfs::NewTimes::omit;
  if (t.tv_nsec < 0 || t.tv_nsec >= static_cast<i64>(ns_per_s)) return Errno::einval;
  // Beyond what fits in nanoseconds: the end of time.
  i64 ns = 0;
  if (__builtin_mul_overflow(t.tv_sec, static_cast<i64>(ns_per_s), &ns) ||
      __builtin_add_overflow(ns, t.tv_nsec, &ns))
    return t.tv_sec < 0 ? vfs::NewTimes::first : vfs::NewTimes::last;
  return std::max(ns, vfs::NewTimes::first);
}

Result<vfs::NewTimes> times_of(const std::array<uapi::kernel_timespec, 2>& t) {
  bool now_a = false, now_m = false;
  vfs::NewTimes times;
  times.atime_ns = TRY(time_of(t[0], now_a));
  times.mtime_ns = TRY(time_of(t[1], now_m));
  times.both_now = now_a && now_m;
  return times;
}

vfs::NewTimes both_now() {
  const i64 now = core::real_ns();
  return {.atime_ns = now, .mtime_ns = now, .both_now = true};
}

/// Of a path, or of what a descriptor is open on. EFAULT: there is neither.
Value set_times(Task& me, Fd dir, UserStr path, const vfs::NewTimes& times) {
  if (!path.is_null()) return change_times(me, TRY(find_path(me, dir, path, 0)), times);
  if (dir.number == uapi::at_fdcwd) return Errno::efault;
  return change_times(me, TRY(path_behind(me, dir)), times);
}

}  // namespace

Value utimensat(Task& me, Fd dir, UserStr path, UserAddr times, int flags) {
  if ((flags & ~(uapi::at_symlink_nofollow | uapi::at_empty_path)) != 0) return Errno::einval;
  vfs::NewTimes want = both_now();
  if (times.value != 0) {
    std::array<uapi::kernel_timespec, 2> t{};
    TRY(core::read_user(t.data(), times, sizeof(t)));
    want = TRY(times_of(t));
    if (t[0].tv_nsec == uapi::utime_omit && t[1].tv_nsec == uapi::utime_omit) return u64{0};
  }
  if (path.is_null()) {
    if (dir.number == uapi::at_fdcwd) return Errno::efault;
    if (flags != 0) return Errno::einval;
    return change_times(me, TRY(path_behind(me, dir)), want);
  }
  return change_times(me, TRY(find_path(me, dir, path, flags)), want);
}

Value futimesat(Task& me, Fd dir, UserStr path, UserAddr times) {
  vfs::NewTimes want = both_now();
  if (times.value != 0) {
    std::array<uapi::timeval, 2> t{};
    TRY(core::read_user(t.data(), times, sizeof(t)));
    constexpr i64 us_per_s = 1'000'000;
    for (const uapi::timeval& v : t)
      if (v.tv_usec < 0 || v.tv_usec >= us_per_s) return Errno::einval;
    want =
        TRY(times_of({{{t[0].tv_sec, t[0].tv_usec * 1000}, {t[1].tv_sec, t[1].tv_usec * 1000}}}));
  }
  return set_times(me, dir, path, want);
}

Value utimes(Task& me, UserStr path, UserAddr times) { return futimesat(me, cwd, path, times); }

Value utime(Task& me, UserStr path, UserAddr times) {
  vfs::NewTimes want = both_now();
  if (times.value != 0) {
    std::array<i64, 2> t{};
    TRY(core::read_user(t.data(), times, sizeof(t)));
    want = TRY(times_of({{{t[0], 0}, {t[1], 0}}}));
  }
  return set_times(me, cwd, path, want);
}

namespace {

/// Writes entries into the program's buffer as one of the two layouts.
class UserDirSink final : public io::DirSink {
  UserAddr at_;
  u64 left_;
  bool old_layout_;
  u64 used_ = 0;
  Errno error_{};

 public:
  UserDirSink(UserAddr at, u64 size, bool old_layout)
      : at_(at),
        left_(size),
        old_layout_(old_layout) {}
  virtual ~UserDirSink() = default;

  bool add(std::string_view name, u64 inode, u8 type, i64 next_offset) override {
    // The old layout has the type behind the name, in the last byte of the record.
    constexpr usize old_name_offset = 18;
    const usize name_offset = old_layout_ ? old_name_offset : uapi::dirent_name_offset;
    const usize tail = old_layout_ ? 2 : 1;
    const usize size = align_up(name_offset + name.size() + tail, sizeof(u64));
    if (size > left_) {
      if (used_ == 0) error_ = Errno::einval;
      return false;
    }
    std::array<byte, 288> record{};
    const auto put = [&](usize offset, const auto& v) {
      std::copy_n(reinterpret_cast<const byte*>(&v), sizeof(v), record.begin() + offset);
    };
    put(0, inode);
    put(8, next_offset);
    put(16, static_cast<u16>(size));
    if (old_layout_)
      record[size - 1] = type;
    else
      record[old_name_offset] = type;
    std::copy(name.begin(), name.end(), record.begin() + static_cast<isize>(name_offset));
    if (!core::write_user(at_, record.data(), size).ok()) {
      error_ = Errno::efault;
      return false;
    }
    at_ += size;
    left_ -= size;
    used_ += size;
    return true;
  }
  Value result() const {
    if (used_ == 0 && error_ != Errno{}) return error_;
    return used_;
  }
};

Value read_entries(Task& me, Fd fd, UserAddr buffer, u32 size, bool old_layout) {
  const io::FileLoan f = TRY(file_of(me, fd));
  UserDirSink sink(buffer, size, old_layout);
  TRY(f->read_dir(sink));
  vfs::notify::happened(*f, uapi::in_access);
  return sink.result();
}

}  // namespace

Value getdents64(Task& me, Fd fd, UserAddr buffer, u32 size) {
  return read_entries(me, fd, buffer, size, false);
}
Value getdents(Task& me, Fd fd, UserAddr buffer, u32 size) {
  return read_entries(me, fd, buffer, size, true);
}

}  // namespace auk::syscall::calls
