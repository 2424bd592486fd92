// Moments of clocks that may be set: the time of day and TAI.
//
// Purpose: who waits for such a moment waits for the clock to show it, however often it is set.
// Data model: a count of the settings and a queue for sleepers; timers have a list of their own
// (interval_timer.hpp). Locking: none of its own. Context: threads.
#pragma once
#include "base/types.hpp"
#include "sched/wait.hpp"

namespace auk::io {

enum class TimerClock : u8 { steady, real, tai };

/// How far the clock is ahead of the steady one.
i64 offset_ns(TimerClock clock);

/// When the steady clock shows what a clock that is `offset` ahead shows at `moment_ns`.
u64 steady_deadline(u64 moment_ns, i64 offset);

/// The time of day or TAI has jumped: timers and sleepers look again.
void clock_was_set();

/// Sleeps until the clock shows `moment_ns` or a signal comes.
sched::WaitResult sleep_until(TimerClock clock, u64 moment_ns);

}  // namespace auk::io
