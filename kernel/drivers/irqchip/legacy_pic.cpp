#include "drivers/irqchip/legacy_pic.hpp"

#include "machine/isa/port.hpp"

namespace auk::drivers::irqchip {

void silence_legacy_pics() {
  constexpr u16 first_command = 0x20, first_data = 0x21, second_command = 0xa0, second_data = 0xa1;
  constexpr u8 initialise = 0x11, mode_8086 = 1, cascade_input = 4, cascade_identity = 2;
  // A spurious interrupt can come even from a silenced controller: it must not look like an
  // exception, so the vectors start behind those.
  constexpr u8 first_vector = 0x30, second_vector = 0x38, all_masked = 0xff;
  machine::port_out8(first_command, initialise);
  machine::port_out8(second_command, initialise);
  machine::port_out8(first_data, first_vector);
  machine::port_out8(second_data, second_vector);
  machine::port_out8(first_data, cascade_input);
  machine::port_out8(second_data, cascade_identity);
  machine::port_out8(first_data, mode_8086);
  machine::port_out8(second_data, mode_8086);
  machine::port_out8(first_data, all_masked);
  machine::port_out8(second_data, all_masked);
}

}  // namespace auk::drivers::irqchip
