// ASSERT and WARN: one trapping instruction plus a row in the bug table.
//
// Purpose: floor 0 can assert without a symbol. The exception handler on floor 16 finds the row by
// the address of the trap, prints file, line and expression, and decides what dies (D9).
// Data model: section `bug_table`, rows of BugEntry, self-relative so that they need no relocation.
// Context: any, NMI included: nothing is called.
// Differences from Linux: BUG_ON is called ASSERT and is only for invariants of memory safety;
// values from users, disks, packets and devices never reach it.
#pragma once
#include "base/isa/bug.hpp"
#include "base/types.hpp"

namespace auk {

enum class BugKind : u16 { assertion = 1, unreachable = 2, warning = 3 };

/// One row of the bug table. Offsets are relative to the field itself.
struct BugEntry {
  i32 pc;
  i32 file;
  i32 expression;
  u16 line;
  BugKind kind;
};
static_assert(sizeof(BugEntry) == 16);

}  // namespace auk

#define ASSERT(cond)                                                                               \
  do {                                                                                             \
    if (!(cond)) [[unlikely]]                                                                      \
      AUK_ISA_BUG(1, #cond);                                                                       \
  } while (0)

#define UNREACHABLE(why) AUK_ISA_BUG(2, why)

/// Reports once per execution and goes on; evaluates to the condition.
#define WARN_ON(cond)                                                                              \
  ({                                                                                               \
    const bool auk_warn_ = (cond);                                                                 \
    if (__builtin_expect(auk_warn_, 0)) AUK_ISA_WARN(3, #cond);                                    \
    auk_warn_;                                                                                     \
  })
