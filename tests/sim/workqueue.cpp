// Work queues: each queued work runs once, never twice at a time; flush, cancel and limits hold.
#include "sched/workqueue.hpp"

#include "support/world.hpp"

namespace auk::sim {

constinit const Needs needs{.work_queues = true};

namespace {

using sched::WorkQueue;

/// How many works of a queue run at a time.
struct Meter {
  Atomic<u32> active{0}, most{0};
  void enter() {
    const u32 now = active.fetch_add_acq_rel(1) + 1;
    u32 seen = most.load_relaxed();
    while (seen < now && !most.cas_relaxed(seen, now)) {}
  }
  void leave() { (void)active.fetch_sub_acq_rel(1); }
};

class Task final : public sched::Work {
 public:
  Meter* meter = nullptr;
  WorkQueue* again_on = nullptr;  ///< queues itself there, once
  Atomic<u32> queued{0}, begun{0}, ended{0}, inside{0};
  void run() override {
    SIM_CHECK(inside.exchange_acq_rel(1) == 0);
    if (meter != nullptr) meter->enter();
    (void)begun.fetch_add_acq_rel(1);
    if (WorkQueue* q = std::exchange(again_on, nullptr)) put(*q);
    if (one_in(3))
      sched::sleep_until(soon());
    else
      dawdle();
    if (meter != nullptr) meter->leave();
    inside.store_release(0);
    (void)ended.fetch_add_acq_rel(1);
  }
  void put(WorkQueue& q) {
    // Counted first: it may run before queue() returns.
    (void)queued.fetch_add_acq_rel(1);
    if (!q.queue(*this)) (void)queued.fetch_sub_acq_rel(1);
  }
  bool is_balanced(u32 cancelled = 0) const {
    return begun.load_acquire() == ended.load_acquire() &&
           begun.load_acquire() + cancelled == queued.load_acquire();
  }
};

/// Two threads queue the same works on two queues.
void queue_and_flush() {
  constexpr u32 works = 3;
  WorkQueue bound("bound");
  WorkQueue unbound("unbound", {.unbound = true});
  std::array<Task, works> tasks;
  if (one_in(3)) tasks[0].again_on = &bound;
  Crowd crowd;
  for (u32 t = 0; t < 2; ++t)
    (void)crowd.start([&] {
      for (u32 n = 1 + dice(3); n > 0; --n) {
        Task& task = tasks[dice(works)];
        task.put(one_in(2) ? bound : unbound);
        if (one_in(3)) (one_in(2) ? bound : unbound).flush();
      }
    });
  crowd.wait();
  bound.flush();
  unbound.flush();
  // What queued itself from its last run may have come behind the first flush.
  bound.flush();
  for (Task& t : tasks) SIM_CHECK(t.is_balanced() && !t.is_pending());
}

/// flush() covers what was queued before it, not more.
void flush_waits() {
  WorkQueue q("flushed", {.unbound = one_in(2)});
  Task task;
  Task later;
  Crowd crowd;
  (void)crowd.start([&] {
    dawdle();
    later.put(q);
  });
  task.put(q);
  q.flush();
  SIM_CHECK(task.ended.load_acquire() == 1);
  crowd.wait();
  q.flush();
  SIM_CHECK(later.ended.load_acquire() == 1);
}

/// Behind cancel_work() the work may be freed.
void cancel() {
  WorkQueue q("cancelled", {.unbound = one_in(2), .max_active = dice(2)});
  for (u32 rounds = 1 + dice(2); rounds > 0; --rounds) {
    mem::Box<Task> task = mem::Box<Task>::make(ALLOC_SITE).take();
    Task other;
    other.put(q);
    task->put(q);
    if (one_in(2)) dawdle();
    const u32 cancelled = sched::cancel_work(*task) ? 1 : 0;
    SIM_CHECK(!task->is_pending() && task->inside.load_acquire() == 0);
    SIM_CHECK(task->is_balanced(cancelled));
    q.flush();
    SIM_CHECK(other.is_balanced());
  }
  q.flush();
}

/// A limit is kept, and what was held back runs.
void limited() {
  constexpr u32 works = 5;
  const u32 limit = 1 + dice(2);
  WorkQueue q("limited", {.unbound = true, .max_active = limit});
  Meter meter;
  std::array<Task, works> tasks;
  for (Task& t : tasks) t.meter = &meter;
  Crowd crowd;
  (void)crowd.start([&] {
    for (u32 i = 0; i < works; i += 2) tasks[i].put(q);
  });
  for (u32 i = 1; i < works; i += 2) tasks[i].put(q);
  crowd.wait();
  if (one_in(2)) (void)sched::cancel_work(tasks[0]), tasks[0].queued.store_release(1);
  q.flush();
  SIM_CHECK(meter.most.load_acquire() <= limit && meter.active.load_acquire() == 0);
  for (u32 i = 1; i < works; ++i) SIM_CHECK(tasks[i].ended.load_acquire() == 1);
}

/// One at a time runs in the order of queueing.
void ordered() {
  constexpr u32 works = 4;
  WorkQueue q("ordered", {.unbound = one_in(2), .max_active = 1});
  struct Numbered final : sched::Work {
    u32 number = 0;
    u32* next = nullptr;
    void run() override {
      SIM_CHECK(number == *next);
      ++*next;
      if (one_in(2)) sched::sleep_until(soon());
    }
  };
  u32 next = 0;
  std::array<Numbered, works> items;
  for (u32 i = 0; i < works; ++i) {
    items[i].number = i;
    items[i].next = &next;
    SIM_CHECK(q.queue(items[i]));
    if (one_in(3)) dawdle();
  }
  q.flush();
  SIM_CHECK(next == works);
}

struct Later final : public sched::DelayedWork {
  Atomic<u32> runs{0};
  void run() override { (void)runs.fetch_add_acq_rel(1); }
};

void delayed() {
  WorkQueue q("delayed");
  mem::Box<Later> later = mem::Box<Later>::make(ALLOC_SITE).take();
  later->queue_at(q, soon());
  if (one_in(2)) sched::sleep_until(soon());
  const u32 cancelled = sched::cancel_delayed(*later) ? 1 : 0;
  SIM_CHECK(later->runs.load_acquire() + cancelled == 1);
  q.flush();
}

}  // namespace

void scenario() {
  switch (dice(6)) {
    case 0: return flush_waits();
    case 1: return cancel();
    case 2: return limited();
    case 3: return ordered();
    case 4: return delayed();
    default: return queue_and_flush();
  }
}

}  // namespace auk::sim
