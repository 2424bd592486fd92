// tmpfs: files in memory. Also the root file system that the initramfs is unpacked into.
//
// Data model: the dentry tree is the directory, the page cache is the file. Source: tmpfs(5).
#pragma once
#include "vfs/dentry.hpp"

namespace auk::fs::tmpfs {

/// A fresh file system with an empty root directory of that mode, as a mount that covers nothing
/// yet. `type`: what /proc/mounts calls it.
Result<Ref<vfs::Mount>> mount(std::string_view type, u32 mode, u64 flags);

}  // namespace auk::fs::tmpfs
