#include "time/timer.hpp"

#include "core/clock.hpp"
#include "core/cpu_mask.hpp"
#include "core/spin.hpp"
#include "mem/box.hpp"

namespace auk::time {

struct Earlier {
  bool operator()(const Timer& a, const Timer& b) const { return a.deadline_ < b.deadline_; }
};

namespace {

constexpr u64 never = ~u64{0};
constinit ClockEvent* event = nullptr;

}  // namespace

class TimerQueue {
  struct State {
    Tree<Timer, &Timer::hook_, Earlier> pending;
    Timer* firing = nullptr;
    u64 programmed = never;
  };
  core::Guarded<core::level::timer, State, core::SpinIrqOff> state_;

  static void program(State& s) {
    const u64 next = s.pending.empty() ? never : s.pending.begin()->deadline_;
    if (next == s.programmed) return;
    s.programmed = next;
    if (event != nullptr) event->program(next);
  }

 public:
  void add(Timer& t, u64 deadline, CpuId cpu) {
    auto s = state_.lock();
    t.deadline_ = deadline;
    ASSERT(!t.hook_.is_linked());
    s->pending.insert_equal(t);
    t.cpu_plus_one_.store_release(cpu.value + 1);
    program(*s);
  }
  enum class Removal : u8 { done, idle, firing };
  Removal remove(Timer& t, CpuId cpu) {
    auto s = state_.lock();
    if (s->firing == &t) return Removal::firing;
    // It may have fired since the caller looked, and even have been started on another CPU.
    if (t.cpu_plus_one_.load_acquire() != cpu.value + 1) return Removal::idle;
    s->pending.erase(s->pending.iterator_to(t));
    t.cpu_plus_one_.store_release(0);
    // Another CPU's hardware is left alone: it wakes up for nothing once.
    if (cpu == core::this_cpu()) program(*s);
    return Removal::done;
  }
  void run() {
    for (;;) {
      Timer* due = nullptr;
      {
        auto s = state_.lock();
        s->programmed = never;
        if (s->pending.empty() || s->pending.begin()->deadline_ > core::clock_ns()) {
          program(*s);
          return;
        }
        due = &*s->pending.begin();
        s->pending.erase(s->pending.begin());
        s->firing = due;
        // From here on the timer may be started anew, from its own fire() included.
        due->cpu_plus_one_.store_release(0);
      }
      due->fire();
      auto s = state_.lock();
      s->firing = nullptr;
    }
  }
  /// Firing here, or pending: fire() may have started it again. Only both under one lock say that
  /// it is neither.
  bool has(const Timer& t, CpuId cpu) {
    auto s = state_.lock();
    return s->firing == &t || t.cpu_plus_one_.load_acquire() == cpu.value + 1;
  }
};

namespace {

AUK_PER_CPU core::PerCpu<TimerQueue*> queues;

}  // namespace

void set_clock_event(ClockEvent& e) { event = &e; }

Result<void> create_timer_queue(CpuId cpu) {
  mem::Box<TimerQueue> q = TRY(mem::Box<TimerQueue>::make(ALLOC_SITE));
  queues.on(cpu) = q.release();
  return {};
}

void start(Timer& t, u64 deadline_ns) {
  const core::IrqOff here;
  queues.read()->add(t, deadline_ns, core::this_cpu());
}

bool cancel(Timer& t) {
  for (;;) {
    const u32 home = t.cpu_plus_one_.load_acquire();
    if (home != 0) {
      const core::IrqOff irq_off;
      const CpuId cpu(home - 1);
      if (queues.on(cpu)->remove(t, cpu) == TimerQueue::Removal::done) return true;
    } else {
      // Not pending; but it may be firing on some CPU at this moment.
      bool found = false;
      for (u32 cpu = 0; cpu < core::possible_cpus && !found; ++cpu)
        if (TimerQueue* q = queues.on(CpuId(cpu)); q != nullptr) found = q->has(t, CpuId(cpu));
      if (!found) return false;
    }
    machine::relax();
  }
}

void handle_timer_interrupt() {
  if (TimerQueue* q = queues.read(); q != nullptr) q->run();
}

}  // namespace auk::time
