// Descriptor tables, interrupt stacks and protections of each CPU.
#include <algorithm>
#include <span>

#include "base/annotations.hpp"
#include "core/log.hpp"
#include "core/panic.hpp"
#include "entry/isa/traps.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/desc.hpp"
#include "machine/isa/fpu.hpp"
#include "machine/isa/pinned.hpp"
#include "mem/address.hpp"
#include "mem/box.hpp"
#include "mem/vmalloc.hpp"

extern "C" {
AUK_PER_CPU auk::core::PerCpu<auk::u64> irq_stack_top;
/// Where entries from user mode start to push, and a place for the program's stack pointer.
AUK_PER_CPU auk::core::PerCpu<auk::u64> kernel_stack_top;
AUK_PER_CPU auk::core::PerCpu<auk::u64> user_stack_pointer;
extern const auk::byte entry_stubs[], syscall_entry[], syscall_entry32[];
/// A row of the patch table, laid out by the assembly macros.
struct PatchRow {
  auk::i32 site;
  auk::u8 feature;
  auk::u8 size;
  auk::byte bytes[6];
};
extern const PatchRow __ld_patch_table[], __ld_patch_table_end[];
extern auk::byte __ld_text_start[], __ld_text_end[];
}

namespace auk::entry {
namespace {

using machine::CpuTables;
using machine::IdtEntry;
using machine::IstIndex;
namespace x86 = machine::x86;

constexpr usize vectors = 256;
constexpr usize stub_size = 16;
constexpr usize ist_stack_size = 8 * kib;

AUK_RO_AFTER_INIT alignas(page_size) constinit std::array<IdtEntry, vectors> idt{};
constinit CpuTables boot_tables;
AUK_PER_CPU core::PerCpu<CpuTables*> cpu_tables;

enum class PatchFeature : u8 { smap = 1 };

IstIndex ist_of(unsigned v) {
  switch (v) {
    case vector::double_fault: return IstIndex::double_fault;
    case vector::nmi: return IstIndex::nmi;
    case vector::machine_check: return IstIndex::machine_check;
    case vector::debug: return IstIndex::debug;
    default: return IstIndex::none;
  }
}

void fill_idt(bool with_stacks) {
  for (unsigned v = 0; v < vectors; ++v) {
    const bool for_user = v == vector::breakpoint || v == vector::overflow;
    // The stub of a stack's vector takes %gs from the top of that stack: without stacks it must not
    // be used, so these vectors stay empty until the stacks exist.
    const IstIndex ist = ist_of(v);
    if (!with_stacks && ist != IstIndex::none) continue;
    idt[v] =
        IdtEntry::gate(reinterpret_cast<uptr>(entry_stubs) + v * stub_size, ist, for_user ? 3 : 0);
  }
}

void load_idt() {
  const x86::TableRegister idtr{sizeof(idt) - 1, reinterpret_cast<u64>(idt.data())};
  x86::lidt(idtr);
}

/// Loads the GDT without losing %gs.
AUK_NO_STACK_PROTECTOR void load_tables(CpuTables& tables, uptr percpu_offset) {
  machine::load_cpu_tables(tables, core::this_cpu().value);
  machine::set_percpu_offset(percpu_offset);
}

void setup_system_calls() {
  namespace msr = x86::msr;
  namespace flag = x86::rflags;
  // SYSRET takes the selectors behind this one.
  x86::wrmsr(msr::star, (u64{x86::user_cs32} << 48) | (u64{x86::kernel_cs} << 32));
  x86::wrmsr(msr::lstar, reinterpret_cast<u64>(syscall_entry));
  x86::wrmsr(msr::cstar, reinterpret_cast<u64>(syscall_entry32));
  // SYSENTER is a fault, whatever another kernel left behind.
  x86::wrmsr(msr::sysenter_cs, 0);
  x86::wrmsr(msr::fmask,
             flag::tf | flag::interrupt | flag::df | flag::io_privilege | flag::nt | flag::ac);
  x86::wrmsr(msr::efer, x86::rdmsr(msr::efer) | x86::efer::sce);
}

bool has_feature(PatchFeature f) {
  switch (f) {
    case PatchFeature::smap: return (x86::cpuid(7).b & (1U << 20)) != 0;
  }
  return false;
}

}  // namespace

void setup_early_traps() {
  fill_idt(false);
  load_tables(boot_tables, core::this_cpu_offset.read());
  load_idt();
}

Result<void> prepare_cpu(CpuId cpu) {
  CpuTables* tables = &boot_tables;
  if (cpu.value != 0) {
    // 64-byte alignment comes from the size class.
    tables = ::new (TRY(mem::allocate(ALLOC_SITE, 256))) CpuTables;
    static_assert(sizeof(CpuTables) <= 256);
  }
  for (usize i = 0; i < machine::ist_count; ++i) {
    mem::KernelRange* const stack = TRY(mem::allocate_stack(ist_stack_size));
    // The paranoid path finds this CPU's %gs base right above the frame it pushes.
    u64* const top = stack->as<u64>(ist_stack_size - 16);
    *top = core::percpu_offsets[cpu.value];
    tables->tss.ist[i] = reinterpret_cast<u64>(top);
  }
  mem::KernelRange* const irq = TRY(mem::allocate_stack());
  irq_stack_top.on(cpu) = reinterpret_cast<u64>(irq->as<byte>(irq->size()));
  cpu_tables.on(cpu) = tables;
  return {};
}

void load_prepared_cpu() {
  load_tables(*cpu_tables.read(), core::this_cpu_offset.read());
  load_idt();
  setup_system_calls();
}

void set_user_entry_stack(u64 top) {
  kernel_stack_top.write(top);
  cpu_tables.read()->tss.rsp[0] = top;
}

Result<void> setup_cpu_traps() {
  TRY(prepare_cpu(CpuId(0)));
  fill_idt(true);
  load_prepared_cpu();
  return {};
}

void setup_cpu_features() {
  machine::setup_protections();
  machine::fpu::setup_this_cpu();
}

void apply_patches() {
  const std::span<const PatchRow> rows(__ld_patch_table, __ld_patch_table_end);
  const PhysAddr text(reinterpret_cast<uptr>(__ld_text_start) - mem::image_delta);
  const usize size = static_cast<usize>(__ld_text_end - __ld_text_start);
  // Text has no writable mapping; an alias exists only while the patches are written.
  Result<mem::KernelRange*> alias = mem::map_physical(ALLOC_SITE, text, size, mem::MapRight::write);
  if (!alias.ok()) core::panic("Out of memory while patching the kernel text");
  mem::KernelRange* const window = alias.take();
  for (const PatchRow& row : rows) {
    if (!has_feature(static_cast<PatchFeature>(row.feature))) continue;
    const uptr site = reinterpret_cast<uptr>(&row.site) + static_cast<uptr>(isize{row.site});
    const usize offset = site - reinterpret_cast<uptr>(__ld_text_start);
    std::copy_n(std::begin(row.bytes), row.size,
                window->as<byte>((text.value & page_mask) + offset));
  }
  mem::unmap(window);
}

}  // namespace auk::entry
