// The "FACP" table: fixed hardware, reset and sleep registers, and where the DSDT is.
//
// Data model: a plain value. A field the table is too short for reads as absent (0), because its
// bytes belong to somebody else: revision 1 tables of 116 bytes are in daily use.
// Context: any; pure functions.
// Source: ACPI 6.5, 5.2.9 and 5.2.3.2.
#pragma once
#include <optional>
#include <span>

#include "base/flags.hpp"
#include "bus/field.hpp"

namespace auk::bus::acpi {

enum class AddressSpace : u8 { memory = 0, io = 1, pci_config = 2, embedded = 3, smbus = 4 };

/// Generic address structure: a register somewhere. Absent when the address is 0.
struct GenericAddress {
  AddressSpace space = AddressSpace::memory;
  u8 bit_width = 0;
  u8 bit_offset = 0;
  u8 access_size = 0;  ///< 0 undefined, else log2(bytes) + 1
  u64 address = 0;

  bool present() const { return address != 0; }
};
/// Absent when the record does not hold all 12 bytes.
GenericAddress generic_address(std::span<const byte> record, usize offset);

enum class FadtFlag : u32 {
  timer_32_bits = 1U << 8,
  reset_register = 1U << 10,
  hardware_reduced = 1U << 20,
  low_power_idle = 1U << 21,
};
enum class BootFlag : u16 {
  legacy_devices = 1U << 0,
  keyboard_controller = 1U << 1,
  no_vga = 1U << 2,
  no_message_interrupts = 1U << 3,
  no_cmos_clock = 1U << 5,
};

struct Fadt {
  u8 revision = 0;
  Flags<FadtFlag> flags;
  /// Only newer tables say this; without it a PC has everything.
  std::optional<Flags<BootFlag>> boot_flags;
  PhysAddr dsdt;
  PhysAddr facs;
  u16 sci_interrupt = 0;
  u32 smi_command_port = 0;  ///< 0: ACPI mode is on already
  u8 acpi_enable = 0;
  u8 acpi_disable = 0;
  u8 century_register = 0;
  GenericAddress pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm_timer;
  GenericAddress reset;  ///< absent unless the flag says that it works
  u8 reset_value = 0;
  GenericAddress sleep_control, sleep_status;  ///< only without fixed hardware

  bool is_hardware_reduced() const { return flags.has(FadtFlag::hardware_reduced); }
  unsigned timer_bits() const { return flags.has(FadtFlag::timer_32_bits) ? 32 : 24; }
};

/// Nothing when even the fields of the first revision are not all there.
std::optional<Fadt> parse_fadt(std::span<const byte> table);

}  // namespace auk::bus::acpi
