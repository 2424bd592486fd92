// Timers that count CPU time: ITIMER_VIRTUAL and ITIMER_PROF, RLIMIT_CPU, and POSIX timers of CPU
// clocks.
//
// Data model: each process and each thread has a CpuTimers with those that run on its time. They
// are looked at when the CPU time of a thread is sampled (cpu_time.hpp), so they may expire one
// sample late. Locking: level cpu_timers, one lock for each list, also in the interrupt; expiries
// are told without it. Context: setting in threads; expiries in the timer's interrupt.
#pragma once
#include "base/list.hpp"
#include "base/own.hpp"
#include "core/spin.hpp"
#include "io/interval_timer.hpp"

namespace auk::proc {

class Task;
class Group;

/// What is counted: sampled time of program and kernel, of the program alone, or exact time. In the
/// order in which numbers of clocks name them.
enum class CpuClock : u8 { profile, program, exact };

/// Whose time: a process's, or with `task` that of one thread of it.
struct CpuOwner {
  Ref<Group> group;
  Ref<Task> task;

  u64 now(CpuClock clock) const;
};

class CpuTimers;

/// One timer that runs on somebody's time; in that one's list while it does.
class CpuTimer {
  friend class CpuTimers;
  ListNode node_;

 protected:
  CpuTimer() = default;
  ~CpuTimer() = default;
  // The lock of the list it can be in guards these.
  CpuClock clock_ = CpuClock::exact;
  u64 target_ns_ = 0;
  u64 interval_ns_ = 0;

  /// It has expired by `now` and left the list; what keeps it alive from here on. The list is
  /// locked. Who joins it again does so behind `now`.
  virtual void expire(CpuTimers& list, u64 now) = 0;
  /// Tells whoever waits. Nothing is locked.
  virtual void tell() = 0;
};

class CpuTimers {
  using Running = List<CpuTimer, &CpuTimer::node_>;
  core::Guarded<core::level::cpu_timers, Running, core::SpinIrqOff> running_;
  Atomic<u32> count_{0};

 public:
  /// f() with the list locked.
  template <class F> auto locked(F f) {
    auto running = running_.lock();
    return f();
  }
  // Locked.
  void add(CpuTimer& t) {
    running_.alone().push_back(t);
    (void)count_.fetch_add_relaxed(1);
  }
  void remove(CpuTimer& t) {
    if (!t.node_.is_linked()) return;
    running_.alone().remove(t);
    (void)count_.fetch_sub_relaxed(1);
  }
  bool any() const { return count_.load_relaxed() != 0; }
  /// Expires those whose moment `owner`'s time has reached.
  void check(const CpuOwner& owner);
};

/// ITIMER_VIRTUAL and ITIMER_PROF of a process.
class ProcessCpuTimer final : public CpuTimer {
  Group& group_;
  const u32 signal_;
  void expire(CpuTimers& list, u64 now) override;
  void tell() override;

 public:
  ProcessCpuTimer(Group& g, CpuClock clock, u32 signal) : group_(g), signal_(signal) {
    clock_ = clock;
  }
  ~ProcessCpuTimer() = default;
  io::TimerSetting setting();
  io::TimerSetting set(const io::TimerSetting& wanted);
};

/// A limit of time whose soft part a program may ignore for a while: SIGXCPU, and it grows; SIGKILL
/// at the hard one.
class TimeLimit {
  Atomic<u64> soft_{~u64{0}}, hard_{~u64{0}};
  const u64 step_;

 public:
  explicit TimeLimit(u64 step) : step_(step) {}
  TimeLimit& operator=(const TimeLimit& o) {
    set(o.soft(), o.hard_.load_relaxed());
    return *this;
  }
  void set(u64 soft, u64 hard) {
    soft_.store_relaxed(soft);
    hard_.store_relaxed(hard);
  }
  /// Grows by `step` with each SIGXCPU.
  u64 soft() const { return soft_.load_relaxed(); }
  bool is_set() const { return soft() != ~u64{0}; }
  void check(Group& g, u64 used);
};

/// After a sample of the running thread, in the interrupt.
void check_cpu_timers(Task& me);

}  // namespace auk::proc
