// The registers of user mode: what an entry saves on the stack, and what a switch saves besides.
//
// Data model: Registers lie at the top of the kernel stack of every thread with a user half, in the
// order of Linux's pt_regs. UserState holds what the kernel itself does not touch and therefore
// saves only when another thread runs: segments and vector registers.
// Context: save and load with interrupts off, on the thread's own CPU.
#pragma once
#include "base/types.hpp"
#include "machine/isa/segments.hpp"

namespace auk::machine {

struct Registers {
  u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
  /// Error code of an exception, minus one for interrupts, number of a system call.
  u64 orig_rax;
  u64 rip, cs, rflags, rsp, ss;

  bool from_user() const { return (cs & 3) != 0; }

  // The neutral face.
  u64 syscall_number() const { return orig_rax; }
  bool in_syscall() const { return static_cast<i64>(orig_rax) >= 0; }
  void leave_syscall() { orig_rax = ~u64{0}; }
  u64 argument(unsigned n) const {
    switch (n) {
      case 0: return rdi;
      case 1: return rsi;
      case 2: return rdx;
      case 3: return r10;
      case 4: return r8;
      default: return r9;
    }
  }
  u64 result() const { return rax; }
  void set_result(u64 v) { rax = v; }
  u64 instruction() const { return rip; }
  void set_instruction(u64 v) { rip = v; }
  u64 stack() const { return rsp; }
  void set_stack(u64 v) { rsp = v; }
  /// The system-call instruction runs again, with this number.
  void rewind_syscall(u64 number) {
    constexpr u64 instruction_size = 2;
    rax = number;
    rip -= instruction_size;
  }
};
static_assert(sizeof(Registers) == 21 * 8);

/// Registers of a program at its first instruction.
Registers fresh_registers(u64 instruction, u64 stack);

struct UserState {
  u64 fs_base = 0, gs_base = 0;
  Selectors selectors;
  void* vectors = nullptr;  ///< fpu::state_size() bytes
  bool is_loaded = false;   ///< the CPU holds the vector registers
  /// The last exception of the program, for signal frames.
  u64 trap_number = 0, trap_error = 0, trap_address = 0;

  void set_thread_pointer(u64 v) { set_fs_base(v); }
  /// A base of its own, not that of a segment.
  void set_fs_base(u64 v) {
    fs_base = v;
    selectors.fs = 0;
  }
  void set_gs_base(u64 v) {
    gs_base = v;
    selectors.gs = 0;
  }
};
void save_user_state(UserState& s);
/// All but the vector registers: these are loaded on the way to user mode.
void load_user_state(const UserState& s);
/// Puts the running thread's bases and selectors into the CPU after they were changed.
void reload_segments(const UserState& s);
/// The running thread's bases and selectors, into memory.
void sync_segments(UserState& s);
/// The running thread's, for another that begins. Context: any.
void copy_segments(UserState& to, UserState& running);
/// The running thread has no selectors any more: what they mean goes with its space. Context: any.
void forget_selectors(UserState& running);
void save_vectors(UserState& s);
void load_vectors(UserState& s);
/// `from`'s are in memory.
void copy_vectors(UserState& to, const UserState& from);
/// The state every program starts with.
void init_vectors(void* area);

}  // namespace auk::machine
