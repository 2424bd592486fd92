// Alignment, powers of two and checked arithmetic on plain integers.
#pragma once
#include <bit>
#include <concepts>
#include <optional>

#include "base/types.hpp"

namespace auk {

template <std::unsigned_integral T> constexpr T align_down(T v, std::type_identity_t<T> a) {
  return v & ~(a - 1);
}
/// Wraps to 0 when the aligned value does not fit.
template <std::unsigned_integral T> constexpr T align_up(T v, std::type_identity_t<T> a) {
  return (v + (a - 1)) & ~static_cast<T>(a - 1);
}
template <std::unsigned_integral T> constexpr bool is_aligned(T v, std::type_identity_t<T> a) {
  return (v & (a - 1)) == 0;
}
template <std::unsigned_integral T> constexpr T div_ceil(T v, std::type_identity_t<T> d) {
  return v / d + (v % d != 0);
}
/// Floor of the base-2 logarithm; `v` is not 0.
constexpr unsigned ilog2(u64 v) { return 63U - static_cast<unsigned>(std::countl_zero(v)); }

/// The smallest order with (4096 << order) >= bytes.
constexpr unsigned order_for(usize bytes) {
  return bytes <= page_size ? 0 : ilog2(((bytes - 1) >> page_shift)) + 1;
}

template <std::integral T> constexpr std::optional<T> checked_add(T a, std::type_identity_t<T> b) {
  T r;
  if (__builtin_add_overflow(a, b, &r)) return std::nullopt;
  return r;
}
template <std::integral T> constexpr std::optional<T> checked_mul(T a, std::type_identity_t<T> b) {
  T r;
  if (__builtin_mul_overflow(a, b, &r)) return std::nullopt;
  return r;
}

}  // namespace auk
