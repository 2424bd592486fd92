// What all decoders share: where their output goes, and why they stopped.
//
// Purpose: a decoder knows neither its caller's files nor its log.
// Context: any; the decoders call the sink on the caller's thread and hold no lock.
#pragma once
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace auk::codec {

/// Takes what a decoder has produced. The bytes are gone after the call.
class ByteSink {
 public:
  /// A failure ends the decoding; the decoder passes the errno on.
  virtual Result<void> write(std::span<const byte> piece) = 0;

 protected:
  constexpr ByteSink() = default;
  ~ByteSink() = default;
};

/// Why the input was refused, in words. Empty when the failure is the sink's or the visitor's own.
class Complaint {
  std::string_view text_;

 public:
  Fail operator()(std::string_view why, Errno code = Errno::einval) {
    text_ = why;
    return Fail(code);
  }
  void clear() { text_ = {}; }
  std::string_view text() const { return text_; }
};

}  // namespace auk::codec
