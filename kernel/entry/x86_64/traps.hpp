// Exceptions, interrupts and the per-CPU tables that bring them here.
//
// Data model: one IDT for all CPUs, read-only after boot; per CPU a GDT, a TSS, four interrupt
// stacks for exceptions that may come anywhere and one for device interrupts, all with guard pages.
// Context: set-up on each CPU before it enables interrupts.
// Differences from Linux: no entry trampoline mapped in user space (PTI) yet; the CPU entry area is
// reserved for it.
#pragma once
#include "base/result.hpp"
#include "core/percpu.hpp"
#include "entry/isa/frame.hpp"

namespace auk::entry {

/// The IDT and the boot CPU's tables, without interrupt stacks: good enough to report an error.
void setup_early_traps();
/// Guarded stacks and final tables for the running CPU. ENOMEM.
Result<void> setup_cpu_traps();
/// Loads tables prepared for this CPU by prepare_cpu(): for CPUs that cannot allocate yet.
Result<void> prepare_cpu(CpuId cpu);
void load_prepared_cpu();

/// Turns on the protections this CPU has and pins them: WP, NX, SMEP, SMAP, UMIP, FSGSBASE, FPU.
void setup_cpu_features();
/// Entries from user mode push onto the stack that ends here. Interrupts off.
void set_user_entry_stack(u64 top);

/// Puts the instructions behind patch sites into the text, for the features all CPUs share.
void apply_patches();

}  // namespace auk::entry
