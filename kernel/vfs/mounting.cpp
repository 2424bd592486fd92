#include "vfs/mounting.hpp"

#include <algorithm>

#include "sched/rcu.hpp"
#include "vfs/mount_table.hpp"

namespace auk::vfs {

class FileSystems {
  FileSystem* first_ = nullptr;

 public:
  constexpr FileSystems() = default;
  void add(FileSystem& f) {
    FileSystem** at = &first_;
    while (*at != nullptr) at = &(*at)->next_;
    *at = &f;
  }
  FileSystem* after(const FileSystem* f) const { return f == nullptr ? first_ : f->next_; }
  FileSystem* find(std::string_view name) const {
    for (FileSystem* f = first_; f != nullptr; f = f->next_)
      if (f->name() == name) return f;
    return nullptr;
  }
};

namespace {

constinit core::Guarded<core::level::driver, FileSystems, core::SpinPreemptOff> file_systems;

/// The topmost place at a path: mounts are stacked.
Spot topmost(MountTable& table, const Path& at) {
  Spot s = spot_of(at);
  while (Mount* const m = table.find(*s.mount, *s.dentry)) s = {m, &m->root()};
  return s;
}

/// A place in the caller's tree. ENOENT for what hangs nowhere.
Result<void> check_place(const Asker& who, const Spot& s) {
  MountNamespace* const space = s.mount->space();
  if (space == nullptr) return Errno::enoent;
  if (space != who.space) return Errno::einval;
  return {};
}

bool is_mount_root(const Path& p) { return p.dentry.get() == &p.mount->root(); }

/// The dentry has not been removed.
bool is_alive(const Dentry& d) {
  return d.has_name() || (d.name() == nullptr && d.inode().links.load_relaxed() != 0);
}

/// Hangs a tree up at a place that keeps still meanwhile.
Result<void> hang_up(MountTable& table, const Asker& who, Mount& tree, const Spot& at,
                     bool is_move) {
  if (tree.root().inode().is_directory() != at.dentry->inode().is_directory())
    return Errno::enotdir;
  auto still = at.dentry->inode().lock.lock();
  if (!is_alive(*at.dentry)) return Errno::enoent;
  return attach_tree(table, tree, at, *who.space, is_move);
}

/// Counts exactly, after a grace period, for all that were chosen.
void gather(MountWork& work) {
  for (Mount& m : work) MountTable::count(m).gather_begin();
  sched::rcu_synchronize();
  for (Mount& m : work) MountTable::count(m).gather_end();
}

/// What has been taken out of the trees, on its way to be let go without the lock.
class Detached {
  MountWork gone_;

 public:
  Detached() = default;
  Detached(const Detached&) = delete;
  Detached& operator=(const Detached&) = delete;
  /// All that was chosen; leaves go first.
  void take(MountTable& table, MountWork& work) {
    MountWork order;
    while (Mount* const m = work.pop_front()) order.push_front(*m);
    while (Mount* const m = order.pop_front()) {
      m->is_chosen = false;
      // What was hung on it later, somewhere else, goes on hanging where its parent was.
      (void)table.detach(*m).release();
      gone_.push_back(*m);
    }
  }
  /// For mounts that are counted exactly already.
  void let_go() {
    while (Mount* const m = gone_.pop_front()) (void)Ref<Mount>::adopt(m);
  }
  ~Detached() {
    if (gone_.empty()) return;
    gather(gone_);
    let_go();
  }
};

}  // namespace

Result<Ref<Superblock>> SingleFileSystem::open(const Asker&, std::string_view, std::string_view) {
  auto mount = mount_.lock();
  if (*mount == nullptr) {
    Ref<Superblock> super = TRY(make());
    Ref<Dentry> root(super->root());
    Ref<Mount> fresh = TRY(Mount::create(std::move(super), std::move(root), name(), 0));
    TRY(fill(fresh->super()));
    *mount = fresh.release();
  }
  return Ref<Superblock>((*mount)->super());
}

Result<u64> disk_number(const Asker& who, std::string_view path) {
  const Path at = TRY(find(who, {}, path, WalkFlag::follow));
  if (at.inode().type() != mode::block) return Errno::enotblk;
  if (at.mount->has(mount_flag::no_dev)) return Errno::eacces;
  return at.inode().raw_device;
}

void register_file_system(FileSystem& f) { file_systems.lock()->add(f); }

Result<FileSystem*> find_file_system(std::string_view name) {
  FileSystem* const f = file_systems.lock()->find(name);
  if (f == nullptr) return Errno::enodev;
  return f;
}

const FileSystem* next_file_system(const FileSystem* f) { return file_systems.lock()->after(f); }

Result<void> mount_fresh(const Asker& who, Ref<Mount> m, const Path& at) {
  auto table = mount_table.lock();
  const Spot s = topmost(*table, at);
  TRY(check_place(who, s));
  if (&s.mount->super() == &m->super() && s.dentry == &s.mount->root()) return Errno::ebusy;
  if (m->root().inode().is_link()) return Errno::einval;
  return hang_up(*table, who, *m, s, false);
}

Result<void> bind_mount(const Asker& who, const Path& from, const Path& at, bool recursive) {
  auto table = mount_table.lock();
  const Spot s = topmost(*table, at);
  TRY(check_place(who, s));
  if (from.mount->is_unbindable || from.mount->space() != who.space) return Errno::einval;
  Ref<Mount> copy =
      TRY(copy_tree(*table, *from.mount, *from.dentry, Relation::plain, recursive, false));
  const Result<void> r = hang_up(*table, who, *copy, s, false);
  if (!r.ok()) drop_tree(*table, std::move(copy));
  return r;
}

Result<void> move_mount(const Asker& who, const Path& from, const Path& at) {
  auto table = mount_table.lock();
  const Spot s = topmost(*table, at);
  Mount& m = *from.mount;
  TRY(check_place(who, s));
  if (m.space() != who.space) return Errno::einval;
  if (!is_mount_root(from) || m.place() == nullptr) return Errno::einval;
  if (m.root().inode().is_directory() != s.dentry->inode().is_directory()) return Errno::einval;
  if (m.place()->parent.group != nullptr) return Errno::einval;
  if (s.mount->group != nullptr)
    for (Mount* each = &m; each != nullptr; each = MountTable::next(*each, m))
      if (each->is_unbindable) return Errno::einval;
  for (const Mount* each = s.mount;;) {
    if (each == &m) return Errno::eloop;
    const Attachment* const place = each->place();
    if (place == nullptr) break;
    each = &place->parent;
  }
  return hang_up(*table, who, m, s, true);
}

namespace {

/// EBUSY if somebody writes through one of the mounts, which new writers are kept from already.
Result<void> wait_for_writers(MountWork& mounts) {
  sched::rcu_synchronize();
  for (Mount& m : mounts)
    if (MountTable::count(m).writers() > 0) return Errno::ebusy;
  return {};
}

void forget(MountWork& work) {
  while (work.pop_front() != nullptr) {}
}

Result<void> set_mount_flags(Mount& m, u32 flags) {
  const u32 before = m.flags();
  MountTable::set_flags(m, flags);
  if ((flags & mount_flag::read_only) == 0 || (before & mount_flag::read_only) != 0) return {};
  MountWork one;
  one.push_back(m);
  const Result<void> r = wait_for_writers(one);
  forget(one);
  if (!r.ok()) MountTable::set_flags(m, before);
  return r;
}

Result<void> set_super_read_only(MountTable& table, Superblock& super, bool read_only) {
  if (super.is_read_only() == read_only) return {};
  if (!read_only) return super.begin_writing();
  super.set_read_only(true);
  MountWork mounts;
  for (Mount& m : table.all())
    if (&m.super() == &super) mounts.push_back(m);
  const Result<void> r = wait_for_writers(mounts);
  forget(mounts);
  if (!r.ok()) super.set_read_only(false);
  return r;
}

}  // namespace

Result<void> change_mount(const Asker& who, const Path& at, u32 flags) {
  auto table = mount_table.lock();
  Mount& m = *at.mount;
  if (!is_mount_root(at) || m.space() != who.space) return Errno::einval;
  return set_mount_flags(m, flags);
}

Result<void> remount(const Asker& who, const Path& at, u32 flags, std::string_view options) {
  auto table = mount_table.lock();
  Mount& m = *at.mount;
  if (m.space() != who.space || !is_mount_root(at)) return Errno::einval;
  TRY(m.super().reconfigure(options));
  TRY(set_super_read_only(*table, m.super(), (flags & mount_flag::read_only) != 0));
  MountTable::set_flags(m, flags);
  return {};
}

Result<void> change_propagation(const Asker& who, const Path& at, Propagation kind,
                                bool recursive) {
  auto table = mount_table.lock();
  Mount& top = *at.mount;
  if (!is_mount_root(at) || top.space() != who.space) return Errno::einval;
  const auto next = [&](Mount& m) { return recursive ? MountTable::next(m, top) : nullptr; };
  for (Mount* m = &top; m != nullptr; m = next(*m)) {
    if (kind == Propagation::shared) {
      if (m->group == nullptr) MountTable::join_group(*m, *TRY(make_group()));
      m->is_unbindable = false;
      continue;
    }
    if (kind == Propagation::slave) {
      // The only member of its group has nobody to follow but whom it follows already.
      PeerGroup* const g = m->group;
      if (g != nullptr && g->members.front() == g->members.back()) {
        MountTable::leave_group(*m);
      } else if (g != nullptr) {
        MountTable::leave_group(*m);
        MountTable::follow(*m, g);
      }
    } else {
      MountTable::leave_group(*m);
      MountTable::stop_following(*m);
    }
    m->is_unbindable = kind == Propagation::unbindable;
  }
  return {};
}

namespace {

/// The mount without children, and its copies elsewhere, if nobody uses them.
Result<void> unmount_idle(MountTable& table, Mount& m, Detached& out) {
  if (!m.children.empty()) return Errno::ebusy;
  MountWork work;
  choose_for_unmount(table, m, false, work);
  for (Mount& each : work) MountTable::set_doomed(each, true);
  gather(work);
  // The tree's reference, and the caller's of the mount itself.
  bool is_busy = false;
  for (Mount& each : work)
    is_busy = is_busy || MountTable::count(each).references() > (&each == &m ? 2 : 1);
  if (is_busy) {
    while (Mount* const each = work.pop_front()) {
      each->is_chosen = false;
      MountTable::count(*each).spread();
      MountTable::set_doomed(*each, false);
    }
    return Errno::ebusy;
  }
  out.take(table, work);
  out.let_go();
  return {};
}

Result<void> unmount_locked(const Asker& who, Path& at, u32 flags, Detached& out) {
  auto table = mount_table.lock();
  Mount& m = *at.mount;
  if (!is_mount_root(at) || m.space() != who.space) return Errno::einval;
  const bool is_root = &m == who.fs.root().mount.get();
  if ((flags & unmount_flag::expire) != 0) {
    if (is_root || (flags & (unmount_flag::force | unmount_flag::detach)) != 0)
      return Errno::einval;
    if (!m.children.empty()) return Errno::ebusy;
    if (!MountTable::mark_idle(m)) {
      // Only what nobody uses can be marked.
      MountWork one;
      one.push_back(m);
      MountTable::set_doomed(m, true);
      gather(one);
      forget(one);
      const bool is_used = MountTable::count(m).references() > 2;
      MountTable::count(m).spread();
      MountTable::set_doomed(m, false);
      if (is_used) m.note_use();
      return is_used ? Errno::ebusy : Errno::eagain;
    }
  }
  if (is_root && (flags & unmount_flag::detach) == 0)
    return set_super_read_only(*table, m.super(), true);
  if (m.place() == nullptr) return Errno::einval;
  if ((flags & unmount_flag::detach) == 0) return unmount_idle(*table, m, out);
  MountWork work;
  choose_for_unmount(*table, m, true, work);
  out.take(*table, work);
  return {};
}

}  // namespace

Result<void> unmount(const Asker& who, Path at, u32 flags) {
  {
    Detached out;
    TRY(unmount_locked(who, at, flags, out));
  }
  at = {};
  // What was in the file system is free when the call returns.
  wait_for_dead_mounts();
  return {};
}

namespace {

bool is_in(const Dentry& d, const Dentry& top) {
  const core::RcuReader reader;
  for (const Dentry* at = &d; at != nullptr; at = at->directory())
    if (at == &top) return true;
  return false;
}

}  // namespace

void unmount_from(Dentry& gone) {
  Detached out;
  auto table = mount_table.lock();
  MountWork work;
  for (Mount& m : table->all()) {
    const Attachment* const at = m.place();
    if (at == nullptr || m.is_chosen || !is_in(*at->point, gone)) continue;
    choose_for_unmount(*table, m, true, work);
  }
  out.take(*table, work);
}

bool is_mountpoint_in(const Dentry& d, MountNamespace& space) {
  auto table = mount_table.lock();
  for (Mount& m : space.mounts)
    if (m.place() != nullptr && m.place()->point.get() == &d) return true;
  return false;
}

Result<void> pivot_root(const Asker& who, const Path& new_root, const Path& put_old) {
  const Path root = who.fs.root();
  {
    auto table = mount_table.lock();
    const Spot old = topmost(*table, put_old);
    Mount& new_mount = *new_root.mount;
    Mount& root_mount = *root.mount;
    Attachment* const new_place = new_mount.place();
    Attachment* const root_place = root_mount.place();
    if (old.mount->group != nullptr ||
        (new_place != nullptr && new_place->parent.group != nullptr) ||
        (root_place != nullptr && root_place->parent.group != nullptr))
      return Errno::einval;
    if (root_mount.space() != who.space || new_mount.space() != who.space) return Errno::einval;
    if (!is_alive(*new_root.dentry)) return Errno::enoent;
    if (&new_mount == &root_mount || old.mount == &root_mount) return Errno::ebusy;
    if (!is_mount_root(root) || root_place == nullptr || !is_mount_root(new_root) ||
        new_place == nullptr)
      return Errno::einval;
    const Path old_path(Ref<Mount>(*old.mount), Ref<Dentry>(*old.dentry));
    if (!is_below(old_path, new_root) || !is_below(new_root, root)) return Errno::einval;
    mem::Box<Attachment> for_root =
        TRY(mem::Box<Attachment>::make(ALLOC_SITE, *old.mount, old_path.dentry, root_mount));
    mem::Box<Attachment> for_new = TRY(
        mem::Box<Attachment>::make(ALLOC_SITE, root_place->parent, root_place->point, new_mount));
    table->move(new_mount, {});
    table->move(root_mount, std::move(for_root));
    table->move(new_mount, std::move(for_new));
  }
  return FsContext::move_all(root, new_root);
}

Result<Ref<MountNamespace>> make_namespace(Ref<Mount> root) {
  Ref<MountNamespace> space = TRY(mem::make_ref<MountNamespace>(ALLOC_SITE));
  mount_table.lock()->make_root(*space, *root);
  return space;
}

Result<Ref<MountNamespace>> copy_namespace(MountNamespace& from, FsContext& fs) {
  Ref<MountNamespace> space = TRY(mem::make_ref<MountNamespace>(ALLOC_SITE));
  Path root = fs.root();
  Path cwd = fs.cwd();
  {
    auto table = mount_table.lock();
    Mount* const top = from.root.load_relaxed();
    if (top == nullptr) return Errno::einval;
    const Ref<Mount> copy = TRY(copy_tree(*table, *top, top->root(), Relation::plain, true, true));
    table->make_root(*space, *copy);
    for (Path* const p : {&root, &cwd})
      if (p->mount->space() == &from) p->mount = Ref<Mount>(*p->mount->twin);
  }
  TRY(fs.set_root(std::move(root)));
  TRY(fs.set_cwd(std::move(cwd)));
  return space;
}

void MountNamespace::destroy(MountNamespace* n) {
  {
    Detached out;
    auto table = mount_table.lock();
    if (Mount* const top = n->root.load_relaxed()) {
      MountWork work;
      choose_for_unmount(*table, *top, true, work);
      out.take(*table, work);
    }
  }
  mem::destroy(n);
}

}  // namespace auk::vfs
