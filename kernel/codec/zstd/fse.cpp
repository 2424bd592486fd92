#include "codec/zstd/fse.hpp"

#include <bit>

#include "codec/bits.hpp"

namespace auk::codec::zstd {
namespace {

constexpr unsigned min_log = 5;

/// A number from 0 to `last`. Those there are too few of for a whole bit take one bit less.
usize take_up_to(BitReader& in, usize last) {
  const auto bits = static_cast<unsigned>(std::bit_width(last));
  const usize half = usize{1} << (bits - 1);
  const usize short_ones = 2 * half - 1 - last;
  const usize value = in.peek(bits);
  const usize lower = value & (half - 1);
  if (lower < short_ones) {
    in.drop(bits - 1);
    return lower;
  }
  in.drop(bits);
  return value < half ? value : value - short_ones;
}

/// After a share of 0: how many more of them follow, in steps of up to 3.
usize take_zero_run(BitReader& in, usize most) {
  usize run = 0;
  for (;;) {
    in.refill();
    const usize n = in.take(2);
    run += n;
    if (n < 3 || run > most) return run;
  }
}

}  // namespace

std::optional<usize> read_distribution(std::span<const byte> input, unsigned max_log, usize symbols,
                                       Distribution& out) {
  BitReader in(input);
  in.refill();
  out.log = static_cast<unsigned>(in.take(4)) + min_log;
  if (out.log > max_log) return std::nullopt;
  out.shares.fill(0);
  usize left = usize{1} << out.log;
  usize symbol = 0;
  while (left > 0) {
    if (symbol >= symbols || in.overrun()) return std::nullopt;
    in.refill();
    const auto share = static_cast<i16>(static_cast<i16>(take_up_to(in, left + 1)) - 1);
    out.shares[symbol++] = share;
    left -= share == below_one ? 1 : static_cast<usize>(share);
    if (share == 0) symbol += take_zero_run(in, symbols);
  }
  if (in.overrun()) return std::nullopt;
  out.symbols = symbol;
  return in.position();
}

}  // namespace auk::codec::zstd
