// Clocks that count CPU time, by their numbers: see clock_getcpuclockid(3).
#pragma once
#include "proc/cpu_timers.hpp"
#include "syscall/bind.hpp"

namespace auk::syscall {

/// The two that have names, or one made of a number of a process or thread.
bool is_cpu_clock(int clock);

struct CpuClockOf {
  proc::CpuOwner owner;
  proc::CpuClock clock = proc::CpuClock::exact;
  u64 now() const { return owner.now(clock); }
};
/// EINVAL: nobody there, or a thread of somebody else. `to_read`: the caller's own thread also
/// stands for its process.
Result<CpuClockOf> cpu_clock(Task& me, int clock, bool to_read);
/// clock_nanosleep(2) on CPU time. EINTR with what is left in `rest`; restart::block.
Value sleep_on_cpu_clock(Task& me, int clock, bool is_moment, u64 ns, UserAddr rest);
/// What restart_syscall(2) goes on with.
Value go_on_with_cpu_sleep(Task& me, const Task::Restart& r);

}  // namespace auk::syscall
