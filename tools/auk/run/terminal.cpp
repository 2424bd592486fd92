#include "run/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace auk {

bool on_terminal() { return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO); }

TerminalSize terminal_size() {
  winsize size{};
  if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0) return {};
  return {.rows = size.ws_row, .columns = size.ws_col};
}

RawTerminal::RawTerminal() {
  if (tcgetattr(STDIN_FILENO, &saved_) != 0) return;
  termios raw = saved_;
  cfmakeraw(&raw);
  changed_ = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

RawTerminal::~RawTerminal() {
  if (changed_) tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_);
}

EscapeKeys::Result EscapeKeys::filter(std::string_view typed) {
  constexpr char escape = 'A' & 0x1f;
  Result result;
  for (char const key : typed) {
    if (!escaped_ && key == escape) {
      escaped_ = true;
      continue;
    }
    if (escaped_ && (key == 'x' || key == 'X')) result.quit = true;
    if (escaped_ && key != escape) result.keys += escape;
    escaped_ = false;
    result.keys += key;
  }
  return result;
}

}  // namespace auk
