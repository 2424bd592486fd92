#include "codec/xxh64.hpp"

#include <algorithm>
#include <bit>

#include "codec/bytes.hpp"

namespace auk::codec {
namespace {

constexpr u64 prime1 = 0x9e3779b185ebca87;
constexpr u64 prime2 = 0xc2b2ae3d27d4eb4f;
constexpr u64 prime3 = 0x165667b19e3779f9;
constexpr u64 prime4 = 0x85ebca77c2b2ae63;
constexpr u64 prime5 = 0x27d4eb2f165667c5;

constexpr u64 mix(u64 sum, u64 word) { return std::rotl(sum + word * prime2, 31) * prime1; }
constexpr u64 merge(u64 sum, u64 other) { return (sum ^ mix(0, other)) * prime1 + prime4; }

constexpr u64 avalanche(u64 sum) {
  sum = (sum ^ sum >> 33) * prime2;
  sum = (sum ^ sum >> 29) * prime3;
  return sum ^ sum >> 32;
}

}  // namespace

Xxh64::Xxh64(u64 seed)
    : seed_(seed),
      sums_{seed + prime1 + prime2, seed + prime2, seed, seed - prime1} {}

void Xxh64::take_stripe(const byte* stripe) {
  for (usize lane = 0; lane < sums_.size(); ++lane)
    sums_[lane] = mix(sums_[lane], load<u64>(stripe + 8 * lane));
}

void Xxh64::update(std::span<const byte> bytes) {
  const usize held = size_ % stripe_size;
  size_ += bytes.size();
  if (held != 0) {
    const usize n = std::min(stripe_size - held, bytes.size());
    std::ranges::copy(bytes.first(n), waiting_.begin() + static_cast<isize>(held));
    bytes = bytes.subspan(n);
    if (held + n < stripe_size) return;
    take_stripe(waiting_.data());
  }
  for (; bytes.size() >= stripe_size; bytes = bytes.subspan(stripe_size)) take_stripe(bytes.data());
  std::ranges::copy(bytes, waiting_.begin());
}

u64 Xxh64::sum() const {
  u64 sum = seed_ + prime5;
  if (size_ >= stripe_size) {
    sum = std::rotl(sums_[0], 1) + std::rotl(sums_[1], 7) + std::rotl(sums_[2], 12) +
          std::rotl(sums_[3], 18);
    for (const u64 lane : sums_) sum = merge(sum, lane);
  }
  sum += size_;
  ByteReader rest(std::span(waiting_).first(size_ % stripe_size));
  while (rest.left() >= 8) sum = std::rotl(sum ^ mix(0, rest.number(8)), 27) * prime1 + prime4;
  if (rest.left() >= 4) sum = std::rotl(sum ^ rest.number(4) * prime1, 23) * prime2 + prime3;
  while (rest.left() > 0) sum = std::rotl(sum ^ rest.number(1) * prime5, 11) * prime1;
  return avalanche(sum);
}

}  // namespace auk::codec
