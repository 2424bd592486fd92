// The pair of 8259 interrupt controllers: moved out of the way of exceptions and silenced.
//
// Context: boot CPU, before interrupts are enabled.
// Source: Intel 8259A data sheet. Machines without the chips ignore the writes.
#pragma once

namespace auk::drivers::irqchip {

void silence_legacy_pics();

}  // namespace auk::drivers::irqchip
