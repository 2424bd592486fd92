// Terminals: /dev/ttyS*, /dev/console, /dev/tty. See tty(4), tty_ioctl(4), termios(3).
//
// Data model: Tty (counted; a serial port's lives for ever) -> Line, Port (the hardware's driver,
// a floor above). A session has at most one Tty as its controlling terminal, and the Tty knows the
// session and the process group in its foreground. Locking: level tty (sleeping) keeps writers
// apart; level tty_line (spinning, interrupts off) guards line and output; who belongs to which
// session is guarded by the tree lock of proc. Context: receive() in interrupts, the rest in
// threads.
// Differences from Linux: one line discipline.
#pragma once
#include "core/spin.hpp"
#include "drivers/tty/line.hpp"
#include "io/file.hpp"
#include "proc/task.hpp"
#include "sched/lock.hpp"
#include "sched/wait.hpp"

namespace auk::drivers::tty {

/// The hardware below a terminal.
class Port : public CharSink {
 public:
  /// Speed, width, parity as far as the hardware has them.
  virtual void configure(const uapi::termios2& settings) = 0;
  /// Characters that wait to be given to the hardware.
  virtual usize unsent() const = 0;
  /// The hardware itself has sent everything; it does not say when that changes.
  virtual bool is_idle() const = 0;
  virtual void flush_output() = 0;

 protected:
  ~Port() = default;
};

class Tty final : public proc::Terminal {
  Port& port_;
  u64 device_;
  struct Nothing {};
  core::Guarded<core::level::tty, Nothing, sched::SleepLock> writing_;
  core::Guarded<core::level::tty_line, Line, core::SpinIrqOff> line_;
  core::Guarded<core::level::tty_line, uapi::winsize, core::SpinIrqOff> window_;
  sched::WaitQueue readable_, writable_;
  // The tree lock guards these two.
  Ref<ident::Pid> foreground_;
  const proc::Session* session_ = nullptr;

  void dispose() override { mem::destroy(this); }
  void signal_foreground(u32 signal);
  Result<void> check_background(proc::Task& me, u32 signal);
  Result<usize> read_canonical(io::IoBuf& buf, bool nonblocking);
  Result<usize> read_raw(io::IoBuf& buf, bool nonblocking);
  Result<void> set_settings(proc::Task& me, const uapi::termios2& s, u32 when);
  Result<void> drain();
  Result<u64> take_control(proc::Task& me, bool steal);
  Result<u64> set_foreground(proc::Task& me, u32 number);
  usize put_some(std::string_view text);

 public:
  Tty(Port& port, u64 device) : port_(port), device_(device) {}
  ~Tty() = default;
  u64 device() const override { return device_; }
  u32 foreground_number() const override { return foreground_ ? foreground_->number() : 0; }

  // From the hardware. Context: interrupts.
  void receive(std::string_view text);
  void output_has_room() { writable_.wake_all(); }

  // From files.
  Result<usize> read(io::IoBuf& buf, bool nonblocking);
  Result<usize> write(io::IoBuf& buf, bool nonblocking);
  Result<u64> ioctl(u32 command, io::IoctlArg arg);
  io::PollEvents poll(io::PollTable* table);
  /// A session leader without a terminal gets one by opening it.
  void opened_by(proc::Task& me);

  void session_ended() override;
};

/// Makes a terminal findable as (major, minor) and, if `is_console`, as /dev/console. ENOMEM.
Result<void> add_terminal(Ref<Tty> tty, bool is_console);

}  // namespace auk::drivers::tty
