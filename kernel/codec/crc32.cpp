#include "codec/crc32.hpp"

#include <array>

#include "codec/bytes.hpp"

namespace auk::codec {
namespace {

constexpr u32 polynomial = 0xedb88320;  // bits reversed

using Table = std::array<u32, 256>;

/// Table k: what a byte does to the sum when k zero bytes follow it.
constexpr std::array<Table, 8> make_tables() {
  std::array<Table, 8> tables{};
  for (u32 b = 0; b < 256; ++b) {
    u32 sum = b;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? polynomial : 0);
    tables[0][b] = sum;
  }
  for (usize k = 1; k < 8; ++k)
    for (usize b = 0; b < 256; ++b)
      tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff];
  return tables;
}
constexpr auto tables = make_tables();

constexpr u32 with_byte(u32 sum, byte b) { return (sum >> 8) ^ tables[0][(sum ^ b) & 0xff]; }

}  // namespace

u32 crc32(std::span<const byte> bytes, u32 before) {
  u32 sum = ~before;
  const byte* at = bytes.data();
  usize left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    const u64 word = load<u64>(at) ^ sum;
    sum = tables[7][word & 0xff] ^ tables[6][word >> 8 & 0xff] ^ tables[5][word >> 16 & 0xff] ^
          tables[4][word >> 24 & 0xff] ^ tables[3][word >> 32 & 0xff] ^
          tables[2][word >> 40 & 0xff] ^ tables[1][word >> 48 & 0xff] ^ tables[0][word >> 56];
  }
  for (; left > 0; --left, ++at) sum = with_byte(sum, *at);
  return ~sum;
}

}  // namespace auk::codec
