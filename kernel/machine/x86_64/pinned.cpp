#include "machine/isa/pinned.hpp"

#include "base/annotations.hpp"
#include "machine/isa/x86.hpp"

namespace auk::machine {
namespace {

constexpr u64 protections = x86::cr4::smep | x86::cr4::smap | x86::cr4::umip | x86::cr4::fsgsbase;
AUK_RO_AFTER_INIT constinit u64 pinned_cr4 = 0;

}  // namespace

void write_pinned_cr4(u64 v) {
  x86::write_cr4(v);
  if ((v & pinned_cr4) != pinned_cr4) x86::write_cr4(v | pinned_cr4);
}

void write_pinned_cr0(u64 v) {
  x86::write_cr0(v);
  if ((v & x86::cr0::wp) == 0) x86::write_cr0(v | x86::cr0::wp);
}

void setup_protections() {
  u64 v = x86::read_cr4() | x86::cr4::pae | x86::cr4::pge | x86::cr4::mce;
  const auto leaf7 = x86::cpuid(0).a >= 7 ? x86::cpuid(7) : x86::CpuidRegs{};
  if ((leaf7.b & (1U << 0)) != 0) v |= x86::cr4::fsgsbase;
  if ((leaf7.b & (1U << 7)) != 0) v |= x86::cr4::smep;
  if ((leaf7.b & (1U << 20)) != 0) v |= x86::cr4::smap;
  if ((leaf7.c & (1U << 2)) != 0) v |= x86::cr4::umip;
  x86::write_cr4(v);
  if (pinned_cr4 == 0) pinned_cr4 = v & protections;
  write_pinned_cr0(x86::cr0::pe | x86::cr0::mp | x86::cr0::et | x86::cr0::ne | x86::cr0::wp |
                   x86::cr0::am | x86::cr0::pg);
  x86::wrmsr(x86::msr::efer, x86::rdmsr(x86::msr::efer) | x86::efer::nxe | x86::efer::sce);
}

}  // namespace auk::machine
