// Watches on inodes: what inotify(7) is told by.
//
// Data model: an inode's WatchList -> Watch (counted: the list, its watcher's tree) -> the Inotify
// that is told, and the inode, which stays while it is watched. `wanted` is the union of what the
// list's watches want; with the count of watches in the Superblock it decides without a lock that
// nobody listens. Locking: level watches, one lock per inode; then the Inotify's.
#pragma once
#include "base/list.hpp"
#include "base/own.hpp"
#include "base/tree.hpp"
#include "core/spin.hpp"

namespace auk::vfs {

class Inode;
class Inotify;
class Superblock;

struct Watch final : RefCounted<Watch> {
  Ref<Inotify> listener;
  Ref<Superblock> super;  ///< an inode does not hold it
  Ref<Inode> inode;
  u32 mask = 0;  ///< the lock of the inode's list guards it, and whether it is linked there
  i32 number = 0;
  ListNode node;
  TreeHook number_hook;
  Watch(Ref<Inotify> l, Ref<Inode> i, u32 m);
  ~Watch();
  static void destroy(Watch* w);
};

struct WatchList {
  using List = auk::List<Watch, &Watch::node>;
  Atomic<u32> wanted{0};
  core::Guarded<core::level::watches, List, core::SpinPreemptOff> list;
};

}  // namespace auk::vfs
