// Wait queues: no wake-up is lost, no grant is lost, deadlines and signals end a wait.
//
// Each run has a few threads that do all of it at once on the same queues.
#include "sched/wait.hpp"
#include "core/cpu_mask.hpp"
#include "support/world.hpp"

namespace auk::sim {

constinit const Needs needs{};

namespace {

using sched::WaitResult;

/// Tokens that are handed out one by one: each wake_one() must let one taker go on.
struct Tokens {
  sched::WaitQueue queue;
  Atomic<u32> free{0};
  bool take() {
    u32 n = free.load_relaxed();
    while (n > 0)
      if (free.cas_acquire(n, n - 1)) return true;
    return false;
  }
  void give() {
    (void)free.fetch_add_acq_rel(1);
    queue.wake_one();
  }
};

/// Some takers are impatient; what they leave must reach the patient ones.
void tokens_and_deadlines() {
  Tokens tokens;
  Crowd crowd;
  const u32 patient = 1 + dice(2);
  const u32 impatient = 1 + dice(2);
  Atomic<u32> taken{0};
  for (u32 i = 0; i < patient; ++i)
    (void)crowd.start([&] {
      SIM_CHECK(sched::wait(tokens.queue, [&] { return tokens.take(); }) == WaitResult::ready);
      (void)taken.fetch_add_relaxed(1);
    });
  for (u32 i = 0; i < impatient; ++i)
    (void)crowd.start([&] {
      const u64 deadline = soon();
      const WaitResult r = sched::wait(tokens.queue, [&] { return tokens.take(); }, deadline);
      SIM_CHECK(r == WaitResult::ready || core::clock_ns() >= deadline);
      // Whoever got one gives it on, so that the patient ones all get theirs.
      if (r == WaitResult::ready) tokens.give();
    });
  for (u32 i = 0; i < patient; ++i) {
    dawdle();
    tokens.give();
  }
  crowd.wait();
  SIM_CHECK(taken.load_relaxed() == patient && tokens.free.load_relaxed() == 0);
  SIM_CHECK(!tokens.queue.has_waiters());
}

/// Two threads that wait for each other in turn: one lost wake-up and they stand still.
void ping_pong() {
  constexpr u32 rounds = 3;
  sched::WaitQueue queue;
  Atomic<u32> turn{0};
  Crowd crowd;
  for (u32 me = 0; me < 2; ++me)
    (void)crowd.start([&, me] {
      for (u32 n = 0; n < rounds; ++n) {
        (void)sched::wait(queue, [&] { return turn.load_acquire() % 2 == me; });
        turn.store_seq_cst(turn.load_relaxed() + 1);
        queue.wake_all();
      }
    });
  crowd.wait();
  SIM_CHECK(turn.load_relaxed() == 2 * rounds);
}

/// A signal ends the waits that let it through, however it falls.
void signals() {
  sched::WaitQueue queue;
  Atomic<bool> opened{false};
  Crowd crowd;
  Ref<sched::Thread> sleeper = crowd.start([&] {
    SIM_CHECK(sched::wait_interruptible(queue, [&] { return false; }) == WaitResult::interrupted);
    (void)sched::current().work_bits.fetch_and_acq_rel(~core::work::signal);
    // Another signal does not end this one.
    SIM_CHECK(sched::wait(
                  queue, [&] { return opened.load_acquire(); }, sched::no_deadline,
                  sched::Interruptible::fatal) == WaitResult::ready);
    SIM_CHECK(sched::wait_interruptible(queue, [&] { return false; }) == WaitResult::interrupted);
  });
  dawdle();
  sched::notify(*sleeper, core::work::signal);
  while ((sleeper->work_bits.load_acquire() & core::work::signal) != 0) sched::sleep_until(soon());
  sched::notify(*sleeper, core::work::signal);
  dawdle();
  opened.store_seq_cst(true);
  queue.wake_all();
  crowd.wait();
}

/// Two queues whose wake-ups reach a third one by watchers that share a relay.
class Funnel final : public sched::Relay {
 public:
  sched::WaitQueue queue;
  Atomic<u32> marks{0};
  Atomic<u32> relays{0};
  void relay() override {
    (void)relays.fetch_add_relaxed(1);
    queue.wake_all();
  }
  class Inlet final : public sched::Watcher {
    Funnel& funnel_;

   public:
    explicit Inlet(Funnel& f) : funnel_(f) {}
    ~Inlet() = default;
    sched::Relay* woken() override {
      (void)funnel_.marks.fetch_add_acq_rel(1);
      return &funnel_;
    }
  };
};

/// Every mark is seen by a thread that sleeps on the third queue, whoever runs the relay.
void watchers() {
  constexpr u32 rounds = 3;
  Funnel funnel;
  std::array<sched::WaitQueue, 2> sources;
  Funnel::Inlet a(funnel), b(funnel);
  a.attach(sources[0]);
  b.attach(sources[1]);
  Crowd crowd;
  (void)crowd.start([&] {
    (void)sched::wait(funnel.queue, [&] { return funnel.marks.load_acquire() == 2 * rounds; });
  });
  for (sched::WaitQueue& source : sources)
    (void)crowd.start([&] {
      for (u32 n = 0; n < rounds; ++n) {
        // A sleeper beside the watcher does not hide it.
        if (one_in(2))
          source.wake_one();
        else
          source.wake_all();
      }
    });
  crowd.wait();
  const u32 relays = funnel.relays.load_relaxed();
  SIM_CHECK(relays >= 1 && relays <= 2 * rounds);
  a.detach();
  b.detach();
  sources[0].wake_all();
  SIM_CHECK(funnel.marks.load_relaxed() == 2 * rounds && !sources[0].has_waiters());
}

/// A sleep lasts until its deadline, and not for ever.
void deadlines() {
  const u64 deadline = soon();
  sched::sleep_until(deadline);
  SIM_CHECK(core::clock_ns() >= deadline);
}

}  // namespace

void scenario() {
  switch (dice(5)) {
    case 0: return ping_pong();
    case 1: return signals();
    case 2: return watchers();
    case 3: deadlines(); [[fallthrough]];
    default: return tokens_and_deadlines();
  }
}

}  // namespace auk::sim
