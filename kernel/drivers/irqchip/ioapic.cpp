#include "drivers/irqchip/ioapic.hpp"

#include "bus/firmware.hpp"
#include "core/log.hpp"
#include "mem/box.hpp"
#include "mem/vmalloc.hpp"

namespace auk::drivers::irqchip {
namespace {

class IoApic final : public irq::Controller {
  volatile u32* registers_;
  irq::ControllerRange range_;

  // Two registers make up the window: which register, and its value. Each access is a pair, so the
  // chip has a lock of its own.
  core::Guarded<core::level::irq_chip, u32, core::SpinIrqOff> window_;
  static constexpr u32 reg_version = 1, first_entry = 0x10;
  static constexpr u32 masked = 1U << 16, level = 1U << 15, active_low = 1U << 13;

  u32 read(u32 reg) {
    auto w = window_.lock();
    registers_[0] = reg;
    return registers_[4];
  }
  void write(u32 reg, u32 v) {
    auto w = window_.lock();
    registers_[0] = reg;
    registers_[4] = v;
  }

 public:
  explicit IoApic(volatile u32* registers) : registers_(registers) {}

  void setup(u32 first_gsi) {
    range_.controller = this;
    range_.first = first_gsi;
    range_.count = ((read(reg_version) >> 16) & 0xff) + 1;
    for (u32 i = 0; i < range_.count; ++i) mask(i);
    irq::add_controller(range_);
  }
  u32 inputs() const { return range_.count; }

  void connect(u32 input, irq::Route route, irq::Trigger trigger, irq::Polarity polarity) override {
    write(first_entry + 2 * input + 1, irq::address_of(route.cpu) << 24);
    write(first_entry + 2 * input, u32{route.vector} |
                                       (trigger == irq::Trigger::level ? level : 0) |
                                       (polarity == irq::Polarity::low ? active_low : 0));
  }
  std::string_view name() const override { return "IO-APIC"; }
  void mask(u32 input) override { write(first_entry + 2 * input, masked); }
};

void add(u8 id, PhysAddr at, u32 first_gsi) {
  Result<mem::KernelRange*> window = mem::map_physical(
      ALLOC_SITE, at, 0x20, mem::MapRights(mem::MapRight::write) | mem::MapRight::uncached);
  if (!window.ok()) return core::log_err("IOAPIC {}: {}", id, window.error());
  auto* registers = window.take()->as<volatile u32>(at.value & page_mask);
  Result<mem::Box<IoApic>> chip = mem::Box<IoApic>::make(ALLOC_SITE, registers);
  if (!chip.ok()) return core::log_err("IOAPIC {}: {}", id, chip.error());
  IoApic* const forever = chip.take().release();
  forever->setup(first_gsi);
  core::log_info("IOAPIC {}: address {}, GSI {}-{}", id, at, first_gsi,
                 first_gsi + forever->inputs() - 1);
}

}  // namespace

void setup_io_apics() {
  const auto& fw = bus::firmware;
  if (!fw.madt.empty()) {
    bus::acpi::visit_madt(fw.madt,
                          [](const bus::acpi::MadtIoApic& a) { add(a.id, a.at, a.first_gsi); });
  } else if (fw.mp) {
    // The MP table knows no global numbers: chips follow one another, 24 inputs each.
    u32 first = 0;
    bus::visit_mp_table(*fw.mp, [&](const bus::MpIoApic& a) {
      if (!a.enabled) return;
      add(a.id, a.at, first);
      first += 24;
    });
  }
}

}  // namespace auk::drivers::irqchip
