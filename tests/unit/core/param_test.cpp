#include "core/param.hpp"

#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

namespace auk::core {
namespace {

std::vector<std::string> words(std::string_view line) {
  std::vector<std::string> out;
  ParamWord w;
  while (next_param(line, w))
    out.push_back(std::string(w.name) + (w.has_value ? "=" : "") + std::string(w.value));
  return out;
}
using Words = std::vector<std::string>;

TEST(Param, words) {
  EXPECT_EQ(words(""), Words{});
  EXPECT_EQ(words("   \t\n "), Words{});
  EXPECT_EQ(words("quiet"), Words{"quiet"});
  EXPECT_EQ(words("  a  b=c\td=\n"), (Words{"a", "b=c", "d="}));
  EXPECT_EQ(words("a=b=c"), Words{"a=b=c"});
}

TEST(Param, ends_at_a_zero_byte) {
  EXPECT_EQ(words(std::string_view("a b\0c", 5)), (Words{"a", "b"}));
  EXPECT_EQ(words(std::string_view("\0a", 2)), Words{});
}

TEST(Param, quotes) {
  EXPECT_EQ(words(R"(a="b c" d)"), (Words{"a=b c", "d"}));
  EXPECT_EQ(words(R"("a=b c" d)"), (Words{"a=b c", "d"}));
  EXPECT_EQ(words(R"("a b" d)"), (Words{"a b", "d"}));
  EXPECT_EQ(words(R"(a="")"), Words{"a="});
  // Quotes inside stay, as in Linux; an open one holds the rest of the line.
  EXPECT_EQ(words(R"(a=b"c d"e)"), Words{R"(a=b"c d"e)"});
  EXPECT_EQ(words(R"(a="b c)"), Words{"a=b c"});
  EXPECT_EQ(words(R"(")"), Words{""});
  EXPECT_EQ(words(R"("")"), Words{""});
  EXPECT_EQ(words(R"("a=)"), Words{"a="});
  EXPECT_EQ(words(R"("=a")"), Words{"=a"});
}

TEST(Param, dyndbg_style_value) {
  EXPECT_EQ(words(R"(dyndbg="file x +p; file y +p" ro)"),
            (Words{"dyndbg=file x +p; file y +p", "ro"}));
}

TEST(Param, every_short_line_terminates_inside_its_bounds) {
  const std::string_view alphabet = "a=\" -";
  for (usize size = 0; size <= 6; ++size) {
    usize count = 1;
    for (usize i = 0; i < size; ++i) count *= alphabet.size();
    for (usize n = 0; n < count; ++n) {
      const auto line = std::make_unique<char[]>(size);
      for (usize i = 0, rest = n; i < size; ++i, rest /= alphabet.size())
        line[i] = alphabet[rest % alphabet.size()];
      const std::string_view all(line.get(), size);
      usize found = 0;
      std::string_view left = all;
      ParamWord w;
      while (next_param(left, w)) {
        ASSERT_LT(++found, 8u) << all;
        ASSERT_LE(w.name.size() + w.value.size(), size) << all;
        if (!w.has_value) ASSERT_TRUE(w.value.empty()) << all;
      }
    }
  }
}

TEST(Param, names_ignore_dash_and_underscore) {
  EXPECT_TRUE(same_param_name("log-buf_len", "log_buf-len"));
  EXPECT_FALSE(same_param_name("log", "log_"));
  EXPECT_FALSE(same_param_name("a", "b"));
  EXPECT_FALSE(same_param_name("A", "a"));
  EXPECT_TRUE(same_param_name("", ""));
}

Words given;
bool set_test(std::string_view v) {
  given.push_back("test:" + std::string(v));
  return v != "bad";
}
bool set_dashed(std::string_view v) {
  given.push_back("dashed:" + std::string(v));
  return true;
}
PARAM("auk_test", set_test);
PARAM("auk_dashed_name", set_dashed);

TEST(Param, rows_get_their_words_in_order) {
  given.clear();
  apply_command_line("auk_test=1 other=2 auk-dashed-name auk-test=\"3 4\" auk_test=bad");
  EXPECT_EQ(given, (Words{"test:1", "dashed:", "test:3 4", "test:bad"}));
}

TEST(Param, what_follows_two_dashes_is_for_init) {
  given.clear();
  apply_command_line("auk_test=1 -- auk_test=2");
  EXPECT_EQ(given, Words{"test:1"});
  given.clear();
  apply_command_line("-- auk_test=1");
  EXPECT_TRUE(given.empty());
  apply_command_line("--auk_test=1 ---");
  EXPECT_TRUE(given.empty());
}

}  // namespace
}  // namespace auk::core
