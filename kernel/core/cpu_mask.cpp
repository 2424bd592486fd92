#include "core/cpu_mask.hpp"

#include "base/annotations.hpp"

namespace auk::core {

constinit CpuMask online_cpus;
AUK_RO_AFTER_INIT constinit u32 possible_cpus = 1;

}  // namespace auk::core
