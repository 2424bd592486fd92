#include "vfs/mounting.hpp"

#include <algorithm>

#include "sched/rcu.hpp"
#include "vfs/landlock.hpp"
#include "vfs/mount_table.hpp"
#include "vfs/pin.hpp"

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
                     Mount* covered = nullptr) {
  if (tree.root().inode().is_directory() != at.dentry->inode().is_directory())
    return Errno::enotdir;
  auto still = at.dentry->inode().lock.lock();
  if (!is_alive(*at.dentry)) return Errno::enoent;
  return attach_tree(table, tree, at, *who.space, covered);
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

Result<Ref<Superblock>> SingleFileSystem::open(const Asker& who, std::string_view,
                                               const Parameters& parameters) {
  auto mount = mount_.lock();
  const bool is_others = *mount != nullptr;
  if (*mount == nullptr) {
    Ref<Superblock> super = TRY(make());
    Ref<Dentry> root(super->root());
    Ref<Mount> fresh =
        TRY(Mount::create(std::move(super), std::move(root), name(), mount_flag::internal));
    TRY(fill(fresh->super()));
    *mount = fresh.release();
  }
  // What others have mounted is reconfigured.
  if (is_others) TRY(landlock::may_change_mounts(who.cred));
  TRY((*mount)->super().reconfigure(parameters));
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
  return hang_up(*table, who, *m, s);
}

namespace {

/// A namespace of mounts hangs only in older ones: none comes to hold itself.
bool may_hang_in(const MountNamespace& space, const Inode& inode) {
  const MountNamespace* const held = inode.space_behind();
  return held == nullptr || held->id > space.id;
}
bool may_hang_in(const MountNamespace& space, const Mount& m) {
  return may_hang_in(space, m.root().inode());
}

}  // namespace

Result<void> bind_mount(const Asker& who, const Path& from, const Path& at, bool recursive) {
  auto table = mount_table.lock();
  const Spot s = topmost(*table, at);
  TRY(check_place(who, s));
  if (from.mount->is_unbindable) return Errno::einval;
  const bool is_namespace = from.inode().is_namespace();
  if (!is_namespace && from.mount->space() != who.space) return Errno::einval;
  if (!may_hang_in(*who.space, from.inode())) return Errno::einval;
  Ref<Mount> copy =
      TRY(copy_tree(*table, *from.mount, *from.dentry, Relation::plain, recursive, false));
  const Result<void> r = hang_up(*table, who, *copy, s);
  if (!r.ok()) drop_tree(*table, std::move(copy));
  return r;
}

namespace {

bool is_in_tree(const Mount& m, const Mount& top) {
  for (const Mount* each = &m; each != &top;) {
    const Attachment* const place = each->place();
    if (place == nullptr) return false;
    each = &place->parent;
  }
  return true;
}

/// A copy that is propagated from the place would cover the mount itself.
bool would_cover(const Mount& parent, const Mount& m, const Dentry& point) {
  const bool hears = (m.group != nullptr && m.group == parent.group) ||
                     (m.master != nullptr && m.master == parent.group);
  return parent.group != nullptr && hears && is_under(point, m.root());
}

/// The place below the mount that is seen at one: MOVE_MOUNT_BENEATH. EINVAL.
Result<Spot> spot_beneath(MountTable& table, const Asker& who, const Path& from, const Spot& top) {
  Mount& covered = *top.mount;
  const Attachment* const place = covered.place();
  if (place == nullptr || top.dentry != &covered.root()) return Errno::einval;
  if (table.find(*from.mount, *from.dentry) != nullptr) return Errno::einval;
  const Mount* const root = who.fs.root().mount.get();
  if (&covered == root || &place->parent == who.space->root.load_relaxed()) return Errno::einval;
  if (is_in_tree(*from.mount, covered)) return Errno::einval;
  if (would_cover(place->parent, covered, *place->point) ||
      (from.mount->space() == who.space && would_cover(place->parent, *from.mount, *place->point)))
    return Errno::einval;
  return Spot{&place->parent, place->point.get()};
}

}  // namespace

Result<void> move_mount(const Asker& who, const Path& from, const Path& at, Onto onto) {
  auto table = mount_table.lock();
  Spot s = topmost(*table, at);
  Mount& m = *from.mount;
  TRY(check_place(who, s));
  // Of our own, or a tree that hangs nowhere, from its top on.
  const Attachment* const place = m.place();
  MountNamespace* const space = m.space();
  if (place != nullptr ? space != who.space : space == nullptr || !space->is_detached)
    return Errno::einval;
  if (!is_mount_root(from)) return Errno::einval;
  if (m.root().inode().is_directory() != s.dentry->inode().is_directory()) return Errno::einval;
  if (place != nullptr && place->parent.group != nullptr) return Errno::einval;
  Mount* covered = nullptr;
  if (onto == Onto::beneath) {
    covered = s.mount;
    s = TRY(spot_beneath(*table, who, from, s));
  }
  if (s.mount->group != nullptr)
    for (Mount* each = &m; each != nullptr; each = MountTable::next(*each, m))
      if (each->is_unbindable) return Errno::einval;
  if (is_in_tree(*s.mount, m)) return Errno::eloop;
  for (Mount* each = &m; each != nullptr; each = MountTable::next(*each, m))
    if (!may_hang_in(*who.space, *each)) return Errno::eloop;
  return hang_up(*table, who, m, s, covered);
}

Result<void> set_group(const Asker& who, const Path& from, const Path& to) {
  auto table = mount_table.lock();
  Mount &have = *from.mount, &want = *to.mount;
  for (const Path* const p : {&from, &to})
    if (p->mount->space() == nullptr || !is_mount_root(*p)) return Errno::einval;
  for (const Mount* const m : {&have, &want})
    if (m->space() != who.space && !m->space()->is_detached) return Errno::einval;
  if (&have.super() != &want.super() || !is_under(want.root(), have.root())) return Errno::einval;
  if (want.group != nullptr || want.master != nullptr) return Errno::einval;
  if (have.group == nullptr && have.master == nullptr) return Errno::einval;
  if (have.master != nullptr) MountTable::follow(want, have.master);
  if (have.group != nullptr) MountTable::join_group(want, *have.group);
  return {};
}

Result<Ref<MountNamespace>> detached_copy(const Asker& who, const Path& from, bool recursive,
                                          Path& top) {
  Ref<MountNamespace> space = TRY(mem::make_ref<MountNamespace>(ALLOC_SITE, true));
  auto table = mount_table.lock();
  // A namespace as a file may be copied wherever it is.
  const bool is_namespace = from.inode().is_namespace();
  MountNamespace* const old = from.mount->space();
  if (!is_namespace && (old == nullptr || (old != who.space && !old->is_detached)))
    return Errno::einval;
  Ref<Mount> copy =
      TRY(copy_tree(*table, *from.mount, *from.dentry, Relation::plain, recursive, false));
  table->make_root(*space, *copy);
  top = Path(std::move(copy), from.dentry);
  return space;
}

Result<Ref<MountNamespace>> detached(Ref<Mount> m) {
  Ref<MountNamespace> space = TRY(mem::make_ref<MountNamespace>(ALLOC_SITE, true));
  mount_table.lock()->make_root(*space, *m);
  return space;
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

/// ENOMEM.
Result<void> set_propagation(Mount& top, Propagation kind, bool recursive) {
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

}  // namespace

Result<void> change_mounts(const Asker& who, const Path& at, const MountChange& change) {
  auto table = mount_table.lock();
  Mount& top = *at.mount;
  if (!is_mount_root(at) || top.space() == nullptr) return Errno::einval;
  if (top.space() != who.space && (top.place() != nullptr || !top.space()->is_detached))
    return Errno::einval;
  const auto next = [&](Mount& m) {
    return change.is_recursive ? MountTable::next(m, top) : nullptr;
  };
  const auto changed = [&](const Mount& m) { return (m.flags() & ~change.clear) | change.set; };
  // Those that nobody may write to any more, before anything else changes.
  MountWork closed;
  for (Mount* m = &top; m != nullptr; m = next(*m)) {
    if ((changed(*m) & ~m->flags() & mount_flag::read_only) == 0) continue;
    MountTable::set_flags(*m, m->flags() | mount_flag::read_only);
    closed.push_back(*m);
  }
  Result<void> r = closed.empty() ? Result<void>() : wait_for_writers(closed);
  if (r.ok() && change.propagation)
    r = set_propagation(top, *change.propagation, change.is_recursive);
  if (!r.ok())
    for (Mount& m : closed) MountTable::set_flags(m, m.flags() & ~mount_flag::read_only);
  forget(closed);
  TRY(r);
  for (Mount* m = &top; m != nullptr; m = next(*m)) MountTable::set_flags(*m, changed(*m));
  return {};
}

Result<void> change_mount(const Asker& who, const Path& at, u32 flags) {
  auto table = mount_table.lock();
  Mount& m = *at.mount;
  if (!is_mount_root(at) || m.space() != who.space) return Errno::einval;
  return set_mount_flags(m, flags);
}

Result<void> check_remount(const Asker& who, const Path& at) {
  auto table = mount_table.lock();
  if (at.mount->space() != who.space || !is_mount_root(at)) return Errno::einval;
  return {};
}

Result<void> remount(const Asker& who, const Path& at, u32 flags) {
  auto table = mount_table.lock();
  if (at.mount->space() != who.space) return Errno::einval;
  MountTable::set_flags(*at.mount, flags);
  return {};
}

Result<void> set_super_read_only(Superblock& super, bool read_only) {
  if (!read_only) {
    auto table = mount_table.lock();
    return set_super_read_only(*table, super, false);
  }
  release_pins(super);
  {
    auto table = mount_table.lock();
    TRY(set_super_read_only(*table, super, true));
  }
  // Those that came meanwhile, and found it writable.
  release_pins(super);
  return {};
}

Result<void> change_propagation(const Asker& who, const Path& at, Propagation kind,
                                bool recursive) {
  auto table = mount_table.lock();
  if (!is_mount_root(at) || at.mount->space() != who.space) return Errno::einval;
  return set_propagation(*at.mount, kind, recursive);
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
  TRY(landlock::may_change_mounts(who.cred));
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
  Mount& m = *at.mount;
  // While it is clear who ends what was done with its files.
  if (!MountTable::count(m).is_spread() && MountTable::count(m).references() == 1) release_pins(m);
  if (m.super().is_read_only()) release_pins(m.super());
  at = {};
  // What was in the file system is free when the call returns.
  wait_for_dead_mounts();
  return {};
}

u32 mount_count(MountNamespace& n) {
  auto table = mount_table.lock();
  return n.count;
}

Result<Ref<MountNamespace>> namespace_beside(const MountNamespace& n, bool is_later) {
  auto table = mount_table.lock();
  for (u64 from = n.id;;) {
    MountNamespace* best = nullptr;
    for (MountNamespace& other : table->spaces()) {
      if (other.is_detached || !(is_later ? other.id > from : other.id < from)) continue;
      if (best == nullptr || (is_later ? other.id < best->id : other.id > best->id)) best = &other;
    }
    if (best == nullptr) return Errno::enoent;
    // One that is on its way to its end counts no more.
    if (best->try_get()) return Ref<MountNamespace>::adopt(best);
    from = best->id;
  }
}

Result<Path> top_of(MountNamespace& n) {
  auto table = mount_table.lock();
  Mount* const root = n.root.load_relaxed();
  if (root == nullptr || n.is_detached) return Errno::einval;
  const Path bottom(Ref<Mount>(*root), Ref<Dentry>(root->root()));
  const Spot s = topmost(*table, bottom);
  return Path(Ref<Mount>(*s.mount), Ref<Dentry>(*s.dentry));
}

void unmount_from(Dentry& gone) {
  Detached out;
  auto table = mount_table.lock();
  MountWork work;
  for (Mount& m : table->all()) {
    const Attachment* const at = m.place();
    if (at == nullptr || m.is_chosen || !is_under(*at->point, gone)) continue;
    choose_for_unmount(*table, m, true, work);
  }
  out.take(*table, work);
}

Result<FsInfo> info_of_device(u64 device) {
  auto table = mount_table.lock();
  for (Mount& m : table->all())
    if (m.super().device() == device) return m.super().info();
  return Errno::einval;
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

constinit Atomic<u64> MountNamespace::next_id_{1};

MountNamespace::MountNamespace(bool hangs_nowhere) : is_detached(hangs_nowhere) {
  mount_table.lock()->spaces().push_back(*this);
}

void MountNamespace::destroy(MountNamespace* n) {
  {
    Detached out;
    auto table = mount_table.lock();
    table->spaces().remove(*n);
    // What hangs in other namespaces goes on hanging there: nobody unmounted anything.
    if (Mount* const top = n->root.load_relaxed()) {
      MountWork work;
      for (Mount* m = top; m != nullptr; m = MountTable::next(*m, *top)) {
        m->is_chosen = true;
        work.push_back(*m);
      }
      out.take(*table, work);
    }
  }
  mem::destroy(n);
}

}  // namespace auk::vfs
