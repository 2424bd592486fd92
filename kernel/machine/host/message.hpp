// Interrupts that a device sends as a write to memory: on the host, to nowhere.
#pragma once
#include "base/types.hpp"

namespace auk::machine {

struct InterruptMessage {
  u64 address;
  u32 data;
};
constexpr InterruptMessage interrupt_message(u32 cpu, u8 vector) { return {cpu, vector}; }

}  // namespace auk::machine
