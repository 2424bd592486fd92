#include "vfs/lookup.hpp"

#include <algorithm>

namespace auk::vfs {
namespace {

constexpr u32 max_links = 40;

/// The paths of links that are being followed, innermost last.
class Walker {
  const Asker& who_;
  WalkFlags flags_;
  Path at_;
  Path root_;
  u32 links_ = 0;

  void cross_mounts() {
    while (Ref<Mount> m = mount_on(at_)) {
      Ref<Dentry> root(m->root());
      at_ = Path(std::move(m), std::move(root));
    }
  }
  void go_up() {
    for (;;) {
      if (at_ == root_) return;
      if (at_.dentry.get() != &at_.mount->root()) break;
      Mount* const m = at_.mount.get();
      if (m->parent() == nullptr) return;
      at_ = Path(Ref<Mount>(*m->parent()), Ref<Dentry>(*m->covered()));
    }
    if (Ref<Dentry> parent = at_.dentry->parent()) at_.dentry = std::move(parent);
    cross_mounts();
  }
  Result<void> follow(const Path& base, const Ref<Dentry>& link, bool last, WalkEnd& end);

 public:
  Walker(const Asker& who, Path start, WalkFlags flags)
      : who_(who),
        flags_(flags),
        at_(std::move(start)),
        root_(who.fs.root()) {}
  /// `last`: the end of this string is the end of the whole walk.
  Result<void> run(std::string_view path, bool last, WalkEnd& end);
};

Result<void> Walker::follow(const Path& base, const Ref<Dentry>& link, bool last, WalkEnd& end) {
  if (++links_ > max_links) return Errno::eloop;
  const std::string_view target = link->inode().target();
  if (target.empty()) return Errno::enoent;
  at_ = base;
  return run(target, last, end);
}

Result<void> Walker::run(std::string_view path, bool last, WalkEnd& end) {
  if (path.starts_with('/')) {
    at_ = root_;
    cross_mounts();
  }
  for (;;) {
    while (path.starts_with('/')) path.remove_prefix(1);
    if (path.empty()) {
      // Nothing but slashes, or the end behind a link's target.
      end.path = at_;
      end.is_special = true;
      return {};
    }
    const usize length = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, length);
    path.remove_prefix(length);
    const bool trailing = !path.empty();
    std::string_view rest = path;
    while (rest.starts_with('/')) rest.remove_prefix(1);
    const bool is_end = last && rest.empty();

    Inode& dir = at_.inode();
    if (!dir.is_directory()) return Errno::enotdir;
    TRY(check_permission(dir, who_.cred, Want::execute));
    if (name.size() > name_max) return Errno::enametoolong;
    if (is_end) {
      end.parent = at_;
      end.name_size = name.copy(end.name_.data(), name_max);
      end.trailing_slash = trailing;
      end.is_special = name == "." || name == "..";
    }
    if (name == "..") {
      go_up();
    } else if (name != ".") {
      Result<Ref<Dentry>> found = at_.dentry->child(name);
      if (!found.ok()) {
        if (!is_end || !flags_.has(WalkFlag::create_end)) return Errno::enoent;
        end.path = Path(at_.mount, Ref<Dentry>());
        return {};
      }
      Ref<Dentry> next = found.take();
      const bool follows = !rest.empty() || trailing || !is_end || flags_.has(WalkFlag::follow);
      if (next->inode().is_link() && follows) {
        const Path base = at_;
        TRY(follow(base, next, is_end, end));
        if (is_end) end.trailing_slash = end.trailing_slash || trailing;
        if (is_end && !end.path.dentry) return {};
      } else {
        at_.dentry = std::move(next);
        cross_mounts();
      }
    }
    if (rest.empty()) {
      if ((trailing || (is_end && flags_.has(WalkFlag::directory))) && !at_.inode().is_directory())
        return Errno::enotdir;
      end.path = at_;
      return {};
    }
    path = rest;
  }
}

}  // namespace

Result<Ref<FsContext>> FsContext::copy() {
  Ref<FsContext> twin = TRY(mem::make_ref<FsContext>(ALLOC_SITE));
  auto s = state_.lock();
  twin->state_.alone().root = s->root;
  twin->state_.alone().cwd = s->cwd;
  twin->state_.alone().umask = s->umask;
  return twin;
}

void FsContext::set_root(Path p) {
  auto s = state_.lock();
  std::swap(s->root, p);
}

void FsContext::set_cwd(Path p) {
  auto s = state_.lock();
  std::swap(s->cwd, p);
}

Result<void> walk(const Asker& who, const Path& start, std::string_view path, WalkFlags flags,
                  WalkEnd& end) {
  if (path.empty()) return Errno::enoent;
  Walker walker(who, start, flags);
  return walker.run(path, true, end);
}

Result<Path> find(const Asker& who, const Path& start, std::string_view path, WalkFlags flags) {
  mem::Box<WalkEnd> end = TRY(mem::Box<WalkEnd>::make(ALLOC_SITE));
  TRY(walk(who, start, path, flags, *end));
  return end->path;
}

Result<std::string_view> path_name(const Path& p, const Path& root, std::span<char> buffer) {
  auto still = rename_lock.lock();
  usize at = buffer.size();
  const auto prepend = [&](std::string_view text) {
    if (text.size() > at) return false;
    at -= text.size();
    text.copy(buffer.data() + at, text.size());
    return true;
  };
  Mount* mount = p.mount.get();
  Dentry* dentry = p.dentry.get();
  bool any = false;
  while (mount != root.mount.get() || dentry != root.dentry.get()) {
    if (dentry == &mount->root()) {
      if (mount->parent() == nullptr) break;
      dentry = mount->covered();
      mount = mount->parent();
      continue;
    }
    if (dentry->stable_parent() == nullptr) break;
    if (!prepend(dentry->name()) || !prepend("/")) return Errno::enametoolong;
    any = true;
    dentry = dentry->stable_parent();
  }
  if (!any && !prepend("/")) return Errno::enametoolong;
  return std::string_view(buffer.data() + at, buffer.size() - at);
}

}  // namespace auk::vfs
