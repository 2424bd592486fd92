// PerCpu<T>: one T for each CPU, and the proof that the caller stays on its CPU.
//
// Data model: declared `AUK_PER_CPU PerCpu<T> x;` at namespace scope. The image holds the template;
// CPU 0 runs on a copy in .bss, the areas of the others are made by mem::percpu.
// Context: `here(pin)` wants a Pinned token (preemption or interrupts off); the scalar operations
// are single instructions and need none. `on(cpu)` reaches any CPU's copy; what protects it is the
// owner's business.
// Differences from Linux: this_cpu_*() without a token is only for scalars.
#pragma once
#include <array>

#include "base/types.hpp"
#include "core/config.hpp"
#include "machine/isa/percpu.hpp"

namespace auk::core {

/// Proof that the running code cannot move to another CPU. Made by PreemptOff and IrqOff guards.
class Pinned {
 protected:
  constexpr Pinned() = default;

 public:
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  /// For early boot, interrupt entry and idle, where nothing can move.
  static Pinned assume() { return Pinned(); }
};

/// Where each CPU's area lies, as its distance from the template. Filled by mem::percpu.
extern std::array<uptr, config::max_cpus> percpu_offsets;

template <class T> class PerCpu {
  machine::PerCpuSlot<T> slot_;

 public:
  constexpr PerCpu() = default;
  constexpr explicit PerCpu(T initial) : slot_{initial} {}

  T& here(const Pinned&);
  T& on(CpuId cpu) { return slot_.at(percpu_offsets[cpu.value]); }

  T read() const { return slot_.read(); }
  void write(T v) { slot_.write(v); }
  void add(T n) { slot_.add(n); }
  bool dec_is_zero() { return slot_.dec_is_zero(); }
};

/// Distance of this CPU's area from the template: the value %gs has in the kernel.
extern PerCpu<uptr> this_cpu_offset;
extern PerCpu<u32> this_cpu_number;

template <class T> T& PerCpu<T>::here(const Pinned&) { return slot_.at(this_cpu_offset.read()); }

/// The CPU this code runs on at this moment; stable only while pinned.
inline CpuId this_cpu() { return CpuId(this_cpu_number.read()); }

}  // namespace auk::core
