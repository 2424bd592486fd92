// Sets of CPUs, and which CPUs there are.
//
// Data model: possible CPUs are fixed by firmware tables before any other CPU starts; a CPU is
// online from the end of its own bring-up. Masks are atomic word by word.
// Context: any.
#pragma once
#include <array>
#include <bit>
#include <optional>

#include "base/atomic.hpp"
#include "base/types.hpp"
#include "core/config.hpp"

namespace auk::core {

class CpuMask {
  static constexpr usize word_count = (config::max_cpus + 63) / 64;
  std::array<Atomic<u64>, word_count> words_{};

 public:
  constexpr CpuMask() = default;
  void set(CpuId c) { words_[c.value / 64].fetch_or_acq_rel(u64{1} << (c.value % 64)); }
  void clear(CpuId c) { words_[c.value / 64].fetch_and_acq_rel(~(u64{1} << (c.value % 64))); }
  bool has(CpuId c) const {
    return (words_[c.value / 64].load_acquire() >> (c.value % 64) & 1) != 0;
  }
  /// Takes the member out. True when it was one: of many who ask for the same, one is told so.
  bool take(CpuId c) {
    const u64 bit = u64{1} << (c.value % 64);
    return has(c) && (words_[c.value / 64].fetch_and_acq_rel(~bit) & bit) != 0;
  }
  /// Takes out the lowest member for which may(CpuId) is true, if any.
  template <class F> std::optional<CpuId> take_first(F may) {
    for (usize i = 0; i < word_count; ++i)
      for (u64 w = words_[i].load_seq_cst(); w != 0; w &= w - 1) {
        const CpuId c(static_cast<u32>(i * 64) + static_cast<u32>(std::countr_zero(w)));
        if (may(c) && take(c)) return c;
      }
    return std::nullopt;
  }
  /// The members of both, word by word.
  void assign_common(const CpuMask& a, const CpuMask& b) {
    for (usize i = 0; i < word_count; ++i)
      words_[i].store_relaxed(a.words_[i].load_relaxed() & b.words_[i].load_relaxed());
  }
  u32 count() const {
    u32 n = 0;
    for (const auto& w : words_) n += static_cast<u32>(std::popcount(w.load_acquire()));
    return n;
  }
  template <class F> void each(F f) const {
    for (usize i = 0; i < word_count; ++i)
      for (u64 w = words_[i].load_acquire(); w != 0; w &= w - 1)
        f(CpuId(static_cast<u32>(i * 64) + static_cast<u32>(std::countr_zero(w))));
  }
};

extern CpuMask online_cpus;
/// Number of CPUs that exist; their numbers are 0 to possible_cpus - 1.
extern u32 possible_cpus;

}  // namespace auk::core
