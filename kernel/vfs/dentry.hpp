// Dentries and mounts: names, and where trees hang.
//
// Data model: Dentry (counted) -> parent (counted), inode; a directory keeps its children in order
// of names and in order of creation. A linked dentry is held by its parent: the tree in memory is
// the directory. Mount (counted) -> root dentry, and the place it covers. Path = (Mount, Dentry),
// counted. Locking: level dentry, one spin lock per directory, for its children; a rename holds the
// locks of both inodes and the rename lock, so parents and names stand still under it; others read
// the parent under RCU.
// Context: threads.
#pragma once
#include "base/list.hpp"
#include "base/tree.hpp"
#include "core/rcu.hpp"
#include "core/spin.hpp"
#include "vfs/inode.hpp"

namespace auk::vfs {

inline constexpr usize name_max = 255;
inline constexpr usize path_max = 4096;

class Dentry final : public RefCounted<Dentry>, public core::RcuHead {
 public:
  struct ByName {
    bool operator()(const Dentry& a, const Dentry& b) const { return a.name() < b.name(); }
    bool operator()(std::string_view a, const Dentry& b) const { return a < b.name(); }
    bool operator()(const Dentry& a, std::string_view b) const { return a.name() < b; }
  };
  struct ByAge {
    bool operator()(const Dentry& a, const Dentry& b) const { return a.cookie_ < b.cookie_; }
    bool operator()(i64 a, const Dentry& b) const { return a < b.cookie_; }
    bool operator()(const Dentry& a, i64 b) const { return a.cookie_ < b; }
  };

 private:
  Ref<Inode> inode_;
  Atomic<Dentry*> parent_{nullptr};  ///< counted; null for the root of a file system
  char* name_memory_ = nullptr;      ///< owned
  std::string_view name_;
  i64 cookie_ = 0;
  Atomic<u32> mounts_{0};  ///< mounts on top of it
  TreeHook name_hook_, age_hook_;
  struct Children {
    Tree<Dentry, &Dentry::name_hook_, ByName> by_name;
    Tree<Dentry, &Dentry::age_hook_, ByAge> by_age;
    i64 next_cookie = 2;  ///< behind "." and ".."
  };
  core::Guarded<core::level::dentry, Children, core::SpinPreemptOff> children_;
  friend class Mount;
  friend class MountTable;

 public:
  explicit Dentry(Ref<Inode> inode) : inode_(std::move(inode)) {}
  ~Dentry();
  static Result<Ref<Dentry>> create(std::string_view name, Ref<Inode> inode);
  /// Freed a grace period later: walks look at parents without a lock.
  static void destroy(Dentry* d);
  void retire() override { mem::destroy(this); }

  Inode& inode() const { return *inode_; }
  /// Null for a root.
  Ref<Dentry> parent() const;
  /// The rename lock is held.
  Dentry* stable_parent() const { return parent_.load_acquire(); }
  std::string_view name() const { return name_; }
  /// For who holds nothing that keeps the name still.
  std::string_view copy_of_name(std::span<char, name_max> to);
  bool is_mountpoint() const { return mounts_.load_acquire() != 0; }
  bool is_linked() const { return name_hook_.is_linked(); }
  bool has_children();
  Result<Ref<Dentry>> child(std::string_view name);
  /// The directory's inode lock is held for these three.
  void link(Dentry& child);
  void unlink(Dentry& child);
  /// Gives the child, which is not linked, another name. ENOMEM.
  Result<void> set_name(std::string_view name);
  /// Calls f(Dentry&, cookie) for children from a cookie on, until it returns false. f may not
  /// sleep.
  template <class F> void each_child(i64 from, F f) {
    auto c = children_.lock();
    for (auto it = c->by_age.lower_bound(from, ByAge()); it != c->by_age.end(); ++it)
      if (!f(*it, it->cookie_)) return;
  }
};

struct RenameLockNothing {};
/// Serialises renames: nothing moves while it is held, so no loop can arise and names stay.
extern core::Guarded<core::level::rename, RenameLockNothing, sched::SleepLock> rename_lock;

class Mount final : public RefCounted<Mount> {
  Ref<Superblock> super_;
  Ref<Dentry> root_;
  Ref<Mount> parent_;
  Ref<Dentry> covered_;
  u32 id_;
  u64 flags_;
  ListNode node_;
  friend class MountTable;

 public:
  Mount(Ref<Superblock> super, Ref<Dentry> root, u64 flags);
  static void destroy(Mount* m) { mem::destroy(m); }
  Superblock& super() const { return *super_; }
  Dentry& root() const { return *root_; }
  Mount* parent() const { return parent_.get(); }
  Dentry* covered() const { return covered_.get(); }
  u32 id() const { return id_; }
  u64 flags() const { return flags_; }
};

class Path {
 public:
  Ref<Mount> mount;
  Ref<Dentry> dentry;
  Path() = default;
  Path(Ref<Mount> m, Ref<Dentry> d) : mount(std::move(m)), dentry(std::move(d)) {}
  bool operator==(const Path&) const = default;
  Inode& inode() const { return dentry->inode(); }
};

/// The mount on top of a path, if there is one.
Ref<Mount> mount_on(const Path& p);
/// EBUSY: something is mounted there by the same root.
Result<void> attach_mount(Ref<Mount> m, const Path& at);
Result<void> detach_mount(const Path& p);

}  // namespace auk::vfs
