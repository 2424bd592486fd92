// Run queues: no thread is lost or runs twice, a pinned one stays, waiting threads get a CPU, and
// the most urgent ones first.
//
// That no CPU idles while a thread waits is looked at by the board whenever all CPUs idle, and here
// while one is kept busy.
#include "core/cpu_mask.hpp"
#include "core/preempt.hpp"
#include "sched/wait.hpp"
#include "support/world.hpp"

namespace auk::sim {

constinit const Needs needs{};

namespace {

/// Where one thread is, by its own account.
struct Track {
  Atomic<u32> inside{0};
  u32 laps = 0;
};

CpuId some_cpu() { return CpuId(dice(core::possible_cpus)); }

/// One stretch on a CPU; nobody else may be on the same track.
void lap(Track& t, const sched::SpawnOptions& o) {
  SIM_CHECK(t.inside.exchange_acq_rel(1) == 0);
  {
    const core::PreemptOff here;
    const CpuId before = core::this_cpu();
    SIM_CHECK(!o.pinned || before == o.cpu);
    dawdle();
    SIM_CHECK(core::this_cpu() == before);
  }
  ++t.laps;
  t.inside.store_release(0);
}

sched::Scheduling urgent(sched::Rank rank) {
  return {.policy = one_in(2) ? sched::Policy::fifo : sched::Policy::round_robin, .priority = rank};
}

sched::Scheduling any_scheduling() {
  if (one_in(3)) return urgent(static_cast<sched::Rank>(1 + dice(3)));
  return {.policy = one_in(4) ? sched::Policy::idle : sched::Policy::normal,
          .nice = static_cast<i32>(dice(40)) - 20};
}

sched::SpawnOptions any_options() {
  return {.scheduling = any_scheduling(), .pinned = one_in(3), .cpu = some_cpu()};
}

/// Threads that run, yield, sleep, are woken, and end.
void mixture() {
  constexpr u32 most = 6;
  constexpr u32 laps = 3;
  std::array<Track, most> tracks;
  Crowd crowd;
  const u32 threads = 2 + dice(most - 1);
  for (u32 i = 0; i < threads; ++i) {
    const sched::SpawnOptions options = any_options();
    (void)crowd.start(
        [&t = tracks[i], options] {
          for (u32 n = 0; n < laps; ++n) {
            lap(t, options);
            if (one_in(2))
              sched::yield();
            else if (one_in(2))
              sched::sleep_until(soon());
          }
        },
        options);
    if (one_in(3)) dawdle();
  }
  crowd.wait();
  for (u32 i = 0; i < threads; ++i) SIM_CHECK(tracks[i].laps == laps);
}

/// Threads whose CPUs change, by themselves and by others, while they run, yield, sleep and wake.
void moved_about() {
  constexpr u32 laps = 4;
  const u32 threads = 2 + dice(3);
  std::array<Ref<sched::Thread>, 5> all;
  sched::WaitQueue queue;
  Atomic<u32> ready{0};
  Crowd crowd;
  const auto some_cpus = [](core::CpuMask& m) {
    do {
      for (u32 c = 0; c < core::possible_cpus; ++c)
        if (one_in(2)) m.set(CpuId(c));
    } while (m.count() == 0);
  };
  for (u32 i = 0; i < threads; ++i)
    all[i] = crowd.start([&] {
      (void)sched::wait(queue, [&] { return ready.load_acquire() != 0; });
      for (u32 n = 0; n < laps; ++n) {
        core::CpuMask mine;
        some_cpus(mine);
        if (one_in(3)) all[dice(threads)]->set_scheduling(any_scheduling());
        if (one_in(4)) all[dice(threads)]->set_boost(static_cast<sched::Rank>(dice(4)));
        if (one_in(2)) {
          SIM_CHECK(sched::set_affinity(sched::current(), mine).ok());
        } else {
          SIM_CHECK(sched::set_affinity(*all[dice(threads)], mine).ok());
        }
        {
          const core::PreemptOff here;
          const CpuId before = core::this_cpu();
          dawdle();
          SIM_CHECK(core::this_cpu() == before);
        }
        if (one_in(3))
          sched::sleep_until(soon());
        else if (one_in(2))
          sched::yield();
      }
    });
  ready.store_seq_cst(1);
  queue.wake_all();
  crowd.wait();
  for (u32 i = 0; i < threads; ++i) all[i] = {};
  core::CpuMask nowhere;
  SIM_CHECK(!sched::set_affinity(sched::current(), nowhere).ok());
}

/// A thread alone decides where it runs: it is there when the call returns, and stays.
void stays_where_it_wants() {
  Crowd crowd;
  for (u32 i = 0; i < 3; ++i)
    (void)crowd.start([&] {
      for (u32 n = 0; n < 4; ++n) {
        const CpuId wanted = some_cpu();
        core::CpuMask one;
        one.set(wanted);
        SIM_CHECK(sched::set_affinity(sched::current(), one).ok());
        SIM_CHECK(core::this_cpu() == wanted);
        dawdle();
        if (one_in(2)) sched::sleep_until(soon());
        SIM_CHECK(core::this_cpu() == wanted);
      }
    });
  crowd.wait();
}

/// Threads that make threads and do not wait for them.
void generations() {
  Crowd crowd;
  Atomic<u32> born{0}, ran{0};
  const u32 parents = 1 + dice(3);
  std::array<Crowd, 3> families;
  for (u32 i = 0; i < parents; ++i)
    (void)crowd.start([&, &family = families[i]] {
      for (u32 n = 1 + dice(2); n > 0; --n) {
        (void)born.fetch_add_relaxed(1);
        (void)family.start([&] { (void)ran.fetch_add_relaxed(1); }, any_options());
      }
      family.wait();
    });
  crowd.wait();
  SIM_CHECK(born.load_relaxed() == ran.load_relaxed());
}

/// A thread that spins with preemption on must make room for the one it woke, on the same CPU,
/// however it woke it.
void spin_for_the_woken() {
  sched::WaitQueue queue;
  Atomic<u32> stage{0};
  const sched::SpawnOptions same{.pinned = true, .cpu = some_cpu()};
  Crowd crowd;
  const bool by_itself = one_in(2);
  const Ref<sched::Thread> sleeper = crowd.start(
      [&] {
        (void)sched::wait(queue, [&] { return stage.load_acquire() == 1; });
        stage.store_release(2);
      },
      same);
  (void)crowd.start(
      [&] {
        stage.store_seq_cst(1);
        if (by_itself) {
          // As an interrupt that ends in a thread does it.
          const core::IrqOff irq_off;
          (void)sched::wake(*sleeper);
        } else {
          queue.wake_all();
        }
        while (stage.load_acquire() != 2) machine::relax();
      },
      same);
  crowd.wait();
}

/// A thread that nobody can preempt wakes another one: some other CPU has to come and take it, also
/// one that was just about to idle, as those do that passers-by leave.
void nobody_idles() {
  constexpr u32 rounds = 4;
  sched::WaitQueue queue;
  Atomic<u32> stage{0};
  Crowd crowd;
  (void)crowd.start([&] {
    for (u32 n = 0; n < rounds; ++n) {
      (void)sched::wait(queue, [&] { return stage.load_acquire() == 2 * n + 1; });
      stage.store_release(2 * n + 2);
    }
  });
  (void)crowd.start([&] {
    for (u32 n = 0; n < rounds; ++n) {
      const core::PreemptOff here;
      stage.store_seq_cst(2 * n + 1);
      queue.wake_all();
      while (stage.load_acquire() != 2 * n + 2) machine::relax();
    }
  });
  (void)crowd.start([&] {
    for (u32 n = 0; n < 2 * rounds && stage.load_acquire() != 2 * rounds; ++n)
      sched::sleep_until(core::clock_ns() + dice(1000));
  });
  crowd.wait();
}

/// One thread for each CPU: none can be preempted until all of them run, so that none may wait
/// behind another one while a CPU idles, whoever woke it and wherever it slept.
void rendezvous() {
  constexpr u32 rounds = 4;
  const u32 wakers = 1 + dice(core::possible_cpus / 2);
  const u32 sleepers = core::possible_cpus - wakers;
  std::array<sched::WaitQueue, 4> queues;
  std::array<Atomic<u32>, 4> called;
  Atomic<u32> here{0};
  Atomic<u32> asleep{0};
  const auto meet = [&](u32 n) {
    (void)here.fetch_add_acq_rel(1);
    while (here.load_acquire() < core::possible_cpus * n) machine::relax();
  };
  Crowd crowd;
  for (u32 i = 0; i < sleepers; ++i)
    (void)crowd.start([&, i] {
      for (u32 n = 1; n <= rounds; ++n) {
        (void)asleep.fetch_add_acq_rel(1);
        (void)sched::wait(queues[i % wakers],
                          [&] { return called[i % wakers].load_acquire() >= n; });
        const core::PreemptOff unpreempted;
        meet(n);
      }
    });
  for (u32 i = 0; i < wakers; ++i)
    (void)crowd.start([&, i] {
      for (u32 n = 1; n <= rounds; ++n) {
        while (asleep.load_acquire() < sleepers * n) sched::sleep_until(soon());
        const core::PreemptOff unpreempted;
        called[i].store_seq_cst(n);
        queues[i].wake_all();
        meet(n);
      }
    });
  if (one_in(2))
    (void)crowd.start([&] {
      for (u32 n = 0; n < 2 * rounds && called[0].load_acquire() < rounds; ++n)
        sched::sleep_until(core::clock_ns() + dice(1000));
    });
  crowd.wait();
}

/// Busy threads, one fewer than CPUs or more: each has to get on, whoever it shares a CPU with.
void busy() {
  Atomic<u32> left{0};
  Crowd crowd;
  const u32 threads = core::possible_cpus - 1 + dice(3);
  left.store_release(threads);
  for (u32 i = 0; i < threads; ++i)
    (void)crowd.start(
        [&] {
          (void)left.fetch_sub_acq_rel(1);
          // All of them have to be here: nobody may be kept off the CPUs by those that spin.
          while (left.load_acquire() != 0) machine::relax();
        },
        // Of like weight: between the extremes a fair turn comes after a quarter of a minute.
        {.scheduling = {.nice = static_cast<i32>(dice(3)) - 1},
         .pinned = one_in(3),
         .cpu = some_cpu()});
  crowd.wait();
}

/// As many real-time threads as CPUs and one more, and fair ones that never let go: none of the
/// first waits while a fair one runs, wherever they come from, and the last one gets the first CPU
/// that one of them leaves. All have one rank, so that none makes room for another one.
void urgent_ones_first() {
  const u32 most = core::possible_cpus;
  Atomic<u32> here{0};
  Atomic<bool> over{false};
  sched::WaitQueue queue;
  Atomic<bool> go{false};
  Crowd crowd;
  for (u32 i = 0; i < 1 + dice(most); ++i)
    (void)crowd.start([&] {
      while (!over.load_acquire()) machine::relax();
    });
  const bool by_boost = one_in(3);
  const auto rank = static_cast<sched::Rank>(1 + dice(3));
  for (u32 i = 0; i <= most; ++i) {
    const bool sleeps = one_in(2);
    const Ref<sched::Thread> t = crowd.start(
        [&, sleeps] {
          if (sleeps || by_boost) (void)sched::wait(queue, [&] { return go.load_acquire(); });
          const u32 nth = here.fetch_add_acq_rel(1);
          while (here.load_acquire() < (nth == 0 ? most : most + 1)) machine::relax();
          over.store_release(true);
        },
        by_boost
            ? sched::SpawnOptions()
            : sched::SpawnOptions{.scheduling = {.policy = sched::Policy::fifo, .priority = rank}});
    if (by_boost) t->set_boost(rank);
    if (one_in(3)) dawdle();
  }
  go.store_seq_cst(true);
  queue.wake_all();
  crowd.wait();
}

/// Real-time threads on all CPUs. One of them makes another one runnable and waits for it, while a
/// second one goes to sleep: the new one gets that CPU, and nothing less urgent. Who starts them is
/// more urgent still, so that nobody else has anything to do when it has come to this.
void the_cpu_that_was_left() {
  const u32 most = core::possible_cpus;
  if (most == 1) return;
  const sched::Scheduling urgent_one{.policy = sched::Policy::fifo, .priority = 1};
  const u32 leaver = 1 + dice(most - 1);
  Atomic<u32> here{0};
  Atomic<bool> called{false}, done{false};
  sched::WaitQueue for_call, for_end;
  const auto called_one = [&] {
    (void)sched::wait(for_call, [&] { return called.load_acquire(); });
    done.store_seq_cst(true);
    for_end.wake_all();
  };
  const auto one_of_many = [&](u32 i) {
    (void)here.fetch_add_acq_rel(1);
    while (here.load_acquire() < most) machine::relax();
    if (i == 0) {
      called.store_seq_cst(true);
      for_call.wake_all();
    } else if (i == leaver) {
      (void)sched::wait(for_end, [&] { return done.load_acquire(); });
    }
    while (!done.load_acquire()) machine::relax();
  };
  Crowd crowd, starters;
  for (u32 i = 0; i < 1 + dice(most); ++i)
    (void)crowd.start([&] {
      while (!done.load_acquire()) machine::relax();
    });
  (void)starters.start(
      [&] {
        (void)crowd.start(called_one, {.scheduling = urgent_one});
        for (u32 i = 0; i < most; ++i)
          (void)crowd.start([&, i] { one_of_many(i); }, {.scheduling = urgent_one});
      },
      {.scheduling = urgent(2)});
  (void)sched::wait(for_end, [&] { return done.load_acquire(); });
  starters.wait();
  crowd.wait();
}

/// A thread becomes urgent, or no longer is, while it runs or waits: who is due then runs.
void changes_of_rank() {
  const sched::SpawnOptions same{.pinned = true, .cpu = some_cpu()};
  Atomic<u32> stage{0};
  Crowd crowd;
  const Ref<sched::Thread> busy = crowd.start(
      [&] {
        while (stage.load_acquire() != 2) machine::relax();
      },
      same);
  const Ref<sched::Thread> waits = crowd.start([&] { stage.store_release(2); }, same);
  switch (dice(3)) {
    case 0:
      busy->set_scheduling(urgent(2));
      waits->set_scheduling(urgent(3));
      break;
    case 1:
      busy->set_scheduling(urgent(2));
      busy->set_scheduling({});
      break;
    default:
      busy->set_boost(5);
      waits->set_boost(6);
      if (one_in(2)) busy->set_boost(0);
  }
  crowd.wait();
}

/// What shares a CPU fairly gets a part of it, whatever real-time threads do.
void fair_reserve() {
  const CpuId cpu = some_cpu();
  Atomic<bool> done{false};
  Crowd crowd;
  (void)crowd.start(
      [&] {
        while (!done.load_acquire()) {
          pass_time(10'000);
          machine::relax();
        }
      },
      {.scheduling = urgent(1), .pinned = true, .cpu = cpu});
  (void)crowd.start([&] { done.store_release(true); }, {.pinned = true, .cpu = cpu});
  crowd.wait();
}

}  // namespace

void scenario() {
  switch (dice(16)) {
    case 0: return generations();
    case 3: return nobody_idles();
    case 4:
    case 5: return rendezvous();
    case 6: return moved_about();
    case 7: return stays_where_it_wants();
    case 1: return spin_for_the_woken();
    case 2: return busy();
    case 8:
    case 9: return urgent_ones_first();
    case 10: return changes_of_rank();
    case 11: return fair_reserve();
    case 12:
    case 13: return the_cpu_that_was_left();
    default: return mixture();
  }
}

}  // namespace auk::sim
