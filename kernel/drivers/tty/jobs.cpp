// Who a terminal belongs to: sessions, the foreground, hang-ups. See credentials(7), tty_ioctl(4).
#include "proc/jobs.hpp"
#include "drivers/tty/tty.hpp"
#include "generated/uapi/ioctl.hpp"
#include "generated/uapi/signal.hpp"

namespace auk::drivers::tty {
namespace {

using proc::Task;

bool is_ignored_or_blocked(Task& me, u32 signal) {
  return (me.blocked & proc::set_of(signal)) != 0 ||
         me.group->handlers->get(signal).handler == proc::handler_ignore;
}

}  // namespace

void Tty::signal_foreground(u32 signal) {
  Ref<ident::Pid> group;
  {
    auto t = proc::tree.lock();
    group = foreground_;
  }
  if (group) proc::signal_process_group(*group, proc::kernel_signal(signal));
}

/// A process of the terminal's session that is not in the foreground is stopped instead. EIO where
/// nobody could continue it.
Result<void> Tty::check_background(Task& me, u32 signal) {
  Ref<ident::Pid> group;
  bool orphaned = false;
  {
    auto t = proc::tree.lock();
    proc::ProcessGroup& mine = *me.group->process_group;
    if (!session_ || mine.session != session_ || foreground_ == mine.pid) return {};
    group = mine.pid;
    orphaned = proc::is_orphaned(mine);
  }
  if (is_ignored_or_blocked(me, signal))
    return signal == static_cast<u32>(uapi::sigttin) ? Errno::eio : Result<void>();
  if (orphaned) return Errno::eio;
  proc::signal_process_group(*group, proc::kernel_signal(signal));
  return restart::sys;
}

/// `v`: how the caller sees it, if not from the master.
Result<u64> Tty::take_control(Task& me, bool steal, const View* v) {
  const bool is_admin = me.cred().has(ident::Cap::sys_admin);
  Ref<proc::Session> old_session;
  Ref<proc::Terminal> old;
  Ref<ident::Pid> old_foreground;
  auto t = proc::tree.lock();
  proc::ProcessGroup& group = *me.group->process_group;
  proc::Session& session = *group.session;
  const bool leads = session.pid == me.group->pid;
  if (leads && session.terminal.get() == this) return u64{0};
  if (v != nullptr && is_gone(*v)) return Errno::eio;
  if (v != nullptr && !v->readable && !is_admin) return Errno::eperm;
  if (!leads || session.terminal) return Errno::eperm;
  if (session_) {
    if (!steal || !is_admin) return Errno::eperm;
    std::swap(session_->terminal, old);
  }
  session.terminal = Ref<proc::Terminal>(*this);
  old_session = std::exchange(session_, group.session);
  old_foreground = std::exchange(foreground_, group.pid);
  return u64{0};
}

void Tty::opened_by(Task& me, const View& v) { (void)take_control(me, false, &v); }

Result<u64> Tty::set_foreground(Task& me, u32 number) {
  const Result<void> may = check_background(me, uapi::sigttou);
  if (!may.ok()) return may.error() == Errno::eio ? Errno::enotty : may.error();
  if (!is_own_of(me)) return Errno::enotty;
  if (static_cast<i32>(number) < 0) return Errno::einval;
  Ref<ident::Pid> fresh = TRY(proc::find_pid(number));
  auto t = proc::tree.lock();
  if (!session_ || me.group->process_group->session != session_) return Errno::enotty;
  const auto* group = static_cast<const proc::ProcessGroup*>(fresh->process_group);
  // A process's number will do, too.
  if (group == nullptr && fresh->group != nullptr)
    group = static_cast<const proc::Group*>(fresh->group)->process_group.get();
  if (group == nullptr || group->session != session_) return Errno::eperm;
  std::swap(foreground_, fresh);
  return u64{0};
}

bool Tty::is_own_of(Task& me) const {
  auto t = proc::tree.lock();
  return session_ && me.group->process_group->session == session_;
}

void Tty::leave_session(bool keeps_foreground) {
  Ref<ident::Pid> foreground, older;
  Ref<proc::Session> session;
  Ref<proc::Terminal> self;
  auto t = proc::tree.lock();
  if (session_ && session_->terminal.get() == this) std::swap(session_->terminal, self);
  std::swap(session_, session);
  std::swap(foreground_, foreground);
  if (keeps_foreground && session) older = std::exchange(session->old_foreground, foreground);
}

void Tty::session_ended(const proc::Session& s, bool at_exit) {
  {
    auto t = proc::tree.lock();
    // It may have been stolen meanwhile.
    if (session_.get() != &s) return;
  }
  if (at_exit && hangs_up_with_session()) return hang_up(true);
  signal_foreground(uapi::sighup);
  if (!at_exit) signal_foreground(uapi::sigcont);
  leave_session(false);
}

void Tty::hang_up(bool foreground_too) {
  (void)hangups_.fetch_add_acq_rel(1);
  Ref<proc::Group> leader;
  {
    auto t = proc::tree.lock();
    if (session_)
      if (auto* const g = static_cast<proc::Group*>(session_->pid->group))
        leader = Ref<proc::Group>(*g);
  }
  if (leader) {
    (void)proc::send_to_group(*leader, proc::kernel_signal(uapi::sighup));
    (void)proc::send_to_group(*leader, proc::kernel_signal(uapi::sigcont));
  }
  if (foreground_too) signal_foreground(uapi::sighup);
  leave_session(!foreground_too);
  port_.drop_input();
  {
    auto line = line_.lock();
    line->flush_input();
    line->set_stopped(false);
  }
  readable_.wake_all();
  writable_.wake_all();
}

Result<u64> Tty::ioctl_of_jobs(Task& me, u32 command, io::IoctlArg arg, const View* terminal) {
  const core::UserOut<u32> number(arg.address());
  switch (command) {
    case uapi::tiocsctty: return take_control(me, arg.value == 1, terminal);
    case uapi::tiocnotty: {
      if (terminal == nullptr || !is_own_of(me)) return Errno::enotty;
      proc::leave_terminal(*me.group);
      return u64{0};
    }
    case uapi::tiocgpgrp:
    case uapi::tiocgsid: {
      if (terminal != nullptr && !is_own_of(me)) return Errno::enotty;
      u32 found = 0;
      {
        auto t = proc::tree.lock();
        if (command == uapi::tiocgpgrp)
          found = foreground_ ? foreground_->number_in(me.pid_space()) : 0;
        else if (session_)
          found = session_->pid->number_in(me.pid_space());
        else
          return Errno::enotty;
      }
      TRY(number.store(found));
      return u64{0};
    }
    case uapi::tiocspgrp: return set_foreground(me, TRY(core::UserIn<u32>(arg.address()).load()));
    case uapi::tiocvhangup:
      if (!me.cred().has(ident::Cap::sys_admin)) return Errno::eperm;
      hang_up(false);
      return u64{0};
    default: return Errno::enotty;
  }
}

}  // namespace auk::drivers::tty
