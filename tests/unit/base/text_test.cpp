#include "base/text.hpp"

#include <cstdlib>
#include <gtest/gtest.h>
#include <random>
#include <string>

namespace auk {
namespace {

std::string rest_of_number(std::string_view s) {
  std::string_view rest = "untouched";
  return parse_number(s, rest) ? std::string(rest) : "nothing";
}

TEST(Text, numbers_of_three_bases) {
  EXPECT_EQ(parse_u64("0"), 0u);
  EXPECT_EQ(parse_u64("42"), 42u);
  EXPECT_EQ(parse_u64("0x2a"), 42u);
  EXPECT_EQ(parse_u64("0X2A"), 42u);
  EXPECT_EQ(parse_u64("052"), 42u);
  EXPECT_EQ(parse_u64("00"), 0u);
}

TEST(Text, without_space_at_its_ends) {
  EXPECT_EQ(trim(" \t a b\n"), "a b");
  EXPECT_EQ(trim("x"), "x");
  EXPECT_EQ(trim(" \n "), "");
  EXPECT_EQ(trim(""), "");
}

TEST(Text, what_is_no_number) {
  for (const char* s : {"", "x", "-1", " 1", "1 ", "12a", "08", "0x", "0xg", "0x 1", "--1", "1.5"})
    EXPECT_EQ(parse_u64(s), std::nullopt) << s;
}

TEST(Text, rest_of_a_number) {
  EXPECT_EQ(rest_of_number("12,3"), ",3");
  EXPECT_EQ(rest_of_number("0x1fg"), "g");
  EXPECT_EQ(rest_of_number("0x"), "x");
  EXPECT_EQ(rest_of_number("089"), "89");
  EXPECT_EQ(rest_of_number("abc"), "nothing");
}

TEST(Text, a_prefix_without_digits_is_a_zero) {
  // As Linux reads it: the 0 is a number, the x is what follows.
  EXPECT_EQ(rest_of_number("0xg"), "xg");
}

TEST(Text, overflow) {
  EXPECT_EQ(parse_u64("18446744073709551615"), ~u64{0});
  EXPECT_EQ(parse_u64("18446744073709551616"), std::nullopt);
  EXPECT_EQ(parse_u64("0xffffffffffffffff"), ~u64{0});
  EXPECT_EQ(parse_u64("0x10000000000000000"), std::nullopt);
  EXPECT_EQ(parse_u64("01777777777777777777777"), ~u64{0});
  EXPECT_EQ(parse_u64("02000000000000000000000"), std::nullopt);
  EXPECT_EQ(parse_u64(std::string(1000, '9')), std::nullopt);
  EXPECT_EQ(parse_u64(std::string(1000, '0') + "7"), 7u);
}

TEST(Text, signed_numbers) {
  EXPECT_EQ(parse_i64("-1"), -1);
  EXPECT_EQ(parse_i64("-0x10"), -16);
  EXPECT_EQ(parse_i64("9223372036854775807"), std::numeric_limits<i64>::max());
  EXPECT_EQ(parse_i64("9223372036854775808"), std::nullopt);
  EXPECT_EQ(parse_i64("-9223372036854775808"), std::numeric_limits<i64>::min());
  EXPECT_EQ(parse_i64("-9223372036854775809"), std::nullopt);
  EXPECT_EQ(parse_i64("-"), std::nullopt);
  EXPECT_EQ(parse_i64("--1"), std::nullopt);
}

TEST(Text, sizes) {
  std::string_view rest;
  const auto size = [&](std::string_view s) { return parse_size(s, rest); };
  EXPECT_EQ(size("1k"), 1024u);
  EXPECT_EQ(size("1K"), 1024u);
  EXPECT_EQ(size("0x10M"), 16 * mib);
  EXPECT_EQ(size("3g"), 3 * gib);
  EXPECT_EQ(size("1T"), tib);
  EXPECT_EQ(size("1P"), 1024 * tib);
  EXPECT_EQ(size("1E"), u64{1} << 60);
  EXPECT_EQ(size("15E"), u64{15} << 60);
  EXPECT_EQ(size("16E"), std::nullopt);
  EXPECT_EQ(size("k"), std::nullopt);
  EXPECT_EQ(size("64M!4G"), 64 * mib);
  EXPECT_EQ(rest, "!4G");
  EXPECT_EQ(size("7"), 7u);
  EXPECT_EQ(rest, "");
  EXPECT_EQ(size("7kB"), 7 * kib);
  EXPECT_EQ(rest, "B");
}

TEST(Text, agrees_with_strtoull) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 50000; ++i) {
    std::string s;
    const std::string_view alphabet = "0123456789abfxX ";
    for (usize n = 1 + random() % 22; n > 0; --n) s += alphabet[random() % alphabet.size()];
    if (s[0] == ' ' || s.starts_with("0x") || s.starts_with("0X")) continue;
    errno = 0;
    char* end = nullptr;
    const u64 expected = std::strtoull(s.c_str(), &end, 0);
    std::string_view rest;
    const auto found = parse_number(s, rest);
    if (end == s.c_str() || errno == ERANGE) {
      ASSERT_EQ(found, std::nullopt) << s;
    } else {
      ASSERT_EQ(found, expected) << s;
      ASSERT_EQ(rest, std::string_view(end)) << s;
    }
  }
}

TEST(Text, characters) {
  for (int c = 0; c < 128; ++c) {
    EXPECT_EQ(is_space(static_cast<char>(c)), std::isspace(c) != 0) << c;
    EXPECT_EQ(to_lower(static_cast<char>(c)), static_cast<char>(std::tolower(c))) << c;
  }
}

}  // namespace
}  // namespace auk
