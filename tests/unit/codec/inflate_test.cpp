#include "codec/inflate.hpp"

#include <gtest/gtest.h>

#include "samples.hpp"

namespace auk::codec {
namespace {

using test::Collector;
using test::Data;
using test::Exact;

/// Writes a deflate stream by hand.
class BitWriter {
 public:
  Data bytes;
  unsigned used = 8;  ///< bits of the last byte

  BitWriter& bits(u64 value, unsigned n) {
    for (unsigned i = 0; i < n; ++i) {
      if (used == 8) bytes.push_back(0), used = 0;
      bytes.back() = static_cast<byte>(bytes.back() | (value >> i & 1) << used++);
    }
    return *this;
  }
  /// Huffman codes go out from their most significant bit.
  BitWriter& code(u32 value, unsigned n) {
    while (n > 0) bits(value >> --n & 1, 1);
    return *this;
  }
};

struct Outcome {
  Errno error{};
  std::string message;
  usize used = 0;
  Data out;
};

Outcome inflate(const Data& input, usize limit = static_cast<usize>(-1)) {
  const auto inflater = std::make_unique<Inflater>();
  const Exact exact(input);
  Collector sink;
  sink.limit = limit;
  Outcome o;
  auto used = inflater->decode(exact.span(), sink);
  o.error = used.error();
  if (used) o.used = *used;
  o.message = inflater->message();
  o.out = std::move(sink.all);
  EXPECT_LE(inflater->position(), input.size());
  return o;
}

TEST(Inflate, stored_blocks) {
  BitWriter w;
  w.bits(0, 3);
  w.used = 8;
  w.bits(3, 16).bits(0xfffc, 16).bits('a', 8).bits('b', 8).bits('c', 8);
  w.bits(1, 3);
  w.used = 8;
  w.bits(0, 16).bits(0xffff, 16);
  w.bytes.push_back(0x55);  // not part of the stream
  const Outcome o = inflate(w.bytes);
  EXPECT_EQ(o.error, Errno{});
  EXPECT_EQ(o.out, test::bytes_of("abc"));
  EXPECT_EQ(o.used, w.bytes.size() - 1);
}

TEST(Inflate, fixed_code) {
  BitWriter w;
  w.bits(1, 1).bits(1, 2);
  w.code(0x30 + 'x', 8);         // literal
  w.code(0xc0, 7 + 1);           // length 115 to 130 (symbol 280), 4 extra bits
  w.bits(5, 4).code(0, 5);       // 120 bytes from 1 back
  w.code(0x190 + 200 - 144, 9);  // literal 200
  w.code(0, 7);
  const Outcome o = inflate(w.bytes);
  EXPECT_EQ(o.error, Errno{}) << o.message;
  Data want(121, 'x');
  want.push_back(200);
  EXPECT_EQ(o.out, want);
  EXPECT_EQ(o.used, w.bytes.size());
}

TEST(Inflate, longest_length_both_ways) {
  for (const bool by_extra_bits : {false, true}) {
    BitWriter w;
    w.bits(1, 1).bits(1, 2).code(0x30 + 'x', 8);
    if (by_extra_bits)
      w.code(0xc4, 8).bits(31, 5);  // symbol 284
    else
      w.code(0xc5, 8);
    w.code(0, 5).code(0, 7);
    EXPECT_EQ(inflate(w.bytes).out, Data(259, 'x'));
  }
}

TEST(Inflate, refuses_what_is_no_code) {
  const auto fixed = [] { return BitWriter().bits(1, 1).bits(1, 2); };
  const std::pair<BitWriter, std::string> bad[] = {
      {BitWriter().bits(7, 3).bits(0, 32), "unknown type of a deflate block"},
      {fixed().code(0xc6, 8).bits(0, 32), "unknown code for a literal"},  // symbol 286
      {fixed().code(0x31, 8).code(1, 7).code(30, 5).bits(0, 32), "unknown code for a distance"},
      {fixed().code(1, 7).code(0, 5).bits(0, 32), "distance reaches before the first byte"},
      {fixed().code(0x31, 8).code(1, 7).code(1, 5).bits(0, 32),
       "distance reaches before the first byte"},
      {BitWriter().bits(1, 3).bits(0, 5).bits(1, 32), "length of a stored block is damaged"},
      {BitWriter().bits(5, 3).bits(30, 5).bits(0, 64), "too many symbols in a deflate block"},
      {BitWriter().bits(5, 3).bits(0, 5).bits(30, 5).bits(0, 64),
       "too many symbols in a deflate block"},
      // Two codes of one bit and more: too many. Then none at all, of which none can be found.
      {BitWriter().bits(5, 3).bits(0, 14).bits(0b001'001'001, 12).bits(0, 64),
       "code for lengths is damaged"},
      {BitWriter().bits(5, 3).bits(0, 14).bits(0, 12).bits(0, 64), "unknown code for a length"},
      // The only length there is says "as before", and there is none before.
      {BitWriter().bits(5, 3).bits(0, 14).bits(0b001, 12).bits(0, 64), "repetition of no length"},
  };
  for (const auto& [w, message] : bad) {
    const Outcome o = inflate(w.bytes);
    EXPECT_EQ(o.error, Errno::einval) << message;
    EXPECT_EQ(o.message, message);
  }
}

/// The code for lengths 0 and 1 and for long runs of 0, then 257 literals of which `ones` have a
/// code of one bit, and one distance.
BitWriter dynamic_header(bool with_end, bool two_literals) {
  BitWriter w;
  w.bits(5, 3).bits(0, 5).bits(0, 5).bits(14, 4);
  // Lengths of codes: 18 -> 1, 0 -> 2, 1 -> 2; sent in the order 16 17 18 0 ... 1 at place 17.
  const unsigned lengths[18] = {0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
  for (const unsigned n : lengths) w.bits(n, 3);
  const auto zeros = [&](unsigned n) { w.code(0, 1).bits(n - 11, 7); };
  const auto zero = [&] { w.code(0b10, 2); };
  const auto one = [&] { w.code(0b11, 2); };
  zeros(97);
  two_literals ? one() : zero();  // 'a'
  zeros(138);
  zeros(20);
  with_end ? one() : zero();
  one();  // distance 0
  return w;
}

TEST(Inflate, dynamic_code) {
  BitWriter w = dynamic_header(true, true);
  w.code(0, 1).code(0, 1).code(1, 1);
  const Outcome o = inflate(w.bytes);
  EXPECT_EQ(o.error, Errno{}) << o.message;
  EXPECT_EQ(o.out, test::bytes_of("aa"));
}

TEST(Inflate, dynamic_code_of_one_symbol) {
  BitWriter w = dynamic_header(true, false);
  w.code(0, 1);
  const Outcome o = inflate(w.bytes);
  EXPECT_EQ(o.error, Errno{}) << o.message;
  EXPECT_TRUE(o.out.empty());
  BitWriter unknown = dynamic_header(true, false);
  unknown.code(1, 1).bits(0, 64);
  EXPECT_EQ(inflate(unknown.bytes).message, "unknown code for a literal");
}

TEST(Inflate, dynamic_code_without_end) {
  BitWriter w = dynamic_header(false, true);
  w.bits(0, 64);
  EXPECT_EQ(inflate(w.bytes).message, "deflate block without an end");
}

TEST(Inflate, sink_may_refuse) {
  BitWriter w;
  w.bits(1, 1).bits(1, 2).code(0x30 + 'x', 8);
  for (int i = 0; i < 1000; ++i) w.code(0xc5, 8).code(0, 5);
  w.code(0, 7);
  EXPECT_EQ(inflate(w.bytes).out.size(), 258001u);
  for (const usize limit : {0, 1, 100000, 258000}) {
    const Outcome o = inflate(w.bytes, limit);
    EXPECT_EQ(o.error, Errno::enospc);
    EXPECT_EQ(o.message, "");
  }
}

}  // namespace
}  // namespace auk::codec
