// Formatting checked at compile time, into a caller's buffer, without allocation.
//
// Purpose: messages for people. `{}` takes the next argument; a spec after a colon may hold `#`
// (0x before hex), `0` (fill with zeros), a width, and `x`, `X` or `o`; strings are padded on the
// right, or on the left with `>`, and numbers the other way round, with `<`.
// Data model: arguments are erased into a small array of tagged words, so one formatter serves all.
// Context: any, NMI included.
// Differences from Linux: no format letters to get wrong, and no way to print a kernel pointer:
// pointers have no formatter (reliability: kernel addresses never reach a log by accident).
#pragma once
#include <algorithm>
#include <array>
#include <concepts>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/types.hpp"
#include "generated/uapi/errno.hpp"

namespace auk {

struct FormatArg {
  enum class Kind : u8 { unsigned_number, signed_number, character, boolean, text, hex };
  Kind kind;
  u64 number;
  std::string_view text;
  u8 size = 8;  ///< bytes of a signed number; hex shows no more of it
};

constexpr FormatArg format_arg(bool b) { return {FormatArg::Kind::boolean, b, {}}; }
constexpr FormatArg format_arg(char c) {
  return {FormatArg::Kind::character, static_cast<u8>(c), {}};
}
template <std::signed_integral T> constexpr FormatArg format_arg(T v) {
  return {FormatArg::Kind::signed_number, static_cast<u64>(static_cast<i64>(v)), {}, sizeof(T)};
}
template <std::unsigned_integral T> constexpr FormatArg format_arg(T v) {
  return {FormatArg::Kind::unsigned_number, v, {}};
}
constexpr FormatArg format_arg(std::string_view s) { return {FormatArg::Kind::text, 0, s}; }
constexpr FormatArg format_arg(const char* s) {
  return {FormatArg::Kind::text, 0, s == nullptr ? std::string_view("(null)") : s};
}
/// Physical addresses and frame numbers read best in hex.
constexpr FormatArg format_arg(PhysAddr a) { return {FormatArg::Kind::hex, a.value, {}}; }
constexpr FormatArg format_arg(Pfn f) { return {FormatArg::Kind::hex, f.value, {}}; }
constexpr FormatArg format_arg(CpuId c) { return {FormatArg::Kind::unsigned_number, c.value, {}}; }
constexpr FormatArg format_arg(uapi::Errno e) {
  return {FormatArg::Kind::text, 0, std::string_view(uapi::name(e))};
}

template <class T>
concept Formattable = requires(T v) {
  { format_arg(v) } -> std::same_as<FormatArg>;
};

/// Bytes into a fixed buffer; what does not fit is dropped and remembered.
class Writer {
  std::span<char> out_;
  usize used_ = 0;
  bool cut_ = false;

 public:
  explicit Writer(std::span<char> out) : out_(out) {}
  void put(char c) {
    if (used_ < out_.size())
      out_[used_++] = c;
    else
      cut_ = true;
  }
  void put(std::string_view s) {
    const usize n = std::min(s.size(), out_.size() - used_);
    if (n < s.size()) cut_ = true;
    s.copy(out_.data() + used_, n);
    used_ += n;
  }
  void repeat(char c, usize n) {
    while (n-- > 0) put(c);
  }
  std::string_view text() const { return {out_.data(), used_}; }
  bool was_cut() const { return cut_; }
};

/// The erased formatter. A placeholder without an argument prints as `{?}`.
void vformat(Writer& out, std::string_view format, std::span<const FormatArg> args);

/// Not constexpr on purpose: reaching it makes a bad format string a compile error.
void bad_format_string(const char* why);

/// A format string whose placeholders were counted against the arguments when it was compiled.
template <class... Args> struct FormatString {
  std::string_view text;

  template <usize n> consteval FormatString(const char (&s)[n]) : text(s, n - 1) {
    usize used = 0;
    for (usize i = 0; i < text.size(); ++i) {
      if (text[i] == '{') {
        if (i + 1 < text.size() && text[i + 1] == '{') {
          ++i;
          continue;
        }
        ++i;
        if (i < text.size() && text[i] == ':') {
          for (++i; i < text.size() && text[i] != '}'; ++i) {
            const char c = text[i];
            constexpr std::string_view known = "#<>xXo0123456789";
            if (!known.contains(c)) bad_format_string("unknown character in a placeholder");
          }
        }
        if (i >= text.size() || text[i] != '}') bad_format_string("placeholder is not closed");
        ++used;
      } else if (text[i] == '}') {
        if (i + 1 >= text.size() || text[i + 1] != '}') bad_format_string("single }");
        ++i;
      }
    }
    if (used != sizeof...(Args)) bad_format_string("wrong number of arguments");
  }
};

template <Formattable... Args>
void format_to(Writer& out, FormatString<std::type_identity_t<Args>...> format,
               const Args&... args) {
  const std::array<FormatArg, sizeof...(Args)> erased{format_arg(args)...};
  vformat(out, format.text, erased);
}

}  // namespace auk
