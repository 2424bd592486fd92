#include "drivers/tty/tty.hpp"

#include <algorithm>

#include "core/clock.hpp"
#include "generated/uapi/ioctl.hpp"
#include "generated/uapi/signal.hpp"
#include "generated/uapi/termios.hpp"
#include "proc/jobs.hpp"

namespace auk::drivers::tty {
namespace {

using proc::Task;
// The twins that carry a speed in numbers; Linux builds them from the size of the structure.
constexpr u32 tcgets2 = 0x802c542a, tcsets2 = 0x402c542b, tcsetsw2 = 0x402c542c,
              tcsetsf2 = 0x402c542d;
constexpr usize chunk_size = 256;
using Chunk = std::array<char, chunk_size>;

std::span<byte> bytes_of(std::span<char> s) {
  return {reinterpret_cast<byte*>(s.data()), s.size()};
}

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

void Tty::receive(std::string_view text) {
  for (const char c : text) {
    u32 signal = 0;
    bool stopped = false;
    {
      auto line = line_.lock();
      signal = line->receive(static_cast<u8>(c), port_);
      stopped = line->is_stopped();
    }
    if (signal != 0) signal_foreground(signal);
    if (!stopped) writable_.wake_all();
  }
  readable_.wake_all();
}

/// A process of the terminal's session that is not in the foreground is stopped instead. EIO where
/// nobody could continue it.
Result<void> Tty::check_background(Task& me, u32 signal) {
  Ref<ident::Pid> group;
  bool orphaned = false;
  {
    auto t = proc::tree.lock();
    proc::ProcessGroup& mine = *me.group->process_group;
    if (session_ == nullptr || mine.session.get() != session_ || foreground_ == mine.pid) return {};
    group = mine.pid;
    orphaned = proc::is_orphaned(mine);
  }
  if (is_ignored_or_blocked(me, signal))
    return signal == static_cast<u32>(uapi::sigttin) ? Errno::eio : Result<void>();
  if (orphaned) return Errno::eio;
  proc::signal_process_group(*group, proc::kernel_signal(signal));
  return restart::sys;
}

Result<usize> Tty::read_canonical(io::IoBuf& buf, bool nonblocking) {
  usize done = 0;
  for (;;) {
    Chunk chunk;
    usize n = 0;
    bool at_end = false, readable = false;
    {
      auto line = line_.lock();
      if (!line->is_canonical()) return done;
      readable = line->is_readable();
      if (readable)
        n = line->take(std::span(chunk).first(std::min(buf.left(), u64{chunk_size})), at_end);
    }
    if (readable) {
      if (buf.put(bytes_of(std::span(chunk).first(n))) < n)
        return done > 0 ? Result<usize>(done) : Errno::efault;
      done += n;
      if (at_end || buf.left() == 0) return done;
      continue;
    }
    if (done > 0) return done;
    if (nonblocking) return Errno::eagain;
    const auto ready = [&] {
      auto line = line_.lock();
      return line->is_readable() || !line->is_canonical();
    };
    if (sched::wait_interruptible(readable_, ready) == sched::WaitResult::interrupted)
      return restart::sys;
  }
}

Result<usize> Tty::read_raw(io::IoBuf& buf, bool nonblocking) {
  constexpr u64 tenth_ns = 100'000'000;
  u8 least = 0;
  u64 patience = 0;
  {
    auto line = line_.lock();
    least = line->settings().c_cc[uapi::vmin];
    patience = u64{line->settings().c_cc[uapi::vtime]} * tenth_ns;
  }
  usize done = 0;
  for (;;) {
    Chunk chunk;
    usize n = 0;
    {
      auto line = line_.lock();
      bool at_end = false;
      n = line->take(std::span(chunk).first(std::min(buf.left(), u64{chunk_size})), at_end);
    }
    if (n > 0) {
      if (buf.put(bytes_of(std::span(chunk).first(n))) < n)
        return done > 0 ? Result<usize>(done) : Errno::efault;
      done += n;
      if (buf.left() == 0) return done;
      continue;
    }
    if (done >= std::max<usize>(least, 1)) return done;
    if (least == 0 && (patience == 0 || done > 0)) return done;
    if (nonblocking) return done > 0 ? Result<usize>(done) : Errno::eagain;
    // With VMIN the clock runs between characters only.
    const bool timed = patience != 0 && (least == 0 || done > 0);
    const u64 deadline = timed ? core::clock_ns() + patience : sched::no_deadline;
    const auto ready = [&] { return line_.lock()->is_readable(); };
    switch (sched::wait_interruptible(readable_, ready, deadline)) {
      case sched::WaitResult::ready: break;
      case sched::WaitResult::timed_out: return done;
      case sched::WaitResult::interrupted: return done > 0 ? Result<usize>(done) : restart::sys;
    }
  }
}

Result<usize> Tty::read(io::IoBuf& buf, bool nonblocking) {
  TRY(check_background(proc::current(), uapi::sigttin));
  if (buf.left() == 0) return usize{0};
  const bool canonical = line_.lock()->is_canonical();
  return canonical ? read_canonical(buf, nonblocking) : read_raw(buf, nonblocking);
}

usize Tty::put_some(std::string_view text) {
  auto line = line_.lock();
  return line->write(text, port_);
}

Result<usize> Tty::write(io::IoBuf& buf, bool nonblocking) {
  const bool stops = (line_.lock()->settings().c_lflag & uapi::tostop) != 0;
  if (stops) TRY(check_background(proc::current(), uapi::sigttou));
  auto alone = writing_.lock();
  usize done = 0;
  while (buf.left() > 0) {
    Chunk chunk;
    const usize n =
        buf.get(bytes_of(std::span(chunk).first(std::min(buf.left(), u64{chunk_size}))));
    if (n == 0) return done > 0 ? Result<usize>(done) : Errno::efault;
    std::string_view text(chunk.data(), n);
    while (!text.empty()) {
      const usize put = put_some(text);
      text.remove_prefix(put);
      done += put;
      if (text.empty()) break;
      if (put > 0) continue;
      if (nonblocking) return done > 0 ? Result<usize>(done) : Errno::eagain;
      constexpr usize longest = 8;  // what one character may become
      const auto ready = [&] {
        auto line = line_.lock();
        return !line->is_stopped() && port_.room() >= longest;
      };
      if (sched::wait_interruptible(writable_, ready) == sched::WaitResult::interrupted)
        return done > 0 ? Result<usize>(done) : restart::sys;
    }
  }
  return done;
}

io::PollEvents Tty::poll(io::PollTable* table) {
  if (table != nullptr) {
    table->watch(readable_);
    table->watch(writable_);
  }
  io::PollEvents e;
  auto line = line_.lock();
  if (line->is_readable()) e = io::PollEvents(io::PollEvent::in) | io::PollEvent::read_normal;
  if (!line->is_stopped() && port_.room() >= chunk_size)
    e = e | io::PollEvent::out | io::PollEvent::write_normal;
  return e;
}

Result<void> Tty::drain() {
  const auto empty = [&] { return port_.unsent() == 0; };
  if (sched::wait_interruptible(writable_, empty) == sched::WaitResult::interrupted)
    return restart::sys;
  // The last few characters: as long as a FIFO takes at the slowest speed that is in use.
  constexpr u64 step_ns = 500'000;
  constexpr unsigned most_steps = 200;
  for (unsigned i = 0; i < most_steps && !port_.is_idle(); ++i)
    sched::sleep_until(core::clock_ns() + step_ns);
  return {};
}

/// `when`: 0 now, 1 after the output, 2 also without the input so far.
Result<void> Tty::set_settings(Task& me, const uapi::termios2& s, u32 when) {
  TRY(check_background(me, uapi::sigttou));
  if (when > 0) TRY(drain());
  {
    auto line = line_.lock();
    if (when > 1) line->flush_input();
    line->set_settings(s);
  }
  port_.configure(s);
  readable_.wake_all();
  writable_.wake_all();
  return {};
}

Result<u64> Tty::take_control(Task& me, bool steal) {
  Ref<proc::Terminal> old;
  auto t = proc::tree.lock();
  proc::ProcessGroup& group = *me.group->process_group;
  proc::Session& session = *group.session;
  if (session.terminal.get() == this) return u64{0};
  if (session.pid != me.group->pid || session.terminal) return Errno::eperm;
  if (session_ != nullptr && !(steal && me.cred().has(ident::Cap::sys_admin))) return Errno::eperm;
  session.terminal = Ref<proc::Terminal>(*this);
  session_ = &session;
  foreground_ = group.pid;
  return u64{0};
}

void Tty::opened_by(Task& me) { (void)take_control(me, false); }

Result<u64> Tty::set_foreground(Task& me, u32 number) {
  TRY(check_background(me, uapi::sigttou));
  Ref<ident::Pid> fresh = TRY(ident::find_pid(number));
  auto t = proc::tree.lock();
  if (session_ == nullptr || me.group->process_group->session.get() != session_)
    return Errno::enotty;
  const auto* const group = static_cast<const proc::ProcessGroup*>(fresh->process_group);
  if (group == nullptr) return Errno::esrch;
  if (group->session.get() != session_) return Errno::eperm;
  std::swap(foreground_, fresh);
  return u64{0};
}

void Tty::session_ended() {
  signal_foreground(uapi::sighup);
  signal_foreground(uapi::sigcont);
  Ref<ident::Pid> old;
  auto t = proc::tree.lock();
  session_ = nullptr;
  std::swap(old, foreground_);
}

namespace {

Result<uapi::termios2> load_settings(const uapi::termios2& now, UserAddr from, bool with_speed) {
  uapi::termios2 s = now;
  TRY(core::read_user(&s, from, with_speed ? sizeof(uapi::termios2) : sizeof(uapi::termios)));
  return s;
}

}  // namespace

Result<u64> Tty::ioctl(u32 command, io::IoctlArg arg) {
  Task& me = proc::current();
  const uapi::termios2 now = line_.lock()->settings();
  const core::UserOut<u32> number(arg.address());
  switch (command) {
    case uapi::tcgets: TRY(core::write_user(arg.address(), &now, sizeof(uapi::termios))); break;
    case tcgets2: TRY(core::write_user(arg.address(), &now, sizeof(now))); break;
    case uapi::tcsets:
    case uapi::tcsetsw:
    case uapi::tcsetsf:
      TRY(set_settings(me, TRY(load_settings(now, arg.address(), false)),
                       command - u32{uapi::tcsets}));
      break;
    case tcsets2:
    case tcsetsw2:
    case tcsetsf2:
      TRY(set_settings(me, TRY(load_settings(now, arg.address(), true)), command - tcsets2));
      break;
    case uapi::tiocgwinsz: {
      const uapi::winsize w = *window_.lock();
      TRY(core::write_user(arg.address(), &w, sizeof(w)));
      break;
    }
    case uapi::tiocswinsz: {
      uapi::winsize w{};
      TRY(core::read_user(&w, arg.address(), sizeof(w)));
      {
        auto window = window_.lock();
        *window = w;
      }
      signal_foreground(uapi::sigwinch);
      break;
    }
    case uapi::tiocsctty: return take_control(me, arg.value == 1);
    case uapi::tiocnotty: {
      {
        auto t = proc::tree.lock();
        if (me.group->process_group->session.get() != session_) return Errno::enotty;
      }
      proc::leave_terminal(*me.group);
      break;
    }
    case uapi::tiocgpgrp: {
      u32 group = 0;
      {
        auto t = proc::tree.lock();
        if (session_ == nullptr || me.group->process_group->session.get() != session_)
          return Errno::enotty;
        group = foreground_ ? foreground_->number() : 0;
      }
      TRY(number.store(group));
      break;
    }
    case uapi::tiocspgrp: return set_foreground(me, TRY(core::UserIn<u32>(arg.address()).load()));
    case uapi::tiocgsid: {
      u32 sid = 0;
      {
        auto t = proc::tree.lock();
        if (session_ == nullptr || me.group->process_group->session.get() != session_)
          return Errno::enotty;
        sid = session_->pid->number();
      }
      TRY(number.store(sid));
      break;
    }
    case uapi::fionread: TRY(number.store(static_cast<u32>(line_.lock()->available()))); break;
    case uapi::tiocoutq: TRY(number.store(static_cast<u32>(port_.unsent()))); break;
    case uapi::tcsbrk:
    case uapi::tcsbrkp: TRY(drain()); break;
    case uapi::tcflsh:
      if (arg.value > 2) return Errno::einval;
      if (arg.value != 1) line_.lock()->flush_input();
      if (arg.value != 0) port_.flush_output();
      break;
    case uapi::tcxonc: {
      if (arg.value > 3) return Errno::einval;
      if (arg.value < 2) line_.lock()->set_stopped(arg.value == 0);
      writable_.wake_all();
      break;
    }
    default: return Errno::enotty;
  }
  return u64{0};
}

}  // namespace auk::drivers::tty
