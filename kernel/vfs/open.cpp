// open(2) and openat2(2), behind the decoding.
#include "base/fmt.hpp"
#include "vfs/inode_file.hpp"
#include "vfs/landlock.hpp"
#include "vfs/notify.hpp"
#include "vfs/rights.hpp"

namespace auk::vfs {
namespace {

constexpr u32 kept = open_flag::access_mask | open_flag::append | open_flag::non_block |
                     open_flag::direct | open_flag::large_file | open_flag::directory |
                     open_flag::no_follow | open_flag::no_atime | open_flag::path;

Result<void> may_open(const Asker& who, const Path& at, u32 flags) {
  const Inode& inode = at.inode();
  const u32 access = flags & open_flag::access_mask;
  Wants wants;
  if (access != open_flag::write_only) wants |= Want::read;
  if (access != 0 || (flags & open_flag::truncate) != 0) wants |= Want::write;
  if (inode.is_link()) return Errno::eloop;
  if (inode.is_directory() && wants.has(Want::write)) return Errno::eisdir;
  if (inode.is_device() && at.mount->has(mount_flag::no_dev)) return Errno::eacces;
  const bool is_stored = inode.is_regular() || inode.is_directory();
  if (wants.has(Want::write) && is_stored && inode.super().is_read_only()) return Errno::erofs;
  TRY(check_permission(inode, who.cred, wants));
  if ((flags & open_flag::no_atime) != 0 && !owns(who, inode)) return Errno::eperm;
  return {};
}

/// What the walk of an open flag set says.
WalkFlags walk_flags(u32 flags) {
  WalkFlags how;
  const bool exclusive = (flags & (open_flag::create | open_flag::exclusive)) ==
                         (open_flag::create | open_flag::exclusive);
  if ((flags & open_flag::no_follow) == 0 && !exclusive) how |= WalkFlag::follow;
  if ((flags & open_flag::directory) != 0) how |= WalkFlag::directory;
  if ((flags & open_flag::create) != 0) how |= WalkFlag::create_end;
  return how;
}

/// What a program says by its flags: less, when they are for a place alone.
u32 without_ignored(u32 flags) {
  flags &= ~open_flag::execute;
  constexpr u32 of_path =
      open_flag::path | open_flag::directory | open_flag::no_follow | open_flag::close_on_exec;
  return (flags & open_flag::path) != 0 ? flags & of_path : flags;
}

bool is_for_unnamed(u32 flags) {
  constexpr u32 unnamed = open_flag::temporary | open_flag::directory;
  return (flags & unnamed) == unnamed;
}

/// In the directory.
Result<Ref<io::File>> open_unnamed(const Asker& who, const Path& at, u32 flags, u32 mode) {
  WriteAccess write;
  TRY(write.begin(*at.mount));
  Inode& dir = at.inode();
  TRY(may_change(who, dir));
  NewInode fresh{.mode = mode::regular | (mode & 07777 & ~who.fs.umask())};
  fill_owner(who, dir, fresh);
  Ref<Inode> inode = TRY(dir.create_unnamed(fresh));
  inode->may_be_linked.store_relaxed((flags & open_flag::exclusive) == 0);
  std::array<char, 24> room;
  Writer name(room);
  format_to(name, "#{}", inode->number());
  const Path unnamed(at.mount, TRY(make_lost(*at.dentry, std::move(inode), name.text())));
  // O_DIRECTORY's bit says what the path was to be, not what is open.
  return open_path(who, unnamed, flags & ~open_flag::directory, true);
}

Result<Ref<io::File>> open_unnamed(const Asker& who, const Path& start, std::string_view path,
                                   u32 flags, u32 mode, WalkFlags resolve) {
  if ((flags & open_flag::access_mask) == 0) return Errno::einval;
  WalkEnd end;
  WalkFlags how = resolve | WalkFlag::directory;
  if ((flags & open_flag::no_follow) == 0) how |= WalkFlag::follow;
  TRY(walk(who, start, path, how, end));
  return open_unnamed(who, end.path, flags, mode);
}

}  // namespace

Result<Ref<io::File>> open_path(const Asker& who, const Path& at, u32 flags, bool created) {
  Inode& inode = at.inode();
  if ((flags & open_flag::path) != 0)
    return Ref<io::File>(TRY(mem::make_ref<InodeFile>(ALLOC_SITE, flags & kept, at)));
  if (!created) TRY(may_open(who, at, flags));
  if (!inode.is_directory() && inode.pages() == nullptr) {
    const Flags<io::Withheld> withheld = TRY(landlock::may_open(who, at, flags));
    Ref<io::File> f = TRY(inode.open_special(at, flags & (kept | open_flag::no_controlling_tty)));
    f->set_flags(flags & kept);
    f->withhold(withheld);
    mem::Box<PathOrigin> origin = TRY(mem::Box<PathOrigin>::make(ALLOC_SITE, at, true));
    origin->tell_of_opening();
    f->set_origin(origin.release());
    return f;
  }
  Ref<InodeFile> f = TRY(mem::make_ref<InodeFile>(ALLOC_SITE, flags & kept, at));
  const bool truncates = inode.is_regular() && (flags & open_flag::truncate) != 0 && !created;
  WriteAccess write;
  if (f->is_writable()) TRY(f->begin_write());
  if (truncates) TRY(write.begin(*at.mount));
  f->withhold(TRY(landlock::may_open(who, at, flags)));
  if (truncates) TRY(f->check(io::Withheld::truncate));
  if (inode.is_regular() && (truncates || f->is_writable()))
    TRY(inode.prepare_write(truncates ? Inode::Keep::nothing : Inode::Keep::bytes));
  f->tell_of_opening();
  if (truncates) {
    TRY(drop_privileges(who.cred, inode));
    {
      auto changing = inode.lock.lock();
      TRY(inode.resize(0));
    }
    notify::happened(*at.dentry, uapi::in_modify);
  }
  return Ref<io::File>(std::move(f));
}

Result<Ref<io::File>> open(const Asker& who, const Path& start, std::string_view path, u32 flags,
                           u32 mode, WalkFlags resolve) {
  flags = without_ignored(flags);
  if (is_for_unnamed(flags)) return open_unnamed(who, start, path, flags, mode, resolve);
  const bool create = (flags & open_flag::create) != 0;
  const bool exclusive = create && (flags & open_flag::exclusive) != 0;
  if (create && (flags & open_flag::directory) != 0) return Errno::einval;
  for (;;) {
    WalkEnd end;
    TRY(walk(who, start, path, walk_flags(flags) | resolve, end));
    if (create && end.trailing_slash) return Errno::eisdir;
    if (end.path) {
      if (exclusive) return Errno::eexist;
      if (create && end.path.inode().is_directory()) return Errno::eisdir;
      if (create) TRY(may_open_found(who, end.found_in, end.path.inode()));
      return open_path(who, end.path, flags, false);
    }
    WriteAccess write;
    TRY(write.begin(*end.parent.mount));
    Ref<Dentry> made;
    {
      auto changing = end.parent.inode().lock.lock();
      const Result<Ref<Dentry>> there = look_up(*end.parent.dentry, end.name);
      if (there.ok()) {
        // Somebody was faster.
        if (exclusive) return Errno::eexist;
        continue;
      }
      if (there.error() != Errno::enoent) return there.error();
      const u32 bits = mode & 07777 & ~who.fs.umask();
      made = TRY(make_entry(who, end.parent, end.name, {.mode = mode::regular | bits}));
    }
    return open_path(who, Path(end.parent.mount, std::move(made)), flags, true);
  }
}

Result<Ref<io::File>> open_found(const Asker& who, const Path& at, u32 flags) {
  flags = without_ignored(flags);
  const bool create = (flags & open_flag::create) != 0;
  const bool directory = (flags & open_flag::directory) != 0;
  if (create && directory) return Errno::einval;
  const Inode& inode = at.inode();
  if (inode.is_link() && (flags & open_flag::path) == 0) return Errno::eloop;
  if (is_for_unnamed(flags)) {
    if (!inode.is_directory()) return Errno::enotdir;
    return open_unnamed(who, at, flags, 0);
  }
  if (create && (flags & open_flag::exclusive) != 0) return Errno::eexist;
  if (create && inode.is_directory()) return Errno::eisdir;
  if (directory && !inode.is_directory()) return Errno::enotdir;
  return open_path(who, at, flags, false);
}

}  // namespace auk::vfs
