#include "entry/oops.hpp"

#include <algorithm>

#include "core/log.hpp"
#include "core/oops.hpp"
#include "core/percpu.hpp"
#include "core/preempt.hpp"
#include "core/symbols.hpp"
#include "core/thread_core.hpp"
#include "entry/isa/traps.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/nofault.hpp"

namespace auk::entry {
namespace {

constexpr usize max_frames = 32;

void log_symbol(std::string_view prefix, uptr address) {
  std::array<char, 160> text;
  Writer out(text);
  out.put(prefix);
  core::write_symbol(out, address);
  core::log_line(core::Level::emerg, out.text());
}

}  // namespace

void dump_stack(uptr pc, uptr frame_pointer) {
  core::log_emerg("Call Trace:");
  log_symbol(" ", pc);
  // A record is {caller's record, return address}; records lie ever higher on one stack, and a walk
  // that leaves the kernel half or goes down again has met something that is no record.
  for (usize n = 0; n < max_frames && (frame_pointer >> 47) == 0x1ffff && frame_pointer % 8 == 0;
       ++n) {
    const auto up = machine::try_read(frame_pointer);
    const auto address = machine::try_read(frame_pointer + 8);
    if (!up || !address || !core::is_kernel_text(*address)) break;
    // The call stands before the return address, possibly at the very end of its function.
    log_symbol(" ", *address - 1);
    if (*up <= frame_pointer) break;
    frame_pointer = *up;
  }
}

void dump_frame(const Frame& f) {
  std::array<char, 64> id;
  const core::ThreadCore* const thread = core::current_core();
  core::log_emerg("CPU: {} PID: 0 Comm: {} Build-ID: {}", core::this_cpu(),
                  thread != nullptr ? thread->name() : "swapper", core::build_id(id));
  std::array<char, 160> text;
  Writer rip(text);
  core::write_symbol(rip, f.rip);
  core::log_emerg("RIP: {:04x}:{}", f.cs, rip.text());
  Writer code(text);
  for (int i = -16; i < 24; ++i) {
    const auto b = machine::try_read_byte(f.rip + static_cast<u64>(static_cast<i64>(i)));
    if (!b)
      code.put(" ??");
    else if (i == 0)
      format_to(code, " <{:02x}>", *b);
    else
      format_to(code, " {:02x}", *b);
  }
  core::log_emerg("Code:{}", code.text());
  core::log_emerg("RSP: {:04x}:{:016x} EFLAGS: {:08x} ORIG_RAX: {:016x}", f.ss, f.rsp, f.rflags,
                  f.orig_rax);
  core::log_emerg("RAX: {:016x} RBX: {:016x} RCX: {:016x}", f.rax, f.rbx, f.rcx);
  core::log_emerg("RDX: {:016x} RSI: {:016x} RDI: {:016x}", f.rdx, f.rsi, f.rdi);
  core::log_emerg("RBP: {:016x} R08: {:016x} R09: {:016x}", f.rbp, f.r8, f.r9);
  core::log_emerg("R10: {:016x} R11: {:016x} R12: {:016x}", f.r10, f.r11, f.r12);
  core::log_emerg("R13: {:016x} R14: {:016x} R15: {:016x}", f.r13, f.r14, f.r15);
  core::log_emerg("CR0: {:016x} CR2: {:016x} CR3: {:016x} CR4: {:016x}", machine::x86::read_cr0(),
                  machine::x86::read_cr2(), machine::x86::read_cr3(), machine::x86::read_cr4());
  dump_stack(f.rip, f.rbp);
}

void oops(const Frame& frame, std::string_view what, u64 error_code) {
  // An error inside the report of an error: the stack is not to be trusted any more.
  if (core::is_panicking()) machine::halt_forever();
  const u64 number = core::begin_oops();
  core::log_emerg("{}: {:04x} [#{}] SMP", what, error_code & 0xffff, number);
  dump_frame(frame);
  core::log_emerg("---[ end trace {:016x} ]---", number);
  core::end_oops(core::in_interrupt());
}

}  // namespace auk::entry
