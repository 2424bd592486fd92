#include "sched/wait.hpp"

#include "core/clock.hpp"
#include "core/preempt.hpp"
#include "time/timer.hpp"

namespace auk::sched {
namespace {

class Alarm final : public time::Timer {
  Thread& thread_;

 public:
  explicit Alarm(Thread& t) : thread_(t) {}
  void fire() override { (void)wake(thread_); }
};

}  // namespace

void Waiter::prepare() {
  prepare_to_sleep();
  auto entries = queue_.entries_.lock();
  if (node.is_linked()) return;
  granted_.store_relaxed(false);
  entries->push_back(*this);
  queue_.count_.store_seq_cst(queue_.count_.load_relaxed() + 1);
}

bool Waiter::commit(u64 deadline_ns) {
  if (deadline_ns == no_deadline) {
    schedule();
    return true;
  }
  if (core::clock_ns() >= deadline_ns) return false;
  Alarm alarm(thread_);
  time::start(alarm, deadline_ns);
  schedule();
  (void)time::cancel(alarm);
  return granted_.load_acquire() || core::clock_ns() < deadline_ns;
}

bool Waiter::leave() {
  cancel_sleep();
  auto entries = queue_.entries_.lock();
  if (node.is_linked()) {
    WaitQueue::Entries::remove(*this);
    queue_.count_.store_relaxed(queue_.count_.load_relaxed() - 1);
  }
  const bool was_granted = granted_.load_relaxed();
  granted_.store_relaxed(false);
  return was_granted;
}

void Waiter::finish() {
  // Granted since prepare(), perhaps behind the look at the condition that now lets us go: what the
  // grant was for may still be there.
  if (leave()) queue_.wake_one();
}

Waiter::~Waiter() {
  // Chosen by wake_one(), but gone without looking: somebody else must look.
  if (leave()) queue_.wake_one();
}

void Watcher::attach(WaitQueue& q) {
  ASSERT(queue_ == nullptr);
  queue_ = &q;
  auto entries = q.entries_.lock();
  entries->push_front(*this);
  q.count_.store_seq_cst(q.count_.load_relaxed() + 1);
}

void Watcher::detach() {
  if (queue_ == nullptr) return;
  {
    auto entries = queue_->entries_.lock();
    WaitQueue::Entries::remove(*this);
    queue_->count_.store_relaxed(queue_->count_.load_relaxed() - 1);
  }
  queue_ = nullptr;
}

/// The relays that one wake-up has to run, each once.
class RelayList {
  Relay* first_ = nullptr;

 public:
  /// The queue's lock is held.
  void add(Relay* r) {
    // A relay that is pending elsewhere is run there, after what was marked here.
    if (r == nullptr || r->pending_.exchange_acq_rel(true)) return;
    // They must outlive the lock: no grace period ends while this CPU may not switch.
    if (first_ == nullptr) core::preempt_disable();
    r->next_ = first_;
    first_ = r;
  }
  /// The lock is free.
  void run() {
    if (first_ == nullptr) return;
    while (Relay* const r = first_) {
      first_ = r->next_;
      // Before it runs: whoever marks from now on runs it again.
      (void)r->pending_.exchange_acq_rel(false);
      r->relay();
    }
    core::preempt_enable();
  }
};

void WaitQueue::wake_one() {
  if (!has_waiters()) return;
  RelayList relays;
  {
    auto entries = entries_.lock();
    for (WaitEntry* e = entries->front(); e != nullptr; e = entries->next(*e)) {
      if (e->is_watcher_) {
        relays.add(static_cast<Watcher*>(e)->woken());
        continue;
      }
      auto& first = static_cast<Waiter&>(*e);
      Entries::remove(first);
      count_.store_relaxed(count_.load_relaxed() - 1);
      first.granted_.store_release(true);
      // Under the lock: once it is free the waiter may return and its stack be reused.
      (void)wake(first.thread_);
      break;
    }
  }
  relays.run();
}

void WaitQueue::wake_all() {
  if (!has_waiters()) return;
  RelayList relays;
  {
    auto entries = entries_.lock();
    for (WaitEntry& e : *entries) {
      if (e.is_watcher_)
        relays.add(static_cast<Watcher&>(e).woken());
      else
        (void)wake(static_cast<Waiter&>(e).thread_);
    }
  }
  relays.run();
}

void sleep_until(u64 deadline_ns) {
  WaitQueue nothing;
  (void)wait(nothing, [] { return false; }, deadline_ns);
}

}  // namespace auk::sched
