// Inodes and superblocks: what a file is, whatever it is called.
//
// Data model: Superblock (counted by its mounts) -> root dentry -> inodes (counted: dentries, open
// files). The bytes of a regular file are in its page cache. A file system derives from both
// classes; what it can do with a directory are the virtual functions of that directory's inode.
// Life of an inode: in use -> evicted (the last user has gone, its data goes) -> freed a grace
// period later, because walks look at inodes under RCU. Whoever holds an inode holds, directly or
// not, a mount of its superblock, so an inode needs no reference to it; those that rules of
// sandboxes name are let go with the last mount (anchor.hpp).
// Locking: level inode, one sleeping lock per inode, for changes of the entries of a directory and
// for size changes; the other fields are single words. Context: threads.
#pragma once
#include "base/own.hpp"
#include "core/clock.hpp"
#include "core/rcu.hpp"
#include "ident/cred.hpp"
#include "io/file.hpp"
#include "io/pipe.hpp"
#include "sched/lock.hpp"
#include "vfs/anchor.hpp"
#include "vfs/parameters.hpp"
#include "vfs/watch.hpp"
#include "vm/object.hpp"

namespace auk::vfs {

class MountNamespace;

class Path;
class Inode;
class Dentry;
class MountChanges;
class KeptDentries;
class Exporter;

/// The type bits of a mode.
namespace mode {
inline constexpr u32 type_mask = 0170000, fifo = 0010000, character = 0020000, directory = 0040000,
                     block = 0060000, regular = 0100000, link = 0120000, socket = 0140000,
                     set_uid = 04000, set_gid = 02000, sticky = 01000;
}

struct FsInfo {
  u64 magic = 0, blocks = 0, free_blocks = 0, files = 0, free_files = 0;
  u32 block_size = 4096, name_max = 255;
};

struct RenameNothing {};

/// The number of a device that there is none of, for stat(2).
u64 new_anonymous_device();

class Superblock : public RefCounted<Superblock>, public core::RcuHead {
  u64 device_;
  const bool is_stacked_;
  Atomic<u64> next_inode_{1};
  Dentry* root_ = nullptr;        ///< counted
  KeptDentries* kept_ = nullptr;  ///< owned; null: none are kept
  Atomic<bool> read_only_{false};
  friend class Mount;

 protected:
  ~Superblock() = default;
  virtual void dispose() = 0;
  /// The last mount has gone: lets go of every dentry it holds, the root excepted.
  virtual void kill() {}
  /// All its dentries and inodes have gone: lets go of what it stands on. In a thread.
  virtual void released() {}

 public:
  /// Serialises renames between directories: no directory moves while it is held, so no loop can
  /// arise and ancestors stay what they are.
  core::Guarded<core::level::rename, RenameNothing, sched::StackedSleepLock> rename_lock;

  /// Who sets it up anew, one after the other.
  core::Guarded<core::level::super_setup, RenameNothing, sched::SleepLock> setup_lock;

  /// `is_stacked`: its operations call those of other file systems. `device`: the number of the
  /// disk it is on, if it is on one.
  explicit Superblock(bool is_stacked = false, u64 device = 0);
  bool is_stacked() const { return is_stacked_; }
  Atomic<u32> watches{0};       ///< of its inodes, by inotify(7)
  Atomic<u32> mounts_on_it{0};  ///< that hang at its dentries
  AnchorList anchors;           ///< of its files; the lock of anchors guards it
  Atomic<u32> anchors_leaving{0};
  static void destroy(Superblock* s);
  void retire() override { dispose(); }
  void set_root(Ref<Dentry> root);
  /// What is looked up stays known. Once, before the file system is mounted. ENOMEM.
  Result<void> keep_dentries();
  KeptDentries* kept() const { return kept_; }
  Dentry& root() const { return *root_; }
  u64 device() const { return device_; }
  u64 new_inode_number() { return next_inode_.fetch_add_relaxed(1); }
  bool is_read_only() const { return read_only_.load_acquire(); }
  void set_read_only(bool r) { read_only_.store_release(r); }
  /// It is to be written from now on. EROFS: that cannot be.
  virtual Result<void> begin_writing() {
    set_read_only(false);
    return {};
  }

  virtual std::string_view type() const = 0;
  virtual FsInfo info() = 0;
  /// mount(2) with MS_REMOUNT, fsconfig(2): whether it knows a parameter, and takes them all.
  /// EINVAL.
  virtual Taken check(const Parameter&) const { return Taken::unknown; }
  virtual Result<void> reconfigure(const Parameters&) { return {}; }
  /// The file system's own options as /proc/mounts shows them, each with a comma before it; how
  /// many characters there are, of which those that fit were written.
  virtual usize show_options(std::span<char>) { return 0; }
  /// Null: its files have no handles of their own.
  virtual Exporter* exporter() { return nullptr; }
  /// Its files are what the kernel shows, or in no place that a program could name.
  virtual bool is_internal() const { return false; }
};

/// What utimensat(2) asks for.
struct NewTimes {
  static constexpr i64 omit = INT64_MIN, first = INT64_MIN + 1, last = INT64_MAX;
  i64 atime_ns = omit, mtime_ns = omit;
  bool both_now = false;  ///< write permission is enough
};

/// What a new inode starts with.
struct NewInode {
  u32 mode = 0, uid = 0, gid = 0;
  u64 raw_device = 0;
  std::string_view target;  ///< of a symbolic link
  u64 number = 0;           ///< 0: one that the superblock has not given out yet
};

/// What the dentries of a directory say about its names.
enum class Cached : u8 {
  all,   ///< what has no dentry is not there
  some,  ///< the directory is asked for the others
  none,  ///< a name may be another file's at any time: the directory is asked at each walk
};

/// A rename, as the file system sees it: the checks of rename(2) have been made.
struct Move {
  Dentry& moving;
  Inode& to_dir;
  std::string_view to_name;
  Dentry* victim = nullptr;  ///< stands under the new name
  bool exchange = false;     ///< and gets the old one
};

/// What fallocate(2) does with a range of bytes.
enum class Space : u8 {
  reserve,       ///< memory for all of it; the file reaches to its end at least
  reserve_only,  ///< the same, and the file's size stays (FALLOC_FL_KEEP_SIZE)
  hole,          ///< it reads as zeros and takes no memory (FALLOC_FL_PUNCH_HOLE)
};

class Inode : public RefCounted<Inode>, public core::RcuHead {
  Superblock& super_;
  u64 number_;
  Atomic<vm::PageCache*> pages_{nullptr};  ///< counted

 public:
  Atomic<u32> mode, uid, gid, links{1};
  Atomic<u32> seals{0};  ///< see seal.hpp
  /// Nobody has given it capabilities since somebody looked (file_caps.hpp).
  Atomic<bool> is_without_caps{false};
  /// Made without a name, and may be given one.
  Atomic<bool> may_be_linked{false};
  u64 raw_device;
  Atomic<i64> atime_ns, mtime_ns, ctime_ns;
  i64 btime_ns;
  io::LockSpace lock_space;
  WatchList watches;
  Atomic<Anchor*> anchor{nullptr};  ///< what rules know it by; null for most
  struct Nothing {};
  /// For entries of a directory, and for changes of size. The second of two inodes is locked as
  /// level inode_twin; entries that go are third and fourth.
  core::Guarded<core::level::inode, Nothing, sched::StackedSleepLock> lock;

 protected:
  Ref<io::Fifo> fifo_;  ///< made when a named pipe is first opened; the lock guards it
  Inode(Superblock& super, const NewInode& fresh);
  ~Inode() = default;
  virtual void dispose() = 0;
  /// Nobody uses it any more. What walks read (mode, owner, target) stays.
  virtual void evict() { set_pages({}); }
  /// If others may be looking at those it has, the caller keeps them.
  void set_pages(Ref<vm::PageCache> p) {
    (void)Ref<vm::PageCache>::adopt(pages_.exchange_acq_rel(p.release()));
  }

 public:
  static void destroy(Inode* i) {
    i->evict();
    core::rcu_call(*i);
  }
  void retire() override { dispose(); }
  Superblock& super() const { return super_; }
  u64 number() const { return number_; }
  u32 type() const { return mode.load_relaxed() & mode::type_mask; }
  bool is_directory() const { return type() == mode::directory; }
  bool is_link() const { return type() == mode::link; }
  bool is_regular() const { return type() == mode::regular; }
  bool is_device() const { return type() == mode::character || type() == mode::block; }
  vm::PageCache* pages() const { return pages_.load_acquire(); }
  u64 size() const {
    const vm::PageCache* const p = pages();
    return p != nullptr ? p->size() : size_without_pages();
  }
  /// It was changed, or, if `modified`, what is in it.
  virtual void touch(bool modified) {
    const i64 now = core::real_ns();
    if (modified) mtime_ns.store_relaxed(now);
    ctime_ns.store_relaxed(now);
  }
  /// It was read.
  virtual void note_access(i64 when_ns) { atime_ns.store_relaxed(when_ns); }
  enum class Keep : u8 { nothing, bytes };
  /// Somebody is about to change the bytes, or all of them. May sleep. ENOSPC, ENOMEM, EIO.
  virtual Result<void> prepare_write(Keep) { return {}; }
  /// An inode lost names.
  void drop_links(u32 n) {
    (void)links.fetch_sub_relaxed(n);
    touch(false);
  }
  virtual void fill_stat(io::FileStat& s) const;
  /// chmod(2), chown(2): mode without type. The inode's lock is held. ENOMEM; EPERM: sealed.
  virtual Result<void> set_rights(u32 rights, u32 new_uid, u32 new_gid);
  /// utimensat(2): those that are not NewTimes::omit. ENOMEM.
  virtual Result<void> set_times(const NewTimes& times);
  /// truncate(2), of a regular file. The inode's lock is held. ENOMEM, EIO; EPERM: sealed.
  virtual Result<void> resize(u64 size);
  /// fallocate(2), of a regular file: bytes [start, end). The inode's lock is held. EOPNOTSUPP,
  /// ENOSPC, ENOMEM, EINTR.
  virtual Result<void> allocate(Space /*what*/, u64 /*start*/, u64 /*end*/) {
    return Errno::eopnotsupp;
  }

  /// A dentry of it that its file system had put on a list of aliases dies: it leaves that list. No
  /// new reference to it can be taken.
  virtual void alias_gone(Dentry&) {}
  virtual u64 size_without_pages() const { return 0; }
  /// The caller may do everything, whatever mode and owner say. Under RCU.
  virtual bool grants() const { return false; }
  /// The target of a symbolic link; stays for as long as the inode's memory.
  virtual std::string_view target() const { return {}; }
  /// A link that leads to an object instead of a path, as those of /proc/PID do.
  virtual bool is_magic_link() const { return false; }
  /// Where a magic link leads. EACCES, ENOENT.
  virtual Result<Path> jump();
  /// What readlink(2) shows, seen from a root; how much of it was written.
  virtual Result<usize> read_target(const Path& root, std::span<char> out) const;
  /// Extended attributes; the inode's lock is held, rights are checked (xattr.hpp).
  virtual Result<usize> get_attribute(std::string_view, std::span<byte>) {
    return Errno::eopnotsupp;
  }
  virtual Result<void> set_attribute(std::string_view, std::span<const byte>, u32) {
    return Errno::eopnotsupp;
  }
  virtual Result<void> remove_attribute(std::string_view) { return Errno::eopnotsupp; }
  virtual Result<usize> list_attributes(bool /*with_trusted*/, std::span<char>) { return usize{0}; }
  /// Stands for a namespace, and may be bound wherever it is; for one of mounts: null for all
  /// others.
  virtual bool is_namespace() const { return false; }
  virtual MountNamespace* space_behind() const { return nullptr; }
  /// What it is called where no path leads to it; empty for what has one.
  virtual std::string_view shown_name(std::span<char>) const { return {}; }
  /// The open file for what is neither a directory nor bytes in a page cache. ENXIO.
  virtual Result<Ref<io::File>> open_special(const Path& path, u32 flags);

  // What a directory can do. Its lock is held, and for moves that of the other directory. Linux's
  // errno for what a file system does not offer is the default. The inode's own fields (links,
  // times) are the file system's business; names are changed by the caller afterwards, which
  // cannot fail any more.
  virtual Cached cached_names() const { return Cached::all; }
  /// Where no names are cached: what once was `name` still is.
  virtual bool is_still(std::string_view /*name*/, Inode& /*entry*/) { return true; }
  /// ENOENT, EIO, ENOMEM. May sleep.
  virtual Result<Ref<Inode>> lookup(Dentry& dir, std::string_view name);
  /// The inode for a new entry, which has no name yet. ENOSPC, ENOMEM, EDQUOT.
  virtual Result<Ref<Inode>> create(Dentry& entry, std::string_view name, const NewInode& fresh);
  /// An inode without a name, for O_TMPFILE.
  virtual Result<Ref<Inode>> create_unnamed(const NewInode& fresh);
  virtual Result<void> link(Dentry& entry, std::string_view name, Inode& target);
  /// ENOTEMPTY for a directory that is not; its lock is held then.
  virtual Result<void> remove(Dentry& entry);
  virtual Result<void> move(const Move& m);
  virtual Result<void> read_dir(Dentry& dir, u64& position, io::DirSink& sink);
};

enum class Want : u32 { execute = 1, write = 2, read = 4 };
using Wants = Flags<Want>;
/// EACCES unless `cred` may do all of it.
Result<void> check_permission(const Inode& inode, const ident::Cred& cred, Wants wants);

}  // namespace auk::vfs
