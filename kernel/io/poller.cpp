#include "io/poller.hpp"

#include <array>
#include <new>

#include "mem/box.hpp"

namespace auk::io {

struct Poller::Chunk {
  static constexpr usize capacity = 8;
  struct Slot {
    alignas(sched::Waiter) std::array<byte, sizeof(sched::Waiter)> memory;
    sched::Waiter& waiter() { return *reinterpret_cast<sched::Waiter*>(memory.data()); }
  };
  std::array<Slot, capacity> slots;
  usize used = 0;
  Chunk* next = nullptr;
};

Poller::~Poller() {
  while (Chunk* const c = first_) {
    first_ = c->next;
    for (usize i = 0; i < c->used; ++i) c->slots[i].waiter().~Waiter();
    mem::destroy(c);
  }
}

void Poller::watch(sched::WaitQueue& queue) {
  if (first_ == nullptr || first_->used == Chunk::capacity) {
    Result<mem::Box<Chunk>> made = mem::Box<Chunk>::make(ALLOC_SITE);
    if (!made.ok()) {
      out_of_memory_ = true;
      return;
    }
    Chunk* const fresh = made.take().release();
    fresh->next = first_;
    first_ = fresh;
  }
  ::new (first_->slots[first_->used++].memory.data()) sched::Waiter(queue);
}

void Poller::prepare() {
  always_.prepare();
  for (Chunk* c = first_; c != nullptr; c = c->next)
    for (usize i = 0; i < c->used; ++i) c->slots[i].waiter().prepare();
}

bool Poller::sleep(u64 deadline_ns) { return always_.commit(deadline_ns); }

}  // namespace auk::io
