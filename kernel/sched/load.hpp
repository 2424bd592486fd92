// Load averages: how many threads wanted a CPU over the last 1, 5 and 15 minutes. See
// proc_loadavg(5), getloadavg(3).
//
// Data model: three numbers, each of which moves towards the present count every five seconds as an
// exponential average does. Locking: they are atomic, and one timer writes them. Context: any.
// Differences from Linux: threads in a sleep that no signal ends do not count.
#pragma once
#include <array>

#include "base/types.hpp"

namespace auk::sched {

/// So many bits behind the point.
inline constexpr unsigned load_bits = 11;
std::array<u64, 3> load_averages();

}  // namespace auk::sched
