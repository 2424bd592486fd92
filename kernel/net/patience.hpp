// How long a call on a socket may sleep: SO_RCVTIMEO, SO_SNDTIMEO, MSG_DONTWAIT. See socket(7).
//
// Locking: none. Context: threads.
#pragma once
#include "base/result.hpp"
#include "core/clock.hpp"
#include "sched/wait.hpp"

namespace auk::net {

struct Patience {
  bool is_none = false, is_limited = false;
  u64 deadline_ns = sched::no_deadline;
  /// 0: no limit.
  static Patience of(u64 timeout_ns, bool nonblocking) {
    if (timeout_ns == 0) return {.is_none = nonblocking};
    return {
        .is_none = nonblocking, .is_limited = true, .deadline_ns = core::clock_ns() + timeout_ns};
  }
};

/// EAGAIN: at once, or when the time is over; EINTR, restart::sys.
template <class F> Result<void> wait_for(sched::WaitQueue& queue, const Patience& p, F is_ready) {
  if (p.is_none) return is_ready() ? Result<void>() : Errno::eagain;
  switch (sched::wait_interruptible(queue, is_ready, p.deadline_ns)) {
    case sched::WaitResult::ready: return {};
    case sched::WaitResult::timed_out: return Errno::eagain;
    case sched::WaitResult::interrupted: break;
  }
  return p.is_limited ? Errno::eintr : restart::sys;
}

}  // namespace auk::net
