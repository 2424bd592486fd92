// Which CPU runs what: where woken threads go, and what CPUs that lack work take from others.
#include <algorithm>

#include "core/preempt.hpp"
#include "core/rcu.hpp"
#include "core/smp_call.hpp"
#include "machine/isa/cpu.hpp"
#include "sched/runqueue.hpp"

namespace auk::sched {

constinit core::CpuMask RunQueue::idle_cpus_;
constinit Atomic<u32> RunQueue::urgent_waiting_{0};

/// If another CPU idles, it comes and takes a thread from whom has too many. One call for each
/// thread that waits: a CPU may be called again before it comes.
void RunQueue::call_idle_cpu() {
  const auto lazy = idle_cpus_.take_first([&](CpuId c) { return c != cpu_; });
  if (!lazy) return;
  (void)queue_of(*lazy).calls_.fetch_add_acq_rel(1);
  core::ipi_sender()->send_reschedule(*lazy);
}

/// This CPU has work now: others answer the calls it has not.
void RunQueue::pass_calls_on() {
  if (calls_.load_relaxed() == 0) return;
  for (u32 n = calls_.exchange_acq_rel(0); n > 0; --n) call_idle_cpu();
}

/// What came by theft. Its own CPU comes to choose one.
void RunQueue::accept(Thread& t) {
  lock();
  t.virtual_time_ += floor_;
  link(t, Place::last);
  // Others may have arrived meanwhile.
  const bool crowded = waiting() > 1;
  unlock();
  if (crowded) call_idle_cpu();
}

/// Gives another CPU, which is about to choose, a thread of this queue, if there is one. It counts
/// as queued until accept(): it may have announced a sleep before it was preempted, and who wakes
/// it must leave it to us. Ends the lock.
bool RunQueue::give(RunQueue& taker, Thread* found) {
  if (found != nullptr) take_out(*found, taker.cpu_);
  unlock();
  if (found == nullptr) return false;
  taker.accept(*found);
  return true;
}

/// Gives `thief` a thread that may run elsewhere. Interrupts off. Thieves do not wait for the lock:
/// where many idle they would keep it from its owner.
RunQueue::Theft RunQueue::give_one(RunQueue& thief) {
  if (waiting() == 0) return Theft::nothing_there;
  if (!lock_.try_lock()) return Theft::busy;
  const auto may = [&](const Thread& t) { return t.may_run_on(thief.cpu_); };
  return give(thief, waiting_.first_that(may)) ? Theft::done : Theft::nothing_there;
}

RunQueue::Theft RunQueue::steal_for(RunQueue& thief) {
  const u32 calls = thief.calls_.exchange_acq_rel(0);
  Theft result = Theft::nothing_there;
  // The neighbours in turn, so that thieves spread out.
  for (u32 i = 1; i < core::possible_cpus; ++i) {
    const CpuId victim((thief.cpu_.value + i) % core::possible_cpus);
    RunQueue* rq = run_queues.on(victim);
    if (rq == nullptr) continue;
    const Theft here = rq->give_one(thief);
    if (here != Theft::nothing_there) result = here;
    if (here == Theft::done) break;
  }
  // What was taken answers one call. Where a lock was taken, this CPU has not looked.
  const u32 answered = result == Theft::busy ? 0 : result == Theft::done ? 1 : calls;
  if (calls > answered) (void)thief.calls_.fetch_add_relaxed(calls - answered);
  return result;
}

/// Gives a CPU that is about to run nothing above `least` a real-time thread, also one that is due
/// here: it runs sooner there.
bool RunQueue::give_urgent(RunQueue& taker, Rank least) {
  lock();
  const auto may = [&](const Thread& t) { return t.may_run_on(taker.cpu_); };
  return give(taker, waiting_.first_realtime_above(least, may));
}

/// Ends the lock, held by who has chosen what runs here. Of several real-time threads that came at
/// once one was chosen: the others go where less urgent ones run. Interrupts off.
void RunQueue::unlock_and_push() {
  while (urgent_here_ != 0) {
    CpuId to = cpu_;
    Thread* const t = waiting_.first_realtime_above(0, [&](const Thread& w) {
      if (!w.counts_as_urgent_ || w.rank() > running_rank_.load_relaxed()) return false;
      const std::optional<CpuId> better = better_place(w);
      to = better.value_or(cpu_);
      return better.has_value();
    });
    if (t == nullptr) break;
    take_out(*t, to);
    unlock();
    bring(*t, to);
    lock();
  }
  unlock();
}

bool RunQueue::others_wait_above(const RunQueue& rq, Rank r) {
  return urgent_waiting_.load_seq_cst() > rq.urgent_here_ && r < ranks - 1;
}

/// Brings the most urgent thread that waits elsewhere for a CPU that runs nothing above `least`.
bool RunQueue::pull_for(RunQueue& taker, Rank least) {
  core::CpuMask tried;
  tried.set(taker.cpu_);
  for (;;) {
    RunQueue* most = nullptr;
    Rank highest = least;
    for (u32 c = 0; c < core::possible_cpus; ++c) {
      RunQueue* const rq = run_queues.on(CpuId(c));
      if (rq == nullptr || tried.has(CpuId(c))) continue;
      const Rank r = rq->waiting_rank_.load_relaxed();
      if (r <= highest) continue;
      most = rq;
      highest = r;
    }
    if (most == nullptr) return false;
    if (most->give_urgent(taker, least)) return true;
    tried.set(most->cpu_);
  }
}

/// Of the other CPUs that may run the thread the one where the least urgent runs, if that is less
/// urgent than `than`.
std::optional<CpuId> RunQueue::least_urgent(const Thread& t, CpuId but, Rank than) {
  std::optional<CpuId> best;
  t.each_allowed_cpu([&](CpuId c) {
    const Rank there = queue_of(c).running_rank_.load_seq_cst();
    if (c == but || there >= than) return;
    best = c;
    than = there;
  });
  return best;
}

/// Where a real-time thread that waits here runs at once: a CPU that idles, else the one where the
/// least urgent runs.
std::optional<CpuId> RunQueue::better_place(const Thread& t) const {
  if (const auto idle =
          idle_cpus_.take_first([&](CpuId c) { return c != cpu_ && t.may_run_on(c); }))
    return idle;
  return least_urgent(t, cpu_, t.rank());
}

/// Another CPU that no real-time thread runs on.
std::optional<CpuId> RunQueue::fair_place() const {
  std::optional<CpuId> found;
  core::online_cpus.each([&](CpuId c) {
    if (!found && c != cpu_ && queue_of(c).running_rank_.load_relaxed() == 0) found = c;
  });
  return found;
}

/// Of those that may run the thread: its old CPU if it idles, else any that idles, else the old
/// one, unless what runs there is more urgent: then the one where the least urgent runs.
CpuId RunQueue::choose_cpu(const Thread& t) {
  const CpuId home = t.cpu();
  const bool may_stay = t.may_run_on(home);
  if (may_stay && idle_cpus_.take(home)) return home;
  if (const auto idle = idle_cpus_.take_first([&](CpuId c) { return t.may_run_on(c); }))
    return *idle;
  const Rank at_home = may_stay ? queue_of(home).running_rank_.load_seq_cst() : ranks;
  if (may_stay && (at_home == 0 || at_home < t.rank())) return home;
  // None is online only while the set is being changed.
  return least_urgent(t, home, at_home).value_or(home);
}

void RunQueue::run_idle() {
  RunQueue& rq = *run_queues.read();
  for (;;) {
    machine::irq_disable();
    // First say that this CPU idles, then look for work: whoever queues a thread does it the other
    // way round, so one of the two sees the other.
    if (!idle_cpus_.has(rq.cpu_)) idle_cpus_.set(rq.cpu_);
    const bool wanted = (core::preempt_count.read() & core::no_attention_wanted) == 0;
    const Theft theft = wanted || rq.waiting() > 0 ? Theft::done : steal_for(rq);
    if (theft == Theft::done) {
      (void)idle_cpus_.take(rq.cpu_);
      schedule(Leaving::sleeps);
      machine::irq_enable();
      continue;
    }
    if (theft == Theft::busy) {
      // A thread waits there: no sleep before it is clear who runs it. Interrupts come meanwhile.
      machine::irq_enable();
      machine::relax();
      continue;
    }
    core::rcu_idle_begins(core::Pinned::assume());
    machine::wait_for_interrupt();
    core::rcu_idle_ends(core::Pinned::assume());
  }
}

u32 misplaced_threads() {
  u32 waiting = 0;
  u32 asleep = 0;
  for (u32 cpu = 0; cpu < core::possible_cpus; ++cpu)
    if (RunQueue* rq = run_queues.on(CpuId(cpu)); rq != nullptr) {
      waiting += rq->waiting();
      asleep += core::rcu_idles.on(CpuId(cpu)).load_acquire();
    }
  return std::min(waiting, asleep);
}

}  // namespace auk::sched
