#include "vfs/fs_context.hpp"

namespace auk::vfs {
namespace {

using Contexts = List<FsContext, &FsContext::all_node>;
constinit core::Guarded<core::level::fs_contexts, Contexts, core::SpinPreemptOff> all_contexts;

}  // namespace

void FsContext::retire(Places* old) {
  for (const Spot& s : {old->root, old->cwd}) {
    (void)Ref<Dentry>::adopt(s.dentry);
    (void)Ref<Mount>::adopt(s.mount);
  }
  core::rcu_call(*old);
}

FsContext::~FsContext() {
  if (Places* const p = places_.load_relaxed()) retire(p);
}

Result<Ref<FsContext>> FsContext::create(Path root, Path cwd) {
  Ref<FsContext> f = TRY(mem::make_ref<FsContext>(ALLOC_SITE));
  mem::Box<Places> places = TRY(mem::Box<Places>::make(ALLOC_SITE));
  places->root = hold(std::move(root));
  places->cwd = hold(std::move(cwd));
  f->places_.store_release(places.release());
  all_contexts.lock()->push_back(*f);
  return f;
}

void FsContext::destroy(FsContext* f) {
  {
    auto all = all_contexts.lock();
    if (f->all_node.is_linked()) all->remove(*f);
  }
  mem::destroy(f);
}

Result<Ref<FsContext>> FsContext::copy() {
  Ref<FsContext> twin = TRY(create(root(), cwd()));
  twin->umask_.store_relaxed(umask());
  return twin;
}

u32 FsContext::set_umask(u32 m) { return umask_.exchange_acq_rel(m & 0777); }

Result<void> FsContext::set(Path* root, Path* cwd) {
  mem::Box<Places> fresh = TRY(mem::Box<Places>::make(ALLOC_SITE));
  Places* old = nullptr;
  {
    auto still = lock_.lock();
    old = places_.load_relaxed();
    fresh->root = hold(root != nullptr ? std::move(*root) : held(old->root));
    fresh->cwd = hold(cwd != nullptr ? std::move(*cwd) : held(old->cwd));
    places_.store_release(fresh.release());
  }
  retire(old);
  return {};
}

Result<void> FsContext::move_all(const Path& from, const Path& to) {
  const Spot wanted = spot_of(from);
  for (;;) {
    // One context a round, because room for its places is made without the lock.
    mem::Box<Places> fresh = TRY(mem::Box<Places>::make(ALLOC_SITE));
    Places* old = nullptr;
    {
      auto all = all_contexts.lock();
      for (FsContext& f : *all) {
        auto still = f.lock_.lock();
        Places* const p = f.places_.load_relaxed();
        if (p->root != wanted && p->cwd != wanted) continue;
        fresh->root = hold(p->root == wanted ? to : held(p->root));
        fresh->cwd = hold(p->cwd == wanted ? to : held(p->cwd));
        f.places_.store_release(fresh.release());
        old = p;
        break;
      }
    }
    if (old == nullptr) return {};
    retire(old);
  }
}

}  // namespace auk::vfs
