// Promised memory: pages that programs may still ask for, counted from the first mmap on.
//
// Purpose: overcommit accounting: vm.overcommit_memory 0 (refuse only what can never be had), 1
// (never refuse), 2 (never promise more than there is).
// Data model: one counter, fed by CPUs in batches. Who promises keeps the number and releases it.
// Locking: atomics. Context: threads. Source: Linux Documentation/mm/overcommit-accounting.rst,
// Documentation/admin-guide/sysctl/vm.rst.
#pragma once
#include "base/result.hpp"
#include "base/types.hpp"

namespace auk::vm::commit {

enum class Policy : u32 { guess = 0, always = 1, never = 2 };
Policy policy();

/// Who asks: in mode 2 a program leaves room for others, and one without CAP_SYS_ADMIN leaves room
/// for an administrator.
struct Asker {
  u64 mapped_pages = 0;
  bool is_admin = false;
};
/// ENOMEM.
Result<void> charge(u64 pages, const Asker& who);
void release(u64 pages);
/// What /proc/meminfo calls Committed_AS and CommitLimit, in pages.
u64 committed();
u64 limit();

}  // namespace auk::vm::commit
