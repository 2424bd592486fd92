// What a tracer reads and writes.
// Linux: <linux/types.h>, <linux/ptrace.h>, <asm/ptrace.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

// The register set of NT_PRSTATUS and PTRACE_GETREGS.  Linux does not export the type: its first
// part is the exported pt_regs (checked below), the last six are as in every libc.
struct user_regs_struct {  //= -
  std::uint64_t r15;
  std::uint64_t r14;
  std::uint64_t r13;
  std::uint64_t r12;
  std::uint64_t rbp;
  std::uint64_t rbx;
  std::uint64_t r11;
  std::uint64_t r10;
  std::uint64_t r9;
  std::uint64_t r8;
  std::uint64_t rax;
  std::uint64_t rcx;
  std::uint64_t rdx;
  std::uint64_t rsi;
  std::uint64_t rdi;
  std::uint64_t orig_rax;
  std::uint64_t rip;
  std::uint64_t cs;
  std::uint64_t eflags;
  std::uint64_t rsp;
  std::uint64_t ss;
  std::uint64_t fs_base;
  std::uint64_t gs_base;
  std::uint64_t ds;
  std::uint64_t es;
  std::uint64_t fs;
  std::uint64_t gs;
};
static_assert(sizeof(user_regs_struct) == 216);
static_assert(std::has_unique_object_representations_v<user_regs_struct>);

struct pt_regs {
  std::uint64_t r15;
  std::uint64_t r14;
  std::uint64_t r13;
  std::uint64_t r12;
  std::uint64_t rbp;
  std::uint64_t rbx;
  std::uint64_t r11;
  std::uint64_t r10;
  std::uint64_t r9;
  std::uint64_t r8;
  std::uint64_t rax;
  std::uint64_t rcx;
  std::uint64_t rdx;
  std::uint64_t rsi;
  std::uint64_t rdi;
  std::uint64_t orig_rax;
  std::uint64_t rip;
  std::uint64_t cs;
  std::uint64_t eflags;
  std::uint64_t rsp;
  std::uint64_t ss;
};
static_assert(sizeof(pt_regs) == 168);

struct ptrace_peeksiginfo_args {
  std::uint64_t off;
  std::uint32_t flags;
  std::int32_t nr;
};
static_assert(std::has_unique_object_representations_v<ptrace_peeksiginfo_args>);

struct ptrace_syscall_info {
  std::uint8_t op;
  std::uint8_t pad[3];
  std::uint32_t arch;
  std::uint64_t instruction_pointer;
  std::uint64_t stack_pointer;
  union {
    struct {
      std::uint64_t nr;
      std::uint64_t args[6];
    } entry;
    struct {
      std::int64_t rval;
      std::uint8_t is_error;
      std::uint8_t pad[7];  //= -
    } exit;
    struct {
      std::uint64_t nr;
      std::uint64_t args[6];
      std::uint32_t ret_data;
      std::uint32_t pad;  //= -
    } seccomp;
  } call;  //= .
};
static_assert(sizeof(ptrace_syscall_info) == 88);

struct ptrace_rseq_configuration {
  std::uint64_t rseq_abi_pointer;
  std::uint32_t rseq_abi_size;
  std::uint32_t signature;
  std::uint32_t flags;
  std::uint32_t pad;
};
static_assert(std::has_unique_object_representations_v<ptrace_rseq_configuration>);

}  // namespace uapi
