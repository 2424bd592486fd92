// Processes and threads: see clone(2), clone3(2), execve(2), wait(2), setpgid(2),
// set_robust_list(2).
#include <algorithm>

#include "generated/uapi/fcntl.hpp"
#include "generated/uapi/resource.hpp"
#include "generated/uapi/rseq.hpp"
#include "generated/uapi/sched.hpp"
#include "generated/uapi/wait.hpp"
#include "proc/access.hpp"
#include "proc/clone.hpp"
#include "proc/exec.hpp"
#include "proc/exit.hpp"
#include "proc/jobs.hpp"
#include "proc/pidfd.hpp"
#include "proc/usage.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"

namespace auk::syscall::calls {

Value fork(Task& me) {
  return u64{TRY(proc::clone(me, {.exit_signal = static_cast<u32>(uapi::sigchld)}))};
}

Value vfork(Task& me) {
  return u64{TRY(proc::clone(me, {.flags = uapi::clone_vm | uapi::clone_vfork,
                                  .exit_signal = static_cast<u32>(uapi::sigchld)}))};
}

Value clone(Task& me, u64 flags, UserAddr stack, UserAddr parent_tid, UserAddr child_tid, u64 tls) {
  constexpr u64 signal_bits = 0xff;
  // Registers beyond 32 bits of flags are clone3's.
  flags &= 0xffffffff;
  return u64{TRY(proc::clone(me, {.flags = flags & ~signal_bits,
                                  .exit_signal = static_cast<u32>(flags & signal_bits),
                                  .stack = stack,
                                  .tls = tls,
                                  .parent_tid = parent_tid,
                                  .child_tid = child_tid,
                                  .pidfd = parent_tid}))};
}

Value clone3(Task& me, UserAddr args, u64 size) {
  constexpr u64 first_version = 64;
  uapi::clone_args a{};
  TRY(load_grown(a, args, size, first_version));
  constexpr u64 signal_bits = 0xff, oldest = 0xffffffff;
  constexpr u64 known = oldest | uapi::clone_clear_sighand;
  if ((a.flags & ~known) != 0 || (a.flags & (signal_bits | uapi::clone_detached)) != 0)
    return Errno::einval;
  if ((a.flags & (uapi::clone_thread | uapi::clone_parent)) != 0 && a.exit_signal != 0)
    return Errno::einval;
  if (a.exit_signal > proc::signal_count || a.set_tid_size != 0) return Errno::einval;
  if ((a.stack == 0) != (a.stack_size == 0)) return Errno::einval;
  if (a.stack != 0 && !core::is_user_range(UserAddr(a.stack), a.stack_size)) return Errno::einval;
  return u64{TRY(proc::clone(me, {.flags = a.flags,
                                  .exit_signal = static_cast<u32>(a.exit_signal),
                                  .stack = UserAddr(a.stack == 0 ? 0 : a.stack + a.stack_size),
                                  .tls = a.tls,
                                  .parent_tid = UserAddr(a.parent_tid),
                                  .child_tid = UserAddr(a.child_tid),
                                  .pidfd = UserAddr(a.pidfd)}))};
}

namespace {

/// The strings of a null-terminated vector of the program. How many there were.
Result<usize> add_strings(proc::ArgumentBlock& block, UserAddr vector) {
  constexpr usize most = 0x7fffffff;
  if (vector.value == 0) return usize{0};
  for (usize n = 0; n < most; ++n) {
    const u64 s = TRY((UserIn<u64>(vector) + n).load());
    if (s == 0) return n;
    TRY(block.add_user(UserStr(UserAddr(s))));
  }
  return Errno::e2big;
}

Result<Ref<io::File>> open_program(Task& me, const vfs::Path& at) {
  if (!at.inode().is_regular()) return Errno::eacces;
  const vfs::Asker who = me.asker();
  TRY(vfs::check_access(who.cred, at, vfs::Want::execute));
  return vfs::open_path(who, at, vfs::open_flag::execute, true);
}

Value exec_at(Task& me, Fd dir, UserStr path, UserAddr arguments, UserAddr environment, int flags) {
  if (me.exceeds_threads && me.has_too_many_threads(me.cred())) return Errno::eagain;
  me.exceeds_threads = false;
  if ((flags & ~(uapi::at_empty_path | uapi::at_symlink_nofollow)) != 0) return Errno::einval;
  const mem::Box<PathText> name = TRY(PathText::load(path));
  const vfs::Path at = TRY(find_path(me, dir, path, flags));
  if (at.inode().is_link()) return Errno::eloop;
  Ref<io::File> file = TRY(open_program(me, at));
  proc::ArgumentBlock block(me, name->view());
  block.arguments = TRY(add_strings(block, arguments));
  // A program without a name of its own gets an empty one.
  if (block.arguments == 0) {
    TRY(block.add(""));
    block.arguments = 1;
  }
  block.environment = TRY(add_strings(block, environment));
  TRY(proc::exec(me, std::move(file), name->view(), block));
  return u64{0};
}

}  // namespace

Value execve(Task& me, UserStr path, UserAddr arguments, UserAddr environment) {
  return exec_at(me, {uapi::at_fdcwd}, path, arguments, environment, 0);
}

Value execveat(Task& me, Fd dir, UserStr path, UserAddr arguments, UserAddr environment,
               int flags) {
  return exec_at(me, dir, path, arguments, environment, flags);
}

Value exit(Task& me, int status) { proc::exit_task(me, (static_cast<u32>(status) & 0xff) << 8); }

Value exit_group(Task& me, int status) {
  proc::exit_group(me, (static_cast<u32>(status) & 0xff) << 8);
}

Value wait4(Task& me, int pid, UserOut<u32> status, int options, UserOut<uapi::rusage> usage) {
  constexpr u32 known = static_cast<u32>(uapi::wnohang | uapi::wuntraced | uapi::wcontinued) |
                        uapi::wnothread | uapi::wclone | uapi::wall;
  if ((static_cast<u32>(options) & ~known) != 0) return Errno::einval;
  if (pid == INT32_MIN) return Errno::esrch;
  proc::WaitRequest r;
  r.options = static_cast<u32>(options | uapi::wexited);
  if (pid > 0) {
    r.which = proc::WaitRequest::Which::pid;
    r.number = static_cast<u32>(pid);
  } else if (pid != -1) {
    r.which = proc::WaitRequest::Which::process_group;
    r.number = pid == 0 ? TRY(proc::process_group_of(me, 0)) : static_cast<u32>(-pid);
  }
  const proc::WaitAnswer a = TRY(proc::wait_for_child(me, r));
  if (a.pid == 0) return u64{0};
  if (!status.is_null()) TRY(status.store(a.status));
  if (!usage.is_null()) TRY(usage.store(proc::to_rusage(a.usage)));
  return u64{a.pid};
}

Value waitid(Task& me, int which, int id, UserAddr info, int options, UserOut<uapi::rusage> usage) {
  constexpr auto kinds = static_cast<u32>(uapi::wexited | uapi::wstopped | uapi::wcontinued);
  constexpr u32 known = kinds | static_cast<u32>(uapi::wnohang | uapi::wnowait) | uapi::wnothread |
                        uapi::wclone | uapi::wall;
  const auto wanted = static_cast<u32>(options);
  if ((wanted & ~known) != 0 || (wanted & kinds) == 0) return Errno::einval;
  proc::WaitRequest r;
  r.options = static_cast<u32>(options);
  r.number = static_cast<u32>(id);
  io::FileLoan pidfd;
  switch (which) {
    case uapi::p_all: break;
    case uapi::p_pid:
      if (id <= 0) return Errno::einval;
      r.which = proc::WaitRequest::Which::pid;
      break;
    case uapi::p_pgid:
      if (id < 0) return Errno::einval;
      r.which = proc::WaitRequest::Which::process_group;
      if (id == 0) r.number = TRY(proc::process_group_of(me, 0));
      break;
    case uapi::p_pidfd:
      if (id < 0) return Errno::einval;
      pidfd = TRY(file_of(me, {id}));
      r.which = proc::WaitRequest::Which::identity;
      r.identity = proc::pid_behind(*pidfd);
      if (r.identity == nullptr) return Errno::ebadf;
      if (pidfd->is_nonblocking()) r.options |= static_cast<u32>(uapi::wnohang);
      break;
    default: return Errno::einval;
  }
  const proc::WaitAnswer a = TRY(proc::wait_for_child(me, r));
  // Who did not ask for it himself is told that way.
  if (a.pid == 0 && (wanted & static_cast<u32>(uapi::wnohang)) == 0) return Errno::eagain;
  if (!usage.is_null() && a.pid != 0) TRY(usage.store(proc::to_rusage(a.usage)));
  if (info.value == 0) return u64{0};
  uapi::siginfo s{};
  if (a.pid != 0) {
    s.signo = uapi::sigchld;
    s.code = a.code;
    s.fields.child.pid = static_cast<i32>(a.pid);
    s.fields.child.uid = a.uid;
    const u32 low = a.status & 0x7f;
    s.fields.child.status = static_cast<i32>(low == 0 || low == 0x7f ? a.status >> 8 & 0xff : low);
    if (a.code == uapi::cld_continued) s.fields.child.status = uapi::sigcont;
  }
  // Only these: a program may have put its own bytes behind them.
  constexpr usize written = 28;
  TRY(core::write_user(info, &s, written));
  return u64{0};
}

Value getpid(Task& me) { return u64{me.group->number()}; }
Value getppid(Task& me) { return u64{proc::parent_number(*me.group)}; }
Value gettid(Task& me) { return u64{me.tid()}; }

Value getpgid(Task& me, int pid) {
  if (pid < 0) return Errno::esrch;
  return u64{TRY(proc::process_group_of(me, static_cast<u32>(pid)))};
}
Value getpgrp(Task& me) { return getpgid(me, 0); }
Value setpgid(Task& me, int pid, int group) {
  if (group < 0) return Errno::einval;
  if (pid < 0) return Errno::esrch;
  TRY(proc::set_process_group(me, static_cast<u32>(pid), static_cast<u32>(group)));
  return u64{0};
}
Value getsid(Task& me, int pid) {
  if (pid < 0) return Errno::esrch;
  return u64{TRY(proc::session_of(me, static_cast<u32>(pid)))};
}
Value setsid(Task& me) { return u64{TRY(proc::start_session(me))}; }

Value set_tid_address(Task& me, UserAddr at) {
  me.clear_child_tid = at;
  return u64{me.tid()};
}

Value set_robust_list(Task& me, UserAddr head, u64 size) {
  constexpr u64 head_size = 24;
  if (size != head_size) return Errno::einval;
  me.robust_list = head;
  return u64{0};
}

Value get_robust_list(Task& me, int tid, UserOut<u64> head, UserOut<u64> size) {
  constexpr u64 head_size = 24;
  UserAddr list = me.robust_list;
  if (tid != 0) {
    const Ref<Task> t = TRY(proc::find_task(static_cast<u32>(tid)));
    TRY(proc::may_access(me, *t));
    list = t->robust_list;
  }
  TRY(size.store(head_size));
  TRY(head.store(list.value));
  return u64{0};
}

Value rseq(Task& me, UserAddr at, u32 size, int flags, u32 signature) {
  const proc::RseqArea area{.at = at, .size = size, .signature = signature};
  if (flags == uapi::rseq_flag_unregister) return done(proc::unregister_rseq(me, area));
  if (flags != 0) return Errno::einval;
  return done(proc::register_rseq(me, area));
}

Value getcpu(Task&, UserOut<u32> cpu, UserOut<u32> node) {
  if (!cpu.is_null()) TRY(cpu.store(core::this_cpu().value));
  if (!node.is_null()) TRY(node.store(0));
  return u64{0};
}

}  // namespace auk::syscall::calls
