// void auk_switch_stack_and_call(uptr top, void (*function)()): see stack.hpp.
  .text
  .balign 16
  .globl auk_switch_stack_and_call
auk_switch_stack_and_call:
  movq %rdi, %rsp
  xorl %ebp, %ebp
  pushq $0
  call *%rsi
  ud2

  .section .note.GNU-stack, "", @progbits
