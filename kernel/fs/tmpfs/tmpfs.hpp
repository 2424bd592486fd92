// tmpfs: files in memory. Also the root file system that the initramfs is unpacked into.
//
// Data model: the dentry tree is the directory, the page cache is the file. Source: tmpfs(5).
#pragma once
#include "fs/tmpfs/options.hpp"
#include "vfs/mounting.hpp"

namespace auk::fs::tmpfs {

/// The root file system: a fresh one with an empty root directory, as a mount that hangs nowhere
/// yet.
Result<Ref<vfs::Mount>> make_root();
/// A fresh file system of this name. `type` lives for ever.
Result<Ref<vfs::Superblock>> make_super(std::string_view type, const Options& o);
/// Half of the memory, and as many files as pages: Linux's default.
Options default_options();

}  // namespace auk::fs::tmpfs
