// What happens after the kernel caught itself in an error: kill the task, or the machine.
//
// Data model: the policy parameters have Linux's names and meaning: `panic_on_oops` (or
// `oops=panic`), `oops_limit`, `panic_on_warn`, `warn_limit`.
// Context: any; kill_current() only from a context that has a task of its own.
#pragma once
#include "base/types.hpp"

namespace auk::core {

/// The scheduler's side: ends the running task after an oops.
class TaskKiller {
 public:
  /// False for idle, interrupt and boot contexts: then only a panic is left.
  virtual bool can_kill_current() = 0;
  [[noreturn]] virtual void kill_current() = 0;

 protected:
  constexpr TaskKiller() = default;
  ~TaskKiller() = default;
};
void set_task_killer(TaskKiller& k);

/// Number of this oops, counted from 1.
u64 begin_oops();
/// After the report: returns never.
[[noreturn]] void end_oops(bool in_interrupt);
/// So many so far.
u64 oops_count();
u64 warning_count();
/// Counts a warning; panics when the policy says so.
void note_warning();

}  // namespace auk::core
