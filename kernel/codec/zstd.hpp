// zstd: frames of blocks of sequences.
//
// Purpose: what distributions compress their initial RAM disks and modules with.
// Data model: the input is one span; the output goes to the sink block by block. The tables, 20 KiB
// to be put on the heap, are in the decoder; the window, whose size each frame says, comes from the
// caller.
// Context: any; no locks, nothing is allocated here. WindowMemory and the sink run on the caller's
// thread.
// Source: RFC 8878.
#pragma once
#include <span>

#include "codec/stream.hpp"
#include "codec/window.hpp"
#include "codec/zstd/literals.hpp"
#include "codec/zstd/sequences.hpp"

namespace auk::codec {

class WindowMemory {
 public:
  /// At least `size` bytes, whatever is in them. They belong to the decoder until it returns or
  /// asks again.
  virtual Result<std::span<byte>> window(usize size) = 0;

 protected:
  constexpr WindowMemory() = default;
  ~WindowMemory() = default;
};

class Unzstd {
 public:
  /// Frames that want more are refused, as Linux refuses them. WindowMemory is asked for at most
  /// this and 257 KiB.
  static constexpr u64 max_window = 128 * mib;

 private:
  struct FrameHeader {
    u64 window;
    u64 content;  ///< all ones if unknown
    bool has_sum;
  };
  struct Frame;

  WindowMemory& memory_;
  Complaint complain_;
  zstd::LiteralsDecoder literals_;
  zstd::SequenceDecoder sequences_;
  Window out_;
  std::span<byte> literals_memory_;
  usize position_ = 0;

  Result<FrameHeader> header(ByteReader& in);
  Result<void> prepare(const FrameHeader& header, usize block_size);
  Result<void> blocks(ByteReader& in, Frame& frame, ByteSink& sink);
  Result<void> block(unsigned type, ByteReader& in, usize size, usize limit);
  Result<void> compressed_block(std::span<const byte> bytes, usize limit);
  Result<void> skippable(ByteReader& in);

 public:
  /// `memory` outlives the decoder.
  explicit Unzstd(WindowMemory& memory)
      : memory_(memory),
        literals_(complain_),
        sequences_(complain_) {}
  Unzstd(const Unzstd&) = delete;
  Unzstd& operator=(const Unzstd&) = delete;

  static bool recognises(std::span<const byte> input);

  /// Decodes the frame that `input` begins with, or skips it if it says so, and returns how many
  /// bytes it takes. EINVAL for a frame that is damaged, ends early or wants too large a window,
  /// EOPNOTSUPP for one that needs a dictionary, else the errno of sink or memory. What the sink
  /// got before a failure is not to be trusted.
  Result<usize> decode_frame(std::span<const byte> input, ByteSink& sink);
  /// Decodes all frames up to the end of `input`, of which there is at least one.
  Result<void> decode(std::span<const byte> input, ByteSink& sink);

  /// About the last call: why it failed, and how far it has read (to the block).
  std::string_view message() const { return complain_.text(); }
  usize position() const { return position_; }
};

}  // namespace auk::codec
