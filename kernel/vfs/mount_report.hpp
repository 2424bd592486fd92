// Mounts one by one, by their numbers: what statmount(2) and listmount(2) say.
//
// Locking: level mount_ns is taken. Context: threads.
#pragma once
#include <span>

#include "mem/text.hpp"
#include "uapi/mount.hpp"
#include "vfs/lookup.hpp"

namespace auk::vfs {

/// The namespace with a number (0: the caller's). ENOENT.
Result<Ref<MountNamespace>> find_namespace(const Asker& who, u64 id);
/// Fills in what `mask` asks for (STATMOUNT_*). Strings go to `strings`, behind an empty one, each
/// with its end. EOVERFLOW: all of it would not be below `room` bytes; ENOENT; EPERM: nothing that
/// the caller's root leads to; ENOMEM.
Result<void> report_mount(const Asker& who, MountNamespace& space, u64 id, u64 mask, u64 room,
                          uapi::statmount& out, mem::Text& strings);
/// The numbers of what hangs below a mount (LSMT_ROOT: below the root), in their order from the
/// first one behind `after` on (0: from the first), or backwards; how many there were room for.
/// ENOENT, EPERM.
Result<usize> list_mounts(const Asker& who, MountNamespace& space, u64 below, u64 after,
                          bool is_backwards, std::span<u64> out);
/// What a mount shows of its file system: the path of its root there. Under RCU.
std::string_view root_text(const Mount& m, std::span<char> buffer);
/// The nearest group that a mount hears from and of which a member is seen from a root; 0: none.
/// The lock of the tree is held.
u32 dominating_group(const Mount& m, const Spot& root);

}  // namespace auk::vfs
