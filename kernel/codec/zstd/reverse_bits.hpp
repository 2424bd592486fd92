// Numbers of a few bits from the end of a span to its front, as zstd's entropy coders write them.
//
// Data model: `word_` is the 8 bytes at `at_`; its upper `used_` bits have been taken. The highest
// set bit of the last byte marks where the stream begins. A stream below 8 bytes stands in the
// lower end of the word, and what is above counts as taken.
// Context: any. Copy the reader into a local variable around a loop: it fits into registers.
// Source: RFC 8878, section 4.1.
#pragma once
#include <bit>
#include <span>

#include "codec/bytes.hpp"

namespace auk::codec::zstd {

class ReverseBits {
  const byte* input_ = nullptr;
  usize at_ = 0;
  u64 word_ = 0;
  unsigned used_ = 0;

 public:
  /// False for what is no stream.
  bool open(std::span<const byte> input) {
    if (input.empty() || input.back() == 0) return false;
    input_ = input.data();
    used_ = static_cast<unsigned>(std::countl_zero(input.back())) + 1;
    if (input.size() >= 8) {
      at_ = input.size() - 8;
      word_ = load<u64>(input_ + at_);
      return true;
    }
    at_ = 0;
    word_ = ByteReader(input).number(input.size());
    used_ += static_cast<unsigned>(8 * (8 - input.size()));
    return true;
  }

  /// At least 57 bits are at hand afterwards, or all there are. A short stream never gets to the
  /// load: at least 8 bits of its word count as taken from the beginning.
  AUK_ALWAYS_INLINE void refill() {
    const usize back = used_ / 8;
    if (back <= at_) [[likely]] {
      at_ -= back;
      used_ %= 8;
    } else {
      if (at_ == 0) return;
      used_ -= static_cast<unsigned>(8 * at_);
      at_ = 0;
    }
    word_ = load<u64>(input_ + at_);
  }
  /// More was taken than there is; what was taken is some number of the right width.
  AUK_ALWAYS_INLINE bool overrun() const { return used_ > 64; }
  /// Everything was taken, and no more.
  bool finished() {
    refill();
    return at_ == 0 && used_ == 64;
  }

  /// The next `Width` bits; after the end, zeros follow.
  template <unsigned Width> AUK_ALWAYS_INLINE usize peek() const {
    return word_ << (used_ % 64) >> (64 - Width);
  }
  AUK_ALWAYS_INLINE void drop(unsigned n) { used_ += n; }
  /// n < 58; 0 will do.
  AUK_ALWAYS_INLINE usize take(unsigned n) {
    const usize value = word_ << (used_ % 64) >> 1 >> (63 - n);
    used_ += n;
    return value;
  }
};

}  // namespace auk::codec::zstd
