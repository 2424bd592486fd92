// What the calls about mounts do, on decoded arguments. See mount(2), umount2(2), pivot_root(2),
// mount_namespaces(7).
//
// Errors are those of the calls' man pages. The caller's capability has been checked.
// Locking: none is held by the caller; level mount_ns is taken. Context: threads.
#pragma once
#include <optional>

#include "mem/text.hpp"
#include "vfs/lookup.hpp"
#include "vfs/parameters.hpp"

namespace auk::vfs {

/// A kind of file system that mount(2) knows.
class FileSystem {
  friend class FileSystems;
  FileSystem* next_ = nullptr;
  std::string_view name_;

 public:
  constexpr explicit FileSystem(std::string_view name) : name_(name) {}
  std::string_view name() const { return name_; }
  /// All its mounts are of one file system.
  virtual bool is_shared() const { return false; }
  /// Its source is the path of a disk's node.
  virtual bool is_on_disk() const { return false; }
  /// Whether it knows a parameter and can do with the value.
  virtual Taken check(const Parameter&) const { return Taken::unknown; }
  /// The file system behind a source with parameters that were checked. EINVAL: they do not go
  /// together; ENOMEM; ENOTBLK, EACCES, ENXIO and what find() fails with, if they are paths.
  virtual Result<Ref<Superblock>> open(const Asker& who, std::string_view source,
                                       const Parameters& parameters) = 0;

 protected:
  ~FileSystem() = default;
};
/// One that has one file system for all its mounts, made at the first one. A mount that hangs
/// nowhere keeps it when programs have unmounted theirs.
class SingleFileSystem : public FileSystem {
  core::Guarded<core::level::fs_private, Mount*, sched::SleepLock> mount_;

 public:
  constexpr explicit SingleFileSystem(std::string_view name) : FileSystem(name) {}
  bool is_shared() const final { return true; }
  Result<Ref<Superblock>> open(const Asker& who, std::string_view source,
                               const Parameters& parameters) override;
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
/// Where a mount comes to hang in a pile of them.
enum class Onto : u8 { top, beneath };
/// `from`: a mount of the caller's tree, or the top of a tree that hangs nowhere.
Result<void> move_mount(const Asker& who, const Path& from, const Path& at, Onto onto);
/// MOVE_MOUNT_SET_GROUP: a private mount becomes a peer of another one.
Result<void> set_group(const Asker& who, const Path& from, const Path& to);
/// A copy of a mount, or of all that hangs below a path, that hangs nowhere: open_tree(2). Its top
/// is `top`. It goes with the last reference to what is returned, unless it was hung up before.
Result<Ref<MountNamespace>> detached_copy(const Asker& who, const Path& from, bool recursive,
                                          Path& top);
/// The same of one mount that hangs nowhere. ENOMEM.
Result<Ref<MountNamespace>> detached(Ref<Mount> m);
/// A descriptor of such a tree, as of O_PATH, which keeps it. ENOMEM.
Result<Ref<io::File>> open_detached(Path top, Ref<MountNamespace> tree);
/// MS_REMOUNT with MS_BIND: the flags of one mount. EBUSY while somebody writes.
Result<void> change_mount(const Asker& who, const Path& at, u32 flags);
/// MS_REMOUNT: the flags of this mount, when its file system has been set up anew; and whether
/// that may be done.
Result<void> check_remount(const Asker& who, const Path& at);
Result<void> remount(const Asker& who, const Path& at, u32 flags);
/// EBUSY: somebody writes. EROFS: it cannot be written.
Result<void> set_super_read_only(Superblock& super, bool read_only);

enum class Propagation : u8 { shared, is_private, slave, unbindable };
/// mount_setattr(2): all of it, or nothing.
struct MountChange {
  u32 set = 0, clear = 0;  ///< mount_flag's; what is in both is set
  std::optional<Propagation> propagation;
  bool is_recursive = false;
};
Result<void> change_mounts(const Asker& who, const Path& at, const MountChange& change);
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
/// How many mounts there are in one.
u32 mount_count(MountNamespace& n);
/// The namespace that was made next after one, or last before it. ENOENT.
Result<Ref<MountNamespace>> namespace_beside(const MountNamespace& n, bool is_later);
/// What is on top of all mounts of a namespace's root. EINVAL: it hangs nowhere.
Result<Path> top_of(MountNamespace& n);
/// Takes away what is mounted on a dentry that was removed, or below it, in whatever namespace.
void unmount_from(Dentry& gone);
/// Mounts without users have gone when this returns.
void wait_for_dead_mounts();
/// Somebody mounted something on the dentry, as seen in this namespace.
bool is_mountpoint_in(const Dentry& d, MountNamespace& space);

/// The file system with a number of a device. EINVAL.
Result<FsInfo> info_of_device(u64 device);
/// The text of /proc/PID/mountinfo, as seen from a root. ENOMEM.
Result<void> write_mountinfo(MountNamespace& space, const Path& root, mem::Text& out);
/// That of /proc/PID/mounts.
Result<void> write_mounts(MountNamespace& space, const Path& root, mem::Text& out);

}  // namespace auk::vfs
