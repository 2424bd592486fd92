#include "core/percpu.hpp"

#include "core/event_counts.hpp"

namespace auk::core {

AUK_PER_CPU PerCpu<u64> timer_interrupts;
AUK_PER_CPU PerCpu<u64> reschedule_interrupts;
AUK_PER_CPU PerCpu<u64> call_interrupts;
AUK_PER_CPU PerCpu<u64> device_interrupts;
AUK_PER_CPU PerCpu<u64> switch_count;
AUK_PER_CPU PerCpu<u64> fork_count;
AUK_PER_CPU PerCpu<u64> fault_count;
AUK_PER_CPU PerCpu<uptr> this_cpu_offset;
AUK_PER_CPU PerCpu<u32> this_cpu_number;
constinit std::array<uptr, config::max_cpus> percpu_offsets{};

}  // namespace auk::core
