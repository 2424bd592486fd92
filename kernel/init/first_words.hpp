// What the command line says to the first program.
#pragma once
#include <array>
#include <span>
#include <string_view>

#include "proc/exec.hpp"

namespace auk::init {

/// The words of a command line that no part of the kernel obeys: `name=value` goes into the
/// environment, single words and all behind `--` are arguments. Views into `line` and into itself.
class FirstWords {
  static constexpr usize most = 64;
  std::array<std::string_view, most> arguments_, environment_;
  usize argument_count_ = 0, environment_count_ = 0;
  std::array<char, 4096> text_{};
  usize text_size_ = 0;

  void add_argument(std::string_view s);
  void add_environment(std::string_view name, std::string_view value);

 public:
  constexpr FirstWords() = default;
  void read(std::string_view line);
  /// Of `init=` and `rdinit=`, with Linux's defaults.
  proc::FirstProgram program() const;
};

}  // namespace auk::init
