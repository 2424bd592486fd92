#include "mem/boot_memory.hpp"

#include <algorithm>

#include "base/math.hpp"

namespace auk::mem {

void BootMemory::erase(usize i) {
  std::copy(ranges_.begin() + static_cast<isize>(i) + 1,
            ranges_.begin() + static_cast<isize>(count_), ranges_.begin() + static_cast<isize>(i));
  --count_;
}

bool BootMemory::insert(usize i, PhysRange r) {
  if (count_ == max_ranges) return false;
  std::copy_backward(ranges_.begin() + static_cast<isize>(i),
                     ranges_.begin() + static_cast<isize>(count_),
                     ranges_.begin() + static_cast<isize>(count_) + 1);
  ranges_[i] = r;
  ++count_;
  return true;
}

void BootMemory::add(PhysRange r) {
  const u64 start = align_up(r.start.value, page_size);
  const u64 end = align_down(r.end.value, page_size);
  if (start >= end || start < r.start.value) return;
  r = {PhysAddr(start), PhysAddr(end)};
  // Everything that touches the new range melts into it.
  usize i = 0;
  while (i < count_ && ranges_[i].end < r.start) ++i;
  u64 merged = 0;
  while (i < count_ && ranges_[i].start <= r.end) {
    merged += ranges_[i].size();
    r.start = std::min(r.start, ranges_[i].start);
    r.end = std::max(r.end, ranges_[i].end);
    erase(i);
  }
  // A full table loses memory, never correctness: what is not listed is not used.
  if (insert(i, r)) total_ += r.size() - merged;
}

void BootMemory::reserve(PhysRange r) {
  const PhysAddr start(align_down(r.start.value, page_size));
  const u64 up = align_up(r.end.value, page_size);
  const PhysAddr end(up < r.end.value ? ~u64{0} & ~page_mask : up);
  if (start >= end) return;
  for (usize i = 0; i < count_;) {
    PhysRange& have = ranges_[i];
    if (have.end <= start || have.start >= end) {
      ++i;
      continue;
    }
    const PhysRange tail{end, have.end};
    const bool has_tail = have.end > end;
    if (have.start < start) {
      have.end = start;
      ++i;
      if (has_tail) insert(i++, tail);
    } else if (has_tail) {
      have.start = end;
      ++i;
    } else {
      erase(i);
    }
  }
}

std::optional<PhysAddr> BootMemory::allocate(u64 size, u64 align, PhysAddr limit) {
  for (usize i = count_; i-- > 0;) {
    const PhysRange r = ranges_[i];
    const PhysAddr top = std::min(r.end, limit);
    if (top <= r.start || top - r.start < size) continue;
    const PhysAddr at(align_down(top.value - size, align));
    if (at < r.start) continue;
    reserve({at, at + size});
    return at;
  }
  return std::nullopt;
}

std::optional<PhysAddr> BootMemory::allocate_low(u64 size, u64 align, PhysAddr from) {
  for (usize i = 0; i < count_; ++i) {
    const PhysRange r = ranges_[i];
    const PhysAddr at(align_up(std::max(r.start, from).value, align));
    // Aligning wraps to 0 at the end of all addresses.
    if (at < from || at >= r.end || r.end - at < size) continue;
    reserve({at, at + size});
    return at;
  }
  return std::nullopt;
}

std::optional<PhysRange> BootMemory::take_range(PhysRange window) {
  for (usize i = 0; i < count_; ++i) {
    const PhysRange r{std::max(ranges_[i].start, window.start),
                      std::min(ranges_[i].end, window.end)};
    if (r.empty()) continue;
    reserve(r);
    return r;
  }
  return std::nullopt;
}

bool BootMemory::contains(PhysRange wanted) const {
  return std::ranges::any_of(ranges(), [&](const PhysRange& r) {
    return r.start.value <= wanted.start.value && wanted.end.value <= r.end.value;
  });
}

u64 BootMemory::free_bytes() const {
  u64 sum = 0;
  for (const PhysRange& r : ranges()) sum += r.size();
  return sum;
}

}  // namespace auk::mem
