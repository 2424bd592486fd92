// The line discipline: what a terminal does to characters on their way in and out. See termios(3).
//
// Data model: a ring of characters with marks where lines end; behind the last mark stands the line
// that is still edited. Pure: what is echoed goes to a sink, what is a signal is returned.
// Locking: the owner's. Source: termios(3), POSIX.1-2017 chapter 11.
#pragma once
#include <array>
#include <span>
#include <string_view>

#include "base/types.hpp"
#include "uapi/termios.hpp"

namespace auk::drivers::tty {

/// Takes characters for the hardware; how many fit.
class CharSink {
 public:
  virtual usize put(std::string_view text) = 0;
  virtual usize room() const = 0;
  /// Forgets what has not been sent.
  virtual void drop() = 0;

 protected:
  ~CharSink() = default;
};

/// Linux's settings of a fresh terminal, at 115200 baud.
uapi::termios2 default_settings();

class Line {
  static constexpr usize capacity = 4096;
  static constexpr u16 ends_line = 0x100;  ///< mark: a line ends behind this character
  static constexpr u16 is_eof = 0x200;     ///< mark: no character, the line ends here
  std::array<u16, capacity> ring_{};
  u64 head_ = 0;        ///< behind the newest character
  u64 lines_head_ = 0;  ///< behind the last complete line
  u64 tail_ = 0;
  u32 column_ = 0;
  bool next_is_literal_ = false;
  bool is_stopped_ = false;
  uapi::termios2 settings_ = default_settings();
  uapi::termios2 locked_{};

  bool has_input(u32 f) const { return (settings_.c_iflag & f) != 0; }
  bool has_output(u32 f) const { return (settings_.c_oflag & f) != 0; }
  bool has_local(u32 f) const { return (settings_.c_lflag & f) != 0; }
  bool is_special(u8 c, usize which) const;
  void push(u16 c);
  void end_line(u16 c);
  void echo(u8 c, CharSink& out);
  void echo_raw(std::string_view s, CharSink& out);
  void erase_one(CharSink& out);
  void erase_word(CharSink& out);
  void erase_line(CharSink& out);
  u32 width_before(u64 end) const;
  void erase_to(u64 head, CharSink& out);
  bool edit(u8 c, CharSink& out);
  void move_column(u8 c);
  usize write_one(u8 c, CharSink& out);

 public:
  const uapi::termios2& settings() const { return settings_; }
  /// What is locked stays as it is.
  void set_settings(const uapi::termios2& s);
  /// Bits, and characters, that nobody may change any more (TIOCSLCKTRMIOS).
  const uapi::termios2& locked() const { return locked_; }
  void set_locked(const uapi::termios2& l) { locked_ = l; }
  bool is_canonical() const;
  /// A character that is a signal takes input and output with it.
  bool flushes_at_signals() const;
  /// Characters that may be given at once: some take as long as the unfinished line is.
  usize batch() const;
  bool is_stopped() const { return is_stopped_; }
  void set_stopped(bool v) { is_stopped_ = v; }

  /// Characters that may come: with none, the rest waits until the program has read. An unfinished
  /// line that is too long loses what is too much instead, or it could never end.
  usize input_room() const;
  /// One character from the hardware. The signal it asks for, or 0.
  u32 receive(u8 c, CharSink& out);
  /// Characters of a program; returns how many are done. Stops when the sink is full.
  usize write(std::string_view text, CharSink& out);

  /// Characters a read may take now; in canonical mode those of complete lines.
  usize available() const;
  /// A read would return: also at an end-of-file mark, which is no character.
  bool is_readable() const { return (is_canonical() ? lines_head_ : head_) != tail_; }
  /// Takes one line at most (canonical) or what is there. `at_end`: the line ended with this piece.
  usize take(std::span<char> to, bool& at_end);
  void flush_input();
};

}  // namespace auk::drivers::tty
