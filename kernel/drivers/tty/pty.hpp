// Pseudoterminals: a terminal whose hardware is a program. See pty(7), ioctl_tty(2).
//
// Data model: Pty is the terminal and its port in one object, which files of both sides, the entry
// in devpts and the session count. What the terminal's programs write goes to `output_`, which the
// master reads; what the master writes goes to `input_`, and from there to the line as fast as the
// line has room: both sides pump. Life: locked until the master unlocks it; a master that goes
// hangs the terminal up for good; a terminal that nobody has open is an end of file for the master
// until somebody opens it again. Locking: that of Tty; level driver for the two queues. Context:
// threads.
#pragma once
#include "drivers/tty/byte_queue.hpp"
#include "drivers/tty/tty.hpp"

namespace auk::drivers::tty {

class Pty final : public Tty, private Port {
  struct Output {
    ByteQueue bytes;
    bool in_packets = false;  ///< TIOCPKT: each read begins with a status
    u8 status = 0;
  };
  mutable core::Guarded<core::level::driver, Output, core::SpinIrqOff> output_;
  core::Guarded<core::level::driver, ByteQueue, core::SpinIrqOff> input_;
  Turn master_reading_, master_writing_;
  sched::WaitQueue master_readable_, master_writable_;
  Atomic<bool> is_locked_{true};
  Atomic<bool> master_is_gone_{false};
  static constexpr u32 was_open = u32{1} << 31;
  Atomic<u32> open_files_{0};  ///< with was_open, once there was one
  Atomic<bool> master_is_exclusive_{false};
  bool does_stop_ = true;  ///< Ctrl-S and Ctrl-Q mean what they usually do
  const u32 index_;

  void dispose() override { mem::destroy(this); }
  bool hangs_up_with_session() const override { return false; }
  Result<usize> lost() const override { return Errno::eio; }
  /// It has been open, and nobody has it open now.
  bool terminal_is_gone() const { return open_files_.load_acquire() == was_open; }
  void pump();
  void note(u8 status);
  usize take_output(std::span<char> to);
  Result<usize> read_output(io::IoBuf& buf, bool nonblocking);

  // The terminal's port.
  usize put(std::string_view text) override;
  usize room() const override;
  usize possible_room() const override;
  Result<void> make_room() override;
  void output_added() override { master_readable_.wake_all(); }
  void configure(const uapi::termios2& settings) override;
  usize unsent() const override { return 0; }
  bool is_idle() const override { return true; }
  void flush_output() override;
  void drop() override;
  void drop_input() override;
  void input_flushed() override;
  void output_stopped(bool is_stopped) override;
  void input_taken() override;

 public:
  Pty(u32 index, u64 device);
  ~Pty() = default;
  u32 index() const { return index_; }

  /// EIO while it is locked, or when the master has gone.
  Result<void> begin_open() override;
  void end_open() override;

  // From the master's file.
  Result<usize> read_master(io::IoBuf& buf, bool nonblocking);
  Result<usize> write_master(io::IoBuf& buf, bool nonblocking);
  io::PollEvents poll_master(io::PollTable* table);
  Result<u64> ioctl_master(u32 command, io::IoctlArg arg);
  void close_master();
};

}  // namespace auk::drivers::tty
