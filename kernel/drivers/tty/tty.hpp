// Terminals: /dev/ttyS*, /dev/console, /dev/tty, /dev/pts/*. See tty(4), tty_ioctl(4), termios(3).
//
// Data model: Tty (counted; a serial port's lives for ever) -> Line, Port (the hardware's driver, a
// floor above, or the other side of a pseudoterminal). A session has at most one Tty as its
// controlling terminal, and the Tty knows the session and the process group in its foreground. A
// hang-up is an end for all files that are open then: the Tty counts hang-ups, and a file knows how
// many there had been. Locking: readers and writers take turns; level tty_line (spinning,
// interrupts off) guards line and output; who belongs to which session is guarded by the tree lock
// of proc. Context: receive() in interrupts, the rest in threads.
// Differences from Linux: one line discipline.
#pragma once
#include "core/spin.hpp"
#include "dev/device.hpp"
#include "drivers/tty/line.hpp"
#include "drivers/tty/turn.hpp"
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
  /// Room that there is or can be made; what waits for room waits for this.
  virtual usize possible_room() const { return room(); }
  /// Makes room if there can be any, before a lock is taken. ENOMEM.
  virtual Result<void> make_room() { return {}; }
  // What the other side of a pseudoterminal wants to know. Context: threads and interrupts.
  virtual void input_flushed() {}
  virtual void output_stopped(bool /*is_stopped*/) {}
  virtual void output_added() {}
  /// What has not reached the line is lost.
  virtual void drop_input() {}
  /// The program has taken input.
  virtual void input_taken() {}

 protected:
  ~Port() = default;
};

/// What goes between the program's memory and the terminal at once.
inline constexpr usize chunk_size = 256;
using Chunk = std::array<char, chunk_size>;

/// How an open file sees its terminal.
struct View {
  static constexpr u32 never_hangs_up = ~u32{0};  ///< /dev/console
  u32 hangups = 0;                                ///< there had been when it was opened
  bool nonblocking = false, readable = true;
};

class Tty : public proc::Terminal {
  Port& port_;
  u64 device_;
  Atomic<u32> hangups_{0};
  Atomic<bool> is_exclusive_{false};  ///< TIOCEXCL
  // The tree lock guards these two.
  Ref<ident::Pid> foreground_;
  Ref<proc::Session> session_;

  Result<void> check_background(proc::Task& me, u32 signal);
  struct Piece;
  Piece take(std::span<char> to);
  Result<usize> read_on(io::IoBuf& buf, const View& v);
  Result<void> set_settings(proc::Task& me, const uapi::termios2& s, u32 when);
  void set_window(const uapi::winsize& w);
  Result<void> flush(u64 which);
  Result<void> change_flow(u64 how);
  Result<void> drain();
  Result<u64> take_control(proc::Task& me, bool steal, const View* v);
  Result<u64> set_foreground(proc::Task& me, u32 number);
  bool is_own_of(proc::Task& me) const;
  usize put_some(std::string_view text);

 protected:
  Tty(Port& port, u64 device, const uapi::termios2& settings) : port_(port), device_(device) {
    line_.alone().set_settings(settings);
  }
  ~Tty() = default;

  Turn reading_, writing_;
  core::Guarded<core::level::tty_line, Line, core::SpinIrqOff> line_;
  core::Guarded<core::level::tty_line, uapi::winsize, core::SpinIrqOff> window_;
  sched::WaitQueue readable_, writable_;

  bool is_gone(const View& v) const {
    return v.hangups != View::never_hangs_up && v.hangups != hangups_.load_acquire();
  }
  void signal_foreground(u32 signal);
  /// Ends everything: what is open sees an end of file and EIO, the session loses its terminal, its
  /// leader (and with `foreground_too` its foreground) gets SIGHUP.
  void hang_up(bool foreground_too);
  /// It is no session's terminal any more. What was in the foreground stays the session's to end.
  void leave_session(bool keeps_foreground);
  /// What characters that came in lead to once the line's lock is free.
  struct Fed {
    proc::SignalSet signals = 0;
    bool is_stopped = false, flow_changed = false, was_flushed = false;
  };
  /// Gives characters to the line, which is locked.
  void feed(Line& line, std::string_view text, Fed& out);
  void after_feeding(const Fed& fed);
  /// What a read that was waiting finds when the terminal is gone.
  virtual Result<usize> lost() const { return usize{0}; }
  /// A hang-up comes with the end of the session.
  virtual bool hangs_up_with_session() const { return true; }

 public:
  void end_for_all() final { hang_up(false); }
  u64 device() const override { return device_; }
  const ident::Pid* foreground() const override { return foreground_.get(); }
  u32 hangups() const { return hangups_.load_acquire(); }
  /// A file is opened on it. EIO, EBUSY.
  virtual Result<void> begin_open() { return check_exclusive(); }
  /// A file whose opening had begun is gone.
  virtual void end_open() {}
  Result<void> check_exclusive();

  // From the hardware. Context: interrupts.
  void receive(std::string_view text);
  void output_has_room() { writable_.wake_all(); }

  // From files.
  Result<usize> read(io::IoBuf& buf, const View& v);
  Result<usize> write(io::IoBuf& buf, const View& v);
  Result<u64> ioctl(u32 command, io::IoctlArg arg, const View& v);
  io::PollEvents poll(io::PollTable* table, const View& v);
  /// A session leader without a terminal gets one by opening it.
  void opened_by(proc::Task& me, const View& v);

  void session_ended(const proc::Session& s, bool at_exit) override;

 protected:
  /// What both sides of a pseudoterminal answer alike; `terminal` is null for the master.
  Result<u64> ioctl_of_both(u32 command, io::IoctlArg arg, const View* terminal);
  Result<u64> ioctl_of_jobs(proc::Task& me, u32 command, io::IoctlArg arg, const View* terminal);
  Result<u64> ioctl_of_settings(proc::Task& me, u32 command, io::IoctlArg arg);
  Result<u64> ioctl_of_old_settings(proc::Task& me, u32 command, io::IoctlArg arg);
};

/// One that is a piece of hardware.
class HardwareTty final : public Tty {
  void dispose() override { mem::destroy(this); }

 public:
  HardwareTty(Port& port, u64 device) : Tty(port, device, default_settings()) {}
  ~HardwareTty() = default;
};

/// A file on a terminal, opened with the flags of open(2). A console's outlives hang-ups.
Result<Ref<io::File>> open_file(Ref<Tty> tty, u32 flags, bool may_take_control,
                                bool is_console = false);

/// What terminals are devices of, from the task "terminal_class" on.
dev::Subsystem& terminal_class();

/// Of the device numbers of ttyS0 and its like.
inline constexpr u32 serial_major = 4, first_serial_minor = 64;
/// The number of the terminal that is the console, if one is.
std::optional<u64> console_device();

/// Makes a terminal findable as (major, minor) and, if `is_console`, as /dev/console. ENOMEM.
Result<void> add_terminal(Ref<Tty> tty, bool is_console);

}  // namespace auk::drivers::tty
