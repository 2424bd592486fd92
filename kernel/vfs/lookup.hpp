// Path walk: from a string to a Path. See path_resolution(7), openat2(2).
//
// Purpose: names are looked up without a lock and without touching the count of any dentry, inode
// or mount on the way; only what the walk ends with is counted.
// Data model: a walk runs in sections of RCU. It has a position (mount, dentry), the rest of the
// string, and a stack of the strings that links interrupted, each in the memory of the link's
// inode. Between two sections (after 256 names, or when a file system must be asked) it holds what
// it stands on. Whatever cannot be kept, because it died meanwhile, makes the walk start anew.
//
// Why that is right. Every object a walk reaches was alive at some moment of the running section:
// it starts at places that somebody holds when they are read, and goes from live objects along
// names, attachments and directories, all freed a grace period after they were taken back. So
// memory is never gone. Each step (a name, a mount on top, the directory above) takes effect at one
// moment, as names.hpp and mount.hpp show; a walk is a row of such steps, like one that would lock
// each directory in turn. At the end the dentry and the mount are taken only if they are not dead
// yet (try_get); a mount that is being unmounted is left alone until that is over. Walks that must
// not escape from a directory (RESOLVE_BENEATH, RESOLVE_IN_ROOT) compare their position with the
// root at ".."; that comparison holds only if nothing moved since the walk began, which the
// sequence counts of names and mounts tell, else EAGAIN, as Linux does.
// Context: threads. Errors are those of path_resolution(7): ENOENT, ENOTDIR, EACCES, ELOOP (40
// links), ENAMETOOLONG; those of openat2(2): EXDEV, ELOOP, EAGAIN.
#pragma once
#include "vfs/fs_context.hpp"

namespace auk::vfs {

/// Who asks, and from where.
struct Asker {
  FsContext& fs;
  const ident::Cred& cred;
  MountNamespace* space;
  /// A file system that stands on others: nothing is unmounted for its sake, since it holds locks.
  bool is_stacked = false;
};

enum class WalkFlag : u32 {
  follow = 1,      ///< a link at the end too
  directory = 2,   ///< the end must be a directory
  create_end = 4,  ///< the last component may be missing
  parent = 8,      ///< stop before the last component
  passive = 16,    ///< does not count as a use of the mount
  no_xdev = 32,    ///< RESOLVE_NO_XDEV and so on
  no_symlinks = 64,
  no_magic = 128,
  beneath = 256,
  in_root = 512,
  cached = 1024,
};
using WalkFlags = Flags<WalkFlag>;

/// What the last component is.
enum class Last : u8 { name, dot, dot_dot, root };

/// A link that a walk is inside of, and the mount that keeps its file system.
class HeldLink {
  Ref<Mount> mount_;
  Ref<Inode> inode_;

 public:
  HeldLink() = default;
  HeldLink(Ref<Mount> m, Ref<Inode> i) : mount_(std::move(m)), inode_(std::move(i)) {}
  HeldLink(const HeldLink&) = delete;
  HeldLink(HeldLink&&) noexcept = default;
  ~HeldLink() = default;
  /// What it held before goes as in the destructor: the inode first.
  HeldLink& operator=(HeldLink o) noexcept {
    std::swap(mount_, o.mount_);
    std::swap(inode_, o.inode_);
    return *this;
  }
  Inode* get() const { return inode_.get(); }
};

/// What was so of the directory in which the last component was looked for.
struct FoundIn {
  u32 mode = 0, uid = 0;
};

struct WalkEnd {
  Path path;    ///< what was found; empty if the last component is missing or was not looked at
  Path parent;  ///< the directory of the last component, if `path` is empty
  std::string_view name;  ///< the last component then
  HeldLink name_holder;   ///< the link whose target `name` lies in, if it does
  FoundIn found_in;
  bool trailing_slash = false;
  Last last = Last::name;
};

/// Walks from `start`; without one from the working directory, or from the root if the path says
/// so. The text of `path` outlives `end`.
Result<void> walk(const Asker& who, const Path& start, std::string_view path, WalkFlags flags,
                  WalkEnd& end);
/// The walk for those who only want what is there.
Result<Path> find(const Asker& who, const Path& start, std::string_view path, WalkFlags flags);

/// The entry of a directory, held, whose lock the caller holds: from the dentries, else from the
/// file system. ENOENT. A dentry whose name is another file's now loses it, and goes to `stale`.
Result<Ref<Dentry>> look_up(Dentry& dir, std::string_view name, Ref<Dentry>* stale = nullptr);

/// The name of a path seen from a root, as getcwd(2) shows it; written from the end of `buffer`.
/// `reachable` says whether the root was met. ENAMETOOLONG.
Result<std::string_view> path_name(const Path& p, const Path& root, std::span<char> buffer,
                                   bool& reachable);
/// The parts of that for those in a section of RCU, who see to it that nothing moves or do not
/// mind; empty if it does not fit.
std::string_view path_text(const Spot& at, const Spot& root, std::span<char> buffer,
                           bool& reachable);
/// A dentry's path inside its file system.
std::string_view inner_text(const Dentry& d, std::span<char> buffer);
/// What a path is seen through lies in or below another one.
bool is_below(const Path& p, const Path& above);

}  // namespace auk::vfs
