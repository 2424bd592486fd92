// How a thread shares CPUs with others: see sched(7).
#pragma once
#include "base/types.hpp"

namespace auk::sched {

/// The numbers of <linux/sched.h>.
enum class Policy : u8 { normal = 0, fifo = 1, round_robin = 2, batch = 3, idle = 5 };

constexpr bool is_realtime(Policy p) { return p == Policy::fifo || p == Policy::round_robin; }

/// Who runs first: the real-time priority, 1 to 99; 0 for all that share a CPU by time.
using Rank = u8;
inline constexpr Rank ranks = 100;

inline constexpr u64 default_slice_ns = 3'000'000;
/// How long SCHED_RR lets a thread run before another of its priority.
inline constexpr u64 round_robin_ns = 100'000'000;

struct Scheduling {
  Policy policy = Policy::normal;
  Rank priority = 0;  ///< 1 to 99 for real-time policies, else 0
  i32 nice = 0;       ///< -20 to 19; kept, not used, by real-time policies
  /// How long the thread runs before one that is behind it, where time is shared.
  u64 slice_ns = default_slice_ns;
  /// What it forks starts with SCHED_OTHER, and with nice 0 where it had less.
  bool reset_on_fork = false;

  /// What a child starts with.
  Scheduling inherited() const {
    Scheduling child = *this;
    if (!reset_on_fork) return child;
    child.reset_on_fork = false;
    if (is_realtime(policy))
      child = {};
    else if (nice < 0)
      child.nice = 0;
    return child;
  }
};

}  // namespace auk::sched
