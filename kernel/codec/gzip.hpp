// gzip members: a header, a deflate stream, and the sum of what it decodes to.
//
// Data model: as Inflater, whose state it contains: about 80 KiB, to be put on the heap.
// Context: any; no locks, nothing is allocated.
// Source: RFC 1952.
#pragma once
#include "codec/inflate.hpp"

namespace auk::codec {

class Gunzip {
  Inflater inflater_;
  Complaint complain_;
  usize position_ = 0;

  Result<usize> header(std::span<const byte> input);

 public:
  Gunzip() = default;

  static bool recognises(std::span<const byte> input);

  /// Decodes the member that `input` begins with and returns how many bytes it takes. EINVAL for a
  /// member that is damaged or ends early, else the sink's errno. What the sink got before a
  /// failure is not to be trusted.
  Result<usize> decode_member(std::span<const byte> input, ByteSink& sink);
  /// Decodes all members, of which there is at least one, up to the end of `input`; zeros may
  /// follow the last one.
  Result<void> decode(std::span<const byte> input, ByteSink& sink);

  /// About the last call: why it failed, and how far it has read.
  std::string_view message() const { return complain_.text(); }
  usize position() const { return position_; }
};

}  // namespace auk::codec
