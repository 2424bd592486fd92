// Changing from one stack to another inside a host process: the same face as on x86-64.
//
// Context: as there. The simulation changes between CPUs with it as well.
#pragma once
#include "base/types.hpp"

extern "C" {
/// Saves the callee-saved registers on the current stack and its pointer in `*save`, continues on
/// the stack `load`. Returns, on the new stack, `carry`: what the old side handed over. The host's
/// stack protector has one canary for all threads.
void* auk_switch_context(auk::u64* save, auk::u64 load, void* carry, auk::u64 canary);
/// Where a new thread comes to life: calls the function in %rbx with what the old side handed over.
void auk_thread_start();
}

namespace auk::machine {

/// Builds the frame auk_switch_context() expects at the top of a fresh stack; returns its pointer.
inline u64 prepare_stack(VirtAddr top, void (*first)(void*)) {
  // r15 r14 r13 r12 rbx rbp, return address, and a null frame record above for debuggers.
  u64* sp = reinterpret_cast<u64*>(top.value) - 10;
  for (int i = 0; i < 10; ++i) sp[i] = 0;
  sp[4] = reinterpret_cast<u64>(first);
  sp[6] = reinterpret_cast<u64>(&auk_thread_start);
  return reinterpret_cast<u64>(sp);
}

}  // namespace auk::machine
