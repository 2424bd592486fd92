// Mounts and their namespaces. See mount(2), umount2(2), pivot_root(2), unshare(2).
#include <algorithm>

#include "generated/uapi/mount.hpp"
#include "generated/uapi/sched.hpp"
#include "proc/access.hpp"
#include "proc/nsfs.hpp"
#include "syscall/calls.hpp"
#include "syscall/pidfd.hpp"
#include "syscall/support.hpp"
#include "vfs/fs_setup.hpp"
#include "vfs/landlock.hpp"

namespace auk::syscall::calls {
namespace {

/// The options of mount(2): a string of up to a page.
class Options {
  struct Page {
    std::array<char, page_size> text;
  };
  mem::Box<Page> page_;
  usize size_ = 0;

 public:
  Options() = default;
  Result<void> load(UserAddr at) {
    if (at.value == 0) return {};
    page_ = TRY(mem::Box<Page>::make(ALLOC_SITE));
    const Result<usize> n = core::UserStr(at).load(std::span(page_->text));
    if (n.ok()) {
      size_ = *const_cast<Result<usize>&>(n);  // NOLINT
      return {};
    }
    return n.error();
  }
  std::string_view view() const {
    return page_ ? std::string_view(page_->text.data(), size_) : std::string_view();
  }
};

/// What mount(2)'s flags say about one mount.
u32 mount_flags(u64 flags) {
  namespace f = vfs::mount_flag;
  u32 m = (flags & uapi::ms_noatime) == 0 ? f::rel_atime : 0;
  m |= static_cast<u32>(flags) & (f::read_only | f::no_suid | f::no_dev | f::no_exec |
                                  f::no_symlinks | f::no_atime | f::no_dir_atime);
  if ((flags & uapi::ms_strictatime) != 0) m &= ~(f::rel_atime | f::no_atime);
  return m;
}

u32 remount_flags(u64 flags, const vfs::Path& at) {
  namespace f = vfs::mount_flag;
  constexpr u64 about_atime =
      uapi::ms_noatime | uapi::ms_nodiratime | uapi::ms_relatime | uapi::ms_strictatime;
  constexpr u32 atime = f::no_atime | f::no_dir_atime | f::rel_atime;
  u32 m = mount_flags(flags);
  // Who does not speak of access times leaves them as they are.
  if ((flags & about_atime) == 0) m = (m & ~atime) | (at.mount->flags() & atime);
  return m;
}

Result<void> bind(Task& me, UserStr source, const vfs::Path& at, bool recursive) {
  if (source.is_null()) return Errno::einval;
  const mem::Box<PathText> name = TRY(PathText::load(source));
  if (name->empty()) return Errno::einval;
  const vfs::Path from = TRY(vfs::find(me.asker(), {}, name->view(), vfs::WalkFlag::follow));
  return vfs::bind_mount(me.asker(), from, at, recursive);
}

Result<void> move(Task& me, UserStr source, const vfs::Path& at) {
  if (source.is_null()) return Errno::einval;
  const mem::Box<PathText> name = TRY(PathText::load(source));
  if (name->empty()) return Errno::einval;
  const vfs::Path from = TRY(vfs::find(me.asker(), {}, name->view(), vfs::WalkFlag::follow));
  return vfs::move_mount(me.asker(), from, at, vfs::Onto::top);
}

Result<void> change_type(Task& me, const vfs::Path& at, u64 flags) {
  using vfs::Propagation;
  const bool recursive = (flags & uapi::ms_rec) != 0;
  const auto change = [&](Propagation p) {
    return vfs::change_propagation(me.asker(), at, p, recursive);
  };
  switch (flags & ~u64{uapi::ms_rec | uapi::ms_silent}) {
    case uapi::ms_shared: return change(Propagation::shared);
    case uapi::ms_private: return change(Propagation::is_private);
    case uapi::ms_slave: return change(Propagation::slave);
    case uapi::ms_unbindable: return change(Propagation::unbindable);
    default: return Errno::einval;
  }
}

Result<void> mount_new(Task& me, UserStr source, UserStr type, const vfs::Path& at, u64 flags,
                       std::string_view options) {
  if (type.is_null()) return Errno::einval;
  const mem::Box<PathText> kind = TRY(PathText::load(type));
  vfs::FileSystem* const fs = TRY(vfs::find_file_system(kind->view()));
  mem::Box<PathText> name;
  if (!source.is_null()) name = TRY(PathText::load(source));
  const std::string_view from = name ? name->view() : std::string_view();
  vfs::FsSetup setup(*fs);
  if ((flags & uapi::ms_rdonly) != 0) setup.set_read_only(true);
  TRY(setup.set({.name = "source", .value = from}));
  TRY(setup.set_all(options));
  TRY(setup.create(me.asker(), false));
  return vfs::mount_fresh(me.asker(), TRY(setup.mount(mount_flags(flags))), at);
}

Result<void> remount(Task& me, const vfs::Path& at, u64 flags, std::string_view options) {
  TRY(vfs::check_remount(me.asker(), at));
  vfs::FsSetup setup(Ref<vfs::Superblock>(at.mount->super()));
  setup.set_read_only((flags & uapi::ms_rdonly) != 0);
  TRY(setup.set_all(options));
  TRY(setup.apply(me.asker()));
  return vfs::remount(me.asker(), at, remount_flags(flags, at));
}

}  // namespace

Value mount(Task& me, UserStr source, UserStr target, UserStr type, u64 flags, UserAddr data) {
  Options options;
  TRY(options.load(data));
  const vfs::Path at = TRY(find_path(me, cwd, target, 0));
  TRY(vfs::landlock::may_change_mounts(me.cred()));
  if (!me.cred().has(ident::Cap::sys_admin)) return Errno::eperm;
  constexpr u64 magic_mask = 0xffff0000, magic = 0xc0ed0000;
  if ((flags & magic_mask) == magic) flags &= ~magic_mask;
  constexpr u64 types = uapi::ms_shared | uapi::ms_private | uapi::ms_slave | uapi::ms_unbindable;
  constexpr u64 one_mount = uapi::ms_remount | uapi::ms_bind;
  if ((flags & one_mount) == one_mount)
    return done(vfs::change_mount(me.asker(), at, remount_flags(flags, at)));
  if ((flags & uapi::ms_remount) != 0) return done(remount(me, at, flags, options.view()));
  if ((flags & uapi::ms_bind) != 0) return done(bind(me, source, at, (flags & uapi::ms_rec) != 0));
  if ((flags & types) != 0) return done(change_type(me, at, flags));
  if ((flags & uapi::ms_move) != 0) return done(move(me, source, at));
  return done(mount_new(me, source, type, at, flags, options.view()));
}

Value umount2(Task& me, UserStr target, u32 flags) {
  namespace f = vfs::unmount_flag;
  if ((flags & ~(f::force | f::detach | f::expire | f::no_follow)) != 0) return Errno::einval;
  const mem::Box<PathText> name = TRY(PathText::load(target));
  vfs::WalkFlags how = vfs::WalkFlag::passive;
  if ((flags & f::no_follow) == 0) how |= vfs::WalkFlag::follow;
  vfs::Path at = TRY(vfs::find(me.asker(), {}, name->view(), how));
  if (!me.cred().has(ident::Cap::sys_admin)) return Errno::eperm;
  return done(vfs::unmount(me.asker(), std::move(at), flags));
}

Value pivot_root(Task& me, UserStr new_root, UserStr put_old) {
  if (!me.cred().has(ident::Cap::sys_admin)) return Errno::eperm;
  const auto find = [&](UserStr path) -> Result<vfs::Path> {
    const mem::Box<PathText> name = TRY(PathText::load(path));
    return vfs::find(me.asker(), {}, name->view(),
                     vfs::WalkFlags(vfs::WalkFlag::follow) | vfs::WalkFlag::directory);
  };
  const vfs::Path fresh = TRY(find(new_root));
  const vfs::Path old = TRY(find(put_old));
  TRY(vfs::landlock::may_change_mounts(me.cred()));
  return done(vfs::pivot_root(me.asker(), fresh, old));
}

namespace {

/// The namespaces that a descriptor stands for: itself, or those of a process by its pidfd. EBADF,
/// EINVAL, ESRCH, EPERM.
Result<proc::Namespaces> namespaces_named(Task& me, Fd fd, u64 kinds) {
  const io::FileLoan file = TRY(file_of(me, fd));
  if (proc::Namespaces one = proc::namespace_behind(*file)) {
    const u64 kind = one.mounts ? u64{uapi::clone_newns} : u64{uapi::clone_newpid};
    if (kinds != 0 && kinds != kind) return Errno::einval;
    return one;
  }
  if (proc::pid_behind(*file) == nullptr) return Errno::einval;
  if (kinds == 0 || (kinds & ~proc::namespace_flags) != 0) return Errno::einval;
  const Ref<Task> target = TRY(task_of_pidfd(me, fd));
  TRY(proc::may_access(me, *target));
  Ref<vfs::MountNamespace> space = TRY(target->mount_space());
  proc::Namespaces all;
  if ((kinds & uapi::clone_newns) != 0) all.mounts = std::move(space);
  if ((kinds & uapi::clone_newpid) != 0) all.pids = Ref<ident::PidNamespace>(target->pid_space());
  return all;
}

}  // namespace

Value setns(Task& me, Fd fd, u32 kinds) {
  const proc::Namespaces wanted = TRY(namespaces_named(me, fd, kinds));
  const ident::Cred& cred = me.cred();
  if (!cred.has(ident::Cap::sys_admin)) return Errno::eperm;
  vfs::Path root;
  if (wanted.mounts) {
    if (!cred.has(ident::Cap::sys_chroot)) return Errno::eperm;
    // Root and working directory go along: nobody else's may.
    if (me.fs->ref_count() > 1) return Errno::einval;
    root = TRY(vfs::top_of(*wanted.mounts));
  }
  // Children are never seen by fewer than their parent is.
  if (wanted.pids && !wanted.pids->is_in(me.pid_space())) return Errno::einval;
  const proc::NamespaceSet& now = *me.namespaces;
  Ref<proc::NamespaceSet> set =
      TRY(mem::make_ref<proc::NamespaceSet>(ALLOC_SITE, wanted.mounts ? wanted.mounts : now.mounts,
                                            wanted.pids ? wanted.pids : now.pids_of_children));
  if (wanted.mounts) TRY(me.fs->set_both(root, root));
  me.replace(&Task::namespaces, std::move(set));
  return u64{0};
}

Value unshare(Task& me, u64 flags) {
  constexpr u64 known = uapi::clone_fs | uapi::clone_files | proc::namespace_flags |
                        uapi::clone_thread | uapi::clone_sighand | uapi::clone_vm |
                        uapi::clone_sysvsem;
  if ((flags & ~known) != 0) return Errno::einval;
  // Threads cannot leave their process: these are only for those who are alone.
  if ((flags & (uapi::clone_thread | uapi::clone_sighand | uapi::clone_vm)) != 0) {
    auto t = proc::tree.lock();
    if (me.group->live_tasks > 1) return Errno::einval;
  }
  if ((flags & uapi::clone_newns) != 0) flags |= uapi::clone_fs;
  Ref<vfs::FsContext> fs;
  if ((flags & uapi::clone_fs) != 0 && (me.fs->ref_count() > 1 || flags != uapi::clone_fs))
    fs = TRY(me.fs->copy());
  Ref<io::FdTable> files;
  if ((flags & uapi::clone_files) != 0 && me.files->ref_count() > 1) files = TRY(me.files->copy());
  Ref<proc::NamespaceSet> namespaces;
  if ((flags & proc::namespace_flags) != 0)
    namespaces = TRY(proc::copy_namespaces(me, fs ? *fs : *me.fs, flags));
  if (fs) me.replace(&Task::fs, std::move(fs));
  if (files) me.replace(&Task::files, std::move(files));
  if (namespaces) me.replace(&Task::namespaces, std::move(namespaces));
  return u64{0};
}

}  // namespace auk::syscall::calls
