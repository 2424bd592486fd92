#include "core/rcu.hpp"

namespace auk::core {
namespace {
constinit RcuEngine* engine = nullptr;
}

AUK_PER_CPU PerCpu<RcuQueue> rcu_queues;
AUK_PER_CPU PerCpu<Atomic<u32>> rcu_idles;

void set_rcu_engine(RcuEngine& e) { engine = &e; }

void rcu_call(RcuHead& h) {
  bool first = false;
  {
    const PreemptOff here;
    first = rcu_queues.here(here).push(h);
  }
  if (first && engine != nullptr) engine->call();
}

}  // namespace auk::core
