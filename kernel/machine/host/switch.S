// See switch.hpp.
  .text
  .balign 16
  .globl auk_switch_context
  .type auk_switch_context, @function
auk_switch_context:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  movq %rdx, %rax
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret

  .balign 16
  .globl auk_thread_start
  .type auk_thread_start, @function
auk_thread_start:
  movq %rax, %rdi
  xorl %ebp, %ebp
  pushq $0
  call *%rbx
  ud2

  .section .note.GNU-stack, "", @progbits
