// Segments that a program chooses for itself: selectors in its registers, descriptors in its own
// table (LDT).
//
// Data model: a table of descriptors is memory of whoever loads it; this CPU's GDT says where it
// is. Between programs the data selectors of a CPU are null, so threads of the kernel never hold
// another's, and only programs that use segments pay for them.
// Context: interrupts off, so that the table stays what it is; this CPU.
// Source: Intel SDM volume 3, 3.4 (selectors and descriptors) and 5.8; IRET in volume 2.
#pragma once
#include <optional>
#include <span>

#include "base/types.hpp"

namespace auk::machine {

struct Registers;

/// What a program has in %ds, %es, %fs and %gs.
struct alignas(8) Selectors {
  u16 ds = 0, es = 0, fs = 0, gs = 0;
  bool any() const;
};

/// The program's, which may be anything it can load.
Selectors read_selectors();
/// Those of another time: what no longer names a segment of data becomes null. Changes the bases of
/// %fs and of the program's %gs.
void put_selectors(Selectors s);

/// The descriptors that selectors with their table bit name from now on; none: there are none. They
/// stay in memory until others are loaded.
void load_own_segments(std::span<const u64> descriptors);
/// The CPU remembers the descriptors behind %ds and %es: it looks again if they are the program's.
void reload_own_ds_es();

/// Whether a program can have its stack there.
bool is_stack_segment(u64 selector);

/// Why the CPU would not go to user mode with these registers: the exception that the attempt would
/// raise, in the kernel. The segments of every program pass, and those of its own that are code and
/// stack.
struct ReturnFault {
  u8 vector;
  u16 error;
};
std::optional<ReturnFault> return_fault(const Registers& r);

}  // namespace auk::machine
