// The "HPET" table: where a block of event timers is mapped.
//
// Context: any; pure functions.
// Source: IA-PC HPET specification 1.0a, 3.2.4.
#pragma once
#include <optional>
#include <span>

#include "bus/field.hpp"

namespace auk::bus::acpi {

struct HpetTable {
  PhysAddr at;
  u8 number;
  u16 min_tick;  ///< fewest ticks between periodic interrupts that get none lost
};

/// Nothing when the table is short or the block is not in memory.
std::optional<HpetTable> parse_hpet(std::span<const byte> table);

}  // namespace auk::bus::acpi
