#include "codec/zstd/literals.hpp"

#include <algorithm>

#include "codec/zstd/reverse_bits.hpp"

namespace auk::codec::zstd {
namespace {

enum Type : u8 { raw = 0, one_byte = 1, coded = 2, coded_as_before = 3 };

constexpr std::string_view truncated = "zstd literals end early";
constexpr usize max_weights = 255;
constexpr usize first_direct = 128;  ///< from here on, the weights stand in the tree as they are

struct Widths {
  usize bytes;
  unsigned bits;  ///< of each size
};
constexpr std::array<Widths, 4> coded_widths{{{3, 10}, {3, 10}, {4, 14}, {5, 18}}};
/// Formats 0 and 2 are one: their sizes begin a bit earlier.
constexpr std::array<usize, 4> plain_bytes{1, 2, 1, 3};

}  // namespace

Result<LiteralsDecoder::Header> LiteralsDecoder::header(ByteReader& in) {
  if (in.left() == 0) return complain_(truncated);
  const byte first = in.rest()[0];
  const unsigned type = first & 3;
  const unsigned format = first >> 2 & 3;
  Header h{.type = type, .four_streams = format != 0, .size = 0, .compressed = 0};
  if (type == raw || type == one_byte) {
    h.size = in.number(plain_bytes[format]) >> (format % 2 == 0 ? 3 : 4);
    h.compressed = type == raw ? h.size : 1;
  } else {
    const auto [bytes, bits] = coded_widths[format];
    const u64 word = in.number(bytes) >> 4;
    h.size = word & ((u64{1} << bits) - 1);
    h.compressed = word >> bits;
  }
  if (in.ran_out() || h.compressed > in.left()) return complain_(truncated);
  return h;
}

Result<Literals> LiteralsDecoder::read(ByteReader& in, std::span<byte> buffer, usize limit) {
  const Header h = TRY(header(in));
  if (h.size > limit) return complain_("more zstd literals than a block holds");
  const auto rest = in.rest();
  const auto bytes = in.take(h.compressed);
  if (h.type == raw) return Literals{.at = rest.data(), .left = h.size, .readable = rest.size()};
  if (h.type == one_byte) {
    std::ranges::fill(buffer.first(h.size), bytes[0]);
  } else {
    ByteReader coded_bytes(bytes);
    if (h.type == coded) TRY(read_tree(coded_bytes));
    if (!has_tree_) return complain_("zstd literals take over a table that is not there");
    TRY(decode(coded_bytes.rest(), h.four_streams, buffer.first(h.size)));
  }
  return Literals{.at = buffer.data(), .left = h.size, .readable = h.size + copy_slack};
}

Result<void> LiteralsDecoder::read_tree(ByteReader& in) {
  has_tree_ = false;
  const usize head = in.number(1);
  const bool direct = head >= first_direct;
  const usize count = head - (first_direct - 1);
  const auto bytes = in.take(direct ? (count + 1) / 2 : head);
  if (in.ran_out()) return complain_(truncated);
  if (direct) {
    weight_count_ = count;
    for (usize i = 0; i < count; ++i)
      weights_[i] = i % 2 == 0 ? static_cast<u8>(bytes[i / 2] >> 4) : bytes[i / 2] & 15;
  } else if (!read_weights(bytes)) {
    return complain_("weights of a zstd Huffman table are damaged");
  }
  if (!build_codes()) return complain_("zstd Huffman table is damaged");
  has_tree_ = true;
  return {};
}

/// Two states take turns. Where the bits of one run out, the other one says the last weight.
bool LiteralsDecoder::read_weights(std::span<const byte> bytes) {
  const auto used = read_distribution(bytes, weight_log, max_bits + 1, distribution_);
  if (!used) return false;
  build_table(distribution_, std::span<WeightState>(weight_table_),
              [](usize symbol) { return WeightState{.weight = static_cast<u8>(symbol)}; });
  ReverseBits in;
  if (!in.open(bytes.subspan(*used))) return false;
  usize state = in.take(distribution_.log);
  usize other = in.take(distribution_.log);
  if (in.overrun()) return false;
  for (weight_count_ = 0; weight_count_ < max_weights - 1;) {
    const WeightState now = weight_table_[state];
    weights_[weight_count_++] = now.weight;
    in.refill();
    state = now.next + in.take(now.bits);
    if (in.overrun()) {
      weights_[weight_count_++] = weight_table_[other].weight;
      return true;
    }
    std::swap(state, other);
  }
  return false;
}

/// A symbol of weight w has 2^(w-1) of the codes of full length. The last symbol's weight is not
/// sent: it gets the rest of the codes, which must be a power of two.
bool LiteralsDecoder::build_codes() {
  std::array<u16, max_bits + 2> first{};
  usize total = 0;
  for (const u8 w : std::span(weights_).first(weight_count_)) {
    if (w > max_bits) return false;
    if (w == 0) continue;
    total += usize{1} << (w - 1);
    ++first[w + 1U];
  }
  if (total == 0) return false;
  const unsigned bits = ilog2(total) + 1;
  const usize rest = (usize{1} << bits) - total;
  if (bits > max_bits || !std::has_single_bit(rest)) return false;
  const unsigned last = ilog2(rest) + 1;
  weights_[weight_count_] = static_cast<u8>(last);
  ++first[last + 1];

  // first[w]: where the codes of weight w begin.
  const unsigned scale = max_bits - bits;
  for (unsigned w = 1; w <= max_bits; ++w)
    first[w + 1] = static_cast<u16>(first[w] + (usize{first[w + 1]} << (w - 1 + scale)));
  for (usize symbol = 0; symbol <= weight_count_; ++symbol) {
    const unsigned w = weights_[symbol];
    if (w == 0) continue;
    const usize n = usize{1} << (w - 1 + scale);
    const Code code{.symbol = static_cast<u8>(symbol), .bits = static_cast<u8>(bits + 1 - w)};
    std::ranges::fill(std::span(codes_).subspan(first[w], n), code);
    first[w] = static_cast<u16>(first[w] + n);
  }
  return true;
}

Result<void> LiteralsDecoder::decode(std::span<const byte> bytes, bool four_streams,
                                     std::span<byte> out) {
  constexpr std::string_view damaged = "zstd literals are damaged";
  if (!four_streams) {
    if (!decode_stream(bytes, out)) return complain_(damaged);
    return {};
  }
  ByteReader in(bytes);
  std::array<usize, 3> sizes{};
  for (usize& size : sizes) size = in.number(2);
  const usize part = div_ceil(out.size(), 4);
  if (in.ran_out() || 3 * part > out.size()) return complain_(damaged);
  for (const usize size : sizes) {
    if (!decode_stream(in.take(size), out.first(part))) return complain_(damaged);
    out = out.subspan(part);
  }
  if (!decode_stream(in.rest(), out)) return complain_(damaged);
  return {};
}

bool LiteralsDecoder::decode_stream(std::span<const byte> bytes, std::span<byte> out) const {
  ReverseBits in;
  if (!in.open(bytes)) return false;
  byte* to = out.data();
  const auto next = [&] {
    const Code code = codes_[in.peek<max_bits>()];
    in.drop(code.bits);
    return code.symbol;
  };
  usize left = out.size();
  constexpr usize round = 5;
  static_assert(round * max_bits <= 57);
  for (; left >= round; left -= round, to += round) {
    in.refill();
    for (usize i = 0; i < round; ++i) to[i] = next();
  }
  in.refill();
  for (usize i = 0; i < left; ++i) to[i] = next();
  return in.finished();
}

}  // namespace auk::codec::zstd
