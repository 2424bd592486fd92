// devtmpfs: the devices there are, by their names.
//
// Purpose: a program finds /dev filled. Source: Linux Documentation/admin-guide/devices.txt, and
// CONFIG_DEVTMPFS.
// Data model: one file system for all mounts, made at the first one from the nodes that drivers
// have registered; it stays, with what programs made in it. Otherwise a tmpfs. Locking: level
// fs_private for the making. Context: threads.
#include "core/init_graph.hpp"
#include "fs/tmpfs/tmpfs.hpp"
#include "vfs/device.hpp"

namespace auk::fs::tmpfs {
namespace {

constinit core::Guarded<core::level::fs_private, vfs::Mount*, sched::SleepLock> hidden_mount;

/// Nobody else sees the directory yet.
Result<void> add_node(vfs::Dentry& dir, const vfs::DeviceNode& n) {
  Ref<vfs::Dentry> entry = TRY(vfs::Dentry::create());
  mem::Box<vfs::Name> name = TRY(vfs::Name::create(dir, *entry, n.name()));
  entry->set_inode(TRY(dir.inode().create(*entry, {.mode = n.mode(), .raw_device = n.number()})));
  vfs::link_dentry(dir, *entry, std::move(name));
  return {};
}

/// A mount that hangs nowhere keeps the file system when programs have unmounted theirs.
Result<Ref<vfs::Mount>> make() {
  Options o = default_options();
  o.mode = 0755;
  Ref<vfs::Superblock> super = TRY(make_super("devtmpfs", o));
  Ref<vfs::Dentry> root(super->root());
  Ref<vfs::Mount> mount = TRY(vfs::Mount::create(std::move(super), std::move(root), "devtmpfs", 0));
  for (const vfs::DeviceNode* n = vfs::next_device_node(nullptr); n != nullptr;
       n = vfs::next_device_node(n))
    TRY(add_node(mount->root(), *n));
  return mount;
}

class Devtmpfs final : public vfs::FileSystem {
 public:
  constexpr Devtmpfs() : FileSystem("devtmpfs") {}
  Result<Ref<vfs::Superblock>> open(std::string_view, std::string_view) override {
    auto mount = hidden_mount.lock();
    if (*mount == nullptr) *mount = TRY(make()).release();
    return Ref<vfs::Superblock>((*mount)->super());
  }
};
constinit Devtmpfs devtmpfs_kind;

void setup() { vfs::register_file_system(devtmpfs_kind); }
INIT_TASK(devtmpfs, "", "devtmpfs", setup);

}  // namespace
}  // namespace auk::fs::tmpfs
