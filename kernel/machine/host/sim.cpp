#include "machine/host/sim.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/isa/bug.hpp"
#include "base/isa/sim.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/switch.hpp"

namespace auk::machine::host {
namespace {

constexpr u64 never = ~u64{0};
constexpr u32 interrupt_count = 3;
/// Nanoseconds a step takes: from a quick CPU to one that hardly gets any time itself.
constexpr std::array<u64, 5> paces{2, 20, 200, 2000, 20000};
constexpr u32 gap_powers = 8;
constexpr u32 stall_one_in = 48;
constexpr u32 longest_stall_power = 12;
/// What one turn of a spinning loop takes: loops that last until somebody's time slice ends are
/// many turns long.
constexpr u64 relax_ns = 500;

}  // namespace

constinit Simulation* simulation = nullptr;
constinit thread_local SimCpu sim_cpu;

Simulation::Simulation(SimBoard& board) : board_(board), stacks_(most_cpus * idle_stack_size) {}

void Simulation::begin(u64 seed, u32 cpus, u64 step_limit, bool tracing) {
  random_ = SimRandom(seed * 2 + 1);
  entropy_ = SimRandom(seed * 2);
  cpus_ = {};
  failure_ = {};
  trace_.clear();
  cpu_count_ = cpus;
  current_ = 0;
  steps_ = fingerprint_ = 0;
  now_ = 1;
  step_limit_ = step_limit;
  tracing_ = tracing;
  pace_ = paces[random_.below(paces.size())];
  longest_gap_ = 1 + random_.below(gap_powers);
  until_event_ = 1;
  sim_cpu = {0, false};
}

bool Simulation::run() {
  for (u32 cpu = 0; cpu < cpu_count_; ++cpu) {
    const auto top = reinterpret_cast<uptr>(stacks_.data() + (cpu + 1) * idle_stack_size);
    cpus_[cpu].stack_pointer = prepare_stack(VirtAddr(top & ~uptr{15}), first_code);
  }
  current_ = random_.below(cpu_count_);
  sim_cpu = {current_, false};
  sim_point_hook = point_hook;
  auk_switch_context(&outside_, cpus_[current_].stack_pointer, nullptr, 0);
  return failure_.text == nullptr;
}

void Simulation::first_code(void*) {
  simulation->board_.start_cpu(sim_cpu.number);
  simulation->fail(__FILE__, __LINE__, "a CPU's first code returned");
}

void Simulation::leave() {
  sim_point_hook = nullptr;
  u64 nowhere = 0;
  auk_switch_context(&nowhere, outside_, nullptr, 0);
  __builtin_trap();
}

void Simulation::fail(const char* file, int line, const char* text) {
  if (failure_.text == nullptr) failure_ = {file, line, text, current_};
  leave();
}

void Simulation::note(SimStep::Kind kind, u32 detail, const void* where) {
  if (!tracing_) return;
  const auto hook = std::exchange(sim_point_hook, nullptr);
  trace_.push_back({kind, static_cast<u8>(current_), static_cast<u16>(board_.running_thread()),
                    detail, now_, where});
  sim_point_hook = hook;
}

void Simulation::point_hook() { simulation->point(__builtin_return_address(0)); }

void Simulation::point(const void* where) {
  ++steps_;
  now_ += pace_;
  if (tracing_) [[unlikely]]
    note(SimStep::Kind::point, 0, where);
  if (--until_event_ == 0) [[unlikely]]
    event();
}

bool Simulation::can_interrupt() const { return sim_cpu.irqs_on && cpus_[current_].pending != 0; }

void Simulation::event() {
  until_event_ = 1 + (random_.next() >> (63 - random_.below(longest_gap_)));
  if (steps_ > step_limit_) fail(__FILE__, __LINE__, "the seed does not end: too many steps");
  raise_timers();
  if (random_.below(stall_one_in) == 0) stall_somebody();
  const u32 others = ready_others();
  const u32 interrupt = can_interrupt() ? 1 : 0;
  const u32 choices = static_cast<u32>(std::popcount(others)) + interrupt;
  if (choices == 0) return;
  if (random_.below(choices) < interrupt)
    deliver();
  else
    run_another();
}

void Simulation::stall_somebody() {
  const u64 steps = random_.next() >> (63 - random_.below(longest_stall_power));
  cpus_[random_.below(cpu_count_)].stalled_until = steps_ + steps;
}

void Simulation::raise_timers() {
  for (u32 i = 0; i < cpu_count_; ++i) {
    SimulatedCpu& cpu = cpus_[i];
    if (cpu.timer > now_) continue;
    cpu.timer = never;
    cpu.pending |= 1U << static_cast<u32>(SimInterrupt::timer);
  }
}

/// The CPUs but this one that have something to run: a bit for each.
u32 Simulation::ready_others() {
  u32 ready = 0;
  u32 stalled = 0;
  for (u32 i = 0; i < cpu_count_; ++i) {
    const SimulatedCpu& cpu = cpus_[i];
    if (i == current_ || (cpu.waits && cpu.pending == 0)) continue;
    (cpu.stalled_until > steps_ ? stalled : ready) |= 1U << i;
  }
  // A CPU that waits for one that is held up would only burn steps.
  if (ready == 0 && cpus_[current_].waits) return stalled;
  return ready;
}

bool Simulation::run_another() {
  u32 others = ready_others();
  if (others == 0) return false;
  for (u32 skip = random_.below(static_cast<u32>(std::popcount(others))); skip > 0; --skip)
    others &= others - 1;
  switch_to(static_cast<u32>(std::countr_zero(others)));
  return true;
}

void Simulation::switch_to(u32 cpu) {
  fingerprint_ = (fingerprint_ + steps_ * 4 + cpu) * 0x9e3779b97f4a7c15;
  SimulatedCpu& from = cpus_[current_];
  from.irqs_on = sim_cpu.irqs_on;
  current_ = cpu;
  sim_cpu = {cpu, cpus_[cpu].irqs_on};
  note(SimStep::Kind::run_cpu, cpu, nullptr);
  auk_switch_context(&from.stack_pointer, cpus_[cpu].stack_pointer, nullptr, 0);
}

/// Takes one of the pending interrupts. The context may go on on another CPU behind it.
void Simulation::deliver() {
  SimulatedCpu& me = cpus_[current_];
  u32 which = random_.below(interrupt_count);
  while ((me.pending >> which & 1) == 0) which = (which + 1) % interrupt_count;
  me.pending &= ~(1U << which);
  sim_cpu.irqs_on = false;
  note(SimStep::Kind::interrupt, which, nullptr);
  board_.interrupt(static_cast<SimInterrupt>(which));
  sim_cpu.irqs_on = true;
}

void Simulation::send(u32 cpu, SimInterrupt which) {
  cpus_[cpu].pending |= 1U << static_cast<u32>(which);
}

void Simulation::set_timer(u64 deadline) { cpus_[current_].timer = deadline; }

void Simulation::relax() {
  ++steps_;
  now_ += pace_ + relax_ns;
  if (steps_ > step_limit_) fail(__FILE__, __LINE__, "a CPU waits for another one for ever");
  raise_timers();
  if (can_interrupt() && random_.below(2) == 0) return deliver();
  (void)run_another();
}

void Simulation::wait() {
  SimulatedCpu& me = cpus_[current_];
  note(SimStep::Kind::wait, 0, nullptr);
  sim_cpu.irqs_on = true;
  me.waits = true;
  for (;;) {
    if (++steps_ > step_limit_) fail(__FILE__, __LINE__, "idle for ever");
    raise_timers();
    if (me.pending != 0) break;
    if (!run_another()) jump_to_next_timer();
  }
  me.waits = false;
  deliver();
}

void Simulation::jump_to_next_timer() {
  u64 next = never;
  for (u32 i = 0; i < cpu_count_; ++i) next = std::min(next, cpus_[i].timer);
  sim_point_hook = nullptr;
  board_.all_wait(next);
  sim_point_hook = point_hook;
  if (next == never) fail(__FILE__, __LINE__, "deadlock: all CPUs wait and nothing will wake them");
  now_ = std::max(now_, next);
  note(SimStep::Kind::time_jump, 0, nullptr);
}

}  // namespace auk::machine::host

namespace auk::machine {

void relax() { host::simulation->relax(); }
void wait_for_interrupt() { host::simulation->wait(); }
void halt_forever() { host::simulation->fail(__FILE__, __LINE__, "a CPU halted: panic"); }
u64 timestamp() {
  sim_point();
  return host::simulation->now();
}
u64 hardware_entropy() { return host::simulation->entropy(); }

}  // namespace auk::machine

namespace auk {

constinit thread_local void (*sim_point_hook)() = nullptr;

void host_bug(const char* file, int line, const char* text) {
  machine::host::simulation->fail(file, line, text);
}
void host_warn(const char* file, int line, const char* text) {
  machine::host::simulation->fail(file, line, text);
}

}  // namespace auk
