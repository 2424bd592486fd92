// Kernel virtual ranges: mapped memory that need not be contiguous, device registers, guarded
// stacks.
//
// Data model: ranges come in powers of two of pages. Each size has a list of ranges that were given
// back; new ones are cut off the untouched end of the region. Addresses are plentiful (1 TiB), so
// nothing is merged. A range's descriptor lives as long as its addresses do, so giving back cannot
// fail. Every range has at least one unmapped page behind it; stacks have one in front as well.
// Locking: level kernel_map for the lists of ranges.
// Context: threads (allocation and TLB shoot-down); not from interrupts.
#pragma once
#include "base/list.hpp"
#include "base/result.hpp"
#include "mem/alloc_site.hpp"
#include "mem/kernel_map.hpp"
#include "mem/slab.hpp"

namespace auk::mem {

/// One range of kernel addresses. Owned by whoever mapped it.
class KernelRange {
  VirtAddr start_;
  u32 order_ = 0;  ///< 2^order pages of addresses
  u32 pages_ = 0;  ///< mapped ones, from start_ + first_
  u32 first_ = 0;
  bool owns_pages_ = false;
  ListNode node_;
  friend class RangePool;
  friend Result<KernelRange*> map_memory(AllocSite&, usize, usize);
  friend Result<KernelRange*> map_physical(AllocSite&, PhysAddr, u64, MapRights);
  friend void unmap(KernelRange*);

 public:
  /// Of their own: how many there are is the most that ever existed at once.
  static Cache& cache();
  VirtAddr start() const { return start_ + u64{first_} * page_size; }
  usize size() const { return usize{pages_} * page_size; }
  template <class T> T* as(usize offset = 0) const {
    return reinterpret_cast<T*>(start().value + offset);
  }
};

/// Zeroed memory of `pages` pages with `guard_before` unmapped pages in front. ENOMEM.
Result<KernelRange*> map_memory(AllocSite& site, usize pages, usize guard_before = 0);
/// A window onto physical memory that is not ours (device registers, firmware tables); the range
/// covers the pages around [pa, pa + size). ENOMEM.
Result<KernelRange*> map_physical(AllocSite& site, PhysAddr pa, u64 size, MapRights rights);
/// Some of it is memory that we use.
bool is_any_memory(PhysAddr pa, u64 size);
/// Unmaps, flushes every CPU's TLB, gives pages and addresses back.
void unmap(KernelRange* range);

/// Bytes at `pa`: through the direct map if it is RAM, else through a window that stays for ever.
/// For firmware tables. Empty when no window can be made.
std::span<const byte> firmware_bytes(PhysAddr pa, u64 size);

/// True when `va` is in the page in front of or behind a mapped range: a stack ran over.
bool is_guard_page(VirtAddr va);

inline constexpr usize kernel_stack_size = 16 * kib;
/// A guarded kernel stack. ENOMEM.
Result<KernelRange*> allocate_stack(usize size = kernel_stack_size);

}  // namespace auk::mem
