// Preemption: a per-CPU count, and guards that keep the running code on its CPU.
//
// Data model: one word per CPU. The low 31 bits count reasons not to preempt; the top bit is set
// while the scheduler has nothing to do here (no reschedule, no softirq), so "count dropped to zero
// and somebody waits" is one test for 0.
// Context: any.
// Differences from Linux: the guards are types, and they are the proof that PerCpu<T>::here() asks
// for.
#pragma once
#include "base/annotations.hpp"
#include "base/atomic.hpp"
#include "core/percpu.hpp"
#include "machine/isa/cpu.hpp"

namespace auk::core {

inline constexpr u32 no_attention_wanted = 0x80000000;
/// Assembly looks at it too.
extern PerCpu<u32> preempt_count;

/// Nesting of device interrupts on this CPU; counted by the entry stubs.
extern PerCpu<u32> interrupt_depth;
/// The timer's interrupt that runs came while a program ran, not the kernel.
extern PerCpu<u32> interrupted_program;
inline bool in_interrupt() { return interrupt_depth.read() != 0; }

/// Implemented by the scheduler: picks another thread at the end of a preemption-off section.
class Rescheduler {
 public:
  /// Context: count 0, attention is wanted.
  virtual void preempt() = 0;

 protected:
  constexpr Rescheduler() = default;
  ~Rescheduler() = default;
};
void set_rescheduler(Rescheduler& r);
AUK_COLD void preempt_now();
/// The same from the end of an interrupt: interrupts are off and stay so.
void preempt_now_irqs_off();

/// The scheduler looks at this CPU at the next preemption point. Preemption or interrupts off.
inline void want_attention() { preempt_count.write(preempt_count.read() & ~no_attention_wanted); }

inline void preempt_disable() {
  preempt_count.add(1);
  compiler_barrier();
}
inline void preempt_enable() {
  compiler_barrier();
  if (preempt_count.dec_is_zero()) [[unlikely]]
    preempt_now();
}
/// Ends a section with interrupts off that an interrupt did not begin. A thread that was woken in
/// it is due now: no interrupt and no preempt_enable() need come to see to that.
inline void end_irq_off(machine::IrqFlags flags) {
  machine::irq_restore(flags);
  if (machine::irqs_enabled(flags) && preempt_count.read() == 0) [[unlikely]]
    preempt_now();
}
inline bool is_preemptible() {
  return (preempt_count.read() & ~no_attention_wanted) == 0 && machine::irqs_enabled();
}

class PreemptOff : public Pinned {
 public:
  PreemptOff() { preempt_disable(); }
  ~PreemptOff() { preempt_enable(); }
};

class IrqOff : public Pinned {
  machine::IrqFlags flags_;

 public:
  IrqOff() : flags_(machine::irq_save()) {}
  ~IrqOff() { end_irq_off(flags_); }
};

}  // namespace auk::core
