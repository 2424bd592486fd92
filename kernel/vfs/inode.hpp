// Inodes and superblocks: what a file is, whatever it is called.
//
// Data model: Superblock (counted: mounts, inodes) -> Inode (counted: dentries, open files). The
// bytes of a regular file are in its page cache; a directory's entries are dentries (dentry.hpp).
// A file system derives from both classes. Locking: level inode, one sleeping lock per inode, for
// changes of the entries of a directory and for size changes; the other fields are single words.
// Context: threads.
#pragma once
#include "base/own.hpp"
#include "core/clock.hpp"
#include "ident/cred.hpp"
#include "io/file.hpp"
#include "io/pipe.hpp"
#include "sched/lock.hpp"
#include "vfs/watch.hpp"
#include "vm/object.hpp"

namespace auk::vfs {

class Path;
class Inode;
class Dentry;

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

class Superblock : public RefCounted<Superblock> {
  u64 device_;
  Atomic<u64> next_inode_{1};

 protected:
  ~Superblock() = default;
  virtual void dispose() = 0;

 public:
  Superblock();
  Atomic<u32> watches{0};  ///< of its inodes, by inotify(7)
  static void destroy(Superblock* s) { s->dispose(); }
  u64 device() const { return device_; }
  u64 new_inode_number() { return next_inode_.fetch_add_relaxed(1); }
  virtual std::string_view type() const = 0;
  virtual FsInfo info() = 0;
};

/// What a new inode starts with.
struct NewInode {
  u32 mode = 0, uid = 0, gid = 0;
  u64 raw_device = 0;
  std::string_view target;  ///< of a symbolic link
};

class Inode : public RefCounted<Inode> {
  Ref<Superblock> super_;
  u64 number_;

 public:
  Atomic<u32> mode, uid, gid, links{1};
  u64 raw_device;
  Atomic<i64> atime_ns, mtime_ns, ctime_ns;
  i64 btime_ns;
  io::LockSpace lock_space;
  WatchList watches;
  struct Nothing {};
  /// For entries of a directory, and for changes of size. The second of two inodes is locked as
  /// level inode_twin.
  core::Guarded<core::level::inode, Nothing, sched::SleepLock> lock;

 protected:
  Ref<vm::PageCache> pages_;
  Ref<io::Fifo> fifo_;  ///< made when a named pipe is first opened; the lock guards it
  Inode(Ref<Superblock> super, const NewInode& fresh);
  ~Inode() = default;
  virtual void dispose() = 0;

 public:
  static void destroy(Inode* i) { i->dispose(); }
  Superblock& super() const { return *super_; }
  u64 number() const { return number_; }
  u32 type() const { return mode.load_relaxed() & mode::type_mask; }
  bool is_directory() const { return type() == mode::directory; }
  bool is_link() const { return type() == mode::link; }
  bool is_regular() const { return type() == mode::regular; }
  vm::PageCache* pages() const { return pages_.get(); }
  u64 size() const { return pages_ ? pages_->size() : size_without_pages(); }
  void touch(bool modified) {
    const i64 now = core::real_ns();
    if (modified) mtime_ns.store_relaxed(now);
    ctime_ns.store_relaxed(now);
  }
  void fill_stat(io::FileStat& s) const;

  virtual u64 size_without_pages() const { return 0; }
  /// A new inode for an entry of this directory. ENOMEM, ENOSPC.
  virtual Result<Ref<Inode>> make(const NewInode& fresh) = 0;
  /// The target of a symbolic link.
  virtual std::string_view target() const { return {}; }
  /// The open file for inodes that are not regular files or directories. ENXIO.
  virtual Result<Ref<io::File>> open_special(const Path& path, u32 flags);
};

enum class Want : u32 { execute = 1, write = 2, read = 4 };
using Wants = Flags<Want>;
/// EACCES unless `cred` may do all of it.
Result<void> check_permission(const Inode& inode, const ident::Cred& cred, Wants wants);

}  // namespace auk::vfs
