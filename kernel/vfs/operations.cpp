#include "vfs/operations.hpp"

#include "vfs/inode_file.hpp"
#include "vfs/landlock.hpp"
#include "vfs/mount_table.hpp"
#include "vfs/mounting.hpp"
#include "vfs/notify.hpp"
#include "vfs/rights.hpp"

namespace auk::vfs {

using ident::Cap;

Result<void> may_remove(const Asker& who, const Inode& dir, const Inode& victim) {
  TRY(may_change(who, dir));
  if (dir.links.load_relaxed() == 0) return Errno::enoent;
  if ((dir.mode.load_relaxed() & mode::sticky) == 0 || who.cred.has(Cap::fowner) ||
      who.cred.fsuid == victim.uid.load_relaxed() || who.cred.fsuid == dir.uid.load_relaxed())
    return {};
  return Errno::eperm;
}

void fill_owner(const Asker& who, const Inode& dir, NewInode& fresh) {
  fresh.uid = who.cred.fsuid;
  fresh.gid = who.cred.fsgid;
  if ((dir.mode.load_relaxed() & mode::set_gid) == 0) return;
  fresh.gid = dir.gid.load_relaxed();
  constexpr u32 group_program = mode::set_gid | 010;
  if ((fresh.mode & mode::type_mask) == mode::directory)
    fresh.mode |= mode::set_gid;
  else if ((fresh.mode & group_program) == group_program && !who.cred.is_in_group(fresh.gid) &&
           !who.cred.has(Cap::fsetid))
    fresh.mode &= ~mode::set_gid;
}

namespace {

/// A whiteout, which overlayfs(5) knows, is none.
bool is_device(const NewInode& i) {
  const u32 type = i.mode & mode::type_mask;
  return type == mode::block || (type == mode::character && i.raw_device != 0);
}

}  // namespace

Result<Ref<Dentry>> make_entry(const Asker& who, const Path& dir, std::string_view name,
                               NewInode fresh) {
  Inode& parent = dir.inode();
  if (parent.links.load_relaxed() == 0) return Errno::enoent;
  TRY(landlock::may(who, dir, landlock::right_to_make(fresh.mode, fresh.raw_device)));
  TRY(may_change(who, parent));
  if (is_device(fresh) && !who.cred.has(Cap::mknod)) return Errno::eperm;
  fill_owner(who, parent, fresh);
  return create_entry(*dir.dentry, name, fresh);
}

Result<Ref<Dentry>> create_entry(Dentry& dir, std::string_view name, const NewInode& fresh) {
  Inode& parent = dir.inode();
  if (parent.links.load_relaxed() == 0) return Errno::enoent;
  Ref<Dentry> entry = TRY(Dentry::create());
  mem::Box<Name> text = TRY(Name::create(dir, *entry, name));
  entry->set_inode(TRY(parent.create(*entry, name, fresh)));
  link_dentry(dir, *entry, std::move(text));
  notify::entry(parent, uapi::in_create, name, entry->inode().is_directory());
  return entry;
}

Result<void> link_entry(Dentry& dir, std::string_view name, Inode& inode) {
  Inode& parent = dir.inode();
  if (parent.links.load_relaxed() == 0) return Errno::enoent;
  auto linking = inode.lock.lock_as<core::level::inode_twin>();
  // A file without a name can get one only if it was made without.
  if (inode.links.load_relaxed() == 0 && !inode.may_be_linked.load_relaxed()) return Errno::enoent;
  Ref<Dentry> entry = TRY(Dentry::create(Ref<Inode>(inode)));
  mem::Box<Name> text = TRY(Name::create(dir, *entry, name));
  TRY(parent.link(*entry, name, inode));
  inode.may_be_linked.store_relaxed(false);
  link_dentry(dir, *entry, std::move(text));
  notify::happened(inode, uapi::in_attrib);
  notify::entry(parent, uapi::in_create, name, false);
  return {};
}

namespace {

/// The walk of the calls that make something which must not be there, and the right to write.
struct Making {
  WalkEnd end;
  WriteAccess write;

  /// With the directory's lock: EEXIST, ENOENT, EROFS.
  Result<void> check(bool directory, const Result<void>& writable) {
    const Result<Ref<Dentry>> there = look_up(*end.parent.dentry, end.name);
    if (there.ok()) return Errno::eexist;
    if (there.error() != Errno::enoent) return there.error();
    if (end.trailing_slash && !directory) return Errno::enoent;
    return writable.ok() ? Result<void>() : Result<void>(writable.error());
  }
  template <class F>
  Result<void> run(const Asker& who, const Path& start, std::string_view path, bool directory,
                   F make) {
    TRY(walk(who, start, path, WalkFlag::parent, end));
    if (end.last != Last::name) return Errno::eexist;
    const Result<void> writable = write.begin(*end.parent.mount);
    auto changing = end.parent.inode().lock.lock();
    TRY(check(directory, writable));
    return make(end.parent, end.name);
  }
};

Result<Path> make(const Asker& who, const Path& start, std::string_view path, NewInode fresh) {
  const bool directory = (fresh.mode & mode::type_mask) == mode::directory;
  Making making;
  Path made;
  TRY(making.run(who, start, path, directory,
                 [&](const Path& dir, std::string_view name) -> Result<void> {
                   made = {dir.mount, TRY(make_entry(who, dir, name, fresh))};
                   return {};
                 }));
  return made;
}

/// Runs an operation that cannot remove a mount point. One of other namespaces is unmounted there,
/// then it starts anew.
template <class F> Result<void> unless_mounted(const Asker& who, F operation) {
  for (;;) {
    Ref<Dentry> point;
    const Result<void> r = operation(point);
    if (!point) return r.ok() ? Result<void>() : Result<void>(r.error());
    if (who.is_stacked) return Errno::ebusy;
    if (who.space != nullptr && is_mountpoint_in(*point, *who.space)) return Errno::ebusy;
    unmount_from(*point);
  }
}

}  // namespace

const Path* path_of(const io::File& f) {
  const io::FileOrigin* const o = f.origin();
  return o == nullptr ? nullptr : &static_cast<const PathOrigin*>(o)->path;
}

Result<void> stat_opened(const io::File& f, io::FileStat& s) {
  const Path* const p = path_of(f);
  if (p == nullptr) return Errno::ebadf;
  p->inode().fill_stat(s);
  return {};
}

Result<void> make_node(const Asker& who, const Path& start, std::string_view path, u32 mode,
                       u64 raw_device) {
  u32 type = mode & mode::type_mask;
  if (type == 0) type = mode::regular;
  switch (type) {
    case mode::regular:
    case mode::fifo:
    case mode::socket:
    case mode::character:
    case mode::block: break;
    case mode::directory: return Errno::eperm;
    default: return Errno::einval;
  }
  const u32 bits = mode & 07777 & ~who.fs.umask();
  TRY(make(who, start, path, {.mode = type | bits, .raw_device = raw_device}));
  return {};
}

Result<Path> make_socket(const Asker& who, const Path& start, std::string_view path) {
  return make(who, start, path, {.mode = mode::socket | (0777 & ~who.fs.umask())});
}

Result<void> make_directory(const Asker& who, const Path& start, std::string_view path, u32 mode) {
  constexpr u32 allowed = 0777 | mode::sticky;
  TRY(make(who, start, path, {.mode = mode::directory | (mode & allowed & ~who.fs.umask())}));
  return {};
}

Result<void> make_symlink(const Asker& who, const Path& start, std::string_view path,
                          std::string_view target) {
  if (target.empty()) return Errno::enoent;
  TRY(make(who, start, path, {.mode = mode::link | 0777, .target = target}));
  return {};
}

Result<void> make_link(const Asker& who, const Path& from, const Path& start,
                       std::string_view path) {
  Inode& inode = from.inode();
  Making making;
  return making.run(who, start, path, false,
                    [&](const Path& dir, std::string_view name) -> Result<void> {
                      if (dir.mount != from.mount) return Errno::exdev;
                      TRY(may_link(who, inode));
                      TRY(landlock::may_refer(who, {.entry = *from.dentry, .to_dir = dir}));
                      TRY(may_change(who, dir.inode()));
                      if (dir.inode().links.load_relaxed() == 0) return Errno::enoent;
                      if (inode.is_directory()) return Errno::eperm;
                      return link_entry(*dir.dentry, name, inode);
                    });
}

namespace {

/// Takes an entry away from its directory, which is locked. If something is mounted on it nothing
/// is done but to name it as the `point`. `last` keeps the inode until no lock is held.
Result<void> take_away(Inode& dir, std::string_view name, Ref<Dentry>& victim, Ref<Dentry>& point,
                       Ref<Inode>& last) {
  Inode& inode = victim->inode();
  {
    auto going = inode.lock.lock_as<core::level::inode_twin>();
    if (victim->is_mountpoint()) {
      point = victim;
      return {};
    }
    TRY(dir.remove(*victim));
    unlink_dentry(*victim);
  }
  const bool is_directory = inode.is_directory();
  if (!is_directory) notify::happened(inode, uapi::in_attrib);
  last = Ref<Inode>(inode);
  // The file's own watches hear of its end first.
  victim = {};
  notify::entry(dir, uapi::in_delete, name, is_directory);
  return {};
}

}  // namespace

Result<void> unlink(const Asker& who, const Path& start, std::string_view path) {
  WalkEnd end;
  TRY(walk(who, start, path, WalkFlag::parent, end));
  if (end.last != Last::name) return Errno::eisdir;
  WriteAccess write;
  TRY(write.begin(*end.parent.mount));
  Ref<Dentry> victim;
  Ref<Inode> last;  // let go of without the locks
  return unless_mounted(who, [&](Ref<Dentry>& point) -> Result<void> {
    Inode& dir = end.parent.inode();
    auto changing = dir.lock.lock();
    victim = TRY(look_up(*end.parent.dentry, end.name));
    Inode& inode = victim->inode();
    if (end.trailing_slash) return inode.is_directory() ? Errno::eisdir : Errno::enotdir;
    TRY(landlock::may(who, end.parent, uapi::landlock_access_fs_remove_file));
    TRY(may_remove(who, dir, inode));
    if (inode.is_directory()) return Errno::eisdir;
    return take_away(dir, end.name, victim, point, last);
  });
}

Result<void> remove_directory(const Asker& who, const Path& start, std::string_view path) {
  WalkEnd end;
  TRY(walk(who, start, path, WalkFlag::parent, end));
  switch (end.last) {
    case Last::dot: return Errno::einval;
    case Last::dot_dot: return Errno::enotempty;
    case Last::root: return Errno::ebusy;
    case Last::name: break;
  }
  WriteAccess write;
  TRY(write.begin(*end.parent.mount));
  Ref<Dentry> victim;
  Ref<Inode> last;  // let go of without the locks
  return unless_mounted(who, [&](Ref<Dentry>& point) -> Result<void> {
    Inode& dir = end.parent.inode();
    auto changing = dir.lock.lock();
    victim = TRY(look_up(*end.parent.dentry, end.name));
    Inode& inode = victim->inode();
    TRY(landlock::may(who, end.parent, uapi::landlock_access_fs_remove_dir));
    TRY(may_remove(who, dir, inode));
    if (!inode.is_directory()) return Errno::enotdir;
    return take_away(dir, end.name, victim, point, last);
  });
}

namespace {

constexpr u32 no_replace = 1, exchange = 2;

/// One call of rename(2), whose directories are locked.
struct Renaming {
  const Asker& who;
  const WalkEnd& from;
  const WalkEnd& to;
  const u32 flags;
  Ref<Dentry>& point;  ///< a mount point in the way
  // Let go of without the locks.
  Ref<Dentry>& moving;
  Ref<Dentry>& victim;

  Result<void> check_rights() const;
  Result<void> run();
  Result<void> move();
  Result<void> swap();
};

Result<void> Renaming::check_rights() const {
  const Inode& from_dir = from.parent.inode();
  const Inode& to_dir = to.parent.inode();
  const Inode& inode = moving->inode();
  TRY(may_remove(who, from_dir, inode));
  if (!victim) {
    TRY(may_change(who, to_dir));
    if (to_dir.links.load_relaxed() == 0) return Errno::enoent;
  } else {
    TRY(may_remove(who, to_dir, victim->inode()));
    if ((flags & exchange) == 0 && inode.is_directory() != victim->inode().is_directory())
      return inode.is_directory() ? Errno::enotdir : Errno::eisdir;
  }
  if (&from_dir == &to_dir) return {};
  // ".." changes.
  if (inode.is_directory()) TRY(check_permission(inode, who.cred, Want::write));
  if ((flags & exchange) != 0 && victim->inode().is_directory())
    TRY(check_permission(victim->inode(), who.cred, Want::write));
  return {};
}

void tell_of_move(const WalkEnd& from, const WalkEnd& to, Inode& moved, Inode* replaced) {
  const u32 cookie = notify::new_cookie();
  const bool is_directory = moved.is_directory();
  notify::entry(from.parent.inode(), uapi::in_moved_from, from.name, is_directory, cookie);
  notify::entry(to.parent.inode(), uapi::in_moved_to, to.name, is_directory, cookie);
  if (replaced != nullptr) notify::happened(*replaced, uapi::in_attrib);
  notify::happened(moved, uapi::in_move_self);
}

Result<void> Renaming::run() {
  moving = TRY(look_up(*from.parent.dentry, from.name));
  Result<Ref<Dentry>> there = look_up(*to.parent.dentry, to.name);
  if (!there.ok() && there.error() != Errno::enoent) return there.error();
  victim = there.ok() ? there.take() : Ref<Dentry>();
  const Inode& inode = moving->inode();
  if ((flags & no_replace) != 0 && victim) return Errno::eexist;
  if ((flags & exchange) != 0) {
    if (!victim) return Errno::enoent;
    if (!victim->inode().is_directory() && to.trailing_slash) return Errno::enotdir;
  }
  if (!inode.is_directory() &&
      (from.trailing_slash || ((flags & exchange) == 0 && to.trailing_slash)))
    return Errno::enotdir;
  if (from.parent.dentry != to.parent.dentry) {
    if (is_under(*to.parent.dentry, *moving)) return Errno::einval;
    if (victim && is_under(*from.parent.dentry, *victim))
      return (flags & exchange) != 0 ? Errno::einval : Errno::enotempty;
  }
  TRY(landlock::may_refer(who, {.entry = *moving,
                                .to_dir = to.parent,
                                .victim = victim.get(),
                                .moves = true,
                                .exchange = (flags & exchange) != 0}));
  // Two names of one file: nothing happens.
  if (victim && &victim->inode() == &inode) return {};
  TRY(check_rights());
  for (Dentry* const d : {moving.get(), victim.get()})
    if (d != nullptr && d->is_mountpoint()) {
      point = Ref<Dentry>(*d);
      return {};
    }
  const bool swaps = (flags & exchange) != 0;
  TRY(swaps ? swap() : move());
  if (point) return {};
  tell_of_move(from, to, moving->inode(), swaps || !victim ? nullptr : &victim->inode());
  if (swaps) tell_of_move(to, from, victim->inode(), nullptr);
  return {};
}

Result<void> Renaming::move() {
  mem::Box<Name> text = TRY(Name::create(*to.parent.dentry, *moving, to.name));
  const Move m{
      .moving = *moving, .to_dir = to.parent.inode(), .to_name = to.name, .victim = victim.get()};
  if (!victim) {
    TRY(from.parent.inode().move(m));
    move_dentry(*to.parent.dentry, *moving, std::move(text), nullptr);
    return {};
  }
  auto going = victim->inode().lock.lock_as<core::level::inode_victim>();
  if (victim->is_mountpoint()) {
    point = victim;
    return {};
  }
  TRY(from.parent.inode().move(m));
  move_dentry(*to.parent.dentry, *moving, std::move(text), victim.get());
  return {};
}

Result<void> Renaming::swap() {
  mem::Box<Name> text = TRY(Name::create(*to.parent.dentry, *moving, to.name));
  mem::Box<Name> other = TRY(Name::create(*from.parent.dentry, *victim, from.name));
  TRY(from.parent.inode().move({.moving = *moving,
                                .to_dir = to.parent.inode(),
                                .to_name = to.name,
                                .victim = victim.get(),
                                .exchange = true}));
  exchange_dentries(*moving, std::move(text), *victim, std::move(other));
  return {};
}

}  // namespace

Result<void> rename(const Asker& who, const Path& from_start, std::string_view from,
                    const Path& to_start, std::string_view to, u32 flags) {
  WalkEnd source, target;
  TRY(walk(who, from_start, from, WalkFlag::parent, source));
  TRY(walk(who, to_start, to, WalkFlag::parent, target));
  if (source.parent.mount != target.parent.mount) return Errno::exdev;
  if (source.last != Last::name) return Errno::ebusy;
  if (target.last != Last::name) return (flags & no_replace) != 0 ? Errno::eexist : Errno::ebusy;
  WriteAccess write;
  TRY(write.begin(*source.parent.mount));
  Inode& a = source.parent.inode();
  Inode& b = target.parent.inode();
  Ref<Dentry> moving, victim;
  return unless_mounted(who, [&](Ref<Dentry>& point) -> Result<void> {
    Renaming r{.who = who,
               .from = source,
               .to = target,
               .flags = flags,
               .point = point,
               .moving = moving,
               .victim = victim};
    if (&a == &b) {
      auto changing = a.lock.lock();
      return r.run();
    }
    // Nothing else moves between directories of this file system.
    auto alone = a.super().rename_lock.lock();
    // The ancestor first, then by address: no other order is taken anywhere.
    const bool b_first = is_under(*source.parent.dentry, *target.parent.dentry) ||
                         (!is_under(*target.parent.dentry, *source.parent.dentry) && &b < &a);
    Inode& first = b_first ? b : a;
    Inode& second = b_first ? a : b;
    auto outer = first.lock.lock();
    auto inner = second.lock.lock_as<core::level::inode_twin>();
    return r.run();
  });
}

}  // namespace auk::vfs
