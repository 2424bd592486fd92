// Who may look into another process: see ptrace(2), "Ptrace access mode checking".
#pragma once
#include "proc/task.hpp"

namespace auk::proc {

/// Whose ids count: those of ptrace(2) itself, or those a file is opened with.
enum class Ids : u8 { real, file_system };
/// PTRACE_MODE_ATTACH_REALCREDS, or PTRACE_MODE_READ_FSCREDS. EPERM. The target's credentials may
/// change right afterwards.
Result<void> may_access(Task& me, Task& target, Ids ids = Ids::real);
/// The memory of a thread, if may_access(): never that of a program which the thread has become
/// since. Null past its end. EPERM.
Result<Ref<vm::AddressSpace>> accessible_space(Task& me, Task& target, Ids ids);

enum class Way : u8 { from, to };
/// Moves what fits between a range of another space and the caller's buffer. Bytes done; an error
/// only if there were none. EFAULT, ENOMEM.
Result<usize> move_memory(vm::AddressSpace& space, io::UserRange range, io::IoBuf& own, Way way,
                          vm::FaultBy by);

}  // namespace auk::proc
