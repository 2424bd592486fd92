// Changing to another stack for good.
#pragma once
#include "base/types.hpp"

extern "C" [[noreturn]] void auk_switch_stack_and_call(auk::uptr top, void (*function)());

namespace auk::machine {

/// Runs `function` on the stack that ends at `top`; what stood on the old one is never seen again.
[[noreturn]] inline void switch_stack_and_call(VirtAddr top, void (*function)()) {
  auk_switch_stack_and_call(top.value, function);
}

}  // namespace auk::machine
