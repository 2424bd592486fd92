#include "codec/inflate.hpp"

#include <algorithm>

namespace auk::codec {
namespace deflate {
namespace {

constexpr u16 end_symbol = 256;
constexpr usize used_literals = 286;
constexpr usize used_distances = 30;

constexpr Meaning copy(unsigned base, unsigned extra) {
  return {.value = static_cast<u16>(base), .kind = static_cast<u8>(extra)};
}

/// Symbols 257 to 285: four lengths for each number of extra bits from 1 on, eight without any,
/// and 258 apart.
constexpr std::array<Meaning, literal_symbols> make_literal_meanings() {
  std::array<Meaning, literal_symbols> out{};
  for (u16 i = 0; i < 256; ++i) out[i] = {.value = i, .kind = Meaning::literal};
  out[end_symbol].kind = Meaning::end_of_block;
  unsigned base = 3;
  for (usize symbol = 257; symbol < 285; ++symbol) {
    const usize step = symbol - 257;
    const unsigned extra = step < 8 ? 0 : static_cast<unsigned>(step / 4 - 1);
    out[symbol] = copy(base, extra);
    base += 1U << extra;
  }
  out[285] = copy(258, 0);
  return out;
}
constexpr auto literal_meanings = make_literal_meanings();

constexpr std::array<Meaning, distance_symbols> make_distance_meanings() {
  std::array<Meaning, distance_symbols> out{};
  unsigned base = 1;
  for (usize symbol = 0; symbol < used_distances; ++symbol) {
    const unsigned extra = symbol < 4 ? 0 : static_cast<unsigned>(symbol / 2 - 1);
    out[symbol] = copy(base, extra);
    base += 1U << extra;
  }
  return out;
}
constexpr auto distance_meanings = make_distance_meanings();

constexpr u16 repeat_last = 16;
constexpr u16 repeat_zero = 17;
constexpr u16 repeat_zero_long = 18;

constexpr std::array<Meaning, length_symbols> make_length_meanings() {
  std::array<Meaning, length_symbols> out{};
  for (u16 i = 0; i < length_symbols; ++i) out[i] = copy(i, 0);
  return out;
}
constexpr auto length_meanings = make_length_meanings();

/// The order in which the lengths of the code for lengths are sent.
constexpr std::array<u8, length_symbols> length_order{16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                      11, 4,  12, 3, 13, 2, 14, 1, 15};

constexpr usize reversed(unsigned code, unsigned bits) {
  return __builtin_bitreverse16(static_cast<u16>(code)) >> (16 - bits);
}

}  // namespace

template <unsigned Width, usize Symbols>
bool PrefixCode<Width, Symbols>::build(std::span<const u8> lengths,
                                       std::span<const Meaning> meanings) {
  meanings_ = meanings;
  count_.fill(0);
  for (const u8 length : lengths) ++count_[length];
  const usize used = lengths.size() - count_[0];
  count_[0] = 0;
  unsigned free = 1;
  for (unsigned length = 1; length <= max_code_bits; ++length) {
    free *= 2;
    if (count_[length] > free) return false;
    free -= count_[length];
  }
  const bool only_one = used == 1 && count_[1] == 1;
  if (free != 0 && used != 0 && !only_one) return false;

  std::array<u16, max_code_bits + 1> next{};
  for (unsigned length = 1; length < max_code_bits; ++length)
    next[length + 1] = static_cast<u16>(next[length] + count_[length]);
  for (usize symbol = 0; symbol < lengths.size(); ++symbol)
    if (lengths[symbol] != 0) sorted_[next[lengths[symbol]]++] = static_cast<u16>(symbol);
  fill();
  return true;
}

template <unsigned Width, usize Symbols> void PrefixCode<Width, Symbols>::fill() {
  table_.fill({});
  unsigned code = 0;
  usize index = 0;
  for (unsigned length = 1; length <= Width; ++length) {
    for (unsigned i = 0; i < count_[length]; ++i, ++code) {
      Meaning m = meanings_[sorted_[index++]];
      m.bits = static_cast<u8>(length);
      for (usize at = reversed(code, length); at < table_.size(); at += usize{1} << length)
        table_[at] = m;
    }
    code *= 2;
  }
}

template <unsigned Width, usize Symbols>
Meaning PrefixCode<Width, Symbols>::find_long(u64 bits) const {
  unsigned code = 0;
  unsigned first = 0;
  usize index = 0;
  for (unsigned length = 1; length <= max_code_bits; ++length, bits >>= 1) {
    code = code << 1 | static_cast<unsigned>(bits & 1);
    first *= 2;
    if (code - first < count_[length]) {
      Meaning m = meanings_[sorted_[index + (code - first)]];
      m.bits = static_cast<u8>(length);
      return m;
    }
    first += count_[length];
    index += count_[length];
  }
  return {};
}

}  // namespace deflate

using namespace deflate;

namespace {

constexpr usize reach = 32 * kib;
constexpr usize longest_match = 258;
/// What one round of the loop over symbols writes at most: two literals and a match.
constexpr usize round_size = longest_match + 2;
static_assert(Window::memory_for(reach, round_size) <= 64 * kib);

constexpr std::string_view truncated = "compressed data ends early";

}  // namespace

Result<usize> Inflater::decode(std::span<const byte> input, ByteSink& sink) {
  in_ = BitReader(input);
  out_ = Window(memory_, reach);
  complain_.clear();
  for (bool last = false; !last;) {
    in_.refill();
    last = in_.take(1) != 0;
    TRY(block(static_cast<unsigned>(in_.take(2)), sink));
    if (in_.overrun()) return complain_(truncated);
  }
  TRY(sink.write(out_.hand_out()));
  in_.align_to_byte();
  return in_.position();
}

Result<void> Inflater::block(unsigned type, ByteSink& sink) {
  switch (type) {
    case 0: return stored(sink);
    case 1: TRY(fixed()); return symbols(sink);
    case 2: TRY(dynamic()); return symbols(sink);
    default: return complain_("unknown type of a deflate block");
  }
}

Result<void> Inflater::make_room(ByteSink& sink) {
  TRY(sink.write(out_.hand_out()));
  out_.wrap();
  return {};
}

Result<void> Inflater::stored(ByteSink& sink) {
  in_.align_to_byte();
  in_.refill();
  usize left = in_.take(16);
  const usize inverse = in_.take(16);
  if (in_.overrun()) return complain_(truncated);
  if ((left ^ inverse) != 0xffff) return complain_("length of a stored block is damaged");
  in_.align_to_byte();
  auto rest = in_.rest();
  if (rest.size() < left) return complain_(truncated);
  in_.seek(in_.position() + left);
  while (left > 0) {
    if (out_.room() == 0) TRY(make_room(sink));
    const usize n = std::min(left, out_.room());
    out_.append(rest.data(), n, rest.size());
    rest = rest.subspan(n);
    left -= n;
  }
  return {};
}

Result<void> Inflater::fixed() {
  const std::span lengths(lengths_);
  std::ranges::fill(lengths.first(144), u8{8});
  std::ranges::fill(lengths.subspan(144, 112), u8{9});
  std::ranges::fill(lengths.subspan(256, 24), u8{7});
  std::ranges::fill(lengths.subspan(280, 8), u8{8});
  std::ranges::fill(lengths.subspan(literal_symbols), u8{5});
  if (!literals_.build(lengths.first(literal_symbols), literal_meanings) ||
      !distances_.build(lengths.subspan(literal_symbols), distance_meanings))
    return complain_("fixed code does not build");
  return {};
}

Result<void> Inflater::dynamic() {
  in_.refill();
  const usize literals = in_.take(5) + 257;
  const usize distances = in_.take(5) + 1;
  const usize sent = in_.take(4) + 4;
  if (literals > used_literals || distances > used_distances)
    return complain_("too many symbols in a deflate block");
  std::array<u8, length_symbols> lengths{};
  for (usize i = 0; i < sent; ++i) {
    in_.refill();
    lengths[length_order[i]] = static_cast<u8>(in_.take(3));
  }
  if (!code_lengths_.build(lengths, length_meanings))
    return complain_("code for lengths is damaged");
  TRY(read_lengths(literals + distances));
  if (lengths_[end_symbol] == 0) return complain_("deflate block without an end");
  const auto all = std::span(lengths_).first(literals + distances);
  if (!literals_.build(all.first(literals), literal_meanings))
    return complain_("code for literals is damaged");
  if (!distances_.build(all.subspan(literals), distance_meanings))
    return complain_("code for distances is damaged");
  return {};
}

Result<void> Inflater::read_lengths(usize count) {
  for (usize at = 0; at < count;) {
    in_.refill();
    if (in_.overrun()) return complain_(truncated);
    const Meaning m = code_lengths_.next(in_);
    if (m.kind != 0) return complain_("unknown code for a length");
    if (m.value < repeat_last) {
      lengths_[at++] = static_cast<u8>(m.value);
      continue;
    }
    if (m.value == repeat_last && at == 0) return complain_("repetition of no length");
    const u8 length = m.value == repeat_last ? lengths_[at - 1] : u8{0};
    const usize n = m.value == repeat_zero_long ? in_.take(7) + 11
                    : m.value == repeat_zero    ? in_.take(3) + 3
                                                : in_.take(2) + 3;
    if (n > count - at) return complain_("too many lengths of codes");
    std::fill_n(lengths_.begin() + static_cast<isize>(at), n, length);
    at += n;
  }
  return {};
}

Result<void> Inflater::symbols(ByteSink& sink) {
  BitReader in = in_;
  Window out = out_;
  const auto stop = [&] { in_ = in, out_ = out; };
  for (;;) {
    if (out.room() < round_size) [[unlikely]] {
      stop();
      TRY(make_room(sink));
      out = out_;
    }
    in.refill();
    if (in.overrun()) [[unlikely]]
      return stop(), complain_(truncated);
    // Three codes of 15 bits and the 5 extra bits of a length are at hand.
    Meaning m = literals_.next(in);
    for (int more = 2; more > 0 && m.kind == Meaning::literal; --more) {
      out.put(static_cast<byte>(m.value));
      m = literals_.next(in);
    }
    if (m.kind == Meaning::literal) {
      out.put(static_cast<byte>(m.value));
      continue;
    }
    if (m.kind >= Meaning::invalid) [[unlikely]] {
      stop();
      if (m.kind == Meaning::end_of_block) return {};
      return complain_("unknown code for a literal");
    }
    const usize length = m.value + in.take(m.kind);
    in.refill();
    const Meaning d = distances_.next(in);
    if (d.kind >= Meaning::invalid) [[unlikely]]
      return stop(), complain_("unknown code for a distance");
    if (!out.repeat(d.value + in.take(d.kind), length)) [[unlikely]]
      return stop(), complain_("distance reaches before the first byte");
  }
}

}  // namespace auk::codec
