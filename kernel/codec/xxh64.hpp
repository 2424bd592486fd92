// XXH64, the checksum of zstd's contents.
//
// Data model: four sums over words that are 32 bytes apart, and up to 31 bytes that wait for the
// rest of their 32.
// Context: any; no shared state. Not for keys that an attacker chooses.
// Source: the xxHash specification 0.1.1; RFC 8878, section 3.1.1.
#pragma once
#include <array>
#include <span>

#include "base/types.hpp"

namespace auk::codec {

class Xxh64 {
  static constexpr usize stripe_size = 32;

  u64 seed_;
  u64 size_ = 0;
  std::array<u64, 4> sums_;
  std::array<byte, stripe_size> waiting_{};

  void take_stripe(const byte* stripe);

 public:
  explicit Xxh64(u64 seed = 0);
  void update(std::span<const byte> bytes);
  u64 sum() const;
};

}  // namespace auk::codec
