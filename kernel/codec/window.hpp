// The decoded bytes that later matches may refer to.
//
// Purpose: one ring serves inflate and zstd; nothing is ever moved.
// Data model: bytes are written at `at_` and handed out from `handed_out_`. When the memory ends,
// writing begins again at its start, and what stands from there to `old_end_` is the older part of
// the history, overwritten from below:
//
//     [ newer part ) at_   slack   ( older part ] old_end_
//
// The memory is larger than reach + block, so a match within reach never meets a byte that was
// written over. A copy may run past its end by `copy_slack`; room for that is kept everywhere.
// Context: any. Copy the window into a local variable around a loop: it fits into registers.
#pragma once
#include <span>

#include "codec/bytes.hpp"

namespace auk::codec {

class Window {
  std::span<byte> memory_;
  usize reach_ = 0;
  usize at_ = 0;
  usize handed_out_ = 0;
  usize old_end_ = 0;

  AUK_COLD bool repeat_older(usize distance, usize n);

 public:
  /// Memory for matches up to `reach` bytes back, if `room` is never asked for more than `block`.
  static constexpr usize memory_for(usize reach, usize block) {
    return reach + block + 2 * copy_slack;
  }

  Window() = default;
  Window(std::span<byte> memory, usize reach) : memory_(memory), reach_(reach) {}

  /// How much can be written before `wrap`.
  AUK_ALWAYS_INLINE usize room() const { return memory_.size() - copy_slack - at_; }
  /// Begins again at the start; everything has been handed out.
  void wrap() {
    old_end_ = at_;
    at_ = 0;
    handed_out_ = 0;
  }

  /// The caller has made sure of room for what the next three write.
  AUK_ALWAYS_INLINE void put(byte b) { memory_.data()[at_++] = b; }
  /// `readable` bytes may be read at `from`, of which n belong to the output.
  AUK_ALWAYS_INLINE void append(const byte* from, usize n, usize readable) {
    if (readable >= n + copy_slack) [[likely]]
      copy_ahead(memory_.data() + at_, from, n);
    else
      copy_exact(memory_.data() + at_, from, n);
    at_ += n;
  }
  /// Repeats n bytes from `distance` bytes back. False if that is before the first byte or out of
  /// reach; then nothing is written.
  AUK_ALWAYS_INLINE bool repeat(usize distance, usize n) {
    if (distance - 1 >= reach_) [[unlikely]]
      return false;
    if (distance > at_) [[unlikely]]
      return repeat_older(distance, n);
    copy_match(memory_.data() + at_, distance, n);
    at_ += n;
    return true;
  }
  void fill(byte b, usize n);

  /// What was written since the last call.
  std::span<const byte> hand_out() {
    const auto piece = memory_.subspan(handed_out_, at_ - handed_out_);
    handed_out_ = at_;
    return piece;
  }
};

}  // namespace auk::codec
