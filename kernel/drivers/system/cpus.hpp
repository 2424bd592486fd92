// The CPUs in /sys, for what else speaks of them.
#pragma once
#include "core/cpu_mask.hpp"
#include "dev/object.hpp"

namespace auk::drivers::system {

inline bool is_online(u32 cpu) { return core::online_cpus.has(CpuId(cpu)); }

/// /sys/devices/system/cpu, from the task "cpu_devices" on. Null when there was no memory.
dev::Object* cpus_place();

}  // namespace auk::drivers::system
