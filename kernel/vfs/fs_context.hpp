// FsContext: where a process's paths start: root, working directory, umask. Shared by CLONE_FS.
//
// Data model: root and working directory are one immutable object that walks read under RCU and
// that is replaced as a whole. What it held is let go at once, its memory a grace period later: a
// walk that still reads it gets objects that may be dead, and sees that when it wants to keep one.
// All contexts are on one list, for pivot_root(2).
// Locking: level fs_context, per context, for writers. Context: threads.
#pragma once
#include "vfs/mount.hpp"

namespace auk::vfs {

/// A mount and a dentry that nobody holds for the reader; good until the section of RCU ends.
struct Spot {
  Mount* mount = nullptr;
  Dentry* dentry = nullptr;
  bool operator==(const Spot&) const = default;
};
inline Spot spot_of(const Path& p) { return {p.mount.get(), p.dentry.get()}; }

class FsContext final : public RefCounted<FsContext> {
 public:
  struct Places final : core::RcuHead {
    Spot root, cwd;  ///< counted until the object is replaced
    Places() = default;
    ~Places() = default;
    void retire() override { mem::destroy(this); }
  };

 private:
  Atomic<Places*> places_{nullptr};
  Atomic<u32> umask_{022};
  struct Nothing {};
  core::Guarded<core::level::fs_context, Nothing, core::SpinPreemptOff> lock_;

  static Spot hold(Path p) { return {p.mount.release(), p.dentry.release()}; }
  static Path held(const Spot& s) { return {Ref<Mount>(*s.mount), Ref<Dentry>(*s.dentry)}; }
  static void retire(Places* old);
  Result<void> set(Path* root, Path* cwd);

 public:
  ListNode all_node;

  FsContext() = default;
  ~FsContext();
  /// ENOMEM.
  static Result<Ref<FsContext>> create(Path root, Path cwd);
  static void destroy(FsContext* f);
  Result<Ref<FsContext>> copy();
  const Places& places(const core::RcuReader&) const { return *places_.load_acquire(); }
  // Nobody lets go of the places while the lock is held.
  Path root() {
    auto still = lock_.lock();
    return held(places_.load_relaxed()->root);
  }
  Path cwd() {
    auto still = lock_.lock();
    return held(places_.load_relaxed()->cwd);
  }
  u32 umask() const { return umask_.load_relaxed(); }
  u32 set_umask(u32 m);
  /// ENOMEM.
  Result<void> set_root(Path p) { return set(&p, nullptr); }
  Result<void> set_cwd(Path p) { return set(nullptr, &p); }
  Result<void> set_both(Path root, Path cwd) { return set(&root, &cwd); }
  /// Every context that stands at `from`, with its root or working directory, stands at `to`
  /// afterwards. ENOMEM.
  static Result<void> move_all(const Path& from, const Path& to);
};

}  // namespace auk::vfs
