// The trees of mounts, for those who change them.
//
// Data model and locking: mount.hpp. Whoever holds the lock has the MountTable; its functions are
// the only ones that change where a mount hangs. Several changes that belong together (a copied
// tree, a propagated mount) are made under one hold of the lock.
// Context: threads.
#pragma once
#include "vfs/fs_context.hpp"

namespace auk::vfs {

class MountTable {
  Atomic<Attachment*>* buckets_ = nullptr;
  u64 mask_ = 0;
  List<Mount, &Mount::all_node> all_;
  List<MountNamespace, &MountNamespace::all_node> spaces_;
  friend Mount* find_mount(const Mount& mount, const Dentry& point);
  friend Result<void> setup_tables(u64 memory_bytes);

  Atomic<Attachment*>& bucket(const Mount& m, const Dentry& d) {
    return buckets_[((reinterpret_cast<uptr>(&m) >> 6) * 0x9e3779b97f4a7c15 +
                     (reinterpret_cast<uptr>(&d) >> 5)) >>
                        20 &
                    mask_];
  }
  void publish(Attachment& a);
  void take_out(Attachment& a);

 public:
  constexpr MountTable() = default;

  List<Mount, &Mount::all_node>& all() { return all_; }
  List<MountNamespace, &MountNamespace::all_node>& spaces() { return spaces_; }
  /// What hangs on this dentry of this mount; null if nothing does.
  Mount* find(const Mount& mount, const Dentry& point);
  /// Puts a mount that hangs nowhere into the tree of its new parent, and holds it from now on. The
  /// attachment was made for the two.
  void attach(Mount& m, mem::Box<Attachment> at);
  /// Makes a mount the root of an empty namespace; the namespace holds it.
  void make_root(MountNamespace& space, Mount& m);
  /// Moves a mount, with what hangs below it, to another place or (without one) to the root.
  void move(Mount& m, mem::Box<Attachment> at);
  /// Takes a mount without children out of its tree. The tree's reference is the caller's now.
  Ref<Mount> detach(Mount& m);
  /// Enters a mount and all below it into a namespace.
  void enter_space(Mount& m, MountNamespace& space);
  /// The next one in the tree below `top`, in the order parent before children; null at the end.
  static Mount* next(Mount& m, Mount& top);
  /// The same without what hangs below `m`.
  static Mount* next_beside(Mount& m, Mount& top);
  /// A mount that nobody uses leaves its groups.
  void unregister_mount(Mount& m);
  static void set_doomed(Mount& m, bool doomed);
  static void set_flags(Mount& m, u32 flags) { m.flags_.store_release(flags); }
  static MountCount& count(Mount& m) { return m.count_; }
  /// Marks it as not used; whether it was marked already.
  static bool mark_idle(Mount& m) { return m.idle_.exchange_acq_rel(true); }

  // Propagation: see mount_namespaces(7).
  static void join_group(Mount& m, PeerGroup& g);
  static void leave_group(Mount& m);
  static void follow(Mount& m, PeerGroup* master);
  static void stop_following(Mount& m);
};

/// A group without members. ENOMEM.
Result<PeerGroup*> make_group();
void free_group(PeerGroup* g);

/// How a copy of a mount is related to it.
enum class Relation : u8 {
  plain,  ///< peer of a shared one, slave of the same master
  slave,
  shared_slave,  ///< in a group of its own
};
/// A copy of a mount and, with `recursive`, of what hangs below `root`, in no namespace. The twin
/// of each mount that was copied is set. EINVAL for unbindable ones; with `unbindable_too` (another
/// namespace, or wherever it is propagated to) for namespaces of mounts instead.
Result<Ref<Mount>> copy_tree(MountTable& table, Mount& top, Dentry& root, Relation relation,
                             bool recursive, bool unbindable_too);
/// Takes a tree apart that never was in a namespace.
void drop_tree(MountTable& table, Ref<Mount> top);
/// Hangs a tree up, wherever it was before, and its copies wherever the place is propagated to.
/// `covered`: what hangs at the place already, and comes to hang on top of the tree. ENOSPC,
/// ENOMEM.
Result<void> attach_tree(MountTable& table, Mount& source, const Spot& at, MountNamespace& space,
                         Mount* covered = nullptr);
/// Marks (is_chosen) and lists a tree, or one mount, and what goes with it elsewhere; parents come
/// before children.
void choose_for_unmount(MountTable& table, Mount& top, bool recursive, MountWork& out);
/// A dentry lies in or below another.
bool is_under(const Dentry& d, const Dentry& above);

extern core::Guarded<core::level::mount_ns, MountTable, sched::SleepLock> mount_table;

}  // namespace auk::vfs
