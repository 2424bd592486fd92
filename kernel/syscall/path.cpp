// Names: opening, making, linking, renaming, removing; the working directory. See open(2),
// mkdir(2), link(2), rename(2), unlink(2), chdir(2), getcwd(2), mount(2).
#include "generated/uapi/fcntl.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "vfs/notify.hpp"

namespace auk::syscall::calls {
namespace {

/// A path of the program and where it starts.
struct Place {
  mem::Box<PathText> text;
  vfs::Path start;
  std::string_view name() const { return text->view(); }
};

Result<void> load_place(Task& me, Fd dir, UserStr path, Place& out) {
  out.text = TRY(PathText::load(path));
  out.start = TRY(start_of(me, dir, out.name()));
  return {};
}

}  // namespace

namespace {

Value open_at(Task& me, Fd dir, UserStr path, u32 flags, u32 mode, vfs::WalkFlags resolve) {
  Place at;
  at.text = TRY(PathText::load(path));
  // Where the descriptor is the root, a path from the root starts there too.
  const bool is_root = resolve.has(vfs::WalkFlag::in_root);
  at.start = TRY(start_of(me, dir, is_root ? std::string_view(".") : at.name()));
  Ref<io::File> f = TRY(vfs::open(me.asker(), at.start, at.name(),
                                  flags | vfs::open_flag::large_file, mode, resolve));
  return install_file(me, std::move(f), (flags & vfs::open_flag::close_on_exec) != 0);
}

}  // namespace

Value openat(Task& me, Fd dir, UserStr path, u32 flags, u32 mode) {
  TRY(check_temporary(flags));
  return open_at(me, dir, path, flags, mode, {});
}

Value openat2(Task& me, Fd dir, UserStr path, UserAddr arguments, u64 size) {
  const uapi::open_how how = TRY(load_sized<uapi::open_how>(arguments, size));
  constexpr u64 known = uapi::o_accmode | uapi::o_creat | uapi::o_excl | uapi::o_noctty |
                        uapi::o_trunc | uapi::o_append | uapi::o_nonblock | uapi::o_dsync |
                        uapi::o_direct | uapi::o_largefile | uapi::o_directory | uapi::o_nofollow |
                        uapi::o_noatime | uapi::o_cloexec | uapi::o_sync | uapi::o_path |
                        uapi::o_tmpfile | uapi::fasync;
  constexpr u64 with_path = uapi::o_path | uapi::o_directory | uapi::o_nofollow | uapi::o_cloexec;
  constexpr u64 resolves = uapi::resolve_no_xdev | uapi::resolve_no_magiclinks |
                           uapi::resolve_no_symlinks | uapi::resolve_beneath |
                           uapi::resolve_in_root | uapi::resolve_cached;
  if ((how.flags & ~known) != 0 || (how.resolve & ~resolves) != 0) return Errno::einval;
  if ((how.resolve & uapi::resolve_beneath) != 0 && (how.resolve & uapi::resolve_in_root) != 0)
    return Errno::einval;
  const bool makes =
      (how.flags & uapi::o_creat) != 0 || (how.flags & vfs::open_flag::temporary) != 0;
  if ((how.mode & ~u64{07777}) != 0 || (!makes && how.mode != 0)) return Errno::einval;
  if ((how.flags & uapi::o_path) != 0 && (how.flags & ~with_path) != 0) return Errno::einval;
  const auto flags = static_cast<u32>(how.flags);
  TRY(check_temporary(flags));
  vfs::WalkFlags resolve;
  if ((how.resolve & uapi::resolve_no_xdev) != 0) resolve |= vfs::WalkFlag::no_xdev;
  if ((how.resolve & uapi::resolve_no_magiclinks) != 0) resolve |= vfs::WalkFlag::no_magic;
  if ((how.resolve & uapi::resolve_no_symlinks) != 0) resolve |= vfs::WalkFlag::no_symlinks;
  if ((how.resolve & uapi::resolve_beneath) != 0) resolve |= vfs::WalkFlag::beneath;
  if ((how.resolve & uapi::resolve_in_root) != 0) resolve |= vfs::WalkFlag::in_root;
  if ((how.resolve & uapi::resolve_cached) != 0) {
    // What changes something cannot promise not to wait.
    if (makes || (how.flags & uapi::o_trunc) != 0) return Errno::eagain;
    resolve |= vfs::WalkFlag::cached;
  }
  return open_at(me, dir, path, flags, static_cast<u32>(how.mode), resolve);
}

Value open(Task& me, UserStr path, u32 flags, u32 mode) {
  return openat(me, cwd, path, flags, mode);
}

Value creat(Task& me, UserStr path, u32 mode) {
  return openat(me, cwd, path,
                vfs::open_flag::create | vfs::open_flag::write_only | vfs::open_flag::truncate,
                mode);
}

Value mkdirat(Task& me, Fd dir, UserStr path, u32 mode) {
  Place at;
  TRY(load_place(me, dir, path, at));
  return done(vfs::make_directory(me.asker(), at.start, at.name(), mode));
}
Value mkdir(Task& me, UserStr path, u32 mode) { return mkdirat(me, cwd, path, mode); }

Value mknodat(Task& me, Fd dir, UserStr path, u32 mode, u32 device) {
  Place at;
  TRY(load_place(me, dir, path, at));
  return done(vfs::make_node(me.asker(), at.start, at.name(), mode, device));
}
Value mknod(Task& me, UserStr path, u32 mode, u32 device) {
  return mknodat(me, cwd, path, mode, device);
}

Value unlinkat(Task& me, Fd dir, UserStr path, int flags) {
  if ((flags & ~uapi::at_removedir) != 0) return Errno::einval;
  Place at;
  TRY(load_place(me, dir, path, at));
  if (flags != 0) return done(vfs::remove_directory(me.asker(), at.start, at.name()));
  return done(vfs::unlink(me.asker(), at.start, at.name()));
}
Value unlink(Task& me, UserStr path) { return unlinkat(me, cwd, path, 0); }
Value rmdir(Task& me, UserStr path) { return unlinkat(me, cwd, path, uapi::at_removedir); }

Value renameat2(Task& me, Fd from_dir, UserStr from, Fd to_dir, UserStr to, u32 flags) {
  constexpr u32 no_replace = 1, exchange = 2;
  if ((flags & ~(no_replace | exchange)) != 0 || flags == (no_replace | exchange))
    return Errno::einval;
  Place source, target;
  TRY(load_place(me, from_dir, from, source));
  TRY(load_place(me, to_dir, to, target));
  return done(
      vfs::rename(me.asker(), source.start, source.name(), target.start, target.name(), flags));
}
Value renameat(Task& me, Fd from_dir, UserStr from, Fd to_dir, UserStr to) {
  return renameat2(me, from_dir, from, to_dir, to, 0);
}
Value rename(Task& me, UserStr from, UserStr to) { return renameat2(me, cwd, from, cwd, to, 0); }

Value linkat(Task& me, Fd from_dir, UserStr from, Fd to_dir, UserStr to, int flags) {
  if ((flags & ~(uapi::at_symlink_follow | uapi::at_empty_path)) != 0) return Errno::einval;
  int how = flags & uapi::at_empty_path;
  if ((flags & uapi::at_symlink_follow) == 0) how |= uapi::at_symlink_nofollow;
  const vfs::Path source = TRY(find_path(me, from_dir, from, how));
  Place target;
  TRY(load_place(me, to_dir, to, target));
  return done(vfs::make_link(me.asker(), source, target.start, target.name()));
}
Value link(Task& me, UserStr from, UserStr to) { return linkat(me, cwd, from, cwd, to, 0); }

Value symlinkat(Task& me, UserStr target, Fd dir, UserStr path) {
  mem::Box<PathText> text = TRY(PathText::load(target));
  Place at;
  TRY(load_place(me, dir, path, at));
  return done(vfs::make_symlink(me.asker(), at.start, at.name(), text->view()));
}
Value symlink(Task& me, UserStr target, UserStr path) { return symlinkat(me, target, cwd, path); }

Value truncate(Task& me, UserStr path, i64 size) {
  if (size < 0) return Errno::einval;
  const vfs::Path at = TRY(find_path(me, cwd, path, 0));
  const u64 limit = me.group->limit(uapi::rlimit_fsize);
  const Result<void> r = vfs::truncate(me.asker(), at, static_cast<u64>(size), limit);
  if (!r.ok()) {
    if (r.error() == Errno::efbig) signal_writer(me, uapi::sigxfsz);
    return r.error();
  }
  vfs::notify::happened(*at.dentry, uapi::in_modify);
  return u64{0};
}

namespace {

Result<void> enter(Task& me, const vfs::Path& at) {
  if (!at.inode().is_directory()) return Errno::enotdir;
  TRY(vfs::check_access(me.cred(), at, vfs::Want::execute));
  return me.fs->set_cwd(at);
}

}  // namespace

Value chdir(Task& me, UserStr path) { return done(enter(me, TRY(find_path(me, cwd, path, 0)))); }

Value fchdir(Task& me, Fd fd) {
  const Ref<io::File> f = TRY(me.files->get(fd.number));
  const vfs::Path* const at = vfs::path_of(*f);
  if (at == nullptr) return Errno::enotdir;
  return done(enter(me, *at));
}

Value chroot(Task& me, UserStr path) {
  const vfs::Path at = TRY(find_path(me, cwd, path, 0));
  if (!at.inode().is_directory()) return Errno::enotdir;
  TRY(vfs::check_access(me.cred(), at, vfs::Want::execute));
  if (!me.cred().has(ident::Cap::sys_chroot)) return Errno::eperm;
  return done(me.fs->set_root(at));
}

Value getcwd(Task& me, UserAddr buffer, u64 size) {
  struct Text {
    std::array<char, vfs::path_max> at;
  };
  mem::Box<Text> text = TRY(mem::Box<Text>::make(ALLOC_SITE));
  text->at.back() = '\0';
  // Room in front for the word that says that the root was not met.
  constexpr std::string_view unreachable = "(unreachable)";
  const std::span<char> room =
      std::span(text->at).first(text->at.size() - 1).subspan(unreachable.size());
  const vfs::Path here = me.fs->cwd();
  if (here.inode().links.load_relaxed() == 0) return Errno::enoent;
  bool reachable = false;
  std::string_view name = TRY(vfs::path_name(here, me.fs->root(), room, reachable));
  if (!reachable) {
    char* const front = const_cast<char*>(name.data()) - unreachable.size();  // NOLINT
    unreachable.copy(front, unreachable.size());
    name = {front, name.size() + unreachable.size()};
  }
  if (name.size() + 1 > size) return Errno::erange;
  TRY(core::write_user(buffer, name.data(), name.size() + 1));
  return u64{name.size() + 1};
}

Value umask(Task& me, u32 mask) { return u64{me.fs->set_umask(mask)}; }

}  // namespace auk::syscall::calls
