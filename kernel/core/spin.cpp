#include "core/spin.hpp"

#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/panic.hpp"

namespace auk::core {

void SpinWord::wait() {
  constexpr u64 complain_after = 10'000'000'000;
  const u64 start = clock_ns();
  unsigned backoff = 1;
  bool complained = false;
  for (;;) {
    const u32 holder = taken_.load_relaxed();
    u32 expected = 0;
    if (holder == 0 && taken_.cas_acquire(expected, this_cpu_number.read() + 1)) return;
    for (unsigned i = 0; i < backoff; ++i) machine::relax();
    if (backoff < 1024) backoff *= 2;
    // A stopped CPU never lets go of what it held; the panicking one must not wait for it.
    if (is_panicking()) return;
    if (!complained && clock_ns() > start + complain_after) {
      complained = true;
      log_emerg("BUG: spinlock lockup suspected on CPU#{}, held by CPU#{}", this_cpu(), holder - 1);
    }
  }
}

}  // namespace auk::core
