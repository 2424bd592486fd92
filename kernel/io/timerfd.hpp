// timerfd_create(2): timers that are read.
//
// Data model: a file that is an IntervalTimer, which see; its ticks are what a read takes. Context:
// threads. Differences from Linux: the clocks that wake a sleeping machine are plain ones, since
// the machine does not sleep.
#pragma once
#include "io/file.hpp"
#include "io/interval_timer.hpp"

namespace auk::io {

/// `flags`: O_NONBLOCK. ENOMEM.
Result<Ref<File>> make_timerfd(TimerClock clock, u32 flags);
/// EINVAL: not a timerfd.
Result<IntervalTimer*> timer_of(File& f);

}  // namespace auk::io
