#include "machine/isa/fpu.hpp"

#include "base/annotations.hpp"
#include "machine/isa/pinned.hpp"
#include "machine/isa/x86.hpp"

namespace auk::machine::fpu {
namespace {

constexpr u64 x87 = 1, sse = 2, avx = 4, opmask = 0x20, zmm_high = 0x40, zmm_upper = 0x80,
              protection_keys = 0x200;
constexpr u64 wanted = x87 | sse | avx | opmask | zmm_high | zmm_upper | protection_keys;
constexpr u32 fxsave_size = 512;
constexpr u32 cpuid_xsave = 1U << 26;

AUK_RO_AFTER_INIT constinit u64 components = 0;
AUK_RO_AFTER_INIT constinit u32 size = fxsave_size;

}  // namespace

void setup_this_cpu() {
  write_pinned_cr0((x86::read_cr0() & ~(x86::cr0::em | x86::cr0::ts)) | x86::cr0::mp |
                   x86::cr0::ne);
  u64 cr4 = x86::read_cr4() | x86::cr4::osfxsr | x86::cr4::osxmmexcpt;
  const bool has_xsave = (x86::cpuid(1).c & cpuid_xsave) != 0;
  if (has_xsave) cr4 |= x86::cr4::osxsave;
  write_pinned_cr4(cr4);
  if (has_xsave) {
    if (components == 0) {
      const auto leaf = x86::cpuid(0xd, 0);
      components = ((u64{leaf.d} << 32) | leaf.a) & wanted;
    }
    x86::xsetbv(0, components);
    size = x86::cpuid(0xd, 0).b;
  }
  asm volatile("fninit");
}

u32 state_size() { return size; }
u64 enabled_components() { return components; }

void save(void* area) {
  if (components != 0)
    asm volatile("xsave64 (%0)" ::"r"(area), "a"(static_cast<u32>(components)),
                 "d"(static_cast<u32>(components >> 32))
                 : "memory");
  else
    asm volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

void load(const void* area) {
  if (components != 0)
    asm volatile("xrstor64 (%0)" ::"r"(area), "a"(static_cast<u32>(components)),
                 "d"(static_cast<u32>(components >> 32))
                 : "memory");
  else
    asm volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

}  // namespace auk::machine::fpu
