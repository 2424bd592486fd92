// The machine that the tests of the simulation run on, and what a scenario may use.
//
// Purpose: a test program is one file with a Scenario; the rest of the program boots the kernel's
// floors base, core, time and sched anew for each seed and runs the scenario in a kernel thread.
// Data model: World (the board: entry code, interrupt controller, timers) -> Simulation. Memory
// comes from an arena that is thrown away with the seed; what a scenario did not give back is a
// failure, and so is a write to what was given back.
// Locking: none. Context: `scenario()` in a thread of the simulated kernel, interrupts on.
#pragma once
#include <array>
#include <utility>

#include "base/types.hpp"
#include "core/clock.hpp"
#include "machine/host/sim.hpp"
#include "mem/box.hpp"
#include "sched/lock.hpp"
#include "sched/thread.hpp"

namespace auk::sim {

/// What a scenario needs besides threads.
struct Needs {
  bool rcu = false;
  bool softirqs = false;
  bool work_queues = false;
  u32 least_cpus = 2;
};

// Each test program defines these two.
extern const Needs needs;
/// Ends when everything it started has ended; then nothing may be left.
void scenario();

/// 0 to n - 1, decided by the seed, apart from the scheduler's decisions.
u32 dice(u32 n);
inline bool one_in(u32 n) { return dice(n) == 0; }
/// Lets some time pass, with switch points and interrupts.
void dawdle();
/// So much time passes without steps: for what waits long.
void pass_time(u64 ns);
/// A moment soon, or somewhat later, or past.
u64 soon();

/// Called when no CPU has anything to do. No switch points in there.
class Quiet {
 public:
  /// `next_interrupt`: when the first of the CPUs' timers will go off.
  virtual void check(u64 next_interrupt) = 0;

 protected:
  ~Quiet() = default;
};
void set_quiet_check(Quiet& q);

/// Objects and stacks that are in use.
u32 live_objects();

[[noreturn]] void fail(const char* file, int line, const char* text);

/// A thread that runs a function object and says when it is done.
template <class F> class Job final : public sched::ThreadMain {
  F body_;
  sched::Completion& done_;

 public:
  Job(F body, sched::Completion& done) : body_(std::move(body)), done_(done) {}
  void run() override {
    body_();
    done_.complete();
  }
  void discard() override { mem::destroy(this); }
};

/// Threads that share one completion.
class Crowd {
  sched::Completion done_;
  u32 running_ = 0;

 public:
  template <class F> Ref<sched::Thread> start(F body, sched::SpawnOptions options = {}) {
    mem::Box<Job<F>> job = mem::Box<Job<F>>::make(ALLOC_SITE, std::move(body), done_).take();
    ++running_;
    return sched::spawn("job", *job.release(), options).take();
  }
  void wait() {
    for (; running_ > 0; --running_) (void)done_.wait_for();
  }
};

// Between the files of the support.
namespace arena {
void reset();
/// Null when all is well.
const char* complaint();
}  // namespace arena
/// Boots and runs one seed.
class World final : public machine::host::SimBoard {
 public:
  bool run(u64 seed, bool tracing);
  void start_cpu(u32 cpu) override;
  void interrupt(machine::host::SimInterrupt which) override;
  void all_wait(u64 next_interrupt) override;
  u32 running_thread() override;
};

}  // namespace auk::sim

/// Fails the seed unless the condition holds.
#define SIM_CHECK(cond)                                                                            \
  do {                                                                                             \
    if (!(cond)) [[unlikely]]                                                                      \
      ::auk::sim::fail(__FILE__, __LINE__, #cond);                                                 \
  } while (0)
