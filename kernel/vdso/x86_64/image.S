// The shared object that cmake/vdso.cmake builds, in the kernel's read-only data.
  .section .rodata, "a"
  .balign 4096
  .globl start_of_vdso
  .globl end_of_vdso
start_of_vdso:
  .incbin AUK_VDSO
  .balign 4096
end_of_vdso:

  .section .note.GNU-stack, "", @progbits
