// The last way to reset an x86 machine.
#pragma once
#include "machine/isa/x86.hpp"

namespace auk::machine {

/// An exception without any table to handle it: the CPU shuts down and the platform resets.
[[noreturn]] inline void triple_fault() {
  const x86::TableRegister none{0, 0};
  x86::lidt(none);
  for (;;) asm volatile("int3");
}

}  // namespace auk::machine
