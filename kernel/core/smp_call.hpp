// Cross-CPU calls: run a function on other CPUs now, and wait until it ran.
//
// Purpose: TLB shoot-down, clock and register changes that every CPU must take part in.
// Data model: one request at a time is posted machine-wide; each target runs it in the interrupt
// and counts down. The caller spins with interrupts as they were. Locking: level cross_call,
// preemption off. Context: threads, interrupts on (a CPU that waits with interrupts off could wait
// for itself); the called function runs with interrupts off and must not take locks that the caller
// holds.
#pragma once
#include "base/types.hpp"
#include "core/cpu_mask.hpp"

namespace auk::core {

class CrossCall {
 public:
  virtual void run() = 0;

 protected:
  constexpr CrossCall() = default;
  ~CrossCall() = default;
};

/// Sends the interrupts; implemented by the interrupt controller of the CPU.
class IpiSender {
 public:
  /// Makes every CPU of `targets` call handle_cross_call() soon.
  virtual void send_call(CpuId target) = 0;
  /// Makes `target` look for another thread to run.
  virtual void send_reschedule(CpuId target) = 0;
  /// Makes `target` take an NMI.
  virtual void send_nmi(CpuId target) = 0;

 protected:
  constexpr IpiSender() = default;
  ~IpiSender() = default;
};
void set_ipi_sender(IpiSender& sender);
IpiSender* ipi_sender();

/// Runs `call` on every other online CPU and returns when all are done.
void call_on_others(CrossCall& call);
/// The same on those of `targets` that are online, the caller's CPU excepted.
void call_on(const CpuMask& targets, CrossCall& call);
/// From the interrupt on the target.
void handle_cross_call();

}  // namespace auk::core
