// Terminal settings as TCGETS, TCGETS2 and TIOCGWINSZ pass them (libc's termios is a larger type).
// Linux: <asm/termbits.h>, <asm/termios.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct termios {
  std::uint32_t c_iflag;
  std::uint32_t c_oflag;
  std::uint32_t c_cflag;
  std::uint32_t c_lflag;
  std::uint8_t c_line;
  std::uint8_t c_cc[19];
};
static_assert(sizeof(termios) == 36);
static_assert(std::has_unique_object_representations_v<termios>);

struct termios2 {
  std::uint32_t c_iflag;
  std::uint32_t c_oflag;
  std::uint32_t c_cflag;
  std::uint32_t c_lflag;
  std::uint8_t c_line;
  std::uint8_t c_cc[19];
  std::uint32_t c_ispeed;
  std::uint32_t c_ospeed;
};
static_assert(sizeof(termios2) == 44);
static_assert(std::has_unique_object_representations_v<termios2>);

// The oldest interface, TCGETA.
struct termio {
  std::uint16_t c_iflag;
  std::uint16_t c_oflag;
  std::uint16_t c_cflag;
  std::uint16_t c_lflag;
  std::uint8_t c_line;
  std::uint8_t c_cc[8];
  std::uint8_t pad;  //= -
};
static_assert(sizeof(termio) == 18);
static_assert(std::has_unique_object_representations_v<termio>);

struct winsize {
  std::uint16_t ws_row;
  std::uint16_t ws_col;
  std::uint16_t ws_xpixel;
  std::uint16_t ws_ypixel;
};
static_assert(std::has_unique_object_representations_v<winsize>);

}  // namespace uapi
