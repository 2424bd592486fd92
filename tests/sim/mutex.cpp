// Locks that sleep: exclusion, no lost hand-over, and objects that may die once a wait is over.
#include "sched/lock.hpp"
#include "support/world.hpp"

namespace auk::sim {

constinit const Needs needs{};

namespace {

/// Stays inside for a while: with switch points, giving up the CPU, or asleep.
void linger() {
  switch (dice(4)) {
    case 0: return;
    case 1: return sched::yield();
    case 2: return sched::sleep_until(soon());
    default: return dawdle();
  }
}

void mutual_exclusion() {
  constexpr u32 rounds = 3;
  core::Guarded<core::level::tty, u32, sched::SleepLock> counter;
  Crowd crowd;
  const u32 threads = 2 + dice(3);
  for (u32 i = 0; i < threads; ++i)
    (void)crowd.start([&] {
      for (u32 n = 0; n < rounds; ++n) {
        auto c = counter.lock();
        const u32 seen = *c;
        linger();
        *c = seen + 1;
      }
    });
  crowd.wait();
  SIM_CHECK(*counter.lock() == threads * rounds);
}

struct Shared {
  sched::RwSemaphore<core::level::space> lock;
  Atomic<u32> readers{0}, writers{0};
  u32 left = 0, right = 0;

  void write() {
    const auto alone = lock.writing();
    SIM_CHECK(writers.fetch_add_relaxed(1) == 0 && readers.load_relaxed() == 0);
    ++left;
    linger();
    ++right;
    (void)writers.fetch_sub_relaxed(1);
  }
  void read() {
    const auto shared = lock.reading();
    (void)readers.fetch_add_relaxed(1);
    SIM_CHECK(writers.load_relaxed() == 0 && left == right);
    linger();
    SIM_CHECK(writers.load_relaxed() == 0 && left == right);
    (void)readers.fetch_sub_relaxed(1);
  }
};

void readers_and_writers() {
  constexpr u32 rounds = 2;
  Shared shared;
  Crowd crowd;
  const u32 writers = 1 + dice(2), readers = 1 + dice(3);
  for (u32 i = 0; i < writers + readers; ++i)
    (void)crowd.start([&, i] {
      for (u32 n = 0; n < rounds; ++n) i < writers ? shared.write() : shared.read();
    });
  crowd.wait();
  SIM_CHECK(shared.left == writers * rounds && shared.right == shared.left);
}

/// As many complete() as waiters: every patient one gets through.
void shared_completion() {
  sched::Completion done;
  Crowd crowd;
  Atomic<u32> unused{0};
  const u32 waiters = 2 + dice(2);
  for (u32 i = 0; i < waiters; ++i)
    (void)crowd.start([&, patient = i == 0 || one_in(2)] {
      if (done.wait_for(patient ? sched::no_deadline : soon()) == sched::WaitResult::timed_out)
        (void)unused.fetch_add_relaxed(1);
    });
  for (u32 i = 0; i < waiters; ++i) {
    linger();
    done.complete();
  }
  crowd.wait();
  for (u32 left = unused.load_relaxed(); left > 0; --left)
    SIM_CHECK(done.wait_for() == sched::WaitResult::ready);
  SIM_CHECK(done.wait_for(core::clock_ns()) == sched::WaitResult::timed_out);
}

/// Whoever waited frees it at once, while the other side may still be inside complete().
void short_lived_completion() {
  Crowd crowd;
  for (u32 n = 0; n < 2; ++n) {
    mem::Box<sched::Completion> done = mem::Box<sched::Completion>::make(ALLOC_SITE).take();
    (void)crowd.start([c = done.get()] {
      dawdle();
      c->complete();
    });
    (void)done->wait_for();
  }
  crowd.wait();
}

}  // namespace

void scenario() {
  switch (dice(4)) {
    case 0: return readers_and_writers();
    case 1: return shared_completion();
    case 2: return short_lived_completion();
    default: return mutual_exclusion();
  }
}

}  // namespace auk::sim
