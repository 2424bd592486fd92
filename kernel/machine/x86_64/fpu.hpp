// Floating-point and vector state: what the CPU has, how large it is, saving and loading it.
//
// Data model: XSAVE in the standard format with every component of XCR0 that the kernel allows;
// CPUs without XSAVE use FXSAVE's 512 bytes. Context: set-up on each CPU; save and load with
// preemption off. Source: Intel SDM volume 1, chapter 13.
#pragma once
#include "base/types.hpp"

namespace auk::machine::fpu {

/// Allows the state components on this CPU; the first call fixes them for all.
void setup_this_cpu();
/// Bytes of one thread's state, 64-byte aligned.
u32 state_size();
u64 enabled_components();
/// `area` is state_size() bytes, 64-byte aligned.
void save(void* area);
void load(const void* area);

}  // namespace auk::machine::fpu
