// What the calls about mounts do, on decoded arguments. See mount(2), umount2(2), pivot_root(2),
// mount_namespaces(7).
//
// Errors are those of the calls' man pages. The caller's capability has been checked.
// Locking: none is held by the caller; level mount_ns is taken. Context: threads.
#pragma once
#include "mem/text.hpp"
#include "vfs/lookup.hpp"

namespace auk::vfs {

/// A kind of file system that mount(2) knows.
class FileSystem {
  friend class FileSystems;
  FileSystem* next_ = nullptr;
  std::string_view name_;

 public:
  constexpr explicit FileSystem(std::string_view name) : name_(name) {}
  std::string_view name() const { return name_; }
  /// Its source is the path of a disk's node.
  virtual bool is_on_disk() const { return false; }
  /// The file system behind a source with these options. EINVAL, ENOMEM; ENOTBLK, EACCES, ENXIO and
  /// what find() fails with, if they are paths.
  virtual Result<Ref<Superblock>> open(const Asker& who, std::string_view source,
                                       std::string_view options) = 0;

 protected:
  ~FileSystem() = default;
};
/// One that has one file system for all its mounts, made at the first one. A mount that hangs
/// nowhere keeps it when programs have unmounted theirs.
class SingleFileSystem : public FileSystem {
  core::Guarded<core::level::fs_private, Mount*, sched::SleepLock> mount_;

 public:
  constexpr explicit SingleFileSystem(std::string_view name) : FileSystem(name) {}
  Result<Ref<Superblock>> open(const Asker& who, std::string_view source,
                               std::string_view options) final;
  /// Once there is one.
  Mount& hidden_mount() { return **mount_.lock(); }
  /// Null: nobody has mounted it yet.
  Mount* hidden_mount_if_any() { return *mount_.lock(); }

 protected:
  ~SingleFileSystem() = default;
  virtual Result<Ref<Superblock>> make() = 0;
  /// What is in it at first. It is a mount's by then, which takes it down if this fails.
  virtual Result<void> fill(Superblock&) { return {}; }
};
/// The number of the disk whose node a path leads to. What find() fails with, ENOTBLK, EACCES: the
/// node's mount has `nodev`.
Result<u64> disk_number(const Asker& who, std::string_view path);
/// For ever.
void register_file_system(FileSystem& f);
/// ENODEV.
Result<FileSystem*> find_file_system(std::string_view name);
/// In the order they were registered in; the first one behind null.
const FileSystem* next_file_system(const FileSystem* f);

/// Hangs up a fresh mount. EBUSY: the same file system is there already.
Result<void> mount_fresh(const Asker& who, Ref<Mount> m, const Path& at);
Result<void> bind_mount(const Asker& who, const Path& from, const Path& at, bool recursive);
Result<void> move_mount(const Asker& who, const Path& from, const Path& at);
/// MS_REMOUNT with MS_BIND: the flags of one mount. EBUSY while somebody writes.
Result<void> change_mount(const Asker& who, const Path& at, u32 flags);
/// MS_REMOUNT: the file system and the flags of this mount.
Result<void> remount(const Asker& who, const Path& at, u32 flags, std::string_view options);

enum class Propagation : u8 { shared, is_private, slave, unbindable };
Result<void> change_propagation(const Asker& who, const Path& at, Propagation kind, bool recursive);

/// The flags of umount2(2).
namespace unmount_flag {
inline constexpr u32 force = 1, detach = 2, expire = 4, no_follow = 8;
}
Result<void> unmount(const Asker& who, Path at, u32 flags);
Result<void> pivot_root(const Asker& who, const Path& new_root, const Path& put_old);

/// A namespace with one mount. ENOMEM.
Result<Ref<MountNamespace>> make_namespace(Ref<Mount> root);
/// A copy of the tree; `fs`, which is the caller's alone, comes to stand in it. ENOMEM, ENOSPC.
Result<Ref<MountNamespace>> copy_namespace(MountNamespace& from, FsContext& fs);
/// Takes away what is mounted on a dentry that was removed, or below it, in whatever namespace.
void unmount_from(Dentry& gone);
/// Mounts without users have gone when this returns.
void wait_for_dead_mounts();
/// Somebody mounted something on the dentry, as seen in this namespace.
bool is_mountpoint_in(const Dentry& d, MountNamespace& space);

/// The text of /proc/PID/mountinfo, as seen from a root. ENOMEM.
Result<void> write_mountinfo(MountNamespace& space, const Path& root, mem::Text& out);
/// That of /proc/PID/mounts.
Result<void> write_mounts(MountNamespace& space, const Path& root, mem::Text& out);

}  // namespace auk::vfs
