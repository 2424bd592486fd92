// Signals: see sigaction(2), sigprocmask(2), sigsuspend(2), sigwaitinfo(2), kill(2), tgkill(2),
// sigaltstack(2).
#include "generated/uapi/signal.hpp"
#include "proc/clone.hpp"
#include "proc/jobs.hpp"
#include "syscall/calls.hpp"
#include "syscall/support.hpp"

namespace auk::syscall::calls {
namespace {

using proc::SignalSet;

Result<void> check_set_size(u64 size) {
  return size == sizeof(SignalSet) ? Result<void>() : Errno::einval;
}

}  // namespace

Value rt_sigaction(Task& me, u32 signal, UserIn<uapi::kernel_sigaction> in,
                   UserOut<uapi::kernel_sigaction> out, u64 set_size) {
  TRY(check_set_size(set_size));
  if (signal == 0 || signal > proc::signal_count) return Errno::einval;
  const bool fixed = (proc::set_of(signal) & proc::unmaskable) != 0;
  proc::Action fresh{};
  if (!in.is_null()) {
    fresh = TRY(in.load());
    if (fixed) return Errno::einval;
    fresh.mask &= ~proc::unmaskable;
  }
  const proc::Action old = proc::change_action(me, signal, in.is_null() ? nullptr : &fresh);
  if (!out.is_null()) TRY(out.store(old));
  return u64{0};
}

Value rt_sigprocmask(Task& me, int how, UserIn<u64> in, UserOut<u64> out, u64 set_size) {
  TRY(check_set_size(set_size));
  const SignalSet old = me.blocked;
  if (!in.is_null()) {
    const SignalSet set = TRY(in.load());
    SignalSet mask = old;
    switch (how) {
      case uapi::sig_block: mask |= set; break;
      case uapi::sig_unblock: mask &= ~set; break;
      case uapi::sig_setmask: mask = set; break;
      default: return Errno::einval;
    }
    proc::set_blocked(me, mask);
  }
  if (!out.is_null()) TRY(out.store(old));
  return u64{0};
}

Value rt_sigpending(Task& me, UserOut<u64> out, u64 set_size) {
  if (set_size > sizeof(SignalSet)) return Errno::einval;
  const SignalSet waiting = proc::pending_signals(me) & me.blocked;
  TRY(core::write_user(out.address(), &waiting, set_size));
  return u64{0};
}

Value rt_sigsuspend(Task& me, UserIn<u64> mask, u64 set_size) {
  TRY(check_set_size(set_size));
  set_temporary_mask(me, TRY(mask.load()));
  return pause(me);
}

Value pause(Task&) {
  (void)sleep_until_signal(sched::no_deadline);
  return restart::no_hand;
}

Value rt_sigtimedwait(Task& me, UserIn<u64> set, UserAddr info, UserAddr timeout, u64 set_size) {
  TRY(check_set_size(set_size));
  const SignalSet wanted = TRY(set.load()) & ~proc::unmaskable;
  u64 deadline = sched::no_deadline;
  if (timeout.value != 0)
    deadline = deadline_in(TRY(to_ns(TRY(UserIn<uapi::kernel_timespec>(timeout).load()))));
  uapi::siginfo taken{};
  const u32 signal = TRY(proc::wait_for_signal(me, wanted, deadline, taken));
  if (info.value != 0) TRY(core::write_user(info, &taken, sizeof(taken)));
  return u64{signal};
}

namespace {

/// What sigqueue(3) sends: a program must not pass for the kernel or for kill(2).
Result<uapi::siginfo> load_info(u32 signal, UserAddr info, bool to_self) {
  uapi::siginfo i{};
  TRY(core::read_user(&i, info, sizeof(i)));
  i.signo = static_cast<i32>(signal);
  if ((i.code >= 0 || i.code == uapi::si_tkill) && !to_self) return Errno::eperm;
  return i;
}

Value send_to_thread(Task& me, int group, int tid, u32 signal, const uapi::siginfo& info) {
  if (tid <= 0) return Errno::einval;
  if (signal > proc::signal_count) return Errno::einval;
  const Ref<Task> t = TRY(proc::find_task(static_cast<u32>(tid)));
  if (group > 0 && t->group->pid->number_in(me.pid_space()) != static_cast<u32>(group))
    return Errno::esrch;
  TRY(proc::may_signal(me, *t, signal));
  if (signal != 0) TRY(proc::send_to_task(*t, info));
  return u64{0};
}

}  // namespace

Value rt_sigqueueinfo(Task& me, int pid, u32 signal, UserAddr info) {
  const uapi::siginfo i = TRY(load_info(signal, info, static_cast<u32>(pid) == me.group->number()));
  if (pid <= 0) return Errno::esrch;
  TRY(proc::send_signal(me, pid, signal, i));
  return u64{0};
}

Value rt_tgsigqueueinfo(Task& me, int group, int tid, u32 signal, UserAddr info) {
  if (group <= 0 || tid <= 0) return Errno::einval;
  const uapi::siginfo i =
      TRY(load_info(signal, info, static_cast<u32>(group) == me.group->number()));
  return send_to_thread(me, group, tid, signal, i);
}

Value rt_sigreturn(Task& me) { return proc::user_entry().return_from_handler(me); }

Value sigaltstack(Task& me, UserIn<uapi::stack_t> in, UserOut<uapi::stack_t> out) {
  using proc::AltStack;
  const u64 sp = me.registers().stack();
  const uapi::stack_t old = me.alt_stack.shown(sp);
  if (!in.is_null()) {
    const uapi::stack_t s = TRY(in.load());
    if (me.alt_stack.holds(sp)) return Errno::eperm;
    const u32 mode = static_cast<u32>(s.ss_flags) & ~AltStack::auto_disarm;
    if (mode != 0 && mode != AltStack::on_stack && mode != AltStack::disabled) return Errno::einval;
    constexpr u64 least = 2048;
    const bool off = mode == AltStack::disabled;
    if (!off && s.ss_size < least) return Errno::enomem;
    me.alt_stack = {.start = off ? 0 : s.ss_sp,
                    .size = off ? 0 : s.ss_size,
                    .flags = static_cast<u32>(s.ss_flags) & AltStack::auto_disarm};
  }
  if (!out.is_null()) TRY(out.store(old));
  return u64{0};
}

Value kill(Task& me, int pid, u32 signal) {
  TRY(proc::send_signal(me, pid, signal, proc::user_signal(signal, me, uapi::si_user)));
  return u64{0};
}

Value tkill(Task& me, int tid, u32 signal) {
  return send_to_thread(me, 0, tid, signal, proc::user_signal(signal, me, uapi::si_tkill));
}

Value tgkill(Task& me, int group, int tid, u32 signal) {
  if (group <= 0) return Errno::einval;
  return send_to_thread(me, group, tid, signal, proc::user_signal(signal, me, uapi::si_tkill));
}

}  // namespace auk::syscall::calls
