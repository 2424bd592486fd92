#include "vfs/anchor.hpp"

#include "sched/wait.hpp"
#include "vfs/dentry.hpp"

namespace auk::vfs {

class Anchors {
 public:
  /// What an anchor held, on its way to be let go without the lock; the dentry goes first.
  struct Held {
    Ref<Inode> inode;
    Ref<Dentry> dentry;
  };

  constexpr Anchors() = default;
  static Ref<Anchor> enter(Ref<Anchor>& fresh, Dentry& d);
  static Superblock* leave(Anchor& a, Held& out);
  static bool take_first(Superblock& s, Held& out);
  static Ref<Dentry> take_dentry(Dentry& d);

 private:
  static void take(Anchor& a, Held& out);
};

namespace {
constinit core::Guarded<core::level::anchors, Anchors, core::SpinPreemptOff> anchors;
constinit sched::WaitQueue anchor_left;
}  // namespace

Anchor::Anchor() = default;
Anchor::~Anchor() = default;

/// The anchor of the inode behind `d`: the one that is there, else `fresh`, which is it then.
Ref<Anchor> Anchors::enter(Ref<Anchor>& fresh, Dentry& d) {
  Inode& inode = d.inode();
  Anchor* const there = inode.anchor.load_relaxed();
  const bool is_new = there == nullptr || !there->try_get();
  Ref<Anchor> a = is_new ? std::move(fresh) : Ref<Anchor>::adopt(there);
  if (is_new) {
    a->inode_ = Ref<Inode>(inode);
    inode.super().anchors.push_back(*a);
    inode.anchor.store_seq_cst(a.get());
  }
  // Whoever takes the name away looks for an anchor afterwards, so one of the two sees the other.
  if (!a->dentry_ && !d.lost_name()) a->dentry_ = Ref<Dentry>(d);
  return a;
}

void Anchors::take(Anchor& a, Held& out) {
  Inode& i = *a.inode_;
  // A younger one may have taken the place of one that is about to end.
  if (i.anchor.load_relaxed() == &a) i.anchor.store_seq_cst(nullptr);
  AnchorList::remove(a);
  out.inode = std::move(a.inode_);
  out.dentry = std::move(a.dentry_);
}

/// Null if the file system has let it go already. Otherwise that waits until `out` is let go.
Superblock* Anchors::leave(Anchor& a, Held& out) {
  if (!a.inode_) return nullptr;
  Superblock* const super = &a.inode_->super();
  (void)super->anchors_leaving.fetch_add_relaxed(1);
  take(a, out);
  return super;
}

bool Anchors::take_first(Superblock& s, Held& out) {
  Anchor* const a = s.anchors.front();
  if (a != nullptr) take(*a, out);
  return a != nullptr;
}

Ref<Dentry> Anchors::take_dentry(Dentry& d) {
  Anchor* const a = d.inode().anchor.load_relaxed();
  return a != nullptr && a->dentry_.get() == &d ? std::move(a->dentry_) : Ref<Dentry>();
}

Result<Ref<Anchor>> Anchor::of(Dentry& d) {
  Ref<Anchor> fresh = TRY(mem::make_ref<Anchor>(ALLOC_SITE));
  auto all = anchors.lock();
  return all->enter(fresh, d);
}

void Anchor::destroy(Anchor* a) {
  Superblock* super = nullptr;
  {
    Anchors::Held gone;
    auto all = anchors.lock();
    super = all->leave(*a, gone);
  }
  mem::destroy(a);
  // Behind this the file system may be gone.
  if (super != nullptr && super->anchors_leaving.fetch_add_seq_cst(~u32{0}) == 1)
    anchor_left.wake_all();
}

void release_anchors(Superblock& s) {
  for (bool any = true; any;) {
    Anchors::Held gone;
    auto all = anchors.lock();
    any = all->take_first(s, gone);
  }
  const auto is_quiet = [&] { return s.anchors_leaving.load_seq_cst() == 0; };
  if (!is_quiet()) (void)sched::wait(anchor_left, is_quiet);
}

void drop_anchored_name(Dentry& d) {
  Ref<Dentry> gone;
  auto all = anchors.lock();
  gone = all->take_dentry(d);
}

}  // namespace auk::vfs
