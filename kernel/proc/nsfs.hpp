// Namespaces as files: what /proc/PID/ns leads to. See namespaces(7), ioctl_nsfs(2), setns(2).
//
// Data model: each look at a namespace makes an inode of its own, which holds the namespace; what
// tells namespaces apart is the inode's number, which is never given out again. Such an inode may
// be mounted on a file, which keeps the namespace: but one of mounts only where it is younger than
// the namespace it is mounted in, so that none comes to hold itself.
// Locking: none of its own. Context: threads.
#pragma once
#include "ident/pid.hpp"
#include "vfs/mounting.hpp"

namespace auk::proc {

/// One of each kind, or none of it.
struct Namespaces {
  Ref<vfs::MountNamespace> mounts;
  Ref<ident::PidNamespace> pids;
  explicit operator bool() const { return mounts || pids; }
};
/// A path to one namespace, which leads to nothing else. ENOMEM.
Result<vfs::Path> path_to(Namespaces n);
/// The same opened, for the caller, with FD_CLOEXEC. EMFILE, ENOMEM.
Result<u64> install_namespace(class Task& me, Namespaces n);
/// What an open file is of; none for other files.
Namespaces namespace_behind(const io::File& f);
/// Where those paths are: on a mount that hangs nowhere.
bool is_on_nsfs(const vfs::Path& p);

}  // namespace auk::proc
