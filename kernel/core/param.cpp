#include "core/param.hpp"

#include <span>

#include "core/log.hpp"
#include "core/sysctl.hpp"

extern "C" const auk::core::Param __ld_param[], __ld_param_end[];

namespace auk::core {
namespace {

constexpr char folded(char c) { return c == '-' ? '_' : c; }

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

bool same_param_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (usize i = 0; i < a.size(); ++i)
    if (folded(a[i]) != folded(b[i])) return false;
  return true;
}

bool next_param(std::string_view& line, ParamWord& word) {
  usize start = 0;
  while (start < line.size() && is_blank(line[start])) ++start;
  if (start == line.size() || line[start] == 0) return false;
  // A blank ends the word unless it stands between double quotes.
  bool quoted = false;
  usize end = start;
  usize equals = std::string_view::npos;
  for (; end < line.size() && line[end] != 0 && (quoted || !is_blank(line[end])); ++end) {
    if (line[end] == '"') quoted = !quoted;
    if (line[end] == '=' && equals == std::string_view::npos) equals = end;
  }
  std::string_view all = line.substr(start, end - start);
  line.remove_prefix(end);
  const auto strip = [](std::string_view s) {
    if (!s.empty() && s.front() == '"') {
      s.remove_prefix(1);
      if (!s.empty() && s.back() == '"') s.remove_suffix(1);
    }
    return s;
  };
  word = {};
  if (equals == std::string_view::npos) {
    word.name = strip(all);
    return true;
  }
  // `"name=value with blanks"` is quoted as a whole, `name="value"` only behind the sign.
  word.has_value = true;
  const usize sign = equals - start;
  if (all.front() == '"') {
    all = strip(all);
    word.name = all.substr(0, sign - 1);
    word.value = all.substr(sign < all.size() ? sign : all.size());
    return true;
  }
  word.name = all.substr(0, sign);
  word.value = strip(all.substr(sign + 1));
  return true;
}

namespace {

/// The variable that "sysctl.a.b" names, if there is one.
Sysctl* sysctl_of(std::string_view name) {
  constexpr std::string_view prefix = "sysctl.";
  return name.starts_with(prefix) ? find_sysctl(name.substr(prefix.size())) : nullptr;
}

}  // namespace

bool is_known_param(std::string_view name) {
  if (sysctl_of(name) != nullptr) return true;
  for (const Param& row : std::span<const Param>(__ld_param, __ld_param_end))
    if (same_param_name(row.name, name)) return true;
  return false;
}

namespace {
constinit std::string_view applied_line;
}

std::string_view command_line() { return applied_line; }

void apply_command_line(std::string_view line) {
  applied_line = line;
  const std::span<const Param> rows(__ld_param, __ld_param_end);
  ParamWord word;
  while (next_param(line, word) && word.name != "--") {
    for (const Param& row : rows)
      if (same_param_name(row.name, word.name) && !row.set(word.value))
        log_warn("Malformed parameter: {}={}", word.name, word.value);
    if (Sysctl* const s = sysctl_of(word.name); s != nullptr && !s->store(word.value).ok())
      log_warn("Malformed parameter: {}={}", word.name, word.value);
  }
}

}  // namespace auk::core
