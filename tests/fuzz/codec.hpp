// What the fuzzers of the decoders share.
#pragma once
#include <algorithm>
#include <memory>
#include <vector>

#include "codec/zstd.hpp"

namespace auk::fuzz {

/// Looks at every byte it gets and refuses more than some windows full: bombs are no finding.
class Sink final : public codec::ByteSink {
  static constexpr usize limit = 512 * kib;
  std::vector<byte> last_;

 public:
  usize size = 0;
  Result<void> write(std::span<const byte> piece) override {
    size += piece.size();
    if (size > limit) return Fail(Errno::enospc);
    last_.assign(piece.begin(), piece.end());
    return {};
  }
};

/// A fresh block for every window: the sanitizer sees who leaves it or keeps an old one.
class Windows final : public codec::WindowMemory {
  std::unique_ptr<byte[]> memory_;

 public:
  Result<std::span<byte>> window(usize size) override {
    memory_.reset();
    if (size > 2 * mib) return Fail(Errno::enomem);
    memory_.reset(new byte[size]);
    return std::span(memory_.get(), size);
  }
};

/// An exact copy: the first byte too many is seen.
class Exact {
  std::unique_ptr<byte[]> memory_;
  usize size_;

 public:
  explicit Exact(std::span<const byte> from) : memory_(new byte[from.size()]), size_(from.size()) {
    std::ranges::copy(from, memory_.get());
  }
  std::span<const byte> span() const { return {memory_.get(), size_}; }
};

}  // namespace auk::fuzz
