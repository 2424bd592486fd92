#include "bus/acpi/fadt.hpp"

namespace auk::bus::acpi {
namespace {

namespace off {
constexpr usize revision = 8, facs = 36, dsdt = 40, sci = 46, smi_command = 48, acpi_enable = 52,
                acpi_disable = 53, pm1a_event = 56, pm1b_event = 60, pm1a_control = 64,
                pm1b_control = 68, pm_timer = 76, pm1_event_size = 88, pm1_control_size = 89,
                pm_timer_size = 91, century = 108, boot_flags = 109, flags = 112, reset = 116,
                reset_value = 128, x_facs = 132, x_dsdt = 140, x_pm1a_event = 148,
                x_pm1b_event = 160, x_pm1a_control = 172, x_pm1b_control = 184, x_pm_timer = 208,
                sleep_control = 244, sleep_status = 256;
}

constexpr usize size_v1 = 116;
constexpr usize size_v2 = 132;

// The 64-bit field if it is set, else the old port number with the block's length in bytes.
GenericAddress block(std::span<const byte> t, usize wide, usize narrow, usize size_field) {
  const GenericAddress address = generic_address(t, wide);
  if (address.present()) return address;
  return {.space = AddressSpace::io,
          .bit_width = static_cast<u8>(field<u8>(t, size_field) * 8),
          .address = field<u32>(t, narrow)};
}

PhysAddr wide_or_narrow(std::span<const byte> t, usize wide, usize narrow) {
  const u64 v = field<u64>(t, wide);
  return PhysAddr(v != 0 ? v : field<u32>(t, narrow));
}

}  // namespace

GenericAddress generic_address(std::span<const byte> record, usize offset) {
  if (!covers(record, offset, 12)) return {};
  return {.space = static_cast<AddressSpace>(record[offset]),
          .bit_width = record[offset + 1],
          .bit_offset = record[offset + 2],
          .access_size = record[offset + 3],
          .address = field<u64>(record, offset + 4)};
}

std::optional<Fadt> parse_fadt(std::span<const byte> t) {
  if (t.size() < size_v1) return std::nullopt;
  Fadt f;
  f.revision = field<u8>(t, off::revision);
  f.flags = Flags<FadtFlag>::from_bits(field<u32>(t, off::flags));
  // Reserved bytes in tables of the first two revisions; Linux decides by the length as well.
  if (t.size() > size_v2) f.boot_flags = Flags<BootFlag>::from_bits(field<u16>(t, off::boot_flags));
  f.dsdt = wide_or_narrow(t, off::x_dsdt, off::dsdt);
  f.facs = wide_or_narrow(t, off::x_facs, off::facs);
  f.sci_interrupt = field<u16>(t, off::sci);
  f.smi_command_port = field<u32>(t, off::smi_command);
  f.acpi_enable = field<u8>(t, off::acpi_enable);
  f.acpi_disable = field<u8>(t, off::acpi_disable);
  f.century_register = field<u8>(t, off::century);
  if (f.is_hardware_reduced()) {
    // 5.2.9: all fields of the fixed hardware are to be ignored then.
    f.sleep_control = generic_address(t, off::sleep_control);
    f.sleep_status = generic_address(t, off::sleep_status);
  } else {
    f.pm1a_event = block(t, off::x_pm1a_event, off::pm1a_event, off::pm1_event_size);
    f.pm1b_event = block(t, off::x_pm1b_event, off::pm1b_event, off::pm1_event_size);
    f.pm1a_control = block(t, off::x_pm1a_control, off::pm1a_control, off::pm1_control_size);
    f.pm1b_control = block(t, off::x_pm1b_control, off::pm1b_control, off::pm1_control_size);
    f.pm_timer = block(t, off::x_pm_timer, off::pm_timer, off::pm_timer_size);
  }
  if (f.flags.has(FadtFlag::reset_register) && covers(t, off::reset_value, 1)) {
    f.reset = generic_address(t, off::reset);
    f.reset_value = field<u8>(t, off::reset_value);
  }
  return f;
}

}  // namespace auk::bus::acpi
