// Boot memory: the list of usable ranges, before and behind the page allocator.
//
// Purpose: hands out whole pages before the buddy allocator exists, and gives each 128 MiB
// section's ranges to it when that section is first used. Data model: sorted, disjoint,
// page-aligned ranges. Reserving or allocating cuts pieces out; a cut in the middle makes two
// ranges, so the table has room for many more than firmware ever lists. Context: boot CPU; later
// under the zone lock of the page allocator.
#pragma once
#include <array>
#include <optional>
#include <span>

#include "base/types.hpp"

namespace auk::mem {

class BootMemory {
  static constexpr usize max_ranges = 512;
  std::array<PhysRange, max_ranges> ranges_{};
  usize count_ = 0;
  u64 total_ = 0;

  void erase(usize i);
  bool insert(usize i, PhysRange r);

 public:
  /// A usable range; only its whole pages count. Overlaps are merged.
  void add(PhysRange r);
  /// Takes a range out of the usable ones, rounded outwards to whole pages.
  void reserve(PhysRange r);
  /// The highest usable place below `limit`; `size` and `align` in bytes, multiples of a page.
  std::optional<PhysAddr> allocate(u64 size, u64 align, PhysAddr limit);
  /// The lowest usable place at or above `from`.
  std::optional<PhysAddr> allocate_low(u64 size, u64 align, PhysAddr from);

  /// All of it is usable.
  bool contains(PhysRange wanted) const;
  std::span<const PhysRange> ranges() const { return std::span(ranges_).first(count_); }
  /// Removes and returns the first usable range inside `window`, if any.
  std::optional<PhysRange> take_range(PhysRange window);
  PhysAddr end() const { return count_ == 0 ? PhysAddr(0) : ranges_[count_ - 1].end; }
  /// Bytes that were ever added, reserved ones included.
  u64 total() const { return total_; }
  u64 free_bytes() const;
};

}  // namespace auk::mem
