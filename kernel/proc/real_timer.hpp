// The real-time interval timer of a process: SIGALRM by alarm(2) and setitimer(2).
//
// Data model: one timer in each Group, nanoseconds on the clock of deadlines. A periodic one is
// started again by who takes its signal, as on Linux: a process that does not cannot keep a CPU
// busy. Locking: level cred for changes; the interrupt that fires takes no lock of this object, so
// it may be cancelled under it. Context: threads.
#pragma once
#include "core/spin.hpp"
#include "time/timer.hpp"

namespace auk::proc {

class Group;

class RealTimer {
  class Alarm final : public time::Timer {
    Group& group_;

   public:
    Atomic<bool> is_running{false};
    explicit Alarm(Group& g) : group_(g) {}
    ~Alarm() = default;
    void fire() override;
  };
  struct State {
    u64 interval_ns = 0;
  };
  Alarm alarm_;
  core::Guarded<core::level::cred, State, core::SpinPreemptOff> state_;
  void start(u64 deadline_ns);

 public:
  struct Setting {
    u64 left_ns = 0;  ///< 0: not running
    u64 interval_ns = 0;
  };
  explicit RealTimer(Group& g) : alarm_(g) {}
  /// Replaces the setting and returns the one before.
  Setting set(const Setting& wanted);
  Setting get();
  /// A thread has taken a SIGALRM that was the process's.
  void alarm_taken();
};

}  // namespace auk::proc
