// What the header of a PCI function says: identity, windows, capabilities.
//
// Purpose: everything that is read of a device that may lie, apart from what is done with it.
// Locking: none: a function has one reader. Context: threads.
// Source: PCI Local Bus Specification 3.0, 6.1, 6.2.5 and 6.7.
#pragma once
#include <array>
#include <optional>

#include "bus/pci/config.hpp"

namespace auk::bus::pci {

/// A base address register, or two.
struct Window {
  u64 address = 0, size = 0;  ///< size 0: there is none
  u8 kind = 0;                ///< its low bits: ports or memory, 64 bits, prefetchable
  bool is_memory() const { return size != 0 && (kind & 1) == 0; }
  /// The bytes are all inside, and there is one.
  bool has(u64 offset, u64 bytes) const {
    return bytes != 0 && offset <= size && size - offset >= bytes;
  }
};
constexpr usize most_windows = 6;

namespace capability {
inline constexpr u8 vendor_specific = 0x09, msi_x = 0x11;
}

class Header {
  ConfigSpace& space_;
  const Address at_;

  Window read_window(usize& i, usize count);

 public:
  Header(ConfigSpace& space, Address at) : space_(space), at_(at) {}
  Address at() const { return at_; }
  u32 read32(u32 offset) const { return space_.read(at_, offset); }
  u16 read16(u32 offset) const {
    return static_cast<u16>(read32(offset & ~3U) >> (offset % 4 * 8));
  }
  u8 read8(u32 offset) const { return static_cast<u8>(read32(offset & ~3U) >> (offset % 4 * 8)); }
  void write16(u32 offset, u16 v) { space_.write(at_, offset, v, 2); }
  void write32(u32 offset, u32 v) { space_.write(at_, offset, v, 4); }

  u16 vendor() const { return read16(0); }
  u16 device() const { return read16(2); }
  u32 class_code() const { return read32(8) >> 8; }
  u8 revision() const { return read8(8); }
  bool is_bridge() const;
  /// 0 of a bridge.
  u16 subsystem_vendor() const;
  u16 subsystem_device() const;
  /// Of a bridge: the bus behind it.
  u8 secondary_bus() const { return read8(0x19); }

  /// Where its windows are, as the firmware has placed them; its own decoding is off meanwhile.
  std::array<Window, most_windows> read_windows();
  /// Of the list: the first one of a kind behind another one, or the first one.
  std::optional<u8> find_capability(u8 id, u8 behind = 0) const;
  /// It answers for its memory, may read and write ours, and uses no interrupt pin.
  void enable();
};

}  // namespace auk::bus::pci
