#include "vfs/lookup.hpp"

#include <algorithm>

#include "vfs/mount_table.hpp"
#include "vfs/mounting.hpp"
#include "vfs/rights.hpp"

namespace auk::vfs {
namespace {

constexpr u32 max_links = 40;
/// Names in one section of RCU, which may take 1 ms.
constexpr u32 most_names = 256;

/// What a section ends with.
enum class Step : u8 {
  again,    ///< the next component
  done,     ///< `end` is filled
  failed,   ///< with error_
  pause,    ///< held; the section was long enough
  ask,      ///< held; the file system must look for the name
  jump,     ///< held; a magic link
  restart,  ///< something died under the walk
  wait,     ///< a mount is being unmounted
};

class Walker {
  /// A string that a link interrupted.
  struct Rest {
    std::string_view text;
    Inode* link = nullptr;   ///< whose target it lies in; null for the caller's own string
    Mount* mount = nullptr;  ///< through which the link was found
  };

  const Asker& who_;
  const Path& start_;
  const std::string_view whole_;
  const WalkFlags flags_;
  WalkEnd& end_;
  Spot at_, root_;
  // References are taken inside sections and given up between them: the last one may sleep.
  Path at_held_, root_held_, fresh_held_;
  Ref<Dentry> asked_held_;
  Rest current_;
  /// For walks through many links, or that hold some between sections.
  struct Deep {
    std::array<Rest, max_links> stack;
    std::array<HeldLink, max_links + 1> held;
    u32 held_count = 0;
  };
  std::array<Rest, 2> few_;
  mem::Box<Deep> deep_;
  u32 depth_ = 0, links_ = 0;
  bool trailing_ = false;  ///< what is found must be a directory
  bool asked_ = false;     ///< for the next name; asked_held_ is what there is
  bool begun_ = false;
  bool missing_ = false;  ///< the last name is not there
  u64 names_count_ = 0, mounts_count_ = 0;
  Errno error_{};
  Rest jump_link_;
  HeldLink jump_held_;
  std::string_view jump_after_;

  Step fail(Errno e) {
    error_ = e;
    return Step::failed;
  }
  bool has(WalkFlag f) const { return flags_.has(f); }
  bool is_scoped() const { return has(WalkFlag::beneath) || has(WalkFlag::in_root); }

  Rest& rest(u32 n) { return deep_ ? deep_->stack[n] : few_[n]; }
  Result<void> make_deep();
  Step begin(const core::RcuReader& reader);
  Step go_to_root();
  Step cross_mounts();
  Step go_up();
  Step follow(Spot link, std::string_view after, bool is_last);
  Step component();
  Step finish();
  bool is_under_root() const;
  static bool keep(const Spot& s, Path& held);
  static Step keep_link(const Rest& r, HeldLink& held);
  Step keep_target(const Rest& r);
  void let_go();
  Step hold(Step then);
  Step section();
  Result<void> ask();
  Result<void> jump();

 public:
  Walker(const Asker& who, const Path& start, std::string_view path, WalkFlags flags, WalkEnd& end)
      : who_(who),
        start_(start),
        whole_(path),
        flags_(flags),
        end_(end) {}
  Result<void> run();
};

/// Does not sleep. ENOMEM.
Result<void> Walker::make_deep() {
  if (deep_) return {};
  mem::Box<Deep> deep = TRY(mem::Box<Deep>::make(ALLOC_SITE));
  std::copy_n(few_.begin(), depth_, deep->stack.begin());
  deep_ = std::move(deep);
  return {};
}

Step Walker::begin(const core::RcuReader& reader) {
  const FsContext::Places& places = who_.fs.places(reader);
  names_count_ = name_changes.begin();
  mounts_count_ = mount_changes.begin();
  const Spot start = start_ ? spot_of(start_) : places.cwd;
  root_ = is_scoped() ? start : places.root;
  at_ = start;
  current_ = {.text = whole_};
  depth_ = links_ = 0;
  trailing_ = asked_ = missing_ = false;
  begun_ = true;
  if (!whole_.starts_with('/')) return Step::again;
  if (has(WalkFlag::beneath)) return fail(Errno::exdev);
  at_ = root_;
  return Step::again;
}

Step Walker::go_to_root() {
  if (has(WalkFlag::beneath)) return fail(Errno::exdev);
  if (has(WalkFlag::no_xdev) && at_.mount != root_.mount) return fail(Errno::exdev);
  at_ = root_;
  return Step::again;
}

Step Walker::cross_mounts() {
  while (at_.dentry->is_mountpoint()) {
    Mount* const m = find_mount(*at_.mount, *at_.dentry);
    if (m == nullptr) break;
    if (has(WalkFlag::no_xdev)) return fail(Errno::exdev);
    at_ = {m, &m->root()};
  }
  return Step::again;
}

Step Walker::go_up() {
  for (;;) {
    if (at_ == root_) {
      if (has(WalkFlag::beneath)) return fail(Errno::exdev);
      break;
    }
    if (at_.dentry != &at_.mount->root()) {
      if (Dentry* const above = at_.dentry->directory()) at_.dentry = above;
      break;
    }
    const Attachment* const place = at_.mount->place();
    if (place == nullptr) break;
    if (has(WalkFlag::no_xdev)) return fail(Errno::exdev);
    at_ = {&place->parent, place->point.get()};
  }
  if (is_scoped() &&
      (!mount_changes.is_still(mounts_count_) || !name_changes.is_still(names_count_)))
    return fail(Errno::eagain);
  return cross_mounts();
}

/// `link` is the position of a link; the walk stands in its directory. `after`: what follows it.
Step Walker::follow(Spot link, std::string_view after, bool is_last) {
  Inode& inode = link.dentry->inode();
  if (has(WalkFlag::no_symlinks) || link.mount->has(mount_flag::no_symlinks))
    return fail(Errno::eloop);
  if (++links_ > max_links) return fail(Errno::eloop);
  if (inode.is_magic_link()) {
    if (has(WalkFlag::no_magic)) return fail(Errno::eloop);
    if (is_scoped()) return fail(Errno::exdev);
    jump_link_ = {.link = &inode, .mount = link.mount};
    jump_after_ = after;
    return Step::jump;
  }
  touch_access(*link.mount, inode);
  const std::string_view target = inode.target();
  if (target.empty()) return fail(Errno::enoent);
  if (!is_last) {
    if (depth_ == few_.size())
      if (const Result<void> r = make_deep(); !r.ok()) return fail(r.error());
    rest(depth_++) = {.text = after, .link = current_.link, .mount = current_.mount};
  }
  current_ = {.text = target, .link = &inode, .mount = link.mount};
  return target.starts_with('/') ? go_to_root() : Step::again;
}

Step Walker::component() {
  std::string_view& text = current_.text;
  while (text.starts_with('/')) text.remove_prefix(1);
  if (text.empty()) {
    if (depth_ > 0) {
      current_ = rest(--depth_);
      return Step::again;
    }
    // Nothing but slashes.
    end_.last = Last::root;
    return finish();
  }
  const std::string_view name = text.substr(0, std::min(text.find('/'), text.size()));
  std::string_view after = text.substr(name.size());
  const bool slash = !after.empty();
  while (after.starts_with('/')) after.remove_prefix(1);
  const bool is_end = after.empty() && depth_ == 0;

  Inode& dir = at_.dentry->inode();
  if (!dir.is_directory()) return fail(Errno::enotdir);
  if (const Result<void> r = check_permission(dir, who_.cred, Want::execute); !r.ok())
    return fail(r.error());
  if (name.size() > name_max) return fail(Errno::enametoolong);
  end_.last = name == "." ? Last::dot : name == ".." ? Last::dot_dot : Last::name;
  if (is_end) {
    trailing_ = trailing_ || slash;
    end_.name = name;
    end_.found_in = {dir.mode.load_relaxed(), dir.uid.load_relaxed()};
    if (has(WalkFlag::parent)) return finish();
  }
  if (end_.last == Last::dot) {
    text = after;
    return is_end ? finish() : Step::again;
  }
  if (end_.last == Last::dot_dot) {
    text = after;
    const Step s = go_up();
    return s == Step::again && is_end ? finish() : s;
  }
  const Cached cached = dir.cached_names();
  Dentry* child = cached == Cached::none ? nullptr : find_child(*at_.dentry, name);
  if (child == nullptr && cached != Cached::all) {
    if (!std::exchange(asked_, false))
      return has(WalkFlag::cached) ? fail(Errno::eagain) : Step::ask;
    child = asked_held_.get();
  }
  if (child == nullptr) {
    if (!is_end || !has(WalkFlag::create_end)) return fail(Errno::enoent);
    missing_ = true;
    return finish();
  }
  asked_ = false;
  const Spot here = at_;
  at_.dentry = child;
  if (const Step s = cross_mounts(); s != Step::again) return s;
  if (at_.dentry->inode().is_link() && (!is_end || trailing_ || has(WalkFlag::follow))) {
    const Spot link = std::exchange(at_, here);
    if (is_end)
      if (const Result<void> r = may_follow(who_, dir, link.dentry->inode()); !r.ok())
        return fail(r.error());
    return follow(link, after, after.empty());
  }
  text = after;
  return is_end ? finish() : Step::again;
}

bool Walker::is_under_root() const {
  Spot s = at_;
  for (;;) {
    if (s == root_) return true;
    if (s.dentry == &s.mount->root()) {
      const Attachment* const place = s.mount->place();
      if (place == nullptr) return false;
      s = {&place->parent, place->point.get()};
    } else {
      s.dentry = s.dentry->directory();
      if (s.dentry == nullptr) return false;
    }
  }
}

/// False if it died.
bool Walker::keep(const Spot& s, Path& held) {
  if (!s.mount->try_get()) return false;
  held.mount = Ref<Mount>::adopt(s.mount);
  if (!s.dentry->try_get()) return false;
  held.dentry = Ref<Dentry>::adopt(s.dentry);
  return true;
}

Step Walker::keep_link(const Rest& r, HeldLink& held) {
  if (r.mount->is_doomed()) return Step::wait;
  if (!r.mount->try_get()) return Step::restart;
  Ref<Mount> mount = Ref<Mount>::adopt(r.mount);
  if (!r.link->try_get()) return Step::restart;
  held = HeldLink(std::move(mount), Ref<Inode>::adopt(r.link));
  return Step::again;
}

/// The string of a link, so that the section can end.
Step Walker::keep_target(const Rest& r) {
  if (r.link == nullptr) return Step::again;
  for (u32 i = 0; i < deep_->held_count; ++i)
    if (deep_->held[i].get() == r.link) return Step::again;
  const Step s = keep_link(r, deep_->held[deep_->held_count]);
  if (s == Step::again) ++deep_->held_count;
  return s;
}

Step Walker::finish() {
  const bool wants_parent = missing_ || has(WalkFlag::parent);
  if (!wants_parent && (trailing_ || has(WalkFlag::directory)) &&
      !at_.dentry->inode().is_directory())
    return fail(Errno::enotdir);
  if (is_scoped() && !is_under_root()) return fail(Errno::exdev);
  end_.trailing_slash = trailing_;
  if (at_.mount->is_doomed()) return Step::wait;
  if (!has(WalkFlag::passive)) at_.mount->note_use();
  if (!keep(at_, fresh_held_)) return Step::restart;
  at_.dentry->note_use();
  if (!wants_parent) {
    end_.path = std::move(fresh_held_);
    return Step::done;
  }
  if (current_.link != nullptr) {
    if (const Step s = keep_link(current_, end_.name_holder); s != Step::again) return s;
  }
  end_.parent = std::move(fresh_held_);
  return Step::done;
}

/// Holds the position, so that the section can end.
Step Walker::hold(Step then) {
  if (at_.mount->is_doomed() || root_.mount->is_doomed()) return Step::wait;
  if (then == Step::jump) {
    if (const Step s = keep_link(jump_link_, jump_held_); s != Step::again) return s;
  }
  if (!root_held_ && !keep(root_, root_held_)) return Step::restart;
  if (!keep(at_, fresh_held_)) return Step::restart;
  if (links_ > 0)
    if (const Result<void> r = make_deep(); !r.ok()) return fail(r.error());
  if (const Step s = keep_target(current_); s != Step::again) return s;
  for (u32 i = 0; i < depth_; ++i)
    if (const Step s = keep_target(rest(i)); s != Step::again) return s;
  return then;
}

Step Walker::section() {
  const core::RcuReader reader;
  if (!begun_)
    if (const Step s = begin(reader); s != Step::again) return s;
  for (u32 n = 0; n < most_names; ++n) {
    const Step s = component();
    if (s == Step::again) continue;
    return s == Step::ask || s == Step::jump ? hold(s) : s;
  }
  return hold(Step::pause);
}

/// Has the file system look for the next name.
Result<void> Walker::ask() {
  const std::string_view name =
      current_.text.substr(0, std::min(current_.text.find('/'), current_.text.size()));
  Ref<Dentry> stale;
  const auto look = [&] {
    auto still = at_held_.inode().lock.lock();
    return look_up(*at_held_.dentry, name, &stale);
  };
  Result<Ref<Dentry>> found = look();
  if (stale && stale->inode().super().mounts_on_it.load_acquire() != 0) unmount_from(*stale);
  if (!found.ok() && found.error() != Errno::enoent) return found.error();
  asked_ = true;
  // Held until the walk has passed it, since nobody else may.
  asked_held_ = found.ok() ? found.take() : Ref<Dentry>();
  return {};
}

Result<void> Walker::jump() {
  Path to = TRY(jump_held_.get()->jump());
  if (has(WalkFlag::no_xdev) && to.mount != at_held_.mount) return Errno::exdev;
  at_held_ = std::move(to);
  at_ = spot_of(at_held_);
  current_.text = jump_after_;
  return {};
}

void Walker::let_go() {
  begun_ = false;
  // Inodes and dentries before the mounts that keep their file systems.
  if (deep_)
    while (deep_->held_count > 0) deep_->held[--deep_->held_count] = {};
  asked_held_ = {};
  jump_held_ = {};
  end_.name_holder = {};
  end_.path = end_.parent = {};
  fresh_held_ = at_held_ = root_held_ = {};
}

Result<void> Walker::run() {
  for (;;) {
    const Step step = section();
    switch (step) {
      case Step::done: return {};
      case Step::failed: return error_;
      case Step::wait: {
        let_go();
        // Whoever unmounts holds the lock until it is decided.
        auto decided = mount_table.lock();
        continue;
      }
      case Step::restart: let_go(); continue;
      default: break;
    }
    at_held_ = std::move(fresh_held_);
    if (step == Step::ask) TRY(ask());
    if (step == Step::jump) TRY(jump());
  }
}

}  // namespace

Result<void> walk(const Asker& who, const Path& start, std::string_view path, WalkFlags flags,
                  WalkEnd& end) {
  if (path.empty()) return Errno::enoent;
  Walker walker(who, start, path, flags, end);
  return walker.run();
}

Result<Path> find(const Asker& who, const Path& start, std::string_view path, WalkFlags flags) {
  WalkEnd end;
  TRY(walk(who, start, path, flags, end));
  return std::move(end.path);
}

Result<Ref<Dentry>> look_up(Dentry& dir, std::string_view name, Ref<Dentry>* stale) {
  const Cached cached = dir.inode().cached_names();
  if (Ref<Dentry> d = child_of(dir, name)) {
    if (cached != Cached::none || dir.inode().is_still(name, d->inode())) return d;
    unlink_dentry(*d);
    if (stale != nullptr) *stale = std::move(d);
  }
  if (cached == Cached::all) return Errno::enoent;
  Ref<Inode> inode = TRY(dir.inode().lookup(dir, name));
  Ref<Dentry> fresh = TRY(Dentry::create(std::move(inode)));
  link_dentry(dir, *fresh, TRY(Name::create(dir, *fresh, name)));
  return fresh;
}

namespace {

/// Writes a path from its end.
class Backwards {
  std::span<char> room_;
  usize at_;

 public:
  bool is_full = false;
  explicit Backwards(std::span<char> room) : room_(room), at_(room.size()) {}
  void put(std::string_view text) {
    if (text.size() > at_) {
      is_full = true;
      return;
    }
    at_ -= text.size();
    text.copy(room_.data() + at_, text.size());
  }
  bool is_empty() const { return at_ == room_.size(); }
  std::string_view text() const { return {room_.data() + at_, room_.size() - at_}; }
};

/// Under RCU.
bool write_backwards(Spot at, const Spot& root, Backwards& out) {
  while (at != root) {
    if (at.dentry == &at.mount->root()) {
      const Attachment* const place = at.mount->place();
      if (place == nullptr) return false;
      at = {&place->parent, place->point.get()};
      continue;
    }
    const Name* const name = at.dentry->name();
    if (name == nullptr) return false;
    out.put(name->text());
    out.put("/");
    if (out.is_full) return true;
    at.dentry = static_cast<Dentry*>(&name->directory());
  }
  return true;
}

}  // namespace

Result<std::string_view> path_name(const Path& p, const Path& root, std::span<char> buffer,
                                   bool& reachable) {
  for (u32 attempt = 0;; ++attempt) {
    Backwards out(buffer);
    bool is_still = false;
    {
      const core::RcuReader reader;
      const u64 names = name_changes.begin();
      const u64 mounts = mount_changes.begin();
      reachable = write_backwards(spot_of(p), spot_of(root), out);
      is_still = name_changes.is_still(names) && mount_changes.is_still(mounts);
    }
    constexpr u32 enough = 8;
    if (!is_still && attempt < enough) continue;
    if (!is_still) {
      // Others move directories all the time.
      auto no_mounts = mount_table.lock();
      out = Backwards(buffer);
      with_still_names([&] { reachable = write_backwards(spot_of(p), spot_of(root), out); });
    }
    if (out.is_empty()) out.put("/");
    if (out.is_full) return Errno::enametoolong;
    return out.text();
  }
}

std::string_view path_text(const Spot& at, const Spot& root, std::span<char> buffer,
                           bool& reachable) {
  Backwards out(buffer);
  reachable = write_backwards(at, root, out);
  if (out.is_empty()) out.put("/");
  return out.is_full ? std::string_view() : out.text();
}

std::string_view inner_text(const Dentry& d, std::span<char> buffer) {
  Backwards out(buffer);
  for (const Name* n = d.name(); n != nullptr; n = n->directory().name()) {
    out.put(n->text());
    out.put("/");
  }
  if (out.is_empty()) out.put("/");
  return out.is_full ? std::string_view() : out.text();
}

bool is_below(const Path& p, const Path& above) {
  const core::RcuReader reader;
  for (Spot s = spot_of(p);;) {
    if (s == spot_of(above)) return true;
    if (s.dentry == &s.mount->root()) {
      const Attachment* const place = s.mount->place();
      if (place == nullptr) return false;
      s = {&place->parent, place->point.get()};
    } else {
      s.dentry = s.dentry->directory();
      if (s.dentry == nullptr) return false;
    }
  }
}

}  // namespace auk::vfs
