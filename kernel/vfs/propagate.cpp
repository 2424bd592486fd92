// Propagation: what is mounted or unmounted in one place of a shared tree is so in all. See
// mount_namespaces(7).
//
// Data model: peer groups and their slaves form a forest (a group follows at most one other). An
// operation visits the mount's own group, then group by group those that follow it, so that the
// copy for a group exists before those for its slaves are made from it.
// Locking: level mount_ns held throughout.
#include <algorithm>

#include "core/sysctl.hpp"
#include "vfs/mount_table.hpp"

namespace auk::vfs {
namespace {

using Groups = List<PeerGroup, &PeerGroup::work_node>;

/// The mounts that hear of what happens on one mount, itself excepted.
class Hearers {
  Groups groups_;

  void visit(PeerGroup& g, PeerGroup* from) {
    if (std::exchange(g.is_visited, true)) return;
    g.from = from;
    g.copy = nullptr;
    groups_.push_back(g);
  }

 public:
  Hearers() = default;
  Hearers(const Hearers&) = delete;
  Hearers& operator=(const Hearers&) = delete;
  ~Hearers() {
    while (PeerGroup* const g = groups_.pop_front()) g->is_visited = false;
  }
  /// Calls f(Mount&, PeerGroup* whose follower it is) until that fails.
  template <class F> Result<void> each(Mount& m, Mount* source, F f) {
    if (m.group == nullptr) return {};
    visit(*m.group, nullptr);
    m.group->copy = source;
    for (PeerGroup* g = groups_.front(); g != nullptr; g = groups_.next(*g)) {
      for (Mount& member : g->members)
        if (&member != &m) TRY(f(member, g->from));
      for (Mount& s : g->slaves) {
        if (s.group != nullptr)
          visit(*s.group, g);
        else
          TRY(f(s, g));
      }
    }
    return {};
  }
};

Result<Ref<Mount>> clone(Mount& m, Dentry& root, Relation relation) {
  PeerGroup* own = relation == Relation::shared_slave ? TRY(make_group()) : nullptr;
  Result<Ref<Mount>> made = Mount::create(Ref<Superblock>(m.super()), Ref<Dentry>(root), m.source(),
                                          m.flags() & mount_flag::all);
  if (!made.ok()) {
    if (own != nullptr) free_group(own);
    return made.error();
  }
  Ref<Mount> c = made.take();
  if (relation == Relation::plain) {
    if (m.group != nullptr) MountTable::join_group(*c, *m.group);
    MountTable::follow(*c, m.master);
  } else {
    MountTable::follow(*c, m.group);
    if (own != nullptr) MountTable::join_group(*c, *own);
  }
  c->is_unbindable = m.is_unbindable && relation == Relation::plain;
  return c;
}

/// The copy that those who follow a group copy from.
Mount& template_for(const PeerGroup* g) {
  while (g->copy == nullptr) g = g->from;
  return *g->copy;
}

struct Planned {
  Ref<Mount> copy;
  mem::Box<Attachment> at;
  mem::Box<Attachment> cover;  ///< for what hangs there already: it comes to lie on top
  Planned* next = nullptr;
};

/// The copies of a tree, made before anything is hung up.
class Plan {
  Planned* first_ = nullptr;
  MountTable& table_;

 public:
  explicit Plan(MountTable& t) : table_(t) {}
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    while (Planned* const p = first_) {
      first_ = p->next;
      if (p->copy) drop_tree(table_, std::move(p->copy));
      mem::destroy(p);
    }
  }
  Result<void> add(Mount& to, PeerGroup* from, Dentry& point) {
    const bool is_peer = to.group != nullptr && to.group->copy != nullptr;
    Mount& original = is_peer ? *to.group->copy : template_for(from);
    const Relation relation = is_peer               ? Relation::plain
                              : to.group != nullptr ? Relation::shared_slave
                                                    : Relation::slave;
    mem::Box<Planned> p = TRY(mem::Box<Planned>::make(ALLOC_SITE));
    p->copy = TRY(copy_tree(table_, original, original.root(), relation, true, true));
    Result<mem::Box<Attachment>> at =
        mem::Box<Attachment>::make(ALLOC_SITE, to, Ref<Dentry>(point), *p->copy);
    if (!at.ok()) {
      drop_tree(table_, std::move(p->copy));
      return at.error();
    }
    p->at = at.take();
    if (Mount* const covered = table_.find(to, point)) {
      Result<mem::Box<Attachment>> cover =
          mem::Box<Attachment>::make(ALLOC_SITE, *p->copy, Ref<Dentry>(p->copy->root()), *covered);
      if (!cover.ok()) {
        drop_tree(table_, std::move(p->copy));
        return cover.error();
      }
      p->cover = cover.take();
    }
    if (to.group != nullptr && to.group->copy == nullptr) to.group->copy = p->copy.get();
    p->next = first_;
    first_ = p.release();
    return {};
  }
  void commit() {
    for (Planned* p = first_; p != nullptr; p = p->next) {
      if (p->cover) {
        Mount& covered = p->cover->mount;
        table_.move(covered, std::move(p->cover));
      }
      table_.attach(*p->copy, std::move(p->at));
      p->copy = {};
    }
  }
};

u32 size_of(Mount& top) {
  u32 n = 0;
  for (Mount* m = &top; m != nullptr; m = MountTable::next(*m, top)) ++n;
  return n;
}

}  // namespace

bool is_under(const Dentry& d, const Dentry& above) {
  const core::RcuReader reader;
  for (const Dentry* at = &d; at != nullptr; at = at->directory())
    if (at == &above) return true;
  return false;
}

void drop_tree(MountTable& table, Ref<Mount> top) {
  // Leaves first. Nobody else ever saw them, so no grace period is needed to count.
  for (Mount* m = top.get(); m != nullptr;) {
    if (Mount* const child = m->children.front()) {
      m = child;
      continue;
    }
    if (m == top.get()) break;
    Mount* const parent = &m->place()->parent;
    MountTable::count(*m).gather_begin();
    MountTable::count(*m).gather_end();
    const Ref<Mount> gone = table.detach(*m);
    m = parent;
  }
}

Result<Ref<Mount>> copy_tree(MountTable& table, Mount& top, Dentry& root, Relation relation,
                             bool recursive, bool unbindable_too) {
  // Namespaces of mounts are copied only for whom they are younger than, which is asked before.
  const auto stays = [&](const Mount& m, const Dentry& from) {
    return unbindable_too ? from.inode().space_behind() != nullptr : m.is_unbindable;
  };
  if (stays(top, root)) return Errno::einval;
  Ref<Mount> result = TRY(clone(top, root, relation));
  top.twin = result.get();
  if (!recursive) return result;
  const auto copy_one = [&](Mount& m) -> Result<void> {
    const Attachment& at = *m.place();
    Ref<Mount> c = TRY(clone(m, m.root(), relation));
    m.twin = c.get();
    table.attach(*c, TRY(mem::Box<Attachment>::make(ALLOC_SITE, *at.parent.twin, at.point, *c)));
    return {};
  };
  for (Mount* m = MountTable::next(top, top); m != nullptr;) {
    const Attachment& at = *m->place();
    const bool is_hidden = &at.parent == &top && !is_under(*at.point, root);
    if (is_hidden || stays(*m, m->root())) {
      m = MountTable::next_beside(*m, top);
      continue;
    }
    if (const Result<void> r = copy_one(*m); !r.ok()) {
      drop_tree(table, std::move(result));
      return r.error();
    }
    m = MountTable::next(*m, top);
  }
  return result;
}

constinit Atomic<i64> MountNamespace::most_mounts{100'000};

namespace {
constinit core::NumberSysctl most_mounts_variable("fs/mount-max", MountNamespace::most_mounts, 1,
                                                  0x7fffffff);
SYSCTL(most_mounts_variable);
}  // namespace

Result<void> attach_tree(MountTable& table, Mount& source, const Spot& at, MountNamespace& space,
                         Mount* covered) {
  mem::Box<Attachment> place =
      TRY(mem::Box<Attachment>::make(ALLOC_SITE, *at.mount, Ref<Dentry>(*at.dentry), source));
  mem::Box<Attachment> cover;
  if (covered != nullptr)
    cover =
        TRY(mem::Box<Attachment>::make(ALLOC_SITE, source, Ref<Dentry>(source.root()), *covered));
  const u32 size = size_of(source);
  if (source.space() != &space &&
      i64{space.count} + size > MountNamespace::most_mounts.load_relaxed())
    return Errno::enospc;
  Plan plan(table);
  if (at.mount->group != nullptr) {
    for (Mount* m = &source; m != nullptr; m = MountTable::next(*m, source))
      if (m->group == nullptr) MountTable::join_group(*m, *TRY(make_group()));
    Hearers hearers;
    TRY(hearers.each(*at.mount, &source, [&](Mount& to, PeerGroup* from) -> Result<void> {
      // What hangs nowhere hears nothing.
      if (to.space() == nullptr || to.space()->is_detached || !is_under(*at.dentry, to.root()))
        return {};
      if (i64{to.space()->count} + size > MountNamespace::most_mounts.load_relaxed())
        return Errno::enospc;
      return plan.add(to, from, *at.dentry);
    }));
  }
  if (covered != nullptr) table.move(*covered, std::move(cover));
  if (source.space() != nullptr)
    table.move(source, std::move(place));
  else
    table.attach(source, std::move(place));
  plan.commit();
  return {};
}

void choose_for_unmount(MountTable& table, Mount& top, bool recursive, MountWork& out) {
  for (Mount* m = &top; m != nullptr; m = recursive ? MountTable::next(*m, top) : nullptr) {
    m->is_chosen = true;
    out.push_back(*m);
  }
  // From the leaves, so that a copy elsewhere has lost its children when its turn comes.
  MountWork own;
  while (Mount* const m = out.pop_front()) own.push_front(*m);
  while (Mount* const m = own.pop_front()) {
    out.push_front(*m);
    const Attachment* const at = m->place();
    if (at == nullptr) continue;
    Hearers hearers;
    (void)hearers.each(at->parent, nullptr, [&](Mount& to, PeerGroup*) -> Result<void> {
      Mount* const copy = table.find(to, *at->point);
      if (copy == nullptr || copy->is_chosen || &copy->root() != &m->root()) return {};
      for (Mount& child : copy->children)
        if (!child.is_chosen) return {};
      copy->is_chosen = true;
      out.push_front(*copy);
      return {};
    });
  }
}

}  // namespace auk::vfs
