// Making room when memory runs out: who can, stands above (decision "mem never sleeps itself").
//
// Data model: one Reclaimer, set once. The page allocator asks it in threads that may sleep, and
// keeps a reserve meanwhile that only those may touch who cannot wait, or who are dying and will
// free more than they take.
// Context: threads that may sleep; any sleeping lock may be held.
#pragma once
#include "base/types.hpp"

namespace auk::mem {

class Reclaimer {
 public:
  /// `attempt` counts from 0 for one allocation. False: there is no hope, or the caller is to end.
  virtual bool make_room(unsigned order, u32 attempt) = 0;

 protected:
  constexpr Reclaimer() = default;
  ~Reclaimer() = default;
};
void set_reclaimer(Reclaimer& r);
/// Pages that ordinary allocations leave alone.
u64 reserved_pages();

}  // namespace auk::mem
