#include "sched/runqueue.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/annotations.hpp"
#include "core/event_counts.hpp"
#include "core/oops.hpp"
#include "core/panic.hpp"
#include "core/preempt.hpp"
#include "core/rcu.hpp"
#include "core/smp_call.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/switch.hpp"
#include "sched/rcu.hpp"
#include "sched/softirq.hpp"

namespace auk::sched {
namespace {

constexpr u64 wake_granularity_ns = 1'000'000;
constexpr u64 never = ~u64{0};
constexpr u32 nice_0_weight = 1024;
constexpr u32 idle_weight = 3;

/// Linux's weights: each step of nice is about 10% of a CPU between two threads.
constexpr std::array<u32, 40> weights{
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
    3906,  3121,  2501,  1991,  1586,  1277,  1024,  820,   655,   526,   423,  335,  272,  215,
    172,   137,   110,   87,    70,    56,    45,    36,    29,    23,    18,   15};

u32 weight_of(const Scheduling& s) {
  return s.policy == Policy::idle ? idle_weight : weights[static_cast<u32>(s.nice + 20)];
}

Rank rank_of(const Scheduling& s) { return is_realtime(s.policy) ? s.priority : Rank{0}; }

AUK_PER_CPU core::PerCpu<u32> reschedule_wanted;
AUK_RO_AFTER_INIT constinit UserSwitch* user_switch = nullptr;

}  // namespace

AUK_PER_CPU core::PerCpu<RunQueue*> run_queues;

void RunQueue::account(u64 now) {
  Thread& t = *current_;
  if (&t == idle_) return;
  // Another CPU that wakes a thread here may have read the clock a moment later.
  const u64 ran = now > t.ran_since_ ? now - t.ran_since_ : 0;
  t.ran_since_ = now;
  t.run_time_.store_relaxed(t.run_time_.load_relaxed() + ran);
  if (is_realtime(t.scheduling_.policy))
    t.burst_ns_.store_relaxed(t.burst_ns_.load_relaxed() + ran);
  if (t.rank() != 0) {
    t.turn_left_ns_ -= std::min(t.turn_left_ns_, ran);
    return;
  }
  reserve_.note_served(ran);
  t.virtual_time_ += ran * nice_0_weight / weight_of(t.scheduling_);
  u64 least = t.virtual_time_;
  if (const Thread* const w = waiting_.first_fair();
      w != nullptr && static_cast<i64>(w->virtual_time_ - least) < 0)
    least = w->virtual_time_;
  if (static_cast<i64>(least - floor_) > 0) floor_ = least;
}

void RunQueue::link(Thread& t, Place p) {
  ASSERT(t.cpu() == cpu_ && !waiting_.has(t));
  waiting_.add(t, p);
  waiting_count_.store_seq_cst(waiting_.count());
  if (t.rank() == 0) return;
  waiting_rank_.store_relaxed(waiting_.highest());
  t.counts_as_urgent_ = t.may_move();
  if (t.counts_as_urgent_) {
    ++urgent_here_;
    (void)urgent_waiting_.fetch_add_seq_cst(1);
  }
}

void RunQueue::unlink(Thread& t) {
  waiting_.remove(t);
  waiting_count_.store_relaxed(waiting_.count());
  if (t.rank() == 0) return;
  waiting_rank_.store_relaxed(waiting_.highest());
  if (std::exchange(t.counts_as_urgent_, false)) {
    --urgent_here_;
    (void)urgent_waiting_.fetch_sub_relaxed(1);
  }
}

/// Still runnable, and off the CPU in a moment. Lock held.
void RunQueue::requeue(Thread& t, Leaving how) {
  ASSERT(!t.queued_);
  t.queued_ = true;
  bool is_last = how == Leaving::yields;
  if (t.scheduling_.policy == Policy::round_robin && t.turn_left_ns_ == 0) {
    t.turn_left_ns_ = round_robin_ns;
    is_last = true;
  }
  link(t, is_last ? Place::last : Place::first);
}

/// Who is to run of those that wait. Lock held; nullptr.
Thread* RunQueue::first(u64 now) {
  Thread* const urgent = waiting_.first_realtime();
  if (urgent == nullptr || reserve_.is_due(now))
    if (Thread* const fair = waiting_.first_fair()) return fair;
  return urgent;
}

/// Whether a thread that just came takes the CPU. Lock held.
bool RunQueue::takes_over(const Thread& t, u64 now) const {
  const Thread& c = *current_;
  if (&c == idle_) return true;
  if (t.rank() != c.rank()) return t.rank() > c.rank() && (c.rank() != 0 || !reserve_.is_due(now));
  if (t.rank() != 0) return false;
  if (t.scheduling_.policy != Policy::normal) return false;
  return c.scheduling_.policy == Policy::idle ||
         static_cast<i64>(t.virtual_time_ + wake_granularity_ns - c.virtual_time_) < 0;
}

/// When somebody else may be due, if nobody comes. Lock held.
u64 RunQueue::next_look(u64 now) {
  if (current_ == idle_ || waiting_.count() == 0) return never;
  const Thread& c = *current_;
  const bool fair_wait = waiting_.first_fair() != nullptr;
  u64 at = never;
  if (c.rank() == 0) {
    if (fair_wait) at = now + c.scheduling_.slice_ns;
    if (waiting_.highest() != 0) at = std::min(at, now + reserve_.left());
    return at;
  }
  if (fair_wait) {
    reserve_.begin(now);
    at = std::min(reserve_.look_at(), now + default_slice_ns);
  }
  if (c.scheduling_.policy == Policy::round_robin && waiting_.has_rank(c.rank()))
    at = std::min(at, now + c.turn_left_ns_);
  return at;
}

/// Lock held.
void RunQueue::arm(u64 now) {
  const u64 at = next_look(now);
  if (at == never || (look_.armed && look_.deadline() <= at)) return;
  // A CPU's timers are its own business.
  if (cpu_ != core::this_cpu()) return want_reschedule();
  if (look_.armed) (void)time::cancel(look_);
  look_.armed = true;
  time::start(look_, at);
}

/// Timer interrupt.
void RunQueue::look_again() {
  lock();
  look_.armed = false;
  const u64 now = core::clock_ns();
  account(now);
  const Thread& c = *current_;
  if (c.rank() != 0) {
    // Who waits behind a real-time thread for this long finds a share of another CPU. Not at once:
    // most of them soon sleep again.
    if (const auto to = fair_place()) {
      Thread* const stuck =
          waiting_.first_fair_that([&](const Thread& w) { return w.may_run_on(*to); });
      if (stuck != nullptr) {
        take_out(*stuck, *to);
        arm(now);
        unlock();
        return bring(*stuck, *to);
      }
    }
  }
  const Thread* const t = &c == idle_ ? nullptr : first(now);
  const auto is_due = [&] {
    if (t->rank() != c.rank()) return t->rank() > c.rank() || reserve_.is_due(now);
    if (c.rank() == 0) return Behind()(*t, c);
    return c.scheduling_.policy == Policy::round_robin && c.turn_left_ns_ == 0;
  };
  if (t != nullptr && is_due())
    want_reschedule();
  else
    arm(now);
  unlock();
}

/// What a thread must exceed to get this CPU at once. Lock held.
void RunQueue::set_running_rank(Rank r) {
  if (running_rank_.load_relaxed() != r) running_rank_.store_seq_cst(r);
}

/// This CPU should call schedule() soon. Lock held.
void RunQueue::want_reschedule() {
  if (cpu_ == core::this_cpu()) {
    note_reschedule();
    return;
  }
  core::ipi_sender()->send_reschedule(cpu_);
}

/// A thread was linked: it runs soon, or its time is limited by others, or, where it is urgent, it
/// is on its way to the CPU that this returns. Ends the lock.
std::optional<CpuId> RunQueue::settle(Thread& t, u64 now) {
  // In the midst of schedule(): it will find this thread.
  const bool turns_to_less = running_rank_.load_relaxed() < current_->rank();
  if (takes_over(t, now)) {
    want_reschedule();
  } else {
    const auto better = t.rank() == 0 || turns_to_less ? std::optional<CpuId>() : better_place(t);
    if (better) {
      take_out(t, *better);
      unlock();
      return better;
    }
    arm(now);
  }
  const bool crowded = is_crowded();
  unlock();
  if (crowded) call_idle_cpu();
  return std::nullopt;
}

/// A thread that is neither queued nor on a CPU becomes runnable here. Interrupts off.
std::optional<CpuId> RunQueue::enqueue(Thread& t, bool is_new) {
  lock();
  const u64 now = core::clock_ns();
  account(now);
  const u64 slice = t.scheduling_.slice_ns;
  const u64 earliest = is_new ? floor_ : floor_ - slice / 2;
  if (static_cast<i64>(t.virtual_time_ - earliest) < 0) t.virtual_time_ = earliest;
  // Coming from another queue, whose virtual time may be far ahead.
  const u64 latest = floor_ + slice;
  if (static_cast<i64>(t.virtual_time_ - latest) > 0) t.virtual_time_ = latest;
  ASSERT(!t.queued_);
  t.queued_ = true;
  link(t, Place::last);
  return settle(t, now);
}

/// Sends a thread of this queue on its way to another one: bring() it there, without this lock. It
/// counts as queued meanwhile, so that who wakes it leaves it to us. Lock held.
void RunQueue::send_off(Thread& t, CpuId to) {
  t.queued_ = true;
  t.cpu_.store_relaxed(to.value);
  t.virtual_time_ -= floor_;
}

std::optional<CpuId> RunQueue::arrive(Thread& t) {
  lock();
  const u64 now = core::clock_ns();
  account(now);
  t.virtual_time_ += floor_;
  link(t, Place::last);
  return settle(t, now);
}

void RunQueue::bring(Thread& t, CpuId to) {
  for (std::optional<CpuId> at = to; at;) at = queue_of(*at).arrive(t);
}

/// Threads that are due but may not run here any more. The lock, which is held, is let go and
/// taken again, so nobody in the queue may still be on its CPU.
void RunQueue::send_strays_off(u64 now) {
  for (;;) {
    Thread* const t = first(now);
    if (t == nullptr || t->may_run_on(cpu_)) return;
    const CpuId to = choose_cpu(*t);
    if (to == cpu_) return;
    take_out(*t, to);
    unlock();
    bring(*t, to);
    lock();
  }
}

void RunQueue::schedule(Leaving how) {
  const machine::IrqFlags flags = machine::irq_save();
  run_pending_softirqs();
  rcu_note_quiescent();
  RunQueue& rq = *run_queues.read();
  Thread& previous = *rq.current_;
  rq.lock();
  core::preempt_count.write(core::preempt_count.read() | core::no_attention_wanted);
  reschedule_wanted.write(0);
  u64 now = core::clock_ns();
  rq.account(now);
  // A thread that announced its sleep and is preempted is still runnable.
  const auto stays = [&] {
    const State s = previous.state_.load_acquire();
    return &previous != rq.idle_ &&
           (s == State::running || (how != Leaving::sleeps && s == State::sleeping));
  };
  const auto stays_here = [&] { return stays() && previous.may_run_on(rq.cpu_); };
  /// What whoever comes has to exceed.
  const auto rank_with = [&](const Thread* next) {
    if (next == nullptr) return Rank{0};
    return next->rank() == 0 && rq.reserve_.is_due(now) ? Rank{ranks - 1} : next->rank();
  };
  rq.send_strays_off(now);
  Thread* next = rq.first(now);
  Rank rank = rank_with(next);
  if (stays_here()) rank = std::max(rank, previous.rank());
  rq.set_running_rank(rank);
  const bool has_work = next != nullptr || stays_here();
  bool stole = false;
  if (const bool urgent_wait = others_wait_above(rq, rank); urgent_wait || !has_work) {
    // Look elsewhere, without this lock. Who wakes the previous thread meanwhile finds it still on
    // its CPU and leaves it to us.
    rq.unlock();
    const bool pulled = urgent_wait && pull_for(rq, rank);
    stole = !has_work && !pulled;
    if (stole) (void)steal_for(rq);
    rq.lock();
    now = core::clock_ns();
    rq.account(now);
    rq.send_strays_off(now);
  }
  if (stays()) {
    if (previous.may_run_on(rq.cpu_)) {
      rq.requeue(previous, how);
    } else {
      // It goes when its registers are saved: finish_switch().
      previous.leaves_ = previous.queued_ = true;
    }
  }
  next = rq.first(now);
  if (next != nullptr) {
    rq.set_running_rank(rank_with(next));
    rq.take(*next);
    // What came here by theft was not meant to wait behind a thread woken meanwhile.
    if (stole && rq.waiting() > 0) rq.call_idle_cpu();
  } else {
    next = rq.idle_;
    rq.set_running_rank(0);
    rq.reserve_.end();
  }
  if (next == &previous) {
    rq.arm(now);
    rq.unlock_and_push();
    machine::irq_restore(flags);
    return;
  }
  const bool slept = how == Leaving::sleeps && previous.state_.load_relaxed() != State::running;
  Atomic<u64>& switches = slept ? previous.sleeps_ : previous.preemptions_;
  switches.store_relaxed(switches.load_relaxed() + 1);
  if (slept) previous.burst_ns_.store_relaxed(0);
  core::switch_count.add(1);
  rq.current_ = next;
  next->ran_since_ = now;
  if (&previous == rq.idle_) {
    (void)idle_cpus_.take(rq.cpu_);
    rq.pass_calls_on();
  }
  rq.arm(now);
  core::current_thread.write(next);
  if (previous.is_user_) user_switch->leave(previous);
  mem::load_translation(next->translation);
  if (next->is_user_) user_switch->enter(*next);
  void* const from =
      auk_switch_context(&previous.stack_pointer_, next->stack_pointer_, &previous, next->canary);
  finish_switch(static_cast<Thread*>(from));
  machine::irq_restore(flags);
}

void RunQueue::finish_switch(Thread* previous) {
  // Once the lock is free a thread that sleeps may be woken, run elsewhere and end there.
  const bool is_dead = previous->state_.load_acquire() == State::dead;
  // The thread may have come to another CPU than the one it left.
  RunQueue& rq = *run_queues.read();
  const bool leaves = std::exchange(previous->leaves_, false);
  const CpuId to = leaves ? choose_cpu(*previous) : rq.cpu_;
  if (leaves) rq.send_off(*previous, to);
  rq.unlock_and_push();
  if (leaves) bring(*previous, to);
  if (is_dead) bury(*previous);
}

/// The queue the thread belongs to, locked. Interrupts off.
RunQueue& RunQueue::lock_home(const Thread& t) {
  for (;;) {
    const CpuId home = t.cpu();
    RunQueue& rq = queue_of(home);
    rq.lock();
    if (t.cpu() == home) return rq;
    rq.unlock();
  }
}

bool RunQueue::wake(Thread& t) {
  // Changes nothing; a load would not be ordered behind the caller's change of the condition.
  State expected = State::sleeping;
  if (!t.state_.cas_acq_rel(expected, State::sleeping)) return false;
  const core::IrqOff irq_off;
  RunQueue& rq = lock_home(t);
  // Under the lock, without which no thread leaves its CPU: woken before, it might run on,
  // announce its next sleep and be asleep again when we look where it is.
  const bool woken = t.state_.cas_acq_rel(expected, State::running);
  // Still on its CPU, or preempted before it slept: it never stopped being runnable.
  const bool comes = woken && !rq.is_on_cpu(t) && !t.queued_;
  if (comes) t.cpu_.store_relaxed(choose_cpu(t).value);
  rq.unlock();
  if (!comes) return woken;
  if (const auto elsewhere = queue_of(t.cpu()).enqueue(t, false)) bring(t, *elsewhere);
  return true;
}

void RunQueue::move_if_misplaced(Thread& t) {
  const core::IrqOff irq_off;
  RunQueue& rq = lock_home(t);
  if (!rq.waiting_.has(t)) {
    // On the CPU, which has to let go of it; or asleep; or on its way.
    if (rq.is_on_cpu(t) && !t.may_run_on(rq.cpu_)) rq.want_reschedule();
    rq.unlock();
    return;
  }
  if (t.may_run_on(rq.cpu_) && t.rank() == 0) {
    rq.unlock();
    return;
  }
  const CpuId to = choose_cpu(t);
  rq.take_out(t, to);
  rq.unlock();
  bring(t, to);
}

Result<void> RunQueue::set_affinity(Thread& t, const core::CpuMask& cpus) {
  core::CpuMask online;
  online.assign_common(cpus, core::online_cpus);
  if (online.count() == 0) return Errno::einval;
  t.allowed_.assign_common(cpus, online);
  t.restricted_.store_release(true);
  if (&t == &sched::current()) {
    while (!t.may_run_on(core::this_cpu())) yield();
  } else {
    move_if_misplaced(t);
  }
  return {};
}

/// Changes what decides when a thread runs: f(). Any context.
template <class F> void RunQueue::change(Thread& t, F f) {
  const core::IrqOff irq_off;
  RunQueue& rq = lock_home(t);
  const u64 now = core::clock_ns();
  rq.account(now);
  const bool waits = rq.waiting_.has(t);
  const bool runs = rq.is_on_cpu(t);
  const Rank before = t.rank();
  if (waits) rq.unlink(t);
  f();
  const Rank after = std::max(rank_of(t.scheduling_), t.boost_);
  t.rank_.store_relaxed(after);
  // Its virtual time is from before it was urgent. On its way between queues it is a difference.
  if (before != 0 && after == 0) t.virtual_time_ = t.queued_ && !waits ? 0 : rq.floor_;
  if (waits) {
    rq.link(t, after < before ? Place::first : Place::last);
    if (const auto elsewhere = rq.settle(t, now)) bring(t, *elsewhere);
    return;
  }
  if (runs && &t != rq.idle_) {
    rq.set_running_rank(after);
    if (after < before)
      rq.want_reschedule();
    else
      rq.arm(now);
  }
  rq.unlock();
}

Scheduling RunQueue::scheduling(const Thread& t) {
  const core::IrqOff irq_off;
  RunQueue& rq = lock_home(t);
  const Scheduling s = t.scheduling_;
  rq.unlock();
  return s;
}

void RunQueue::set_scheduling(Thread& t, const Scheduling& s) {
  change(t, [&] {
    if (s.policy != t.scheduling_.policy) t.turn_left_ns_ = round_robin_ns;
    t.scheduling_ = s;
  });
}

void RunQueue::set_nice(Thread& t, i32 nice) {
  change(t, [&] { t.scheduling_.nice = nice; });
}

void RunQueue::set_boost(Thread& t, Rank r) {
  change(t, [&] { t.boost_ = r; });
}

bool RunQueue::is_idle(const Thread& t) { return queue_of(t.cpu()).idle_ == &t; }

u32 RunQueue::runnable() {
  u32 n = 0;
  core::online_cpus.each([&](CpuId cpu) {
    const RunQueue& rq = queue_of(cpu);
    n += rq.waiting() + (core::current_thread.on(cpu) != rq.idle_ ? 1 : 0);
  });
  return n;
}

u64 RunQueue::idle_time_ns(CpuId cpu) { return run_time(*queue_of(cpu).idle_); }

u64 RunQueue::run_time(Thread& t) {
  const core::IrqOff irq_off;
  RunQueue& rq = queue_of(t.cpu());
  rq.lock();
  if (rq.current_ == &t) rq.account(core::clock_ns());
  rq.unlock();
  return t.run_time_.load_relaxed();
}

void RunQueue::start(Thread& t) {
  // At the top the frame of the user registers, if there is a user half.
  t.stack_pointer_ = machine::prepare_stack(t.stack_top() - t.reserved_at_top_, first_steps);
  const core::IrqOff irq_off;
  if (t.may_run_on(core::this_cpu())) t.cpu_.store_relaxed(core::this_cpu().value);
  t.cpu_.store_relaxed(choose_cpu(t).value);
  // The scheduler's own reference: given up by the reaper.
  (void)Ref<Thread>(t).release();
  if (const auto elsewhere = queue_of(t.cpu()).enqueue(t, true)) bring(t, *elsewhere);
}

void RunQueue::install(Thread& idle) {
  current_ = idle_ = &idle;
  core::current_thread.on(cpu_) = &idle;
  run_queues.on(cpu_) = this;
}

void RunQueue::first_steps(void* previous) {
  finish_switch(static_cast<Thread*>(previous));
  machine::irq_enable();
  Thread& me = current();
  me.main_->run();
  exit();
}

void RunQueue::exit() {
  core::assert_no_locks_held("a thread ends");
  machine::irq_disable();
  current().state_.store_release(State::dead);
  schedule(Leaving::sleeps);
  UNREACHABLE("a dead thread runs");
}

void set_user_switch(UserSwitch& s) { user_switch = &s; }

bool is_reschedule_wanted() { return reschedule_wanted.read() != 0; }

void note_reschedule() {
  reschedule_wanted.write(1);
  core::want_attention();
}

}  // namespace auk::sched
