// The root pointer of ACPI: where the table of tables is.
//
// Context: boot CPU, early; nothing is written.
// Source: ACPI 6.5, 5.2.5; the search is that of 5.2.5.1.
// Differences from Linux: a root pointer that the boot loader named but that is broken is not the
// end: the legacy areas are searched as if it had named none.
#pragma once
#include <optional>

#include "bus/phys_reader.hpp"

namespace auk::bus::acpi {

struct Root {
  PhysAddr rsdp;
  PhysAddr table;  ///< RSDT or XSDT
  bool is_xsdt = false;
  u8 revision = 0;
};

/// The root pointer at `at`, if a valid one stands there and names a table.
std::optional<Root> read_root(PhysReader& reader, PhysAddr at);

/// The root pointer at `hint` (0: no hint), else the first one found in the legacy areas.
std::optional<Root> find_root(PhysReader& reader, PhysAddr hint);

}  // namespace auk::bus::acpi
