// The frame a signal handler runs on, and the way back from it.
//
// Data model: from the top of the program's stack down: the vector registers as XSAVE lays them
// out, then restorer, ucontext and siginfo. Everything that comes back from the program is made
// harmless before the CPU sees it. Source: sigreturn(2), Linux's <asm/ucontext.h>,
// <asm/sigcontext.h>.
#include <algorithm>
#include <cstddef>

#include "base/math.hpp"
#include "core/preempt.hpp"
#include "entry/isa/user.hpp"
#include "generated/uapi/syscall_nr.hpp"
#include "machine/isa/fpu.hpp"
#include "machine/isa/x86.hpp"
#include "proc/exit.hpp"

namespace auk::entry {
namespace {

using proc::AltStack;
using proc::Task;
namespace fpu = machine::fpu;
namespace x86 = machine::x86;
namespace work = core::work;

struct SignalFrame {
  u64 restorer;
  uapi::ucontext context;
  uapi::siginfo info;
};
static_assert(sizeof(SignalFrame) == 440);

constexpr u32 magic_front = 0x46505853, magic_back = 0x46505845;
constexpr u64 uc_vectors = 1, uc_stack_segment = 2, uc_strict_stack_segment = 4;
constexpr usize red_zone = 128;
constexpr usize legacy_size = sizeof(uapi::fpstate);

usize vectors_size() {
  return fpu::state_size() + (fpu::enabled_components() != 0 ? sizeof(magic_back) : 0);
}

/// The saved vector registers, with the marks that tell programs what follows the legacy part.
Result<void> write_vectors(Task& me, UserAddr at) {
  const auto* const area = static_cast<const byte*>(me.user.vectors);
  constexpr usize marks = offsetof(uapi::fpstate, sw_reserved);
  TRY(core::write_user(at, area, marks));
  uapi::fpx_sw_bytes sw{};
  if (fpu::enabled_components() != 0) {
    sw.magic1 = magic_front;
    sw.extended_size = fpu::state_size() + sizeof(magic_back);
    sw.xfeatures = fpu::enabled_components();
    sw.xstate_size = fpu::state_size();
  }
  TRY(core::write_user(at + marks, &sw, sizeof(sw)));
  if (fpu::enabled_components() == 0) return {};
  TRY(core::write_user(at + legacy_size, area + legacy_size, fpu::state_size() - legacy_size));
  return core::write_user(at + fpu::state_size(), &magic_back, sizeof(magic_back));
}

void fill_context(const Task& me, const Frame& f, uapi::sigcontext& c) {
  c.r8 = f.r8;
  c.r9 = f.r9;
  c.r10 = f.r10;
  c.r11 = f.r11;
  c.r12 = f.r12;
  c.r13 = f.r13;
  c.r14 = f.r14;
  c.r15 = f.r15;
  c.rdi = f.rdi;
  c.rsi = f.rsi;
  c.rbp = f.rbp;
  c.rbx = f.rbx;
  c.rdx = f.rdx;
  c.rax = f.rax;
  c.rcx = f.rcx;
  c.rsp = f.rsp;
  c.rip = f.rip;
  c.eflags = f.rflags;
  c.cs = static_cast<u16>(f.cs);
  c.ss = static_cast<u16>(f.ss);
  c.err = me.user.trap_error;
  c.trapno = me.user.trap_number;
  c.cr2 = me.user.trap_address;
}

/// 64-bit code wants some stack segment, and does not care which.
void make_stack_valid(Frame& f) {
  const core::IrqOff irq_off;
  if (!machine::is_stack_segment(f.ss)) f.ss = x86::user_ds;
}

Result<void> write_frame(Task& me, Frame& f, const proc::Taken& t, u64 mask) {
  const bool switches = (t.action.flags & uapi::sa_onstack) != 0 && me.alt_stack.size != 0 &&
                        !me.alt_stack.holds(f.rsp);
  u64 sp = switches ? me.alt_stack.start + me.alt_stack.size : f.rsp - red_zone;
  sp = align_down(sp - vectors_size(), 64);
  const UserAddr vectors(sp);
  sp = align_down(sp - sizeof(SignalFrame), 16) - sizeof(u64);
  const UserAddr at(sp);
  // A handler that ran off its stack must not run on.
  const bool overflows = me.alt_stack.holds(f.rsp) && sp < me.alt_stack.start;
  if (overflows || !core::is_user_range(at, f.rsp > sp && !switches ? f.rsp - sp : 1))
    return Errno::efault;
  if ((t.action.flags & static_cast<u64>(uapi::sa_restorer)) == 0) return Errno::efault;

  SignalFrame frame{};
  frame.restorer = t.action.restorer;
  uapi::ucontext& uc = frame.context;
  uc.uc_flags = uc_stack_segment;
  if (f.cs == x86::user_cs) uc.uc_flags |= uc_strict_stack_segment;
  if (fpu::enabled_components() != 0) uc.uc_flags |= uc_vectors;
  uc.uc_stack = me.alt_stack.shown(f.rsp);
  fill_context(me, f, uc.uc_mcontext);
  uc.uc_mcontext.oldmask = mask;
  uc.uc_mcontext.fpstate_ptr = vectors.value;
  uc.uc_sigmask = mask;
  frame.info = t.info;
  TRY(write_vectors(me, vectors));
  TRY(core::write_user(at, &frame, sizeof(frame)));

  f.rdi = t.signal;
  f.rsi = sp + offsetof(SignalFrame, info);
  f.rdx = sp + offsetof(SignalFrame, context);
  f.rax = 0;
  f.rsp = sp;
  f.rip = t.action.handler;
  f.cs = x86::user_cs;
  make_stack_valid(f);
  f.rflags &= ~(x86::rflags::df | x86::rflags::rf | x86::rflags::tf);
  return {};
}

void enter_handler(Task& me, Frame& f, const proc::Taken& t, u64 mask) {
  me.save_vectors();
  if (!write_frame(me, f, t, mask).ok()) {
    // No room for the frame of a SIGSEGV handler either: the default action is left.
    if (t.signal == uapi::sigsegv) {
      auto actions = me.group->handlers->actions.lock();
      (*actions)[uapi::sigsegv - 1].handler = proc::handler_default;
    }
    proc::force_signal(me, proc::kernel_signal(uapi::sigsegv));
    return;
  }
  if ((me.alt_stack.flags & AltStack::auto_disarm) != 0) me.alt_stack = {};
  machine::init_vectors(me.user.vectors);
  u64 blocked = me.blocked | t.action.mask;
  if ((t.action.flags & uapi::sa_nodefer) == 0) blocked |= proc::set_of(t.signal);
  proc::set_blocked(me, blocked);
}

Errno cut_short_by(const Frame& f) {
  if (!f.in_syscall()) return {};
  const u64 code = -f.result();
  return code >= 512 && code <= 516 ? static_cast<Errno>(code) : Errno{};
}

void again(Frame& f, u64 number) {
  f.rewind_syscall(number);
  f.leave_syscall();
}

/// A handler runs: the call it cut short fails with EINTR, unless it is one that starts again.
void settle_call_before_handler(Frame& f, const proc::Taken& t) {
  const Errno why = cut_short_by(f);
  if (why == Errno{}) return;
  const bool restarts = (t.action.flags & uapi::sa_restart) != 0;
  if (why == restart::no_intr || (why == restart::sys && restarts))
    again(f, f.syscall_number());
  else
    f.set_result(-static_cast<u64>(Errno::eintr));
}

void settle_call(Frame& f) {
  const Errno why = cut_short_by(f);
  if (why == Errno{}) return;
  again(f, why == restart::block ? u64{uapi::nr::restart_syscall} : f.syscall_number());
}

/// What a program must not choose in the image of the vector registers.
void make_harmless(byte* area, u64 components) {
  auto& legacy = *reinterpret_cast<uapi::fpstate*>(area);
  constexpr u32 mxcsr_bits = 0xffff;
  legacy.mxcsr &= mxcsr_bits;
  if (fpu::enabled_components() == 0) return;
  uapi::xstate_header header{};
  header.xfeatures = components & fpu::enabled_components();
  std::copy_n(reinterpret_cast<const byte*>(&header), sizeof(header), area + legacy_size);
}

Result<void> read_vectors(Task& me, UserAddr from) {
  auto* const area = static_cast<byte*>(me.user.vectors);
  me.save_vectors();
  if (from.value == 0) {
    machine::init_vectors(area);
    return {};
  }
  constexpr u64 legacy_components = 3;
  u64 components = legacy_components;
  usize size = legacy_size;
  uapi::fpx_sw_bytes sw{};
  TRY(core::read_user(&sw, from + offsetof(uapi::fpstate, sw_reserved), sizeof(sw)));
  if (fpu::enabled_components() != 0 && sw.magic1 == magic_front &&
      sw.xstate_size >= legacy_size + sizeof(uapi::xstate_header) &&
      sw.xstate_size <= fpu::state_size() && sw.xstate_size <= sw.extended_size) {
    u32 back = 0;
    TRY(core::read_user(&back, from + sw.xstate_size, sizeof(back)));
    uapi::xstate_header header{};
    TRY(core::read_user(&header, from + legacy_size, sizeof(header)));
    if (back == magic_back) {
      components = header.xfeatures & sw.xfeatures;
      size = sw.xstate_size;
    }
  }
  if (const Result<void> r = core::read_user(area, from, size); !r.ok()) {
    machine::init_vectors(area);
    return r;
  }
  make_harmless(area, components);
  return {};
}

void take_context(Frame& f, const uapi::sigcontext& c) {
  f.r8 = c.r8;
  f.r9 = c.r9;
  f.r10 = c.r10;
  f.r11 = c.r11;
  f.r12 = c.r12;
  f.r13 = c.r13;
  f.r14 = c.r14;
  f.r15 = c.r15;
  f.rdi = c.rdi;
  f.rsi = c.rsi;
  f.rbp = c.rbp;
  f.rbx = c.rbx;
  f.rdx = c.rdx;
  f.rax = c.rax;
  f.rcx = c.rcx;
  f.rsp = c.rsp;
  f.rip = c.rip;
  f.rflags = (f.rflags & ~x86::rflags::of_programs) | (c.eflags & x86::rflags::of_programs);
  constexpr u64 of_programs = 3;
  f.cs = c.cs | of_programs;
  f.ss = c.ss | of_programs;
}

void take_alt_stack(Task& me, const uapi::stack_t& s) {
  const auto flags = static_cast<u32>(s.ss_flags);
  if ((flags & AltStack::on_stack) != 0 || me.alt_stack.holds(me.registers().rsp)) return;
  const bool off = (flags & AltStack::disabled) != 0;
  me.alt_stack = {.start = off ? 0 : s.ss_sp,
                  .size = off ? 0 : s.ss_size,
                  .flags = flags & (AltStack::disabled | AltStack::auto_disarm)};
}

Result<u64> restore(Task& me, Frame& f) {
  // The handler's return took the restorer off the stack.
  const UserAddr at(f.rsp - sizeof(u64) + offsetof(SignalFrame, context));
  uapi::ucontext uc{};
  TRY(core::read_user(&uc, at, sizeof(uc)));
  proc::set_blocked(me, uc.uc_sigmask);
  take_context(f, uc.uc_mcontext);
  if ((uc.uc_flags & uc_strict_stack_segment) == 0 && f.cs == x86::user_cs) make_stack_valid(f);
  TRY(read_vectors(me, UserAddr(uc.uc_mcontext.fpstate_ptr)));
  take_alt_stack(me, uc.uc_stack);
  return f.rax;
}

}  // namespace

void deliver_signals(Task& me, Frame& f) {
  proc::Taken taken;
  proc::take_signal(me, taken);
  const bool saved = (me.work_bits.load_relaxed() & work::restore_mask) != 0;
  if (saved) (void)me.work_bits.fetch_and_acq_rel(~work::restore_mask);
  if (taken.signal == 0) {
    settle_call(f);
    if (saved) proc::set_blocked(me, me.saved_mask);
    return;
  }
  settle_call_before_handler(f, taken);
  proc::restart_rseq(me, f);
  enter_handler(me, f, taken, saved ? me.saved_mask : me.blocked);
  // One handler at a time gets its frame; a second signal finds a fresh set of registers.
  f.leave_syscall();
}

Result<u64> return_from_handler(Task& me) {
  Frame& f = me.registers();
  Result<u64> r = restore(me, f);
  f.leave_syscall();
  if (!r.ok()) {
    proc::force_signal(me, proc::kernel_signal(uapi::sigsegv));
    return u64{0};
  }
  return r;
}

}  // namespace auk::entry
