// I/O APICs: the controllers of wired interrupts on PCs.
//
// Data model: one object per chip of the firmware's tables; an ISA interrupt number becomes a
// global one through the overrides of the MADT. Context: set-up on the boot CPU; connect() and
// mask() under the descriptor's lock. Source: Intel 82093AA data sheet; MADT: ACPI 6.5, 5.2.12.
#pragma once
#include "irq/irq.hpp"

namespace auk::drivers::irqchip {

/// Finds and masks every I/O APIC of the firmware's tables.
void setup_io_apics();

}  // namespace auk::drivers::irqchip
