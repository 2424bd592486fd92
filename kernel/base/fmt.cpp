#include "base/fmt.hpp"

namespace auk {
namespace {

/// "00" to "99".
constexpr auto digit_pairs = [] {
  std::array<char, 200> pairs{};
  for (usize i = 0; i < pairs.size(); ++i)
    pairs[i] = static_cast<char>('0' + (i % 2 == 0 ? i / 20 : i / 2 % 10));
  return pairs;
}();

struct Spec {
  bool alternate = false;
  bool capital = false;
  bool zero = false;
  u32 base = 10;
  bool left = false, right = false;
  usize width = 0;
};

Spec parse_spec(std::string_view s) {
  Spec spec;
  for (const char c : s) {
    if (c == '#')
      spec.alternate = true;
    else if (c == '<')
      spec.left = true;
    else if (c == '>')
      spec.right = true;
    else if (c == 'x' || c == 'X')
      spec.base = 16, spec.capital = c == 'X';
    else if (c == 'o')
      spec.base = 8;
    else if (c == '0' && spec.width == 0)
      spec.zero = true;
    else if (c >= '0' && c <= '9')
      spec.width = spec.width * 10 + static_cast<usize>(c - '0');
  }
  return spec;
}

void put_padded(Writer& out, std::string_view s, const Spec& spec) {
  const usize pad = spec.width > s.size() ? spec.width - s.size() : 0;
  if (spec.right) out.repeat(' ', pad);
  out.put(s);
  if (!spec.right) out.repeat(' ', pad);
}

/// Room for a number of any base that placeholders know.
using Digits = std::array<char, 24>;

/// Written to the end; where they begin.
usize put_digits(Digits& digits, u64 v, const Spec& spec) {
  usize at = digits.size();
  if (spec.base != 10) {
    const char* const signs = spec.capital ? "0123456789ABCDEF" : "0123456789abcdef";
    for (const u32 bits = spec.base == 16 ? 4 : 3;; v >>= bits) {
      digits[--at] = signs[v & (spec.base - 1)];
      if (v < spec.base) return at;
    }
  }
  for (; v >= 10; v /= 100) {
    digits[--at] = digit_pairs[v % 100 * 2 + 1];
    digits[--at] = digit_pairs[v % 100 * 2];
  }
  // The first digit of an odd number of them.
  if (v != 0 || at == digits.size()) digits[--at] = static_cast<char>('0' + v);
  return at;
}

void put_number(Writer& out, u64 v, bool negative, const Spec& spec) {
  Digits digits;
  const usize at = put_digits(digits, v, spec);
  const usize count = digits.size() - at;
  const bool prefixed = spec.alternate && spec.base == 16;
  const usize extra = (negative ? 1 : 0) + (prefixed ? 2 : 0);
  const usize pad = spec.width > count + extra ? spec.width - count - extra : 0;
  if (!spec.zero && !spec.left) out.repeat(' ', pad);
  if (negative) out.put('-');
  if (prefixed) out.put("0x");
  if (spec.zero) out.repeat('0', pad);
  out.put(std::string_view(&digits[at], count));
  if (spec.left && !spec.zero) out.repeat(' ', pad);
}

/// What most placeholders ask for.
void put_plain(Writer& out, u64 v) {
  if (v < 10) return out.put(static_cast<char>('0' + v));
  Digits digits;
  const usize at = put_digits(digits, v, Spec());
  out.put(std::string_view(&digits[at], digits.size() - at));
}

void put_arg(Writer& out, const FormatArg& arg, Spec spec) {
  switch (arg.kind) {
    case FormatArg::Kind::unsigned_number: return put_number(out, arg.number, false, spec);
    case FormatArg::Kind::signed_number: {
      const auto v = static_cast<i64>(arg.number);
      if (spec.base != 10)
        return put_number(out, arg.number & (~u64{0} >> (64 - 8 * arg.size)), false, spec);
      const bool negative = v < 0;
      return put_number(out, negative ? 0 - arg.number : arg.number, negative, spec);
    }
    case FormatArg::Kind::hex:
      spec.alternate = true;
      spec.base = 16;
      return put_number(out, arg.number, false, spec);
    case FormatArg::Kind::character: {
      const char c = static_cast<char>(arg.number);
      return put_padded(out, std::string_view(&c, 1), spec);
    }
    case FormatArg::Kind::boolean: return put_padded(out, arg.number != 0 ? "true" : "false", spec);
    case FormatArg::Kind::text: return put_padded(out, arg.text, spec);
  }
}

}  // namespace

void vformat(Writer& out, std::string_view format, std::span<const FormatArg> args) {
  usize next = 0;
  for (usize i = 0; i < format.size(); ++i) {
    const char c = format[i];
    if (c != '{' && c != '}') {
      out.put(c);
      continue;
    }
    const bool is_doubled = i + 1 < format.size() && format[i + 1] == c;
    if (is_doubled || c == '}') {
      out.put(c);
      if (is_doubled) ++i;
      continue;
    }
    if (i + 1 < format.size() && format[i + 1] == '}' && next < args.size() &&
        args[next].kind == FormatArg::Kind::unsigned_number) {
      put_plain(out, args[next++].number);
      ++i;
      continue;
    }
    const usize close = format.find('}', i);
    if (close == std::string_view::npos) return;
    std::string_view spec = format.substr(i + 1, close - i - 1);
    if (!spec.empty() && spec.front() == ':') spec.remove_prefix(1);
    if (next < args.size())
      put_arg(out, args[next++], parse_spec(spec));
    else
      out.put("{?}");
    i = close;
  }
}

}  // namespace auk
