// Numbers: gives out the lowest number that is free.
//
// Data model: a set of bits that grows; it stays as large as it once had to be. Locking: the
// owner's, a spinning one. Context: that of the allocator.
#pragma once
#include "base/result.hpp"
#include "base/types.hpp"

namespace auk::mem {

class Numbers {
  u64* words_ = nullptr;
  usize count_ = 0;
  const bool skips_zero_;

 public:
  enum class From : u8 { zero, one };
  constexpr explicit Numbers(From from) : skips_zero_(from == From::one) {}
  ~Numbers();
  Numbers(const Numbers&) = delete;
  Numbers& operator=(const Numbers&) = delete;
  /// ENOMEM.
  Result<u32> take();
  void give_back(u32 n) { words_[n / 64] &= ~(u64{1} << (n % 64)); }
};

}  // namespace auk::mem
