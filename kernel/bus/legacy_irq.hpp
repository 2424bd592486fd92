// Where the interrupts of the old PC arrive.
#pragma once
#include "irq/irq.hpp"

namespace auk::bus {

struct LegacyLine {
  u32 gsi;
  irq::Trigger trigger;
  irq::Polarity polarity;
};
/// A legacy interrupt (0 to 15) as a global one: through the overrides of the MADT, else unchanged.
LegacyLine legacy_line(u8 isa_irq);

}  // namespace auk::bus
