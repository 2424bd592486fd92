#include "entry/isa/traps.hpp"

#include <algorithm>
#include <span>

#include "base/annotations.hpp"
#include "base/bug.hpp"
#include "core/event_counts.hpp"
#include "core/log.hpp"
#include "core/oops.hpp"
#include "core/panic.hpp"
#include "core/rcu.hpp"
#include "core/smp_call.hpp"
#include "core/symbols.hpp"
#include "entry/isa/user.hpp"
#include "entry/oops.hpp"
#include "irq/irq.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/lapic.hpp"
#include "machine/isa/nofault.hpp"
#include "mem/vmalloc.hpp"
#include "sched/thread.hpp"
#include "time/timer.hpp"

extern "C" {
extern const auk::BugEntry __ld_bug_table[], __ld_bug_table_end[];
extern const auk::i32 __ld_kcfi_traps[], __ld_kcfi_traps_end[];
struct ExceptionRow {
  auk::i32 instruction, fixup;
};
extern const ExceptionRow __ld_ex_table[], __ld_ex_table_end[];
void exception_entry(auk::entry::Frame* frame, unsigned vector);
void interrupt_entry(auk::entry::Frame* frame, unsigned vector);
void interrupt_preempt();
}

namespace auk::entry {
namespace {

template <class T> uptr self_relative(const T& offset) {
  return reinterpret_cast<uptr>(&offset) + static_cast<uptr>(static_cast<isize>(offset));
}

constexpr std::array<std::string_view, 32> exception_names{"divide error",
                                                           "debug",
                                                           "NMI",
                                                           "int3",
                                                           "overflow",
                                                           "bounds",
                                                           "invalid opcode",
                                                           "device not available",
                                                           "double fault",
                                                           "coprocessor segment overrun",
                                                           "invalid TSS",
                                                           "segment not present",
                                                           "stack segment",
                                                           "general protection fault",
                                                           "page fault",
                                                           "unknown exception",
                                                           "fpu exception",
                                                           "alignment check",
                                                           "machine check",
                                                           "simd exception",
                                                           "virtualization exception",
                                                           "control protection exception"};

/// The checks clang compiles into `ud1` with their number as operand.
std::string_view trap_name(u8 number) {
  constexpr std::array<std::string_view, 25> names{"addition overflow",
                                                   "unreachable code",
                                                   "CFI: bad virtual call",
                                                   "division overflow",
                                                   "dynamic type",
                                                   "float cast overflow",
                                                   "function type mismatch",
                                                   "implicit conversion",
                                                   "invalid builtin argument",
                                                   "cast",
                                                   "invalid value",
                                                   "missing return",
                                                   "multiplication overflow",
                                                   "negation overflow",
                                                   "null argument",
                                                   "null return",
                                                   "null argument",
                                                   "null return",
                                                   "array index out of bounds",
                                                   "pointer overflow",
                                                   "shift out of bounds",
                                                   "subtraction overflow",
                                                   "null pointer or misaligned access",
                                                   "alignment assumption",
                                                   "variable length array bound"};
  return number < names.size() ? names[number] : "unknown check";
}

std::array<u8, 5> code_at(uptr address) {
  std::array<u8, 5> bytes{};
  for (usize i = 0; i < bytes.size(); ++i)
    bytes[i] = machine::try_read_byte(address + i).value_or(0);
  return bytes;
}

void report_warning(const Frame& f, const BugEntry& bug) {
  std::array<char, 160> text;
  Writer where(text);
  core::write_symbol(where, f.rip);
  core::log_warn("WARNING: CPU: {} at {}:{} {}: {}", core::this_cpu(),
                 reinterpret_cast<const char*>(self_relative(bug.file)), bug.line, where.text(),
                 reinterpret_cast<const char*>(self_relative(bug.expression)));
  dump_stack(f.rip, f.rbp);
  core::note_warning();
}

void invalid_opcode(Frame& f) {
  constexpr u8 escape = 0x0f, ud2 = 0x0b, ud1 = 0xb9, address_size = 0x67;
  const auto code = code_at(f.rip);
  if (code[0] == escape && code[1] == ud2) {
    for (const BugEntry& bug : std::span(__ld_bug_table, __ld_bug_table_end)) {
      if (self_relative(bug.pc) != f.rip) continue;
      if (bug.kind == BugKind::warning) {
        report_warning(f, bug);
        f.rip += 2;
        return;
      }
      core::log_emerg("kernel BUG at {}:{}!",
                      reinterpret_cast<const char*>(self_relative(bug.file)), bug.line);
      core::log_emerg("{}", reinterpret_cast<const char*>(self_relative(bug.expression)));
      oops(f, "Oops: invalid opcode", 0);
    }
    for (const i32& trap : std::span(__ld_kcfi_traps, __ld_kcfi_traps_end)) {
      if (self_relative(trap) != f.rip) continue;
      std::array<char, 160> text;
      Writer where(text);
      core::write_symbol(where, f.rip);
      core::log_emerg("CFI failure at {} (indirect call of a function of another type)",
                      where.text());
      oops(f, "Oops: invalid opcode", 0);
    }
    core::log_emerg("kernel BUG: a precondition of the standard library failed");
  } else if (code[0] == address_size && code[1] == escape && code[2] == ud1) {
    // The number is the displacement of the operand; 0 is encoded without one.
    constexpr u8 no_displacement = 0x00;
    core::log_emerg("UBSAN: {}", trap_name(code[3] == no_displacement ? u8{0} : code[4]));
  }
  oops(f, "Oops: invalid opcode", 0);
}

const ExceptionRow* find_fix_up(const Frame& f) {
  const std::span<const ExceptionRow> rows(__ld_ex_table, __ld_ex_table_end);
  const auto row =
      std::lower_bound(rows.begin(), rows.end(), f.rip, [](const ExceptionRow& r, uptr rip) {
        return self_relative(r.instruction) < rip;
      });
  if (row == rows.end() || self_relative(row->instruction) != f.rip) return nullptr;
  return &*row;
}

bool has_fix_up(const Frame& f) { return find_fix_up(f) != nullptr; }

bool fix_up(Frame& f) {
  const ExceptionRow* const row = find_fix_up(f);
  if (row == nullptr) return false;
  f.rip = self_relative(row->fixup);
  return true;
}

void page_fault(Frame& f) {
  constexpr u64 protection = 1, write = 2, user = 4, fetch = 16;
  const uptr address = machine::x86::read_cr2();
  const u64 code = f.orig_rax;
  if (has_fix_up(f) && handle_user_copy_fault(f, address, code)) return;
  if (fix_up(f)) return;
  if (mem::is_guard_page(VirtAddr(address)))
    core::log_emerg("BUG: stack guard page was hit at {:016x}", u64{address});
  else if (address < page_size)
    core::log_emerg("BUG: kernel NULL pointer dereference, address: {:016x}", u64{address});
  else if ((code & fetch) != 0 && (code & protection) != 0)
    core::log_emerg("kernel tried to execute {}-protected page - exploit attempt?",
                    mem::layout::is_kernel_address(VirtAddr(address)) ? "NX" : "SMEP");
  else
    core::log_emerg("BUG: unable to handle page fault for address: {:016x}", u64{address});
  core::log_emerg("#PF: {} {} in kernel mode", (code & user) != 0 ? "user" : "supervisor",
                  (code & fetch) != 0   ? "instruction fetch"
                  : (code & write) != 0 ? "write access"
                                        : "read access");
  core::log_emerg("#PF: error_code({:#06x}) - {}", code,
                  (code & protection) != 0 ? "permissions violation" : "not-present page");
  oops(f, "Oops", code);
}

void double_fault(Frame& f) {
  const uptr address = machine::x86::read_cr2();
  if (mem::is_guard_page(VirtAddr(address)) || mem::is_guard_page(VirtAddr(f.rsp - 8)))
    core::log_emerg("BUG: stack guard page was hit at {:016x}", u64{address});
  core::log_emerg("traps: PANIC: double fault, error_code: {:#x}", f.orig_rax);
  dump_frame(f);
  core::panic("Machine halted: double fault.");
}

void nmi(Frame& f) {
  // The panicking CPU stops the others this way.
  if (core::is_panicking()) machine::halt_forever();
  core::log_emerg("Uhhuh. NMI received for unknown reason 00 on CPU {}.", core::this_cpu());
  core::log_emerg("Dazed and confused, but trying to continue");
  (void)f;
}

}  // namespace

}  // namespace auk::entry

using namespace auk;
using namespace auk::entry;

void exception_entry(Frame* frame, unsigned vector) {
  Frame& f = *frame;
  const bool is_machines =
      vector == vector::nmi || vector == vector::double_fault || vector == vector::machine_check;
  if (f.from_user() && !is_machines) return user_exception(f, vector);
  switch (vector) {
    case vector::nmi: return nmi(f);
    case vector::invalid_opcode: return invalid_opcode(f);
    case vector::page_fault: return page_fault(f);
    case vector::double_fault: return double_fault(f);
    case vector::general_protection:
      if (fix_up(f)) return;
      core::log_emerg("general protection fault, probably for non-canonical address");
      oops(f, "Oops: general protection fault", f.orig_rax);
    case vector::machine_check: core::panic("Fatal machine check");
    default: oops(f, exception_names[vector % exception_names.size()], f.orig_rax);
  }
}

void interrupt_entry(Frame* frame, unsigned vector) {
  if (vector == vector::spurious) return;
  core::rcu_idle_ends(core::Pinned::assume());
  if (vector <= vector::device_last) {
    core::device_interrupts.add(1);
    irq::dispatch(vector);
    // Only now: a line that stays up until its device is asked would come a second time.
    return machine::lapic::end_of_interrupt();
  }
  machine::lapic::end_of_interrupt();
  switch (vector) {
    case vector::reschedule: core::reschedule_interrupts.add(1); return sched::note_reschedule();
    case vector::timer:
      core::timer_interrupts.add(1);
      core::interrupted_program.write(frame->from_user() ? 1 : 0);
      return time::handle_timer_interrupt();
    case vector::cross_call: core::call_interrupts.add(1); return core::handle_cross_call();
    default: return irq::dispatch(vector);
  }
}

// Behind an interrupt that wants another thread to run, on the interrupted thread's own stack.
void interrupt_preempt() { core::preempt_now_irqs_off(); }
