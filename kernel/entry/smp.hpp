// Bringing up the other CPUs.
//
// Data model: logical numbers are given in the order of the firmware's list, the boot CPU first.
// Context: boot CPU, once, after memory, tables and calibration.
// Differences from Linux: all CPUs are up before init; a CPU that does not answer within a second
// is reported and left out.
#pragma once
#include "base/result.hpp"
#include "base/types.hpp"

namespace auk::entry {

/// One page below 1 MiB and four below 4 GiB, for start-up code and its page tables. Call before
/// the page allocator takes over the boot memory.
struct TrampolinePages {
  PhysAddr code;
  PhysAddr tables;  ///< four pages
};

/// The local APIC of the boot CPU; the way to send cross-CPU calls.
void setup_local_apic();
/// Starts every CPU of the firmware's list, up to `maxcpus=`.
void start_secondary_cpus(const TrampolinePages& pages);
/// Gives core::panic() the means to stop the other CPUs.
void setup_panic_support();
}  // namespace auk::entry
