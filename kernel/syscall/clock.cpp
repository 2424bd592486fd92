// Time: see clock_gettime(2), gettimeofday(2), nanosleep(2), clock_nanosleep(2), setitimer(2).
#include "generated/uapi/time.hpp"
#include "io/real_clock.hpp"
#include "syscall/calls.hpp"
#include "syscall/cpu_clock.hpp"
#include "syscall/restart.hpp"
#include "syscall/support.hpp"
#include "time/wall_clock.hpp"

namespace auk::syscall::calls {
namespace {

constexpr i64 us_per_s = 1'000'000;
constexpr u64 ns_per_us = 1000;

Result<u64> clock_now(Task& me, int clock) {
  switch (clock) {
    case uapi::clock_realtime:
    case uapi::clock_realtime_coarse: return static_cast<u64>(core::real_ns());
    case uapi::clock_tai: return static_cast<u64>(core::tai_ns());
    case uapi::clock_monotonic_raw: return core::raw_clock_ns();
    case uapi::clock_monotonic:
    case uapi::clock_monotonic_coarse:
    case uapi::clock_boottime: return core::clock_ns();
    default: break;
  }
  if (!is_cpu_clock(clock)) return Errno::einval;
  return TRY(cpu_clock(me, clock, true)).now();
}

Result<i64> load_time_of_day(UserAddr from) {
  uapi::timeval t{};
  TRY(core::read_user(&t, from, sizeof(t)));
  if (t.tv_usec < 0 || t.tv_usec >= us_per_s) return Errno::einval;
  return static_cast<i64>(TRY(to_ns({t.tv_sec, t.tv_usec * static_cast<i64>(ns_per_us)})));
}

/// EINVAL: too late a time for any clock.
Result<i64> settable(i64 ns) { return ns >= time::last_real_ns ? Result<i64>(Errno::einval) : ns; }

bool may_set_time(const Task& me) { return me.cred().has(ident::Cap::sys_time); }

Value set_real_time(i64 now_ns) {
  TRY(time::set_real_time(now_ns));
  io::clock_was_set();
  return u64{0};
}

}  // namespace

Value clock_gettime(Task& me, int clock, UserOut<uapi::kernel_timespec> out) {
  TRY(out.store(to_timespec(TRY(clock_now(me, clock)))));
  return u64{0};
}

Value clock_settime(Task& me, int clock, UserIn<uapi::kernel_timespec> in) {
  if (clock < 0) {
    TRY(cpu_clock(me, clock, false));
    return Errno::eperm;
  }
  if (clock != uapi::clock_realtime) return Errno::einval;
  const i64 now = TRY(settable(static_cast<i64>(TRY(to_ns(TRY(in.load()))))));
  if (!may_set_time(me)) return Errno::eperm;
  return set_real_time(now);
}

Value clock_getres(Task& me, int clock, UserOut<uapi::kernel_timespec> out) {
  bool coarse = clock == uapi::clock_realtime_coarse || clock == uapi::clock_monotonic_coarse;
  if (is_cpu_clock(clock))
    coarse = TRY(cpu_clock(me, clock, true)).clock != proc::CpuClock::exact;
  else
    TRY(clock_now(me, clock));
  // Coarse clocks are as exact as the others here, but programs expect to see the tick.
  constexpr i64 tick_ns = 4'000'000;
  if (!out.is_null()) TRY(out.store({0, coarse ? tick_ns : 1}));
  return u64{0};
}

Value gettimeofday(Task&, UserAddr time, UserAddr zone) {
  const auto now = static_cast<u64>(core::real_ns());
  if (time.value != 0) {
    const uapi::timeval t{static_cast<i64>(now / ns_per_s),
                          static_cast<i64>(now % ns_per_s / ns_per_us)};
    TRY(core::write_user(time, &t, sizeof(t)));
  }
  if (zone.value != 0) {
    const time::Zone known = time::zone();
    const uapi::timezone z{known.minutes_west, known.dst};
    TRY(core::write_user(zone, &z, sizeof(z)));
  }
  return u64{0};
}

Value settimeofday(Task& me, UserAddr time, UserAddr zone) {
  const bool has_time = time.value != 0, has_zone = zone.value != 0;
  i64 now_ns = 0;
  if (has_time) now_ns = TRY(settable(TRY(load_time_of_day(time))));
  uapi::timezone z{};
  if (has_zone) TRY(core::read_user(&z, zone, sizeof(z)));
  if (!may_set_time(me)) return Errno::eperm;
  if (has_zone && TRY(time::set_zone({z.tz_minuteswest, z.tz_dsttime}, !has_time)))
    io::clock_was_set();
  return has_time ? set_real_time(now_ns) : Value(u64{0});
}

namespace {

Result<time::Adjusted> adjust(Task& me, uapi::timex& t) {
  const time::Adjusted done = TRY(time::adjust(t, may_set_time(me)));
  if (done.is_moved) io::clock_was_set();
  return done;
}

}  // namespace

Value adjtimex(Task& me, UserAddr address) {
  uapi::timex t{};
  TRY(core::read_user(&t, address, sizeof(t)));
  Result<time::Adjusted> done = adjust(me, t);
  TRY(core::write_user(address, &t, sizeof(t)));
  if (!done.ok()) return done.error();
  return static_cast<u64>(done->state);
}

Value clock_adjtime(Task& me, int clock, UserAddr address) {
  uapi::timex t{};
  TRY(core::read_user(&t, address, sizeof(t)));
  if (clock != uapi::clock_realtime) {
    if (clock >= 0) TRY(clock_now(me, clock));
    return clock < 0 && !is_cpu_clock(clock) ? Errno::einval : Errno::eopnotsupp;
  }
  const time::Adjusted done = TRY(adjust(me, t));
  TRY(core::write_user(address, &t, sizeof(t)));
  return static_cast<u64>(done.state);
}

Value time(Task&, UserOut<i64> out) {
  const i64 now = core::real_ns() / static_cast<i64>(ns_per_s);
  if (!out.is_null()) TRY(out.store(now));
  return static_cast<u64>(now);
}

namespace {

/// Sleeps until the deadline. What is left goes to `rest`; the call can then be gone on with.
Value sleep(Task& me, u64 deadline, UserAddr rest) {
  if (sleep_until_signal(deadline) != sched::WaitResult::interrupted) return u64{0};
  if (rest.value != 0) {
    const u64 now = core::clock_ns();
    const uapi::kernel_timespec left = to_timespec(deadline > now ? deadline - now : 0);
    TRY(core::write_user(rest, &left, sizeof(left)));
  }
  me.restart_block = {
      .kind = Task::Restart::Kind::sleep, .deadline_ns = deadline, .arguments = {rest.value}};
  return restart::block;
}

}  // namespace

Value nanosleep(Task& me, UserIn<uapi::kernel_timespec> want, UserAddr rest) {
  return sleep(me, deadline_in(TRY(to_ns(TRY(want.load())))), rest);
}

Value clock_nanosleep(Task& me, int clock, int flags, UserIn<uapi::kernel_timespec> want,
                      UserAddr rest) {
  const bool is_moment = (flags & uapi::timer_abstime) != 0;
  if (is_cpu_clock(clock)) {
    if (clock == uapi::clock_thread_cputime_id) return Errno::eopnotsupp;
    return sleep_on_cpu_clock(me, clock, is_moment, TRY(to_ns(TRY(want.load()))), rest);
  }
  TRY(clock_now(me, clock));
  io::TimerClock kind = io::TimerClock::steady;
  switch (clock) {
    case uapi::clock_realtime: kind = io::TimerClock::real; break;
    case uapi::clock_tai: kind = io::TimerClock::tai; break;
    // Nobody can sleep on these.
    case uapi::clock_monotonic_raw:
    case uapi::clock_realtime_coarse:
    case uapi::clock_monotonic_coarse: return Errno::eopnotsupp;
    default: break;
  }
  const u64 ns = TRY(to_ns(TRY(want.load())));
  if (!is_moment) return sleep(me, deadline_in(ns), rest);
  const bool interrupted = io::wait_until({.ns = ns, .clock = kind}, [] { return false; }) ==
                           sched::WaitResult::interrupted;
  return interrupted ? Value(restart::no_hand) : Value(u64{0});
}

Value restart_syscall(Task& me) {
  const Task::Restart r = std::exchange(me.restart_block, Task::Restart());
  switch (r.kind) {
    case Task::Restart::Kind::sleep: return sleep(me, r.deadline_ns, UserAddr(r.arguments[0]));
    case Task::Restart::Kind::poll:
      return poll_until(me, UserAddr(r.arguments[0]), static_cast<u32>(r.arguments[1]),
                        r.deadline_ns);
    case Task::Restart::Kind::cpu_sleep: return go_on_with_cpu_sleep(me, r);
    case Task::Restart::Kind::futex: return go_on_with_futex(me, r);
    case Task::Restart::Kind::none: return Errno::eintr;
  }
  return Errno::eintr;
}

Value alarm(Task& me, u32 seconds) {
  const proc::RealTimer::Setting before =
      me.group->real_timer.set({.left_ns = u64{seconds} * ns_per_s});
  if (before.left_ns == 0) return u64{0};
  // Rounded as Linux does: never 0 while one is running.
  const u64 s = (before.left_ns + ns_per_s / 2) / ns_per_s;
  return s == 0 ? u64{1} : s;
}

namespace {

uapi::itimerval to_itimerval(const io::TimerSetting& s) {
  const auto split = [](u64 ns) {
    return uapi::timeval{static_cast<i64>(ns / ns_per_s),
                         static_cast<i64>(ns % ns_per_s / ns_per_us)};
  };
  return {split(s.interval_ns), split(s.value_ns)};
}

Result<proc::ProcessCpuTimer*> cpu_timer(Task& me, int which) {
  switch (which) {
    case uapi::itimer_virtual: return &me.group->virtual_timer;
    case uapi::itimer_prof: return &me.group->profile_timer;
    default: return Errno::einval;
  }
}

}  // namespace

Value getitimer(Task& me, int which, UserAddr out) {
  io::TimerSetting now;
  if (which == uapi::itimer_real) {
    const proc::RealTimer::Setting s = me.group->real_timer.get();
    now = {s.left_ns, s.interval_ns};
  } else {
    now = TRY(cpu_timer(me, which))->setting();
  }
  const uapi::itimerval v = to_itimerval(now);
  TRY(core::write_user(out, &v, sizeof(v)));
  return u64{0};
}

Value setitimer(Task& me, int which, UserAddr in, UserAddr out) {
  io::TimerSetting fresh;
  if (in.value != 0) {
    fresh.interval_ns = static_cast<u64>(TRY(load_time_of_day(in)));
    fresh.value_ns = static_cast<u64>(TRY(load_time_of_day(in + sizeof(uapi::timeval))));
  }
  io::TimerSetting before;
  if (which == uapi::itimer_real) {
    const proc::RealTimer::Setting s =
        me.group->real_timer.set({.left_ns = fresh.value_ns, .interval_ns = fresh.interval_ns});
    before = {s.left_ns, s.interval_ns};
  } else {
    before = TRY(cpu_timer(me, which))->set(fresh);
  }
  const uapi::itimerval v = to_itimerval(before);
  if (out.value != 0) TRY(core::write_user(out, &v, sizeof(v)));
  return u64{0};
}

}  // namespace auk::syscall::calls
