// The values that put the machine to sleep state S5 (off), read out of the DSDT without AML.
//
// Data model: the object `_S5_` is a package of integers in every DSDT known: it is found as bytes.
// Context: any; pure functions.
// Source: ACPI 6.5, 7.4.2 (_Sx), 20.2 (AML grammar).
// Differences from Linux: no interpreter. A DSDT that computes its package is not understood.
#pragma once
#include <optional>
#include <span>

#include "base/types.hpp"

namespace auk::bus::acpi {

/// What goes into SLP_TYP of the PM1a and PM1b control registers, or of the sleep control register.
struct SleepTypes {
  u8 a;
  u8 b;
};

std::optional<SleepTypes> find_s5(std::span<const byte> bytes);

}  // namespace auk::bus::acpi
