// What the kernel shows every program of its clock, read by the code in vdso/<isa>.
//
// Data model: one page, mapped read-only in front of the code. The scale is written once, before
// the first program; the offset of the time of day is one word, so that no reader can see half of a
// change. Context: any.
#pragma once
#include "base/atomic.hpp"
#include "base/types.hpp"

namespace auk::vdso {

struct Data {
  u64 base_cycles;  ///< cycle counter at time 0
  u32 mult;
  u32 shift;
  Atomic<i64> real_offset_ns;  ///< from the steady clock to the time of day
};

}  // namespace auk::vdso
