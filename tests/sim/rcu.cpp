// RCU: what a reader found stays valid while it looks; every retired object goes, exactly once.
#include "core/rcu.hpp"

#include "sched/rcu.hpp"
#include "sched/wait.hpp"
#include "support/world.hpp"
#include "time/timer.hpp"

namespace auk::sim {

constinit const Needs needs{.rcu = true};

namespace {

/// Readers look at the mark again and again while it is retired.
struct Watched final : public core::RcuHead {
  static constexpr u64 alive = 0x1234567890abcdef;
  u64 mark = alive;
  Atomic<u32>& retired;
  explicit Watched(Atomic<u32>& counter) : retired(counter) {}
  void retire() override {
    SIM_CHECK(mark == alive);
    (void)retired.fetch_add_relaxed(1);
    mark = 0;
    mem::destroy(this);
  }
};

struct Stage {
  core::RcuPtr<Watched> shared;
  Atomic<u32> retired{0};
  Atomic<bool> stop{false};

  Watched* make() { return mem::Box<Watched>::make(ALLOC_SITE, retired).take().release(); }
  void read() {
    const core::RcuReader reader;
    const Watched* const w = shared.read(reader);
    for (u32 n = 1 + dice(6); n > 0; --n) {
      SIM_CHECK(w->mark == Watched::alive);
      dawdle();
    }
    SIM_CHECK(w->mark == Watched::alive);
  }
};

/// A reader in an interrupt, which may come while its CPU idles.
class InterruptReader final : public time::Timer {
  Stage& stage_;

 public:
  explicit InterruptReader(Stage& s) : stage_(s) {}
  void fire() override { stage_.read(); }
};

void read_until_stopped(Stage& stage) {
  while (!stage.stop.load_acquire()) {
    stage.read();
    if (one_in(3)) {
      InterruptReader later(stage);
      time::start(later, soon());
      if (one_in(2)) sched::sleep_until(soon());
      (void)time::cancel(later);
    } else if (one_in(2)) {
      sched::yield();
    }
  }
}

/// Frees with rcu_call(), or waits itself.
u32 update(Stage& stage) {
  const u32 updates = 1 + dice(3);
  for (u32 n = 0; n < updates; ++n) {
    Watched* const old = stage.shared.publish(stage.make());
    if (one_in(2)) {
      core::rcu_call(*old);
    } else {
      sched::rcu_synchronize();
      old->retire();
    }
    dawdle();
  }
  return updates;
}

}  // namespace

void scenario() {
  Stage stage;
  (void)stage.shared.publish(stage.make());
  Atomic<u32> updates{0};
  Crowd readers;
  Crowd writers;
  for (u32 n = 1 + dice(2); n > 0; --n) (void)readers.start([&] { read_until_stopped(stage); });
  for (u32 n = dice(2); n > 0; --n)
    (void)writers.start([&] { (void)updates.fetch_add_relaxed(update(stage)); });
  (void)updates.fetch_add_relaxed(update(stage));
  writers.wait();
  stage.stop.store_release(true);
  readers.wait();
  core::rcu_call(*stage.shared.publish(nullptr));
  sched::rcu_barrier();
  SIM_CHECK(stage.retired.load_relaxed() == updates.load_relaxed() + 1);
}

}  // namespace auk::sim
