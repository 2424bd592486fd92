// The CPUs in /sys, for what else speaks of them.
#pragma once
#include "dev/object.hpp"

namespace auk::drivers::system {

/// /sys/devices/system/cpu, from the task "cpu_devices" on. Null when there was no memory.
dev::Object* cpus_place();

}  // namespace auk::drivers::system
