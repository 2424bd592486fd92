// Who may look into another process: see ptrace(2), "Ptrace access mode checking".
#pragma once
#include "proc/task.hpp"

namespace auk::proc {

/// PTRACE_MODE_ATTACH_REALCREDS. EPERM. The target's credentials may change right afterwards.
Result<void> may_access(Task& me, Task& target);

}  // namespace auk::proc
