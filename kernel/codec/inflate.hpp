// DEFLATE: Huffman-coded literals and matches.
//
// Purpose: what gzip, zlib and several file systems compress with.
// Data model: the input is one span; the output goes to the sink in pieces of up to 64 KiB. All
// state, tables and window included, is in the Inflater: about 80 KiB, to be put on the heap.
// Context: any; no locks, nothing is allocated, stack use below 512 bytes.
// Source: RFC 1951.
#pragma once
#include <array>
#include <span>

#include "codec/bits.hpp"
#include "codec/stream.hpp"
#include "codec/window.hpp"

namespace auk::codec {

namespace deflate {

inline constexpr unsigned max_code_bits = 15;
inline constexpr usize literal_symbols = 288;
inline constexpr usize distance_symbols = 32;
inline constexpr usize length_symbols = 19;

/// What a code stands for. `kind` is the number of extra bits that are added to `value`, or one of
/// the named kinds.
struct Meaning {
  static constexpr u8 literal = 0x80;
  static constexpr u8 end_of_block = 0x40;
  static constexpr u8 invalid = 0x20;
  u16 value = 0;
  u8 kind = invalid;
  u8 bits = 0;  ///< of the code; 0 in a table: the code is longer than the table is wide
};

/// A canonical prefix code. Codes up to `Width` bits are one look into a table, the rare longer
/// ones are found bit by bit.
template <unsigned Width, usize Symbols> class PrefixCode {
  std::array<Meaning, usize{1} << Width> table_;
  std::array<u16, max_code_bits + 1> count_;  ///< codes of each length
  std::array<u16, Symbols> sorted_;           ///< symbols in the order of their codes
  std::span<const Meaning> meanings_;

  AUK_COLD Meaning find_long(u64 bits) const;
  void fill();

 public:
  /// From the length of each symbol's code, 0 for unused ones. False for lengths that make no code:
  /// too many, or too few unless it is one code of one bit or none at all.
  bool build(std::span<const u8> lengths, std::span<const Meaning> meanings);

  /// At least 15 bits are at hand.
  AUK_ALWAYS_INLINE Meaning next(BitReader& in) const {
    Meaning m = table_[in.peek(Width)];
    if (m.bits == 0) [[unlikely]]
      m = find_long(in.bits());
    in.drop(m.bits);
    return m;
  }
};

}  // namespace deflate

class Inflater {
  deflate::PrefixCode<10, deflate::literal_symbols> literals_;
  deflate::PrefixCode<8, deflate::distance_symbols> distances_;
  deflate::PrefixCode<7, deflate::length_symbols> code_lengths_;
  std::array<u8, deflate::literal_symbols + deflate::distance_symbols> lengths_;
  std::array<byte, 64 * kib> memory_;
  BitReader in_;
  Window out_;
  Complaint complain_;

  Result<void> block(unsigned type, ByteSink& sink);
  Result<void> stored(ByteSink& sink);
  Result<void> fixed();
  Result<void> dynamic();
  Result<void> read_lengths(usize count);
  Result<void> symbols(ByteSink& sink);
  Result<void> make_room(ByteSink& sink);

 public:
  // The big arrays are written before they are read: clearing them would cost more than a small
  // input does.
  Inflater() {}  // NOLINT(modernize-use-equals-default)
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Decodes the stream that `input` begins with and returns how many bytes it takes. EINVAL for
  /// a stream that is damaged or ends early, else the sink's errno.
  Result<usize> decode(std::span<const byte> input, ByteSink& sink);
  /// About the last `decode`: why it failed, and how far it has read.
  std::string_view message() const { return complain_.text(); }
  usize position() const { return in_.position(); }
};

}  // namespace auk::codec
