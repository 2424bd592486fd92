// The trapping instruction of ASSERT and WARN_ON on x86-64: `ud2` and a row in `bug_table`.
#pragma once

// The row's layout is auk::BugEntry; all three offsets are self-relative.
#define AUK_ISA_BUG_ROW(kind_, text_)                                                              \
  "1: ud2\n"                                                                                       \
  ".pushsection bug_table, \"a?\", @progbits\n"                                                    \
  ".long 1b - .\n"                                                                                 \
  ".long %c0 - .\n"                                                                                \
  ".long %c1 - .\n"                                                                                \
  ".short %c2, %c3\n"                                                                              \
  ".popsection\n" ::"i"(static_cast<const char*>(__FILE_NAME__)),                                  \
      "i"(static_cast<const char*>(text_)), "i"(__LINE__), "i"(kind_)

#define AUK_ISA_BUG(kind_, text_)                                                                  \
  do {                                                                                             \
    asm volatile(AUK_ISA_BUG_ROW(kind_, text_));                                                   \
    __builtin_unreachable();                                                                       \
  } while (0)

// Execution goes on behind the instruction: the handler steps over it.
#define AUK_ISA_WARN(kind_, text_) asm volatile(AUK_ISA_BUG_ROW(kind_, text_))
