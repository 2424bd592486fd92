// The deterministic simulation: one host thread plays all CPUs, a seed decides what happens when.
//
// Purpose: the kernel's own sources run unchanged while every interleaving at a switch point is
// possible and can be repeated. Switch points are each Atomic operation, each access to a per-CPU
// variable, whatever changes the interrupt flag, relaxing, reading the clock and waiting.
// Data model: Simulation -> SimulatedCpu (stack pointer of whatever it runs, interrupt flag,
// pending interrupts, timer). A CPU's first stack is its idle thread's; the kernel's own context
// switch moves a CPU from one kernel stack to another. At a switch point the seed may let the CPU
// take a pending interrupt, run another CPU, or keep a CPU from running for a while, as a
// hypervisor does. Time passes with the steps, at a pace of the seed, and jumps when all CPUs wait.
// Memory is sequentially consistent: a missing barrier shows only as a wrong order of statements.
// Locking: none, there is one host thread. Context: points in CPU code; the rest outside.
// Nothing here may lie in the image of the simulated kernel, which each seed starts anew.
#pragma once
#include <array>
#include <vector>

#include "base/types.hpp"

namespace auk::machine::host {

enum class SimInterrupt : u32 { reschedule, cross_call, timer };

/// What surrounds the CPUs: entry code and firmware, played by who runs the simulation.
class SimBoard {
 public:
  /// The first code of a CPU, on its own stack, interrupts off.
  virtual void start_cpu(u32 cpu) = 0;
  /// On the interrupted context's stack, interrupts off.
  virtual void interrupt(SimInterrupt which) = 0;
  /// Every CPU waits and no interrupt is under way: what has to hold until the next one, a timer's?
  /// No switch points here.
  virtual void all_wait(u64 next_interrupt) = 0;
  /// The thread that runs on this CPU, for the trace.
  virtual u32 running_thread() = 0;

 protected:
  ~SimBoard() = default;
};

/// Why a seed failed; all texts live for ever.
struct SimFailure {
  const char* file = "";
  int line = 0;
  const char* text = nullptr;
  u32 cpu = 0;
};

/// One entry of the trace.
struct SimStep {
  enum class Kind : u8 { point, interrupt, run_cpu, wait, time_jump, note };
  Kind kind;
  u8 cpu;
  u16 thread;
  u32 detail;         ///< number of the CPU or interrupt
  u64 now;            ///< virtual nanoseconds
  const void* where;  ///< code address of a point, text of a note
};

/// SplitMix64.
class SimRandom {
  u64 state_ = 0;

 public:
  constexpr explicit SimRandom(u64 seed) : state_(seed) {}
  u64 next() {
    u64 v = state_ += 0x9e3779b97f4a7c15;
    v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9;
    v = (v ^ (v >> 27)) * 0x94d049bb133111eb;
    return v ^ (v >> 31);
  }
  /// 0 to n - 1.
  u32 below(u32 n) { return static_cast<u32>((next() >> 32) * n >> 32); }
};

class Simulation {
 public:
  static constexpr u32 most_cpus = 4;
  static constexpr usize idle_stack_size = 64 * kib;

 private:
  struct SimulatedCpu {
    u64 stack_pointer = 0;
    u64 timer = ~u64{0};
    u64 stalled_until = 0;  ///< step before which it does not run
    u32 pending = 0;        ///< bit for each SimInterrupt
    bool irqs_on = false;
    bool waits = false;
  };

  SimBoard& board_;
  std::array<SimulatedCpu, most_cpus> cpus_;
  std::vector<byte> stacks_;
  std::vector<SimStep> trace_;
  SimRandom random_{0};
  SimRandom entropy_{0};
  SimFailure failure_;
  u32 cpu_count_ = 0;
  u32 current_ = 0;
  u64 steps_ = 0;
  u64 now_ = 0;
  u64 pace_ = 1;
  u64 until_event_ = 0;
  u32 longest_gap_ = 1;  ///< as a power of two
  u64 step_limit_ = 0;
  u64 fingerprint_ = 0;
  u64 outside_ = 0;  ///< stack pointer of run()'s caller
  bool tracing_ = false;
  bool running_ = false;

  static void point_hook();
  static void first_code(void*);
  void point(const void* where);
  void event();
  void deliver();
  void stall_somebody();
  void raise_timers();
  void jump_to_next_timer();
  void switch_to(u32 cpu);
  bool run_another();
  u32 ready_others();
  void note(SimStep::Kind kind, u32 detail, const void* where);
  bool can_interrupt() const;
  [[noreturn]] void leave();

 public:
  explicit Simulation(SimBoard& board);
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  /// Before run(): fixes the number of CPUs and everything the seed decides. Code that runs until
  /// run() is CPU 0's, without switch points.
  void begin(u64 seed, u32 cpus, u64 step_limit, bool tracing);
  /// Runs until finish() or fail(); true when nothing failed.
  bool run();
  [[noreturn]] void finish() { leave(); }
  [[noreturn]] void fail(const char* file, int line, const char* text);

  /// Between run() and its end: only then there is something to fail.
  bool is_running() const { return running_; }
  const SimFailure& failure() const { return failure_; }
  const std::vector<SimStep>& trace() const { return trace_; }
  u64 steps() const { return steps_; }
  /// Equal for two runs that made the same decisions at the same places.
  u64 fingerprint() const { return fingerprint_ ^ steps_; }
  u64 now() const { return now_; }
  u32 cpus() const { return cpu_count_; }
  /// The next step comes so much later.
  void pass(u64 ns) { now_ += ns; }
  /// A line for the trace; the text lives for ever.
  void remark(const char* text) { note(SimStep::Kind::note, 0, text); }

  void send(u32 cpu, SimInterrupt which);
  void set_timer(u64 deadline);

  // The CPU's face.
  void relax();
  void wait();
  u64 entropy() { return entropy_.next(); }
};

/// The one that runs in this process.
extern constinit Simulation* simulation;

}  // namespace auk::machine::host
