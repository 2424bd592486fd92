// The initial RAM disk, unpacked into the root file system.
#pragma once
#include "core/handover.hpp"
#include "vfs/fs_context.hpp"

namespace auk::init {

/// Where the first process stands.
struct FirstRoot {
  Ref<vfs::FsContext> fs;
  Ref<vfs::MountNamespace> mounts;
};

/// A root file system in memory with what the boot loader gave us, and /dev/console if that brought
/// none. Damage is logged; what came before it stays. Panics without memory for the root.
FirstRoot make_root(const core::HandOver& h);

}  // namespace auk::init
