// inotify(7): events of the file system, read from a file.
//
// Data model: InotifyFile -> Inotify (counted: its file, its watches): watches by number, and a
// queue of events. An event that says the same as the one before it is dropped; when the queue is
// full it ends with an overflow event. Instances and watches are charged to the user who made the
// instance. Locking: watches (of an inode) -> inotify. Context: threads.
// Differences from Linux: no IN_UNMOUNT: a watch keeps the file system.
#pragma once
#include "vfs/dentry.hpp"

namespace auk::vfs {

/// `flags`: what F_GETFL shows. EMFILE: the user has too many; ENOMEM.
Result<Ref<io::File>> make_inotify(u32 uid, u32 flags);
/// EINVAL: not an inotify file.
Result<Inotify*> inotify_of(io::File& f);
/// The number of the watch, new or changed. EEXIST, ENOSPC, ENOMEM.
Result<u32> add_watch(Inotify& n, Inode& inode, u32 mask);
/// EINVAL: no such watch.
Result<void> remove_watch(Inotify& n, i32 number);

}  // namespace auk::vfs
