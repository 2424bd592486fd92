#include "base/fmt.hpp"

#include <cstdio>
#include <gtest/gtest.h>
#include <random>
#include <string>

namespace auk {
namespace {

template <class... Args>
std::string text(FormatString<std::type_identity_t<Args>...> format, const Args&... args) {
  std::array<char, 256> buffer;
  Writer w(buffer);
  format_to(w, format, args...);
  return std::string(w.text());
}

template <class... Args> std::string c_text(const char* format, Args... args) {
  std::array<char, 256> buffer{};
  const int n = std::snprintf(buffer.data(), buffer.size(), format, args...);
  return {buffer.data(), static_cast<usize>(n)};
}

TEST(Format, plain_values) {
  EXPECT_EQ(text("no placeholders"), "no placeholders");
  EXPECT_EQ(text("{} and {}", 1, -2), "1 and -2");
  EXPECT_EQ(text("{}{}{}", 'a', true, false), "atruefalse");
  EXPECT_EQ(text("{}", "text"), "text");
  EXPECT_EQ(text("{}", std::string_view("view")), "view");
  EXPECT_EQ(text("{}", static_cast<const char*>(nullptr)), "(null)");
  EXPECT_EQ(text("{{{}}}", 5), "{5}");
  EXPECT_EQ(text("{{}}"), "{}");
  EXPECT_EQ(text("{}", u8{200}), "200");
  EXPECT_EQ(text("{}", i8{-100}), "-100");
}

TEST(Format, strong_types) {
  EXPECT_EQ(text("{}", PhysAddr(0xfee00000)), "0xfee00000");
  EXPECT_EQ(text("{}", Pfn(0x10)), "0x10");
  EXPECT_EQ(text("{}", CpuId(3)), "3");
  EXPECT_EQ(text("{}", uapi::Errno::enoent), "ENOENT");
}

TEST(Format, limits) {
  EXPECT_EQ(text("{}", std::numeric_limits<u64>::max()), "18446744073709551615");
  EXPECT_EQ(text("{}", std::numeric_limits<i64>::min()), "-9223372036854775808");
  EXPECT_EQ(text("{:x}", std::numeric_limits<u64>::max()), "ffffffffffffffff");
}

TEST(Format, padding_of_text) {
  EXPECT_EQ(text("[{:5}]", "ab"), "[ab   ]");
  EXPECT_EQ(text("[{:>5}]", "ab"), "[   ab]");
  EXPECT_EQ(text("[{:1}]", "abc"), "[abc]");
  EXPECT_EQ(text("[{:3}]", 'x'), "[x  ]");
  EXPECT_EQ(text("[{:6}]", true), "[true  ]");
}

TEST(Format, agrees_with_printf_on_random_values) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    // All magnitudes alike, not only huge numbers.
    const u64 v = random() >> (random() % 64);
    const auto s = static_cast<i64>(random()) >> (random() % 64);
    const auto narrow = static_cast<i32>(s);
    ASSERT_EQ(text("{}", v), c_text("%lu", v));
    ASSERT_EQ(text("{}", s), c_text("%ld", s));
    ASSERT_EQ(text("{}", narrow), c_text("%d", narrow));
    ASSERT_EQ(text("{:x}", v), c_text("%lx", v));
    ASSERT_EQ(text("{:o}", v), c_text("%lo", v));
    ASSERT_EQ(text("{:X}", v), c_text("%lX", v));
    ASSERT_EQ(text("{:03o}", v & 07777), c_text("%03lo", v & 07777));
    ASSERT_EQ(text("{:<12}|", v & 0xffffff), c_text("%-12lu|", v & 0xffffff));
    ASSERT_EQ(text("{:<12}|", s), c_text("%-12ld|", s));
    ASSERT_EQ(text("{:x}", s), c_text("%lx", s));
    ASSERT_EQ(text("{:12}", v), c_text("%12lu", v));
    ASSERT_EQ(text("{:012}", v), c_text("%012lu", v));
    ASSERT_EQ(text("{:12}", s), c_text("%12ld", s));
    ASSERT_EQ(text("{:012}", s), c_text("%012ld", s));
    ASSERT_EQ(text("{:016x}", v), c_text("%016lx", v));
    if (v != 0) {  // printf leaves the prefix of zero out
      ASSERT_EQ(text("{:#x}", v), c_text("%#lx", v));
      ASSERT_EQ(text("{:#018x}", v), c_text("%#018lx", v));
      ASSERT_EQ(text("{:#18x}", v), c_text("%#18lx", v));
    }
  }
}

TEST(Format, narrow_negative_numbers_in_hex_keep_their_width) {
  EXPECT_EQ(text("{:x}", i32{-1}), "ffffffff");
  EXPECT_EQ(text("{:x}", i8{-1}), "ff");
}

TEST(Format, what_does_not_fit_is_cut_and_remembered) {
  std::array<char, 4> buffer;
  Writer w(buffer);
  format_to(w, "{}", 1234);
  EXPECT_EQ(w.text(), "1234");
  EXPECT_FALSE(w.was_cut());
  format_to(w, "5");
  EXPECT_EQ(w.text(), "1234");
  EXPECT_TRUE(w.was_cut());
  Writer none({});
  none.put("x");
  EXPECT_TRUE(none.was_cut());
}

TEST(Format, erased_formatter_survives_bad_formats) {
  // Reaches vformat only through a format that was not checked; still nothing may break.
  std::array<char, 64> buffer;
  const std::array<FormatArg, 1> args{format_arg(1)};
  for (const std::string_view format :
       {"{", "}", "{}{}", "{:", "{:x", "{:99999}", "}{", "{{", "{{}"}) {
    Writer w(buffer);
    vformat(w, format, args);
  }
  Writer w(buffer);
  vformat(w, "{} {}", args);
  EXPECT_EQ(w.text(), "1 {?}");
}

TEST(Format, random_formats_never_leave_the_buffer) {
  std::mt19937 random(3);
  const std::string_view alphabet = "{}:#0>x19 ab";
  const std::array<FormatArg, 3> args{format_arg(-5), format_arg("text"), format_arg('c')};
  for (int i = 0; i < 20000; ++i) {
    std::string format;
    for (usize n = random() % 12; n > 0; --n) format += alphabet[random() % alphabet.size()];
    const auto buffer = std::make_unique<char[]>(32);
    Writer w({buffer.get(), random() % 33});
    vformat(w, format, args);
  }
}

}  // namespace
}  // namespace auk
