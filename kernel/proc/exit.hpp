// The end of threads and processes, and waiting for it. See _exit(2), wait(2), waitid(2).
//
// Status words are those of wait(2): exit code << 8, or the number of a signal (bit 7: core
// dumped).
#pragma once
#include "proc/task.hpp"
#include "uapi/resource.hpp"

namespace auk::proc {

/// Ends the calling thread; `status` counts if it is the last one.
[[noreturn]] void exit_task(Task& me, u32 status);
/// Ends all threads of the process.
[[noreturn]] void exit_group(Task& me, u32 status);
/// Makes the other threads of the process end and waits until they are gone, for exec. EAGAIN when
/// another thread does that already.
Result<void> end_other_threads(Task& me);

struct WaitRequest {
  enum class Which : u8 { any, pid, process_group, identity };
  Which which = Which::any;
  u32 number = 0;
  const ident::Pid* identity = nullptr;  ///< the caller keeps it
  u32 options = 0;  ///< WNOHANG, WUNTRACED, WEXITED, WCONTINUED, WNOWAIT and the clone ones

  template <class T> bool has(T option) const { return (options & static_cast<u32>(option)) != 0; }
};
struct WaitAnswer {
  u32 pid = 0;  ///< 0: nothing happened yet (WNOHANG)
  u32 status = 0;
  u32 uid = 0;
  i32 code = 0;  ///< CLD_...
  Usage usage;
};
/// Takes one of the thread's children that has ended out of the tree. False: none has.
bool take_ended_child(Task& me, struct Dropped& dropped);
bool has_children(Task& me);
/// ECHILD; restart::sys when a signal came first.
Result<WaitAnswer> wait_for_child(Task& me, const WaitRequest& request);

}  // namespace auk::proc
