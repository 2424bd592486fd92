#include "vfs/landlock.hpp"

#include "vfs/operations.hpp"
#include "vfs/ruleset.hpp"

namespace auk::vfs::landlock {
namespace {

using ident::Domain;

constexpr u32 refer = uapi::landlock_access_fs_refer;

/// What layers still deny, each for itself.
class Denied {
  std::array<u16, Domain::most_layers> by_layer_{};
  static_assert(all_rights <= 0xffff);

 public:
  /// All that layers deny without rules, of what is wanted; what any layer denies.
  u32 begin(const Domain& domain, u32 wanted) {
    u32 any = 0;
    for (const Domain* l = &domain; l != nullptr; l = l->parent.get()) {
      // To give a file another directory is denied by every layer.
      const u32 denied = wanted & (l->own.files | refer);
      by_layer_[l->layer] = static_cast<u16>(denied);
      any |= denied;
    }
    return any;
  }
  /// Applies the rules about a file. True if there are any, and nothing of what is wanted is denied
  /// now.
  bool give(const Domain& domain, const Inode& inode, u32 wanted) {
    if (wanted == 0) return true;
    const Anchor* const anchor = inode.anchor.load_acquire();
    if (anchor == nullptr) return false;
    bool has_rule = false;
    for (const Domain* l = &domain; l != nullptr; l = l->parent.get()) {
      const u32 given = static_cast<const RuleTable&>(*l->rules).access_to(anchor);
      has_rule = has_rule || given != 0;
      by_layer_[l->layer] &= static_cast<u16>(~(given & wanted));
    }
    return has_rule && (any() & wanted) == 0;
  }
  u32 any() const {
    u32 all = 0;
    for (const u16 denied : by_layer_) all |= denied;
    return all;
  }
  /// What else is denied does not matter any more. True if nothing is.
  bool keep_only(u32 wanted) {
    for (u16& denied : by_layer_) denied &= static_cast<u16>(wanted);
    return any() == 0;
  }
  /// Of some rights no layer denies any that it did not deny here, where what is denied both by the
  /// directory and by the file itself counts.
  bool covers(const Denied& directory, const Denied& file, u32 rights) const {
    for (u32 l = 0; l < Domain::most_layers; ++l)
      if ((directory.by_layer_[l] & file.by_layer_[l] & ~by_layer_[l] & rights) != 0) return false;
    return true;
  }
};

/// The next place on the way up. False at the end of the way.
bool step_up(Spot& s) {
  // Not what mounts hide.
  while (s.dentry == &s.mount->root()) {
    const Attachment* const place = s.mount->place();
    if (place == nullptr) return false;
    s = {&place->parent, place->point.get()};
  }
  Dentry* const above = s.dentry->directory();
  s.dentry = above != nullptr ? above : &s.mount->root();
  return true;
}

/// Goes up from a place that the caller holds: calls step(Spot&), which moves it, until that says
/// false.
template <class F> void climb(Spot at, F step) {
  constexpr u32 most_steps = 256;
  Path held;
  for (;;) {
    Path fresh;
    const core::RcuReader reader;
    for (u32 n = 0;; ++n) {
      if (!step(at)) return;
      if (n < most_steps) continue;
      // What dies just now is passed by: further up there is something that does not.
      if (!at.mount->try_get()) continue;
      Ref<Mount> mount = Ref<Mount>::adopt(at.mount);
      if (!at.dentry->try_get()) continue;
      fresh = Path(std::move(mount), Ref<Dentry>::adopt(at.dentry));
      break;
    }
    std::swap(held, fresh);
  }
}

/// Whether all that is wanted is given on the way from `at` on.
bool is_given(const Domain& domain, const Path& at, u32 wanted, Denied& denied) {
  if (wanted == 0 || at.mount->is_internal()) return true;
  bool is = false;
  climb(spot_of(at), [&](Spot& s) {
    is = denied.give(domain, s.dentry->inode(), wanted);
    return !is && step_up(s);
  });
  return is;
}

}  // namespace

Result<void> check(const Domain& domain, const Path& at, u64 access) {
  Denied denied;
  const u32 wanted = denied.begin(domain, static_cast<u32>(access));
  return is_given(domain, at, wanted, denied) ? Result<void>() : Errno::eacces;
}

u64 right_to_make(u32 mode, u64 raw_device) {
  switch (mode & mode::type_mask) {
    case mode::link: return uapi::landlock_access_fs_make_sym;
    case mode::directory: return uapi::landlock_access_fs_make_dir;
    case mode::character:
      // A whiteout is no device.
      return raw_device == 0 ? uapi::landlock_access_fs_make_reg
                             : uapi::landlock_access_fs_make_char;
    case mode::block: return uapi::landlock_access_fs_make_block;
    case mode::fifo: return uapi::landlock_access_fs_make_fifo;
    case mode::socket: return uapi::landlock_access_fs_make_sock;
    default: return uapi::landlock_access_fs_make_reg;
  }
}

namespace {

u32 right_to_make(const Dentry& d) {
  const Inode& i = d.inode();
  return static_cast<u32>(landlock::right_to_make(i.type(), i.raw_device));
}

u32 right_to_remove(const Dentry& d) {
  return d.inode().is_directory() ? uapi::landlock_access_fs_remove_dir
                                  : uapi::landlock_access_fs_remove_file;
}

/// Rights to what is no directory are all that matters of it.
u32 rights_of_kind(const Dentry& d) { return d.inode().is_directory() ? all_rights : file_rights; }

/// A file or directory changes its directory, within a mount. "Here" is where it stands, "there" is
/// where it goes.
class Change {
  const Domain& domain_;
  const Referring& change_;
  const u32 handled_;
  u32 wanted_here_ = refer, wanted_there_ = refer;
  Denied here_, there_;
  Denied entry_, victim_;  // by rules about these two alone

  bool collect(Spot at, Denied& out) const;
  bool gains_nothing() const;
  bool is_given_above();

 public:
  Change(const Domain& domain, const Referring& r, u32 wanted_here, u32 wanted_there)
      : domain_(domain),
        change_(r),
        handled_(domain.all.files | refer),
        wanted_here_(wanted_here | refer),
        wanted_there_(wanted_there | refer) {}
  Result<void> check();
};

/// The rules from a directory up to the root of the mount, or of the file system for one that was
/// moved out of the mount. True if nothing is denied any more.
bool Change::collect(Spot at, Denied& out) const {
  if (at.mount->is_internal()) return true;
  const u32 wanted = out.begin(domain_, all_rights);
  bool is = false;
  climb(at, [&](Spot& s) {
    is = out.give(domain_, s.dentry->inode(), wanted);
    if (is || s.dentry == &s.mount->root()) return false;
    Dentry* const above = s.dentry->directory();
    if (above == nullptr) return false;
    s.dentry = above;
    return true;
  });
  return is;
}

/// What is moved is denied to nobody less than before.
bool Change::gains_nothing() const {
  if (!there_.covers(here_, entry_, rights_of_kind(change_.entry))) return false;
  return !change_.exchange || here_.covers(there_, victim_, rights_of_kind(*change_.victim));
}

/// Goes on from the root of the mount, which both ways have in common. All that layers speak of
/// counts until it is clear that nothing is gained; from there on only what is wanted.
bool Change::is_given_above() {
  if (change_.to_dir.mount->is_internal()) return true;
  (void)entry_.begin(domain_, all_rights);
  (void)entry_.give(domain_, change_.entry.inode(), all_rights);
  if (change_.exchange) {
    (void)victim_.begin(domain_, all_rights);
    (void)victim_.give(domain_, change_.victim->inode(), all_rights);
  }
  u32 counts_here = handled_, counts_there = handled_;
  bool is_clear = false, is_given_here = false, is_given_there = false;
  Mount& mount = *change_.to_dir.mount;
  climb({&mount, &mount.root()}, [&](Spot& s) {
    if (!is_clear && gains_nothing()) {
      is_clear = true;
      counts_here = wanted_here_;
      counts_there = wanted_there_;
      is_given_here = is_given_here || here_.keep_only(wanted_here_);
      is_given_there = is_given_there || there_.keep_only(wanted_there_);
      if (is_given_here && is_given_there) return false;
    }
    const Inode& inode = s.dentry->inode();
    is_given_here = is_given_here || here_.give(domain_, inode, counts_here);
    is_given_there = is_given_there || there_.give(domain_, inode, counts_there);
    return !(is_given_here && is_given_there) && step_up(s);
  });
  return is_given_here && is_given_there;
}

Result<void> Change::check() {
  Mount& mount = *change_.to_dir.mount;
  const auto directory_of = [&](Dentry& d) {
    // A file that is the root of a mount stands for itself.
    return &d == &mount.root() ? Ref<Dentry>(d) : d.parent();
  };
  const Ref<Dentry> from_dir = directory_of(change_.entry);
  const bool is_all_here = collect({&mount, from_dir.get()}, here_);
  const bool is_all_there = collect(spot_of(change_.to_dir), there_);
  if ((is_all_here && is_all_there) || is_given_above()) return {};
  const u32 lacks = (here_.any() & wanted_here_) | (there_.any() & wanted_there_);
  return (lacks & ~refer) != 0 ? Errno::eacces : Errno::exdev;
}

bool is_in(Dentry& d, const Dentry& dir) {
  const core::RcuReader reader;
  return d.directory() == &dir;
}

}  // namespace

Result<void> check_refer(const Domain& domain, const Referring& r) {
  u32 here = r.exchange ? right_to_make(*r.victim) : 0;
  u32 there = right_to_make(r.entry);
  if (r.moves) {
    here |= right_to_remove(r.entry);
    if (r.victim != nullptr) there |= right_to_remove(*r.victim);
  }
  if (is_in(r.entry, *r.to_dir.dentry)) return check(domain, r.to_dir, here | there);
  return Change(domain, r, here, there).check();
}

Result<Flags<io::Withheld>> check_open(const Domain& domain, const Path& at, u32 flags) {
  constexpr u32 truncate = uapi::landlock_access_fs_truncate;
  constexpr u32 ioctl = uapi::landlock_access_fs_ioctl_dev;
  const Inode& inode = at.inode();
  const u32 access = flags & open_flag::access_mask;
  u32 wanted = 0;
  if (access == 0 || access == open_flag::read_write)
    wanted = inode.is_directory() ? uapi::landlock_access_fs_read_dir
                                  : uapi::landlock_access_fs_read_file;
  if (access == open_flag::write_only || access == open_flag::read_write)
    wanted |= uapi::landlock_access_fs_write_file;
  if ((flags & open_flag::execute) != 0) wanted |= uapi::landlock_access_fs_execute;
  const u32 later = truncate | (inode.is_device() ? ioctl : 0);
  Denied denied;
  const u32 handled = denied.begin(domain, wanted | later);
  const u32 lacks = is_given(domain, at, handled, denied) ? 0 : denied.any();
  if ((lacks & wanted) != 0) return Errno::eacces;
  Flags<io::Withheld> withheld;
  if ((lacks & truncate) != 0 && inode.is_regular()) withheld |= io::Withheld::truncate;
  if ((lacks & ioctl) != 0) withheld |= io::Withheld::ioctl;
  return withheld;
}

}  // namespace auk::vfs::landlock
