// The entries of the image, up to the first C++ function at the address the kernel really runs at.
//
// Three ways in, one way out:
//   startup_32 (byte 0)     Linux boot protocol, 32-bit: esi = boot_params, paging off
//   startup_64 (byte 0x200) Linux boot protocol, 64-bit, and ELF + zero page: rsi = boot_params
//   pvh_start               Xen PVH note: ebx = hvm_start_info, paging off
// All end in common64 with: ebp = physical address of the image, r12d = protocol, r13 = its record.
// Nothing here is position-dependent; 32-bit code finds its own address first.

#define PROTOCOL_LINUX 0
#define PROTOCOL_PVH 1
#define BP_SCRATCH 0x1e4 /* boot_params.scratch: the only memory that is ours before we know where we are */
#define REL(sym) (sym - startup_32)
#define MSR_EFER 0xc0000080
#define MSR_GS_BASE 0xc0000101

  .section .head.text, "ax"
  .code32
  .globl startup_32
startup_32:
  cli
  cld
  leal (BP_SCRATCH + 4)(%esi), %esp
  call 1f
1:
  popl %ebp
  subl $REL(1b), %ebp
  movl $PROTOCOL_LINUX, %edi
  jmp common32

  .globl pvh_start
pvh_start:
  cli
  cld
  movl %ebx, %esi
  // A PVH loader puts the ELF where its program headers say, so the address is a constant.
  movl $AUK_LOAD_PHYS, %ebp
  movl $PROTOCOL_PVH, %edi

common32:
  // Zero .bss: a bzImage loader only promises that the room is there.
  movl %edi, %edx
  leal REL(__ld_bss_start)(%ebp), %edi
  leal REL(__ld_bss_end)(%ebp), %ecx
  subl %edi, %ecx
  shrl $2, %ecx
  xorl %eax, %eax
  rep stosl
  movl %edx, %ebx
  leal REL(boot_stack_end)(%ebp), %esp

  // Identity map of the first 4 GiB with 2 MiB pages.
  leal REL(boot_identity_pd)(%ebp), %edi
  movl $0x83, %eax
  movl $2048, %ecx
2:
  movl %eax, (%edi)
  addl $0x200000, %eax
  addl $8, %edi
  loop 2b
  leal REL(boot_identity_pdpt)(%ebp), %edi
  leal (REL(boot_identity_pd) + 3)(%ebp), %eax
  movl $4, %ecx
3:
  movl %eax, (%edi)
  addl $4096, %eax
  addl $8, %edi
  loop 3b
  leal (REL(boot_identity_pdpt) + 3)(%ebp), %eax
  leal REL(kernel_root_table)(%ebp), %edi
  movl %eax, (%edi)
  movl %edi, %cr3

  movl $0x20, %eax /* PAE */
  movl %eax, %cr4
  movl $MSR_EFER, %ecx
  rdmsr
  orl $0x900, %eax /* LME, NXE */
  wrmsr

  // A GDT of our own, its descriptor built on the stack because we only know our address now.
  leal REL(boot_gdt)(%ebp), %eax
  pushl $0
  pushl %eax
  pushw $(boot_gdt_end - boot_gdt - 1)
  lgdt (%esp)
  addl $10, %esp
  movl $0x80010001, %eax /* PG, WP, PE */
  leal REL(enter64)(%ebp), %ecx
  pushl $0x10
  pushl %ecx
  movl %eax, %cr0
  lret

  .code64
enter64:
  movl %ebx, %r12d
  movl %esi, %r13d
  jmp common64

  .org 0x200
  .globl startup_64
startup_64:
  cli
  cld
  movq %rsi, %r13
  movl $PROTOCOL_LINUX, %r12d
  leaq startup_32(%rip), %rbp
  leaq __ld_bss_start(%rip), %rdi
  leaq __ld_bss_end(%rip), %rcx
  subq %rdi, %rcx
  shrq $3, %rcx
  xorl %eax, %eax
  rep stosq
  leaq boot_stack_end(%rip), %rsp

  // The loader's tables cover the image; ours go on from there with the same identity.
  leaq boot_identity_pd(%rip), %rdi
  movl $0x83, %eax
  movl $2048, %ecx
4:
  movq %rax, (%rdi)
  addq $0x200000, %rax
  addq $8, %rdi
  loop 4b
  leaq boot_identity_pdpt(%rip), %rdi
  leaq (boot_identity_pd + 3)(%rip), %rax
  movl $4, %ecx
5:
  movq %rax, (%rdi)
  addq $4096, %rax
  addq $8, %rdi
  loop 5b
  leaq kernel_root_table(%rip), %rdi
  leaq (boot_identity_pdpt + 3)(%rip), %rax
  movq %rax, (%rdi)
  movl $0x20, %eax
  movq %rax, %cr4
  movl $MSR_EFER, %ecx
  rdmsr
  orl $0x800, %eax
  wrmsr
  movl $0x80010001, %eax
  movq %rax, %cr0
  leaq boot_gdt(%rip), %rax
  subq $16, %rsp
  movw $(boot_gdt_end - boot_gdt - 1), 6(%rsp)
  movq %rax, 8(%rsp)
  lgdt 6(%rsp)
  movq %rdi, %cr3
  pushq $0x10
  leaq common64(%rip), %rax
  pushq %rax
  lretq

common64:
  xorl %eax, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  movl %eax, %fs
  movl %eax, %gs
  leaq boot_stack_end(%rip), %rsp

  // Stage 1 picks the slide, maps the image high and relocates it; it returns virtual - physical.
  movl %ebp, %edi
  movl %r12d, %esi
  movq %r13, %rdx
  xorl %ebp, %ebp
  movq %rdi, %rbx
  call boot_stage1
  movq %rax, %r14
  leaq kernel_root_table(%rip), %rax
  movq %rax, %cr3
  leaq high_start(%rip), %rax
  addq %r14, %rax
  jmp *%rax

high_start:
  leaq boot_stack_end(%rip), %rsp
  // The boot CPU's per-CPU area is a pristine copy of the template.
  leaq __ld_percpu(%rip), %rsi
  leaq __ld_percpu_end(%rip), %rcx
  subq %rsi, %rcx
  leaq __ld_boot_percpu(%rip), %rdi
  movq %rdi, %rax
  subq %rsi, %rax
  rep movsb
  movq %rax, %rdx
  shrq $32, %rdx
  movl $MSR_GS_BASE, %ecx
  wrmsr
  movq %rbx, %rdi
  movq %r14, %rsi
  movl %r12d, %edx
  movq %r13, %rcx
  pushq $0
  xorl %ebp, %ebp
  call boot_high
  ud2

  .balign 8
boot_gdt:
  .quad 0, 0
  .quad 0x00af9b000000ffff /* 0x10: 64-bit code */
  .quad 0x00cf93000000ffff /* 0x18: data */
boot_gdt_end:

  .section .bss.page_aligned, "aw", @nobits
  .balign 4096
boot_identity_pdpt:
  .skip 4096
boot_identity_pd:
  .skip 4 * 4096
  .globl boot_stack
boot_stack:
  .skip 16384
  .globl boot_stack_end
boot_stack_end:

  .section .note.GNU-stack, "", @progbits
