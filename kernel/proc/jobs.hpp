// Jobs: process groups, sessions, and signals to many. See setpgid(2), setsid(2), kill(2).
#pragma once
#include "proc/task.hpp"

namespace auk::proc {

/// Moves a process (0: the caller's) into a group (0: its own number). ESRCH, EPERM, EACCES,
/// EINVAL.
Result<void> set_process_group(Task& me, u32 pid, u32 group);
/// The number of the new session. EPERM for the leader of a process group.
Result<u32> start_session(Task& me);
/// Numbers of a process (0: the caller's). ESRCH.
Result<u32> process_group_of(Task& me, u32 pid);
Result<u32> session_of(Task& me, u32 pid);

/// kill(2): `pid` as there. Signal 0 only asks.
Result<void> send_signal(Task& me, i32 pid, u32 signal, const uapi::siginfo& info);
/// What a signal to an identity is meant for: pidfd_send_signal(2).
enum class Scope : u8 { thread, process, process_group };
/// As kill(2). ESRCH when nobody of that kind is behind the number any more.
Result<void> send_signal_to(Task& me, ident::Pid& pid, Scope scope, u32 signal,
                            const uapi::siginfo& info);
/// To every process of a process group, without asking who sends.
void signal_process_group(ident::Pid& group, const uapi::siginfo& info);

/// What controls the caller's session; null if nothing does.
Ref<Terminal> terminal_of(Task& me);
/// The session of a leader loses its terminal: TIOCNOTTY.
void leave_terminal(Group& leader);

/// Nobody of the process group has a parent in the same session but another group: nobody could
/// continue it. `without`: one that does not count. The tree lock is held.
bool is_orphaned(ProcessGroup& g, const Group* without = nullptr);

}  // namespace auk::proc
