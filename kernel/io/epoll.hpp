// epoll(7): many files watched at once, at a cost that depends only on those that are ready.
//
// Data model: EpollFile (the descriptor) -> Epoll (counted: the descriptor and its items) -> Item,
// one for each (file, number), in a tree; an Item hangs in the watched file's list of links and has
// a Hook (a Watcher) on each queue that the file names. A wake-up marks its item by pushing it on a
// stack, without a lock, and the Epoll's relay wakes one sleeper and all who poll the epoll file
// itself. Who collects events moves the stack into the ready list and asks each of these items'
// files, in turn, whether there really is something.
// An item does not keep its file. It lives until the last reference to the file goes: File tells
// its links before the object ends, so under the Epoll's lock a file with an item is there.
// Items are freed at once: what reaches them, a Hook, is detached under its queue's lock. The Epoll
// itself, which relays run on, is freed by RCU.
// Locking: epoll_graph (which epolls are in which; only for those that are or hold others) -> epoll
// (tree, ready list; held while files are polled and events copied out) -> epoll_inner_N for epolls
// inside -> file_links, waitqueue. Context: threads; wake-ups as WaitQueue.
// Differences from Linux: EPOLLEXCLUSIVE is checked like there, but all epolls are told; there is
// no bound on the number of ways from a file through nested epolls, only on their length.
#pragma once
#include "io/file.hpp"

namespace auk::io {

struct EpollEvent {
  u32 events = 0;
  u64 data = 0;
};
enum class EpollChange : u8 { add, remove, modify };

class Epoll;

/// ENOMEM.
Result<Ref<File>> make_epoll(u32 flags);
/// EINVAL: not an epoll file.
Result<Epoll*> epoll_of(File& f);
/// Of the files that are watched under a number, the one that as many others stand before; only to
/// be compared. ENOENT.
Result<const File*> watched_file(Epoll& e, int fd, u32 others);
/// Both files are the caller's. Errors as epoll_ctl(2).
Result<void> change_epoll(File& epoll, EpollChange what, File& target, int fd,
                          const EpollEvent& event);
/// Writes up to `most` events as the ABI has them and returns how many there were; 0 when the
/// deadline has passed (0: does not wait). EFAULT, EINTR.
Result<u32> wait_for_events(Epoll& e, UserAddr to, u32 most, u64 deadline_ns);

}  // namespace auk::io
