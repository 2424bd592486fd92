// The local APIC: interrupts between CPUs, end of interrupt, start of other CPUs.
//
// Data model: x2APIC (MSRs) where the CPU has it, else the memory window, mapped once at boot.
// Context: end_of_interrupt() and send_*() any; set-up on each CPU with interrupts off.
// Source: Intel SDM volume 3, chapter 10.
#pragma once
#include "base/types.hpp"

namespace auk::machine::lapic {

enum class Mode : u8 { absent, memory, x2apic };

/// What this CPU offers.
bool has_x2apic();
PhysAddr window();
/// Chooses the mode; `registers` is the mapped window, unused for x2APIC.
void setup(Mode mode, volatile u32* registers);
Mode mode();

/// Enables this CPU's APIC: all local sources masked, spurious vector set.
void enable_on_this_cpu(u8 spurious_vector);
u32 id();
void end_of_interrupt();
/// One interrupt after `ticks` of this CPU's timer; 0 stops it.
void start_timer(u8 vector, u32 ticks);
u32 timer_left();
void send_vector(u32 apic_id, u8 vector);
void send_nmi(u32 apic_id);
void send_init(u32 apic_id);
/// `page`: physical address / 4096 of the start-up code, below 1 MiB.
void send_startup(u32 apic_id, u8 page);

}  // namespace auk::machine::lapic
