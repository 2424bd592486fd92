// Options of mount(2): names with values, separated by commas. Pure.
#pragma once
#include <algorithm>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace auk::vfs {

/// A number at the front of a text, in the base that its prefix names unless one is given (0).
/// EINVAL.
Result<u64> take_number(std::string_view& text, u32 base);
/// The same, and nothing behind it.
Result<u64> whole_number(std::string_view text, u32 base);
/// A user's or group's. EINVAL.
Result<u32> id_number(std::string_view text);

/// Calls f(name, value), which answers with a Result, for each.
template <class F> Result<void> each_option(std::string_view text, F f) {
  while (!text.empty()) {
    const std::string_view option = text.substr(0, std::min(text.find(','), text.size()));
    text.remove_prefix(std::min(option.size() + 1, text.size()));
    if (option.empty()) continue;
    const usize equals = std::min(option.find('='), option.size());
    TRY(f(option.substr(0, equals),
          equals < option.size() ? option.substr(equals + 1) : std::string_view()));
  }
  return {};
}

}  // namespace auk::vfs
