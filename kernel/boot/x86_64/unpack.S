// What bzImage holds in place of the image: the two entries of the Linux boot protocol, a decoder,
// and the image compressed with LZ4 (tools/gen/image.py puts it behind this code).
//
// Purpose: half the bytes to load and to store. vmlinux is not compressed, and is what loaders of ELF
// files take.
// Data flow: the image is decoded into the room behind the compressed one, which init_size in the
// header asks of the loader, and entered as the loader would have entered it: 32-bit at byte 0, 64-bit
// at byte 0x200, with the address of boot_params in (r)si. What lies here is free memory after that.
// Source: Linux Documentation/arch/x86/boot.rst; LZ4 block format (doc/lz4_Block_format.md) in frames
// of `lz4 -l`: a word of magic, then blocks with their length before them; here a length of 0 ends it.

#define BP_SCRATCH 0x1e4 /* boot_params.scratch: room for one return address */
#define PACKED_MAGIC_BYTES 4

// From the compressed image at %esi to %edi; changes eax, ecx, edx and ebp. The same words in both
// modes: the protocol loads us below 4 GiB, and writing half a register clears the other half.
.macro UNPACK
  cld
10:
  movl (%esi), %ebp
  addl $4, %esi
  testl %ebp, %ebp
  jz 19f
  addl %esi, %ebp
11:
  // A token: how many literals, and how many bytes more than four to repeat.
  movzbl (%esi), %eax
  incl %esi
  movl %eax, %ecx
  shrl $4, %ecx
  cmpl $15, %ecx
  jne 13f
12:
  movzbl (%esi), %edx
  incl %esi
  addl %edx, %ecx
  cmpl $255, %edx
  je 12b
13:
  rep movsb
  // The last sequence of a block has nothing to repeat.
  cmpl %ebp, %esi
  jae 10b
  movzwl (%esi), %edx
  addl $2, %esi
  movl %eax, %ecx
  andl $15, %ecx
  cmpl $15, %ecx
  jne 15f
14:
  movzbl (%esi), %eax
  incl %esi
  addl %eax, %ecx
  cmpl $255, %eax
  je 14b
15:
  addl $4, %ecx
  movl %esi, %eax
  movl %edi, %esi
  subl %edx, %esi
  // Byte by byte: what is repeated may begin in what is being written.
  rep movsb
  movl %eax, %esi
  jmp 11b
19:
.endm

  .section .flat, "ax"
  .globl _start
_start:
  .code32
  cli
  movl %esi, %ebx
  leal (BP_SCRATCH + 4)(%ebx), %esp
  call 1f
1:
  popl %edx
  leal (packed - 1b + PACKED_MAGIC_BYTES)(%edx), %esi
  movl (unpacked_at - 1b)(%edx), %edi
  leal (_start - 1b)(%edx, %edi), %edi
  pushl %edi
  UNPACK
  popl %edi
  movl %ebx, %esi
  jmp *%edi

  .org 0x1f0
unpacked_at: .long 0 /* patched: where the image goes, in bytes from _start */

  .org 0x200
  .code64
  cli
  movq %rsi, %r8
  leal packed + PACKED_MAGIC_BYTES(%rip), %esi
  leal _start(%rip), %edi
  addl unpacked_at(%rip), %edi
  movl %edi, %r9d
  UNPACK
  addq $0x200, %r9
  movq %r8, %rsi
  jmpq *%r9

  .balign 16
packed:
