// What programs are told about the CPU in their auxiliary vector.
#pragma once
#include <string_view>

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
/// AT_MINSIGSTKSZ: the largest signal frame, as Linux counts it.
inline u64 signal_frame_size() {
  constexpr u64 frame = 440 + 128 + 64 + 8;
  return frame + machine::fpu::state_size() + 4 + 200;
}

}  // namespace auk::proc::hardware
