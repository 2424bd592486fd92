#include "machine/isa/usercopy.hpp"

// Sites that become STAC or CLAC where the CPU has SMAP; the rows are those of entry/x86_64.
#define AUK_SMAP_SITE(opcode)                                                                      \
  "661: .byte 0x0f, 0x1f, 0x00\n"                                                                  \
  ".pushsection patch_table, \"a?\", @progbits\n"                                                  \
  ".long 661b - .\n"                                                                               \
  ".byte 1, 3\n"                                                                                   \
  ".byte 0x0f, 0x01, " opcode ", 0x90, 0x90, 0x90\n"                                               \
  ".popsection\n"
#define AUK_STAC AUK_SMAP_SITE("0xcb")
#define AUK_CLAC AUK_SMAP_SITE("0xca")
#define AUK_FIX_UP(from, to)                                                                       \
  ".pushsection ex_table, \"a?\", @progbits\n"                                                     \
  ".long " from " - .\n"                                                                           \
  ".long " to " - .\n"                                                                             \
  ".popsection\n"

namespace auk::machine {

usize copy_from_user(void* to, u64 from, usize n) {
  asm volatile(AUK_STAC "1: rep movsb\n"
                        "2:\n" AUK_CLAC AUK_FIX_UP("1b", "2b")
               : "+c"(n), "+D"(to), "+S"(from)::"memory");
  return n;
}

usize copy_to_user(u64 to, const void* from, usize n) {
  asm volatile(AUK_STAC "1: rep movsb\n"
                        "2:\n" AUK_CLAC AUK_FIX_UP("1b", "2b")
               : "+c"(n), "+D"(to), "+S"(from)::"memory");
  return n;
}

usize copy_column_to_user(u64 to, const void* from, usize count, usize stride) {
  u32 word = 0;
  asm volatile(AUK_STAC "jmp 3f\n"
                        "0: movzwl (%[from]), %[word]\n"
                        "1: movw %w[word], (%[to])\n"
                        "addq %[stride], %[from]\n"
                        "addq %[stride], %[to]\n"
                        "decq %[count]\n"
                        "3: testq %[count], %[count]\n"
                        "jnz 0b\n"
                        "2:\n" AUK_CLAC AUK_FIX_UP("1b", "2b")
               : [count] "+r"(count), [to] "+r"(to), [from] "+r"(from), [word] "+r"(word)
               : [stride] "r"(stride)
               : "memory", "cc");
  return count;
}

usize clear_user(u64 to, usize n) {
  asm volatile(AUK_STAC "1: rep stosb\n"
                        "2:\n" AUK_CLAC AUK_FIX_UP("1b", "2b")
               : "+c"(n), "+D"(to)
               : "a"(0)
               : "memory");
  return n;
}

usize copy_string_from_user(char* to, u64 from, usize n) {
  usize done = 0;
  u64 failed = 0;
  u32 character = 0;
  if (n > 0) *to = 0;
  asm volatile(AUK_STAC "0: cmpq %[n], %[done]\n"
                        "jae 2f\n"
                        "1: movzbl (%[from], %[done]), %[character]\n"
                        "movb %b[character], (%[to], %[done])\n"
                        "testl %[character], %[character]\n"
                        "jz 2f\n"
                        "incq %[done]\n"
                        "jmp 0b\n"
                        "3: movl $1, %k[failed]\n"
                        "2:\n" AUK_CLAC AUK_FIX_UP("1b", "3b")
               : [done] "+r"(done), [failed] "+r"(failed), [character] "+r"(character)
               : [n] "r"(n), [from] "r"(from), [to] "r"(to)
               : "memory", "cc");
  return failed != 0 ? ~usize{0} : done;
}

bool load_user_u32(u32& value, u64 from) {
  u32 failed = 1;
  u32 v = 0;
  asm volatile(AUK_STAC "1: movl (%[from]), %[v]\n"
                        "xorl %[failed], %[failed]\n"
                        "2:\n" AUK_CLAC AUK_FIX_UP("1b", "2b")
               : [v] "+r"(v), [failed] "+r"(failed)
               : [from] "r"(from)
               : "memory", "cc");
  value = v;
  return failed == 0;
}

bool store_user_u32(u64 at, u32 value) {
  u32 failed = 1;
  asm volatile(AUK_STAC "1: movl %[v], (%[at])\n"
                        "xorl %[failed], %[failed]\n"
                        "2:\n" AUK_CLAC AUK_FIX_UP("1b", "2b")
               : [failed] "+r"(failed)
               : [at] "r"(at), [v] "r"(value)
               : "memory", "cc");
  return failed == 0;
}

bool cas_user_u32(u64 at, u32& expected, u32 desired) {
  u32 failed = 1;
  u32 seen = expected;
  asm volatile(AUK_STAC "1: lock cmpxchgl %[desired], (%[at])\n"
                        "movl $0, %[failed]\n"
                        "2:\n" AUK_CLAC AUK_FIX_UP("1b", "2b")
               : "+a"(seen), [failed] "+r"(failed)
               : [at] "r"(at), [desired] "r"(desired)
               : "memory", "cc");
  expected = seen;
  return failed == 0;
}

}  // namespace auk::machine
