// A fuzzer's input as physical memory: pieces at addresses that the input names itself.
#pragma once
#include <cstring>
#include <memory>
#include <vector>

#include "bus/phys_reader.hpp"

namespace auk::fuzz {

/// Takes plain values off the front of the input; zeros once it is used up.
class Input {
  std::span<const byte> rest_;

 public:
  Input(const byte* data, usize size) : rest_(data, size) {}
  bool empty() const { return rest_.empty(); }
  template <class T> T number() {
    T v{};
    const auto bytes = take(sizeof(T));
    if (!bytes.empty()) std::memcpy(&v, bytes.data(), bytes.size());
    return v;
  }
  std::span<const byte> take(usize n) {
    const auto out = rest_.first(std::min(n, rest_.size()));
    rest_ = rest_.subspan(out.size());
    return out;
  }
  std::span<const byte> rest() { return take(rest_.size()); }
};

/// Answers with a fresh block of exactly the size asked for, which dies with the next question: the
/// sanitizer sees every byte too many and every use too late.
class Memory final : public bus::PhysReader {
  struct Piece {
    u64 at;
    std::span<const byte> bytes;
  };
  std::vector<Piece> pieces_;
  std::unique_ptr<byte[]> last_;

 public:
  void place(u64 at, std::span<const byte> bytes) { pieces_.push_back({at, bytes}); }
  std::span<const byte> bytes(PhysAddr at, u64 size) override {
    last_.reset();
    for (const Piece& p : pieces_) {
      if (at.value < p.at || at.value - p.at >= p.bytes.size()) continue;
      const u64 offset = at.value - p.at;
      if (size == 0 || size > p.bytes.size() - offset) continue;
      last_.reset(new byte[size]);
      std::memcpy(last_.get(), p.bytes.data() + offset, size);
      return {last_.get(), size};
    }
    return {};
  }
};

}  // namespace auk::fuzz
