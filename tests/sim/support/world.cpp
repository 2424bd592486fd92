#include "support/world.hpp"

#include <cstdio>

#include "core/cpu_mask.hpp"
#include "core/log.hpp"
#include "core/preempt.hpp"
#include "core/rcu.hpp"
#include "core/smp_call.hpp"
#include "sched/rcu.hpp"
#include "sched/softirq.hpp"
#include "sched/workqueue.hpp"
#include "time/timer.hpp"

namespace auk::sim {
namespace {

using machine::host::SimInterrupt;
using machine::host::SimRandom;
using machine::host::simulation;

constexpr u64 step_limit = 1'000'000;

/// Everything here lies in the image and starts anew with each seed.
constinit SimRandom dice_random{0};
constinit Quiet* quiet = nullptr;

class Sender final : public core::IpiSender {
 public:
  void send_call(CpuId target) override {
    simulation->send(target.value, SimInterrupt::cross_call);
  }
  void send_reschedule(CpuId target) override {
    simulation->send(target.value, SimInterrupt::reschedule);
  }
  void send_nmi(CpuId) override {}
};
constinit Sender sender;

class OneShot final : public time::ClockEvent {
 public:
  void program(u64 deadline_ns) override { simulation->set_timer(deadline_ns); }
};
constinit OneShot one_shot;

/// Messages are printed in replays; what the kernel says of itself in alarm fails the seed.
class Terminal final : public core::Console {
 public:
  bool shown = false;
  void write(std::string_view text) override {
    if (shown) std::fwrite(text.data(), 1, text.size(), stderr);
    if (text.starts_with("BUG:") || text.starts_with("WARNING:"))
      fail(__FILE__, __LINE__, "the kernel complained; a trace shows what it said");
  }
};
constinit Terminal terminal;

void must(Result<void> r) { SIM_CHECK(r.ok()); }

/// Waits until the threads that ended are gone and checks that nothing else is left.
class InitThread final : public sched::ThreadMain {
  static void settle(u32 before) {
    // Idle workers end after minutes.
    constexpr u64 longest_ns = u64{3600} * 1'000'000'000;
    for (u64 patience = 100'000; live_objects() > before; patience *= 4) {
      if (patience > longest_ns) fail(__FILE__, __LINE__, "objects or threads are left over");
      sched::sleep_until(core::clock_ns() + patience);
    }
  }

 public:
  void run() override {
    const u32 before = live_objects();
    scenario();
    if (needs.rcu) sched::rcu_barrier();
    settle(before);
    if (const char* what = arena::complaint()) fail(__FILE__, __LINE__, what);
    simulation->finish();
  }
  void discard() override {}
};
constinit InitThread init_thread;

void boot(u32 cpus) {
  core::start_clock(1'000'000);
  core::possible_cpus = cpus;
  for (u32 n = 0; n < cpus; ++n) {
    core::percpu_offsets[n] = n;
    core::this_cpu_offset.on(CpuId(n)) = n;
    core::this_cpu_number.on(CpuId(n)) = n;
  }
  time::set_clock_event(one_shot);
  core::set_ipi_sender(sender);
  core::online_cpus.set(CpuId(0));
  must(sched::setup_boot_cpu());
  for (u32 n = 1; n < cpus; ++n) {
    must(sched::prepare_cpu(CpuId(n)));
    core::online_cpus.set(CpuId(n));
  }
  if (needs.rcu) must(sched::start_rcu());
  if (needs.softirqs) must(sched::start_softirq_threads());
  if (needs.work_queues) must(sched::start_work_queues());
  SIM_CHECK(sched::spawn("init", init_thread).ok());
}

}  // namespace

u32 dice(u32 n) { return dice_random.below(n); }

void dawdle() {
  for (u32 n = dice(8); n > 0; --n) (void)core::clock_ns();
}

void pass_time(u64 ns) { simulation->pass(ns); }

u64 soon() {
  const u64 now = core::clock_ns();
  switch (dice(4)) {
    case 0: return now;
    case 1: return now + dice(200);
    case 2: return now + dice(20'000);
    default: return now + dice(2'000'000);
  }
}

void set_quiet_check(Quiet& q) { quiet = &q; }
void fail(const char* file, int line, const char* text) { simulation->fail(file, line, text); }

bool World::run(u64 seed, bool tracing) {
  arena::reset();
  dice_random = SimRandom(seed ^ 0x5bd1e995);
  const u32 most = machine::host::Simulation::most_cpus;
  const u32 cpus = needs.least_cpus + dice(most - needs.least_cpus + 1);
  simulation->begin(seed, cpus, step_limit, tracing);
  terminal.shown = tracing;
  core::register_console(terminal);
  boot(cpus);
  return simulation->run();
}

void World::start_cpu(u32) {
  machine::irq_enable();
  sched::run_idle();
}

// As the assembly of entry does it.
void World::interrupt(SimInterrupt which) {
  core::interrupt_depth.add(1);
  core::rcu_idle_ends(core::Pinned::assume());
  switch (which) {
    case SimInterrupt::reschedule: sched::note_reschedule(); break;
    case SimInterrupt::cross_call: core::handle_cross_call(); break;
    case SimInterrupt::timer: time::handle_timer_interrupt(); break;
  }
  if (core::interrupt_depth.dec_is_zero() && core::preempt_count.read() == 0)
    core::preempt_now_irqs_off();
}

void World::all_wait(u64 next_interrupt) {
  if (sched::misplaced_threads() != 0)
    fail(__FILE__, __LINE__, "all CPUs idle while a thread waits to run");
  if (quiet != nullptr) quiet->check(next_interrupt);
}

u32 World::running_thread() {
  const core::ThreadCore* const t = core::current_core();
  return t == nullptr ? 0 : t->id;
}

}  // namespace auk::sim
