// Switch points of the deterministic simulation: the seeded scheduler may run another CPU here.
#pragma once

namespace auk {

/// Set by the simulation while it runs; null elsewhere. `constinit` keeps each use one load.
extern constinit thread_local void (*sim_point_hook)();

inline void sim_point() {
  if (sim_point_hook != nullptr) sim_point_hook();
}

}  // namespace auk
