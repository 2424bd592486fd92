// A CPU's run queue. For the sources of this floor only; see thread.hpp for the whole.
//
// Data model: `waiting_` holds who is runnable and not on the CPU. `running_rank_` is read by
// others without the lock: who has a real-time thread to place looks for the least urgent CPU, and
// a CPU that turns to something less urgent than before looks for real-time threads that wait
// elsewhere. Each first says what it does and then looks, so one of the two sees the other. What
// shares the CPU fairly keeps a reserve of it: 50 ms of each second that real-time threads would
// take.
// Locking: a raw lock, held across the switch. Two are never held at once. Which queue a thread
// belongs to changes only under the lock of the queue it belonged to.
#pragma once
#include <optional>

#include "core/clock.hpp"
#include "core/spin.hpp"
#include "sched/ready.hpp"
#include "time/timer.hpp"

namespace auk::sched {

/// What threads that share a CPU fairly get while real-time threads want all of it.
class Reserve {
  static constexpr u64 period_ns = 1'000'000'000;
  static constexpr u64 share_ns = 50'000'000;
  u64 since_ = 0;  ///< when they began to wait; 0: they do not
  u64 served_ = 0;

 public:
  /// A real-time thread runs and they wait.
  void begin(u64 now) {
    if (since_ != 0 && (now - since_ < period_ns || served_ < share_ns)) return;
    since_ = now;
    served_ = 0;
  }
  /// Nobody waits.
  void end() { since_ = 0; }
  void note_served(u64 ns) { served_ += ns; }
  u64 left() const { return served_ < share_ns ? share_ns - served_ : 0; }
  bool is_due(u64 now) const {
    return since_ != 0 && left() > 0 && now - since_ >= period_ns - share_ns;
  }
  /// When that may change.
  u64 look_at() const { return since_ + period_ns - (left() > 0 ? share_ns : 0); }
};

/// How a thread lets go of its CPU.
enum class Leaving : u8 { sleeps, preempted, yields };

class RunQueue {
  /// CPUs that idle and that nobody has given work yet: who does, takes the CPU out, so that the
  /// next one finds another. A CPU joins before it looks for work, and anew whenever it found none.
  static core::CpuMask idle_cpus_;
  /// Real-time threads that wait and that more than one CPU may run.
  static Atomic<u32> urgent_waiting_;

  core::SpinWord lock_;
  CpuId cpu_;
  Thread* current_ = nullptr;
  Thread* idle_ = nullptr;
  ReadyQueue waiting_;
  u32 urgent_here_ = 0;  ///< this queue's part of the real-time threads that wait and may move
  u64 floor_ = 0;        ///< virtual time no thread of the queue is behind
  Reserve reserve_;
  Atomic<Rank> running_rank_{0};  ///< what a thread has to exceed to run here at once
  Atomic<Rank> waiting_rank_{0};  ///< the highest that waits
  Atomic<u32> waiting_count_{0};
  /// So many times was this CPU called to take a thread from elsewhere, and has not looked yet.
  Atomic<u32> calls_{0};

  /// The next moment at which another thread may be due.
  class LookTimer final : public time::Timer {
    RunQueue& queue_;

   public:
    bool armed = false;
    explicit LookTimer(RunQueue& q) : queue_(q) {}
    void fire() override { queue_.look_again(); }
  };
  LookTimer look_{*this};

  void lock() { lock_.lock(); }
  void unlock() { lock_.unlock(); }

  void account(u64 now);
  void link(Thread& t, Place p);
  void unlink(Thread& t);
  void take(Thread& t) {
    unlink(t);
    t.queued_ = false;
  }
  void requeue(Thread& t, Leaving how);
  Thread* first(u64 now);
  bool takes_over(const Thread& t, u64 now) const;
  u64 next_look(u64 now);
  void arm(u64 now);
  void look_again();
  void set_running_rank(Rank r);
  void want_reschedule();
  std::optional<CpuId> settle(Thread& t, u64 now);
  std::optional<CpuId> enqueue(Thread& t, bool is_new);
  std::optional<CpuId> arrive(Thread& t);
  void send_off(Thread& t, CpuId to);
  void take_out(Thread& t, CpuId to) {
    unlink(t);
    send_off(t, to);
  }
  void accept(Thread& t);
  void send_strays_off(u64 now);
  std::optional<CpuId> better_place(const Thread& t) const;
  std::optional<CpuId> fair_place() const;
  static std::optional<CpuId> least_urgent(const Thread& t, CpuId but, Rank than);
  bool is_crowded() const { return current_ != idle_ || waiting() > 1; }
  void call_idle_cpu();
  void pass_calls_on();
  /// Lock held: the thread has not left this CPU yet.
  bool is_on_cpu(const Thread& t) const { return current_ == &t; }

  enum class Theft : u8 { nothing_there, busy, done };
  bool give(RunQueue& taker, Thread* found);
  Theft give_one(RunQueue& thief);
  bool give_urgent(RunQueue& taker, Rank least);
  void unlock_and_push();
  static Theft steal_for(RunQueue& thief);
  static bool pull_for(RunQueue& taker, Rank least);
  static bool others_wait_above(const RunQueue& rq, Rank r);

  static CpuId choose_cpu(const Thread& t);
  static RunQueue& lock_home(const Thread& t);
  static void bring(Thread& t, CpuId to);
  static void finish_switch(Thread* previous);
  static void move_if_misplaced(Thread& t);
  static void first_steps(void* previous);
  template <class F> static void change(Thread& t, F f);

 public:
  explicit RunQueue(CpuId cpu) : cpu_(cpu) {}
  u32 waiting() const { return waiting_count_.load_relaxed(); }
  /// Makes this the queue of a CPU that runs its idle thread.
  void install(Thread& idle);

  static void schedule(Leaving how);
  static bool is_idle(const Thread& t);
  /// Threads that run or wait to, as each CPU says without a lock.
  static u32 runnable();
  static u64 idle_time_ns(CpuId cpu);
  static u64 run_time(Thread& t);
  static bool wake(Thread& t);
  static Result<void> set_affinity(Thread& t, const core::CpuMask& cpus);
  static Scheduling scheduling(const Thread& t);
  static void set_scheduling(Thread& t, const Scheduling& s);
  static void set_nice(Thread& t, i32 nice);
  static void set_boost(Thread& t, Rank r);
  static Result<void> prepare(Thread& t, std::string_view name, ThreadMain& body,
                              SpawnOptions options);
  static void start(Thread& t);
  static void abandon(Thread& t);
  static Result<Thread*> make_idle(CpuId cpu);
  [[noreturn]] static void exit();
  static void prepare_to_sleep() { current().state_.store_seq_cst(State::sleeping); }
  static void cancel_sleep() { current().state_.store_relaxed(State::running); }
  [[noreturn]] static void run_idle();
  static void reap();
};

extern core::PerCpu<RunQueue*> run_queues;
inline RunQueue& queue_of(CpuId cpu) { return *run_queues.on(cpu); }

/// This CPU was asked to call schedule().
bool is_reschedule_wanted();

/// For a dead thread whose stack nobody stands on any more: that and the last reference go.
void bury(Thread& t);

}  // namespace auk::sched
