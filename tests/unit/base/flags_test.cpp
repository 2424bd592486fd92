#include "base/flags.hpp"

#include <gtest/gtest.h>

namespace auk {
namespace {

enum class Color : u8 { red = 1, green = 2, blue = 4, yellow = 3 };

TEST(Flags, is_a_set) {
  constexpr Flags<Color> none;
  EXPECT_EQ(none.bits, 0);
  Flags<Color> f = Color::red;
  EXPECT_TRUE(f.has(Color::red));
  EXPECT_FALSE(f.has(Color::green));
  // Of an enumerator with several bits all must be there.
  EXPECT_FALSE(f.has(Color::yellow));
  EXPECT_TRUE(f.any(Color::yellow));
  f |= Color::green;
  EXPECT_TRUE(f.has(Color::yellow));
  EXPECT_EQ(f, Flags<Color>(Color::yellow));
  EXPECT_EQ(f & Color::green, Flags<Color>(Color::green));
  EXPECT_EQ(f.without(Color::red), Flags<Color>(Color::green));
  EXPECT_EQ((f | Color::blue).bits, 7);
  EXPECT_EQ(f.bits, 3);
  EXPECT_EQ(Flags<Color>::from_bits(0x80).bits, 0x80);
}

TEST(Flags, without_keeps_the_width) {
  const auto all = Flags<Color>::from_bits(0xff);
  EXPECT_EQ(all.without(Color::red).bits, 0xfe);
}

static_assert(sizeof(Flags<Color>) == 1);

}  // namespace
}  // namespace auk
