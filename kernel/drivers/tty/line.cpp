#include "drivers/tty/line.hpp"

#include <algorithm>

#include "generated/uapi/signal.hpp"
#include "generated/uapi/termios.hpp"

namespace auk::drivers::tty {
namespace {

constexpr u8 del = 0x7f, disabled_char = 0;
constexpr u32 tab_width = 8;

bool is_control(u8 c) { return c < ' ' || c == del; }
bool is_word(u8 c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c >= 0x80;
}
u8 lower(u8 c) { return c >= 'A' && c <= 'Z' ? static_cast<u8>(c + 32) : c; }
u8 upper(u8 c) { return c >= 'a' && c <= 'z' ? static_cast<u8>(c - 32) : c; }

}  // namespace

uapi::termios2 default_settings() {
  uapi::termios2 t{};
  t.c_iflag = uapi::icrnl | uapi::ixon;
  t.c_oflag = uapi::opost | uapi::onlcr;
  t.c_cflag = uapi::b115200 | uapi::cs8 | uapi::cread | uapi::hupcl | uapi::clocal;
  t.c_lflag = uapi::isig | uapi::icanon | uapi::echo | uapi::echoe | uapi::echok | uapi::echoctl |
              uapi::echoke | uapi::iexten;
  t.c_ispeed = t.c_ospeed = 115200;
  const auto set = [&](usize which, u8 c) { t.c_cc[which] = c; };
  set(uapi::vintr, 3);
  set(uapi::vquit, 28);
  set(uapi::verase, del);
  set(uapi::vkill, 21);
  set(uapi::veof, 4);
  set(uapi::vmin, 1);
  set(uapi::vstart, 17);
  set(uapi::vstop, 19);
  set(uapi::vsusp, 26);
  set(uapi::vreprint, 18);
  set(uapi::vdiscard, 15);
  set(uapi::vwerase, 23);
  set(uapi::vlnext, 22);
  return t;
}

bool Line::is_canonical() const { return has_local(uapi::icanon); }

bool Line::is_special(u8 c, usize which) const {
  const u8 s = settings_.c_cc[which];
  return s != disabled_char && s == c;
}

void Line::set_settings(const uapi::termios2& s) {
  const bool was_canonical = is_canonical();
  const uapi::termios2 old = std::exchange(settings_, s);
  const auto keep = [&](u32 uapi::termios2::* flags) {
    settings_.*flags = (old.*flags & locked_.*flags) | (s.*flags & ~(locked_.*flags));
  };
  keep(&uapi::termios2::c_iflag);
  keep(&uapi::termios2::c_oflag);
  keep(&uapi::termios2::c_cflag);
  keep(&uapi::termios2::c_lflag);
  if (locked_.c_line != 0) settings_.c_line = old.c_line;
  for (usize i = 0; i < std::size(locked_.c_cc); ++i)
    if (locked_.c_cc[i] != 0) settings_.c_cc[i] = old.c_cc[i];
  // What was being edited is input like any other from now on, and the other way round.
  if (was_canonical != is_canonical()) lines_head_ = head_;
  if (!has_input(uapi::ixon)) is_stopped_ = false;
}

void Line::flush_input() {
  tail_ = lines_head_ = head_;
  next_is_literal_ = false;
}

void Line::push(u16 c) {
  // One place is kept for the end of the line, so that a full line can still be sent.
  if (head_ - tail_ >= capacity - 1 && (c & (ends_line | is_eof)) == 0) return;
  if (head_ - tail_ >= capacity) return;
  ring_[head_++ % capacity] = c;
}

void Line::end_line(u16 c) {
  push(c);
  lines_head_ = head_;
}

void Line::move_column(u8 c) {
  switch (c) {
    case '\n': column_ = has_output(uapi::onlret) ? 0 : column_; break;
    case '\r': column_ = 0; break;
    case '\b': column_ -= column_ > 0 ? 1 : 0; break;
    case '\t': column_ = column_ / tab_width * tab_width + tab_width; break;
    default: column_ += !is_control(c) && (c & 0xc0) != 0x80 ? 1 : 0;
  }
}

/// Characters the hardware gets for one of the program's; 0 when they do not fit.
usize Line::write_one(u8 c, CharSink& out) {
  const auto raw = [&](std::string_view s) -> usize {
    if (out.room() < s.size()) return 0;
    for (const char x : s) move_column(static_cast<u8>(x));
    (void)out.put(s);
    return 1;
  };
  if (has_output(uapi::opost)) {
    if (c == '\n' && has_output(uapi::onlcr)) return raw("\r\n");
    if (c == '\r' && has_output(uapi::onocr) && column_ == 0) return 1;
    if (c == '\r' && has_output(uapi::ocrnl)) return raw("\n");
    if (c == '\t' && (settings_.c_oflag & uapi::tabdly) == uapi::xtabs)
      return raw(std::string_view("        ").substr(column_ % tab_width));
    if (has_output(uapi::olcuc)) c = upper(c);
  }
  const char one = static_cast<char>(c);
  return raw({&one, 1});
}

usize Line::write(std::string_view text, CharSink& out) {
  usize done = 0;
  while (done < text.size() && !is_stopped_ && write_one(static_cast<u8>(text[done]), out) != 0)
    ++done;
  return done;
}

void Line::echo_raw(std::string_view s, CharSink& out) {
  for (const char c : s) (void)write_one(static_cast<u8>(c), out);
}

void Line::echo(u8 c, CharSink& out) {
  if (!has_local(uapi::echo)) {
    if (c == '\n' && has_local(uapi::echonl) && is_canonical()) echo_raw("\n", out);
    return;
  }
  if (is_control(c) && has_local(uapi::echoctl) && c != '\t' && c != '\n') {
    const std::array<char, 2> shown{'^', static_cast<char>(c ^ 0x40)};
    echo_raw({shown.data(), shown.size()}, out);
    return;
  }
  const char one = static_cast<char>(c);
  echo_raw({&one, 1}, out);
}

/// Columns that the edited line takes up to a position.
u32 Line::width_before(u64 end) const {
  u32 width = 0;
  for (u64 at = lines_head_; at < end; ++at) {
    const u8 c = static_cast<u8>(ring_[at % capacity]);
    if (c == '\t')
      width = width / tab_width * tab_width + tab_width;
    else if (is_control(c))
      width += has_local(uapi::echoctl) ? 2 : 0;
    else if ((c & 0xc0) != 0x80)
      ++width;
  }
  return width;
}

/// Takes characters off the end of the edited line, and off the screen.
void Line::erase_to(u64 head, CharSink& out) {
  bool has_tab = false;
  u32 width = 0;
  for (u64 at = head; at < head_; ++at) {
    const u8 c = static_cast<u8>(ring_[at % capacity]);
    has_tab = has_tab || c == '\t';
    if (is_control(c))
      width += has_local(uapi::echoctl) ? 2 : 0;
    else if ((c & 0xc0) != 0x80)
      ++width;
  }
  // How wide a tab is depends on all that is left of it.
  if (has_tab) width = width_before(head_) - width_before(head);
  head_ = head;
  for (; width > 0; --width) echo_raw("\b \b", out);
}

void Line::erase_one(CharSink& out) {
  if (head_ == lines_head_) return;
  u64 head = head_;
  // All bytes of one UTF-8 character.
  do --head;
  while (head > lines_head_ && has_input(uapi::iutf8) && (ring_[head % capacity] & 0xc0) == 0x80);
  if (has_local(uapi::echo) && has_local(uapi::echoe)) return erase_to(head, out);
  head_ = head;
  if (has_local(uapi::echo)) echo(settings_.c_cc[uapi::verase], out);
}

void Line::erase_word(CharSink& out) {
  u64 head = head_;
  for (bool seen = false; head > lines_head_; --head) {
    const bool word = is_word(static_cast<u8>(ring_[(head - 1) % capacity]));
    if (seen && !word) break;
    seen = seen || word;
  }
  if (has_local(uapi::echo) && has_local(uapi::echoe)) return erase_to(head, out);
  while (head_ > head) erase_one(out);
}

void Line::erase_line(CharSink& out) {
  if (has_local(uapi::echok) && !has_local(uapi::echoke)) {
    head_ = lines_head_;
    echo(settings_.c_cc[uapi::vkill], out);
    echo_raw("\n", out);
    return;
  }
  if (has_local(uapi::echo) && has_local(uapi::echoe)) return erase_to(lines_head_, out);
  while (head_ > lines_head_) erase_one(out);
}

/// Canonical mode: true when the character did something to the line.
bool Line::edit(u8 c, CharSink& out) {
  const bool extended = has_local(uapi::iexten);
  if (is_special(c, uapi::verase)) return erase_one(out), true;
  if (is_special(c, uapi::vkill)) return erase_line(out), true;
  if (extended && is_special(c, uapi::vwerase)) return erase_word(out), true;
  if (extended && is_special(c, uapi::vlnext)) {
    next_is_literal_ = true;
    if (has_local(uapi::echo) && has_local(uapi::echoctl)) echo_raw("^\b", out);
    return true;
  }
  if (extended && is_special(c, uapi::vreprint) && has_local(uapi::echo)) {
    echo(c, out);
    echo_raw("\n", out);
    for (u64 at = lines_head_; at < head_; ++at) echo(static_cast<u8>(ring_[at % capacity]), out);
    return true;
  }
  if (c == '\n') {
    if (has_local(uapi::echo) || has_local(uapi::echonl)) echo_raw("\n", out);
    return end_line(static_cast<u16>(c | ends_line)), true;
  }
  if (is_special(c, uapi::veof)) return end_line(is_eof), true;
  if (is_special(c, uapi::veol) || (extended && is_special(c, uapi::veol2))) {
    echo(c, out);
    return end_line(static_cast<u16>(c | ends_line)), true;
  }
  return false;
}

u32 Line::receive(u8 c, CharSink& out) {
  if (has_input(uapi::istrip)) c &= 0x7f;
  if (has_input(uapi::iuclc) && has_local(uapi::iexten)) c = lower(c);
  if (std::exchange(next_is_literal_, false)) {
    echo(c, out);
    push(c);
    return 0;
  }
  if (has_input(uapi::ixon)) {
    if (is_special(c, uapi::vstart)) return is_stopped_ = false, 0;
    if (is_special(c, uapi::vstop)) return is_stopped_ = true, 0;
    if (is_stopped_ && has_input(uapi::ixany)) is_stopped_ = false;
  }
  if (has_local(uapi::isig)) {
    u32 signal = 0;
    if (is_special(c, uapi::vintr)) signal = uapi::sigint;
    if (is_special(c, uapi::vquit)) signal = uapi::sigquit;
    if (is_special(c, uapi::vsusp)) signal = uapi::sigtstp;
    if (signal != 0) {
      if (flushes_at_signals()) {
        flush_input();
        out.drop();
      }
      is_stopped_ = false;
      echo(c, out);
      return signal;
    }
  }
  if (c == '\r') {
    if (has_input(uapi::igncr)) return 0;
    if (has_input(uapi::icrnl)) c = '\n';
  } else if (c == '\n' && has_input(uapi::inlcr)) {
    c = '\r';
  }
  if (is_canonical() && edit(c, out)) return 0;
  if (c == '\n')
    echo_raw(has_local(uapi::echo) ? "\n" : "", out);
  else
    echo(c, out);
  push(c);
  return 0;
}

bool Line::flushes_at_signals() const { return !has_local(uapi::noflsh); }

usize Line::batch() const {
  constexpr usize most = 64, steps = 1024;
  return std::clamp<usize>(steps / (head_ - lines_head_ + 1), 1, most);
}

usize Line::input_room() const {
  const usize left = capacity - 1 - std::min<usize>(head_ - tail_, capacity - 1);
  constexpr usize some = 64;
  return left == 0 && is_canonical() && lines_head_ == tail_ ? some : left;
}

usize Line::available() const {
  u64 n = (is_canonical() ? lines_head_ : head_) - tail_;
  if (!is_canonical()) return n;
  for (u64 at = tail_; at < lines_head_; ++at)
    if ((ring_[at % capacity] & is_eof) != 0) --n;
  return n;
}

usize Line::take(std::span<char> to, bool& at_end) {
  const u64 end = is_canonical() ? lines_head_ : head_;
  usize done = 0;
  at_end = false;
  while (tail_ != end && done < to.size() && !at_end) {
    const u16 c = ring_[tail_++ % capacity];
    at_end = is_canonical() && (c & (ends_line | is_eof)) != 0;
    // Without lines the mark is a character like others: the zero that it stands at.
    if (!is_canonical() || (c & is_eof) == 0) to[done++] = static_cast<char>(c);
  }
  // The mark of an end of file right behind a full buffer belongs to what was read.
  if (is_canonical() && !at_end && done == to.size() && tail_ != end &&
      (ring_[tail_ % capacity] & is_eof) != 0) {
    ++tail_;
    at_end = true;
  }
  return done;
}

}  // namespace auk::drivers::tty
