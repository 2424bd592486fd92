// PCI functions as /sys/bus/pci shows them, and the drivers that look for them.
//
// Purpose: a driver finds the registers, capabilities and interrupts of its device.
// Data model: Function -> what its header says, read once; the firmware has given it its addresses,
// which are never moved. Nothing it says leads outside of its own windows. Locking: none: one
// driver has a function. Context: threads. Differences from Linux: addresses are not given out
// again, no removal, no binding by hand, no interrupt pins (their wiring stands in AML). Source:
// PCI Local Bus Specification 3.0, 6; Linux Documentation/ABI/testing/sysfs-bus-pci.
#pragma once
#include "bus/driver_list.hpp"
#include "bus/pci/header.hpp"
#include "bus/registers.hpp"
#include "dev/device.hpp"
#include "mem/box.hpp"

namespace auk::bus::pci {

class Function final : public dev::Device {
  Header header_;
  const std::array<Window, most_windows> windows_;

  void dispose() override { mem::destroy(this); }

 public:
  Function(ConfigSpace& space, Address at);
  ~Function() = default;
  const Header& header() const { return header_; }
  Header& header() { return header_; }
  std::span<const Window, most_windows> windows() const { return windows_; }
  void put_event(mem::Text& out) const override;
  /// Registers of a window, for ever. ENODEV: they are not inside of it; ENOMEM.
  Result<Registers> map(u8 window, u32 offset, u32 size) const;
};

/// Constant-initialised; registered from a task of the init graph that "pci_drivers" provides.
class Driver {
  friend class DriverList<Driver>;
  Driver* next_ = nullptr;
  std::string_view name_;

 public:
  constexpr explicit Driver(std::string_view name) : name_(name) {}
  const std::string_view& name() const { return name_; }
  virtual bool is_for(const Function& f) const = 0;
  /// The function stays for ever. An error is logged, and the function left alone.
  virtual Result<void> probe(Function& f) = 0;

 protected:
  ~Driver() = default;
};
void register_driver(Driver& d);

/// /sys/bus/pci.
dev::Subsystem& subsystem();

}  // namespace auk::bus::pci
