// PieceMap: which units of a small room are in use.
//
// Data model: one bit per unit; a piece is a run of set bits, found by its first unit.
// Locking: the owner's. Context: any.
#pragma once
#include <array>
#include <optional>

#include "base/math.hpp"
#include "base/types.hpp"

namespace auk::mem {

template <u32 units> class PieceMap {
  static constexpr u32 bits_per_word = 64;
  std::array<u64, div_ceil(units, bits_per_word)> used_{};

  bool is_used(u32 u) const { return (used_[u / bits_per_word] >> (u % bits_per_word) & 1) != 0; }
  void mark(u32 first, u32 n, bool value) {
    for (u32 u = first; u < first + n; ++u) {
      const u64 bit = u64{1} << (u % bits_per_word);
      u64& word = used_[u / bits_per_word];
      word = value ? word | bit : word & ~bit;
    }
  }

 public:
  /// The lowest run of `n` free units that starts at a multiple of `step`, a power of two.
  std::optional<u32> take(u32 n, u32 step) {
    for (u32 first = 0; n <= units && first <= units - n;) {
      u32 free = 0;
      while (free < n && !is_used(first + free)) ++free;
      if (free == n) {
        mark(first, n, true);
        return first;
      }
      first = align_up(first + free + 1, step);
    }
    return std::nullopt;
  }
  void give(u32 first, u32 n) { mark(first, n, false); }
};

}  // namespace auk::mem
