// tmpfs: files in memory. Also the root file system that the initramfs is unpacked into.
//
// Data model: the dentry tree is the directory, the page cache is the file. Source: tmpfs(5).
#pragma once
#include "vfs/mounting.hpp"

namespace auk::fs::tmpfs {

/// The root file system: a fresh one with an empty root directory, as a mount that hangs nowhere
/// yet.
Result<Ref<vfs::Mount>> make_root();

}  // namespace auk::fs::tmpfs
