// Sets of small numbers, as words of bits.
//
// Data model: one bit a member. Who changes a set holds the lock of what the set describes; others
// may look at any time and find what was so a moment ago. Context: any.
#pragma once
#include <array>
#include <bit>

#include "base/atomic.hpp"
#include "base/types.hpp"

namespace auk {

template <u32 size> class BitSet {
  static constexpr u32 word_bits = 64;
  std::array<Atomic<u64>, (size + word_bits - 1) / word_bits> words_{};

  /// The first bit from `from` on of words that are each changed by `^ flip`, or `size`.
  u32 find(u32 from, u64 flip) const {
    if (from >= size) return size;
    u64 wanted = ~u64{0} << (from % word_bits);
    for (u32 i = from / word_bits; i < words_.size(); ++i) {
      const u64 found = (words_[i].load_acquire() ^ flip) & wanted;
      if (found != 0) {
        const u32 at = i * word_bits + static_cast<u32>(std::countr_zero(found));
        return at < size ? at : size;
      }
      wanted = ~u64{0};
    }
    return size;
  }

 public:
  constexpr BitSet() = default;
  bool has(u32 n) const { return (words_[n / word_bits].load_acquire() >> n % word_bits & 1) != 0; }
  void add(u32 n) {
    Atomic<u64>& w = words_[n / word_bits];
    w.store_release(w.load_relaxed() | u64{1} << n % word_bits);
  }
  void remove(u32 n) {
    Atomic<u64>& w = words_[n / word_bits];
    w.store_release(w.load_relaxed() & ~(u64{1} << n % word_bits));
  }
  /// The smallest member that is not below `from`; `size` when there is none.
  u32 next(u32 from) const { return find(from, 0); }
  /// The smallest number that is not below `from` and no member; `size` when there is none.
  u32 next_free(u32 from) const { return find(from, ~u64{0}); }
};

}  // namespace auk
