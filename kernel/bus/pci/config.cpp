#include "bus/pci/config.hpp"

#include "bus/firmware.hpp"
#include "bus/registers.hpp"
#include "core/spin.hpp"
#include "machine/isa/port.hpp"
#include "mem/vmalloc.hpp"

namespace auk::bus::pci {
namespace {

/// A pair of ports: which register, and its value.
class PortSpace final : public ConfigSpace {
  static constexpr u16 address_port = 0xcf8, value_port = 0xcfc;
  static constexpr u32 enabled = 0x80000000;
  struct Window {};
  core::Guarded<core::level::irq_chip, Window, core::SpinIrqOff> window_;

  static u32 word(Address a, u32 offset) {
    return enabled | u32{a.bus} << 16 | u32{a.device} << 11 | u32{a.function} << 8 |
           (offset & 0xfc);
  }

 public:
  constexpr PortSpace() = default;
  /// The address can be read back, unlike what stands there otherwise.
  bool is_there() {
    if constexpr (!machine::has_ports) return false;
    auto w = window_.lock();
    machine::port_out32(address_port, enabled);
    return machine::port_in32(address_port) == enabled;
  }
  u32 read(Address a, u32 offset) override {
    auto w = window_.lock();
    machine::port_out32(address_port, word(a, offset));
    return machine::port_in32(value_port);
  }
  void write(Address a, u32 offset, u32 value, unsigned size) override {
    auto w = window_.lock();
    machine::port_out32(address_port, word(a, offset));
    const auto port = static_cast<u16>(value_port + offset % 4);
    if (size == 1) machine::port_out8(port, static_cast<u8>(value));
    if (size == 2) machine::port_out16(port, static_cast<u16>(value));
    if (size == 4) machine::port_out32(port, value);
  }
};
constinit PortSpace ports;

/// 4 KiB of memory for each function; a bus is mapped when it is first asked for.
class MemorySpace final : public ConfigSpace {
  static constexpr u64 bus_size = mib;
  acpi::McfgWindow window_{};
  bool is_there_ = false;
  std::array<Atomic<byte*>, 256> buses_{};

  byte* bus(u8 n) {
    if (n < window_.first_bus || n > window_.last_bus) return nullptr;
    if (byte* const there = buses_[n].load_acquire()) return there;
    Result<mem::KernelRange*> range =
        mem::map_physical(ALLOC_SITE, window_.at + u64{n} * bus_size, bus_size,
                          mem::MapRights(mem::MapRight::write) | mem::MapRight::uncached);
    if (!range.ok()) return nullptr;
    mem::KernelRange* const fresh = range.take();
    byte* none = nullptr;
    if (buses_[n].cas_release(none, fresh->as<byte>(0))) return fresh->as<byte>(0);
    mem::unmap(fresh);
    return buses_[n].load_acquire();
  }
  static usize place(Address a, u32 offset) {
    return usize{a.device} << 15 | usize{a.function} << 12 | offset;
  }

 public:
  constexpr MemorySpace() = default;
  bool look() {
    acpi::visit_mcfg(firmware.mcfg, [&](const acpi::McfgWindow& w) {
      if (w.segment != 0 || w.first_bus != 0) return;
      window_ = w;
      is_there_ = true;
    });
    return is_there_;
  }
  u32 read(Address a, u32 offset) override {
    byte* const at = bus(a.bus);
    return at == nullptr ? ~u32{0} : Registers(at, bus_size).read<u32>(place(a, offset));
  }
  void write(Address a, u32 offset, u32 value, unsigned size) override {
    byte* const at = bus(a.bus);
    if (at == nullptr) return;
    const Registers r(at, bus_size);
    if (size == 1) r.write(place(a, offset), static_cast<u8>(value));
    if (size == 2) r.write(place(a, offset), static_cast<u16>(value));
    if (size == 4) r.write(place(a, offset), value);
  }
};
constinit MemorySpace memory;

}  // namespace

ConfigSpace* config_space() {
  if (ports.is_there()) return &ports;
  return memory.look() ? &memory : nullptr;
}

}  // namespace auk::bus::pci
