// Softirqs: each raise is followed by a run on its CPU, with interrupts on and preemption off, also
// when the bits outlast a round and go to the CPU's thread.
#include "sched/softirq.hpp"

#include "core/cpu_mask.hpp"
#include "core/preempt.hpp"
#include "support/world.hpp"
#include "time/timer.hpp"

namespace auk::sim {

constinit const Needs needs{.softirqs = true};

namespace {

using sched::Softirq;

/// What a raise asked for, CPU by CPU; whoever runs on a CPU serves all that was asked there.
class Server final : public sched::SoftirqHandler {
  static constexpr u32 most_cpus = machine::host::Simulation::most_cpus;
  std::array<Atomic<u32>, most_cpus> asked_{};
  std::array<Atomic<u32>, most_cpus> inside_{};

 public:
  Atomic<u32> served{0};
  u32 again = 0;  ///< times it raises itself

  /// On a CPU that stays the same meanwhile.
  void ask() {
    (void)asked_[core::this_cpu().value].fetch_add_acq_rel(1);
    sched::raise_softirq(Softirq::tasklet);
  }
  void run() override {
    const CpuId cpu = core::this_cpu();
    SIM_CHECK(machine::irqs_enabled() && !core::is_preemptible() && !core::in_interrupt());
    SIM_CHECK(inside_[cpu.value].exchange_acq_rel(1) == 0);
    (void)served.fetch_add_acq_rel(asked_[cpu.value].exchange_acquire(0));
    dawdle();
    if (again > 0) {
      --again;
      ask();
    }
    SIM_CHECK(core::this_cpu() == cpu);
    inside_[cpu.value].store_release(0);
  }
};
constinit Server server;

/// Raises from the timer interrupt, as a driver would.
class Device final : public time::Timer {
 public:
  void fire() override { server.ask(); }
};

}  // namespace

void scenario() {
  sched::set_softirq_handler(Softirq::tasklet, server);
  u32 asked = server.again = one_in(2) ? dice(30) : 0;
  Crowd crowd;
  for (u32 n = 1 + dice(3); n > 0; --n) {
    const u32 raises = 1 + dice(3);
    asked += raises;
    (void)crowd.start([raises] {
      for (u32 i = 0; i < raises; ++i) {
        const core::PreemptOff here;
        server.ask();
        dawdle();
      }
    });
  }
  Device device;
  time::start(device, soon());
  dawdle();
  asked += time::cancel(device) ? 0 : 1;
  {
    const core::PreemptOff here;
    server.ask();
  }
  crowd.wait();
  const u64 late = core::clock_ns() + 1'000'000'000;
  while (server.served.load_acquire() < asked + 1 && core::clock_ns() < late)
    sched::sleep_until(core::clock_ns() + 100'000);
  SIM_CHECK(server.served.load_acquire() == asked + 1);
}

}  // namespace auk::sim
