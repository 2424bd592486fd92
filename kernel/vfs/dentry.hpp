// Dentries: files at their places in the tree.
//
// Data model: Dentry (counted) -> inode, directory (counted, through its name; names.hpp). A file
// system in memory holds its dentries itself: the tree of dentries is the directory. For others a
// dentry is a cache that lives as long as somebody holds it. A dentry never changes its inode.
// Life: new -> linked (has a name) -> unlinked (the name was taken away; the directory it stood in
// stays known, since a program may still stand there) -> dead; its memory goes a grace period
// later. The inode is let go at once: what a file occupied is free when its last user has gone.
// Locking: the directory's inode lock orders changes of names in it; readers use RCU.
// Context: threads.
#pragma once
#include "base/list.hpp"
#include "base/tree.hpp"
#include "vfs/inode.hpp"
#include "vfs/names.hpp"

namespace auk::vfs {

inline constexpr usize name_max = 255;
inline constexpr usize path_max = 4096;

class Dentry final : public RefCounted<Dentry>, public core::RcuHead, public Named {
  Inode* inode_ = nullptr;  ///< counted
  Atomic<u32> mounts_{0};
  i64 cookie_ = 0;
  TreeHook age_hook_;
  Atomic<bool> is_used_{false};
  friend class MemoryDirectory;

 public:
  ListNode kept_node;   ///< the lock of KeptDentries guards it
  ListNode alias_node;  ///< of a list of its inode's; the file system says which, and who guards it
  Dentry() = default;
  ~Dentry();
  /// Without a name yet. ENOMEM.
  static Result<Ref<Dentry>> create(Ref<Inode> inode);
  static Result<Ref<Dentry>> create() { return mem::make_ref<Dentry>(ALLOC_SITE); }
  /// Once, before anybody else sees the dentry.
  void set_inode(Ref<Inode> inode) { inode_ = inode.release(); }
  /// Not recursive, however deep the chain of directories that end with it is.
  static void destroy(Dentry* d);
  void retire() override { mem::destroy(this); }

  Inode& inode() const { return *inode_; }
  /// The directory it stands or stood in; null for a root. Good while it cannot move, or until the
  /// section of RCU ends.
  Dentry* directory() const {
    const Name* const n = name();
    return n == nullptr ? nullptr : static_cast<Dentry*>(&n->directory());
  }
  /// The same, held; itself for a root.
  Ref<Dentry> parent();
  /// Somebody mounted something here, in whatever namespace.
  bool is_mountpoint() const { return mounts_.load_acquire() != 0; }
  void count_mount(i32 change) {
    (void)mounts_.fetch_add_acq_rel(static_cast<u32>(change));
    (void)inode_->super().mounts_on_it.fetch_add_acq_rel(static_cast<u32>(change));
  }
  /// A walk ended here.
  void note_use() {
    if (!is_used_.load_relaxed()) is_used_.store_relaxed(true);
  }
  /// Whether that was so since it was asked last.
  bool forget_use() {
    const bool was_used = is_used_.load_relaxed();
    is_used_.store_relaxed(false);
    return was_used;
  }
  /// Of a file system in memory: the place in readdir's order.
  i64 cookie() const { return cookie_; }
};

/// The dentry under a name, if its directory has one. Under RCU.
inline Dentry* find_child(const Dentry& dir, std::string_view name) {
  return static_cast<Dentry*>(find_name(dir, name));
}
/// The same, held. Asked again by those who hold the directory's lock, it is the truth for file
/// systems in memory.
Ref<Dentry> child_of(const Dentry& dir, std::string_view name);

// With the locks of all directories concerned. `name` was made for these two.
void link_dentry(Dentry& dir, Dentry& child, mem::Box<Name> name);
void unlink_dentry(Dentry& child);
/// For a file that never had a name: it is shown as one that was removed. No lock is needed.
/// ENOMEM.
Result<Ref<Dentry>> make_lost(Dentry& dir, Ref<Inode> inode, std::string_view name);
void move_dentry(Dentry& to_dir, Dentry& child, mem::Box<Name> name, Dentry* victim);
void exchange_dentries(Dentry& a, mem::Box<Name> for_a, Dentry& b, mem::Box<Name> for_b);

/// The entries of a directory that lives in memory. They are listed from the newest to the oldest,
/// so that what is made meanwhile does not appear, however long it takes.
class MemoryDirectory {
  struct ByAge {
    bool operator()(const Dentry& a, const Dentry& b) const { return a.cookie_ < b.cookie_; }
    bool operator()(i64 a, const Dentry& b) const { return a < b.cookie_; }
    bool operator()(const Dentry& a, i64 b) const { return a.cookie_ < b; }
  };
  struct Entries {
    Tree<Dentry, &Dentry::age_hook_, ByAge> by_age;
    i64 next_cookie = 4;  ///< "." is 0, ".." 1, the newest entry 2, and behind the oldest one is 3
  };
  core::Guarded<core::level::dentry, Entries, core::SpinPreemptOff> entries_;
  Atomic<u64> count_{0};

 public:
  MemoryDirectory() = default;
  /// Holds the entry from now on.
  void add(Dentry& d);
  /// Lets it go; the caller holds it too.
  void remove(Dentry& d);
  bool is_empty() const { return count() == 0; }
  u64 count() const { return count_.load_acquire(); }
  /// Any of its entries; null when it is empty.
  Dentry* first();
  /// Every entry keeps its number for as long as it is here.
  Result<void> read(const Dentry& dir, u64& position, io::DirSink& sink);
};

}  // namespace auk::vfs
