// What programs are told about the CPU in their auxiliary vector.
#pragma once
#include <string_view>

#include "base/math.hpp"
#include "machine/isa/fpu.hpp"
#include "machine/isa/x86.hpp"

namespace auk::proc::hardware {

inline constexpr u16 elf_machine = 62;
inline constexpr std::string_view platform = "x86_64";
/// AT_HWCAP: the EDX of CPUID leaf 1.
inline u64 capabilities() { return machine::x86::cpuid(1).d; }
/// AT_HWCAP2: bit 1, FSGSBASE works in user mode.
inline u64 capabilities2() {
  return (machine::x86::read_cr4() & machine::x86::cr4::fsgsbase) != 0 ? 2 : 0;
}
/// AT_MINSIGSTKSZ: the largest signal frame with all its padding, by Linux's sum.
inline u64 signal_frame_size() {
  constexpr u64 frame = 440, frame_padding = 15, vectors_padding = 63, end_mark = 4;
  return align_up(frame + frame_padding + machine::fpu::state_size() + end_mark + vectors_padding,
                  u64{16});
}

}  // namespace auk::proc::hardware
