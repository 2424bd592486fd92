#include "mem/vmalloc.hpp"

#include <algorithm>
#include <array>

#include "base/math.hpp"
#include "core/spin.hpp"
#include "core/tlb.hpp"
#include "mem/address.hpp"
#include "mem/box.hpp"
#include "mem/kasan.hpp"
#include "mem/pages.hpp"

namespace auk::mem {

/// Addresses, used and given back.
class RangePool {
  static constexpr usize orders = 24;
  struct State {
    u64 used = 0;  ///< bytes cut off the region so far
    std::array<List<KernelRange, &KernelRange::node_>, orders> free;
  };
  static constinit core::Guarded<core::level::kernel_map, State, core::SpinIrqOff> state;

 public:
  static Result<KernelRange*> take(AllocSite& site, usize pages, usize guards) {
    constexpr usize most = layout::vmalloc_size >> page_shift;
    if (pages > most || guards > most) return Errno::enomem;
    const u32 order = order_for((pages + guards) * page_size);
    if (order >= orders) return Errno::enomem;
    {
      auto s = state.lock();
      if (KernelRange* r = s->free[order].pop_front(); r != nullptr) return r;
    }
    Box<KernelRange> range = TRY(Box<KernelRange>::make(site));
    const u64 size = page_size << order;
    auto s = state.lock();
    const u64 at = align_up(s->used, std::min<u64>(size, 2 * mib));
    if (at + size > layout::vmalloc_size) return Errno::enomem;
    s->used = at + size;
    range->start_ = address_map.vmalloc + at;
    range->order_ = order;
    return range.release();
  }
  static void give(KernelRange* r) {
    auto s = state.lock();
    s->free[r->order_].push_front(*r);
  }
};
constinit core::Guarded<core::level::kernel_map, RangePool::State, core::SpinIrqOff>
    RangePool::state;

Cache& KernelRange::cache() {
  static constinit Cache cache("kernel_range", align_up(sizeof(KernelRange), 16));
  return cache;
}

Result<KernelRange*> map_memory(AllocSite& site, usize pages, usize guard_before) {
  KernelRange* range = TRY(RangePool::take(site, pages, guard_before + 1));
  range->first_ = static_cast<u32>(guard_before);
  range->pages_ = 0;
  range->owns_pages_ = true;
  for (; range->pages_ < pages; ++range->pages_) {
    Result<Pfn> pfn = allocate_pages(site, 0);
    if (!pfn.ok()) {
      unmap(range);
      return Errno::enomem;
    }
    const VirtAddr va = range->start() + range->size();
    if (!map_pages(va, phys_of(*pfn), 1, MapRight::write).ok()) {
      free_pages(*pfn, 0);
      unmap(range);
      return Errno::enomem;
    }
  }
  if (!kasan::map_shadow(range->start(), range->size())) {
    unmap(range);
    return Errno::enomem;
  }
  return range;
}

Result<KernelRange*> map_physical(AllocSite& site, PhysAddr pa, u64 size, MapRights rights) {
  if (size > layout::vmalloc_size) return Errno::enomem;
  const PhysAddr first(align_down(pa.value, page_size));
  const usize pages = div_ceil((pa - first) + size, u64{page_size});
  KernelRange* range = TRY(RangePool::take(site, pages, 1));
  range->first_ = 0;
  range->pages_ = static_cast<u32>(pages);
  range->owns_pages_ = false;
  if (!map_pages(range->start(), first, pages, rights).ok()) {
    unmap(range);
    return Errno::enomem;
  }
  return range;
}

void unmap(KernelRange* range) {
  // In batches: clear the entries, flush once, and only then let go of the pages behind them.
  constexpr u32 batch = 32;
  std::array<Pfn, batch> frames;
  for (u32 done = 0; done < range->pages_;) {
    const u32 n = std::min(batch, range->pages_ - done);
    const VirtAddr first = range->start() + u64{done} * page_size;
    u32 found = 0;
    for (u32 i = 0; i < n; ++i)
      if (const auto t = translate(first + u64{i} * page_size))
        frames[found++] = pfn_of(t->address);
    unmap_pages(first, n);
    core::flush_tlb_everywhere(first, n);
    if (range->owns_pages_)
      for (u32 i = 0; i < found; ++i) free_pages(frames[i], 0);
    done += n;
  }
  range->pages_ = 0;
  RangePool::give(range);
}

std::span<const byte> firmware_bytes(PhysAddr pa, u64 size) {
  if (size == 0 || pa.value + size < pa.value || pa.value + size > layout::physical_limit)
    return {};
  bool in_map = pa.value + size <= direct_map_size;
  for (u64 at = align_down(pa.value, page_size); in_map && at < pa.value + size; at += page_size)
    in_map = translate(to_virt(PhysAddr(at))).has_value();
  if (in_map) return {to_pointer<const byte>(pa), size};
  Result<KernelRange*> range = map_physical(ALLOC_SITE, pa, size, {});
  if (!range.ok()) return {};
  return {range.take()->as<const byte>(pa.value & page_mask), size};
}

bool is_any_memory(PhysAddr pa, u64 size) {
  for (u64 at = align_down(pa.value, page_size); at < pa.value + size; at += page_size)
    if (at < direct_map_size && translate(to_virt(PhysAddr(at)))) return true;
  return false;
}

bool is_guard_page(VirtAddr va) {
  if (va < address_map.vmalloc || va >= address_map.vmalloc_end || translate(va)) return false;
  const VirtAddr page(align_down(va.value, page_size));
  return translate(page + page_size).has_value() || translate(page - page_size).has_value();
}

Result<KernelRange*> allocate_stack(usize size) {
  return map_memory(ALLOC_SITE, size >> page_shift, 1);
}

}  // namespace auk::mem
