#include "drivers/tty/tty.hpp"

#include <algorithm>
#include <bit>

#include "core/clock.hpp"
#include "generated/uapi/ioctl.hpp"
#include "generated/uapi/signal.hpp"
#include "generated/uapi/termios.hpp"

namespace auk::drivers::tty {
namespace {

using proc::Task;
// The twins that carry a speed in numbers; Linux builds them from the size of the structure.
constexpr u32 tcgets2 = 0x802c542a, tcsets2 = 0x402c542b, tcsetsw2 = 0x402c542c,
              tcsetsf2 = 0x402c542d;
}  // namespace

void Tty::receive(std::string_view text) {
  Fed fed;
  {
    auto line = line_.lock();
    feed(*line, text, fed);
  }
  after_feeding(fed);
}

void Tty::feed(Line& line, std::string_view text, Fed& out) {
  const bool was_stopped = line.is_stopped();
  for (const char c : text)
    if (const u32 signal = line.receive(static_cast<u8>(c), port_)) {
      out.signals |= proc::set_of(signal);
      if (line.flushes_at_signals()) out.was_flushed = true;
    }
  out.is_stopped = line.is_stopped();
  out.flow_changed = was_stopped != out.is_stopped;
}

void Tty::after_feeding(const Fed& fed) {
  for (const u32 signal : {uapi::sigint, uapi::sigquit, uapi::sigtstp})
    if ((fed.signals & proc::set_of(signal)) != 0) signal_foreground(signal);
  if (fed.was_flushed) port_.input_flushed();
  if (fed.flow_changed) port_.output_stopped(fed.is_stopped);
  port_.output_added();
  if (!fed.is_stopped) writable_.wake_all();
  readable_.wake_all();
}

/// What the line has for a reader at this moment, by its mode of this moment.
struct Tty::Piece {
  usize size = 0;
  bool is_there = false;  ///< also an end of file, which has no characters
  bool is_canonical = false;
  bool at_end = false;  ///< of a line
  usize least = 0;      ///< VMIN
  u64 patience_ns = 0;  ///< VTIME
};

Tty::Piece Tty::take(std::span<char> to) {
  constexpr u64 tenth_ns = 100'000'000;
  auto line = line_.lock();
  Piece p;
  p.is_canonical = line->is_canonical();
  p.least = line->settings().c_cc[uapi::vmin];
  p.patience_ns = u64{line->settings().c_cc[uapi::vtime]} * tenth_ns;
  p.is_there = line->is_readable();
  if (p.is_there) p.size = line->take(to, p.at_end);
  return p;
}

Result<usize> Tty::read_on(io::IoBuf& buf, const View& v) {
  usize done = 0;
  for (;;) {
    Chunk chunk;
    const Piece p = take(std::span(chunk).first(std::min(buf.left(), u64{chunk_size})));
    if (p.is_there) {
      if (buf.put_text({chunk.data(), p.size}) < p.size)
        return done > 0 ? Result<usize>(done) : Errno::efault;
      done += p.size;
      if (p.at_end || buf.left() == 0) return done;
      continue;
    }
    if (is_gone(v)) return done > 0 ? Result<usize>(done) : lost();
    if (p.is_canonical ? done > 0 : done >= std::max<usize>(p.least, 1)) return done;
    const bool waits_for_first = !p.is_canonical && p.least == 0;
    if (waits_for_first && (p.patience_ns == 0 || done > 0)) return done;
    if (v.nonblocking) return done > 0 ? Result<usize>(done) : Errno::eagain;
    // With VMIN the clock runs between characters only.
    const bool timed = !p.is_canonical && p.patience_ns != 0 && (p.least == 0 || done > 0);
    const u64 deadline = timed ? core::clock_ns() + p.patience_ns : sched::no_deadline;
    const auto ready = [&] {
      auto line = line_.lock();
      return line->is_readable() || line->is_canonical() != p.is_canonical || is_gone(v);
    };
    switch (sched::wait_interruptible(readable_, ready, deadline)) {
      case sched::WaitResult::ready: break;
      case sched::WaitResult::timed_out: return done;
      case sched::WaitResult::interrupted: return done > 0 ? Result<usize>(done) : restart::sys;
    }
  }
}

Result<usize> Tty::read(io::IoBuf& buf, const View& v) {
  if (is_gone(v)) return usize{0};
  TRY(check_background(proc::current(), uapi::sigttin));
  if (buf.left() == 0) return usize{0};
  TRY(reading_.take(v.nonblocking));
  const OwnTurn turn(reading_);
  Result<usize> n = read_on(buf, v);
  port_.input_taken();
  return n;
}

usize Tty::put_some(std::string_view text) {
  auto line = line_.lock();
  return line->write(text, port_);
}

Result<usize> Tty::write(io::IoBuf& buf, const View& v) {
  if (is_gone(v)) return Errno::eio;
  const bool stops = (line_.lock()->settings().c_lflag & uapi::tostop) != 0;
  if (stops) TRY(check_background(proc::current(), uapi::sigttou));
  TRY(writing_.take(v.nonblocking));
  const OwnTurn turn(writing_);
  usize done = 0;
  while (buf.left() > 0) {
    // Characters that become nothing never have to be waited for.
    if (sched::current().has_work(sched::Interruptible::any))
      return done > 0 ? Result<usize>(done) : restart::sys;
    Chunk chunk;
    const usize n = buf.get_text(std::span(chunk).first(std::min(buf.left(), u64{chunk_size})));
    if (n == 0) return done > 0 ? Result<usize>(done) : Errno::efault;
    std::string_view text(chunk.data(), n);
    while (!text.empty()) {
      const auto or_done = [&](Errno e) { return done > 0 ? Result<usize>(done) : e; };
      if (is_gone(v)) return or_done(Errno::eio);
      if (const Result<void> r = port_.make_room(); !r.ok()) return or_done(r.error());
      const usize put = put_some(text);
      port_.output_added();
      text.remove_prefix(put);
      done += put;
      if (text.empty()) break;
      if (put > 0) continue;
      if (v.nonblocking) return or_done(Errno::eagain);
      constexpr usize longest = 8;  // what one character may become
      const auto ready = [&] {
        auto line = line_.lock();
        return (!line->is_stopped() && port_.possible_room() >= longest) || is_gone(v);
      };
      if (sched::wait_interruptible(writable_, ready) == sched::WaitResult::interrupted)
        return or_done(restart::sys);
    }
  }
  return done;
}

io::PollEvents Tty::poll(io::PollTable* table, const View& v) {
  if (table != nullptr) {
    table->watch(readable_);
    table->watch(writable_);
  }
  using io::PollEvent;
  io::PollEvents e;
  if (is_gone(v))
    return e | PollEvent::in | PollEvent::out | PollEvent::error | PollEvent::hang_up |
           PollEvent::read_normal | PollEvent::write_normal;
  auto line = line_.lock();
  if (line->is_readable()) e = io::PollEvents(io::PollEvent::in) | io::PollEvent::read_normal;
  if (!line->is_stopped() && port_.possible_room() >= chunk_size)
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
  if (when > 1) {
    port_.input_flushed();
    port_.input_taken();
  }
  port_.configure(s);
  readable_.wake_all();
  writable_.wake_all();
  return {};
}

namespace {

Result<uapi::termios2> load_settings(const uapi::termios2& now, UserAddr from, bool with_speed) {
  uapi::termios2 s = now;
  TRY(core::read_user(&s, from, with_speed ? sizeof(uapi::termios2) : sizeof(uapi::termios)));
  return s;
}

uapi::termio old_form(const uapi::termios2& s) {
  uapi::termio t{.c_iflag = static_cast<u16>(s.c_iflag),
                 .c_oflag = static_cast<u16>(s.c_oflag),
                 .c_cflag = static_cast<u16>(s.c_cflag),
                 .c_lflag = static_cast<u16>(s.c_lflag),
                 .c_line = s.c_line,
                 .c_cc = {},
                 .pad = 0};
  std::copy_n(s.c_cc, std::size(t.c_cc), t.c_cc);
  return t;
}

/// What the old form does not tell stays.
Result<uapi::termios2> load_old_form(const uapi::termios2& now, UserAddr from) {
  const auto t = TRY(core::UserIn<uapi::termio>(from).load());
  uapi::termios2 s = now;
  const auto merge = [](u32& flags, u16 low) { flags = (flags & 0xffff0000) | low; };
  merge(s.c_iflag, t.c_iflag);
  merge(s.c_oflag, t.c_oflag);
  merge(s.c_cflag, t.c_cflag);
  merge(s.c_lflag, t.c_lflag);
  s.c_line = t.c_line;
  std::copy_n(t.c_cc, std::size(t.c_cc), s.c_cc);
  return s;
}

}  // namespace

Result<u64> Tty::ioctl_of_old_settings(Task& me, u32 command, io::IoctlArg arg) {
  uapi::termios2 now{}, locked{};
  {
    auto line = line_.lock();
    now = line->settings();
    locked = line->locked();
  }
  switch (command) {
    case uapi::tcgeta: TRY(core::UserOut<uapi::termio>(arg.address()).store(old_form(now))); break;
    case uapi::tcseta:
    case uapi::tcsetaw:
    case uapi::tcsetaf:
      TRY(set_settings(me, TRY(load_old_form(now, arg.address())), command - u32{uapi::tcseta}));
      break;
    case uapi::tiocglcktrmios:
      TRY(core::write_user(arg.address(), &locked, sizeof(uapi::termios)));
      break;
    case uapi::tiocslcktrmios:
      if (!me.cred().has(ident::Cap::checkpoint_restore) && !me.cred().has(ident::Cap::sys_admin))
        return Errno::eperm;
      locked = TRY(load_settings(locked, arg.address(), false));
      line_.lock()->set_locked(locked);
      break;
    default: return Errno::enotty;
  }
  return u64{0};
}

Result<u64> Tty::ioctl_of_settings(Task& me, u32 command, io::IoctlArg arg) {
  const uapi::termios2 now = line_.lock()->settings();
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
    default: return ioctl_of_old_settings(me, command, arg);
  }
  return u64{0};
}

void Tty::set_window(const uapi::winsize& w) {
  {
    auto window = window_.lock();
    if (std::bit_cast<u64>(*window) == std::bit_cast<u64>(w)) return;
    *window = w;
  }
  signal_foreground(uapi::sigwinch);
}

Result<u64> Tty::ioctl_of_both(u32 command, io::IoctlArg arg, const View* terminal) {
  Task& me = proc::current();
  const core::UserOut<u32> number(arg.address());
  switch (command) {
    case uapi::tiocgwinsz: {
      const uapi::winsize w = *window_.lock();
      TRY(core::write_user(arg.address(), &w, sizeof(w)));
      return u64{0};
    }
    case uapi::tiocswinsz: {
      uapi::winsize w{};
      TRY(core::read_user(&w, arg.address(), sizeof(w)));
      set_window(w);
      return u64{0};
    }
    case uapi::tiocexcl: is_exclusive_.store_relaxed(true); return u64{0};
    case uapi::tiocnxcl: is_exclusive_.store_relaxed(false); return u64{0};
    case uapi::tiocgexcl: TRY(number.store(is_exclusive_.load_relaxed() ? 1 : 0)); return u64{0};
    case uapi::tiocgetd: TRY(number.store(0)); return u64{0};
    case uapi::tiocsetd:
      return TRY(core::UserIn<u32>(arg.address()).load()) == 0 ? Result<u64>(0) : Errno::einval;
    case uapi::tiocgdev: TRY(number.store(static_cast<u32>(device_))); return u64{0};
    default: break;
  }
  Result<u64> r = ioctl_of_settings(me, command, arg);
  if (!r.ok() && r.error() == Errno::enotty) return ioctl_of_jobs(me, command, arg, terminal);
  return r;
}

Result<void> Tty::flush(u64 which) {
  if (which > 2) return Errno::einval;
  if (which != 1) {
    line_.lock()->flush_input();
    port_.input_flushed();
    port_.input_taken();
  }
  if (which != 0) {
    port_.flush_output();
    writable_.wake_all();
  }
  return {};
}

Result<void> Tty::change_flow(u64 how) {
  if (how > 3) return Errno::einval;
  if (how < 2) {
    line_.lock()->set_stopped(how == 0);
    port_.output_stopped(how == 0);
    writable_.wake_all();
    return {};
  }
  // The other side shall stop, or go on.
  char c = 0;
  {
    auto line = line_.lock();
    c = static_cast<char>(line->settings().c_cc[how == 2 ? uapi::vstop : uapi::vstart]);
  }
  if (c == 0) return {};
  TRY(port_.make_room());
  {
    auto line = line_.lock();
    (void)port_.put({&c, 1});
  }
  port_.output_added();
  return {};
}

Result<void> Tty::check_exclusive() {
  if (is_exclusive_.load_relaxed() && !proc::current().cred().has(ident::Cap::sys_admin))
    return Errno::ebusy;
  return {};
}

Result<u64> Tty::ioctl(u32 command, io::IoctlArg arg, const View& v) {
  if (is_gone(v)) return command == uapi::tiocspgrp ? Errno::enotty : Errno::eio;
  const core::UserOut<u32> number(arg.address());
  switch (command) {
    case uapi::fionread: TRY(number.store(static_cast<u32>(line_.lock()->available()))); break;
    case uapi::tiocoutq: TRY(number.store(static_cast<u32>(port_.unsent()))); break;
    case uapi::tcsbrk:
    case uapi::tcsbrkp:
    case uapi::tcflsh:
    case uapi::tcxonc:
      TRY(check_background(proc::current(), uapi::sigttou));
      if (command == uapi::tcflsh)
        TRY(flush(arg.value));
      else if (command == uapi::tcxonc)
        TRY(change_flow(arg.value));
      else
        TRY(drain());
      break;
    default: return ioctl_of_both(command, arg, &v);
  }
  return u64{0};
}

}  // namespace auk::drivers::tty
