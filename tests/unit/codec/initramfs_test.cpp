#include "codec/initramfs.hpp"

#include <gtest/gtest.h>

#include "cpio_samples.hpp"

namespace auk::codec {
namespace {

using test::append;
using test::archive;
using test::Data;
using test::Exact;
using test::file;
using test::Recorder;

struct Outcome {
  Errno error{};
  std::string message;
  usize offset = 0;
  Recorder seen;
  bool ok() const { return error == Errno{}; }
};

Outcome unpack(std::span<const byte> image) {
  Outcome o;
  test::FreshMemory memory;
  const auto reader = std::make_unique<Initramfs>(o.seen, memory);
  const Exact exact(image);
  o.error = reader->unpack(exact.span()).error();
  o.message = reader->message();
  o.offset = reader->offset();
  EXPECT_LE(o.offset, image.size());
  return o;
}

Data joined(std::initializer_list<Data> parts) {
  Data out;
  for (const Data& p : parts) append(out, p);
  return out;
}
Data gzip(const Data& d) { return test::filtered("gzip -9nc", d); }
Data zstd(const Data& d) { return test::filtered("zstd -qc", d); }

using Names = std::vector<std::string>;

TEST(Initramfs, nothing) {
  EXPECT_TRUE(unpack({}).ok());
  EXPECT_TRUE(unpack(Data(1000)).ok());
}

TEST(Initramfs, any_mixture) {
  const Data a = archive({file("a", test::text(100000, 1))});
  const Data b = archive({file("b", test::noise(777, 2)), file("bb", {})});
  const Data c = archive({file("c", Data(65536))});
  for (const usize zeros : {0, 1, 3, 4, 512}) {
    const Data gap(zeros);
    const Outcome o = unpack(
        joined({gap, a, gap, gzip(b), gap, c, gap, a, zstd(c), gap, gzip(a), zstd(c), a, b, gap}));
    ASSERT_TRUE(o.ok()) << o.message << " at " << o.offset;
    EXPECT_EQ(o.seen.names(), (Names{"a", "b", "bb", "c", "a", "c", "a", "c", "a", "b", "bb"}));
    EXPECT_EQ(o.seen.archives, 9u);
    EXPECT_EQ(o.seen.entries[6].content, test::text(100000, 1));
  }
}

TEST(Initramfs, archive_goes_on_in_the_next_member) {
  const Data whole = archive({file("a", test::noise(1000, 1)), file("b", test::noise(1000, 2))});
  for (const usize cut : {50, 110, 113, 500, 1111, 1200, 2300}) {
    const Data first(whole.begin(), whole.begin() + cut);
    const Data second(whole.begin() + cut, whole.end());
    // pzstd begins each of its frames with a skippable one.
    const Data skippable{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4};
    for (const Data& image : {joined({gzip(first), gzip(second)}),
                              joined({skippable, zstd(first), skippable, zstd(second)})}) {
      const Outcome o = unpack(image);
      ASSERT_TRUE(o.ok()) << o.message << ' ' << cut;
      EXPECT_EQ(o.seen.names(), (Names{"a", "b"}));
    }
    const Outcome other = unpack(joined({gzip(first), whole}));
    if (cut != 1111) EXPECT_EQ(other.message, "archive ends in the middle of a file");
  }
}

TEST(Initramfs, complaints) {
  const Data a = archive({file("a", test::bytes_of("content"))});
  const std::pair<Data, std::string> bad[] = {
      {joined({a, test::bytes_of("junk")}), "neither an archive nor a known compression"},
      {joined({a, gzip(test::bytes_of("junk"))}), "no cpio header where one is due"},
      {joined({a, gzip(joined({a, test::bytes_of("x")}))}), "no cpio header where one is due"},
      {joined({a, gzip(joined({a, test::bytes_of("07")}))}),
       "archive ends in the middle of a file"},
      {joined({a, test::bytes_of("070701")}), "archive ends in the middle of a file"},
  };
  for (const auto& [image, message] : bad) {
    const Outcome o = unpack(image);
    EXPECT_EQ(o.error, Errno::einval);
    EXPECT_EQ(o.message, message);
    EXPECT_GE(o.offset, a.size());
    EXPECT_EQ(o.seen.entries.at(0).content, test::bytes_of("content"));
  }
}

TEST(Initramfs, names_compressions_it_does_not_know) {
  for (const char* program : {"xz", "lzma", "bzip2", "lz4", "lzo"}) {
    using namespace std::string_view_literals;
    const std::pair<std::string_view, Data> magics[] = {
        {"xz", Data{0xfd, '7', 'z', 'X', 'Z', 0}},   {"lzma", Data{0x5d, 0, 0, 0x80}},
        {"bzip2", Data{'B', 'Z', 'h', '9'}},         {"lz4", Data{0x02, 0x21, 0x4c, 0x18}},
        {"lzo", Data{0x89, 'L', 'Z', 'O', 0, 0x0d}},
    };
    for (const auto& [name, magic] : magics) {
      if (name != program) continue;
      const Outcome o = unpack(joined({Data(4), magic, Data(100)}));
      EXPECT_EQ(o.error, Errno::eopnotsupp);
      EXPECT_NE(o.message.find("with " + std::string(name) + ","), std::string::npos) << o.message;
      EXPECT_EQ(o.offset, 4u);
    }
  }
}

TEST(Initramfs, offset_of_a_damaged_entry) {
  Data image = archive({file("a", Data(10)), file("b", Data(10))});
  const usize at = file("a", Data(10)).size();
  image[at + 20] = '?';
  EXPECT_EQ(unpack(image).offset, at);
}

TEST(Initramfs, visitor_may_refuse) {
  const Data a = archive({file("a", test::bytes_of("content"))});
  for (const Data& image : {a, gzip(a), zstd(a)})
    for (usize calls = 0; calls < 4; ++calls) {
      Recorder seen;
      seen.calls_left = calls;
      test::FreshMemory memory;
      const auto reader = std::make_unique<Initramfs>(seen, memory);
      EXPECT_EQ(reader->unpack(image).error(), Errno::enospc);
      EXPECT_EQ(reader->message(), "");
    }
}

TEST(Initramfs, one_object_for_several_images) {
  test::FreshMemory memory;
  Recorder seen;
  const auto reader = std::make_unique<Initramfs>(seen, memory);
  const Data a = archive({file("a", Data(100))});
  EXPECT_FALSE(reader->unpack(std::span(a).first(130)));
  EXPECT_TRUE(reader->unpack(a));
  EXPECT_EQ(seen.names(), (Names{"a", "a"}));
  // Found by fuzzing: half a name was still there when the next header began.
  const Data long_name = archive({file(std::string(4000, 'n'), {})});
  EXPECT_FALSE(reader->unpack(std::span(long_name).first(2000)));
  EXPECT_TRUE(reader->unpack(a));
  EXPECT_EQ(seen.names(), (Names{"a", "a", "a"}));
}

TEST(Initramfs, truncated_at_every_length) {
  const Data a = archive({file("a", test::text(300, 1))});
  for (const Data& image : {a, gzip(a), zstd(a)})
    for (usize n = 1; n < image.size() - 3; ++n) {
      const Outcome o = unpack(std::span(image).first(n));
      // The archive may end after the file.
      if (image == a && n > file("a", test::text(300, 1)).size() - 4 &&
          n <= file("a", test::text(300, 1)).size())
        continue;
      ASSERT_FALSE(o.ok()) << n;
    }
}

}  // namespace
}  // namespace auk::codec
