// Making threads and processes: clone(2), clone3(2), fork(2), vfork(2).
//
// Two steps (decision D5): prepare, where everything that can fail happens on objects nobody sees,
// and commit, which links them into the tree and cannot fail.
#pragma once
#include "proc/task.hpp"

namespace auk::proc {

struct CloneArgs {
  u64 flags = 0;
  u32 exit_signal = 0;
  UserAddr stack;  ///< top; 0: the caller's
  u64 tls = 0;
  UserAddr parent_tid, child_tid, pidfd;
};
/// The child's number. EINVAL, EAGAIN, ENOMEM; EMFILE and EFAULT for its pidfd. For vfork returns
/// when the child has let go.
Result<u32> clone(Task& me, const CloneArgs& args);

/// Gives the thread's address space up.
void drop_space(Task& me);
/// The child of a vfork has a space of its own, or none any more.
void finish_vfork(Task& me);

/// The first process: a task that will exec the program. ENOMEM.
Result<void> start_first_process(const struct FirstProgram& wanted, Ref<vfs::FsContext> fs,
                                 Ref<vfs::MountNamespace> mounts);

/// The way into user mode, entry's part.
class UserEntry {
 public:
  /// Loads the registers at the top of the thread's stack.
  [[noreturn]] virtual void enter_user_mode(Task& me) = 0;
  /// rt_sigreturn(2): the registers and the mask from the frame on the program's stack. What the
  /// program has in its result register.
  virtual Result<u64> return_from_handler(Task& me) = 0;

 protected:
  constexpr UserEntry() = default;
  ~UserEntry() = default;
};
void set_user_entry(UserEntry& e);
UserEntry& user_entry();

}  // namespace auk::proc
