// Processes by descriptors: see pidfd_open(2), pidfd_getfd(2), pidfd_send_signal(2),
// process_mrelease(2).
#include "syscall/pidfd.hpp"

#include <bit>

#include "fs/procfs/node.hpp"
#include "generated/uapi/wait.hpp"
#include "proc/access.hpp"
#include "proc/jobs.hpp"
#include "proc/oom.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"
#include "uapi/next.hpp"

namespace auk::syscall {
namespace {

Result<Named> named_by(const io::File& f) {
  ident::Pid* const pid = proc::pid_behind(f);
  if (pid == nullptr) return Errno::ebadf;
  return Named{Ref<ident::Pid>(*pid), proc::stands_for_thread(f)};
}

}  // namespace

Result<Named> named_process(Task& me, Fd fd) {
  if (fd.number == uapi::pidfd_self_thread) return Named{me.pid, true};
  if (fd.number == uapi::pidfd_self_thread_group) return Named{me.group->pid, false};
  return named_by(*TRY(file_of(me, fd)));
}

Result<Ref<proc::Group>> process_named(Task& me, Fd fd) {
  if (fd.number == uapi::pidfd_self_thread) return me.group;
  return proc::group_behind(*TRY(named_process(me, fd)).pid);
}

Result<Ref<Task>> task_of_pidfd(Task& me, Fd fd) {
  return proc::task_behind(*TRY(named_by(*TRY(file_of(me, fd)))).pid);
}

namespace calls {

Value pidfd_open(Task& me, int pid, u32 flags) {
  if ((flags & ~u32{uapi::pidfd_nonblock | uapi::pidfd_thread}) != 0 || pid <= 0)
    return Errno::einval;
  Ref<ident::Pid> found = TRY(proc::find_pid(static_cast<u32>(pid)));
  {
    auto t = proc::tree.lock();
    if (found->task == nullptr && found->group == nullptr) return Errno::esrch;
    // A thread that is not the first has a descriptor only as a thread.
    if (found->group == nullptr && (flags & uapi::pidfd_thread) == 0) return Errno::enoent;
  }
  return install_file(me, TRY(proc::make_pidfd(std::move(found), flags)), true);
}

Value pidfd_getfd(Task& me, Fd fd, int number, u32 flags) {
  if (flags != 0) return Errno::einval;
  const Ref<Task> target = TRY(task_of_pidfd(me, fd));
  TRY(proc::may_access(me, *target));
  // One that is ending has no files any more; EBADF is said of the others only.
  if (number < 0) return Errno::ebadf;
  Ref<io::File> file =
      TRY(target->inspect(&Task::files, [&](io::FdTable& files) { return files.get(number); }));
  return install_file(me, std::move(file), true);
}

namespace {

/// pidfd_send_signal(2) takes directories of /proc as well, as it did before there were pidfds.
Result<Named> signalled_by(Task& me, Fd fd) {
  if (fd.number < 0) return named_process(me, fd);
  const io::FileLoan file = TRY(file_of(me, fd));
  const vfs::Inode* const inode = vfs::inode_of(*file);
  ident::Pid* const pid = inode == nullptr ? nullptr : fs::procfs::process_of_directory(*inode);
  if (pid != nullptr) return Named{Ref<ident::Pid>(*pid)};
  return named_by(*file);
}

proc::Scope scope_of(const Named& named, u32 flags) {
  if ((flags & uapi::pidfd_signal_process_group) != 0) return proc::Scope::process_group;
  if ((flags & uapi::pidfd_signal_thread_group) != 0) return proc::Scope::process;
  const bool is_thread = (flags & uapi::pidfd_signal_thread) != 0 || named.is_thread;
  return is_thread ? proc::Scope::thread : proc::Scope::process;
}

}  // namespace

Value pidfd_send_signal(Task& me, Fd fd, u32 signal, UserAddr info, u32 flags) {
  constexpr u32 known = uapi::pidfd_signal_thread | uapi::pidfd_signal_thread_group |
                        uapi::pidfd_signal_process_group;
  if ((flags & ~known) != 0 || std::popcount(flags) > 1) return Errno::einval;
  const Named named = TRY(signalled_by(me, fd));
  // It is not for those to signal who do not see it.
  if (named.pid->number_in(me.pid_space()) == 0) return Errno::einval;
  const proc::Scope scope = scope_of(named, flags);
  uapi::siginfo sent =
      proc::user_signal(signal, me, scope == proc::Scope::thread ? uapi::si_tkill : uapi::si_user);
  if (info.value != 0) {
    TRY(core::read_user(&sent, info, sizeof(sent)));
    if (static_cast<u32>(sent.signo) != signal) return Errno::einval;
    // Nobody passes for the kernel or for kill(2), but to himself.
    const bool is_own = named.pid == me.pid && scope != proc::Scope::process_group;
    if (!is_own && (sent.code >= 0 || sent.code == uapi::si_tkill)) return Errno::eperm;
  }
  return done(proc::send_signal_to(me, *named.pid, scope, signal, sent));
}

Value process_mrelease(Task& me, Fd fd, u32 flags) {
  if (flags != 0) return Errno::einval;
  return done(proc::oom::release_memory(*TRY(process_named(me, fd))));
}

}  // namespace calls
}  // namespace auk::syscall
