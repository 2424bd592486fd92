#include "bus/legacy_irq.hpp"

#include "bus/firmware.hpp"

namespace auk::bus {

LegacyLine legacy_line(u8 isa_irq) {
  LegacyLine line{isa_irq, irq::Trigger::edge, irq::Polarity::high};
  acpi::visit_madt(firmware.madt, [&](const acpi::MadtOverride& o) {
    if (o.source != isa_irq) return;
    line.gsi = o.gsi;
    if (o.wiring.trigger == acpi::Trigger::level) line.trigger = irq::Trigger::level;
    if (o.wiring.polarity == acpi::Polarity::low) line.polarity = irq::Polarity::low;
  });
  return line;
}

}  // namespace auk::bus
