#include "vfs/kept.hpp"

#include <algorithm>

#include "sched/wait.hpp"

namespace auk::vfs {

class KeptLists {
  List<KeptDentries, &KeptDentries::node_> lists_;

 public:
  constexpr KeptLists() = default;
  void add(KeptDentries& k) { lists_.push_back(k); }
  void remove(KeptDentries& k) { lists_.remove(k); }
  /// The next one that takes its turn: it stays until its shrinker has gone. Null: there is none.
  KeptDentries* next() {
    KeptDentries* const k = lists_.pop_front();
    if (k == nullptr) return nullptr;
    lists_.push_back(*k);
    (void)k->shrinkers_.fetch_add_relaxed(1);
    return k;
  }
  u64 count() {
    u64 n = 0;
    for ([[maybe_unused]] const KeptDentries& k : lists_) ++n;
    return n;
  }
  u64 dentries() {
    u64 n = 0;
    for (KeptDentries& k : lists_) n += k.content_.lock()->count;
    return n;
  }
  static u64 shrink(KeptDentries& k, u64 wanted);
};

namespace {
constinit core::Guarded<core::level::kept_lists, KeptLists, core::SpinPreemptOff> kept_lists;
constinit sched::WaitQueue shrinker_left;
}  // namespace

u64 KeptLists::shrink(KeptDentries& k, u64 wanted) {
  const u64 dropped = k.shrink(wanted);
  // Behind this the list may be gone.
  if (k.shrinkers_.fetch_add_seq_cst(~u32{0}) == 1) shrinker_left.wake_all();
  return dropped;
}

KeptDentries::KeptDentries() { kept_lists.lock()->add(*this); }

KeptDentries::~KeptDentries() {
  kept_lists.lock()->remove(*this);
  (void)sched::wait(shrinker_left, [&] { return shrinkers_.load_seq_cst() == 0; });
  for (;;) {
    Ref<Dentry> d;
    {
      auto c = content_.lock();
      if (Dentry* const first = c->by_age.pop_front()) d = Ref<Dentry>::adopt(first);
    }
    if (!d) return;
  }
}

void KeptDentries::keep(Dentry& d) {
  auto c = content_.lock();
  c->by_age.push_back(*Ref<Dentry>(d).release());
  ++c->count;
}

void KeptDentries::forget(Dentry& d) {
  auto c = content_.lock();
  if (!d.kept_node.is_linked()) return;
  c->by_age.remove(d);
  --c->count;
  // Not the last one.
  (void)d.drop();
}

/// Nobody but the list has it or its inode: a watch holds that alone.
bool KeptDentries::is_unused(const Dentry& d) {
  return d.ref_count() == 1 && d.inode().ref_count() == 1;
}

/// `looks`: how many more dentries may be looked at.
Ref<Dentry> KeptDentries::take_oldest(u64& looks) {
  auto c = content_.lock();
  // Each twice, since a use counts once.
  looks = std::min(looks, 2 * c->count);
  constexpr u32 most_at_once = 64;
  for (u32 n = 0; n < most_at_once && looks > 0; ++n, --looks) {
    Dentry* const d = c->by_age.pop_front();
    if (!d->forget_use() && is_unused(*d)) {
      --c->count;
      return Ref<Dentry>::adopt(d);
    }
    c->by_age.push_back(*d);
  }
  return {};
}

u64 KeptDentries::shrink(u64 wanted) {
  u64 dropped = 0;
  for (u64 looks = ~u64{0}; dropped < wanted && looks > 0;)
    if (take_oldest(looks)) ++dropped;
  return dropped;
}

u64 shrink_kept_dentries(u64 wanted) {
  u64 dropped = 0;
  const u64 lists = kept_lists.lock()->count();
  for (u64 i = 0; i < lists && dropped < wanted; ++i) {
    KeptDentries* const k = kept_lists.lock()->next();
    if (k == nullptr) break;
    dropped += KeptLists::shrink(*k, wanted - dropped);
  }
  return dropped;
}

u64 kept_dentry_pages() {
  constexpr u64 usual_name = 16;
  constexpr u64 each = sizeof(Dentry) + sizeof(Inode) + sizeof(Name) + usual_name;
  return kept_lists.lock()->dentries() * each / page_size;
}

Result<void> Superblock::keep_dentries() {
  kept_ = TRY(mem::Box<KeptDentries>::make(ALLOC_SITE)).release();
  return {};
}

}  // namespace auk::vfs
