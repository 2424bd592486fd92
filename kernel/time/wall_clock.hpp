// The wall clock: setting the time of day, steering it, and leap seconds. See adjtimex(2),
// settimeofday(2).
//
// Data model: the offsets that core/clock.hpp keeps, and a Discipline that says how the steady
// clock is steered. A timer runs at the seconds of the time of day, but only as long as something
// changes from one to the next.
// Locking: level wall_clock over all changes. Context: any but NMI, unless noted.
// Differences from Linux: no tick; the hardware clock is not written back.
#pragma once
#include "base/result.hpp"
#include "base/types.hpp"
#include "uapi/time.hpp"

namespace auk::time {

/// Who has deadlines in the time of day.
class WallClockWatcher {
 public:
  /// A leap second has moved the clock. Context: timer interrupt.
  virtual void clock_leapt() = 0;

 protected:
  constexpr WallClockWatcher() = default;
  ~WallClockWatcher() = default;
};
/// One, for ever.
void set_wall_clock_watcher(WallClockWatcher& w);

/// The time of day ends here: room for thirty years of uptime before nanoseconds end.
inline constexpr i64 last_real_ns = INT64_MAX - i64{30} * 365 * 24 * 3600 * 1'000'000'000;

/// Sets the time of day. EINVAL: the machine would have been started before 1970, or it is behind
/// the last one.
Result<void> set_real_time(i64 real_ns);
/// As set_real_time(), by a difference.
Result<void> move_real_time(i64 ns);

/// What programs tell each other of where they are; the kernel counts in UTC.
struct Zone {
  i32 minutes_west = 0, dst = 0;
};
Zone zone();
/// EINVAL: farther than 15 hours. True: the clock was moved, which the first zone does when it
/// comes `alone`: hardware that keeps local time has set it wrong.
Result<bool> set_zone(Zone z, bool alone);

struct Adjusted {
  i32 state;      ///< TIME_OK to TIME_ERROR
  bool is_moved;  ///< deadlines in the time of day, or in TAI, are others now
};
/// adjtimex(2): does what `t` asks for, then fills it. `may_set`: the caller may do more than read.
/// EPERM, EINVAL.
Result<Adjusted> adjust(uapi::timex& t, bool may_set);

}  // namespace auk::time
