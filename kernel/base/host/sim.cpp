#include "base/isa/sim.hpp"

namespace auk {

constinit thread_local void (*sim_point_hook)() = nullptr;

}  // namespace auk
