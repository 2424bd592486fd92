// devtmpfs: the devices there are, by their names.
//
// Purpose: a program finds /dev filled. Source: Linux Documentation/admin-guide/devices.txt, and
// CONFIG_DEVTMPFS.
// Data model: one file system for all mounts, made at the first one from the devices there are; it
// stays, with what programs made in it, and follows devices that come and go. Otherwise a tmpfs.
// Context: threads.
#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "dev/device.hpp"
#include "fs/tmpfs/tmpfs.hpp"
#include "ident/cred.hpp"
#include "vfs/fs_context.hpp"
#include "vfs/operations.hpp"

namespace auk::fs::tmpfs {
namespace {

/// Nobody else sees the directory yet.
Result<void> add_node(vfs::Dentry& dir, const dev::Device& d) {
  Ref<vfs::Dentry> entry = TRY(vfs::Dentry::create());
  mem::Box<vfs::Name> name = TRY(vfs::Name::create(dir, *entry, d.name()));
  entry->set_inode(TRY(
      dir.inode().create(*entry, d.name(), {.mode = d.mode(), .raw_device = d.device_number()})));
  vfs::link_dentry(dir, *entry, std::move(name));
  return {};
}

class Devtmpfs final : public vfs::SingleFileSystem, public dev::NodeWatcher {
  vfs::Taken check(const vfs::Parameter& p) const override { return check_option(p); }
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

  /// Does something in it as the kernel's own, if anybody has it.
  template <class F> Result<void> change(F f) {
    vfs::Mount* const m = hidden_mount_if_any();
    if (m == nullptr) return {};
    const vfs::Path top(Ref<vfs::Mount>(*m), Ref<vfs::Dentry>(m->root()));
    const Ref<vfs::FsContext> fs = TRY(vfs::FsContext::create(top, top));
    (void)fs->set_umask(0);
    const Ref<ident::Cred> cred = TRY(ident::make_root_cred());
    return f(vfs::Asker{*fs, *cred, nullptr});
  }
  void added(const dev::Device& d) override {
    const Result<void> r = change([&](const vfs::Asker& who) {
      return vfs::make_node(who, {}, d.name(), d.mode(), d.device_number());
    });
    // The first mount may have found it already.
    if (!r.ok() && r.error() != Errno::eexist)
      core::log_err("devtmpfs: {}: {}", d.name(), r.error());
  }
  /// What a program has put in its place stays.
  void removed(const dev::Device& d) override {
    (void)change([&](const vfs::Asker& who) -> Result<void> {
      const vfs::Path at = TRY(vfs::find(who, {}, d.name(), {}));
      constexpr u32 type_mask = 0170000;
      const vfs::Inode& there = at.inode();
      if (there.raw_device != d.device_number() ||
          ((there.mode.load_relaxed() ^ d.mode()) & type_mask) != 0)
        return {};
      // Who still holds it, or has given it another name, must not get at the next device of that
      // number.
      TRY(vfs::change_owner(who, at, 0, 0));
      TRY(vfs::change_mode(who, at, 0600));
      return vfs::unlink(who, {}, d.name());
    });
  }

 public:
  constexpr Devtmpfs() : SingleFileSystem("devtmpfs") {}
};
constinit Devtmpfs devtmpfs_kind;

void setup() {
  vfs::register_file_system(devtmpfs_kind);
  dev::set_node_watcher(devtmpfs_kind);
}
INIT_TASK(devtmpfs, "", "devtmpfs", setup);

}  // namespace
}  // namespace auk::fs::tmpfs
