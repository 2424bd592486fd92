// Small pure functions over text: numbers, words, sizes. Used by parameters and parsers.
#pragma once
#include <optional>
#include <string_view>

#include "base/types.hpp"

namespace auk {

constexpr bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}
/// Without space at its ends.
constexpr std::string_view trim(std::string_view s) {
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  return s;
}
constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// Digits in base 10, `0x` hex or leading-zero octal, as the kernel command line takes them.
/// `rest` receives what follows the number. Nothing when there is no digit or it overflows.
std::optional<u64> parse_number(std::string_view s, std::string_view& rest);

/// The whole of `s` as a number.
std::optional<u64> parse_u64(std::string_view s);
std::optional<i64> parse_i64(std::string_view s);

/// A number with an optional K, M, G, T, P or E suffix (powers of 1024), like Linux's memparse.
std::optional<u64> parse_size(std::string_view s, std::string_view& rest);

}  // namespace auk
