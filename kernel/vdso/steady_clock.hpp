// SteadyClock: nanoseconds out of the cycle counter, at a rate that may be changed while it runs.
//
// Data model: two stretches of time, each at one rate. A change writes the older one, to begin a
// little later, and then names it by the version: until the counter has come there, all CPUs read
// the other one, so that none is ahead of another by the change. A reader never waits for a writer,
// which may be what it interrupted (NMI), and finds out whether it was overtaken.
// Locking: one writer at a time, its caller's business. Context: readers any, user mode included.
// Differences from Linux: one structure for kernel, NMIs and programs, where Linux keeps three; no
// tick that carries the clock on: a stretch is as long as it needs to be.
#pragma once
#include <array>

#include "base/atomic.hpp"
#include "base/types.hpp"

namespace auk::vdso {

/// Rates are nanoseconds for each cycle in units of 2^-60: any counter above 80 MHz, with room for
/// the quarter that adjtimex(2) may add.
constexpr u32 rate_bits = 60;

inline u64 scaled(u64 cycles, u64 rate) {
  return static_cast<u64>((static_cast<unsigned __int128>(cycles) * rate) >> rate_bits);
}

class SteadyClock {
  struct Stretch {
    Atomic<u64> from_cycles, from_ns, rate;
  };
  Atomic<u32> version_{0};
  std::array<Stretch, 2> stretches_{};

 public:
  /// `counter`: reads the cycle counter, not earlier than what comes before it.
  template <class Counter> u64 now(Counter counter) const {
    for (;;) {
      const u32 version = version_.load_acquire();
      const u64 cycles = counter();
      const Stretch* s = &stretches_[version % 2];
      // Before it begins the last one goes on, for all CPUs alike.
      if (cycles < s->from_cycles.load_acquire()) s = &stretches_[(version + 1) % 2];
      const u64 from = s->from_cycles.load_acquire();
      const u64 ns = s->from_ns.load_acquire();
      const u64 rate = s->rate.load_acquire();
      if (version_.load_relaxed() != version) continue;
      return ns + (cycles > from ? scaled(cycles - from, rate) : 0);
    }
  }

  /// The clock shows `ns` where the counter shows `cycles`, and goes on from there at `rate`. That
  /// the last stretch has begun is the caller's care.
  void go_on(u64 cycles, u64 ns, u64 rate) {
    const u32 version = version_.load_relaxed() + 1;
    Stretch& s = stretches_[version % 2];
    s.from_cycles.store_release(cycles);
    s.from_ns.store_release(ns);
    s.rate.store_release(rate);
    version_.store_release(version);
  }

  /// Where the counter was, or will be, when the stretch begins.
  u64 last_change() const {
    return stretches_[version_.load_relaxed() % 2].from_cycles.load_relaxed();
  }

  /// What it shows where the counter shows `cycles`. For the writer: nothing changes meanwhile.
  u64 at(u64 cycles) const {
    return now([cycles] { return cycles; });
  }
};

}  // namespace auk::vdso
