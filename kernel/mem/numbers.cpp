#include "mem/numbers.hpp"

#include <algorithm>
#include <bit>

#include "mem/slab.hpp"

namespace auk::mem {

Numbers::~Numbers() { free(words_); }

Result<u32> Numbers::take() {
  for (usize i = 0; i < count_; ++i) {
    if (words_[i] == ~u64{0}) continue;
    const auto bit = static_cast<u32>(std::countr_one(words_[i]));
    words_[i] |= u64{1} << bit;
    return static_cast<u32>(i * 64 + bit);
  }
  const usize more = std::max<usize>(2 * count_, 8);
  auto* const words = static_cast<u64*>(TRY(allocate(ALLOC_SITE, more * sizeof(u64))));
  std::copy_n(words_, count_, words);
  if (count_ == 0 && skips_zero_) words[0] = 1;
  free(words_);
  words_ = words;
  count_ = more;
  return take();
}

}  // namespace auk::mem
