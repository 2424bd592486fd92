// Path walk: from a string to a Path. See path_resolution(7).
//
// Data model: FsContext (root, working directory, umask; shared by CLONE_FS) and the credentials
// are where a walk starts. Context: threads. Errors are those of path_resolution(7): ENOENT,
// ENOTDIR, EACCES, ELOOP (40 links), ENAMETOOLONG.
#pragma once
#include "vfs/dentry.hpp"

namespace auk::vfs {

class FsContext final : public RefCounted<FsContext> {
  struct State {
    Path root, cwd;
    u32 umask = 022;
  };
  core::Guarded<core::level::fs_context, State, core::SpinPreemptOff> state_;

 public:
  FsContext() = default;
  static void destroy(FsContext* f) { mem::destroy(f); }
  Result<Ref<FsContext>> copy();
  Path root() { return state_.lock()->root; }
  Path cwd() { return state_.lock()->cwd; }
  u32 umask() { return state_.lock()->umask; }
  u32 set_umask(u32 m) { return std::exchange(state_.lock()->umask, m & 0777); }
  void set_root(Path p);
  void set_cwd(Path p);
};

/// Who asks, and from where.
struct Asker {
  FsContext& fs;
  const ident::Cred& cred;
};

enum class WalkFlag : u32 {
  follow = 1,      ///< a link at the end too
  directory = 2,   ///< the end must be a directory
  create_end = 4,  ///< the last component may be missing
};
using WalkFlags = Flags<WalkFlag>;

struct WalkEnd {
  Path path;    ///< what was found; without dentry if the last component is missing
  Path parent;  ///< the directory of the last component
  std::array<char, name_max + 1> name_{};
  usize name_size = 0;
  bool trailing_slash = false;
  /// "." or "..", or nothing behind the root: cannot be made, removed or renamed.
  bool is_special = false;
  std::string_view name() const { return {name_.data(), name_size}; }
};

/// Walks from `start`, or from the root if the path says so. The result is large: it is the
/// caller's.
Result<void> walk(const Asker& who, const Path& start, std::string_view path, WalkFlags flags,
                  WalkEnd& end);
/// The walk for those who only want what is there.
Result<Path> find(const Asker& who, const Path& start, std::string_view path, WalkFlags flags);

/// The name of a path seen from a root, as getcwd(2) shows it; written from the end of `buffer`.
/// ENAMETOOLONG.
Result<std::string_view> path_name(const Path& p, const Path& root, std::span<char> buffer);

}  // namespace auk::vfs
