// Finds PCI functions and their drivers, once at boot.
#include <array>

#include "base/text.hpp"
#include "bus/pci/function.hpp"
#include "core/init_graph.hpp"
#include "core/log.hpp"

namespace auk::bus::pci {

namespace {
constinit DriverList<Driver> drivers;
}  // namespace

void register_driver(Driver& d) {
  drivers.add(d);
  (void)subsystem().driver_place(d.name());
}

namespace {

/// Finds all functions from a root bus on. Buses behind bridges have higher numbers, so they are
/// looked at in their order, each once, whatever the bridges say.
class Scan {
  ConfigSpace& space_;
  std::array<Ref<Function>, 256> bridges_{};  ///< by the bus behind them

  Result<void> add(Address a, dev::Object& parent) {
    const Ref<Function> f = TRY(mem::make_ref<Function>(ALLOC_SITE, space_, a));
    std::array<char, 16> memory;
    Writer name(memory);
    format_to(name, "{:04x}:{:02x}:{:02x}.{}", a.segment, a.bus, a.device, a.function);
    TRY(f->attach(name.text(), &parent));
    if (f->header().is_bridge()) {
      f->header().enable();
      const u8 behind = f->header().secondary_bus();
      if (behind > a.bus && !bridges_[behind]) bridges_[behind] = f;
      return {};
    }
    Driver* const driver = drivers.find([&](const Driver& d) { return d.is_for(*f); });
    if (driver == nullptr) return {};
    f->header().enable();
    TRY(driver->probe(*f));
    return f->set_driver(driver->name());
  }
  void look(u8 number, dev::Object& parent) {
    constexpr u8 devices = 32, functions = 8;
    constexpr u32 nobody = 0xffff, type_word = 0xc, several_functions = 0x800000;
    for (u8 d = 0; d < devices; ++d)
      for (u8 f = 0; f < functions; ++f) {
        const Address a{0, number, d, f};
        if ((space_.read(a, 0) & nobody) == nobody) {
          if (f == 0) break;
          continue;
        }
        if (const Result<void> r = add(a, parent); !r.ok())
          core::log_err("pci {:04x}:{:02x}:{:02x}.{}: {}", a.segment, a.bus, a.device, a.function,
                        r.error());
        if (f == 0 && (space_.read(a, type_word) & several_functions) == 0) break;
      }
  }

 public:
  explicit Scan(ConfigSpace& space) : space_(space) {}
  ~Scan() = default;
  void run(dev::Object& top) {
    look(0, top);
    for (usize bus = 1; bus < bridges_.size(); ++bus)
      if (bridges_[bus]) look(static_cast<u8>(bus), *bridges_[bus]);
  }
};

void scan() {
  ConfigSpace* const space = config_space();
  if (space == nullptr) return;
  dev::Object* const top = dev::add_place(dev::devices_place(), "pci0000:00");
  if (top == nullptr) return;
  Result<mem::Box<Scan>> made = mem::Box<Scan>::make(ALLOC_SITE, *space);
  if (!made.ok()) return core::log_err("pci: no memory");
  made.take()->run(*top);
}
INIT_TASK(pci_scan, "pci_drivers virtio_drivers", "pci", scan);

}  // namespace
}  // namespace auk::bus::pci
