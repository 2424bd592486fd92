#include "core/percpu.hpp"

namespace auk::core {

AUK_PER_CPU PerCpu<uptr> this_cpu_offset;
AUK_PER_CPU PerCpu<u32> this_cpu_number;
constinit std::array<uptr, config::max_cpus> percpu_offsets{};

}  // namespace auk::core
