// The sequences of a zstd block: so many literals, then a match.
//
// Data model: three tables, for the lengths of literals, the lengths of matches and the offsets;
// each stays for blocks that say "as before". Offsets may also name one of the last three.
// Context: any; no locks, nothing is allocated.
// Source: RFC 8878, sections 3.1.1.3.2, 3.1.1.4 and 3.1.1.5.
#pragma once
#include <array>
#include <span>

#include "codec/bytes.hpp"
#include "codec/stream.hpp"
#include "codec/window.hpp"
#include "codec/zstd/fse.hpp"
#include "codec/zstd/literals.hpp"
#include "codec/zstd/reverse_bits.hpp"

namespace auk::codec::zstd {

/// A state: the number it stands for, without its `extra` low bits, and how it goes on.
struct SequenceState {
  u32 value = 0;
  u16 next = 0;
  u8 extra = 0;
  u8 bits = 0;
};

/// What is the same for all tables of a kind.
struct SequenceKind {
  unsigned max_log;
  std::span<const SequenceState> symbols;  ///< value and extra bits of each
  std::span<const SequenceState> predefined;
};

/// The table of one kind that the last block used.
class SequenceTable {
  const SequenceKind& kind_;
  std::span<const SequenceState> states_;
  Distribution distribution_;
  std::array<SequenceState, 512> own_;

 public:
  explicit SequenceTable(const SequenceKind& kind) : kind_(kind) {}
  void reset() { states_ = {}; }
  /// `mode` is 2 bits of the header. False for a damaged table.
  bool read(unsigned mode, ByteReader& in);
  /// A power of two of them.
  std::span<const SequenceState> states() const { return states_; }
};

class SequenceDecoder {
  Complaint& complain_;
  SequenceTable literal_lengths_;
  SequenceTable match_lengths_;
  SequenceTable offsets_;
  std::array<u32, 3> recent_{};

  Result<void> run(ReverseBits in, usize count, Literals& all_literals, Window& window,
                   usize& room_left);

 public:
  explicit SequenceDecoder(Complaint& complain);

  /// A new frame begins: there are no tables and no offsets to take over.
  void reset();
  /// Reads the sequences section, which fills the rest of `in`, and writes the block. There is room
  /// for `room` bytes; more than that is an error.
  Result<void> execute(ByteReader& in, Literals literals, Window& out, usize room);
};

}  // namespace auk::codec::zstd
