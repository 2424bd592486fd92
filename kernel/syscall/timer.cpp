// POSIX timers: see timer_create(2), timer_settime(2), timer_getoverrun(2), timer_delete(2).
#include "generated/uapi/signal.hpp"
#include "generated/uapi/time.hpp"
#include "proc/posix_timer.hpp"
#include "syscall/calls.hpp"
#include "syscall/cpu_clock.hpp"
#include "syscall/support.hpp"
#include "syscall/timer_setting.hpp"

namespace auk::syscall::calls {
namespace {

using proc::PosixTimer;

/// EINVAL for no clock, EOPNOTSUPP for one that has no timers.
Result<io::TimerClock> clock_of(int clock) {
  switch (clock) {
    case uapi::clock_realtime: return io::TimerClock::real;
    case uapi::clock_tai: return io::TimerClock::tai;
    case uapi::clock_monotonic:
    case uapi::clock_boottime: return io::TimerClock::steady;
    case uapi::clock_monotonic_raw:
    case uapi::clock_realtime_coarse:
    case uapi::clock_monotonic_coarse:
    // No clock here can wake a sleeping machine.
    case uapi::clock_realtime_alarm:
    case uapi::clock_boottime_alarm: return Errno::eopnotsupp;
    default: return Errno::einval;
  }
}

Result<void> read_event(Task& me, const uapi::sigevent& e, PosixTimer::Wanted& w) {
  switch (e.sigev_notify) {
    case uapi::sigev_none: w.tells = PosixTimer::Tells::nobody; break;
    case uapi::sigev_signal:
    case uapi::sigev_thread: w.tells = PosixTimer::Tells::process; break;
    case uapi::sigev_signal | uapi::sigev_thread_id: {
      w.tells = PosixTimer::Tells::thread;
      Result<Ref<Task>> found = proc::find_task(static_cast<u32>(e.un.tid));
      if (!found.ok()) return Errno::einval;
      const Ref<Task> t = found.take();
      if (t->group != me.group) return Errno::einval;
      // It may be about to take another number.
      auto tree = proc::tree.lock();
      w.thread = t->pid;
      break;
    }
    default: return Errno::einval;
  }
  w.signal = static_cast<u32>(e.sigev_signo);
  if (w.tells != PosixTimer::Tells::nobody && (w.signal == 0 || w.signal > proc::signal_count))
    return Errno::einval;
  w.value = e.sigev_value;
  return {};
}

}  // namespace

Value timer_create(Task& me, int clock, UserIn<uapi::sigevent> event, UserOut<u32> out) {
  uapi::sigevent e{};
  e.sigev_signo = uapi::sigalrm;
  if (!event.is_null()) TRY(event.load_into(e));
  CpuClockOf cpu;
  io::TimerClock moments = io::TimerClock::steady;
  if (is_cpu_clock(clock))
    cpu = TRY(cpu_clock(me, clock, false));
  else
    moments = TRY(clock_of(clock));
  // Its place in a queue counts like a queued signal.
  ident::SignalCharge charge(me.cred().user);
  if (charge.exceeds(me.group->limit(uapi::rlimit_sigpending))) return Errno::eagain;
  PosixTimer::Wanted w;
  TRY(read_event(me, e, w));
  if (event.is_null()) w.value = std::nullopt;
  proc::Group& g = *me.group;
  const Ref<PosixTimer> t =
      cpu.owner.group
          ? TRY(g.timers.create(g, std::move(cpu.owner), cpu.clock, w, std::move(charge)))
          : TRY(g.timers.create(g, moments, w, std::move(charge)));
  if (const Result<void> r = out.store(t->id()); !r.ok()) {
    TRY(me.group->timers.remove(t->id()));
    return r.error();
  }
  return u64{0};
}

Value timer_settime(Task& me, u32 id, u32 flags, UserIn<uapi::itimerspec> in,
                    UserOut<uapi::itimerspec> out) {
  if (in.is_null()) return Errno::einval;
  const io::TimerSetting setting = TRY(load_setting(in));
  const Ref<PosixTimer> t = TRY(me.group->timers.find(id));
  const io::TimerSetting before = TRY(t->arm(setting, (flags & uapi::timer_abstime) != 0));
  if (!out.is_null()) TRY(store_setting(before, out));
  return u64{0};
}

Value timer_gettime(Task& me, u32 id, UserOut<uapi::itimerspec> out) {
  TRY(store_setting(TRY(me.group->timers.find(id))->current_setting(), out));
  return u64{0};
}

Value timer_getoverrun(Task& me, u32 id) { return u64{TRY(me.group->timers.find(id))->overrun()}; }

Value timer_delete(Task& me, u32 id) { return done(me.group->timers.remove(id)); }

}  // namespace auk::syscall::calls
