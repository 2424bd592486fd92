// Text in memory that grows.
//
// Purpose: whoever writes text need not know how long it becomes, nor look after each piece: what
// there was no memory for is missing, and that is remembered.
// Locking: the owner's. Context: that of the allocator.
#pragma once
#include <span>
#include <string_view>

#include "base/annotations.hpp"
#include "base/fmt.hpp"

namespace auk::mem {

class Text {
  char* at_ = nullptr;  ///< owned
  usize room_ = 0, used_ = 0;
  bool failed_ = false;

  bool grow(usize least);

 public:
  Text() = default;
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  ~Text();
  void put(std::string_view s);
  void put(char c) { put(std::string_view(&c, 1)); }
  void repeat(char c, usize n);
  /// Not inlined: the arguments of many calls would stand in one frame.
  template <Formattable... Args>
  AUK_NOINLINE void print(FormatString<std::type_identity_t<Args>...> format, const Args&... args) {
    const std::array<FormatArg, sizeof...(Args)> erased{format_arg(args)...};
    vprint(format.text, erased);
  }
  void vprint(std::string_view format, std::span<const FormatArg> args);
  /// With each of these written as a backslash and an octal number.
  void put_escaped(std::string_view s, std::string_view special);
  void clear() {
    used_ = 0;
    failed_ = false;
  }
  std::string_view text() const { return {at_, used_}; }
  bool failed() const { return failed_; }
};

}  // namespace auk::mem
