#include "base/text.hpp"

#include "base/math.hpp"

namespace auk {
namespace {

std::optional<unsigned> digit_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  c = to_lower(c);
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  return std::nullopt;
}

}  // namespace

std::optional<u64> parse_number(std::string_view s, std::string_view& rest) {
  u64 base = 10;
  if (s.size() > 2 && s[0] == '0' && to_lower(s[1]) == 'x' && digit_value(s[2])) {
    base = 16;
    s.remove_prefix(2);
  } else if (s.size() > 1 && s[0] == '0') {
    base = 8;
  }
  u64 value = 0;
  usize used = 0;
  for (; used < s.size(); ++used) {
    const auto digit = digit_value(s[used]);
    if (!digit || *digit >= base) break;
    const auto scaled = checked_mul(value, base);
    const auto sum = scaled ? checked_add(*scaled, *digit) : std::nullopt;
    if (!sum) return std::nullopt;
    value = *sum;
  }
  if (used == 0) return std::nullopt;
  rest = s.substr(used);
  return value;
}

std::optional<u64> parse_u64(std::string_view s) {
  std::string_view rest;
  const auto v = parse_number(s, rest);
  if (!v || !rest.empty()) return std::nullopt;
  return v;
}

std::optional<i64> parse_i64(std::string_view s) {
  const bool negative = !s.empty() && s[0] == '-';
  if (negative) s.remove_prefix(1);
  const auto v = parse_u64(s);
  if (!v || *v > u64{1} << 63 || (!negative && *v >> 63 != 0)) return std::nullopt;
  return static_cast<i64>(negative ? 0 - *v : *v);
}

std::optional<u64> parse_size(std::string_view s, std::string_view& rest) {
  auto v = parse_number(s, rest);
  if (!v || rest.empty()) return v;
  unsigned shift = 0;
  switch (to_lower(rest[0])) {
    case 'k': shift = 10; break;
    case 'm': shift = 20; break;
    case 'g': shift = 30; break;
    case 't': shift = 40; break;
    case 'p': shift = 50; break;
    case 'e': shift = 60; break;
    default: return v;
  }
  rest.remove_prefix(1);
  return checked_mul(*v, u64{1} << shift);
}

}  // namespace auk
