// Start-up code of a secondary CPU: real mode to long mode, in one page below 1 MiB.
//
// The page is a copy of the bytes between trampoline_start and trampoline_end; whoever starts a CPU
// fills the fields at its end (struct TrampolineData). It runs through an identity mapping that is
// executable and not writable; the fields are written through the direct map.
#define T(x) (x - trampoline_start)
  .section .rodata, "a"
  .balign 16
  .globl trampoline_start
trampoline_start:
  .code16
  cli
  cld
  movw %cs, %ax
  movw %ax, %ds
  xorl %ebx, %ebx
  movw %cs, %bx
  shll $4, %ebx
  lgdtl T(trampoline_gdtr)
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  ljmpl *T(trampoline_jump32)
  .code32
trampoline_32:
  movw $0x18, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movl T(trampoline_root)(%ebx), %eax
  movl %eax, %cr3
  movl $0x20, %eax
  movl %eax, %cr4
  movl $0xc0000080, %ecx
  rdmsr
  orl $0x900, %eax
  wrmsr
  movl $0x80010001, %eax
  movl %eax, %cr0
  ljmpl *T(trampoline_jump64)(%ebx)
  .code64
trampoline_64:
  xorl %eax, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  movl %eax, %fs
  movl %eax, %gs
  movq T(trampoline_stack)(%rbx), %rsp
  movl $0xc0000101, %ecx
  movl T(trampoline_percpu)(%rbx), %eax
  movl (T(trampoline_percpu) + 4)(%rbx), %edx
  wrmsr
  movq T(trampoline_kernel_root)(%rbx), %rdi
  movq T(trampoline_entry)(%rbx), %rax
  xorl %ebp, %ebp
  jmp *%rax
  .balign 8
trampoline_gdt:
  .quad 0
  .quad 0x00af9b000000ffff /* 0x08: 64-bit code */
  .quad 0x00cf9b000000ffff /* 0x10: 32-bit code */
  .quad 0x00cf93000000ffff /* 0x18: data */
trampoline_gdt_end:
  .balign 8
  .globl trampoline_data
trampoline_data:
trampoline_stack: .quad 0
trampoline_percpu: .quad 0
trampoline_entry: .quad 0
trampoline_kernel_root: .quad 0
trampoline_root: .long 0
trampoline_jump32: .long 0
  .word 0x10
  .word 0
trampoline_jump64: .long 0
  .word 0x08
trampoline_gdtr: .word trampoline_gdt_end - trampoline_gdt - 1
  .long 0
  .balign 4
trampoline_offsets: /* what start_cpu() adds the page's address to */
  .globl trampoline_offsets
  .long T(trampoline_32), T(trampoline_64), T(trampoline_gdt)
  .globl trampoline_end
trampoline_end:

// First instructions of a secondary CPU at its final address: rdi = root of the kernel's tables.
  .section .entry.text, "ax"
  .globl secondary_start
secondary_start:
  movq %rdi, %cr3
  pushq $0
  call secondary_entry
  ud2

  .section .note.GNU-stack, "", @progbits
