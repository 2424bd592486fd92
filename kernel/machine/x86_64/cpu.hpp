// The neutral face of the CPU: interrupt flag, waiting, time stamp, fences, own stack.
#pragma once
#include <string_view>

#include "base/annotations.hpp"
#include "base/types.hpp"
#include "machine/isa/x86.hpp"

namespace auk::machine {

/// What uname(2) calls the machine.
inline constexpr std::string_view name = "x86_64";
inline constexpr std::string_view name_of_32_bit = "i686";

/// A hint that this CPU waits for another one.
inline void relax() { asm volatile("pause" ::: "memory"); }

/// Nothing behind it is read before what was written in front of it is seen by all CPUs.
inline void full_fence() { asm volatile("lock addl $0, -4(%%rsp)" ::: "memory", "cc"); }

using IrqFlags = u64;
inline bool irqs_enabled(IrqFlags f) { return (f & x86::rflags::interrupt) != 0; }
inline bool irqs_enabled() { return irqs_enabled(x86::read_rflags()); }
inline void irq_disable() { asm volatile("cli" ::: "memory"); }
inline void irq_enable() { asm volatile("sti" ::: "memory"); }
inline IrqFlags irq_save() {
  const IrqFlags f = x86::read_rflags();
  irq_disable();
  return f;
}
inline void irq_restore(IrqFlags f) {
  if (irqs_enabled(f)) irq_enable();
}
/// Enables interrupts and sleeps until one comes; none is lost in between.
inline void wait_for_interrupt() { asm volatile("sti; hlt" ::: "memory"); }
[[noreturn]] inline void halt_forever() {
  for (;;) asm volatile("cli; hlt");
}

/// What programs know the counter of timestamp() as.
inline constexpr std::string_view timestamp_name = "tsc";
/// A monotonic cycle counter; its rate is found by time calibration.
inline u64 timestamp() { return x86::rdtsc(); }

/// What this CPU runs from here on, it reads anew: code may have been written.
inline void synchronize_core() { (void)x86::cpuid(0); }

inline uptr stack_pointer() {
  uptr v;
  asm volatile("mov %%rsp, %0" : "=r"(v));
  return v;
}
inline uptr frame_pointer() { return reinterpret_cast<uptr>(__builtin_frame_address(0)); }

/// A number the hardware says is random, or nothing useful mixed with the time stamp.
inline u64 hardware_entropy() {
  u64 v = 0;
  if ((x86::cpuid(1).c & (1U << 30)) != 0)
    for (int tries = 0; tries < 10; ++tries)
      if (x86::rdrand(v)) break;
  return v ^ (x86::rdtsc() * 0x9e3779b97f4a7c15);
}

}  // namespace auk::machine
