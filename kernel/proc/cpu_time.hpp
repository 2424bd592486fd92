// CPU time of threads and processes, told apart into that of the program and that of the kernel for
// it.
//
// Purpose: getrusage(2), times(2), wait4(2), and the timers that count CPU time.
// Data model: the scheduler knows exactly how long a thread ran. What it did meanwhile is sampled:
// a CPU that runs a thread with a user half looks every `sample_ns` whether it interrupts the
// program or the kernel, and both the thread and its process count that. The exact time is then
// shared out as the samples say, never less of either than was shown before. Locking: level
// cpu_shown for what was shown. Context: samples in the timer's interrupt; reading in threads.
#pragma once
#include "base/result.hpp"
#include "core/spin.hpp"
#include "time/timer.hpp"

namespace auk::proc {

class Task;

struct CpuTime {
  u64 user_ns = 0, system_ns = 0;
  u64 sum() const { return user_ns + system_ns; }
};

class CpuSamples {
  Atomic<u64> user_{0}, system_{0};
  core::Guarded<core::level::cpu_shown, CpuTime, core::SpinIrqOff> shown_;

 public:
  void add(bool in_program) { (void)(in_program ? user_ : system_).fetch_add_relaxed(1); }
  /// The samples alone, as time: what ITIMER_VIRTUAL and ITIMER_PROF count.
  CpuTime sampled() const;
  /// Shares out what ran exactly.
  CpuTime share(u64 ran_ns);
};

inline constexpr u64 sample_ns = 4'000'000;

/// What a CPU ran, in samples: programs, those with nice above 0 apart, and the kernel for them.
struct CpuUse {
  u64 user_ns = 0, nice_ns = 0, system_ns = 0;
};
CpuUse cpu_use(CpuId cpu);
/// After all CPUs are up. ENOMEM.
Result<void> setup_cpu_time();
/// The thread, which has a user half, begins to run on this CPU. Interrupts off.
void sample_cpu_time();

}  // namespace auk::proc
