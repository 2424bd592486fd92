// Per-CPU storage on the host: one slot for each simulated CPU, chosen by what the thread plays.
//
// Data model: a CPU's "area offset" is its number, so the code that adds offsets works unchanged.
// Each access is a switch point of the simulation and indivisible itself, as on hardware.
#pragma once
#include <array>
#include <type_traits>

#include "base/isa/sim.hpp"
#include "base/types.hpp"
#include "machine/isa/cpu.hpp"

#define AUK_PER_CPU constinit

namespace auk::machine {

template <class T> struct PerCpuSlot {
  std::array<T, host::max_cpus> slots{};

  T& mine() { return slots[host::sim_cpu.number]; }
  const T& mine() const { return slots[host::sim_cpu.number]; }

  T read() const {
    sim_point();
    return mine();
  }
  void write(T n) {
    sim_point();
    mine() = n;
  }
  void add(T n) {
    sim_point();
    mine() = static_cast<T>(mine() + n);
  }
  bool dec_is_zero() {
    static_assert(sizeof(T) == 4);
    sim_point();
    return --mine() == 0;
  }
  T& at(uptr area_offset) { return slots[area_offset]; }
};

/// From here on this thread is the CPU of that number.
inline void set_percpu_offset(uptr offset) { host::sim_cpu.number = static_cast<u32>(offset); }

}  // namespace auk::machine
