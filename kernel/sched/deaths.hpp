// Deaths: objects whose last user goes where they cannot end: their ends take sleeping locks.
//
// Data model: a stack of the dead, linked through a field of theirs, and the work that takes all of
// it at once. Locking: none. Context: add() any but NMI; the ends come in a worker thread.
#pragma once
#include "mem/box.hpp"
#include "sched/workqueue.hpp"

namespace auk::sched {

template <class T, T* T::* next> class Deaths final : public Work {
  Atomic<T*> first_{nullptr};
  WorkQueue queue_;

  void run() override {
    T* at = first_.exchange_acq_rel(nullptr);
    while (at != nullptr) {
      T* const after = at->*next;
      mem::destroy(at);
      at = after;
    }
  }

 public:
  constexpr explicit Deaths(std::string_view name) : queue_(name, {.unbound = true}) {}
  void add(T& t) {
    T* seen = first_.load_relaxed();
    do {
      t.*next = seen;
    } while (!first_.cas_release(seen, &t));
    (void)queue_.queue(*this);
  }
};

}  // namespace auk::sched
