// Reading little-endian fields out of firmware records: no cast, no alignment, no byte past the
// end.
//
// Context: any; pure functions.
#pragma once
#include <concepts>
#include <span>
#include <string_view>

#include "base/types.hpp"

namespace auk::bus {

/// True when [offset, offset + size) lies inside the record.
constexpr bool covers(std::span<const byte> record, usize offset, usize size) {
  return offset <= record.size() && size <= record.size() - offset;
}

/// The field at `offset`, or 0 when the record is too short to hold all of it.
template <std::unsigned_integral T> constexpr T field(std::span<const byte> record, usize offset) {
  u64 v = 0;
  if (covers(record, offset, sizeof(T)))
    for (usize i = 0; i < sizeof(T); ++i) v |= u64{record[offset + i]} << (8 * i);
  return static_cast<T>(v);
}

constexpr bool has_text(std::span<const byte> record, usize offset, std::string_view text) {
  if (!covers(record, offset, text.size())) return false;
  for (usize i = 0; i < text.size(); ++i)
    if (record[offset + i] != static_cast<byte>(text[i])) return false;
  return true;
}

/// Firmware checksums: all bytes of a record add up to 0 modulo 256.
constexpr bool sums_to_zero(std::span<const byte> record) {
  u8 sum = 0;
  for (const byte b : record) sum = static_cast<u8>(sum + b);
  return sum == 0;
}

}  // namespace auk::bus
