#include <gtest/gtest.h>

#include "codec/crc32.hpp"
#include "codec/xxh64.hpp"
#include "samples.hpp"

namespace auk::codec {
namespace {

TEST(Crc32, check_value) {
  EXPECT_EQ(crc32({}), 0u);
  EXPECT_EQ(crc32(test::bytes_of("123456789")), 0xcbf43926u);
}

TEST(Crc32, in_pieces) {
  const auto data = test::noise(1000, 1);
  const u32 whole = crc32(data);
  for (usize cut = 0; cut <= data.size(); ++cut)
    EXPECT_EQ(crc32(std::span(data).subspan(cut), crc32(std::span(data).first(cut))), whole);
}

u64 xxh64(std::span<const byte> data, u64 seed = 0) {
  Xxh64 sum(seed);
  sum.update(data);
  return sum.sum();
}

TEST(Xxh64, known_values) {
  EXPECT_EQ(xxh64({}), 0xef46db3751d8e999u);
  EXPECT_EQ(xxh64(test::bytes_of("a")), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(xxh64(test::bytes_of("abc")), 0x44bc2cf5ad770999u);
}

TEST(Xxh64, in_pieces) {
  const auto data = test::noise(200, 1);
  for (usize size = 0; size <= data.size(); ++size)
    for (const usize step : {1, 7, 31, 32, 33, 64}) {
      Xxh64 sum;
      for (usize at = 0; at < size; at += step)
        sum.update(std::span(data).subspan(at, std::min(step, size - at)));
      ASSERT_EQ(sum.sum(), xxh64(std::span(data).first(size)));
    }
}

}  // namespace
}  // namespace auk::codec
