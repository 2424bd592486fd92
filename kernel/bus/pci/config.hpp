// Configuration space of PCI functions, however the machine reaches it.
//
// Data model: ConfigSpace (one per segment) -> registers of a function by its Address. Locking: its
// own, for the ports that stand for all of it. Context: threads.
// Source: PCI Local Bus Specification 3.0, 3.2.2.3 and 6; PCI Express 4.0, 7.2.2.
#pragma once
#include <compare>

#include "base/types.hpp"

namespace auk::bus::pci {

struct Address {
  u16 segment = 0;
  u8 bus = 0, device = 0, function = 0;
  auto operator<=>(const Address&) const = default;
};

class ConfigSpace {
 public:
  /// `offset`: a multiple of 4 below 256. All ones where nothing answers.
  virtual u32 read(Address a, u32 offset) = 0;
  /// `size` is 1, 2 or 4 bytes, `offset` a multiple of it.
  virtual void write(Address a, u32 offset, u32 value, unsigned size) = 0;

 protected:
  constexpr ConfigSpace() = default;
  ~ConfigSpace() = default;
};

/// That of segment 0. Null: this machine has no PCI that we can reach.
ConfigSpace* config_space();

}  // namespace auk::bus::pci
