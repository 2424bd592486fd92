#include "codec/gzip.hpp"

#include <gtest/gtest.h>

#include "samples.hpp"

namespace auk::codec {
namespace {

using test::Collector;
using test::Data;
using test::Exact;
using test::Kind;

// printf 'hello hello hello hello\n' | gzip -9n
const Data hello{0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
                 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x27, 0xb9,
                 0x00, 0x00, 0x88, 0x59, 0x0b, 0x18, 0x00, 0x00, 0x00};

struct Outcome {
  Errno error{};
  std::string message;
  Data out;
  bool ok() const { return error == Errno{}; }
};

Outcome gunzip(std::span<const byte> input) {
  const auto decoder = std::make_unique<Gunzip>();
  const Exact exact(input);
  Collector sink;
  const auto result = decoder->decode(exact.span(), sink);
  EXPECT_LE(decoder->position(), input.size());
  return {result.error(), std::string(decoder->message()), std::move(sink.all)};
}

Data operator+(Data a, const Data& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Gzip, vector) {
  const Outcome o = gunzip(hello);
  EXPECT_TRUE(o.ok()) << o.message;
  EXPECT_EQ(o.out, test::bytes_of("hello hello hello hello\n"));
}

TEST(Gzip, members) {
  const Outcome o = gunzip(hello + hello + Data(500));
  EXPECT_TRUE(o.ok()) << o.message;
  EXPECT_EQ(o.out.size(), 48u);
  EXPECT_EQ(gunzip(hello + Data(3) + hello).message, "junk after the last gzip member");
}

TEST(Gzip, header_fields) {
  const auto with_flags = [](u8 flags, const Data& fields) {
    Data d = hello;
    d[3] = flags;
    d.insert(d.begin() + 10, fields.begin(), fields.end());
    return d;
  };
  const Data extra{3, 0, 'x', 'y', 'z'};
  const Data name{'n', 0};
  const Data comment{0};
  EXPECT_TRUE(gunzip(with_flags(1, {})).ok());
  EXPECT_TRUE(gunzip(with_flags(4, extra)).ok());
  EXPECT_TRUE(gunzip(with_flags(8, name)).ok());
  EXPECT_TRUE(gunzip(with_flags(16, comment)).ok());
  EXPECT_TRUE(gunzip(with_flags(28, extra + name + comment)).ok());
  // The CRC-32 of 1f 8b 08 02 00 00 00 00 02 03 ends in 1525.
  EXPECT_TRUE(gunzip(with_flags(2, {0x25, 0x15})).ok());
  EXPECT_EQ(gunzip(with_flags(2, {0, 0})).message, "gzip header is damaged");
  EXPECT_EQ(gunzip(with_flags(32, {})).message, "unknown flags in a gzip header");
}

TEST(Gzip, every_bit_counts) {
  usize accepted = 0;
  for (usize bit = 0; bit < hello.size() * 8; ++bit) {
    Data d = hello;
    d[bit / 8] = static_cast<byte>(d[bit / 8] ^ 1 << bit % 8);
    const Outcome o = gunzip(d);
    // Text flag, time, notes and system are nobody's business.
    const bool is_free = bit == 24 || (bit >= 32 && bit < 80);
    if (!is_free) EXPECT_FALSE(o.ok()) << bit;
    accepted += o.ok();
  }
  EXPECT_EQ(accepted, 49u);
}

TEST(Gzip, truncated_at_every_length) {
  const Data whole = test::filtered("gzip -9nc", test::text(3000, 1));
  for (usize n = 0; n < whole.size(); ++n)
    ASSERT_FALSE(gunzip(std::span(whole).first(n)).ok()) << n;
  EXPECT_TRUE(gunzip(whole).ok());
}

TEST(Gzip, what_gzip_writes) {
  for (const Kind kind : test::all_kinds)
    for (const usize size : {0, 1, 2, 100, 32767, 32768, 32769, 65535, 65536, 70000, 1000000})
      for (const char* level : {"1", "6", "9"}) {
        const Data data = test::sample(kind, size);
        const Outcome o = gunzip(test::filtered(std::string("gzip -c -") + level, data));
        ASSERT_TRUE(o.ok()) << o.message << ' ' << static_cast<int>(kind) << ' ' << size;
        ASSERT_EQ(o.out, data) << static_cast<int>(kind) << ' ' << size << ' ' << level;
      }
}

TEST(Gzip, header_that_gzip_writes) {
  const test::TempDir dir;
  const auto file = dir.put("with-a-name", test::bytes_of("content"));
  EXPECT_EQ(gunzip(test::output_of("gzip -cN " + file.string())).out, test::bytes_of("content"));
}

}  // namespace
}  // namespace auk::codec
