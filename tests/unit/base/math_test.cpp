#include "base/math.hpp"

#include <gtest/gtest.h>

namespace auk {
namespace {

TEST(Math, alignment) {
  for (u64 a = 1; a <= 64; a *= 2) {
    for (u64 v = 0; v < 300; ++v) {
      const u64 down = v / a * a;
      const u64 up = (v + a - 1) / a * a;
      ASSERT_EQ(align_down(v, a), down);
      ASSERT_EQ(align_up(v, a), up);
      ASSERT_EQ(is_aligned(v, a), down == v);
      ASSERT_EQ(div_ceil(v, a), up / a);
    }
  }
}

TEST(Math, alignment_wraps_at_the_end_of_each_width) {
  EXPECT_EQ(align_up(~u64{0}, 4096), 0u);
  EXPECT_EQ(align_up(u8{250}, 16), 0u);
  EXPECT_EQ(align_up(u16{0xfff1}, 16), 0u);
  EXPECT_EQ(align_down(u8{250}, 16), 240u);
  EXPECT_EQ(align_down(~u64{0}, 4096), ~u64{0} - 4095);
}

TEST(Math, div_ceil_does_not_overflow) {
  EXPECT_EQ(div_ceil(~u64{0}, 2), u64{1} << 63);
  EXPECT_EQ(div_ceil(u64{0}, 7), 0u);
}

TEST(Math, logarithm) {
  for (unsigned i = 0; i < 64; ++i) {
    EXPECT_EQ(ilog2(u64{1} << i), i);
    EXPECT_EQ(ilog2((u64{1} << i) | 1), i);
  }
  EXPECT_EQ(ilog2(~u64{0}), 63u);
}

TEST(Math, order_is_the_smallest_that_holds) {
  EXPECT_EQ(order_for(0), 0u);
  EXPECT_EQ(order_for(1), 0u);
  for (usize bytes = 1; bytes < 64 * page_size; bytes += 511) {
    const unsigned order = order_for(bytes);
    ASSERT_GE(page_size << order, bytes);
    if (order > 0) ASSERT_LT(page_size << (order - 1), bytes);
  }
  EXPECT_EQ(order_for(4096), 0u);
  EXPECT_EQ(order_for(4097), 1u);
  EXPECT_EQ(order_for(8192), 1u);
  EXPECT_EQ(order_for(8193), 2u);
}

TEST(Math, checked_arithmetic) {
  EXPECT_EQ(checked_add(~u64{0}, 0), ~u64{0});
  EXPECT_EQ(checked_add(~u64{0}, 1), std::nullopt);
  EXPECT_EQ(checked_add(i64{-1}, std::numeric_limits<i64>::min()), std::nullopt);
  EXPECT_EQ(checked_mul(u64{1} << 32, u64{1} << 31), u64{1} << 63);
  EXPECT_EQ(checked_mul(u64{1} << 32, u64{1} << 32), std::nullopt);
  EXPECT_EQ(checked_add(u8{200}, 100), std::nullopt);
  EXPECT_EQ(checked_add(u8{200}, 55), u8{255});
}

}  // namespace
}  // namespace auk
