#include "codec/zstd/sequences.hpp"

#include <algorithm>

namespace auk::codec::zstd {
namespace {

enum Mode : u8 { predefined = 0, one_symbol = 1, described = 2, as_before = 3 };

/// Values follow each other without a gap: from `first` on, each symbol covers 2^extra of them.
template <usize N>
constexpr std::array<SequenceState, N> make_symbols(u32 first, usize without_extra,
                                                    std::span<const u8> extra) {
  std::array<SequenceState, N> out{};
  u32 value = first;
  for (usize i = 0; i < N; ++i) {
    const u8 bits = i < without_extra ? u8{0} : extra[i - without_extra];
    out[i] = {.value = value, .extra = bits};
    value += u32{1} << bits;
  }
  return out;
}

constexpr std::array<u8, 20> literal_length_extra{1, 1, 1, 1,  2,  2,  3,  3,  4,  6,
                                                  7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr auto literal_length_symbols = make_symbols<36>(0, 16, literal_length_extra);
static_assert(literal_length_symbols[35].value == 65536);

constexpr std::array<u8, 21> match_length_extra{1, 1, 1, 1,  2,  2,  3,  3,  4,  4, 5,
                                                7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr auto match_length_symbols = make_symbols<53>(3, 32, match_length_extra);
static_assert(match_length_symbols[52].value == 65539);

constexpr std::array<SequenceState, 32> make_offset_symbols() {
  std::array<SequenceState, 32> out{};
  for (u8 i = 0; i < 32; ++i) out[i] = {.value = u32{1} << i, .extra = i};
  return out;
}
constexpr auto offset_symbols = make_offset_symbols();

template <unsigned Log, usize N>
constexpr std::array<SequenceState, usize{1} << Log>
make_predefined(const std::array<i16, N>& shares, std::span<const SequenceState> symbols) {
  Distribution d{.log = Log, .symbols = N};
  std::ranges::copy(shares, d.shares.begin());
  std::array<SequenceState, usize{1} << Log> out{};
  build_table(d, std::span<SequenceState>(out), [&](usize symbol) { return symbols[symbol]; });
  return out;
}

constexpr auto predefined_literal_lengths = make_predefined<6>(
    std::array<i16, 36>{4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1,  1,  2,  2,
                        2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1},
    literal_length_symbols);
constexpr auto predefined_match_lengths = make_predefined<6>(
    std::array<i16, 53>{1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1,  1,  1,  1,  1,  1,  1, 1,
                        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  1, 1,
                        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1},
    match_length_symbols);
constexpr auto predefined_offsets =
    make_predefined<5>(std::array<i16, 29>{1, 1, 1, 1, 1, 1, 2, 2, 2, 1,  1,  1,  1,  1, 1,
                                           1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1},
                       offset_symbols);

constexpr SequenceKind literal_length_kind{9, literal_length_symbols, predefined_literal_lengths};
constexpr SequenceKind match_length_kind{9, match_length_symbols, predefined_match_lengths};
constexpr SequenceKind offset_kind{8, offset_symbols, predefined_offsets};

constexpr std::string_view truncated = "zstd sequences end early";

/// The number of sequences: one to three bytes.
usize take_count(ByteReader& in) {
  const usize first = in.number(1);
  if (first < 128) return first;
  if (first < 255) return (first - 128) << 8 | in.number(1);
  return in.number(2) + 0x7f00;
}

/// Where one of the tables stands.
class Walk {
  const SequenceState* states_;
  usize at_;

 public:
  Walk(const SequenceTable& table, ReverseBits& in)
      : states_(table.states().data()),
        at_(in.take(ilog2(table.states().size()))) {}
  AUK_ALWAYS_INLINE SequenceState now() const { return states_[at_]; }
  AUK_ALWAYS_INLINE void step(SequenceState from, ReverseBits& in) {
    at_ = from.next + in.take(from.bits);
  }
};

/// The last three offsets. Value 1 to 3 means one of them, or when no literals precede the match,
/// the one after it, the last of these being the first one less 1.
class RecentOffsets {
  u32 first_, second_, third_;

 public:
  explicit RecentOffsets(const std::array<u32, 3>& o) : first_(o[0]), second_(o[1]), third_(o[2]) {}
  std::array<u32, 3> all() const { return {first_, second_, third_}; }

  AUK_ALWAYS_INLINE u32 offset_of(usize value, bool has_literals) {
    if (value > 3) return use_new(static_cast<u32>(value - 3));
    const usize index = value - (has_literals ? 1 : 0);
    if (index == 0) return first_;
    if (index == 1) {
      std::swap(first_, second_);
      return first_;
    }
    return use_new(index == 2 ? third_ : first_ - 1);
  }

 private:
  AUK_ALWAYS_INLINE u32 use_new(u32 offset) {
    third_ = second_;
    second_ = first_;
    return first_ = offset;
  }
};

}  // namespace

bool SequenceTable::read(unsigned mode, ByteReader& in) {
  switch (mode) {
    case predefined: states_ = kind_.predefined; return true;
    case one_symbol: {
      const usize symbol = in.number(1);
      if (in.ran_out() || symbol >= kind_.symbols.size()) return false;
      own_[0] = kind_.symbols[symbol];
      states_ = std::span(own_).first(1);
      return true;
    }
    case described: {
      const auto used =
          read_distribution(in.rest(), kind_.max_log, kind_.symbols.size(), distribution_);
      if (!used) return false;
      in.take(*used);
      build_table(distribution_, std::span<SequenceState>(own_),
                  [&](usize symbol) { return kind_.symbols[symbol]; });
      states_ = std::span(own_).first(usize{1} << distribution_.log);
      return true;
    }
    default: return !states_.empty();
  }
}

SequenceDecoder::SequenceDecoder(Complaint& complain)
    : complain_(complain),
      literal_lengths_(literal_length_kind),
      match_lengths_(match_length_kind),
      offsets_(offset_kind) {}

void SequenceDecoder::reset() {
  literal_lengths_.reset();
  match_lengths_.reset();
  offsets_.reset();
  recent_ = {1, 4, 8};
}

Result<void> SequenceDecoder::execute(ByteReader& in, Literals literals, Window& out, usize room) {
  const usize count = take_count(in);
  if (in.ran_out()) return complain_(truncated);
  if (count == 0) {
    if (in.left() != 0) return complain_("zstd block with bytes after its end");
  } else {
    const usize modes = in.number(1);
    if (in.ran_out()) return complain_(truncated);
    if ((modes & 3) != 0) return complain_("unknown flags in a zstd block");
    if (!literal_lengths_.read(modes >> 6 & 3, in) || !offsets_.read(modes >> 4 & 3, in) ||
        !match_lengths_.read(modes >> 2 & 3, in))
      return complain_("tables of zstd sequences are damaged");
    ReverseBits bits;
    if (!bits.open(in.rest())) return complain_("zstd sequences are damaged");
    TRY(run(bits, count, literals, out, room));
  }
  if (literals.left > room) return complain_("zstd block is larger than its frame allows");
  out.append(literals.at, literals.left, literals.readable);
  return {};
}

Result<void> SequenceDecoder::run(ReverseBits in, usize count, Literals& all_literals,
                                  Window& window, usize& room_left) {
  Window out = window;
  Literals literals = all_literals;
  usize room = room_left;
  RecentOffsets recent(recent_);
  in.refill();
  Walk literal_length(literal_lengths_, in);
  Walk offset(offsets_, in);
  Walk match_length(match_lengths_, in);
  for (;;) {
    const SequenceState l = literal_length.now();
    const SequenceState m = match_length.now();
    const SequenceState o = offset.now();
    // A stream that ends early gives arbitrary numbers: they are checked like all others, and the
    // end is looked at when all is done. No more than 57 bits between refills.
    in.refill();
    const usize offset_value = o.value + in.take(o.extra);
    const usize n = m.value + in.take(m.extra);
    in.refill();
    const usize plain = l.value + in.take(l.extra);
    if (plain > literals.left || plain + n > room) [[unlikely]]
      return complain_("zstd block is larger than its frame allows");
    room -= plain + n;
    out.append(literals.at, plain, literals.readable);
    literals.at += plain;
    literals.left -= plain;
    literals.readable -= plain;
    if (!out.repeat(recent.offset_of(offset_value, plain != 0), n)) [[unlikely]]
      return complain_("offset reaches before the first byte or out of the window");
    if (--count == 0) break;
    literal_length.step(l, in);
    match_length.step(m, in);
    offset.step(o, in);
  }
  if (!in.finished()) return complain_("zstd sequences are damaged");
  window = out;
  all_literals = literals;
  room_left = room;
  recent_ = recent.all();
  return {};
}

}  // namespace auk::codec::zstd
