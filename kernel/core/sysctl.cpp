#include "core/sysctl.hpp"

#include "base/text.hpp"

namespace auk::core {

Result<void> NumberSysctl::store(std::string_view text) {
  const std::optional<i64> n = parse_i64(text);
  if (!n || *n < least_ || *n > most_) return Errno::einval;
  value_.store_relaxed(*n);
  return {};
}

}  // namespace auk::core
