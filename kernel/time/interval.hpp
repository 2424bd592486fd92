// Periodic deadlines: what all timers that come again and again have in common.
#pragma once
#include <algorithm>

#include "base/types.hpp"

namespace auk::time {

/// Deadlines end here, so that the sum of one and an interval never wraps.
inline constexpr u64 last_moment = ~u64{0} / 2;

/// Moves a deadline behind `now` by whole intervals, or to the last moment. How many deadlines have
/// passed since the one that it was. `interval_ns` is not 0.
inline u64 step_past(u64& deadline_ns, u64 interval_ns, u64 now_ns) {
  const u64 passed = now_ns < deadline_ns ? 0 : (now_ns - deadline_ns) / interval_ns;
  deadline_ns = std::min(deadline_ns + passed * interval_ns + interval_ns, last_moment);
  return passed;
}

}  // namespace auk::time
