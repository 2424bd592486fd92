#include "machine/isa/cpu.hpp"

#include <sched.h>

#include "base/atomic.hpp"

namespace auk::machine {
namespace {

constinit Atomic<u64> counter{0};
constinit Atomic<u64> counter_step{1};
constinit Atomic<u64> entropy{0};

}  // namespace

namespace host {

constinit thread_local SimCpu sim_cpu;
constinit thread_local WaitHook* wait_hook = nullptr;

void set_timestamp(u64 value, u64 step) {
  counter.store_relaxed(value);
  counter_step.store_relaxed(step);
}

void set_entropy(u64 seed) { entropy.store_relaxed(seed); }

}  // namespace host

// Under the simulation the switch point runs another CPU; with real threads the host does.
void relax() {
  if (sim_point_hook != nullptr)
    sim_point();
  else
    sched_yield();
}

void wait_for_interrupt() {
  irq_enable();
  if (host::wait_hook != nullptr) host::wait_hook->wait();
}

void halt_forever() {
  irq_disable();
  throw host::Halted();
}

u64 timestamp() { return counter.fetch_add_relaxed(counter_step.load_relaxed()); }

// SplitMix64: every bit of the result depends on every bit of the seed.
u64 hardware_entropy() {
  constexpr u64 step = 0x9e3779b97f4a7c15;
  u64 v = entropy.fetch_add_relaxed(step) + step;
  v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9;
  v = (v ^ (v >> 27)) * 0x94d049bb133111eb;
  return v ^ (v >> 31);
}

}  // namespace auk::machine
