// Purpose: the user's terminal while a guest has it: raw, and put back whatever happens.
#pragma once

#include "run/run.hpp"

#include <termios.h>

namespace auk {

// Both its keyboard and its screen are ours.
bool on_terminal();
TerminalSize terminal_size();

class RawTerminal {
 public:
  RawTerminal();
  ~RawTerminal();
  RawTerminal(RawTerminal const&) = delete;
  RawTerminal& operator=(RawTerminal const&) = delete;

 private:
  termios saved_{};
  bool changed_ = false;
};

// Finds the keys that are for us, not for the guest: Ctrl-A X quits, Ctrl-A Ctrl-A is one Ctrl-A.
class EscapeKeys {
 public:
  struct Result {
    std::string keys;  // for the guest
    bool quit = false;
  };
  Result filter(std::string_view typed);

 private:
  bool escaped_ = false;
};

}  // namespace auk
