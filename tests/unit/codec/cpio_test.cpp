#include "codec/cpio.hpp"

#include <gtest/gtest.h>

#include "cpio_samples.hpp"

namespace auk::codec {
namespace {

using test::archive;
using test::Data;
using test::Exact;
using test::file;
using test::Recorder;

struct Outcome {
  Errno error{};
  std::string message;
  bool complete = false;
  Recorder seen;
};

/// Feeds the bytes in pieces of `step`, each a block of memory of its own.
Outcome parse(const Data& bytes, usize step = static_cast<usize>(-1)) {
  Outcome o;
  CpioParser parser(o.seen);
  for (usize at = 0; at < bytes.size() && o.error == Errno{};) {
    const usize n = std::min(step, bytes.size() - at);
    const Exact piece(std::span(bytes).subspan(at, n));
    o.error = parser.feed(piece.span()).error();
    at += n;
  }
  o.message = parser.message();
  o.complete = parser.between_entries();
  return o;
}

TEST(Cpio, fields) {
  test::Fields f;
  f.name = "dir/name";
  for (u32 i = 0; i < 12; ++i) f.values[i] = 0x1234'5670 + i;
  f.values[test::Fields::size] = 3;
  const Outcome o = parse(test::entry(f, test::bytes_of("abc")));
  ASSERT_EQ(o.error, Errno{}) << o.message;
  ASSERT_EQ(o.seen.entries.size(), 1u);
  const auto& e = o.seen.entries[0];
  EXPECT_EQ(e.name, "dir/name");
  EXPECT_EQ(e.content, test::bytes_of("abc"));
  EXPECT_EQ(e.head.ino, 0x12345670u);
  EXPECT_EQ(e.head.mode, 0x12345671u);
  EXPECT_EQ(e.head.uid, 0x12345672u);
  EXPECT_EQ(e.head.gid, 0x12345673u);
  EXPECT_EQ(e.head.nlink, 0x12345674u);
  EXPECT_EQ(e.head.mtime, 0x12345675u);
  EXPECT_EQ(e.head.size, 3u);
  EXPECT_EQ(e.head.dev_major, 0x12345677u);
  EXPECT_EQ(e.head.dev_minor, 0x12345678u);
  EXPECT_EQ(e.head.rdev_major, 0x12345679u);
  EXPECT_EQ(e.head.rdev_minor, 0x1234567au);
}

TEST(Cpio, pieces_of_every_size) {
  Data all;
  for (usize size = 0; size < 9; ++size)
    test::append(all, file(std::string(size + 1, 'n'), test::noise(size, 1)));
  test::append(all, test::trailer());
  test::append(all, Data(512 - all.size() % 512));
  test::append(all, archive({file("second", test::noise(1000, 2))}));
  const Outcome whole = parse(all);
  ASSERT_EQ(whole.error, Errno{}) << whole.message;
  ASSERT_EQ(whole.seen.entries.size(), 10u);
  EXPECT_EQ(whole.seen.archives, 2u);
  for (usize step = 1; step < 300; ++step) {
    const Outcome o = parse(all, step);
    ASSERT_EQ(o.error, Errno{}) << o.message;
    ASSERT_TRUE(o.complete);
    ASSERT_TRUE(o.seen == whole.seen) << step;
  }
}

TEST(Cpio, one_archive_at_a_time) {
  const Data first = archive({file("a", Data(5))});
  Data all = first;
  test::append(all, Data(8));
  test::append(all, archive({file("b", Data(7))}));
  Recorder seen;
  CpioParser parser(seen);
  auto used = parser.feed_archive(all);
  ASSERT_TRUE(used);
  EXPECT_EQ(*used, first.size() + 8);
  EXPECT_EQ(seen.entries.size(), 1u);
  auto rest = parser.feed_archive(std::span(all).subspan(*used));
  ASSERT_TRUE(rest);
  EXPECT_EQ(*used + *rest, all.size());
  EXPECT_EQ(seen.entries.size(), 2u);
}

TEST(Cpio, trailer_and_padding_may_be_missing) {
  Data bare = file("a", Data(5));
  EXPECT_TRUE(parse(bare).complete);
  bare.resize(bare.size() - 3);
  EXPECT_TRUE(parse(bare).complete);
  bare.pop_back();
  EXPECT_FALSE(parse(bare).complete);
}

TEST(Cpio, contents_of_the_trailer_are_nobodys) {
  test::Fields f;
  f.name = "TRAILER!!!";
  Data all = test::entry(f, Data(100));
  const Outcome o = parse(all);
  EXPECT_EQ(o.error, Errno{});
  EXPECT_TRUE(o.seen.entries.empty());
  EXPECT_EQ(o.seen.archives, 1u);
}

TEST(Cpio, name_sizes) {
  for (const usize length : {1, 2, 3, 4, 100, 4094, 4095})
    for (const usize step : {usize{7}, usize{110}, usize{100000}}) {
      const std::string name(length, 'x');
      const Outcome o = parse(archive({file(name, Data(3, 'y'))}), step);
      ASSERT_EQ(o.error, Errno{}) << length << ' ' << o.message;
      ASSERT_EQ(o.seen.entries.at(0).name, name);
      ASSERT_EQ(o.seen.entries[0].content, Data(3, 'y'));
    }
  EXPECT_EQ(parse(file(std::string(4096, 'x'), {})).message,
            "cpio entry with a name that is too long");
  EXPECT_EQ(parse(file("", {})).message, "cpio entry without a name");
}

TEST(Cpio, name_ends_at_its_first_zero) {
  using namespace std::string_literals;
  EXPECT_EQ(parse(file("ab\0cd"s, {})).seen.entries.at(0).name, "ab");
  EXPECT_EQ(parse(file("\0cd"s, {})).message, "cpio entry without a name");
  Data d = file("abcdef", {});
  d[110 + 6] = 'g';
  EXPECT_EQ(parse(d).message, "cpio entry with a name without an end");
}

TEST(Cpio, refuses_what_is_no_header) {
  const Data good = archive({file("a", Data(5))});
  for (usize at = 0; at < 110; ++at) {
    Data d = good;
    d[at] = 'g';
    const Outcome o = parse(d);
    EXPECT_EQ(o.error, Errno::einval) << at;
    EXPECT_TRUE(o.seen.entries.empty());
  }
  EXPECT_EQ(parse(test::bytes_of("070707" + std::string(200, '0'))).message,
            "old cpio format: use \"cpio -H newc\"");
}

TEST(Cpio, digits_of_either_case) {
  Data d = file("a", Data(0xab));
  for (usize at = 6; at < 110; ++at) d[at] = static_cast<byte>(toupper(d[at]));
  EXPECT_EQ(parse(d).seen.entries.at(0).content.size(), 0xabu);
}

TEST(Cpio, sums) {
  test::Fields f;
  f.magic = "070702";
  f.name = "summed";
  f.values[test::Fields::sum] = 'a' + 'b' + 255;
  const Data content{'a', 'b', 255};
  for (const usize step : {1, 1000}) EXPECT_EQ(parse(test::entry(f, content), step).error, Errno{});
  ++f.values[test::Fields::sum];
  EXPECT_EQ(parse(test::entry(f, content)).message, "checksum of a cpio entry is wrong");
  // Links without contents and symbolic links have none.
  EXPECT_EQ(parse(test::entry(f, {})).error, Errno{});
  f.values[test::Fields::mode] = 0120777;
  EXPECT_EQ(parse(test::entry(f, content)).error, Errno{});
  f.magic = "070701";
  f.values[test::Fields::mode] = 0100644;
  EXPECT_EQ(parse(test::entry(f, content)).error, Errno{});
}

TEST(Cpio, visitor_may_refuse) {
  const Data all = archive({file("a", Data(5)), file("b", Data(5))});
  for (usize calls = 0; calls < 7; ++calls) {
    Recorder seen;
    seen.calls_left = calls;
    CpioParser parser(seen);
    EXPECT_EQ(parser.feed(all).error(), Errno::enospc);
    EXPECT_EQ(parser.message(), "");
  }
}

TEST(Cpio, what_cpio_writes) {
  const test::TempDir dir;
  const std::string prepare = "cd " + dir.path().string() +
                              " && mkdir -p d/e && ln -s ../target d/e/link && printf %03000d 1 > "
                              "f && ln f d/hard && : > empty && mkfifo pipe && touch -d @1234567 f";
  test::output_of(prepare);
  for (const char* format : {"newc", "crc"}) {
    const Data made = test::output_of("cd " + dir.path().string() + " && find . -mindepth 1 | " +
                                      "LC_ALL=C sort | cpio -o --quiet -H " + format);
    for (const usize step : {usize{1}, usize{113}, made.size()}) {
      const Outcome o = parse(made, step);
      ASSERT_EQ(o.error, Errno{}) << o.message;
      EXPECT_TRUE(o.complete);
      EXPECT_EQ(o.seen.archives, 1u);
      const Recorder& seen = o.seen;
      // Links wait for the last of them, which has the contents.
      ASSERT_EQ(seen.names(),
                (std::vector<std::string>{"d", "d/e", "d/e/link", "empty", "d/hard", "f", "pipe"}));
      const auto& link = seen.entries.at(2);
      EXPECT_EQ(link.content, test::bytes_of("../target"));
      EXPECT_EQ(link.head.mode & 0170000, 0120000u);
      const auto& hard = seen.entries[4];
      const auto& f = seen.entries[5];
      EXPECT_EQ(hard.head.ino, f.head.ino);
      EXPECT_EQ(f.head.nlink, 2u);
      EXPECT_EQ(f.head.mtime, 1234567u);
      EXPECT_EQ(hard.content.size() + f.content.size(), 3000u);
      EXPECT_EQ(seen.entries[6].head.mode & 0170000, 0010000u);
    }
  }
}

}  // namespace
}  // namespace auk::codec
