// The "APIC" table: CPUs, interrupt controllers and how the ISA interrupts are wired to them.
//
// Data model: one pass over the records calls the visitor for each record it has a call operator
// for; nothing is stored, so nothing is limited in number.
// Context: any; pure functions.
// Source: ACPI 6.5, 5.2.12.
// Differences from Linux: none in meaning; records of unknown type or of too short a length are
// passed over, and a record that runs past the table ends the pass.
#pragma once
#include <concepts>
#include <optional>
#include <span>

#include "bus/field.hpp"

namespace auk::bus::acpi {

enum class Polarity : u8 { as_bus, high, low };
enum class Trigger : u8 { as_bus, edge, level };

/// The interrupt flags that ACPI and the MP table share.
struct Wiring {
  Polarity polarity = Polarity::as_bus;
  Trigger trigger = Trigger::as_bus;
};
Wiring wiring_of(u16 flags);

struct MadtCpu {
  u32 apic_id;
  u32 acpi_uid;
  bool enabled;
  bool online_capable;
  bool is_usable() const { return enabled || online_capable; }
};
struct MadtIoApic {
  u8 id;
  PhysAddr at;
  u32 first_gsi;
};
/// ISA interrupt `source` arrives at `gsi`, not at the input of the same number.
struct MadtOverride {
  u8 source;
  u32 gsi;
  Wiring wiring;
};
struct MadtLocalNmi {
  static constexpr u32 all_cpus = 0xffffffff;
  u32 acpi_uid;
  u8 input;
  Wiring wiring;
};

struct MadtHead {
  PhysAddr local_controllers;  ///< the address override record counts
  bool has_legacy_pics = false;
};
/// Nothing when the table is shorter than its fixed part.
std::optional<MadtHead> parse_madt_head(std::span<const byte> table);

/// One record; `body` includes type and length.
struct MadtRecord {
  u8 type;
  std::span<const byte> body;
};
class MadtRecords {
  std::span<const byte> rest_;

 public:
  explicit MadtRecords(std::span<const byte> table);
  std::optional<MadtRecord> next();
};

std::optional<MadtCpu> madt_cpu(const MadtRecord& r);
std::optional<MadtIoApic> madt_io_apic(const MadtRecord& r);
std::optional<MadtOverride> madt_override(const MadtRecord& r);
std::optional<MadtLocalNmi> madt_local_nmi(const MadtRecord& r);

template <class V> void visit_madt(std::span<const byte> table, V&& visitor) {
  MadtRecords records(table);
  while (const auto r = records.next()) {
    if constexpr (std::invocable<V&, const MadtCpu&>)
      if (const auto v = madt_cpu(*r)) visitor(*v);
    if constexpr (std::invocable<V&, const MadtIoApic&>)
      if (const auto v = madt_io_apic(*r)) visitor(*v);
    if constexpr (std::invocable<V&, const MadtOverride&>)
      if (const auto v = madt_override(*r)) visitor(*v);
    if constexpr (std::invocable<V&, const MadtLocalNmi&>)
      if (const auto v = madt_local_nmi(*r)) visitor(*v);
  }
}

}  // namespace auk::bus::acpi
