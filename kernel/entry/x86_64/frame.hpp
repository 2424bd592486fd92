// What every entry into the kernel leaves on the stack: the interrupted registers; and the numbers
// of the interrupt vectors.
#pragma once
#include "machine/isa/registers.hpp"

namespace auk::entry {

using Frame = machine::Registers;

namespace vector {
inline constexpr unsigned divide_error = 0, debug = 1, nmi = 2, breakpoint = 3, overflow = 4,
                          bounds = 5, invalid_opcode = 6, device_not_available = 7,
                          double_fault = 8, invalid_tss = 10, segment_not_present = 11,
                          stack_segment = 12, general_protection = 13, page_fault = 14,
                          fpu_error = 16, alignment_check = 17, machine_check = 18, simd_error = 19,
                          virtualization = 20, control_protection = 21;
inline constexpr unsigned first_interrupt = 32;
// Vectors the kernel uses for itself; devices get what lies between.
inline constexpr unsigned spurious = 0xff, cross_call = 0xfe, timer = 0xfd, reschedule = 0xfc;
inline constexpr unsigned legacy_first = 0x30, device_first = 0x40, device_last = 0xef;
}  // namespace vector

}  // namespace auk::entry
