// How fast the cycle counter runs.
//
// Source of truth, in this order: what CPU or hypervisor say (CPUID), the ACPI PM timer, the PIT.
// Measurements are made three times and must agree within 0.1%, else the next source is asked.
// Context: boot CPU, once, before other CPUs start.
#pragma once
#include "base/types.hpp"

namespace auk::time {

/// Starts the clocks of core/clock.hpp. `pm_timer_port`: I/O port of the ACPI PM timer, 0 without
/// one.
void calibrate(u16 pm_timer_port, unsigned pm_timer_bits);

}  // namespace auk::time
