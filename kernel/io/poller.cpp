#include "io/poller.hpp"

#include <array>
#include <new>

#include "mem/box.hpp"

namespace auk::io {

struct Poller::Chunk {
  static constexpr usize capacity = 8;
  struct Slot {
    alignas(sched::Waiter) std::array<byte, sizeof(sched::Waiter)> memory;
    Ref<File> file;
    Ref<SharedQueue> keeper;
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

PollEvents Poller::look_at(const Ref<File>& f) {
  file_ = &f;
  return f->poll(this);
}

void Poller::add(sched::WaitQueue& queue, PollEvents, Ref<SharedQueue> keeper) {
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
  Chunk::Slot& slot = first_->slots[first_->used++];
  slot.file = *file_;
  slot.keeper = std::move(keeper);
  ::new (slot.memory.data()) sched::Waiter(queue);
}

void Poller::prepare() {
  always_.prepare();
  for (Chunk* c = first_; c != nullptr; c = c->next)
    for (usize i = 0; i < c->used; ++i) c->slots[i].waiter().prepare();
}

bool Poller::sleep(u64 deadline_ns) { return always_.commit(deadline_ns); }

}  // namespace auk::io
