// devtmpfs: the devices there are, by their names.
//
// Purpose: a program finds /dev filled. Source: Linux Documentation/admin-guide/devices.txt, and
// CONFIG_DEVTMPFS.
// Data model: one file system for all mounts, made at the first one from the nodes that drivers
// have registered; it stays, with what programs made in it. Otherwise a tmpfs. Context: threads.
#include "core/init_graph.hpp"
#include "fs/tmpfs/tmpfs.hpp"
#include "vfs/device.hpp"

namespace auk::fs::tmpfs {
namespace {

/// Nobody else sees the directory yet.
Result<void> add_node(vfs::Dentry& dir, const vfs::DeviceNode& n) {
  Ref<vfs::Dentry> entry = TRY(vfs::Dentry::create());
  mem::Box<vfs::Name> name = TRY(vfs::Name::create(dir, *entry, n.name()));
  entry->set_inode(TRY(dir.inode().create(*entry, {.mode = n.mode(), .raw_device = n.number()})));
  vfs::link_dentry(dir, *entry, std::move(name));
  return {};
}

class Devtmpfs final : public vfs::SingleFileSystem {
  Result<Ref<vfs::Superblock>> make() override {
    Options o = default_options();
    o.mode = 0755;
    return make_super(name(), o);
  }
  Result<void> fill(vfs::Superblock& super) override {
    for (const vfs::DeviceNode* n = vfs::next_device_node(nullptr); n != nullptr;
         n = vfs::next_device_node(n))
      TRY(add_node(super.root(), *n));
    return {};
  }

 public:
  constexpr Devtmpfs() : SingleFileSystem("devtmpfs") {}
};
constinit Devtmpfs devtmpfs_kind;

void setup() { vfs::register_file_system(devtmpfs_kind); }
INIT_TASK(devtmpfs, "", "devtmpfs", setup);

}  // namespace
}  // namespace auk::fs::tmpfs
