#include "vfs/dentry.hpp"

#include <algorithm>

#include "vfs/notify.hpp"

namespace auk::vfs {
namespace {

Result<char*> copy_name(std::string_view name) {
  auto* const text = static_cast<char*>(TRY(mem::allocate(ALLOC_SITE, name.size() + 1)));
  std::copy(name.begin(), name.end(), text);
  return text;
}

}  // namespace

constinit core::Guarded<core::level::rename, RenameLockNothing, sched::SleepLock> rename_lock;

Dentry::~Dentry() {
  mem::free(name_memory_);
  (void)Ref<Dentry>::adopt(parent_.load_relaxed());
}

void Dentry::destroy(Dentry* d) {
  if (d->inode().links.load_relaxed() == 0) notify::removed(d->inode());
  // The parent goes without a grace period, so that it can end right after its last child; but not
  // if this is its last reference: a long chain would be taken apart in one recursion.
  Dentry* const parent = d->parent_.load_relaxed();
  if (parent != nullptr && parent->ref_count() > 1)
    (void)Ref<Dentry>::adopt(d->parent_.exchange_acq_rel(nullptr));
  core::rcu_call(*d);
}

Ref<Dentry> Dentry::parent() const {
  const core::RcuReader reader;
  for (;;) {
    Dentry* const p = parent_.load_acquire();
    if (p == nullptr) return {};
    // A dentry that dies is not the parent any more.
    if (p->try_get()) return Ref<Dentry>::adopt(p);
  }
}

Result<Ref<Dentry>> Dentry::create(std::string_view name, Ref<Inode> inode) {
  Ref<Dentry> d = TRY(mem::make_ref<Dentry>(ALLOC_SITE, std::move(inode)));
  d->name_memory_ = TRY(copy_name(name));
  d->name_ = {d->name_memory_, name.size()};
  return d;
}

Result<void> Dentry::set_name(std::string_view name) {
  char* old = TRY(copy_name(name));
  {
    // For who reads the name from outside: copy_of_name().
    auto c = children_.lock();
    std::swap(name_memory_, old);
    name_ = {name_memory_, name.size()};
  }
  mem::free(old);
  return {};
}

std::string_view Dentry::copy_of_name(std::span<char, name_max> to) {
  auto c = children_.lock();
  return {to.data(), name_.copy(to.data(), to.size())};
}

bool Dentry::has_children() { return !children_.lock()->by_name.empty(); }

Result<Ref<Dentry>> Dentry::child(std::string_view name) {
  auto c = children_.lock();
  const auto it = c->by_name.find(name, ByName());
  if (it == c->by_name.end()) return Errno::enoent;
  return Ref<Dentry>(*it);
}

void Dentry::link(Dentry& child) {
  if (child.stable_parent() != this)
    (void)Ref<Dentry>::adopt(child.parent_.exchange_acq_rel(Ref<Dentry>(*this).release()));
  // The tree's own reference.
  (void)Ref<Dentry>(child).release();
  auto c = children_.lock();
  child.cookie_ = c->next_cookie++;
  c->by_name.insert_equal(child);
  c->by_age.insert_equal(child);
}

void Dentry::unlink(Dentry& child) {
  {
    auto c = children_.lock();
    c->by_name.erase(c->by_name.iterator_to(child));
    c->by_age.erase(c->by_age.iterator_to(child));
  }
  // The parent stays known: a program may still stand in the directory.
  (void)Ref<Dentry>::adopt(&child);
}

namespace {
constinit Atomic<u32> next_mount_id{1};
}

Mount::Mount(Ref<Superblock> super, Ref<Dentry> root, u64 flags)
    : super_(std::move(super)),
      root_(std::move(root)),
      id_(next_mount_id.fetch_add_relaxed(1)),
      flags_(flags) {}

class MountTable {
  List<Mount, &Mount::node_> mounts_;

 public:
  constexpr MountTable() = default;
  Mount* find(const Path& at) {
    for (Mount& m : mounts_)
      if (m.parent_ == at.mount && m.covered_ == at.dentry) return &m;
    return nullptr;
  }
  bool has_child(const Mount& parent) {
    for (Mount& m : mounts_)
      if (m.parent_.get() == &parent) return true;
    return false;
  }
  void add(Mount& m, const Path& at) {
    m.parent_ = at.mount;
    m.covered_ = at.dentry;
    (void)at.dentry->mounts_.fetch_add_acq_rel(1);
    mounts_.push_back(m);
  }
  void remove(Mount& m) {
    (void)m.covered_->mounts_.fetch_sub_acq_rel(1);
    mounts_.remove(m);
  }
};

namespace {
constinit core::Guarded<core::level::mount_table, MountTable, core::SpinPreemptOff> mount_table;
}

Ref<Mount> mount_on(const Path& p) {
  if (!p.dentry->is_mountpoint()) return {};
  auto t = mount_table.lock();
  Mount* const m = t->find(p);
  return m == nullptr ? Ref<Mount>() : Ref<Mount>(*m);
}

Result<void> attach_mount(Ref<Mount> m, const Path& at) {
  auto t = mount_table.lock();
  if (t->find(at) != nullptr) return Errno::ebusy;
  t->add(*m.release(), at);
  return {};
}

Result<void> detach_mount(const Path& p) {
  Mount* const m = p.mount.get();
  if (p.dentry.get() != &m->root() || m->parent() == nullptr) return Errno::einval;
  {
    auto t = mount_table.lock();
    if (t->has_child(*m)) return Errno::ebusy;
    t->remove(*m);
  }
  (void)Ref<Mount>::adopt(m);
  return {};
}

}  // namespace auk::vfs
