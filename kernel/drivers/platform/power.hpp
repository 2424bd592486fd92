// Power-off and reset: the ladder of ways out, from the tables' own registers to a triple fault.
//
// Context: any; interrupts off, the machine is about to end. Each step waits at most a second.
// Source: ACPI 6.5, 4.8.3 (PM1 control), 4.8.3.7 (sleep control), 4.8.3.6 (reset register).
// Differences from Linux: `reboot=` knows k (keyboard controller), a (ACPI), p (port cf9), t
// (triple fault); other letters are ignored.
#pragma once

namespace auk::drivers::platform {

/// Makes the ladder the machine's PowerControl. Until setup_power() it knows no tables, but a panic
/// that early must not hang either.
void setup_early_power();
/// Adds the registers that the firmware's tables name.
void setup_power();

}  // namespace auk::drivers::platform
