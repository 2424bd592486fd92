// Settings of timers as timerfd_settime(2) and timer_settime(2) pass them.
#pragma once
#include "io/interval_timer.hpp"
#include "syscall/support.hpp"

namespace auk::syscall {

/// EINVAL for what is no time; EFAULT.
inline Result<io::TimerSetting> load_setting(core::UserIn<uapi::itimerspec> in) {
  const uapi::itimerspec s = TRY(in.load());
  const u64 value_ns = TRY(to_ns(s.it_value));
  return io::TimerSetting{value_ns, TRY(to_ns(s.it_interval))};
}

inline Result<void> store_setting(const io::TimerSetting& s, core::UserOut<uapi::itimerspec> out) {
  return out.store({to_timespec(s.interval_ns), to_timespec(s.value_ns)});
}

}  // namespace auk::syscall
