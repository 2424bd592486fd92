// The real-mode half of bzImage: boot sector, header of the Linux boot protocol 2.15, and the code
// that asks the firmware for the memory map and enters the 32-bit entry.
//
// Loaded at any segment; offsets are relative to it. QEMU, GRUB linux16 and SeaBIOS come in here.
// Source: Linux Documentation/arch/x86/boot.rst; ACPI specification 15.1 (INT 15h, E820h).
  .code16
  .section .flat, "ax"
  .globl _start
_start:
  // A boot sector that nobody boots from any more.
  int $0x18
  hlt

  .org 0x1f1
hdr:
setup_sects: .byte AUK_SETUP_SECTS
root_flags: .word 1
syssize: .long 0 /* patched: size of the protected-mode part in 16-byte units */
ram_size: .word 0
vid_mode: .word 0xffff
root_dev: .word 0
boot_flag: .word 0xaa55
jump: .byte 0xeb, (start_of_setup - 1f) /* byte 0x200: the entry */
1:
magic: .ascii "HdrS"
version: .word 0x020f
realmode_swtch: .long 0
start_sys_seg: .word 0x1000
kernel_version: .word kernel_version_string - 0x200
type_of_loader: .byte 0
loadflags: .byte 0x81 /* LOADED_HIGH, CAN_USE_HEAP */
setup_move_size: .word 0x8000
code32_start: .long 0x100000
ramdisk_image: .long 0
ramdisk_size: .long 0
bootsect_kludge: .long 0
heap_end_ptr: .word 0xfe00 - 0x200
ext_loader_ver: .byte 0
ext_loader_type: .byte 0
cmd_line_ptr: .long 0
initrd_addr_max: .long 0xffffffff
kernel_alignment: .long 0x200000
relocatable_kernel: .byte 1
min_alignment: .byte 21
xloadflags: .word 0x0001 /* XLF_KERNEL_64 */
cmdline_size: .long 4095
hardware_subarch: .long 0
hardware_subarch_data: .quad 0
payload_offset: .long 0 /* patched, as the next: a file of `lz4 -l` */
payload_length: .long 0
setup_data: .quad 0
pref_address: .quad AUK_LOAD_PHYS
init_size: .long 0 /* patched: image with .bss */
handover_offset: .long 0
kernel_info_offset: .long 0 /* patched */
hdr_end:

start_of_setup:
  cli
  cld
  movw %cs, %ax
  subw $0x20, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movl $setup_stack_end, %esp

  // The record starts as zeros with the header, as the loader changed it, in its place.
  movw $boot_params, %di
  movw $(4096 / 4), %cx
  xorl %eax, %eax
  rep stosl
  movw $hdr, %si
  movw $(boot_params + 0x1f1), %di
  movw $(hdr_end - hdr), %cx
  rep movsb

  // Line A20: ask the firmware, then the fast gate; QEMU has it open already.
  movw $0x2401, %ax
  int $0x15
  inb $0x92, %al
  testb $2, %al
  jnz 1f
  orb $2, %al
  andb $0xfe, %al
  outb %al, $0x92
1:
  // The memory map, straight into boot_params.e820_table.
  movw $(boot_params + 0x2d0), %di
  xorl %ebx, %ebx
2:
  movl $0xe820, %eax
  movl $0x534d4150, %edx
  movl $20, %ecx
  int $0x15
  jc 3f
  cmpl $0x534d4150, %eax
  jne 3f
  incb boot_params + 0x1e8
  addw $20, %di
  cmpb $128, boot_params + 0x1e8
  jae 3f
  testl %ebx, %ebx
  jnz 2b
3:
  cli
  // Protected mode with flat segments; everything from here on uses linear addresses.
  xorl %eax, %eax
  movw %ds, %ax
  shll $4, %eax
  leal boot_params(%eax), %esi
  leal setup_gdt(%eax), %ecx
  movl %ecx, setup_gdtr + 2
  lgdtl setup_gdtr
  lidtl setup_idtr
  leal setup_protected(%eax), %ecx
  movl %ecx, setup_jump
  movl code32_start, %edx
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  ljmpl *setup_jump

  .code32
setup_protected:
  movw $0x18, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %fs
  movw %ax, %gs
  movw %ax, %ss
  xorl %ebx, %ebx
  xorl %ebp, %ebp
  xorl %edi, %edi
  jmp *%edx

  .balign 8
setup_gdt:
  .quad 0, 0
  .quad 0x00cf9b000000ffff
  .quad 0x00cf93000000ffff
setup_gdtr:
  .word . - setup_gdt - 1
  .long 0
setup_idtr:
  .word 0
  .long 0
setup_jump:
  .long 0
  .word 0x10
kernel_version_string:
  .asciz AUK_VERSION_STRING

  .balign 16
setup_code_end:
  .globl boot_params, setup_stack_end
  .set boot_params, 0x3000
  .set setup_stack_end, 0x6000
