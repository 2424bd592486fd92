// Exceptions of programs: page faults are mended, the rest become signals.
// Source: Intel SDM volume 3, chapter 6; sigaction(2) for codes and addresses.
#include "core/event_counts.hpp"
#include "core/log.hpp"
#include "entry/isa/user.hpp"
#include "generated/uapi/resource.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/fpu.hpp"
#include "machine/isa/x86.hpp"
#include "proc/exit.hpp"
#include "proc/oom.hpp"
#include "proc/usage.hpp"

namespace auk::entry {
namespace {

using proc::Task;
using vm::Access;
using vm::FaultResult;

namespace fault_bit {
constexpr u64 write = 2, fetch = 16;
}

struct Trap {
  int signal, code;
  std::string_view name;
};

Access access_of(u64 code) {
  if ((code & fault_bit::fetch) != 0) return Access::execute;
  return (code & fault_bit::write) != 0 ? Access::write : Access::read;
}

FaultResult mend(Task& me, u64 address, u64 code, vm::FaultBy by) {
  FaultResult r = me.space->fault(UserAddr(address), access_of(code), by);
  if (r == FaultResult::no_mapping &&
      me.space->grow_stack(UserAddr(address), proc::memory_allowance(me)))
    r = me.space->fault(UserAddr(address), access_of(code), by);
  if (r == FaultResult::done) {
    me.faults.store_relaxed(me.faults.load_relaxed() + 1);
    core::fault_count.add(1);
  }
  return r;
}

uapi::siginfo fault_signal(int signal, int code, u64 address) {
  uapi::siginfo info{};
  info.signo = signal;
  info.code = code;
  info.fields.fault.addr = address;
  return info;
}

bool is_handled(Task& me, int signal) {
  return me.group->handlers->get(static_cast<u32>(signal)).handler > proc::handler_ignore;
}

void note_trap(Task& me, unsigned vector, u64 code, u64 address) {
  me.user.trap_number = vector;
  me.user.trap_error = code;
  me.user.trap_address = address;
}

/// Whether a fault that found no memory may find some later. One who came to share a space that is
/// being emptied goes with it.
bool may_take_again(const Task& me) { return !me.space->is_dying() && !proc::oom::is_hopeless(); }

void program_page_fault(Task& me, const Frame& f, u64 address, u64 code) {
  FaultResult r = FaultResult::no_mapping;
  if (address < core::user_end) r = mend(me, address, code, vm::FaultBy::program);
  int signal = uapi::sigsegv, why = uapi::segv_maperr;
  switch (r) {
    case FaultResult::done: return;
    case FaultResult::no_mapping: break;
    case FaultResult::no_permission: why = uapi::segv_accerr; break;
    case FaultResult::no_page:
    case FaultResult::unanswered:
      signal = uapi::sigbus;
      why = uapi::bus_adrerr;
      break;
    case FaultResult::no_memory:
      // Doomed already: the way back to user mode ends it.
      if (me.has_work(sched::Interruptible::fatal) || may_take_again(me)) return;
      core::log_warn("{}[{}]: out of memory in a page fault", me.name(), me.pid->number());
      proc::exit_group(me, uapi::sigkill);
  }
  note_trap(me, vector::page_fault, code, address);
  if (signal == uapi::sigsegv && !is_handled(me, signal))
    core::log_info("{}[{}]: segfault at {:x} ip {:016x} sp {:016x} error {:x}", me.name(),
                   me.pid->number(), address, f.rip, f.rsp, code);
  proc::force_signal(me, fault_signal(signal, why, address));
}

/// Which of the unmasked exceptions it was: bits 0 to 5 are invalid, denormal, division by zero,
/// overflow, underflow, precision.
int float_code(u32 status, u32 masks) {
  const u32 raised = status & ~masks;
  if ((raised & 1) != 0) return uapi::fpe_fltinv;
  if ((raised & 4) != 0) return uapi::fpe_fltdiv;
  if ((raised & 8) != 0) return uapi::fpe_fltovf;
  if ((raised & 0x12) != 0) return uapi::fpe_fltund;
  return (raised & 0x20) != 0 ? uapi::fpe_fltres : 0;
}

int float_code_of(Task& me, unsigned vector) {
  me.save_vectors();
  const auto& image = *static_cast<const uapi::fpstate*>(me.user.vectors);
  constexpr u32 mask_shift = 7;
  if (vector == vector::simd_error) return float_code(image.mxcsr, image.mxcsr >> mask_shift);
  return float_code(image.swd, image.cwd);
}

Trap trap_of(Task& me, unsigned vector) {
  switch (vector) {
    case vector::divide_error: return {uapi::sigfpe, uapi::fpe_intdiv, "divide error"};
    case vector::debug: return {uapi::sigtrap, uapi::trap_trace, ""};
    case vector::breakpoint: return {uapi::sigtrap, uapi::si_kernel, ""};
    case vector::overflow: return {uapi::sigsegv, uapi::si_kernel, "overflow"};
    case vector::bounds: return {uapi::sigsegv, uapi::si_kernel, "bounds"};
    case vector::invalid_opcode: return {uapi::sigill, uapi::ill_illopn, "invalid opcode"};
    case vector::fpu_error:
    case vector::simd_error: return {uapi::sigfpe, float_code_of(me, vector), "fpu exception"};
    case vector::alignment_check: return {uapi::sigbus, uapi::bus_adraln, "alignment check"};
    case vector::segment_not_present: return {uapi::sigbus, uapi::si_kernel, "segment not present"};
    case vector::stack_segment: return {uapi::sigbus, uapi::si_kernel, "stack segment"};
    default: return {uapi::sigsegv, uapi::si_kernel, "general protection fault"};
  }
}

/// The instruction is what the signal points at, for those that have a code of their own.
bool shows_instruction(const Trap& t) { return t.code > 0 && t.code != uapi::si_kernel; }

void program_trap(Task& me, const Frame& f, unsigned vector) {
  const Trap t = trap_of(me, vector);
  const u64 error = f.in_syscall() ? f.orig_rax : 0;
  note_trap(me, vector, error, me.user.trap_address);
  if (!t.name.empty() && !is_handled(me, t.signal))
    core::log_info("traps: {}[{}] trap {} ip:{:x} sp:{:x} error:{:x}", me.name(), me.pid->number(),
                   t.name, f.rip, f.rsp, error);
  proc::force_signal(me, fault_signal(t.signal, t.code, shows_instruction(t) ? f.rip : 0));
}

}  // namespace

void user_exception(Frame& f, unsigned vector) {
  const u64 address = machine::x86::read_cr2();
  const u64 code = f.orig_rax;
  Task& me = proc::current();
  machine::irq_enable();
  if (vector == vector::page_fault)
    program_page_fault(me, f, address, code);
  else
    program_trap(me, f, vector);
  // Not a system call, whatever the CPU pushed.
  f.leave_syscall();
  machine::irq_disable();
}

bool handle_user_copy_fault(const Frame& f, u64 address, u64 code) {
  const bool may_sleep = (f.rflags & machine::x86::rflags::interrupt) != 0 &&
                         (core::preempt_count.read() & ~core::no_attention_wanted) == 0;
  if (!may_sleep || address >= core::user_end || core::current_core() == nullptr ||
      !sched::current().is_user())
    return false;
  Task& me = proc::current();
  if (!me.space) return false;
  machine::irq_enable();
  const FaultResult r = mend(me, address, code, vm::FaultBy::kernel);
  machine::irq_disable();
  // No memory at this moment is no bad address.
  if (r == FaultResult::no_memory)
    return !me.has_work(sched::Interruptible::fatal) && may_take_again(me);
  return r == FaultResult::done;
}

}  // namespace auk::entry
