// What memory is used for, as reports for people tell it. Counts of pages, of no single moment.
#pragma once
#include "base/types.hpp"

namespace auk::mem {

struct Figures {
  u64 managed = 0, free = 0;
  u64 available = 0;  ///< free, and what CPUs keep for themselves
  u64 anonymous = 0;
  u64 of_objects = 0;  ///< page caches and shared memory
  u64 slabs = 0;
};
/// Context: threads.
Figures gather_figures();

}  // namespace auk::mem
