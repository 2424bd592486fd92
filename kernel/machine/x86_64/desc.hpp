// Descriptor tables of one CPU: GDT, TSS, IDT entries.
//
// Source: Intel SDM volume 3, chapters 3 (descriptors), 6 (gates) and 8 (64-bit TSS).
#pragma once
#include <array>

#include "base/types.hpp"
#include "machine/isa/x86.hpp"

namespace auk::machine {

/// Which interrupt stack a gate switches to; 0 stays on the current one.
enum class IstIndex : u8 { none = 0, double_fault = 1, nmi = 2, machine_check = 3, debug = 4 };
inline constexpr usize ist_count = 4;

struct [[gnu::packed]] Tss {
  u32 reserved0 = 0;
  std::array<u64, 3> rsp{};
  u64 reserved1 = 0;
  std::array<u64, 7> ist{};
  u64 reserved2 = 0;
  u16 reserved3 = 0;
  u16 io_map = 104;
};
static_assert(sizeof(Tss) == 104);

struct alignas(64) CpuTables {
  std::array<u64, 13> gdt{};
  Tss tss{};
};

struct IdtEntry {
  u64 low = 0;
  u64 high = 0;

  static constexpr u64 interrupt_gate = 0xe;
  static IdtEntry gate(uptr handler, IstIndex ist, unsigned privilege) {
    return {(handler & 0xffff) | (u64{x86::kernel_cs} << 16) | (static_cast<u64>(ist) << 32) |
                (interrupt_gate << 40) | (u64{privilege} << 45) | (u64{1} << 47) |
                ((handler & 0xffff0000) << 32),
            handler >> 32};
  }
};
static_assert(sizeof(IdtEntry) == 16);

/// Fills the GDT and loads GDT, segment registers and task register. The kernel's %gs base must be
/// written again afterwards: loading the selector clears it. `cpu` becomes the limit of a segment
/// where programs read it; behind it is room for a program's own table (segments.hpp).
void load_cpu_tables(CpuTables& tables, u32 cpu);

}  // namespace auk::machine
