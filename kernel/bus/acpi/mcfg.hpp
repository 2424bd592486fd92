// The "MCFG" table: windows of memory-mapped PCI configuration space.
//
// Context: any; pure functions.
// Source: PCI Firmware Specification 3.3, 4.1.2.
#pragma once
#include <span>

#include "bus/field.hpp"

namespace auk::bus::acpi {

struct McfgWindow {
  PhysAddr at;  ///< of bus 0, even if the window starts at a later one
  u16 segment;
  u8 first_bus;
  u8 last_bus;
};

/// Calls `visitor` for every entry; one whose buses are in the wrong order is passed over.
template <class V> void visit_mcfg(std::span<const byte> table, V&& visitor) {
  constexpr usize fixed_part = 44;
  constexpr usize entry = 16;
  for (usize i = fixed_part; covers(table, i, entry); i += entry) {
    const McfgWindow w{PhysAddr(field<u64>(table, i)), field<u16>(table, i + 8),
                       field<u8>(table, i + 10), field<u8>(table, i + 11)};
    if (w.at.value != 0 && w.first_bus <= w.last_bus) visitor(w);
  }
}

}  // namespace auk::bus::acpi
