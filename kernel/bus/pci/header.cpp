#include "bus/pci/header.hpp"

#include <bit>
#include <utility>

namespace auk::bus::pci {
namespace {

namespace reg {
constexpr u32 command = 4, status = 6, header_type = 0xe, first_window = 0x10,
              subsystem_vendor = 0x2c, subsystem_device = 0x2e, capabilities = 0x34;
}
constexpr u16 decodes_ports = 1, decodes_memory = 2, masters_bus = 4, no_interrupt_pin = 0x400;

}  // namespace

bool Header::is_bridge() const {
  constexpr u8 type_mask = 0x7f, bridge = 1;
  return (read8(reg::header_type) & type_mask) == bridge;
}
u16 Header::subsystem_vendor() const {
  return is_bridge() ? u16{0} : read16(reg::subsystem_vendor);
}
u16 Header::subsystem_device() const {
  return is_bridge() ? u16{0} : read16(reg::subsystem_device);
}

/// The size is what cannot be written: ones are, and read back as far as they stick.
Window Header::read_window(usize& i, usize count) {
  constexpr u32 port_bits = 3, memory_bits = 0xf, type_of_memory = 6, of_64_bits = 4;
  const u32 at = reg::first_window + static_cast<u32>(i++) * 4;
  const auto probe = [&](u32 offset) {
    const u32 was = read32(offset);
    write32(offset, ~u32{0});
    const u32 sticks = read32(offset);
    write32(offset, was);
    return std::pair(was, sticks);
  };
  const auto [low, low_sticks] = probe(at);
  const bool is_ports = (low & 1) != 0;
  const u32 bits = is_ports ? port_bits : memory_bits;
  u64 address = low & ~bits, sticks = low_sticks & ~bits;
  if (!is_ports && (low & type_of_memory) == of_64_bits && i < count) {
    const auto [high, high_sticks] = probe(at + 4);
    ++i;
    address |= u64{high} << 32;
    sticks |= u64{high_sticks} << 32;
  } else if (sticks != 0) {
    // Of ports only sixteen bits need be there.
    sticks |= is_ports ? ~u64{0xffff} : ~u64{0xffffffff};
  }
  const u64 size = ~sticks + 1;
  // A size is a power of two, and the address a multiple of it.
  if (!std::has_single_bit(size) || address % size != 0 || address == 0 || address + size < address)
    return {};
  return {address, size, static_cast<u8>(low & bits)};
}

std::array<Window, most_windows> Header::read_windows() {
  constexpr usize windows_of_bridge = 2;
  const u16 command = read16(reg::command);
  write16(reg::command, command & static_cast<u16>(~(decodes_ports | decodes_memory)));
  const usize count = is_bridge() ? windows_of_bridge : most_windows;
  std::array<Window, most_windows> windows{};
  for (usize i = 0; i < count;) {
    Window& w = windows[i];
    w = read_window(i, count);
  }
  write16(reg::command, command);
  return windows;
}

std::optional<u8> Header::find_capability(u8 id, u8 behind) const {
  constexpr u16 has_capabilities = 0x10;
  constexpr u8 first_place = 0x40;
  // More of them do not fit: a list that goes on is a circle.
  constexpr u32 most = (256 - first_place) / 4;
  if ((read16(reg::status) & has_capabilities) == 0) return std::nullopt;
  u8 at = read8(behind == 0 ? reg::capabilities : behind + 1U);
  for (u32 n = 0; n < most; ++n) {
    at &= 0xfc;
    if (at < first_place) return std::nullopt;
    if (read8(at) == id) return at;
    at = read8(at + 1U);
  }
  return std::nullopt;
}

void Header::enable() {
  write16(reg::command,
          static_cast<u16>(read16(reg::command) | decodes_memory | masters_bus | no_interrupt_pin));
}

}  // namespace auk::bus::pci
