// Options of mount(2): names with values, separated by commas. Pure.
#pragma once
#include <algorithm>
#include <string_view>

#include "vfs/parameters.hpp"

namespace auk::vfs {

/// A number at the front of a text, in the base that its prefix names unless one is given (0).
/// EINVAL.
Result<u64> take_number(std::string_view& text, u32 base);
/// The same, and nothing behind it.
Result<u64> whole_number(std::string_view text, u32 base);
/// A user's or group's. EINVAL.
Result<u32> id_number(std::string_view text);

/// What a file system answers that takes parameters one by one and does not know one.
inline constexpr Errno unknown_parameter = Errno::enoent;
/// What taking one came to.
inline Taken taken(const Result<void>& r) {
  if (r.ok()) return Taken::yes;
  return r.error() == unknown_parameter ? Taken::unknown : Taken::bad_value;
}

/// Calls f(Parameter), which answers with a Result, for each.
template <class F> Result<void> each_option(std::string_view text, F f) {
  while (!text.empty()) {
    const std::string_view option = text.substr(0, std::min(text.find(','), text.size()));
    text.remove_prefix(std::min(option.size() + 1, text.size()));
    if (option.empty()) continue;
    const usize equals = std::min(option.find('='), option.size());
    const bool has_value = equals < option.size();
    TRY(f(Parameter{.name = option.substr(0, equals),
                    .value = has_value ? option.substr(equals + 1) : std::string_view(),
                    .has_value = has_value}));
  }
  return {};
}

}  // namespace auk::vfs
