// Interrupts that a device sends as a write to memory. See Intel SDM 3A, 11.11.
#pragma once
#include "base/types.hpp"

namespace auk::machine {

struct InterruptMessage {
  u64 address;
  u32 data;
};
/// For one CPU by its local APIC's number, of eight bits; an edge.
constexpr InterruptMessage interrupt_message(u32 apic_id, u8 vector) {
  constexpr u64 local_apics = 0xfee00000;
  constexpr unsigned id_shift = 12;
  return {local_apics | u64{apic_id & 0xff} << id_shift, vector};
}

}  // namespace auk::machine
