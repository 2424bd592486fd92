#include "vfs/operations.hpp"

#include <algorithm>

#include "vfs/inode_file.hpp"
#include "vfs/notify.hpp"

namespace auk::vfs {
namespace {

using ident::Cap;

Result<void> may_change(const Asker& who, const Path& dir) {
  return check_permission(dir.inode(), who.cred, Wants(Want::write) | Want::execute);
}

/// Sticky directories: only the owner of the entry or of the directory takes it away.
Result<void> may_remove(const Asker& who, const Path& dir, const Inode& victim) {
  TRY(may_change(who, dir));
  const Inode& d = dir.inode();
  if ((d.mode.load_relaxed() & mode::sticky) == 0 || who.cred.has(Cap::fowner) ||
      who.cred.fsuid == victim.uid.load_relaxed() || who.cred.fsuid == d.uid.load_relaxed())
    return {};
  return Errno::eperm;
}

bool owns(const Asker& who, const Inode& inode) {
  return who.cred.fsuid == inode.uid.load_relaxed() || who.cred.has(Cap::fowner);
}

/// Makes an entry in the directory of `end`, whose last component is missing. The directory's lock
/// is held.
Result<Ref<Dentry>> make_entry(const Asker& who, const WalkEnd& end, NewInode fresh) {
  const Path& dir = end.parent;
  Inode& parent = dir.inode();
  if (parent.links.load_relaxed() == 0) return Errno::enoent;
  TRY(may_change(who, dir));
  fresh.uid = who.cred.fsuid;
  fresh.gid = who.cred.fsgid;
  if ((parent.mode.load_relaxed() & mode::set_gid) != 0) {
    fresh.gid = parent.gid.load_relaxed();
    if ((fresh.mode & mode::type_mask) == mode::directory) fresh.mode |= mode::set_gid;
  }
  Ref<Inode> inode = TRY(parent.make(fresh));
  Ref<Dentry> entry = TRY(Dentry::create(end.name(), inode));
  if (inode->is_directory()) {
    inode->links.store_relaxed(2);
    (void)parent.links.fetch_add_relaxed(1);
  }
  dir.dentry->link(*entry);
  parent.touch(true);
  notify::entry(parent, uapi::in_create, end.name(), inode->is_directory());
  return entry;
}

/// The walk of the calls that make something which must not be there.
Result<mem::Box<WalkEnd>> walk_to_make(const Asker& who, const Path& start, std::string_view path,
                                       bool directory) {
  mem::Box<WalkEnd> end = TRY(mem::Box<WalkEnd>::make(ALLOC_SITE));
  TRY(walk(who, start, path, WalkFlag::create_end, *end));
  if (end->path.dentry) return Errno::eexist;
  if (end->trailing_slash && !directory) return Errno::enoent;
  return end;
}

Result<void> make(const Asker& who, const Path& start, std::string_view path, NewInode fresh) {
  const bool directory = (fresh.mode & mode::type_mask) == mode::directory;
  mem::Box<WalkEnd> end = TRY(walk_to_make(who, start, path, directory));
  auto changing = end->parent.inode().lock.lock();
  if (end->parent.dentry->child(end->name()).ok()) return Errno::eexist;
  TRY(make_entry(who, *end, fresh));
  return {};
}

/// An inode lost a name.
void drop_link(Inode& inode, u32 links) {
  (void)inode.links.fetch_sub_relaxed(links);
  inode.touch(false);
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

Result<Ref<io::File>> open_path(const Asker& who, const Path& at, u32 flags, bool created) {
  Inode& inode = at.inode();
  constexpr u32 kept = open_flag::access_mask | open_flag::append | open_flag::non_block |
                       open_flag::direct | open_flag::large_file | open_flag::directory |
                       open_flag::no_follow | open_flag::no_atime | open_flag::path;
  if ((flags & open_flag::path) != 0)
    return Ref<io::File>(
        TRY(mem::make_ref<InodeFile>(ALLOC_SITE, (flags & kept) | open_flag::path, at)));
  if (inode.is_link()) return Errno::eloop;
  const u32 access = flags & open_flag::access_mask;
  Wants wants;
  if (access != open_flag::write_only) wants |= Want::read;
  if (access != 0) wants |= Want::write;
  if ((flags & open_flag::truncate) != 0) wants |= Want::write;
  if (inode.is_directory() && wants.has(Want::write)) return Errno::eisdir;
  if (!created) TRY(check_permission(inode, who.cred, wants));
  if ((flags & open_flag::no_atime) != 0 && !owns(who, inode)) return Errno::eperm;
  if (!inode.is_regular() && !inode.is_directory()) {
    Ref<io::File> f = TRY(inode.open_special(at, flags & kept));
    mem::Box<PathOrigin> origin = TRY(mem::Box<PathOrigin>::make(ALLOC_SITE, at, true));
    f->set_origin(origin.release());
    notify::happened(*at.dentry, uapi::in_open);
    return f;
  }
  Ref<io::File> f = TRY(mem::make_ref<InodeFile>(ALLOC_SITE, flags & kept, at));
  notify::happened(*at.dentry, uapi::in_open);
  if (inode.is_regular() && (flags & open_flag::truncate) != 0 && !created) {
    {
      auto changing = inode.lock.lock();
      inode.pages()->truncate(0);
      inode.touch(true);
    }
    notify::happened(*at.dentry, uapi::in_modify);
  }
  return f;
}

Result<Ref<io::File>> open(const Asker& who, const Path& start, std::string_view path, u32 flags,
                           u32 mode) {
  const bool create = (flags & open_flag::create) != 0 && (flags & open_flag::path) == 0;
  const bool exclusive = create && (flags & open_flag::exclusive) != 0;
  if (create && (flags & open_flag::directory) != 0) return Errno::einval;
  WalkFlags how;
  if ((flags & open_flag::no_follow) == 0 && !exclusive) how |= WalkFlag::follow;
  if ((flags & open_flag::directory) != 0) how |= WalkFlag::directory;
  if (create) how |= WalkFlag::create_end;
  mem::Box<WalkEnd> end = TRY(mem::Box<WalkEnd>::make(ALLOC_SITE));
  TRY(walk(who, start, path, how, *end));
  if (create && end->trailing_slash) return Errno::eisdir;
  bool created = false;
  if (!end->path.dentry) {
    auto changing = end->parent.inode().lock.lock();
    Result<Ref<Dentry>> there = end->parent.dentry->child(end->name());
    if (there.ok()) {
      // Somebody was faster.
      if (exclusive) return Errno::eexist;
      end->path.dentry = there.take();
    } else {
      const u32 bits = mode & 07777 & ~who.fs.umask();
      end->path.dentry = TRY(make_entry(who, *end, {.mode = mode::regular | bits}));
      created = true;
    }
  } else if (exclusive) {
    return Errno::eexist;
  }
  if (create && !created && end->path.inode().is_directory()) return Errno::eisdir;
  return open_path(who, end->path, flags, created);
}

Result<void> make_node(const Asker& who, const Path& start, std::string_view path, u32 mode,
                       u64 raw_device) {
  u32 type = mode & mode::type_mask;
  if (type == 0) type = mode::regular;
  switch (type) {
    case mode::regular:
    case mode::fifo:
    case mode::socket: break;
    case mode::character:
    case mode::block:
      if (!who.cred.has(Cap::mknod)) return Errno::eperm;
      break;
    case mode::directory: return Errno::eperm;
    default: return Errno::einval;
  }
  const u32 bits = mode & 07777 & ~who.fs.umask();
  return make(who, start, path, {.mode = type | bits, .raw_device = raw_device});
}

Result<void> make_directory(const Asker& who, const Path& start, std::string_view path, u32 mode) {
  constexpr u32 allowed = 0777 | mode::sticky;
  return make(who, start, path, {.mode = mode::directory | (mode & allowed & ~who.fs.umask())});
}

Result<void> make_symlink(const Asker& who, const Path& start, std::string_view path,
                          std::string_view target) {
  if (target.empty()) return Errno::enoent;
  return make(who, start, path, {.mode = mode::link | 0777, .target = target});
}

Result<void> make_link(const Asker& who, const Path& from, const Path& start,
                       std::string_view path) {
  Inode& inode = from.inode();
  mem::Box<WalkEnd> end = TRY(walk_to_make(who, start, path, false));
  if (end->parent.mount != from.mount) return Errno::exdev;
  if (inode.is_directory()) return Errno::eperm;
  auto changing = end->parent.inode().lock.lock();
  if (end->parent.dentry->child(end->name()).ok()) return Errno::eexist;
  TRY(may_change(who, end->parent));
  if (inode.links.load_relaxed() == 0) return Errno::enoent;
  Ref<Dentry> entry = TRY(Dentry::create(end->name(), Ref<Inode>(inode)));
  (void)inode.links.fetch_add_relaxed(1);
  inode.touch(false);
  end->parent.dentry->link(*entry);
  end->parent.inode().touch(true);
  notify::happened(inode, uapi::in_attrib);
  notify::entry(end->parent.inode(), uapi::in_create, end->name(), false);
  return {};
}

Result<void> unlink(const Asker& who, const Path& start, std::string_view path) {
  mem::Box<WalkEnd> end = TRY(mem::Box<WalkEnd>::make(ALLOC_SITE));
  TRY(walk(who, start, path, {}, *end));
  if (end->is_special) return Errno::eisdir;
  auto changing = end->parent.inode().lock.lock();
  Ref<Dentry> victim = TRY(end->parent.dentry->child(end->name()));
  Inode& inode = victim->inode();
  TRY(may_remove(who, end->parent, inode));
  if (inode.is_directory()) return Errno::eisdir;
  if (end->trailing_slash) return Errno::enotdir;
  if (victim->is_mountpoint()) return Errno::ebusy;
  end->parent.dentry->unlink(*victim);
  drop_link(inode, 1);
  end->parent.inode().touch(true);
  notify::happened(inode, uapi::in_attrib);
  end->path = {};
  victim = {};
  notify::entry(end->parent.inode(), uapi::in_delete, end->name(), false);
  return {};
}

Result<void> remove_directory(const Asker& who, const Path& start, std::string_view path) {
  mem::Box<WalkEnd> end = TRY(mem::Box<WalkEnd>::make(ALLOC_SITE));
  TRY(walk(who, start, path, {}, *end));
  if (end->is_special) {
    if (end->name() == ".") return Errno::einval;
    return end->name() == ".." ? Errno::enotempty : Errno::ebusy;
  }
  auto changing = end->parent.inode().lock.lock();
  Ref<Dentry> victim = TRY(end->parent.dentry->child(end->name()));
  Inode& inode = victim->inode();
  TRY(may_remove(who, end->parent, inode));
  if (!inode.is_directory()) return Errno::enotdir;
  if (victim->is_mountpoint()) return Errno::ebusy;
  {
    auto emptying = inode.lock.lock_as<core::level::inode_twin>();
    if (victim->has_children()) return Errno::enotempty;
    inode.links.store_relaxed(0);
  }
  end->parent.dentry->unlink(*victim);
  drop_link(end->parent.inode(), 1);
  end->parent.inode().touch(true);
  end->path = {};
  victim = {};
  notify::entry(end->parent.inode(), uapi::in_delete, end->name(), true);
  return {};
}

namespace {

bool is_ancestor(const Dentry& ancestor, const Dentry& d) {
  for (const Dentry* at = &d; at != nullptr; at = at->stable_parent())
    if (at == &ancestor) return true;
  return false;
}

void tell_of_move(const WalkEnd& from, const WalkEnd& to, Inode& moved, Inode* replaced) {
  const u32 cookie = notify::new_cookie();
  const bool is_directory = moved.is_directory();
  notify::entry(from.parent.inode(), uapi::in_moved_from, from.name(), is_directory, cookie);
  notify::entry(to.parent.inode(), uapi::in_moved_to, to.name(), is_directory, cookie);
  if (replaced != nullptr) notify::happened(*replaced, uapi::in_attrib);
  notify::happened(moved, uapi::in_move_self);
}

/// Both directories are locked.
Result<void> move_entry(const Asker& who, const WalkEnd& from, const WalkEnd& to, u32 flags) {
  constexpr u32 no_replace = 1, exchange = 2;
  Ref<Dentry> moving = TRY(from.parent.dentry->child(from.name()));
  Result<Ref<Dentry>> there = to.parent.dentry->child(to.name());
  Ref<Dentry> victim = there.ok() ? there.take() : Ref<Dentry>();
  Inode& inode = moving->inode();
  if ((flags & no_replace) != 0 && victim) return Errno::eexist;
  if ((flags & exchange) != 0 && !victim) return Errno::enoent;
  TRY(may_remove(who, from.parent, inode));
  if (victim)
    TRY(may_remove(who, to.parent, victim->inode()));
  else
    TRY(may_change(who, to.parent));
  if (!inode.is_directory() && (from.trailing_slash || to.trailing_slash) &&
      (flags & exchange) == 0)
    return Errno::enotdir;
  if (moving->is_mountpoint() || (victim && victim->is_mountpoint())) return Errno::ebusy;
  if (inode.is_directory() && is_ancestor(*moving, *to.parent.dentry)) return Errno::einval;
  if (victim && is_ancestor(*victim, *from.parent.dentry))
    return (flags & exchange) != 0 ? Errno::einval : Errno::enotempty;
  // Two names of one file: nothing happens.
  if (victim && &victim->inode() == &inode) return {};
  if (victim && (flags & exchange) == 0) {
    if (inode.is_directory() != victim->inode().is_directory())
      return inode.is_directory() ? Errno::enotdir : Errno::eisdir;
    if (victim->has_children()) return Errno::enotempty;
  }
  // A second dentry under the new name: nothing can fail once the old ones are unlinked.
  Inode& from_dir = from.parent.inode();
  Inode& to_dir = to.parent.inode();
  if ((flags & exchange) != 0) {
    from.parent.dentry->unlink(*moving);
    to.parent.dentry->unlink(*victim);
    const Result<void> a = moving->set_name(to.name());
    const Result<void> b = a.ok() ? victim->set_name(from.name()) : a.error();
    if (!a.ok() || !b.ok()) {
      if (a.ok()) (void)moving->set_name(from.name());
      from.parent.dentry->link(*moving);
      to.parent.dentry->link(*victim);
      return Errno::enomem;
    }
    to.parent.dentry->link(*moving);
    from.parent.dentry->link(*victim);
    if (inode.is_directory() != victim->inode().is_directory()) {
      Inode& loses = inode.is_directory() ? from_dir : to_dir;
      Inode& wins = inode.is_directory() ? to_dir : from_dir;
      (void)loses.links.fetch_sub_relaxed(1);
      (void)wins.links.fetch_add_relaxed(1);
    }
  } else {
    from.parent.dentry->unlink(*moving);
    if (const Result<void> named = moving->set_name(to.name()); !named.ok()) {
      from.parent.dentry->link(*moving);
      return named;
    }
    if (victim) {
      to.parent.dentry->unlink(*victim);
      const bool directory = victim->inode().is_directory();
      drop_link(victim->inode(), directory ? 2 : 1);
      if (directory) (void)to_dir.links.fetch_sub_relaxed(1);
    }
    to.parent.dentry->link(*moving);
    if (inode.is_directory()) {
      (void)from_dir.links.fetch_sub_relaxed(1);
      (void)to_dir.links.fetch_add_relaxed(1);
    }
  }
  inode.touch(false);
  from_dir.touch(true);
  to_dir.touch(true);
  const bool swapped = (flags & exchange) != 0;
  tell_of_move(from, to, inode, swapped || !victim ? nullptr : &victim->inode());
  if (swapped) tell_of_move(to, from, victim->inode(), nullptr);
  return {};
}

}  // namespace

Result<void> rename(const Asker& who, const Path& from_start, std::string_view from,
                    const Path& to_start, std::string_view to, u32 flags) {
  mem::Box<WalkEnd> source = TRY(mem::Box<WalkEnd>::make(ALLOC_SITE));
  TRY(walk(who, from_start, from, {}, *source));
  mem::Box<WalkEnd> target = TRY(mem::Box<WalkEnd>::make(ALLOC_SITE));
  TRY(walk(who, to_start, to, WalkFlag::create_end, *target));
  if (source->is_special || target->is_special) return Errno::ebusy;
  if (source->parent.mount != target->parent.mount) return Errno::exdev;
  auto alone = rename_lock.lock();
  Inode& a = source->parent.inode();
  Inode& b = target->parent.inode();
  if (&a == &b) {
    auto changing = a.lock.lock();
    return move_entry(who, *source, *target, flags);
  }
  // The ancestor first, then by address: no other order is taken anywhere.
  const bool b_first = is_ancestor(*target->parent.dentry, *source->parent.dentry) ||
                       (!is_ancestor(*source->parent.dentry, *target->parent.dentry) && &b < &a);
  Inode& first = b_first ? b : a;
  Inode& second = b_first ? a : b;
  auto outer = first.lock.lock();
  auto inner = second.lock.lock_as<core::level::inode_twin>();
  return move_entry(who, *source, *target, flags);
}

Result<void> change_mode(const Asker& who, Inode& inode, u32 mode) {
  if (!owns(who, inode)) return Errno::eperm;
  mode &= 07777;
  if (!who.cred.has(Cap::fsetid) && !who.cred.is_in_group(inode.gid.load_relaxed()))
    mode &= ~mode::set_gid;
  inode.mode.store_relaxed(inode.type() | mode);
  inode.touch(false);
  return {};
}

Result<void> change_owner(const Asker& who, Inode& inode, u32 uid, u32 gid) {
  constexpr u32 same = ~u32{0};
  const bool privileged = who.cred.has(Cap::chown);
  if (uid != same && !privileged &&
      (who.cred.fsuid != inode.uid.load_relaxed() || uid != inode.uid.load_relaxed()))
    return Errno::eperm;
  if (gid != same && !privileged &&
      (who.cred.fsuid != inode.uid.load_relaxed() ||
       (gid != inode.gid.load_relaxed() && !who.cred.is_in_group(gid))))
    return Errno::eperm;
  if (uid != same) inode.uid.store_relaxed(uid);
  if (gid != same) inode.gid.store_relaxed(gid);
  // A program's set-id bits do not survive a change of owner.
  u32 m = inode.mode.load_relaxed();
  if (!inode.is_directory() && (uid != same || gid != same)) {
    m &= ~mode::set_uid;
    if ((m & 010) != 0) m &= ~mode::set_gid;
    inode.mode.store_relaxed(m);
  }
  inode.touch(false);
  return {};
}

Result<void> change_times(const Asker& who, Inode& inode, const NewTimes& times) {
  if (!owns(who, inode)) {
    if (!times.both_now) return Errno::eperm;
    TRY(check_permission(inode, who.cred, Want::write));
  }
  if (times.atime_ns != NewTimes::omit) inode.atime_ns.store_relaxed(times.atime_ns);
  if (times.mtime_ns != NewTimes::omit) inode.mtime_ns.store_relaxed(times.mtime_ns);
  inode.touch(false);
  return {};
}

Result<void> truncate(const Asker& who, Inode& inode, u64 size) {
  if (inode.is_directory()) return Errno::eisdir;
  if (!inode.is_regular()) return Errno::einval;
  TRY(check_permission(inode, who.cred, Want::write));
  auto changing = inode.lock.lock();
  inode.pages()->truncate(size);
  inode.touch(true);
  return {};
}

Result<void> check_access(const Asker& who, const Path& p, Wants wants) {
  return check_permission(p.inode(), who.cred, wants);
}

}  // namespace auk::vfs
