// Where those wait who want to send: for room in what they may have on the way, and for the
// receiver to take more.
//
// Data model: a Flow belongs to a Core. `writable` is woken when its own packets were read,
// `drained` when its queue became shorter. A poller is on `writable` only: whose peer is full hangs
// a watch on the peer's `drained`, which wakes `writable` once. So the pollers need not be told
// when a datagram socket gets another peer, and a reader wakes only those who found no room.
// Locking: level unix_flow for the watch. Freed a grace period after its last reference: a waker
// may still be on the way to the watch. Context: threads; none of the wakers holds a spinning lock.
#pragma once
#include "core/rcu.hpp"
#include "mem/box.hpp"
#include "sched/wait.hpp"

namespace auk::net::local {

class Flow final : public RefCounted<Flow>, public core::RcuHead, sched::Watcher, sched::Relay {
  core::Guarded<core::level::unix_flow, Ref<Flow>, core::SpinPreemptOff> watched_;

  sched::Relay* woken() override { return this; }
  void relay() override;
  void retire() override { mem::destroy(this); }

 public:
  sched::WaitQueue writable, drained;

  Flow() = default;
  ~Flow() = default;
  static void destroy(Flow* f);
  /// The next wake-up of the peer's `drained` is one of `writable`.
  void watch(const Ref<Flow>& peer);
  void unwatch();
};

}  // namespace auk::net::local
