#include "sched/workqueue.hpp"

#include "base/fmt.hpp"
#include "core/clock.hpp"
#include "core/cpu_mask.hpp"
#include "core/log.hpp"
#include "mem/box.hpp"

namespace auk::sched {

/// One thread that runs works of one pool.
class Worker final : public ThreadMain, public SleepObserver {
  friend class Pool;
  Pool& pool_;
  const Work* current_ = nullptr;
  bool working_ = false;
  Atomic<bool> called_{false};
  WaitQueue sleeps_;
  List<Work, &Work::node_> again_;  ///< queued while this worker ran them

 public:
  ListNode node;  ///< idle list, or busy bucket
  explicit Worker(Pool& pool) : pool_(pool) {}
  void run() override;
  void discard() override { mem::destroy(this); }
  void before_sleep() override;
  void after_sleep() override;
};

class Pool {
  static constexpr u64 idle_ns = u64{300} * 1'000'000'000;
  static constexpr usize bucket_count = 16;
  using Works = List<Work, &Work::node_>;
  using Workers = List<Worker, &Worker::node>;

  struct State {
    Works pending;
    Workers idle;
    std::array<Workers, bucket_count> busy;  ///< by the address of the work
    u32 idle_count = 0;
    u32 awake = 0;  ///< workers that run or were called to run, those asleep in a work excepted
    bool growing = false;
  };
  core::Guarded<core::level::work_pool, State, core::SpinIrqOff> state_;
  u32 width_ = 1;
  bool pinned_ = false;
  CpuId cpu_;
  WaitQueue done_;

  static Workers& bucket(State& s, const Work* w) {
    return s.busy[(reinterpret_cast<uptr>(w) >> 6) % bucket_count];
  }
  static Worker* runner_of(State& s, const Work* w) {
    for (Worker& worker : bucket(s, w))
      if (worker.current_ == w) return &worker;
    return nullptr;
  }
  void call_idle(State& s) {
    if (s.pending.empty() || s.awake >= width_) return;
    Worker* const worker = s.idle.pop_front();
    if (worker == nullptr) return;
    --s.idle_count;
    ++s.awake;
    worker->called_.store_release(true);
    worker->sleeps_.wake_one();
  }
  void call_rescuers();
  Work* next_work(Worker& me);
  bool sleep(Worker& me);
  void run_work(Worker& me, Work& w);

 public:
  void setup(u32 width, bool pinned, CpuId cpu) {
    width_ = width;
    pinned_ = pinned;
    cpu_ = cpu;
  }
  Result<void> add_worker();
  void add(Work& w) {
    auto s = state_.lock();
    if (Worker* runner = runner_of(*s, &w)) {
      runner->again_.push_back(w);
      return;
    }
    s->pending.push_back(w);
    call_idle(*s);
  }
  bool is_running(const Work* w) {
    auto s = state_.lock();
    return runner_of(*s, w) != nullptr;
  }
  /// Takes a pending work out; false when it has begun.
  bool remove(Work& w) {
    auto s = state_.lock();
    if (!w.node_.is_linked()) return false;
    Works::remove(w);
    return true;
  }
  void wait_for(const Work* w) {
    (void)wait(done_, [&] { return !is_running(w); });
  }
  void work_loop(Worker& me);
  void rescue(WorkQueue& q, Worker& me);
  void worker_sleeps() {
    auto s = state_.lock();
    --s->awake;
    call_idle(*s);
  }
  void worker_continues() {
    auto s = state_.lock();
    ++s->awake;
  }
};

/// The thread of a queue that must make progress even when no worker can be made.
class Rescuer final : public ThreadMain {
  WorkQueue& queue_;
  Atomic<bool> called_{false};
  WaitQueue sleeps_;

 public:
  explicit Rescuer(WorkQueue& q) : queue_(q) {}
  void call() {
    called_.store_release(true);
    sleeps_.wake_one();
  }
  void run() override;
  void discard() override { mem::destroy(this); }
};

namespace {

AUK_PER_CPU core::PerCpu<Pool*> cpu_pools;
constinit Pool unbound_pool;

}  // namespace

constinit WorkQueue system_queue("events");
constinit WorkQueue system_unbound_queue("events_unbound", {.unbound = true});

void Worker::run() {
  current().observer = this;
  pool_.work_loop(*this);
}
void Worker::before_sleep() {
  if (working_) pool_.worker_sleeps();
}
void Worker::after_sleep() {
  if (working_) pool_.worker_continues();
}

Result<void> Pool::add_worker() {
  mem::Box<Worker> worker = TRY(mem::Box<Worker>::make(ALLOC_SITE, *this));
  std::array<char, core::ThreadCore::name_size> name;
  Writer w(name);
  if (pinned_)
    format_to(w, "kworker/{}", cpu_);
  else
    format_to(w, "kworker/u");
  // A new worker is awake from the start: it has not been idle.
  {
    auto s = state_.lock();
    ++s->awake;
  }
  const auto spawned = spawn(w.text(), *worker.release(), {.pinned = pinned_, .cpu = cpu_});
  if (spawned.ok()) return {};
  auto s = state_.lock();
  --s->awake;
  return Errno::enomem;
}

void Pool::call_rescuers() {
  auto s = state_.lock();
  for (Work& w : s->pending)
    if (Rescuer* r = w.queue_->rescuer_.load_acquire()) r->call();
}

/// Never leaves the pool without an idle worker while this one is busy.
Work* Pool::next_work(Worker& me) {
  bool grow = false;
  {
    auto s = state_.lock();
    // Behind the others: a work that queues itself over and over must not keep them waiting.
    while (Work* const w = me.again_.pop_front()) s->pending.push_back(*w);
    if (s->pending.empty() || s->awake > width_) return nullptr;
    grow = s->idle.empty() && !s->growing;
    s->growing = s->growing || grow;
  }
  if (grow) {
    if (!add_worker().ok()) call_rescuers();
    auto s = state_.lock();
    s->growing = false;
  }
  auto s = state_.lock();
  Work* const w = s->pending.pop_front();
  if (w == nullptr) return nullptr;
  bucket(*s, w).push_back(me);
  me.current_ = w;
  return w;
}

void Pool::run_work(Worker& me, Work& w) {
  WorkQueue* const queue = w.queue_;
  const u32 epoch = w.epoch_;
  // From here on it may be queued again, and it may free itself.
  w.pending_.store_release(0);
  me.working_ = true;
  w.run();
  me.working_ = false;
  core::assert_no_locks_held("a work ends");
  {
    auto s = state_.lock();
    Workers::remove(me);
    me.current_ = nullptr;
  }
  queue->finished(epoch, true);
  done_.wake_all();
}

/// False when the worker should end.
bool Pool::sleep(Worker& me) {
  {
    auto s = state_.lock();
    if (!s->pending.empty() && s->awake <= width_) return true;
    --s->awake;
    ++s->idle_count;
    me.called_.store_relaxed(false);
    s->idle.push_front(me);
  }
  const auto is_called = [&] { return me.called_.load_acquire(); };
  if (wait(me.sleeps_, is_called, core::clock_ns() + idle_ns) == WaitResult::ready) return true;
  {
    auto s = state_.lock();
    if (is_called()) return true;
    if (s->idle_count > 1) {
      Workers::remove(me);
      --s->idle_count;
      return false;
    }
  }
  (void)wait(me.sleeps_, is_called);
  return true;
}

void Pool::work_loop(Worker& me) {
  for (;;) {
    while (Work* const w = next_work(me)) run_work(me, *w);
    if (!sleep(me)) return;
  }
}

void Pool::rescue(WorkQueue& q, Worker& me) {
  for (;;) {
    Work* found = nullptr;
    {
      auto s = state_.lock();
      for (Work& w : s->pending)
        if (w.queue_ == &q) {
          found = &w;
          break;
        }
      if (found == nullptr) return;
      Works::remove(*found);
      bucket(*s, found).push_back(me);
      me.current_ = found;
    }
    run_work(me, *found);
    for (;;) {
      Work* again = nullptr;
      {
        auto s = state_.lock();
        again = me.again_.pop_front();
        if (again == nullptr) break;
        bucket(*s, again).push_back(me);
        me.current_ = again;
      }
      run_work(me, *again);
    }
  }
}

void Rescuer::run() {
  for (;;) {
    (void)wait(sleeps_, [&] { return called_.exchange_acquire(false); });
    const auto serve = [&](Pool& pool) {
      Worker me(pool);
      pool.rescue(queue_, me);
    };
    core::online_cpus.each([&](CpuId cpu) { serve(*cpu_pools.on(cpu)); });
    serve(unbound_pool);
  }
}

void WorkQueue::submit(Work& w) {
  Pool* target = &unbound_pool;
  if (!options_.unbound) {
    const core::PreemptOff here;
    target = cpu_pools.here(here);
  }
  // A work that runs goes where it runs, so that it never runs twice at the same time.
  Pool* const last = w.last_pool_.load_acquire();
  if (last != nullptr && last != target && last->is_running(&w)) target = last;
  w.last_pool_.store_release(target);
  target->add(w);
}

bool WorkQueue::queue(Work& w) {
  u32 idle = 0;
  if (!w.pending_.cas_acquire(idle, 1)) return false;
  auto s = state_.lock();
  w.queue_ = this;
  w.epoch_ = s->epoch;
  ++s->in_epoch[s->epoch];
  w.held_back_ = options_.max_active != 0 && s->active >= options_.max_active;
  if (w.held_back_) {
    s->held_back.push_back(w);
    return true;
  }
  ++s->active;
  submit(w);
  return true;
}

void WorkQueue::finished(u32 epoch, bool was_active) {
  auto s = state_.lock();
  if (was_active) {
    --s->active;
    if (Work* const next = s->held_back.pop_front()) {
      next->held_back_ = false;
      ++s->active;
      submit(*next);
    }
  }
  // Under the lock, which flush() needs to see it: behind flush() the queue may be gone.
  if (--s->in_epoch[epoch] == 0) flushers_.wake_all();
}

void WorkQueue::flush() {
  core::might_sleep();
  auto alone = flush_lock_.lock();
  u32 old = 0;
  {
    auto s = state_.lock();
    old = s->epoch;
    // The count of the other epoch is zero: the flush before this one waited for it.
    s->epoch = old ^ 1;
  }
  (void)wait(flushers_, [&] {
    auto s = state_.lock();
    return s->in_epoch[old] == 0;
  });
  ++*alone;
}

Result<void> WorkQueue::start_rescuer() {
  mem::Box<Rescuer> r = TRY(mem::Box<Rescuer>::make(ALLOC_SITE, *this));
  Rescuer* const rescuer = r.release();
  TRY(spawn(name_, *rescuer));
  rescuer_.store_release(rescuer);
  return {};
}

/// Takes a pending work out of wherever it waits.
bool WorkQueue::take_back(Work& w) {
  u32 epoch = 0;
  bool was_held = false;
  {
    auto s = state_.lock();
    was_held = w.held_back_;
    if (was_held)
      s->held_back.remove(w);
    else if (!w.last_pool_.load_acquire()->remove(w))
      return false;
    w.held_back_ = false;
    epoch = w.epoch_;
  }
  w.pending_.store_release(0);
  finished(epoch, !was_held);
  return true;
}

void wait_for_work(Work& w) {
  core::might_sleep();
  if (Pool* const pool = w.last_pool_.load_acquire()) pool->wait_for(&w);
}

bool cancel_work(Work& w) {
  bool was_pending = false;
  do {
    if (w.is_pending()) was_pending = w.queue_->take_back(w) || was_pending;
    wait_for_work(w);
  } while (w.is_pending());
  return was_pending;
}

bool cancel_delayed(DelayedWork& w) {
  const bool was_waiting = time::cancel(w);
  return cancel_work(w) || was_waiting;
}

Result<void> start_work_queues() {
  unbound_pool.setup(core::online_cpus.count(), false, CpuId(0));
  TRY(unbound_pool.add_worker());
  bool complete = true;
  core::online_cpus.each([&](CpuId cpu) {
    const auto start = [&]() -> Result<void> {
      mem::Box<Pool> pool = TRY(mem::Box<Pool>::make(ALLOC_SITE));
      pool->setup(1, true, cpu);
      TRY(pool->add_worker());
      cpu_pools.on(cpu) = pool.release();
      return {};
    };
    complete = start().ok() && complete;
  });
  return complete ? Result<void>() : Errno::enomem;
}

}  // namespace auk::sched
