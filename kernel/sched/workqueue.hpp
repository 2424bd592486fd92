// Work queues: functions that run later, in a thread that may sleep.
//
// Purpose: the one way to leave a context that must not sleep, and to do things behind a caller.
// Data model: Work (embedded in its user's object) -> WorkQueue (what it belongs to: name, limit,
// flush) -> Pool (per CPU, or one for all CPUs) -> workers. A pool keeps as many workers awake as
// it is wide: one per CPU-bound pool, the number of CPUs for the unbound one. A worker that goes to
// sleep inside a work lets another one start; the last idle worker makes the next before it gets
// busy. A work never runs twice at the same time: queued while it runs, it goes to the worker that
// runs it. Locking: level workqueue for queues, then work_pool for pools. Context: queue_work() any
// but NMI; flush and cancel in threads. Differences from Linux: one kind of pool for bound and
// unbound work; no freezable or high-priority pools.
#pragma once
#include <string_view>

#include "base/list.hpp"
#include "base/result.hpp"
#include "core/spin.hpp"
#include "sched/lock.hpp"
#include "time/timer.hpp"

namespace auk::sched {

class WorkQueue;
class Pool;
class Worker;
class Rescuer;

/// What is to be done. Its owner may free it from inside run().
class Work {
  friend class WorkQueue;
  friend class Pool;
  friend class Worker;
  friend bool cancel_work(Work& w);
  friend void wait_for_work(Work& w);
  Atomic<u32> pending_{0};
  Atomic<Pool*> last_pool_{nullptr};
  WorkQueue* queue_ = nullptr;
  u32 epoch_ = 0;
  bool held_back_ = false;
  ListNode node_;

 public:
  /// Context: a worker thread.
  virtual void run() = 0;
  /// Queued and not yet begun.
  bool is_pending() const { return pending_.load_acquire() != 0; }

 protected:
  constexpr Work() = default;
  ~Work() = default;
};

struct WorkQueueOptions {
  bool unbound = false;  ///< any CPU, for work that computes long
  u32 max_active = 0;    ///< works of this queue that run at a time; 0: no limit
  bool reclaim = false;  ///< must go on without memory: has a thread of its own in reserve
};

class WorkQueue {
  friend class Pool;
  friend class Worker;
  struct State {
    u32 active = 0;                 ///< in a pool or running
    u32 epoch = 0;                  ///< which count new works join
    std::array<u64, 2> in_epoch{};  ///< works not finished yet
    List<Work, &Work::node_> held_back;
  };
  std::string_view name_;
  WorkQueueOptions options_;
  core::Guarded<core::level::workqueue, State, core::SpinIrqOff> state_;
  core::Guarded<core::level::flush, u32, SleepLock> flush_lock_;
  WaitQueue flushers_;
  Atomic<Rescuer*> rescuer_{nullptr};

  void finished(u32 epoch, bool was_active);
  void submit(Work& w);
  bool take_back(Work& w);
  friend bool cancel_work(Work& w);

 public:
  constexpr explicit WorkQueue(std::string_view name, WorkQueueOptions options = {})
      : name_(name),
        options_(options) {}
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// False when the work is pending already.
  bool queue(Work& w);
  /// Returns when every work that was queued before the call has ended. Not from a work of this
  /// queue.
  void flush();
  /// Gives a queue made with `reclaim` its thread in reserve. ENOMEM.
  Result<void> start_rescuer();
  std::string_view name() const { return name_; }
};

/// The work neither is pending nor runs when this returns; true when it was pending. Nobody may
/// queue it meanwhile, itself excepted.
bool cancel_work(Work& w);
/// Waits until the work, if it runs, has ended this run.
void wait_for_work(Work& w);

/// A work that is queued when a time has come.
class DelayedWork : public Work, public time::Timer {
  WorkQueue* target_ = nullptr;

 public:
  void queue_at(WorkQueue& q, u64 deadline_ns) {
    target_ = &q;
    time::start(*this, deadline_ns);
  }
  void fire() final { (void)target_->queue(*this); }

 protected:
  DelayedWork() = default;
  ~DelayedWork() = default;
};

/// Stops the timer as well.
bool cancel_delayed(DelayedWork& w);

/// For everybody without special wishes.
extern WorkQueue system_queue;
extern WorkQueue system_unbound_queue;

/// Makes the pools and first workers of all online CPUs. ENOMEM.
Result<void> start_work_queues();

}  // namespace auk::sched
