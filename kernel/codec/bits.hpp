// Numbers of a few bits, least significant bit first, from the front of a span.
//
// Purpose: refills are one load; symbols cost a mask and a shift.
// Data model: the next `count_` bits of the input are the low bits of `bits_`; what stands above
// them is either zero or the same bits that the next refill brings. Past the end of the input the
// bits are zeros that `made_up_` counts: decoders check `overrun` once a round instead of before
// each symbol.
// Context: any. Copy the reader into a local variable around a loop: it fits into registers.
#pragma once
#include <span>

#include "codec/bytes.hpp"

namespace auk::codec {

class BitReader {
  std::span<const byte> input_;
  usize at_ = 0;
  u64 bits_ = 0;
  unsigned count_ = 0;
  usize made_up_ = 0;

  void refill_at_end() {
    for (; count_ <= 55; count_ += 8) {
      if (at_ < input_.size())
        bits_ |= u64{input_[at_++]} << count_;
      else
        made_up_ += 8;
    }
  }

 public:
  BitReader() = default;
  explicit BitReader(std::span<const byte> input) : input_(input) {}

  /// At least 56 bits are at hand afterwards.
  AUK_ALWAYS_INLINE void refill() {
    if (input_.size() - at_ < 8) [[unlikely]]
      return refill_at_end();
    bits_ |= load<u64>(input_.data() + at_) << count_;
    at_ += (63 - count_) / 8;
    count_ |= 56;
  }
  /// More was taken than there is.
  AUK_ALWAYS_INLINE bool overrun() const { return made_up_ > count_; }

  AUK_ALWAYS_INLINE u64 bits() const { return bits_; }
  /// The next n < 57 bits; they are at hand.
  AUK_ALWAYS_INLINE usize peek(unsigned n) const { return bits_ & ((u64{1} << n) - 1); }
  AUK_ALWAYS_INLINE void drop(unsigned n) {
    bits_ >>= n;
    count_ -= n;
  }
  AUK_ALWAYS_INLINE usize take(unsigned n) {
    const usize value = peek(n);
    drop(n);
    return value;
  }

  /// Where the next byte that holds no taken bit begins.
  usize position() const { return overrun() ? input_.size() : at_ - (count_ - made_up_) / 8; }
  /// Drops the rest of a byte begun, and all bits at hand: the next ones come from `position`.
  void align_to_byte() { seek(position()); }
  /// `to` lies in the input or at its end.
  void seek(usize to) {
    at_ = to;
    bits_ = 0;
    count_ = 0;
    made_up_ = 0;
  }
  std::span<const byte> rest() const { return input_.subspan(position()); }
};

}  // namespace auk::codec
