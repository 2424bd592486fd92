#include "machine/isa/registers.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/fpu.hpp"
#include "machine/isa/x86.hpp"

namespace auk::machine {

Registers fresh_registers(u64 instruction, u64 stack) {
  Registers r{};
  r.orig_rax = ~u64{0};
  r.rip = instruction;
  r.cs = x86::user_cs;
  r.rflags = x86::rflags::interrupt | x86::rflags::fixed;
  r.rsp = stack;
  r.ss = x86::user_ds;
  return r;
}

namespace {

void load_bases(const UserState& s) {
  x86::wrmsr(x86::msr::fs_base, s.fs_base);
  x86::wrmsr(x86::msr::kernel_gs_base, s.gs_base);
}

/// The way to user mode by SYSRET leaves %ss as it is on CPUs of AMD's, but for the selector; an
/// interrupt has made it null. Code of 32 bits could not push.
void mend_stack_segment() {
  u16 ss = 0;
  asm volatile("movw %%ss, %0" : "=m"(ss));
  if (ss != x86::kernel_ds) asm volatile("movl %0, %%ss" ::"r"(u32{x86::kernel_ds}));
}

}  // namespace

void sync_segments(UserState& s) {
  s.fs_base = x86::rdmsr(x86::msr::fs_base);
  // The program's %gs waits in the other register while the kernel runs.
  s.gs_base = x86::rdmsr(x86::msr::kernel_gs_base);
  s.selectors = read_selectors();
}

void reload_segments(const UserState& s) {
  // First: bases come with them.
  put_selectors(s.selectors);
  load_bases(s);
}

void copy_segments(UserState& to, UserState& running) {
  const IrqFlags flags = irq_save();
  sync_segments(running);
  irq_restore(flags);
  to.fs_base = running.fs_base;
  to.gs_base = running.gs_base;
  to.selectors = running.selectors;
}

void forget_selectors(UserState& running) {
  const IrqFlags flags = irq_save();
  if (read_selectors().any()) put_selectors({});
  running.selectors = {};
  irq_restore(flags);
}

void save_vectors(UserState& s) {
  if (!s.is_loaded) return;
  fpu::save(s.vectors);
  s.is_loaded = false;
}

void load_vectors(UserState& s) {
  if (s.is_loaded) return;
  fpu::load(s.vectors);
  s.is_loaded = true;
}

void copy_vectors(UserState& to, const UserState& from) {
  std::copy_n(static_cast<const byte*>(from.vectors), fpu::state_size(),
              static_cast<byte*>(to.vectors));
}

void save_user_state(UserState& s) {
  sync_segments(s);
  if (s.selectors.any()) put_selectors({});
  save_vectors(s);
}

void load_user_state(const UserState& s) {
  if (s.selectors.any()) put_selectors(s.selectors);
  load_bases(s);
  mend_stack_segment();
}

void init_vectors(void* area) {
  // FCW 0x37f and MXCSR 0x1f80; an XSTATE_BV of x87 and SSE makes the rest start from zero.
  auto* const bytes = static_cast<byte*>(area);
  fill_bytes({bytes, fpu::state_size()});
  bytes[0] = 0x7f;
  bytes[1] = 0x03;
  bytes[24] = 0x80;
  bytes[25] = 0x1f;
  constexpr usize header = 512;
  if (fpu::enabled_components() != 0) bytes[header] = 3;
}

}  // namespace auk::machine
