// How often things happened since the start, counted by each CPU for itself: /proc/stat,
// /proc/vmstat, /proc/interrupts.
// Context: any.
#pragma once
#include "core/cpu_mask.hpp"
#include "core/percpu.hpp"

namespace auk::core {

extern PerCpu<u64> timer_interrupts, reschedule_interrupts, call_interrupts, device_interrupts;
extern PerCpu<u64> switch_count, fork_count, fault_count;

/// Of all CPUs, as they know it at some moment.
inline u64 sum_of(PerCpu<u64>& count) {
  u64 sum = 0;
  for (u32 cpu = 0; cpu < possible_cpus; ++cpu) sum += count.on(CpuId(cpu));
  return sum;
}

inline u64 interrupt_count() {
  return sum_of(timer_interrupts) + sum_of(reschedule_interrupts) + sum_of(call_interrupts) +
         sum_of(device_interrupts);
}

}  // namespace auk::core
