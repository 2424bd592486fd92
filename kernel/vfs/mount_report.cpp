#include "vfs/mount_report.hpp"

#include <algorithm>

#include "vfs/device.hpp"
#include "vfs/mount_attributes.hpp"
#include "vfs/mount_table.hpp"

namespace auk::vfs {
namespace {

/// What is seen of the mount from its root on is seen from there.
bool is_reachable(const Mount& m, const Dentry& d, const Spot& root) {
  const Mount* mount = &m;
  const Dentry* dentry = &d;
  while (mount != root.mount) {
    const Attachment* const place = mount->place();
    if (place == nullptr) return false;
    dentry = place->point.get();
    mount = &place->parent;
  }
  return is_under(*dentry, *root.dentry);
}
bool is_reachable(const Mount& m, const Spot& root) { return is_reachable(m, m.root(), root); }

/// Where somebody looks from: his own root, or what was mounted on the root of another namespace.
/// ENOENT.
Result<Path> root_in(const Asker& who, MountNamespace& space) {
  if (&space == who.space) return who.fs.root();
  const Mount* const top = space.root.load_relaxed();
  for (Mount& m : space.mounts)
    if (m.place() != nullptr && &m.place()->parent == top)
      return Path(Ref<Mount>(m), Ref<Dentry>(m.root()));
  return Errno::enoent;
}

Result<Mount*> find(MountNamespace& space, u64 id) {
  const auto at = space.mounts.find(id, MountNamespace::ByUniqueId());
  if (at == space.mounts.end()) return Errno::enoent;
  return &*at;
}

Result<void> check_sight(const Asker& who, const Mount& m, const Spot& root) {
  if (is_reachable(m, root) || who.cred.has(ident::Cap::sys_admin)) return {};
  return Errno::eperm;
}

u64 attributes_of(const Mount& m) {
  u64 all = m.has(mount_flag::no_atime)    ? uapi::mount_attr_noatime
            : m.has(mount_flag::rel_atime) ? uapi::mount_attr_relatime
                                           : uapi::mount_attr_strictatime;
  for (const MountAttribute& a : mount_attributes)
    if (m.has(a.flag)) all |= a.attribute;
  return all;
}

u64 propagation_of(const Mount& m) {
  u64 p = 0;
  if (m.group != nullptr) p |= uapi::ms_shared;
  if (m.master != nullptr) p |= uapi::ms_slave;
  if (m.is_unbindable) p |= uapi::ms_unbindable;
  return p != 0 ? p : u64{uapi::ms_private};
}

void fill_basics(const Mount& m, uapi::statmount& out) {
  const Mount& parent = m.place() != nullptr ? m.place()->parent : m;
  out.mnt_id = m.unique_id();
  out.mnt_parent_id = parent.unique_id();
  out.mnt_id_old = m.id();
  out.mnt_parent_id_old = parent.id();
  out.mnt_attr = attributes_of(m);
  out.mnt_propagation = propagation_of(m);
  out.mnt_peer_group = m.group != nullptr ? m.group->id : 0;
  out.mnt_master = m.master != nullptr ? m.master->id : 0;
}

void fill_super(const Mount& m, uapi::statmount& out) {
  const u64 device = m.super().device();
  out.sb_dev_major = dev::major_of(device);
  out.sb_dev_minor = dev::minor_of(device);
  out.sb_magic = m.super().info().magic;
  out.sb_flags = m.super().is_read_only() ? u32{uapi::ms_rdonly} : 0;
}

/// The strings of one mount.
class Strings {
  using Scratch = std::array<char, path_max>;
  Mount& mount_;
  const Spot root_;
  const u64 room_;
  mem::Text& out_;
  mem::Box<Scratch> scratch_;

  void put_options() {
    const usize size = mount_.super().show_options(*scratch_);
    const std::string_view options(scratch_->data(), std::min(size, scratch_->size()));
    if (!options.empty()) out_.put(options.substr(1));
  }
  void put_text(u64 what) {
    const core::RcuReader reader;
    bool reachable = false;
    std::string_view text;
    switch (what) {
      case uapi::statmount_fs_type: text = mount_.super().type(); break;
      case uapi::statmount_mnt_root: text = root_text(mount_, *scratch_); break;
      case uapi::statmount_mnt_point:
        text = path_text({&mount_, &mount_.root()}, root_, *scratch_, reachable);
        if (!reachable) text = {};
        break;
      default: break;
    }
    out_.put(text);
  }

 public:
  Strings(Mount& m, const Spot& root, u64 room, mem::Text& out, mem::Box<Scratch> scratch)
      : mount_(m),
        root_(root),
        room_(room),
        out_(out),
        scratch_(std::move(scratch)) {}
  static Result<mem::Box<Scratch>> make_scratch() { return mem::Box<Scratch>::make(ALLOC_SITE); }

  Result<void> add(u64 what, u32& at, u64& mask) {
    if (out_.text().empty()) out_.put('\0');
    at = static_cast<u32>(out_.text().size());
    if (what == uapi::statmount_mnt_opts)
      put_options();
    else
      put_text(what);
    if (sizeof(uapi::statmount) + out_.text().size() >= room_) return Errno::eoverflow;
    out_.put('\0');
    if (out_.failed()) return Errno::enomem;
    mask |= what;
    return {};
  }
};

}  // namespace

std::string_view root_text(const Mount& m, std::span<char> buffer) {
  const std::string_view own = m.root().inode().shown_name(buffer);
  return own.empty() ? inner_text(m.root(), buffer) : own;
}

u32 dominating_group(const Mount& m, const Spot& root) {
  for (PeerGroup* g = m.master; g != nullptr;) {
    for (const Mount& member : g->members)
      if (member.space() == m.space() && is_reachable(member, root)) return g->id;
    const Mount* const any = g->members.front();
    g = any == nullptr ? nullptr : any->master;
  }
  return 0;
}

Result<Ref<MountNamespace>> find_namespace(const Asker& who, u64 id) {
  if (id == 0) return Ref<MountNamespace>(*who.space);
  auto table = mount_table.lock();
  for (MountNamespace& n : table->spaces())
    if (n.id == id && !n.is_detached && n.try_get()) return Ref<MountNamespace>::adopt(&n);
  return Errno::enoent;
}

Result<void> report_mount(const Asker& who, MountNamespace& space, u64 id, u64 mask, u64 room,
                          uapi::statmount& out, mem::Text& strings) {
  auto scratch = TRY(Strings::make_scratch());
  const auto has = [&](u64 what) { return (mask & what) != 0; };
  Path root;
  auto table = mount_table.lock();
  Mount& m = *TRY(find(space, id));
  root = TRY(root_in(who, space));
  TRY(check_sight(who, m, spot_of(root)));
  if (has(uapi::statmount_sb_basic)) {
    out.mask |= uapi::statmount_sb_basic;
    fill_super(m, out);
  }
  if (has(uapi::statmount_mnt_basic)) {
    out.mask |= uapi::statmount_mnt_basic;
    fill_basics(m, out);
  }
  if (has(uapi::statmount_propagate_from)) {
    out.mask |= uapi::statmount_propagate_from;
    out.propagate_from = dominating_group(m, spot_of(root));
  }
  Strings text(m, spot_of(root), room, strings, std::move(scratch));
  if (has(uapi::statmount_fs_type)) TRY(text.add(uapi::statmount_fs_type, out.fs_type, out.mask));
  if (has(uapi::statmount_mnt_root))
    TRY(text.add(uapi::statmount_mnt_root, out.mnt_root, out.mask));
  if (has(uapi::statmount_mnt_point))
    TRY(text.add(uapi::statmount_mnt_point, out.mnt_point, out.mask));
  if (has(uapi::statmount_mnt_opts))
    TRY(text.add(uapi::statmount_mnt_opts, out.mnt_opts, out.mask));
  if (has(uapi::statmount_mnt_ns_id)) {
    out.mask |= uapi::statmount_mnt_ns_id;
    out.mnt_ns_id = space.id;
  }
  return {};
}

Result<usize> list_mounts(const Asker& who, MountNamespace& space, u64 below, u64 after,
                          bool is_backwards, std::span<u64> out) {
  Path root;
  auto table = mount_table.lock();
  root = TRY(root_in(who, space));
  Spot top = spot_of(root);
  if (below != uapi::lsmt_root) {
    Mount& m = *TRY(find(space, below));
    TRY(check_sight(who, m, top));
    top = {&m, &m.root()};
  }
  usize n = 0;
  const auto take = [&](const Mount& m) {
    if (m.unique_id() != below && is_reachable(m, top)) out[n++] = m.unique_id();
  };
  auto& mounts = space.mounts;
  if (is_backwards) {
    auto at = after == 0 ? mounts.end() : mounts.lower_bound(after, MountNamespace::ByUniqueId());
    while (n < out.size() && at != mounts.begin()) take(*--at);
  } else {
    for (auto at = mounts.upper_bound(after, MountNamespace::ByUniqueId());
         n < out.size() && at != mounts.end(); ++at)
      take(*at);
  }
  return n;
}

}  // namespace auk::vfs
