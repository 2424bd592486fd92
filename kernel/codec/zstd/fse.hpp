// Finite-state entropy: the description of a distribution, and the table that decodes it.
//
// Data model: a table has 2^log states. A state stands for a symbol; the next state is `next` plus
// a number of `bits` bits from the stream.
// Context: any; pure functions.
// Source: RFC 8878, section 4.1.
#pragma once
#include <array>
#include <optional>
#include <span>

#include "base/math.hpp"

namespace auk::codec::zstd {

inline constexpr usize max_fse_symbols = 53;
inline constexpr i16 below_one = -1;  ///< a share of less than one state: it gets one

/// How many of the states each symbol gets.
struct Distribution {
  unsigned log = 0;
  usize symbols = 0;
  std::array<i16, max_fse_symbols> shares{};
};

/// Reads the description that `input` begins with and returns its size in bytes; nothing if it is
/// damaged or goes beyond the limits. `symbols` is at most max_fse_symbols.
std::optional<usize> read_distribution(std::span<const byte> input, unsigned max_log, usize symbols,
                                       Distribution& out);

/// Fills the first 2^log entries of `table`: copies of what `symbol_entry` says for a symbol, with
/// `next` and `bits` set. The shares sum up to 2^log.
template <class Entry, class Symbols>
constexpr void build_table(const Distribution& d, std::span<Entry> table,
                           const Symbols& symbol_entry) {
  const usize size = usize{1} << d.log;
  std::array<u16, max_fse_symbols> next{};
  usize high = size;
  // Until the second pass `next` says which symbol a state is for.
  for (usize s = 0; s < d.symbols; ++s) {
    next[s] = d.shares[s] == below_one ? u16{1} : static_cast<u16>(d.shares[s]);
    if (d.shares[s] == below_one) table[--high].next = static_cast<u16>(s);
  }
  const usize step = size / 2 + size / 8 + 3;
  usize at = 0;
  for (usize s = 0; s < d.symbols; ++s)
    for (i16 i = 0; i < d.shares[s]; ++i) {
      table[at].next = static_cast<u16>(s);
      do {
        at = (at + step) & (size - 1);
      } while (at >= high);
    }
  for (Entry& e : table.first(size)) {
    const usize symbol = e.next;
    const usize count = next[symbol]++;
    e = symbol_entry(symbol);
    e.bits = static_cast<u8>(d.log - ilog2(count));
    e.next = static_cast<u16>((count << e.bits) - size);
  }
}

}  // namespace auk::codec::zstd
