// Mounts: where trees hang. See mount_namespaces(7).
//
// Data model: Mount (counted) -> superblock, and the dentry of it that is the mount's root. A mount
// in a namespace hangs by its Attachment, an immutable triple (parent mount, dentry, mount), in the
// bucket of a hash; the root of a namespace has none. Path = (Mount, Dentry), counted.
//
// Walks cross mounts under RCU without a lock: an attachment that is found counts only if it is the
// mount's current one, so moving a mount is one store, as with names (names.hpp). The sequence
// count of the namespace tells those who compare several places that nothing moved meanwhile.
//
// Counting: while a mount is in a tree, references are counted per CPU and never looked at. To
// unmount, the mount is marked doomed and its count is made exact: references go to one word from
// now on; a grace period later no CPU is inside an operation on its own share, and the shares are
// added up. A walk takes its reference and looks at the mark inside one section of RCU, so it was
// either counted or has seen the mark; then it waits for the lock of the tree and starts anew.
// Writers (files open for writing, calls that change something) are counted in the same way for
// remounting read-only.
//
// Locking: level mount_ns: one lock for the trees of all namespaces, since propagation joins them.
// Context: threads; find_mount() and try_get() under RCU.
#pragma once
#include "base/list.hpp"
#include "base/tree.hpp"
#include "vfs/dentry.hpp"

namespace auk::vfs {

class Mount;
class MountNamespace;

inline constexpr u64 first_unique_id = (u64{1} << 31) + 1;

class MountCount {
  static constexpr i64 bias = i64{1} << 40;
  struct Share {
    Atomic<i64> references, writers;
    std::array<u64, 6> other_lines{};
  };
  Share* shares_ = nullptr;  ///< owned, one for each CPU
  Atomic<i64> exact_{1};
  Atomic<bool> is_exact_{true};

  Share& mine(const core::Pinned&) { return shares_[core::this_cpu().value]; }

 public:
  MountCount() = default;
  ~MountCount() { mem::free(shares_); }
  /// ENOMEM.
  Result<void> prepare();
  void get();
  bool put();
  /// Under RCU.
  bool try_get();
  /// Counts per CPU from now on. Somebody holds a reference until gather_end().
  void spread();
  /// A grace period lies between the two.
  void gather_begin() { is_exact_.store_release(true); }
  void gather_end();
  i64 references() const { return exact_.load_acquire(); }
  bool is_spread() const { return !is_exact_.load_acquire(); }
  /// True until the mount is read-only or about to be.
  template <class F> bool begin_write(F is_writable) {
    const core::PreemptOff here;
    (void)mine(here).writers.fetch_add_relaxed(1);
    if (is_writable()) return true;
    (void)mine(here).writers.fetch_sub_relaxed(1);
    return false;
  }
  void end_write() {
    const core::PreemptOff here;
    (void)mine(here).writers.fetch_sub_relaxed(1);
  }
  i64 writers() const;
};

/// What mount(2) can ask of one mount; the numbers are the MS_ ones.
namespace mount_flag {
inline constexpr u32 read_only = 1, no_suid = 2, no_dev = 4, no_exec = 8, no_symlinks = 256,
                     no_atime = 1024, no_dir_atime = 2048, rel_atime = 1 << 21;
/// The kernel's own, of files that have no place in any tree; a copy of it is not.
inline constexpr u32 internal = 1 << 22;
inline constexpr u32 all =
    read_only | no_suid | no_dev | no_exec | no_symlinks | no_atime | no_dir_atime | rel_atime;
}  // namespace mount_flag

class Attachment final : public core::RcuHead {
  friend class MountTable;
  Atomic<Attachment*> next_{nullptr};

 public:
  Mount& parent;
  Ref<Dentry> point;
  Mount& mount;
  Attachment(Mount& p, Ref<Dentry> d, Mount& m) : parent(p), point(std::move(d)), mount(m) {}
  ~Attachment() = default;
  void retire() override { mem::destroy(this); }
};

struct PeerGroup;

class Mount final : public core::RcuHead {
  template <class> friend class auk::Ref;
  friend class MountTable;
  friend class MountDeaths;
  MountCount count_;
  // Both counted until the mount dies. Walks that found it before may still look at them, so they
  // stay what they are for the grace period that the memory of all three waits for.
  Superblock* super_;
  Dentry* root_;
  char* source_ = nullptr;  ///< owned
  u64 unique_id_;
  u32 id_;
  Atomic<u32> flags_;
  Atomic<Attachment*> place_{nullptr};
  Atomic<MountNamespace*> space_{nullptr};
  Atomic<bool> doomed_{false};
  Atomic<bool> idle_{false};  ///< not used since it was marked: MNT_EXPIRE
  Mount* next_dead_ = nullptr;
  void give_back_number();
  void let_go();

 public:
  Mount(Ref<Superblock> super, Ref<Dentry> root, u32 flags);
  ~Mount();
  /// In no namespace yet. ENOMEM.
  static Result<Ref<Mount>> create(Ref<Superblock> super, Ref<Dentry> root, std::string_view source,
                                   u32 flags);
  /// Not in the caller's context: the end of a file system may take long.
  static void destroy(Mount* m);
  void retire() override { mem::destroy(this); }

  Superblock& super() const { return *super_; }
  Dentry& root() const { return *root_; }
  u32 id() const { return id_; }
  u64 unique_id() const { return unique_id_; }
  std::string_view source() const { return source_; }
  u32 flags() const { return flags_.load_relaxed(); }
  bool has(u32 flag) const { return (flags() & flag) != 0; }
  bool is_read_only() const { return has(mount_flag::read_only) || super_->is_read_only(); }
  bool is_internal() const { return has(mount_flag::internal); }
  /// Where it hangs; null for the root of a namespace and for what hangs nowhere. Under RCU or the
  /// lock of the tree.
  Attachment* place() const { return place_.load_acquire(); }
  /// The namespace whose tree it is in, or null. Under RCU or the lock of the tree.
  MountNamespace* space() const { return space_.load_acquire(); }
  bool is_doomed() const { return doomed_.load_acquire(); }
  /// Under RCU: whoever found the mount wants to keep it.
  bool try_get() { return count_.try_get(); }
  void note_use() {
    if (idle_.load_relaxed()) idle_.store_relaxed(false);
  }
  /// EROFS. Until end_write() it does not become read-only.
  Result<void> begin_write() {
    if (count_.begin_write([this] { return !is_read_only(); })) return {};
    return Errno::erofs;
  }
  void end_write() { count_.end_write(); }

  // The lock of the tree guards what follows.
  ListNode child_node, all_node, peer_node, slave_node, work_node;
  TreeHook space_hook;
  List<Mount, &Mount::child_node> children;
  PeerGroup* group = nullptr;   ///< shared with these
  PeerGroup* master = nullptr;  ///< a slave of these
  bool is_unbindable = false;
  // Of the running operation.
  bool is_chosen = false;
  Mount* twin = nullptr;
};

using MountWork = List<Mount, &Mount::work_node>;

/// Mounts that tell each other what is mounted and unmounted on them. Lives as long as it has
/// members.
struct PeerGroup {
  u32 id = 0;
  List<Mount, &Mount::peer_node> members;
  List<Mount, &Mount::slave_node> slaves;
  // Of the running operation.
  ListNode work_node;
  bool is_visited = false;
  Mount* copy = nullptr;      ///< the tree for this group
  PeerGroup* from = nullptr;  ///< the group it was reached from
};

class Path {
 public:
  Ref<Mount> mount;
  Ref<Dentry> dentry;
  Path() = default;
  Path(Ref<Mount> m, Ref<Dentry> d) : mount(std::move(m)), dentry(std::move(d)) {}
  Path(const Path&) = default;
  Path(Path&&) noexcept = default;
  ~Path() = default;
  /// What stood here goes as it does at the end of life: the dentry first, since the mount keeps
  /// the file system that its inode is in.
  Path& operator=(Path o) noexcept {
    std::swap(mount, o.mount);
    std::swap(dentry, o.dentry);
    return *this;
  }
  bool operator==(const Path&) const = default;
  explicit operator bool() const { return static_cast<bool>(dentry); }
  Inode& inode() const { return dentry->inode(); }
};

/// The right to change something on a mount, for the length of an operation.
class WriteAccess {
  Mount* mount_ = nullptr;

 public:
  WriteAccess() = default;
  WriteAccess(const WriteAccess&) = delete;
  WriteAccess& operator=(const WriteAccess&) = delete;
  ~WriteAccess() {
    if (mount_ != nullptr) mount_->end_write();
  }
  /// EROFS. The mount outlives this object.
  Result<void> begin(Mount& m) {
    TRY(m.begin_write());
    mount_ = &m;
    return {};
  }
};

/// What a process sees: one tree of mounts.
class MountNamespace final : public RefCounted<MountNamespace> {
  friend class MountTable;
  static Atomic<u64> next_id_;

 public:
  /// fs.mount-max.
  static Atomic<i64> most_mounts;
  // The lock of the tree guards these; the root is read under RCU as well.
  Atomic<Mount*> root{nullptr};
  struct ByUniqueId {
    using type = u64;
    u64 operator()(const Mount& m) const { return m.unique_id(); }
    bool operator()(const Mount& a, const Mount& b) const { return a.unique_id() < b.unique_id(); }
    bool operator()(u64 a, const Mount& b) const { return a < b.unique_id(); }
    bool operator()(const Mount& a, u64 b) const { return a.unique_id() < b; }
  };
  Tree<Mount, &Mount::space_hook, ByUniqueId> mounts;
  u32 count = 0;
  /// Never that of another one.
  const u64 id = next_id_.fetch_add_relaxed(1);
  ListNode all_node;
  /// That of a tree which hangs nowhere: nobody lives in it.
  const bool is_detached;

  explicit MountNamespace(bool hangs_nowhere = false);
  static void destroy(MountNamespace* n);
};

/// The mount on top of a dentry seen through a mount, or null. Under RCU.
Mount* find_mount(const Mount& mount, const Dentry& point);
/// A file was read, a link followed: its access time, as the mount's options have it.
void touch_access(const Mount& mount, Inode& inode);
/// Counts changes of where mounts hang.
extern SequenceCount mount_changes;
/// The tables of names and mounts. Once, before the first mount. ENOMEM.
Result<void> setup_tables(u64 memory_bytes);

}  // namespace auk::vfs
