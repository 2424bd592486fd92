// Softirqs: the deferred half of interrupt handlers, with interrupts on, right behind the
// interrupt.
//
// Purpose: work that cannot wait for a thread: network and block completion.
// Data model: a pending word per CPU, one bit for each row of Linux's /proc/softirqs; one handler
// per bit, set once at boot. Raising sets the bit and the CPU's attention flag, so the bits are
// seen where preemption happens: at the end of the interrupt, or when the preemption count drops to
// zero. A round that does not end goes on in the CPU's ksoftirqd thread, fairly with other threads.
// Locking: none. A softirq runs with preemption off and never inside a preemption-off section of
// the interrupted thread: locks of kind SpinPreemptOff may be shared with it.
// Context: raise() any but NMI.
// Differences from Linux: preemption off is "bottom halves off"; there is no second count, and RCU
// readers hold softirqs off as well.
#pragma once
#include "base/result.hpp"
#include "base/types.hpp"

namespace auk::sched {

enum class Softirq : u32 {
  hi,
  timer,
  net_tx,
  net_rx,
  block,
  irq_poll,
  tasklet,
  sched,
  hrtimer,
  rcu
};
inline constexpr usize softirq_count = 10;

class SoftirqHandler {
 public:
  /// Context: softirq, interrupts on, preemption off. Should end within 1 ms; what is left over it
  /// raises again.
  virtual void run() = 0;

 protected:
  constexpr SoftirqHandler() = default;
  ~SoftirqHandler() = default;
};

/// Once per softirq, at boot.
void set_softirq_handler(Softirq which, SoftirqHandler& handler);
/// The handler runs on this CPU, soon.
void raise_softirq(Softirq which);
/// How often it ran on a CPU; /proc/softirqs.
u64 softirq_runs(Softirq which, CpuId cpu);

/// From the preemption point, count zero: runs what is pending. Interrupts off at entry and exit.
void run_pending_softirqs();
/// Starts each online CPU's thread. ENOMEM.
Result<void> start_softirq_threads();

}  // namespace auk::sched
