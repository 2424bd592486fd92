#include "core/memmap.hpp"

namespace auk::core {

std::optional<MemmapEntry> parse_memmap(std::string_view value) {
  const std::optional<u64> size = parse_size(value, value);
  if (!size || *size == 0 || (!value.starts_with('!') && !value.starts_with('$')))
    return std::nullopt;
  const bool is_persistent = value.front() == '!';
  const std::optional<u64> start = parse_size(value.substr(1), value);
  if (!start || !value.empty() || *start + *size < *start) return std::nullopt;
  return MemmapEntry{{PhysAddr(*start), PhysAddr(*start + *size)},
                     is_persistent ? MemmapEntry::Kind::persistent : MemmapEntry::Kind::reserved};
}

namespace {
bool is_understood(std::string_view v) { return parse_memmap(v).has_value(); }
PARAM("memmap", is_understood);
}  // namespace

}  // namespace auk::core
