// The loader's way in (Xen PVH, as QEMU enters an ELF kernel) and its two ways out.
//
// 32-bit code throughout; what runs in 64-bit mode is the last instructions before the kernel's.
// Sources: Xen docs/misc/pvh.pandoc; Linux Documentation/arch/x86/boot.rst, "32-bit boot protocol"
// and "64-bit boot protocol".

#define CODE_SELECTOR 0x08
#define DATA_SELECTOR 0x10
#define CR0_PE 0x00000001
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define XEN_ELFNOTE_PHYS32_ENTRY 18

  .section .note.pvh, "a", @note
  .balign 4
  .long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
  .asciz "Xen"
  .long start

  .text
  .code32
  .globl start
start:
  cli
  cld
  movl $stack_end, %esp
  pushl %ebx
  call load
  // Nothing may be printed, so a loader that gives up stands still until the test's deadline.
  .globl give_up
give_up:
  cli
  hlt
  jmp give_up

// void enter_32(u32 entry, u32 boot_params, const void* gdtr)
//
// The protocol promises no stack, so there is none.
  .globl enter_32
enter_32:
  movl 4(%esp), %edx
  movl 8(%esp), %esi
  movl 12(%esp), %eax
  lgdt (%eax)
  movl $CR0_PE, %eax
  movl %eax, %cr0
  xorl %eax, %eax
  movl %eax, %cr4
  ljmp $CODE_SELECTOR, $1f
1:
  movl $DATA_SELECTOR, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %fs
  movl %eax, %gs
  movl %eax, %ss
  xorl %ebx, %ebx
  xorl %ebp, %ebp
  xorl %edi, %edi
  xorl %esp, %esp
  jmp *%edx

// void enter_64(u32 entry, u32 boot_params, const void* gdtr, u32 root_table, u32 stack)
  .globl enter_64
enter_64:
  movl 4(%esp), %edi
  movl 8(%esp), %esi
  movl 12(%esp), %eax
  movl 16(%esp), %ebx
  movl 20(%esp), %ebp
  lgdt (%eax)
  movl $CR4_PAE, %eax
  movl %eax, %cr4
  movl %ebx, %cr3
  movl $MSR_EFER, %ecx
  movl $EFER_LME, %eax
  xorl %edx, %edx
  wrmsr
  movl $(CR0_PG | CR0_PE), %eax
  movl %eax, %cr0
  ljmp $CODE_SELECTOR, $1f
  .code64
1:
  movl $DATA_SELECTOR, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %fs
  movl %eax, %gs
  movl %eax, %ss
  // Upper halves are undefined after the change of mode.
  movl %edi, %eax
  movl %esi, %esi
  movl %ebp, %ebp
  movl %ebp, %esp
  jmp *%rax

  .bss
  .balign 16
stack:
  .skip 16384
stack_end:

  .section .note.GNU-stack, "", @progbits
