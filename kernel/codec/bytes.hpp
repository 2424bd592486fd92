// Little-endian numbers out of memory, and copies in steps of 16 bytes.
//
// Purpose: matches and literals are mostly shorter than a call of memcpy is long.
// Context: any; pure functions.
#pragma once
#include <array>
#include <bit>
#include <concepts>
#include <span>
#include <string_view>

#include "base/annotations.hpp"
#include "base/types.hpp"

namespace auk::codec {

static_assert(std::endian::native == std::endian::little);

/// `from` has sizeof(T) readable bytes, in whatever alignment.
template <std::unsigned_integral T> AUK_ALWAYS_INLINE T load(const byte* from) {
  T value;
  __builtin_memcpy(&value, from, sizeof(T));
  return value;
}
template <std::unsigned_integral T> AUK_ALWAYS_INLINE void store(byte* to, T value) {
  __builtin_memcpy(to, &value, sizeof(T));
}

/// How far a copy below may read and write past its end.
inline constexpr usize copy_slack = 16;

/// Copies `n` bytes and up to 15 more. The source does not begin within the 16 bytes before `to`.
AUK_ALWAYS_INLINE void copy_ahead(byte* to, const byte* from, usize n) {
  for (usize done = 0; done < n; done += 16) {
    const u64 low = load<u64>(from + done);
    const u64 high = load<u64>(from + done + 8);
    store(to + done, low);
    store(to + done + 8, high);
  }
}

/// Copies exactly `n` bytes.
AUK_ALWAYS_INLINE void copy_exact(byte* to, const byte* from, usize n) {
  const usize whole = n & ~usize{15};
  copy_ahead(to, from, whole);
  for (usize i = whole; i < n; ++i) to[i] = from[i];
}

/// copy_match for a distance below 16: the first 16 bytes one by one, the rest from the nearest
/// repetition that is far enough away.
inline void repeat_short(byte* to, usize distance, usize n) {
  for (usize i = 0; i < 16; ++i) to[i] = *(to + i - distance);
  if (n <= 16) return;
  const usize period = distance * ((15 / distance) + 1);
  copy_ahead(to + 16, to + 16 - period, n - 16);
}

/// Repeats, `n` bytes long, what begins `distance` bytes before `to`; up to 15 bytes more are
/// written. `distance` is not 0.
AUK_ALWAYS_INLINE void copy_match(byte* to, usize distance, usize n) {
  if (distance >= 16) [[likely]]
    copy_ahead(to, to - distance, n);
  else
    repeat_short(to, distance, n);
}

/// Takes numbers and runs of bytes off the front of its input. Past the end everything is zero or
/// empty, and `ran_out` says so: one check serves for a whole header.
class ByteReader {
  std::span<const byte> input_;
  usize at_ = 0;
  bool ran_out_ = false;

 public:
  constexpr explicit ByteReader(std::span<const byte> input) : input_(input) {}

  constexpr usize position() const { return at_; }
  constexpr usize left() const { return input_.size() - at_; }
  constexpr bool ran_out() const { return ran_out_; }
  constexpr std::span<const byte> rest() const { return input_.subspan(at_); }

  constexpr std::span<const byte> take(usize n) {
    if (n > left()) {
      ran_out_ = true;
      return {};
    }
    at_ += n;
    return input_.subspan(at_ - n, n);
  }
  /// Little-endian, of up to 8 bytes.
  constexpr u64 number(usize size) {
    u64 value = 0;
    unsigned shift = 0;
    for (const byte b : take(size)) {
      value |= u64{b} << shift;
      shift += 8;
    }
    return value;
  }
  /// Skips up to and including the next zero byte.
  constexpr void skip_text() {
    while (left() > 0)
      if (input_[at_++] == 0) return;
    ran_out_ = true;
  }
};

constexpr bool begins_with(std::span<const byte> bytes, std::string_view text) {
  if (bytes.size() < text.size()) return false;
  for (usize i = 0; i < text.size(); ++i)
    if (bytes[i] != static_cast<byte>(text[i])) return false;
  return true;
}

}  // namespace auk::codec
