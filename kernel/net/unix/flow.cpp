#include "net/unix/flow.hpp"

namespace auk::net::local {

void Flow::destroy(Flow* f) { core::rcu_call(*f); }

void Flow::watch(const Ref<Flow>& peer) {
  Ref<Flow> before;
  auto watched = watched_.lock();
  if (*watched == peer) return;
  detach();
  before = std::exchange(*watched, peer);
  attach(peer->drained);
}

void Flow::unwatch() {
  Ref<Flow> before;
  auto watched = watched_.lock();
  detach();
  before = std::move(*watched);
}

void Flow::relay() {
  unwatch();
  writable.wake_all();
}

}  // namespace auk::net::local
