#include "fs/tmpfs/memfd.hpp"

#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "fs/tmpfs/tmpfs.hpp"
#include "vfs/seal.hpp"

namespace auk::fs::tmpfs {
namespace {

/// Null if there was no memory for it at the start.
constinit vfs::Mount* home = nullptr;

}  // namespace

Result<Ref<io::File>> make_memfd(const vfs::Asker& who, std::string_view name, u32 mode,
                                 u32 seals) {
  if (home == nullptr) return Errno::enomem;
  vfs::Dentry& directory = home->root();
  Ref<vfs::Inode> inode = TRY(directory.inode().create_unnamed(
      {.mode = vfs::mode::regular | mode, .uid = who.cred.fsuid, .gid = who.cred.fsgid}));
  inode->seals.store_relaxed(vfs::seal::possible | seals);
  const vfs::Path at(Ref<vfs::Mount>(*home),
                     TRY(vfs::make_lost(directory, std::move(inode), name)));
  return vfs::open_path(who, at, vfs::open_flag::read_write | vfs::open_flag::large_file, true);
}

namespace {

void setup() {
  const auto make = []() -> Result<void> {
    Ref<vfs::Superblock> super = TRY(make_super("tmpfs", {.is_internal = true}));
    Ref<vfs::Dentry> root(super->root());
    home = TRY(vfs::Mount::create(std::move(super), std::move(root), "tmpfs",
                                  vfs::mount_flag::internal))
               .release();
    return {};
  };
  if (const Result<void> r = make(); !r.ok()) core::log_err("memfd: {}", r.error());
}
INIT_TASK(memfd, "tmpfs", "memfd", setup);

}  // namespace
}  // namespace auk::fs::tmpfs
