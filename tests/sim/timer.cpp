// Timers: each start ends in exactly one of fire and a cancel that says so; a cancelled timer may
// be freed.
#include "time/timer.hpp"

#include "base/list.hpp"
#include "core/preempt.hpp"
#include "sched/wait.hpp"
#include "support/world.hpp"

namespace auk::sim {

constinit const Needs needs{};

namespace {

constexpr u64 never = ~u64{0};

/// Counts, and may start itself again.
class Counter final : public time::Timer {
 public:
  Counter() { all.push_back(*this); }
  ~Counter() { all.remove(*this); }
  ListNode node;
  static List<Counter, &Counter::node> all;
  Atomic<u32> fired{0};
  Atomic<u32> restarts{0};
  u32 restarts_left = 0;
  u64 wanted = never;  ///< when it has to fire, as far as anybody knows
  void fire() override {
    SIM_CHECK(core::in_interrupt() && !machine::irqs_enabled());
    SIM_CHECK(core::clock_ns() >= wanted);
    (void)fired.fetch_add_relaxed(1);
    wanted = never;
    if (restarts_left == 0) return;
    --restarts_left;
    (void)restarts.fetch_add_relaxed(1);
    begin();
  }
  void begin() {
    const u64 at = soon();
    wanted = at;
    time::start(*this, at);
  }
  bool stop() {
    if (!time::cancel(*this)) return false;
    wanted = never;
    return true;
  }
};
constinit List<Counter, &Counter::node> Counter::all;

/// While all CPUs wait the hardware has to be set to the earliest timer.
class NoneLate final : public Quiet {
 public:
  void check(u64 next_interrupt) override {
    for (Counter& t : Counter::all) SIM_CHECK(t.wanted >= next_interrupt);
  }
};
constinit NoneLate none_late;

/// Start, and cancel from wherever the thread is by then.
void start_and_cancel() {
  for (u32 rounds = 1 + dice(3); rounds > 0; --rounds) {
    mem::Box<Counter> t = mem::Box<Counter>::make(ALLOC_SITE).take();
    if (one_in(3)) t->restarts_left = 1 + dice(2);
    t->begin();
    switch (dice(3)) {
      case 0: dawdle(); break;
      case 1: sched::yield(); break;
      default: sched::sleep_until(soon());
    }
    const u32 cancelled = t->stop() ? 1 : 0;
    SIM_CHECK(t->fired.load_relaxed() + cancelled == 1 + t->restarts.load_relaxed());
    SIM_CHECK(!time::cancel(*t));
  }
}

/// Left alone it fires, and once.
void fires_once() {
  Counter t;
  t.begin();
  const u64 late = core::clock_ns() + 1'000'000'000;
  while (t.fired.load_acquire() == 0 && core::clock_ns() < late)
    sched::sleep_until(core::clock_ns() + 1'000'000);
  SIM_CHECK(t.fired.load_relaxed() == 1);
  SIM_CHECK(!time::cancel(t));
}

/// Two start in turn on their CPUs, a third cancels: all at the same time.
void cancel_from_elsewhere() {
  constexpr u32 rounds = 4;
  mem::Box<Counter> t = mem::Box<Counter>::make(ALLOC_SITE).take();
  Atomic<u32> started{0}, cancelled{0};
  Crowd crowd;
  const auto linger = [] { one_in(4) ? sched::sleep_until(soon()) : dawdle(); };
  const auto ended = [&] { return t->fired.load_acquire() + cancelled.load_acquire(); };
  for (u32 me = 0; me < 2; ++me)
    (void)crowd.start(
        [&, me] {
          for (u32 n = me; n < rounds; n += 2) {
            while (started.load_acquire() != n || ended() != n) linger();
            t->begin();
            (void)started.fetch_add_acq_rel(1);
          }
        },
        {.pinned = true, .cpu = CpuId(me)});
  (void)crowd.start([&] {
    while (ended() < rounds) {
      if (t->stop()) (void)cancelled.fetch_add_acq_rel(1);
      linger();
    }
  });
  crowd.wait();
  SIM_CHECK(ended() == rounds);
}

}  // namespace

void scenario() {
  set_quiet_check(none_late);
  Crowd crowd;
  for (u32 n = 1 + dice(3); n > 0; --n)
    (void)crowd.start([which = dice(4)] {
      switch (which) {
        case 0: return fires_once();
        case 1: return cancel_from_elsewhere();
        default: return start_and_cancel();
      }
    });
  crowd.wait();
}

}  // namespace auk::sim
