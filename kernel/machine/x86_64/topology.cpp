#include "machine/isa/topology.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "base/math.hpp"
#include "machine/isa/x86.hpp"

namespace auk::machine {
namespace {

constexpr u32 extended = 0x80000000;

bool is_by_amd() {
  // "AuthenticAMD", "HygonGenuine"
  constexpr u32 auth = 0x68747541, hygo = 0x6f677948;
  const u32 first = x86::cpuid(0).b;
  return first == auth || first == hygo;
}

/// How many bits tell so many apart.
u32 bits_for(u32 count) { return ilog2(std::bit_ceil(std::max(count, 1U))); }

/// As leaf 4 of CPUID has it, and AMD's leaf 0x8000001d. Nothing when the leaf has no more.
std::optional<CpuCache> cache_of_leaf(u32 number, u32 index) {
  constexpr u32 kind_mask = 31, level_mask = 7, twelve_bits = 0xfff, ten_bits = 0x3ff;
  const auto l = x86::leaf(number, index);
  if ((l.a & kind_mask) == 0 || (l.a & kind_mask) > 3) return std::nullopt;
  const u32 bits = bits_for((l.a >> 14 & twelve_bits) + 1);
  return CpuCache{.kind = static_cast<CpuCache::Kind>(l.a & kind_mask),
                  .level = l.a >> 5 & level_mask,
                  .line_size = (l.b & twelve_bits) + 1,
                  .partitions = (l.b >> 12 & ten_bits) + 1,
                  .ways = (l.b >> 22) + 1,
                  .sets = l.c + 1,
                  .sharing_bits = bits,
                  .number_bits = bits};
}

/// AMD's older description: sizes, and codes for how associative a cache is. It numbers no caches:
/// as Linux has it, each CPU counts its own.
std::optional<CpuCache> cache_of_sizes(u32 index) {
  constexpr std::array<u32, 16> ways_of_code{0, 1, 2, 0, 4, 0, 8, 0, 16, 0, 32, 48, 64, 96, 128, 0};
  const auto first = x86::leaf(extended + 5), second = x86::leaf(extended + 6);
  u32 kib_size = 0, ways = 0, line = 0;
  CpuCache c{.kind = CpuCache::Kind::unified,
             .level = index,
             .line_size = 0,
             .partitions = 1,
             .ways = 0,
             .sets = 0,
             .sharing_bits = 0,
             .number_bits = 0};
  if (index < 2) {
    const u32 r = index == 0 ? first.c : first.d;
    kib_size = r >> 24;
    ways = r >> 16 & 0xff;
    line = r & 0xff;
    c.level = 1;
    c.kind = index == 0 ? CpuCache::Kind::data : CpuCache::Kind::instruction;
  } else {
    constexpr u32 third_unit = 512;  // KiB
    const u32 r = index == 2 ? second.c : second.d;
    kib_size = index == 2 ? r >> 16 : (r >> 18) * third_unit;
    ways = ways_of_code[r >> 12 & 0xf];
    line = r & 0xff;
    if (index > 2) c.sharing_bits = topology().package_bits;
  }
  if (index > 3 || kib_size == 0 || line == 0) return std::nullopt;
  const u32 lines = kib_size * static_cast<u32>(kib) / line;
  // Any line anywhere, where no number of ways is said.
  c.ways = ways == 0 || ways == 0xff ? lines : ways;
  c.line_size = line;
  c.sets = lines / c.ways;
  return c;
}

}  // namespace

Topology topology() {
  constexpr u32 shift_mask = 31, by_threads = 0xb;
  if (const auto threads = x86::leaf(by_threads); threads.b != 0)
    return {threads.a & shift_mask, x86::leaf(by_threads, 1).a & shift_mask};
  constexpr u32 has_threads = 1U << 28;
  if ((x86::leaf(1).d & has_threads) == 0) return {};
  const u32 logical = std::max(x86::leaf(1).b >> 16 & 0xff, 1U);
  const u32 by_intel = (x86::leaf(4).a >> 26) + 1, by_amd = (x86::leaf(extended + 8).c & 0xff) + 1;
  const u32 cores = std::max(by_intel, by_amd);
  const u32 package_bits = bits_for(logical);
  return {package_bits - std::min(bits_for(cores), package_bits), package_bits};
}

std::optional<CpuCache> cache(u32 index) {
  if (!is_by_amd()) return cache_of_leaf(4, index);
  constexpr u32 has_topology = 1U << 22;
  if ((x86::leaf(extended + 1).c & has_topology) != 0) return cache_of_leaf(extended + 0x1d, index);
  return cache_of_sizes(index);
}

}  // namespace auk::machine
