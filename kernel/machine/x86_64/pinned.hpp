// Control-register bits that protect the kernel and that nothing may clear again.
//
// Data model: masks fixed by the boot CPU when it turns the protections on.
// Context: any. A write that lacks a pinned bit (an attacker's jump into the middle of a function
// that writes the register) gets it back right after the instruction.
#pragma once
#include "base/types.hpp"

namespace auk::machine {

/// Turns on the protections this CPU has; the first call fixes what is pinned on all CPUs.
void setup_protections();
void write_pinned_cr4(u64 v);
void write_pinned_cr0(u64 v);

}  // namespace auk::machine
