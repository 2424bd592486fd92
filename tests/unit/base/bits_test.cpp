#include "base/bits.hpp"

#include <gtest/gtest.h>
#include <random>
#include <set>

namespace auk {
namespace {

TEST(BitSet, empty_and_full) {
  BitSet<130> s;
  EXPECT_EQ(s.next(0), 130u);
  EXPECT_EQ(s.next_free(0), 0u);
  for (u32 i = 0; i < 130; ++i) s.add(i);
  EXPECT_EQ(s.next(129), 129u);
  EXPECT_EQ(s.next(130), 130u);
  EXPECT_EQ(s.next_free(0), 130u);
  EXPECT_EQ(s.next_free(4000), 130u);
  s.remove(128);
  EXPECT_EQ(s.next_free(64), 128u);
}

TEST(BitSet, agrees_with_a_set) {
  constexpr u32 size = 448;
  BitSet<size> bits;
  std::set<u32> model;
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    const u32 n = static_cast<u32>(random()) % size;
    if (random() % 3 == 0) {
      bits.remove(n);
      model.erase(n);
    } else {
      bits.add(n);
      model.insert(n);
    }
    const u32 from = static_cast<u32>(random()) % (size + 1);
    const auto next = model.lower_bound(from);
    EXPECT_EQ(bits.next(from), next == model.end() ? size : *next);
    u32 free = from;
    while (free < size && model.contains(free)) ++free;
    EXPECT_EQ(bits.next_free(from), free);
    EXPECT_EQ(bits.has(n), model.contains(n));
    if (round == 10'000)  // from here on mostly empty
      for (u32 i = 0; i < size; i += 1 + i % 3) bits.remove(i), model.erase(i);
  }
}

}  // namespace
}  // namespace auk
