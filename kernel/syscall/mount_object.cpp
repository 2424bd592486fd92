// Mounts and file systems as descriptors: see fsopen(2), fsconfig(2), fsmount(2), fspick(2),
// open_tree(2), move_mount(2), mount_setattr(2).
#include <algorithm>

#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "uapi/mount.hpp"
#include "vfs/fs_setup.hpp"
#include "vfs/landlock.hpp"
#include "vfs/mount_attributes.hpp"

namespace auk::syscall::calls {
namespace {

Result<void> check_may_mount(const Task& me) {
  return me.cred().has(ident::Cap::sys_admin) ? Result<void>() : Result<void>(Errno::eperm);
}

constexpr u64 about_atime = uapi::mount_attr__atime;
constexpr u32 atime_flags = vfs::mount_flag::no_atime | vfs::mount_flag::rel_atime;
constexpr u64 known_attributes = [] {
  u64 all = about_atime;
  for (const vfs::MountAttribute& a : vfs::mount_attributes) all |= a.attribute;
  return all;
}();

u32 flags_of(u64 wanted) {
  u32 flags = 0;
  for (const vfs::MountAttribute& a : vfs::mount_attributes)
    if ((wanted & a.attribute) != 0) flags |= a.flag;
  return flags;
}

/// EINVAL: two ways at once.
Result<u32> atime_flags_of(u64 wanted) {
  switch (wanted & about_atime) {
    case uapi::mount_attr_relatime: return vfs::mount_flag::rel_atime;
    case uapi::mount_attr_noatime: return vfs::mount_flag::no_atime;
    case uapi::mount_attr_strictatime: return u32{0};
    default: return Errno::einval;
  }
}

/// The text of a program, up to 256 bytes with its end. EINVAL: longer; EFAULT.
class ShortString {
  static constexpr usize room = 256;
  std::array<char, room> text_{};
  usize size_ = 0;

 public:
  Result<void> load(UserStr from) {
    Result<usize> n = from.load(text_);
    if (!n.ok()) return n.error() == Errno::enametoolong ? Errno::einval : n.error();
    size_ = *n;
    return {};
  }
  std::string_view view() const { return {text_.data(), size_}; }
};

/// What fsconfig(2) takes with a command. EINVAL, EOPNOTSUPP.
Result<void> check_command(u32 command, bool has_key, bool has_value, int more) {
  const auto need = [](bool ok) { return ok ? Result<void>() : Result<void>(Errno::einval); };
  constexpr int most_bytes = 1 << 20;
  switch (command) {
    case uapi::fsconfig_set_flag: return need(has_key && !has_value && more == 0);
    case uapi::fsconfig_set_string: return need(has_key && has_value && more == 0);
    case uapi::fsconfig_set_binary:
      return need(has_key && has_value && more > 0 && more <= most_bytes);
    case uapi::fsconfig_set_path:
    case uapi::fsconfig_set_path_empty:
      return need(has_key && has_value && (more == uapi::at_fdcwd || more >= 0));
    case uapi::fsconfig_set_fd: return need(has_key && !has_value && more >= 0);
    case uapi::fsconfig_cmd_create:
    case uapi::fsconfig_cmd_create_excl:
    case uapi::fsconfig_cmd_reconfigure: return need(!has_key && !has_value && more == 0);
    default: return Errno::eopnotsupp;
  }
}

/// The value that is no text must at least be there. EFAULT, EBADF, ENAMETOOLONG, ENOENT.
Result<void> check_other_value(Task& me, u32 command, UserAddr value, int more) {
  if (command == uapi::fsconfig_set_fd) {
    TRY(me.files->get(more));
    return {};
  }
  if (command == uapi::fsconfig_set_binary) {
    byte last = 0;
    return core::read_user(&last, value + static_cast<u64>(more) - 1, 1);
  }
  const mem::Box<PathText> path = TRY(PathText::load(UserStr(value)));
  if (path->empty() && command == uapi::fsconfig_set_path) return Errno::enoent;
  return {};
}

struct Setting {
  u32 command;
  UserAddr key, value;
  int more;
};

Result<void> configure(Task& me, vfs::LockedSetup& at, const Setting& s) {
  ShortString key, value;
  if (s.key.value != 0) TRY(key.load(UserStr(s.key)));
  switch (s.command) {
    case uapi::fsconfig_set_flag: {
      return at.lock()->set({.name = key.view(), .value = {}, .has_value = false});
    }
    case uapi::fsconfig_set_string: {
      TRY(value.load(UserStr(s.value)));
      return at.lock()->set({.name = key.view(), .value = value.view()});
    }
    case uapi::fsconfig_cmd_create:
    case uapi::fsconfig_cmd_create_excl: {
      auto setup = at.lock();
      TRY(check_may_mount(me));
      return setup->create(me.asker(), s.command == uapi::fsconfig_cmd_create_excl);
    }
    case uapi::fsconfig_cmd_reconfigure: {
      auto setup = at.lock();
      TRY(check_may_mount(me));
      return setup->apply(me.asker());
    }
    default: {
      TRY(check_other_value(me, s.command, s.value, s.more));
      return at.lock()->set_other(key.view());
    }
  }
}

Result<vfs::Path> path_for(Task& me, Fd dir, UserStr path, bool follow, bool may_be_empty) {
  return find_path(me, dir, path,
                   (follow ? 0 : uapi::at_symlink_nofollow) |
                       (may_be_empty ? uapi::at_empty_path : 0));
}

}  // namespace

Value fsopen(Task& me, UserStr type, u32 flags) {
  TRY(check_may_mount(me));
  if ((flags & ~u32{uapi::fsopen_cloexec}) != 0) return Errno::einval;
  Result<mem::Box<PathText>> name = PathText::load(type);
  if (!name.ok()) return name.error() == Errno::enametoolong ? Errno::einval : name.error();
  vfs::FileSystem* const kind = TRY(vfs::find_file_system(name.take()->view()));
  return install_file(me, TRY(vfs::open_setup(*kind)), (flags & uapi::fsopen_cloexec) != 0);
}

Value fspick(Task& me, Fd dir, UserStr path, u32 flags) {
  TRY(check_may_mount(me));
  constexpr u32 known = uapi::fspick_cloexec | uapi::fspick_symlink_nofollow |
                        uapi::fspick_no_automount | uapi::fspick_empty_path;
  if ((flags & ~known) != 0) return Errno::einval;
  const vfs::Path at = TRY(path_for(me, dir, path, (flags & uapi::fspick_symlink_nofollow) == 0,
                                    (flags & uapi::fspick_empty_path) != 0));
  if (at.dentry.get() != &at.mount->root()) return Errno::einval;
  return install_file(me, TRY(vfs::open_setup(Ref<vfs::Superblock>(at.mount->super()))),
                      (flags & uapi::fspick_cloexec) != 0);
}

Value fsconfig(Task& me, Fd fd, u32 command, UserAddr key, UserAddr value, int more) {
  if (fd.number < 0) return Errno::einval;
  TRY(check_command(command, key.value != 0, value.value != 0, more));
  const io::FileLoan file = TRY(file_of(me, fd));
  vfs::LockedSetup* const setup = vfs::setup_behind(*file);
  if (setup == nullptr) return Errno::einval;
  return done(configure(me, *setup, {command, key, value, more}));
}

Value fsmount(Task& me, Fd fd, u32 flags, u32 wanted) {
  TRY(check_may_mount(me));
  if ((flags & ~u32{uapi::fsmount_cloexec}) != 0) return Errno::einval;
  if ((wanted & ~known_attributes) != 0) return Errno::einval;
  const u32 mount_flags = flags_of(wanted) | TRY(atime_flags_of(wanted));
  const io::FileLoan file = TRY(file_of(me, fd));
  vfs::LockedSetup* const setup = vfs::setup_behind(*file);
  if (setup == nullptr) return Errno::einval;
  Ref<vfs::Mount> mount = TRY(setup->lock()->mount(mount_flags));
  vfs::Path top(mount, Ref<vfs::Dentry>(mount->root()));
  Ref<vfs::MountNamespace> tree = TRY(vfs::detached(std::move(mount)));
  return install_file(me, TRY(vfs::open_detached(std::move(top), std::move(tree))),
                      (flags & uapi::fsmount_cloexec) != 0);
}

Value open_tree(Task& me, Fd dir, UserStr path, u32 flags) {
  constexpr u32 known = uapi::at_empty_path | uapi::at_no_automount | uapi::at_recursive |
                        uapi::at_symlink_nofollow | uapi::open_tree_clone |
                        vfs::open_flag::close_on_exec;
  if ((flags & ~known) != 0) return Errno::einval;
  const bool is_copy = (flags & uapi::open_tree_clone) != 0;
  const bool is_recursive = (flags & uapi::at_recursive) != 0;
  if (is_recursive && !is_copy) return Errno::einval;
  if (is_copy) TRY(check_may_mount(me));
  const vfs::Path at = TRY(path_for(me, dir, path, (flags & uapi::at_symlink_nofollow) == 0,
                                    (flags & uapi::at_empty_path) != 0));
  const bool close_on_exec = (flags & vfs::open_flag::close_on_exec) != 0;
  if (!is_copy)
    return install_file(me, TRY(vfs::open_path(me.asker(), at, vfs::open_flag::path, false)),
                        close_on_exec);
  vfs::Path top;
  Ref<vfs::MountNamespace> tree = TRY(vfs::detached_copy(me.asker(), at, is_recursive, top));
  return install_file(me, TRY(vfs::open_detached(std::move(top), std::move(tree))), close_on_exec);
}

Value move_mount(Task& me, Fd from_dir, UserStr from, Fd to_dir, UserStr to, u32 flags) {
  TRY(check_may_mount(me));
  if ((flags & ~u32{uapi::move_mount__mask}) != 0) return Errno::einval;
  constexpr u32 ways = uapi::move_mount_beneath | uapi::move_mount_set_group;
  if ((flags & ways) == ways) return Errno::einval;
  const vfs::Path source =
      TRY(path_for(me, from_dir, from, (flags & uapi::move_mount_f_symlinks) != 0,
                   (flags & uapi::move_mount_f_empty_path) != 0));
  const vfs::Path target = TRY(path_for(me, to_dir, to, (flags & uapi::move_mount_t_symlinks) != 0,
                                        (flags & uapi::move_mount_t_empty_path) != 0));
  TRY(vfs::landlock::may_change_mounts(me.cred()));
  if ((flags & uapi::move_mount_set_group) != 0)
    return done(vfs::set_group(me.asker(), source, target));
  const vfs::Onto onto =
      (flags & uapi::move_mount_beneath) != 0 ? vfs::Onto::beneath : vfs::Onto::top;
  return done(vfs::move_mount(me.asker(), source, target, onto));
}

namespace {

/// EINVAL.
Result<vfs::MountChange> change_of(Task& me, const uapi::mount_attr& a) {
  vfs::MountChange c;
  switch (a.propagation) {
    case 0: break;
    case uapi::ms_shared: c.propagation = vfs::Propagation::shared; break;
    case uapi::ms_private: c.propagation = vfs::Propagation::is_private; break;
    case uapi::ms_slave: c.propagation = vfs::Propagation::slave; break;
    case uapi::ms_unbindable: c.propagation = vfs::Propagation::unbindable; break;
    default: return Errno::einval;
  }
  const u64 named = a.attr_set | a.attr_clr;
  if ((named & ~(known_attributes | uapi::mount_attr_idmap)) != 0) return Errno::einval;
  c.set = flags_of(a.attr_set);
  c.clear = flags_of(a.attr_clr);
  // A way of access times is set by clearing the whole field.
  if ((a.attr_clr & about_atime) != 0) {
    if ((a.attr_clr & about_atime) != about_atime) return Errno::einval;
    c.clear |= atime_flags;
    c.set |= TRY(atime_flags_of(a.attr_set));
  } else if ((a.attr_set & about_atime) != 0) {
    return Errno::einval;
  }
  if ((named & uapi::mount_attr_idmap) != 0) {
    if ((a.attr_clr & uapi::mount_attr_idmap) != 0 || a.userns_fd > INT32_MAX) return Errno::einval;
    TRY(me.files->get(static_cast<int>(a.userns_fd)));
    // No descriptor is one of a user namespace.
    return Errno::einval;
  }
  return c;
}

}  // namespace

Value mount_setattr(Task& me, Fd dir, UserStr path, u32 flags, UserAddr at, u64 size) {
  constexpr u32 known =
      uapi::at_empty_path | uapi::at_recursive | uapi::at_symlink_nofollow | uapi::at_no_automount;
  if ((flags & ~known) != 0) return Errno::einval;
  if (size > page_size) return Errno::e2big;
  if (size < uapi::mount_attr_size_ver0) return Errno::einval;
  TRY(check_may_mount(me));
  const uapi::mount_attr a = TRY(load_sized<uapi::mount_attr>(at, size));
  if ((a.attr_set | a.attr_clr | a.propagation) == 0) return u64{0};
  vfs::MountChange change = TRY(change_of(me, a));
  change.is_recursive = (flags & uapi::at_recursive) != 0;
  const vfs::Path where = TRY(path_for(me, dir, path, (flags & uapi::at_symlink_nofollow) == 0,
                                       (flags & uapi::at_empty_path) != 0));
  return done(vfs::change_mounts(me.asker(), where, change));
}

}  // namespace auk::syscall::calls
