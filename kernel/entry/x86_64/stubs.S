// Entry stubs of exceptions and interrupts.
//
// One 16-byte stub per vector pushes a filler where the CPU gives no error code, then the vector,
// and jumps to one of three paths:
//   exception_path  the current kernel stack (or the thread's, from user mode)
//   paranoid_path   an interrupt stack of its own (NMI, double fault, machine check, debug): may come
//                   anywhere, so %gs is taken from the top of the stack and put back afterwards
//   interrupt_path  device interrupts, on the CPU's interrupt stack
// Handlers get a pointer to entry::Frame and the vector.

// auk::core::preempt_count and auk::core::interrupt_depth
#define preempt_count _ZN3auk4core13preempt_countE
#define interrupt_depth _ZN3auk4core15interrupt_depthE

#define FRAME_SIZE (21 * 8)
#define CS_IN_FRAME (17 * 8)
#define MSR_GS_BASE 0xc0000101
#define USER_CS 0x33
#define USER_DS 0x2b
#define ENOSYS 38

// CLAC where the CPU has SMAP: a patch site that starts as a no-op.
#define PATCH_SMAP 1
.macro clac_if_smap
661:
  .byte 0x0f, 0x1f, 0x00
  .pushsection patch_table, "a", @progbits
  .long 661b - .
  .byte PATCH_SMAP, 3
  .byte 0x0f, 0x01, 0xca, 0x90, 0x90, 0x90
  .popsection
.endm

// On the stack: vector, error code, rip, cs, ... The vector's slot becomes the saved %rdi; the
// vector ends in %esi, the frame's address in %rdi. %rbp stays, so that the unwinder can go on.
.macro save_registers
  pushq %rsi
  pushq %rdx
  pushq %rcx
  pushq %rax
  pushq %r8
  pushq %r9
  pushq %r10
  pushq %r11
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movl %edi, %esi
  movq %rsp, %rdi
  // Nothing a program chose stays in registers that speculation could use.
  xorl %edx, %edx
  xorl %ecx, %ecx
  xorl %eax, %eax
  xorl %r8d, %r8d
  xorl %r9d, %r9d
  xorl %r10d, %r10d
  xorl %r11d, %r11d
  xorl %ebx, %ebx
  xorl %r12d, %r12d
  xorl %r13d, %r13d
  xorl %r14d, %r14d
  xorl %r15d, %r15d
.endm

.macro pop_registers
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  popq %r11
  popq %r10
  popq %r9
  popq %r8
  popq %rax
  popq %rcx
  popq %rdx
  popq %rsi
  popq %rdi
.endm

  .section .entry.text, "ax"

  .balign 64
  .type exception_path, @function
exception_path:
  cld
  clac_if_smap
  xchgq %rdi, (%rsp)
  testb $3, 24(%rsp)
  jz 1f
  swapgs
1:
  save_registers
  call exception_entry
  jmp return_path

  .balign 16
  .type interrupt_path, @function
interrupt_path:
  cld
  clac_if_smap
  xchgq %rdi, (%rsp)
  testb $3, 24(%rsp)
  jz 1f
  swapgs
1:
  save_registers
  // A nested interrupt is on the interrupt stack already.
  incl %gs:interrupt_depth(%rip)
  cmpl $1, %gs:interrupt_depth(%rip)
  jne 2f
  movq %rsp, %rbx
  movq %gs:irq_stack_top(%rip), %rax
  testq %rax, %rax
  jz 2f
  movq %rax, %rsp
  call interrupt_entry
  movq %rbx, %rsp
  jmp 3f
2:
  call interrupt_entry
3:
  decl %gs:interrupt_depth(%rip)
  jnz return_path
  // Count zero and top bit clear: preemption is on and another thread is due.
  cmpl $0, %gs:preempt_count(%rip)
  jne return_path
  call interrupt_preempt
  jmp return_path

  .globl return_path
  .type return_path, @function
return_path:
  testb $3, CS_IN_FRAME(%rsp)
  jz 1f
  movq %rsp, %rdi
  call return_to_user
user_return:
  swapgs
1:
  pop_registers
  addq $8, %rsp
  iretq

  .balign 16
  .type paranoid_path, @function
paranoid_path:
  cld
  clac_if_smap
  xchgq %rdi, (%rsp)
  testb $3, 24(%rsp)
  jnz paranoid_from_user
  save_registers
  // rbx keeps the interrupted %gs base; the kernel's stands right above the frame.
  movl $MSR_GS_BASE, %ecx
  rdmsr
  shlq $32, %rdx
  movl %eax, %ebx
  orq %rdx, %rbx
  movq FRAME_SIZE(%rsp), %rax
  movq %rax, %rdx
  shrq $32, %rdx
  wrmsr
  call exception_entry
  movq %rbx, %rdx
  movl %ebx, %eax
  shrq $32, %rdx
  movl $MSR_GS_BASE, %ecx
  wrmsr
  pop_registers
  addq $8, %rsp
  iretq

// From user mode nothing is in the way: on to the thread's own stack, so that the handler may sleep
// and this stack is free for the next one.
paranoid_from_user:
  swapgs
  save_registers
  movl %esi, %ebx
  movq %rsp, %rsi
  movq %gs:kernel_stack_top(%rip), %rdi
  subq $FRAME_SIZE, %rdi
  movq %rdi, %rsp
  movl $(FRAME_SIZE / 8), %ecx
  rep movsq
  movq %rsp, %rdi
  movl %ebx, %esi
  xorl %ebx, %ebx
  call exception_entry
  jmp return_path

// System calls. The CPU leaves the program's stack pointer in place and its instruction pointer and
// flags in %rcx and %r11; interrupts are off.
  .balign 64
  .globl syscall_entry
  .type syscall_entry, @function
syscall_entry:
  swapgs
  movq %rsp, %gs:user_stack_pointer(%rip)
  movq %gs:kernel_stack_top(%rip), %rsp
  pushq $USER_DS
  pushq %gs:user_stack_pointer(%rip)
  pushq %r11
  pushq $USER_CS
  pushq %rcx
  pushq %rax
  pushq %rdi
  pushq %rsi
  pushq %rdx
  pushq %rcx
  pushq $-ENOSYS
  pushq %r8
  pushq %r9
  pushq %r10
  pushq %r11
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, %rdi
  xorl %ebx, %ebx
  xorl %ebp, %ebp
  xorl %r12d, %r12d
  xorl %r13d, %r13d
  xorl %r14d, %r14d
  xorl %r15d, %r15d
  call syscall_from_user
  testb %al, %al
  jz user_return
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  popq %r11
  popq %r10
  popq %r9
  popq %r8
  popq %rax
  addq $8, %rsp
  popq %rdx
  popq %rsi
  popq %rdi
  addq $8, %rsp
  popq %rcx
  addq $8, %rsp
  popq %r11
  popq %rsp
  swapgs
  sysretq

// SYSCALL from a 32-bit code segment: there are no 32-bit programs here.
  .balign 16
  .globl syscall_entry32
  .type syscall_entry32, @function
syscall_entry32:
  movl $-ENOSYS, %eax
  sysretl

// Leaves for user mode with the registers at %rdi, which is the top of the thread's stack.
  .globl enter_user_mode
  .type enter_user_mode, @function
enter_user_mode:
  movq %rdi, %rsp
  jmp user_return

// Vectors 8, 10 to 14, 17, 21, 29 and 30 come with an error code.
.macro stub vector, path
  .balign 16
  .if (\vector == 8) || ((\vector >= 10) && (\vector <= 14)) || (\vector == 17) || (\vector == 21) || (\vector == 29) || (\vector == 30)
  .else
  pushq $-1
  .endif
  pushq $\vector
  jmp \path
.endm

  .balign 64
  .globl entry_stubs
entry_stubs:
  .set v, 0
  .rept 256
  .if (v == 1) || (v == 2) || (v == 8) || (v == 18)
  stub v, paranoid_path
  .elseif v < 32
  stub v, exception_path
  .else
  stub v, interrupt_path
  .endif
  .set v, v + 1
  .endr

  .section .note.GNU-stack, "", @progbits
