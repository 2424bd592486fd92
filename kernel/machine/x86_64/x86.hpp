// x86-64 registers and instructions. Only ISA folders include this header.
//
// Context: any; each function is one instruction or a handful.
// Source: Intel SDM volumes 2 and 3, AMD APM volume 2.
#pragma once
#include <array>

#include "base/types.hpp"

namespace auk::machine::x86 {

namespace cr0 {
inline constexpr u64 pe = 1U << 0, mp = 1U << 1, em = 1U << 2, ts = 1U << 3, et = 1U << 4,
                     ne = 1U << 5, wp = 1U << 16, am = 1U << 18, pg = 1U << 31;
}
namespace cr4 {
inline constexpr u64 pae = 1U << 5, mce = 1U << 6, pge = 1U << 7, osfxsr = 1U << 9,
                     osxmmexcpt = 1U << 10, umip = 1U << 11, la57 = 1U << 12, fsgsbase = 1U << 16,
                     pcide = 1U << 17, osxsave = 1U << 18, smep = 1U << 20, smap = 1U << 21;
}
namespace msr {
inline constexpr u32 apic_base = 0x1b, tsc_deadline = 0x6e0, efer = 0xc0000080, star = 0xc0000081,
                     lstar = 0xc0000082, cstar = 0xc0000083, fmask = 0xc0000084,
                     sysenter_cs = 0x174, fs_base = 0xc0000100, gs_base = 0xc0000101,
                     kernel_gs_base = 0xc0000102, x2apic_first = 0x800, pat = 0x277;
}
namespace efer {
inline constexpr u64 sce = 1U << 0, lme = 1U << 8, lma = 1U << 10, nxe = 1U << 11;
}
namespace rflags {
inline constexpr u64 fixed = 1U << 1, tf = 1U << 8, interrupt = 1U << 9, df = 1U << 10,
                     io_privilege = 3U << 12, nt = 1U << 14, rf = 1U << 16, ac = 1U << 18;
/// What a program may change: the arithmetic flags, TF, DF, RF, AC.
inline constexpr u64 of_programs = 0x0cd5 | tf | rf | ac;
}  // namespace rflags

// Segment selectors of the GDT every CPU loads (desc.hpp). The order serves SYSRET.
inline constexpr u16 kernel_cs = 0x10, kernel_ds = 0x18, user_cs32 = 0x23, user_ds = 0x2b,
                     user_cs = 0x33, tss_selector = 0x40, own_table_selector = 0x58;

struct CpuidRegs {
  u32 a, b, c, d;
};
inline CpuidRegs cpuid(u32 leaf, u32 sub = 0) {
  CpuidRegs r;
  asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
  return r;
}

/// A leaf that the CPU may not have: zeros then.
inline CpuidRegs leaf(u32 number, u32 sub = 0) {
  constexpr u32 kind = 0x80000000;
  return number > cpuid(number & kind).a ? CpuidRegs{} : cpuid(number, sub);
}

inline u64 rdmsr(u32 index) {
  u32 lo, hi;
  asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(index));
  return (u64{hi} << 32) | lo;
}
inline void wrmsr(u32 index, u64 v) {
  asm volatile("wrmsr" ::"c"(index), "a"(static_cast<u32>(v)), "d"(static_cast<u32>(v >> 32))
               : "memory");
}

#define AUK_CONTROL_REGISTER(name)                                                                 \
  inline u64 read_##name() {                                                                       \
    u64 v;                                                                                         \
    asm volatile("mov %%" #name ", %0" : "=r"(v));                                                 \
    return v;                                                                                      \
  }                                                                                                \
  inline void write_##name(u64 v) { asm volatile("mov %0, %%" #name ::"r"(v) : "memory"); }
AUK_CONTROL_REGISTER(cr0)
AUK_CONTROL_REGISTER(cr2)
AUK_CONTROL_REGISTER(cr3)
AUK_CONTROL_REGISTER(cr4)
AUK_CONTROL_REGISTER(dr6)
AUK_CONTROL_REGISTER(dr7)
#undef AUK_CONTROL_REGISTER

inline u64 read_rflags() {
  u64 v;
  asm volatile("pushfq; popq %0" : "=r"(v));
  return v;
}
inline void xsetbv(u32 index, u64 v) {
  asm volatile("xsetbv" ::"c"(index), "a"(static_cast<u32>(v)), "d"(static_cast<u32>(v >> 32)));
}
inline void invlpg(uptr va) { asm volatile("invlpg (%0)" ::"r"(va) : "memory"); }
inline u64 rdtsc() {
  u32 lo, hi;
  asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
  return (u64{hi} << 32) | lo;
}
/// False when the instruction had no number ready.
inline bool rdrand(u64& v) {
  bool ok;
  asm volatile("rdrand %0" : "=r"(v), "=@ccc"(ok));
  return ok;
}

struct [[gnu::packed]] TableRegister {
  u16 limit;
  u64 base;
};
inline void lgdt(const TableRegister& r) { asm volatile("lgdt %0" ::"m"(r)); }
inline void lidt(const TableRegister& r) { asm volatile("lidt %0" ::"m"(r)); }
inline void lldt(u16 selector) { asm volatile("lldt %0" ::"r"(selector) : "memory"); }
inline void ltr(u16 selector) { asm volatile("ltr %0" ::"r"(selector)); }

}  // namespace auk::machine::x86
