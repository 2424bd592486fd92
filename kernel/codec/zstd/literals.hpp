// The literals of a zstd block: as they are, one repeated, or Huffman-coded.
//
// Data model: the Huffman table, 4 KiB, stays for blocks that say "as before"; a table of 2^11
// entries serves every code, so that each symbol is one look with a constant shift.
// Context: any; no locks, nothing is allocated.
// Source: RFC 8878, sections 3.1.1.3.1 and 4.2.
#pragma once
#include <array>
#include <span>

#include "codec/bytes.hpp"
#include "codec/stream.hpp"
#include "codec/zstd/fse.hpp"

namespace auk::codec::zstd {

/// Bytes that sequences copy into the output.
struct Literals {
  const byte* at = nullptr;
  usize left = 0;
  usize readable = 0;  ///< from `at` on; `left` or more
};

class LiteralsDecoder {
  static constexpr unsigned max_bits = 11;
  static constexpr unsigned weight_log = 6;

  struct Code {
    u8 symbol;
    u8 bits;
  };
  struct WeightState {
    u16 next = 0;
    u8 bits = 0;
    u8 weight = 0;
  };
  struct Header {
    unsigned type;
    bool four_streams;
    usize size;        ///< of the literals
    usize compressed;  ///< of what they are decoded from
  };

  Complaint& complain_;
  bool has_tree_ = false;
  usize weight_count_ = 0;
  Distribution distribution_;
  std::array<u8, 256> weights_;
  std::array<WeightState, usize{1} << weight_log> weight_table_;
  std::array<Code, usize{1} << max_bits> codes_;

  Result<Header> header(ByteReader& in);
  Result<void> read_tree(ByteReader& in);
  bool read_weights(std::span<const byte> bytes);
  bool build_codes();
  Result<void> decode(std::span<const byte> bytes, bool four_streams, std::span<byte> out);
  bool decode_stream(std::span<const byte> bytes, std::span<byte> out) const;

 public:
  explicit LiteralsDecoder(Complaint& complain) : complain_(complain) {}

  /// A new frame begins: there is no table to take over.
  void reset() { has_tree_ = false; }
  /// Reads the literals section that `in` stands before. The literals are in the input, of which
  /// `in` sees the block, or in `buffer`, which has room for `limit` and copy_slack more.
  Result<Literals> read(ByteReader& in, std::span<byte> buffer, usize limit);
};

}  // namespace auk::codec::zstd
