// High-resolution timers: one queue per CPU, programmed into the CPU's own timer, no tick.
//
// Data model: a Timer is an object of its user, linked into the queue of the CPU it was started on;
// deadlines are nanoseconds of core::clock_ns(). The hardware is programmed for the earliest one.
// Locking: level timer, one lock per CPU; fire() runs without it.
// Context: start() and cancel() any but NMI; fire() in the timer interrupt.
// Differences from Linux: no timer wheel: every timer is exact, coarse ones pay the same O(log n).
#pragma once
#include "base/atomic.hpp"
#include "base/result.hpp"
#include "base/tree.hpp"
#include "core/percpu.hpp"

namespace auk::time {

class Timer {
  friend bool cancel(Timer& t);
  friend class TimerQueue;
  friend struct Earlier;
  u64 deadline_ = 0;
  Atomic<u32> cpu_plus_one_{0};  ///< queue it is linked in or firing from; 0: neither
  TreeHook hook_;

 public:
  /// Context: timer interrupt, interrupts off. The timer may be started again from here.
  virtual void fire() = 0;
  u64 deadline() const { return deadline_; }

 protected:
  Timer() = default;
  ~Timer() = default;
};

/// Starts a timer that is not pending. A deadline in the past fires at once.
void start(Timer& t, u64 deadline_ns);
/// Stops a timer; when it returns, fire() neither runs nor will. False when it was not pending.
/// Not from the timer's own fire().
bool cancel(Timer& t);

/// This CPU's timer hardware.
class ClockEvent {
 public:
  /// One interrupt at or soon after the deadline; replaces an earlier request. ~0: none wanted.
  virtual void program(u64 deadline_ns) = 0;

 protected:
  constexpr ClockEvent() = default;
  ~ClockEvent() = default;
};
void set_clock_event(ClockEvent& e);
/// Makes this CPU's queue. ENOMEM. Context: the CPU's bring-up, on behalf of `cpu`.
Result<void> create_timer_queue(CpuId cpu);
/// From the timer interrupt: fires what is due and programs the next.
void handle_timer_interrupt();

}  // namespace auk::time
