#include "sched/wait.hpp"

#include "core/clock.hpp"
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
  auto w = queue_.waiters_.lock();
  if (node.is_linked()) return;
  granted_.store_relaxed(false);
  w->push_back(*this);
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
  auto w = queue_.waiters_.lock();
  if (node.is_linked()) {
    WaitQueue::Waiters::remove(*this);
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

void WaitQueue::wake_one() {
  if (!has_waiters()) return;
  auto w = waiters_.lock();
  Waiter* const first = w->pop_front();
  if (first == nullptr) return;
  count_.store_relaxed(count_.load_relaxed() - 1);
  first->granted_.store_release(true);
  // Under the lock: once it is free the waiter may return and its stack be reused.
  (void)wake(first->thread_);
}

void WaitQueue::wake_all() {
  if (!has_waiters()) return;
  auto w = waiters_.lock();
  for (Waiter& waiter : *w) (void)wake(waiter.thread_);
}

void sleep_until(u64 deadline_ns) {
  WaitQueue nothing;
  (void)wait(nothing, [] { return false; }, deadline_ns);
}

}  // namespace auk::sched
