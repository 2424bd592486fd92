#include "time/wall_clock.hpp"

#include <utility>

#include "base/annotations.hpp"
#include "core/clock.hpp"
#include "core/init_graph.hpp"
#include "core/spin.hpp"
#include "generated/uapi/time.hpp"
#include "mem/box.hpp"
#include "time/discipline.hpp"
#include "time/timer.hpp"

namespace auk::time {
namespace {

constexpr i64 ns_per_s = 1'000'000'000, ns_per_us = 1000, us_per_s = 1'000'000;
// A tenth more or less than the standard.
constexpr i64 shortest_tick_us = 9'000, longest_tick_us = 11'000;
/// Units of 2^-16 parts per million whose value in nanoseconds, scaled, ends 64 bits.
constexpr i64 largest_frequency = INT64_MAX / (ns_per_us << (Discipline::scale - 16));

AUK_RO_AFTER_INIT constinit WallClockWatcher* watcher = nullptr;

/// Runs at the next second of the time of day.
class SecondTimer final : public Timer {
 public:
  void fire() override;
};
/// Made at boot; without memory for it, what changes by the second does when somebody asks.
AUK_RO_AFTER_INIT constinit SecondTimer* second_timer = nullptr;

class WallClock {
  struct State {
    Discipline discipline;
    i64 gain = 0;  ///< as the steady clock is steered now
    bool is_armed = false;
    bool had_zone = false;
    Zone zone;
  };
  core::Guarded<core::level::wall_clock, State, core::SpinIrqOff> state_;

  /// What the seconds that have passed have changed. True: a leap second was one of them.
  static bool catch_up(State& s) {
    const i64 second = core::real_ns() / ns_per_s;
    const i32 ahead = s.discipline.reach(second);
    if (ahead == 0) return false;
    set_offset(s, core::real_offset_ns.load_relaxed() + ahead * ns_per_s);
    return true;
  }
  static void set_offset(State& s, i64 offset_ns) {
    core::set_offsets(offset_ns, s.discipline.tai_s());
  }
  /// The clock runs as the discipline says from now on.
  static void apply(State& s) {
    if (const i64 gain = s.discipline.gain(); gain != s.gain) {
      s.gain = gain;
      core::steer_clock(gain);
    }
    if (s.is_armed || second_timer == nullptr || !s.discipline.has_plans()) return;
    s.is_armed = true;
    const i64 offset = core::real_offset_ns.load_relaxed();
    const i64 next = (core::real_ns() / ns_per_s + 1) * ns_per_s - offset;
    start(*second_timer, static_cast<u64>(next));
  }
  static Result<void> set(State& s, i64 offset_ns) {
    const i64 steady = static_cast<i64>(core::clock_ns());
    if (offset_ns < 0 || offset_ns > last_real_ns - steady) return Errno::einval;
    set_offset(s, offset_ns);
    s.discipline.clear((steady + offset_ns) / ns_per_s);
    apply(s);
    return {};
  }

 public:
  constexpr WallClock() = default;

  void next_second() {
    bool leapt = false;
    {
      auto s = state_.lock();
      s->is_armed = false;
      leapt = catch_up(*s);
      apply(*s);
    }
    if (leapt) tell_of_leap();
  }
  static void tell_of_leap() {
    if (watcher != nullptr) watcher->clock_leapt();
  }
  Result<void> set_real(i64 real_ns) {
    auto s = state_.lock();
    return set(*s, real_ns - static_cast<i64>(core::clock_ns()));
  }
  Result<void> move(i64 ns) {
    bool leapt = false;
    Result<void> moved = Errno::einval;
    {
      auto s = state_.lock();
      leapt = catch_up(*s);
      i64 offset = 0;
      if (!__builtin_add_overflow(core::real_offset_ns.load_relaxed(), ns, &offset))
        moved = set(*s, offset);
      if (!moved.ok()) apply(*s);
    }
    if (leapt && !moved.ok()) tell_of_leap();
    return moved;
  }
  Zone zone() { return state_.lock()->zone; }
  /// True: it is the first one.
  bool set_zone(Zone z) {
    auto s = state_.lock();
    s->zone = z;
    core::publish_zone(z.minutes_west, z.dst);
    return !std::exchange(s->had_zone, true);
  }
  Adjusted adjust(uapi::timex& t) {
    auto s = state_.lock();
    bool is_moved = catch_up(*s);
    const i32 tai = s->discipline.tai_s();
    if (is_slow_step(t.modes)) {
      t.offset = is_read_only(t.modes) ? s->discipline.slow_step_us()
                                       : s->discipline.step_slowly(t.offset);
    } else {
      s->discipline.change(t);
      t.offset = s->discipline.offset_as_shown();
    }
    if (s->discipline.tai_s() != tai) {
      set_offset(*s, core::real_offset_ns.load_relaxed());
      is_moved = true;
    }
    apply(*s);
    return {s->discipline.report(t, core::real_ns()), is_moved};
  }

  // adjtime(3) has modes of its own, which say other things in company.
  static bool is_slow_step(u32 modes) {
    return (modes & uapi::adj_offset_singleshot & ~uapi::adj_offset) != 0;
  }
  static bool is_read_only(u32 modes) {
    return (modes & uapi::adj_offset_ss_read & ~uapi::adj_offset_singleshot) != 0;
  }
};
constinit WallClock wall_clock;

void SecondTimer::fire() { wall_clock.next_second(); }

void setup() {
  Result<mem::Box<SecondTimer>> made = mem::Box<SecondTimer>::make(ALLOC_SITE);
  if (made.ok()) second_timer = made.take().release();
}
INIT_TASK(wall_clock_seconds, "", "", setup);

/// What ADJ_SETOFFSET moves the clock by.
Result<i64> move_of(const uapi::timex& t) {
  const bool is_nano = (t.modes & uapi::adj_nano) != 0;
  const i64 part = t.time.tv_usec;
  if (part < 0 || part >= (is_nano ? ns_per_s : us_per_s)) return Errno::einval;
  i64 ns = 0;
  if (__builtin_mul_overflow(t.time.tv_sec, ns_per_s, &ns) ||
      __builtin_add_overflow(ns, is_nano ? part : part * ns_per_us, &ns))
    return Errno::einval;
  return ns;
}

Result<void> check(const uapi::timex& t, bool may_set) {
  const bool is_slow_step = WallClock::is_slow_step(t.modes);
  if (is_slow_step && (t.modes & uapi::adj_offset) == 0) return Errno::einval;
  const bool only_reads = is_slow_step ? WallClock::is_read_only(t.modes) : t.modes == 0;
  if (!only_reads && !may_set) return Errno::eperm;
  if (!is_slow_step && (t.modes & uapi::adj_tick) != 0 &&
      (t.tick < shortest_tick_us || t.tick > longest_tick_us))
    return Errno::einval;
  if ((t.modes & uapi::adj_setoffset) != 0) {
    if (!may_set) return Errno::eperm;
    TRY(move_of(t));
  }
  if ((t.modes & uapi::adj_frequency) != 0 &&
      (t.freq < -largest_frequency || t.freq > largest_frequency))
    return Errno::einval;
  return {};
}

}  // namespace

void set_wall_clock_watcher(WallClockWatcher& w) { watcher = &w; }

Result<void> set_real_time(i64 real_ns) { return wall_clock.set_real(real_ns); }

Result<void> move_real_time(i64 ns) { return wall_clock.move(ns); }

Zone zone() { return wall_clock.zone(); }

Result<bool> set_zone(Zone z, bool alone) {
  constexpr i32 farthest_minutes = 15 * 60;
  if (z.minutes_west > farthest_minutes || z.minutes_west < -farthest_minutes) return Errno::einval;
  if (!wall_clock.set_zone(z) || !alone || z.minutes_west == 0) return false;
  return wall_clock.move(i64{z.minutes_west} * 60 * ns_per_s).ok();
}

Result<Adjusted> adjust(uapi::timex& t, bool may_set) {
  TRY(check(t, may_set));
  const bool is_moved = (t.modes & uapi::adj_setoffset) != 0;
  if (is_moved) TRY(wall_clock.move(TRY(move_of(t))));
  Adjusted done = wall_clock.adjust(t);
  done.is_moved = done.is_moved || is_moved;
  return done;
}

}  // namespace auk::time
