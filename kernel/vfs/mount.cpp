#include "vfs/mount.hpp"

#include <algorithm>

#include "core/cpu_mask.hpp"
#include "mem/numbers.hpp"
#include "sched/workqueue.hpp"
#include "vfs/mount_table.hpp"
#include "vfs/mounting.hpp"
#include "vfs/pin.hpp"

namespace auk::vfs {

constinit core::Guarded<core::level::mount_ns, MountTable, sched::SleepLock> mount_table;
constinit SequenceCount mount_changes;

// --- counts ----------------------------------------------------------------------------------

Result<void> MountCount::prepare() {
  shares_ =
      static_cast<Share*>(TRY(mem::allocate(ALLOC_SITE, core::possible_cpus * sizeof(Share))));
  return {};
}

void MountCount::get() {
  const core::PreemptOff here;
  if (is_exact_.load_acquire())
    (void)exact_.fetch_add_relaxed(1);
  else
    (void)mine(here).references.fetch_add_relaxed(1);
}

bool MountCount::put() {
  const core::PreemptOff here;
  if (is_exact_.load_acquire()) return exact_.fetch_sub_acq_rel(1) == 1;
  (void)mine(here).references.fetch_sub_relaxed(1);
  return false;
}

bool MountCount::try_get() {
  const core::PreemptOff here;
  if (!is_exact_.load_acquire()) {
    (void)mine(here).references.fetch_add_relaxed(1);
    return true;
  }
  i64 have = exact_.load_relaxed();
  do {
    if (have == 0) return false;
  } while (!exact_.cas_acquire(have, have + 1));
  return true;
}

void MountCount::spread() {
  (void)exact_.fetch_add_acq_rel(bias);
  is_exact_.store_release(false);
}

void MountCount::gather_end() {
  i64 sum = 0;
  for (u32 cpu = 0; cpu < core::possible_cpus; ++cpu)
    sum += shares_[cpu].references.exchange_acq_rel(0);
  (void)exact_.fetch_add_acq_rel(sum - bias);
}

i64 MountCount::writers() const {
  i64 sum = 0;
  for (u32 cpu = 0; cpu < core::possible_cpus; ++cpu) sum += shares_[cpu].writers.load_acquire();
  return sum;
}

// --- life ------------------------------------------------------------------------------------

namespace {

/// As on Linux they are never mistaken for those of mountinfo, which are given out again.
constinit Atomic<u64> next_unique_id{first_unique_id};

/// As programs see on Linux: the lowest that is free, and 0 is nobody's.
constinit core::Guarded<core::level::mount_table, mem::Numbers, core::SpinPreemptOff>
    mount_ids(mem::Numbers::From::one), group_ids(mem::Numbers::From::one);

}  // namespace

/// Mounts that nobody uses any more, on their way to their end in a thread of its own.
class MountDeaths final : public sched::Work {
  Atomic<Mount*> first_{nullptr};

 public:
  constexpr MountDeaths() = default;
  static sched::WorkQueue& queue() {
    static constinit sched::WorkQueue q("mounts", {.unbound = true});
    return q;
  }
  void add(Mount& m) {
    Mount* seen = first_.load_relaxed();
    do {
      m.next_dead_ = seen;
    } while (!first_.cas_release(seen, &m));
    (void)queue().queue(*this);
  }
  void run() override {
    Mount* m = first_.exchange_acq_rel(nullptr);
    while (m != nullptr) {
      Mount* const dead = m;
      m = m->next_dead_;
      release_pins(*dead);
      {
        auto table = mount_table.lock();
        table->unregister_mount(*dead);
      }
      dead->give_back_number();
      dead->let_go();
      core::rcu_call(*dead);
    }
  }
};

namespace {
constinit MountDeaths deaths;
}

void wait_for_dead_mounts() { MountDeaths::queue().flush(); }

Mount::Mount(Ref<Superblock> super, Ref<Dentry> root, u32 flags)
    : super_(super.release()),
      root_(root.release()),
      unique_id_(next_unique_id.fetch_add_relaxed(1)),
      id_(0),
      flags_(flags) {}

Mount::~Mount() {
  mem::free(source_);
  give_back_number();
}

/// Of what it shows; the dentry before the file system it is in.
void Mount::let_go() {
  (void)Ref<Dentry>::adopt(root_);
  (void)Ref<Superblock>::adopt(super_);
}

void Mount::give_back_number() {
  if (const u32 id = std::exchange(id_, 0)) mount_ids.lock()->give_back(id);
}

Result<Ref<Mount>> Mount::create(Ref<Superblock> super, Ref<Dentry> root, std::string_view source,
                                 u32 flags) {
  void* const at = TRY(mem::allocate_for<Mount>(ALLOC_SITE));
  Mount* const m = ::new (at) Mount(std::move(super), std::move(root), flags);
  const auto fill = [&]() -> Result<void> {
    TRY(m->count_.prepare());
    m->source_ = static_cast<char*>(TRY(mem::allocate(ALLOC_SITE, source.size() + 1)));
    source.copy(m->source_, source.size());
    m->id_ = TRY(mount_ids.lock()->take());
    return {};
  };
  if (const Result<void> r = fill(); !r.ok()) {
    m->let_go();
    mem::destroy(m);
    return r.error();
  }
  return Ref<Mount>::adopt(m);
}

void Mount::destroy(Mount* m) { deaths.add(*m); }

// mount(2), MS_RELATIME: once a day, or if the file was changed since.
void touch_access(const Mount& mount, Inode& inode) {
  constexpr i64 day_ns = i64{24} * 60 * 60 * 1'000'000'000;
  const u32 flags = mount.flags();
  if ((flags & mount_flag::no_atime) != 0) return;
  if ((flags & mount_flag::no_dir_atime) != 0 && inode.is_directory()) return;
  if (mount.is_read_only()) return;
  const i64 now = core::real_ns();
  const i64 before = inode.atime_ns.load_relaxed();
  if ((flags & mount_flag::rel_atime) != 0 && before > inode.mtime_ns.load_relaxed() &&
      before > inode.ctime_ns.load_relaxed() && now - before < day_ns)
    return;
  if (now != before) inode.note_access(now);
}

// --- the tree --------------------------------------------------------------------------------

Mount* MountTable::find(const Mount& mount, const Dentry& point) {
  for (Attachment* a = bucket(mount, point).load_acquire(); a != nullptr;
       a = a->next_.load_acquire())
    if (&a->parent == &mount && a->point.get() == &point && a->mount.place() == a) return &a->mount;
  return nullptr;
}

Mount* find_mount(const Mount& mount, const Dentry& point) AUK_LOCK_PRIMITIVE {
  return mount_table.alone().find(mount, point);
}

namespace {

/// As many empty buckets as fit the memory, a power of two. ENOMEM.
template <class T>
Result<std::span<Atomic<T*>>> make_buckets(u64 memory_bytes, u64 bytes_per_bucket, u64 least) {
  constexpr u64 most = 4 * mib / sizeof(void*);
  const u64 count = std::clamp(std::bit_floor(memory_bytes / bytes_per_bucket), least, most);
  void* const at = TRY(mem::allocate(ALLOC_SITE, count * sizeof(void*)));
  return std::span(static_cast<Atomic<T*>*>(at), count);
}

}  // namespace

Result<void> setup_tables(u64 memory_bytes) {
  constexpr u64 per_name = 8 * kib, per_mount = 128 * kib, least_names = 1024, least_mounts = 256;
  setup_names(TRY(make_buckets<Name>(memory_bytes, per_name, least_names)));
  MountTable& t = mount_table.alone();
  const std::span<Atomic<Attachment*>> buckets =
      TRY(make_buckets<Attachment>(memory_bytes, per_mount, least_mounts));
  t.buckets_ = buckets.data();
  t.mask_ = buckets.size() - 1;
  return {};
}

void MountTable::publish(Attachment& a) {
  Atomic<Attachment*>& head = bucket(a.parent, *a.point);
  a.next_.store_relaxed(head.load_relaxed());
  head.store_release(&a);
}

void MountTable::take_out(Attachment& a) {
  Atomic<Attachment*>* at = &bucket(a.parent, *a.point);
  while (at->load_relaxed() != &a) at = &at->load_relaxed()->next_;
  at->store_release(a.next_.load_relaxed());
}

void MountTable::enter_space(Mount& m, MountNamespace& space) {
  for (Mount* each = &m; each != nullptr; each = next(*each, m)) {
    if (each->space() == &space) continue;
    if (MountNamespace* const old = each->space()) {
      // A tree that hung nowhere has a namespace of its own until it is hung up.
      if (old->root.load_relaxed() == each) old->root.store_release(nullptr);
      old->mounts.erase(old->mounts.iterator_to(*each));
      --old->count;
    }
    each->space_.store_release(&space);
    (void)space.mounts.insert_unique(*each);
    ++space.count;
  }
}

void MountTable::attach(Mount& m, mem::Box<Attachment> at) {
  Attachment* const a = at.release();
  // The tree's own reference.
  (void)Ref<Mount>(m).release();
  if (!m.all_node.is_linked()) all_.push_back(m);
  a->point->count_mount(1);
  a->parent.children.push_back(m);
  if (!m.count_.is_spread()) m.count_.spread();
  // First the place, then the chain: the moment is the second store.
  {
    const SequenceCount::Change changing(mount_changes);
    m.place_.store_release(a);
    publish(*a);
  }
  if (MountNamespace* const space = a->parent.space()) enter_space(m, *space);
}

void MountTable::make_root(MountNamespace& space, Mount& m) {
  (void)Ref<Mount>(m).release();
  if (!m.all_node.is_linked()) all_.push_back(m);
  if (!m.count_.is_spread()) m.count_.spread();
  enter_space(m, space);
  space.root.store_release(&m);
}

void MountTable::move(Mount& m, mem::Box<Attachment> at) {
  Attachment* const fresh = at.release();
  Attachment* const former = m.place();
  if (fresh != nullptr) {
    fresh->point->count_mount(1);
    publish(*fresh);
  }
  {
    const SequenceCount::Change changing(mount_changes);
    m.place_.store_release(fresh);
  }
  if (former != nullptr) {
    take_out(*former);
    former->parent.children.remove(m);
    former->point->count_mount(-1);
    core::rcu_call(*former);
  }
  if (fresh != nullptr) {
    fresh->parent.children.push_back(m);
    if (MountNamespace* const space = fresh->parent.space()) enter_space(m, *space);
  }
}

Ref<Mount> MountTable::detach(Mount& m) {
  move(m, {});
  if (MountNamespace* const space = m.space()) {
    if (space->root.load_relaxed() == &m) space->root.store_release(nullptr);
    space->mounts.erase(space->mounts.iterator_to(m));
    --space->count;
    m.space_.store_release(nullptr);
  }
  return Ref<Mount>::adopt(&m);
}

Mount* MountTable::next(Mount& m, Mount& top) {
  if (Mount* const child = m.children.front()) return child;
  return next_beside(m, top);
}

Mount* MountTable::next_beside(Mount& m, Mount& top) {
  for (Mount* at = &m; at != &top;) {
    Mount& parent = at->place()->parent;
    if (Mount* const sibling = parent.children.next(*at)) return sibling;
    at = &parent;
  }
  return nullptr;
}

void MountTable::unregister_mount(Mount& m) {
  leave_group(m);
  stop_following(m);
  if (m.all_node.is_linked()) all_.remove(m);
}

void MountTable::set_doomed(Mount& m, bool doomed) { m.doomed_.store_release(doomed); }

// --- groups ----------------------------------------------------------------------------------

Result<PeerGroup*> make_group() {
  mem::Box<PeerGroup> g = TRY(mem::Box<PeerGroup>::make(ALLOC_SITE));
  g->id = TRY(group_ids.lock()->take());
  return g.release();
}

void free_group(PeerGroup* g) {
  group_ids.lock()->give_back(g->id);
  mem::destroy(g);
}

void MountTable::join_group(Mount& m, PeerGroup& g) {
  m.group = &g;
  g.members.push_back(m);
}

void MountTable::leave_group(Mount& m) {
  PeerGroup* const g = std::exchange(m.group, nullptr);
  if (g == nullptr) return;
  g->members.remove(m);
  if (!g->members.empty()) return;
  // Those who followed it follow whom it followed.
  while (Mount* const s = g->slaves.pop_front()) {
    s->master = nullptr;
    follow(*s, m.master);
  }
  free_group(g);
}

void MountTable::follow(Mount& m, PeerGroup* master) {
  stop_following(m);
  m.master = master;
  if (master != nullptr) master->slaves.push_back(m);
}

void MountTable::stop_following(Mount& m) {
  if (PeerGroup* const g = std::exchange(m.master, nullptr)) g->slaves.remove(m);
}

}  // namespace auk::vfs
