// Calling the constructors that instrumentation puts into .init_array.
#pragma once
#include "base/types.hpp"

namespace auk::machine {

/// The array holds addresses of functions without parameters. They carry no CFI type, so they are
/// called the way assembly calls.
inline void run_constructors(const byte* const* first, const byte* const* last) {
  for (; first < last; ++first)
    asm volatile("call *%0" ::"r"(*first)
                 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
}

}  // namespace auk::machine
