// The MP configuration table: CPUs and interrupt wiring where there is no ACPI.
//
// Purpose: some virtual machines offer nothing else.
// Data model: one pass over the entries calls the visitor for each entry it has a call operator
// for; nothing is stored.
// Context: boot CPU, early; nothing is written.
// Source: Intel MultiProcessor Specification 1.4, chapter 4.
// Differences from Linux: the default configurations (chapter 5, machines without a table) are
// reported but not made up: no machine of 64 bits has one.
#pragma once
#include <array>
#include <concepts>
#include <optional>
#include <span>
#include <string_view>

#include "bus/acpi/madt.hpp"
#include "bus/phys_reader.hpp"

namespace auk::bus {

/// The floating pointer structure.
struct MpPointer {
  PhysAddr at;
  PhysAddr table;  ///< 0 with a default configuration
  u8 default_configuration = 0;
  bool has_mode_switch = false;  ///< the IMCR must be told to route through the local controllers
};
std::optional<MpPointer> find_mp_pointer(PhysReader& reader);

struct MpCpu {
  u8 apic_id;
  bool enabled;
  bool is_boot_cpu;
};
struct MpBus {
  u8 id;
  std::array<char, 6> type_;
  /// Without the padding: "ISA", "PCI".
  std::string_view type() const {
    const std::string_view all(type_.data(), type_.size());
    return all.substr(0, all.find_last_not_of(' ') + 1);
  }
};
struct MpIoApic {
  u8 id;
  bool enabled;
  PhysAddr at;
};
enum class MpInterruptKind : u8 { vectored = 0, nmi = 1, smi = 2, external = 3 };
/// From a bus to an input of an I/O controller.
struct MpInterrupt {
  MpInterruptKind kind;
  acpi::Wiring wiring;
  u8 bus;
  u8 source;
  u8 io_apic;
  u8 input;
};
/// From a bus to an input of one CPU (0xff: all CPUs).
struct MpLocalInterrupt {
  MpInterruptKind kind;
  acpi::Wiring wiring;
  u8 bus;
  u8 source;
  u8 apic_id;
  u8 input;
};

struct MpTable {
  PhysAddr local_controllers;
  std::span<const byte> entries;  ///< of the base table
};
/// The configuration table at `at`; nothing unless signature, length and checksum are right.
std::optional<MpTable> read_mp_table(PhysReader& reader, PhysAddr at);

/// One entry; `body` includes the type.
struct MpEntry {
  u8 type;
  std::span<const byte> body;
};
class MpEntries {
  std::span<const byte> rest_;

 public:
  explicit MpEntries(const MpTable& table) : rest_(table.entries) {}
  /// Ends at the end of the table or at a type whose length nobody knows. The table's own count of
  /// entries is not asked: QEMU's microvm leaves it 0.
  std::optional<MpEntry> next();
};

std::optional<MpCpu> mp_cpu(const MpEntry& e);
std::optional<MpBus> mp_bus(const MpEntry& e);
std::optional<MpIoApic> mp_io_apic(const MpEntry& e);
std::optional<MpInterrupt> mp_interrupt(const MpEntry& e);
std::optional<MpLocalInterrupt> mp_local_interrupt(const MpEntry& e);

template <class V> void visit_mp_table(const MpTable& table, V&& visitor) {
  MpEntries entries(table);
  while (const auto e = entries.next()) {
    if constexpr (std::invocable<V&, const MpCpu&>)
      if (const auto v = mp_cpu(*e)) visitor(*v);
    if constexpr (std::invocable<V&, const MpBus&>)
      if (const auto v = mp_bus(*e)) visitor(*v);
    if constexpr (std::invocable<V&, const MpIoApic&>)
      if (const auto v = mp_io_apic(*e)) visitor(*v);
    if constexpr (std::invocable<V&, const MpInterrupt&>)
      if (const auto v = mp_interrupt(*e)) visitor(*v);
    if constexpr (std::invocable<V&, const MpLocalInterrupt&>)
      if (const auto v = mp_local_interrupt(*e)) visitor(*v);
  }
}

}  // namespace auk::bus
