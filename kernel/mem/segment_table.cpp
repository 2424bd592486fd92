#include "mem/segment_table.hpp"

#include <algorithm>

#include "mem/box.hpp"

namespace auk::mem {

Result<Ref<SegmentTable>> SegmentTable::with(const SegmentTable* old, u32 index, u64 descriptor) {
  const Descriptors kept = old != nullptr ? old->descriptors() : Descriptors{};
  const usize count = std::max<usize>(kept.size(), usize{index} + 1);
  HeapBytes bytes = TRY(HeapBytes::make(ALLOC_SITE, count * sizeof(u64)));
  const std::span<u64> descriptors(reinterpret_cast<u64*>(bytes.bytes().data()), count);
  std::copy(kept.begin(), kept.end(), descriptors.begin());
  descriptors[index] = descriptor;
  return make_ref<SegmentTable>(ALLOC_SITE, std::move(bytes));
}

void SegmentTable::destroy(SegmentTable* t) { mem::destroy(t); }

}  // namespace auk::mem
