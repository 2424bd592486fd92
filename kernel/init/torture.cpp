// Tests of scheduler, locks, waiting and RCU on the real machine: `auk.test=torture` and friends.
//
// Each prints one line `torture: NAME: ok, figures` or `torture: NAME: FAILED, figures`, which the
// boot tests look for. `auk.torture=SECONDS` sets how long the endless ones run.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "core/boot_test.hpp"
#include "core/clock.hpp"
#include "core/cpu_mask.hpp"
#include "core/init_graph.hpp"
#include "core/log.hpp"
#include "core/param.hpp"
#include "core/rcu.hpp"
#include "mem/box.hpp"
#include "mem/pages.hpp"
#include "sched/lock.hpp"
#include "sched/rcu.hpp"
#include "sched/softirq.hpp"
#include "sched/thread.hpp"
#include "sched/wait.hpp"
#include "sched/workqueue.hpp"

namespace auk::init {
namespace {

constexpr u64 ns_per_ms = 1'000'000;
constexpr u64 ns_per_s = 1'000'000'000;
constinit u64 torture_seconds = 2;

bool set_seconds(std::string_view v) {
  const auto n = parse_u64(v);
  if (n) torture_seconds = std::clamp<u64>(*n, 1, 86400);
  return n.has_value();
}
PARAM("auk.torture", set_seconds);

/// A thread that runs a function object and says when it is done.
template <class F> class Job final : public sched::ThreadMain {
  F body_;
  sched::Completion& done_;

 public:
  Job(F body, sched::Completion& done) : body_(body), done_(done) {}
  void run() override {
    body_();
    done_.complete();
  }
  void discard() override { mem::destroy(this); }
};

/// Threads that share one completion.
class Crowd {
  sched::Completion done_;
  u32 running_ = 0;

 public:
  template <class F> Ref<sched::Thread> start(F body, sched::SpawnOptions options = {}) {
    mem::Box<Job<F>> job = mem::Box<Job<F>>::make(ALLOC_SITE, body, done_).take();
    ++running_;
    return sched::spawn("torture", *job.release(), options).take();
  }
  void wait() {
    for (; running_ > 0; --running_) (void)done_.wait_for();
  }
};

void verdict(std::string_view name, bool ok, u64 a, u64 b) {
  core::log_notice("torture: {}: {}, {} {}", name, ok ? "ok" : "FAILED", a, b);
}

u32 cpus() { return core::online_cpus.count(); }

[[gnu::noinline]] void torture_mutex() {
  constexpr u64 rounds = 20'000;
  static constinit core::Guarded<core::level::tty, u64, sched::SleepLock> counter;
  Crowd crowd;
  const u32 threads = 2 * cpus();
  for (u32 i = 0; i < threads; ++i)
    (void)crowd.start([] {
      for (u64 n = 0; n < rounds; ++n) {
        auto c = counter.lock();
        const u64 seen = *c;
        if (n % 64 == 0) sched::yield();
        *c = seen + 1;
      }
    });
  crowd.wait();
  verdict("mutex", counter.alone() == threads * rounds, counter.alone(), threads * rounds);
}

[[gnu::noinline]] void torture_rwsem() {
  constexpr u64 rounds = 10'000;
  static constinit sched::RwSemaphore<core::level::space> sem;
  static constinit u64 left = 0, right = 0;
  static constinit Atomic<u64> torn{0};
  Crowd crowd;
  const u32 threads = 2 * cpus();
  for (u32 i = 0; i < threads; ++i)
    (void)crowd.start([i] {
      for (u64 n = 0; n < rounds; ++n) {
        if (i % 4 == 0) {
          const auto alone = sem.writing();
          ++left;
          if (n % 256 == 0) sched::yield();
          ++right;
        } else {
          const auto shared = sem.reading();
          if (left != right) (void)torn.fetch_add_relaxed(1);
        }
      }
    });
  crowd.wait();
  verdict("rwsem", torn.load_relaxed() == 0 && left == right, left, torn.load_relaxed());
}

[[gnu::noinline]] void torture_pingpong() {
  constexpr u64 rounds = 50'000;
  static constinit sched::Completion ping, pong;
  Crowd crowd;
  (void)crowd.start([] {
    for (u64 n = 0; n < rounds; ++n) {
      (void)ping.wait_for();
      pong.complete();
    }
  });
  const u64 start = core::clock_ns();
  for (u64 n = 0; n < rounds; ++n) {
    ping.complete();
    (void)pong.wait_for();
  }
  const u64 ns = core::clock_ns() - start;
  crowd.wait();
  verdict("wakeups", true, rounds, ns / rounds);
}

/// An object that readers check and that a grace period later is overwritten.
struct Watched final : public core::RcuHead {
  static constexpr u64 alive = 0x1234567890abcdef;
  volatile u64 mark = alive;
  void retire() override {
    mark = 0;
    mem::destroy(this);
  }
};

[[gnu::noinline]] void torture_rcu() {
  static constinit core::RcuPtr<Watched> shared;
  static constinit Atomic<u64> reads{0}, dead_reads{0}, updates{0};
  static constinit Atomic<bool> stop{false};
  (void)shared.publish(mem::Box<Watched>::make(ALLOC_SITE).take().release());
  Crowd crowd;
  for (u32 i = 0; i < 2 * cpus(); ++i)
    (void)crowd.start([] {
      while (!stop.load_relaxed()) {
        const core::RcuReader reader;
        const Watched* const w = shared.read(reader);
        for (int n = 0; n < 20; ++n)
          if (w->mark != Watched::alive) (void)dead_reads.fetch_add_relaxed(1);
        (void)reads.fetch_add_relaxed(1);
      }
    });
  const u64 end = core::clock_ns() + torture_seconds * ns_per_s;
  const u64 periods = sched::rcu_grace_periods();
  while (core::clock_ns() < end) {
    Result<mem::Box<Watched>> fresh = mem::Box<Watched>::make(ALLOC_SITE);
    if (!fresh.ok()) {
      sched::rcu_synchronize();
      continue;
    }
    core::rcu_call(*shared.publish(fresh.take().release()));
    (void)updates.fetch_add_relaxed(1);
    if (updates.load_relaxed() % 32 == 0) sched::rcu_synchronize();
  }
  stop.store_release(true);
  crowd.wait();
  sched::rcu_barrier();
  core::log_info("torture: rcu: {} updates in {} grace periods", updates.load_relaxed(),
                 sched::rcu_grace_periods() - periods);
  verdict("rcu", dead_reads.load_relaxed() == 0, reads.load_relaxed(), dead_reads.load_relaxed());
}

/// Busy loops, one per CPU: each must get 95% of a CPU within two seconds.
[[gnu::noinline]] void torture_spread() {
  static constinit Atomic<bool> stop{false};
  stop.store_release(false);
  Crowd crowd;
  static constinit std::array<sched::Thread*, 64> threads{};
  const u32 n = std::min<u32>(cpus(), 64);
  for (u32 i = 0; i < n; ++i)
    threads[i] = crowd
                     .start([] {
                       while (!stop.load_relaxed()) machine::relax();
                     })
                     .release();
  sched::sleep_until(core::clock_ns() + 200 * ns_per_ms);
  static constinit std::array<u64, 64> before{};
  for (u32 i = 0; i < n; ++i) before[i] = threads[i]->run_time_ns();
  const u64 start = core::clock_ns();
  sched::sleep_until(start + 2 * ns_per_s);
  const u64 elapsed = core::clock_ns() - start;
  u64 least = ~u64{0};
  for (u32 i = 0; i < n; ++i) least = std::min(least, threads[i]->run_time_ns() - before[i]);
  stop.store_release(true);
  crowd.wait();
  for (u32 i = 0; i < n; ++i) (void)Ref<sched::Thread>::adopt(threads[i]);
  const u64 percent = least * 100 / elapsed;
  verdict("spread", percent >= 95, percent, n);
}

/// Two busy loops of nice 0 and 5 on one CPU: Linux gives them 1024 to 335.
[[gnu::noinline]] void torture_nice() {
  static constinit Atomic<bool> stop{false};
  stop.store_release(false);
  Crowd crowd;
  const auto spin = [] {
    while (!stop.load_relaxed()) machine::relax();
  };
  const CpuId cpu(cpus() - 1);
  Ref<sched::Thread> a = crowd.start(spin, {.scheduling = {.nice = 0}, .pinned = true, .cpu = cpu});
  Ref<sched::Thread> b = crowd.start(spin, {.scheduling = {.nice = 5}, .pinned = true, .cpu = cpu});
  sched::sleep_until(core::clock_ns() + 3 * ns_per_s);
  const u64 ran_a = a->run_time_ns();
  const u64 ran_b = b->run_time_ns();
  stop.store_release(true);
  crowd.wait();
  const u64 share = ran_a * 10000 / (ran_a + ran_b);
  constexpr u64 linux_share = 10000 * 1024 / (1024 + 335);
  const u64 off = share > linux_share ? share - linux_share : linux_share - share;
  verdict("nice", off * 100 <= 5 * linux_share, share, linux_share);
}

/// A thread spins with preemption on; a 1 ms timer on its CPU must be late by less than 5 ms. A
/// virtual CPU may itself wait for a host CPU: one time in four does not count.
[[gnu::noinline]] void torture_latency() {
  static constinit Atomic<bool> stop{false};
  stop.store_release(false);
  Crowd crowd;
  const CpuId cpu(cpus() - 1);
  (void)crowd.start(
      [] {
        while (!stop.load_relaxed()) machine::relax();
      },
      {.scheduling = {.nice = 0}, .pinned = true, .cpu = cpu});
  constexpr u64 rounds = 500;
  static constinit Atomic<u64> worst{0}, late{0};
  (void)crowd.start(
      [] {
        for (u64 n = 0; n < rounds; ++n) {
          const u64 wanted = core::clock_ns() + ns_per_ms;
          sched::sleep_until(wanted);
          const u64 delay = core::clock_ns() - wanted;
          worst.store_relaxed(std::max(worst.load_relaxed(), delay));
          if (delay >= 5 * ns_per_ms) (void)late.fetch_add_relaxed(1);
        }
        stop.store_release(true);
      },
      {.scheduling = {.nice = 0}, .pinned = true, .cpu = cpu});
  crowd.wait();
  verdict("latency", late.load_relaxed() <= rounds / 4, late.load_relaxed(),
          worst.load_relaxed() / 1000);
}

/// More threads than CPUs that sleep and work at random: no CPU may idle while a thread waits.
[[gnu::noinline]] void torture_idle() {
  static constinit Atomic<bool> stop{false};
  stop.store_release(false);
  Crowd crowd;
  for (u32 i = 0; i < 2 * cpus() + 1; ++i)
    (void)crowd.start([] {
      while (!stop.load_relaxed()) {
        core::spin_delay(200'000);
        sched::sleep_until(core::clock_ns() + 100'000);
      }
    });
  // One look may fall between a wake-up and the arrival of the CPU that takes the thread, and a
  // virtual CPU may itself wait for a host CPU: only a picture that lasts 20 ms is a mistake.
  u64 bad = 0;
  const u64 end = core::clock_ns() + torture_seconds * ns_per_s;
  while (core::clock_ns() < end) {
    bool stuck = true;
    for (int looks = 0; looks < 200 && stuck; ++looks) {
      stuck = sched::misplaced_threads() > 0;
      core::spin_delay(100'000);
    }
    bad += stuck ? 1 : 0;
    sched::sleep_until(core::clock_ns() + ns_per_ms);
  }
  stop.store_release(true);
  crowd.wait();
  verdict("idle", bad == 0, bad, 2 * cpus() + 1);
}

class LiveObjects final : public mem::CacheVisitor {
 public:
  u64 objects = 0;
  void visit(const mem::CacheCounts& c) override { objects += c.objects; }
};

u64 live_objects() {
  sched::rcu_barrier();
  mem::drain_caches();
  LiveObjects live;
  mem::visit_caches(live);
  return live.objects;
}

/// Threads come and go; nothing may be left of them but what describes free address ranges and
/// slabs, whose number follows how many threads were alive at once and not how many there were.
[[gnu::noinline]] void torture_spawn() {
  constexpr u64 rounds = 2000, descriptors = 20;
  const auto storm = [](u64 n, u64 at_a_time) {
    for (; n > 0; n -= at_a_time) {
      Crowd crowd;
      for (u64 i = 0; i < at_a_time; ++i) (void)crowd.start([] { sched::yield(); });
      crowd.wait();
    }
    sched::sleep_until(core::clock_ns() + 20 * ns_per_ms);
  };
  // More at a time than the storm has: dead threads' stacks are kept, with their descriptors.
  storm(128, 64);
  const u64 before = live_objects();
  storm(rounds, 8);
  // The reaper works behind the storm.
  u64 after = live_objects();
  for (int tries = 0; after > before + descriptors && tries < 100; ++tries) {
    sched::sleep_until(core::clock_ns() + 50 * ns_per_ms);
    after = live_objects();
  }
  verdict("spawn", after <= before + descriptors, rounds, after > before ? after - before : 0);
}

/// A work that checks that it never runs twice at the same time.
class CountedWork final : public sched::Work {
  Atomic<u32> inside_{0};

 public:
  Atomic<u64> runs{0}, overlaps{0};
  bool sleeps = false;
  void run() override {
    if (inside_.exchange_acq_rel(1) != 0) (void)overlaps.fetch_add_relaxed(1);
    (void)runs.fetch_add_relaxed(1);
    if (sleeps) sched::sleep_until(core::clock_ns() + 20'000);
    inside_.store_release(0);
  }
};

[[gnu::noinline]] void torture_work() {
  constexpr u32 works = 32;
  constexpr u64 rounds = 2000;
  static constinit std::array<CountedWork, works> items;
  static constinit sched::WorkQueue queue("torture");
  static constinit Atomic<u64> queued{0};
  for (u32 i = 0; i < works; ++i) items[i].sleeps = i % 4 == 0;
  // Again and again: once a worker that was called just when it went to sleep was lost.
  constexpr u32 times = 20;
  for (u32 again = 0; again < times; ++again) {
    Crowd crowd;
    for (u32 t = 0; t < cpus(); ++t)
      (void)crowd.start([t] {
        for (u64 n = 0; n < rounds; ++n) {
          CountedWork& w = items[(n * 7 + u64{t} * 13) % works];
          if ((n + t) % 2 == 0 ? queue.queue(w) : sched::system_unbound_queue.queue(w))
            (void)queued.fetch_add_relaxed(1);
          if (n % 64 == 0) sched::sleep_until(core::clock_ns() + 100'000);
        }
      });
    crowd.wait();
    queue.flush();
    sched::system_unbound_queue.flush();
  }
  u64 runs = 0, overlaps = 0;
  for (CountedWork& w : items) {
    runs += w.runs.load_relaxed();
    overlaps += w.overlaps.load_relaxed();
  }
  const u64 expected = queued.load_relaxed();
  verdict("work", runs == expected && overlaps == 0, runs, overlaps + (expected - runs));
}

[[gnu::noinline]] void torture_ordered() {
  constexpr u32 works = 200;
  static constinit sched::WorkQueue queue("ordered", {.unbound = true, .max_active = 1});
  static constinit u32 next = 0;
  static constinit u64 disorder = 0;
  struct Numbered final : sched::Work {
    u32 number = 0;
    void run() override {
      if (number != next) ++disorder;
      ++next;
      sched::sleep_until(core::clock_ns() + 10'000);
    }
  };
  static constinit std::array<Numbered, works> items;
  for (u32 i = 0; i < works; ++i) {
    items[i].number = i;
    (void)queue.queue(items[i]);
  }
  queue.flush();
  verdict("ordered work", next == works && disorder == 0, next, disorder);
}

class SoftirqCounter final : public sched::SoftirqHandler {
 public:
  Atomic<u64> runs{0}, wrong{0};
  void run() override {
    (void)runs.fetch_add_relaxed(1);
    if (!machine::irqs_enabled() || core::is_preemptible()) (void)wrong.fetch_add_relaxed(1);
  }
};
constinit SoftirqCounter softirq_counter;

// Handlers can only be set while the kernel boots.
void prepare_softirq() {
  if (core::boot_test_request().name == "torture")
    sched::set_softirq_handler(sched::Softirq::tasklet, softirq_counter);
}
INIT_TASK(torture_softirq, "", "", prepare_softirq);

[[gnu::noinline]] void torture_softirqs() {
  constexpr u64 rounds = 5000;
  Crowd crowd;
  for (u32 t = 0; t < cpus(); ++t)
    (void)crowd.start([] {
      for (u64 n = 0; n < rounds; ++n) {
        const core::PreemptOff here;
        sched::raise_softirq(sched::Softirq::tasklet);
      }
    });
  crowd.wait();
  u64 counted = 0;
  core::online_cpus.each(
      [&](CpuId cpu) { counted += sched::softirq_runs(sched::Softirq::tasklet, cpu); });
  const u64 runs = softirq_counter.runs.load_relaxed();
  const u64 wrong = softirq_counter.wrong.load_relaxed();
  verdict("softirq", runs == counted && runs == rounds * u64{cpus()} && wrong == 0, runs, wrong);
}

void torture_all() {
  torture_mutex();
  torture_rwsem();
  torture_pingpong();
  torture_rcu();
  torture_spread();
  torture_nice();
  torture_latency();
  torture_idle();
  torture_work();
  torture_ordered();
  torture_softirqs();
  torture_spawn();
  core::log_notice("torture: done");
}
BOOT_TEST("torture", torture_all);

}  // namespace
}  // namespace auk::init
