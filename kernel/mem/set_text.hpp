// Sets of CPUs and nodes as programs read them. See cpuset(7), "Formats".
#pragma once
#include "mem/text.hpp"

namespace auk::mem {

/// The list format, "0-3,7": the numbers below `count` for which has(u32) is true.
template <class F> void put_list(Text& out, u32 count, F has) {
  bool first = true;
  for (u32 i = 0; i < count; ++i) {
    if (!has(i)) continue;
    u32 last = i;
    while (last + 1 < count && has(last + 1)) ++last;
    out.print("{}{}", first ? "" : ",", i);
    if (last > i) out.print("-{}", last);
    first = false;
    i = last;
  }
}

/// The mask format, "f,ffffffff": words of 32 bits, the highest first and as wide as `count` needs.
template <class F> void put_mask(Text& out, u32 count, F has) {
  constexpr u32 word_bits = 32;
  const u32 words = (count + word_bits - 1) / word_bits;
  for (u32 word = words; word-- > 0;) {
    u32 bits = 0;
    for (u32 i = 0; i < word_bits && word * word_bits + i < count; ++i)
      if (has(word * word_bits + i)) bits |= u32{1} << i;
    u32 width = word == words - 1 ? (count - word * word_bits + 3) / 4 : word_bits / 4;
    while (width-- > 0) out.put("0123456789abcdef"[bits >> 4 * width & 0xf]);
    if (word > 0) out.put(',');
  }
}

}  // namespace auk::mem
