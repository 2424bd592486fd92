#include "sched/load.hpp"

#include "core/clock.hpp"
#include "core/init_graph.hpp"
#include "mem/box.hpp"
#include "sched/thread.hpp"
#include "time/timer.hpp"

namespace auk::sched {
namespace {

constexpr u64 one = u64{1} << load_bits;
constexpr u64 period_ns = 5'000'000'000;
/// What is left of an average after one period: e to the power of -5 s over 1, 5, 15 minutes.
constexpr std::array<u64, 3> kept{1884, 2014, 2037};

constinit std::array<Atomic<u64>, 3> averages{};

class LoadTimer final : public time::Timer {
 public:
  void begin() { time::start(*this, core::clock_ns() + period_ns); }
  void fire() override {
    const u64 now = u64{runnable_threads()} * one;
    for (usize i = 0; i < kept.size(); ++i) {
      const u64 old = averages[i].load_relaxed();
      u64 sum = old * kept[i] + now * (one - kept[i]);
      // Rounded towards where it goes, else it would never get there.
      if (now >= old) sum += one - 1;
      averages[i].store_relaxed(sum / one);
    }
    time::start(*this, deadline() + period_ns);
  }
};

/// It runs for ever.
void setup() {
  Result<mem::Box<LoadTimer>> timer = mem::Box<LoadTimer>::make(ALLOC_SITE);
  if (timer.ok()) timer.take().release()->begin();
}
INIT_TASK(load_averages, "", "", setup);

}  // namespace

std::array<u64, 3> load_averages() {
  return {averages[0].load_relaxed(), averages[1].load_relaxed(), averages[2].load_relaxed()};
}

}  // namespace auk::sched
