#include "codec/zstd.hpp"

#include <gtest/gtest.h>

#include "samples.hpp"

namespace auk::codec {
namespace {

using test::Collector;
using test::Data;
using test::Exact;
using test::FreshMemory;
using test::Kind;

struct Outcome {
  Errno error{};
  std::string message;
  usize position = 0;
  usize memory = 0;
  Data out;
  bool ok() const { return error == Errno{}; }
};

Outcome unzstd(std::span<const byte> input, usize memory_limit = static_cast<usize>(-1)) {
  FreshMemory memory;
  memory.limit = memory_limit;
  const auto decoder = std::make_unique<Unzstd>(memory);
  const Exact exact(input);
  Collector sink;
  const auto result = decoder->decode(exact.span(), sink);
  EXPECT_LE(decoder->position(), input.size());
  return {result.error(), std::string(decoder->message()), decoder->position(), memory.asked,
          std::move(sink.all)};
}

// printf 'hello hello hello hello\n' | zstd -19 --check
const Data hello{0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x68, 0x6d, 0x00, 0x00, 0x38, 0x68, 0x65, 0x6c,
                 0x6c, 0x6f, 0x20, 0x0a, 0x01, 0x00, 0x99, 0x4b, 0x11, 0xa8, 0x7c, 0x2e, 0xa8};

Data operator+(Data a, const Data& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A frame of one segment of `content` bytes, without a checksum.
Data frame(byte content, const Data& blocks) {
  return Data{0x28, 0xb5, 0x2f, 0xfd, 0x20, content} + blocks;
}
enum Type : u32 { raw, one_byte, coded, reserved };
Data block(Type type, u32 size, const Data& bytes, bool last = true) {
  const u32 head = size << 3 | type << 1 | (last ? 1 : 0);
  return Data{static_cast<byte>(head), static_cast<byte>(head >> 8),
              static_cast<byte>(head >> 16)} +
         bytes;
}
Data coded_block(const Data& bytes) { return block(coded, static_cast<u32>(bytes.size()), bytes); }

TEST(Zstd, vector) {
  const Outcome o = unzstd(hello);
  EXPECT_TRUE(o.ok()) << o.message;
  EXPECT_EQ(o.out, test::bytes_of("hello hello hello hello\n"));
}

TEST(Zstd, simple_blocks) {
  const Outcome o = unzstd(frame(8, block(raw, 3, {'a', 'b', 'c'}, false) +
                                        block(one_byte, 5, {'x'}, false) + block(raw, 0, {})));
  EXPECT_TRUE(o.ok()) << o.message;
  EXPECT_EQ(o.out, test::bytes_of("abcxxxxx"));
  EXPECT_TRUE(unzstd(frame(0, block(raw, 0, {}))).ok());
}

TEST(Zstd, coded_blocks_without_sequences) {
  const auto decode = [](const Data& bytes) {
    return unzstd(Data{0x28, 0xb5, 0x2f, 0xfd, 0, 0} + coded_block(bytes)).out;
  };
  EXPECT_EQ(decode({3 << 3, 'a', 'b', 'c', 0}), test::bytes_of("abc"));
  EXPECT_EQ(decode({1 | 5 << 3, 'x', 0}), Data(5, 'x'));
  // The wider forms of the size.
  EXPECT_EQ(decode({1 | 1 << 2 | 5 << 4, 1, 'x', 0}), Data(21, 'x'));
  EXPECT_EQ(decode({1 | 4 << 3, 'x', 0}), Data(4, 'x'));
  EXPECT_EQ(decode({1 | 3 << 2 | 5 << 4, 3, 0, 'x', 0}), Data(53, 'x'));
}

TEST(Zstd, frames) {
  const Data skippable{0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3};
  const Outcome o = unzstd(skippable + hello + skippable + hello + skippable);
  EXPECT_TRUE(o.ok()) << o.message;
  EXPECT_EQ(o.out.size(), 48u);
  EXPECT_EQ(unzstd(hello + Data(1)).message, "not a zstd frame");
  EXPECT_EQ(unzstd({}).message, "not a zstd frame");
  for (usize n = 4; n < skippable.size(); ++n)
    EXPECT_EQ(unzstd(std::span(skippable).first(n)).message, "zstd frame ends early");
}

TEST(Zstd, frame_headers) {
  const Data magic{0x28, 0xb5, 0x2f, 0xfd};
  const Data nothing = block(raw, 0, {});
  // No size; then sizes of 1, 2, 4, 8 bytes.
  EXPECT_TRUE(unzstd(magic + Data{0x00, 0x00} + nothing).ok());
  EXPECT_TRUE(unzstd(magic + Data{0x20, 1} + block(raw, 1, {'a'})).ok());
  EXPECT_EQ(unzstd(magic + Data{0x60, 1, 1} + block(one_byte, 257, {'a'})).out, Data(257, 'a'));
  EXPECT_TRUE(unzstd(magic + Data{0xa0, 1, 0, 0, 0} + block(raw, 1, {'a'})).ok());
  EXPECT_TRUE(unzstd(magic + Data{0xe0, 1, 0, 0, 0, 0, 0, 0, 0} + block(raw, 1, {'a'})).ok());
  // Dictionaries: one called 0 is none.
  EXPECT_TRUE(unzstd(magic + Data{0x01, 0x00, 0} + nothing).ok());
  EXPECT_TRUE(unzstd(magic + Data{0x03, 0x00, 0, 0, 0, 0} + nothing).ok());
  EXPECT_EQ(unzstd(magic + Data{0x02, 0x00, 0, 1} + nothing).error, Errno::eopnotsupp);
  EXPECT_EQ(unzstd(magic + Data{0x08, 0x00} + nothing).message, "unknown flags in a zstd frame");
  EXPECT_EQ(unzstd(frame(3, block(reserved, 1, {'a'}))).message, "unknown type of a zstd block");
}

TEST(Zstd, windows) {
  const Data magic{0x28, 0xb5, 0x2f, 0xfd};
  const Data nothing = block(raw, 0, {});
  const auto with_window = [&](unsigned log, unsigned eighths) {
    return unzstd(magic + Data{0x00, static_cast<byte>((log - 10) << 3 | eighths)} + nothing);
  };
  const Outcome largest = with_window(27, 0);
  EXPECT_TRUE(largest.ok());
  EXPECT_GE(largest.memory, 128 * mib);
  EXPECT_LE(largest.memory, Unzstd::max_window + 257 * kib);
  for (const unsigned log : {27, 28, 41})
    EXPECT_EQ(with_window(log, 7).message, "zstd window is larger than 128 MiB");
  EXPECT_EQ(unzstd(magic + Data{0xe0, 1, 0, 0, 8, 0, 0, 0, 0} + nothing).error, Errno::einval);
  EXPECT_GE(with_window(10, 7).memory, 1920u);
  const Outcome poor = unzstd(hello, 1000);
  EXPECT_EQ(poor.error, Errno::enomem);
  EXPECT_EQ(poor.message, "");
}

TEST(Zstd, sizes_are_kept) {
  EXPECT_EQ(unzstd(frame(4, block(raw, 3, {'a', 'b', 'c'}))).message, "zstd frame is too short");
  EXPECT_FALSE(unzstd(frame(2, block(raw, 3, {'a', 'b', 'c'}))).ok());
  EXPECT_EQ(unzstd(frame(2, block(raw, 2, {'a', 'b'}, false) + block(raw, 1, {'c'}))).message,
            "zstd frame is too long");
  EXPECT_FALSE(unzstd(frame(2, block(one_byte, 3, {'a'}))).ok());
  EXPECT_FALSE(unzstd(frame(2, coded_block({1 | 3 << 3, 'x', 0}))).ok());
}

TEST(Zstd, nothing_to_take_over) {
  // Literals as before, one stream of one byte; then all tables as before.
  EXPECT_EQ(unzstd(frame(9, coded_block({3 | 1 << 4, 1 << 6, 0, 1, 0}))).message,
            "zstd literals take over a table that is not there");
  EXPECT_EQ(unzstd(frame(9, coded_block({1 << 3, 'a', 1, 0xff & ~3, 1}))).message,
            "tables of zstd sequences are damaged");
}

TEST(Zstd, every_bit_counts) {
  for (usize bit = 0; bit < hello.size() * 8; ++bit) {
    Data d = hello;
    d[bit / 8] = static_cast<byte>(d[bit / 8] ^ 1 << bit % 8);
    const Outcome o = unzstd(d, 1 << 20);
    // The window's size (down to 8 KiB) and the unused bit of the header may differ.
    const bool is_free = bit == 36 || (bit >= 40 && bit < 48);
    if (!is_free) EXPECT_FALSE(o.ok()) << bit;
  }
}

TEST(Zstd, truncated_at_every_length) {
  const Data whole = test::filtered("zstd -19 -qc --check --stream-size=3000", test::text(3000, 1));
  for (usize n = 0; n < whole.size(); ++n)
    ASSERT_FALSE(unzstd(std::span(whole).first(n)).ok()) << n;
  EXPECT_TRUE(unzstd(whole).ok());
}

void round_trip(const std::string& options, const Data& data, bool known_size) {
  const test::TempDir dir;
  const std::string file = dir.put("input", data).string();
  const Data packed = test::output_of("zstd -qc " + options + (known_size ? " " : " < ") + file);
  const Outcome o = unzstd(packed);
  ASSERT_TRUE(o.ok()) << o.message << ' ' << options << ' ' << data.size();
  ASSERT_TRUE(o.out == data) << options << ' ' << data.size();
}

TEST(Zstd, what_zstd_writes) {
  for (const Kind kind : test::all_kinds)
    for (const usize size : {0, 1, 10, 255, 256, 1000, 65791, 65792, 131072, 131073, 600000})
      for (const char* level : {"--fast=5", "-1", "-5", "-12", "-19 --no-check"})
        round_trip(level, test::sample(kind, size), size % 2 == 0);
}

TEST(Zstd, windows_that_wrap) {
  for (const Kind kind : {Kind::text, Kind::runs, Kind::far})
    for (const char* options :
         {"--zstd=wlog=10", "--zstd=wlog=14", "-9 --zstd=wlog=17", "-3", "-1 --long=27"})
      round_trip(options, test::sample(kind, 2'000'000), kind == Kind::runs);
}

TEST(Zstd, blocks_of_every_small_size) {
  for (usize size = 0; size < 400; size += 7)
    round_trip("-19", test::sample(size % 2 == 0 ? Kind::text : Kind::runs, size), size % 3 == 0);
}

TEST(Zstd, what_pzstd_would_write) {
  const Data a = test::text(300000, 1);
  const Data packed = test::filtered("zstd -qc", a);
  EXPECT_EQ(unzstd(packed + packed).out, a + a);
}

TEST(Zstd, sink_may_refuse) {
  const Data packed = test::filtered("zstd -qc", test::text(300000, 1));
  for (const usize limit : {0, 1000, 200000, 299999}) {
    FreshMemory memory;
    const auto decoder = std::make_unique<Unzstd>(memory);
    Collector sink;
    sink.limit = limit;
    EXPECT_EQ(decoder->decode(packed, sink).error(), Errno::enospc);
    EXPECT_EQ(decoder->message(), "");
  }
}

}  // namespace
}  // namespace auk::codec
