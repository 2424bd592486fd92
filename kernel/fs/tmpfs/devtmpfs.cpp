// devtmpfs: the devices there are, by their names.
//
// Purpose: a program finds /dev filled. Source: Linux Documentation/admin-guide/devices.txt, and
// CONFIG_DEVTMPFS.
// Data model: one file system for all mounts, made at the first one from the devices there are; it
// stays, with what programs made in it. Otherwise a tmpfs. Context: threads.
#include "core/init_graph.hpp"
#include "dev/device.hpp"
#include "fs/tmpfs/tmpfs.hpp"

namespace auk::fs::tmpfs {
namespace {

/// Nobody else sees the directory yet.
Result<void> add_node(vfs::Dentry& dir, const dev::Device& d) {
  Ref<vfs::Dentry> entry = TRY(vfs::Dentry::create());
  mem::Box<vfs::Name> name = TRY(vfs::Name::create(dir, *entry, d.name()));
  entry->set_inode(
      TRY(dir.inode().create(*entry, {.mode = d.mode(), .raw_device = d.device_number()})));
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
    for (const bool is_block : {false, true}) {
      u64 place = 0;
      while (const Ref<dev::Device> d = dev::next_with_node(place, is_block))
        TRY(add_node(super.root(), *d));
    }
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
