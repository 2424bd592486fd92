// pidfds: descriptors that stand for a process or a thread. See pidfd_open(2), clone(2).
//
// Data model: a file holds the identity (ident::Pid), not the process: it keeps nothing of that
// alive, and what comes to have the same number later is not what it stands for. Whether the
// process has ended stands in the identity, so polling takes no lock of the tree. Locking: none of
// its own. Context: threads. Differences from Linux 6.12, as 7.1 has it: one for a process whose
// first thread has ended says nothing before the last one has, whether it was opened with
// PIDFD_THREAD or not.
#pragma once
#include "io/file.hpp"
#include "proc/task.hpp"

namespace auk::proc {

/// `flags`: O_NONBLOCK; O_EXCL (PIDFD_THREAD) when it stands for one thread. ENOMEM.
Result<Ref<io::File>> make_pidfd(Ref<ident::Pid> pid, u32 flags);
/// What a pidfd stands for; null for other files.
ident::Pid* pid_behind(const io::File& f);
/// Of a pidfd: for one thread, not its process.
bool stands_for_thread(const io::File& f);

/// CLONE_PIDFD: the descriptor of a child that is being made. Until the child is there nobody can
/// get at the file, though the number is in the program's memory already.
class ChildPidfd {
  io::FdTable& table_;
  int fd_ = -1;
  Ref<io::File> file_;

 public:
  /// Goes into the caller's table; the child's, if it is one of its own, was copied before.
  explicit ChildPidfd(Task& me) : table_(*me.files) {}
  ~ChildPidfd() {
    if (file_) table_.unreserve(fd_);
  }
  ChildPidfd(const ChildPidfd&) = delete;
  ChildPidfd& operator=(const ChildPidfd&) = delete;
  /// EMFILE, ENOMEM, EFAULT.
  Result<void> make(Task& me, Ref<ident::Pid> pid, bool is_thread, UserAddr number_at);
  /// The child is there. Nothing happens if none was made.
  void install() {
    if (file_) table_.install(fd_, std::move(file_), true);
  }
};

}  // namespace auk::proc
