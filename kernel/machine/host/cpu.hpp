// A CPU that is a thread of a host process: the neutral face of machine/, and the knobs behind it.
//
// Data model: each thread plays one simulated CPU with its own interrupt flag. Time is one counter
// for all, which stands still unless it is read or set. Under the simulation (sim.hpp) one thread
// plays all CPUs in turn and whatever touches the interrupt flag is a switch point.
// Context: any.
#pragma once
#include <string_view>

#include <exception>

#include "base/annotations.hpp"
#include "base/isa/sim.hpp"
#include "base/types.hpp"

namespace auk::machine {

/// What uname(2) calls the machine.
inline constexpr std::string_view name = "host";

namespace host {

inline constexpr u32 max_cpus = 64;

/// What this thread is at the moment.
struct SimCpu {
  u32 number = 0;
  bool irqs_on = true;
};
extern constinit thread_local SimCpu sim_cpu;

/// Thrown where a CPU would stop for ever.
struct Halted : std::exception {
  const char* what() const noexcept override { return "the simulated CPU halted"; }
};

/// Plays the devices while a CPU waits; without one waiting ends at once.
class WaitHook {
 public:
  virtual void wait() = 0;

 protected:
  ~WaitHook() = default;
};
extern constinit thread_local WaitHook* wait_hook;

/// Sets the cycle counter and by how much each reading moves it.
void set_timestamp(u64 value, u64 step = 1);
/// Makes hardware_entropy() repeat itself from here.
void set_entropy(u64 seed);

}  // namespace host

void relax();
/// Its CPUs take turns, or are threads.
inline void full_fence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

using IrqFlags = u64;
inline bool irqs_enabled(IrqFlags f) { return f != 0; }
inline bool irqs_enabled() { return host::sim_cpu.irqs_on; }
inline void irq_disable() {
  sim_point();
  host::sim_cpu.irqs_on = false;
}
inline void irq_enable() {
  host::sim_cpu.irqs_on = true;
  sim_point();
}
inline IrqFlags irq_save() {
  sim_point();
  const IrqFlags f = host::sim_cpu.irqs_on ? 1 : 0;
  host::sim_cpu.irqs_on = false;
  return f;
}
inline void irq_restore(IrqFlags f) {
  if (irqs_enabled(f)) irq_enable();
}

void wait_for_interrupt();
[[noreturn]] void halt_forever();
/// What programs know the counter of timestamp() as.
inline constexpr std::string_view timestamp_name = "host";
u64 timestamp();
u64 hardware_entropy();

AUK_ALWAYS_INLINE uptr stack_pointer() {
  return reinterpret_cast<uptr>(__builtin_frame_address(0));
}
AUK_ALWAYS_INLINE uptr frame_pointer() {
  return reinterpret_cast<uptr>(__builtin_frame_address(0));
}

}  // namespace auk::machine
