#include "mem/pages.hpp"

#include <algorithm>
#include <bit>

#include "base/bytes.hpp"
#include "base/math.hpp"
#include "core/cpu_mask.hpp"
#include "core/log.hpp"
#include "core/panic.hpp"
#include "core/spin.hpp"
#include "core/thread_core.hpp"
#include "mem/buddy.hpp"
#include "mem/kasan.hpp"
#include "mem/kernel_map.hpp"
#include "mem/reclaim.hpp"

namespace auk::mem {

AUK_RO_AFTER_INIT constinit uptr frame_words_base = 0;

namespace {

constexpr u32 cpu_list_size = 64;
constexpr u32 cpu_batch = 32;

struct CpuPages {
  Atomic<u32> count{0};  ///< others read it to add up
  std::array<u32, cpu_list_size> pfns{};
};
AUK_PER_CPU core::PerCpu<CpuPages> cpu_pages;

constinit core::Guarded<core::level::mem_zone, Buddy, core::SpinIrqOff> zone;
constinit Atomic<u64> all_pages{0};

constinit Atomic<Reclaimer*> reclaimer{nullptr};
constinit Atomic<u64> reserve{0};

/// Half of Linux's min_free_kbytes, which grows with the square root of the memory.
u64 reserve_for(u64 pages) {
  const u64 kib_times_16 = pages * (page_size / kib) * 16;
  u64 root = 0;
  while ((root + 1) * (root + 1) <= kib_times_16) ++root;
  return root / (page_size / kib) / 2;
}

/// Nobody waits for memory that its own end will bring.
bool may_use_reserve() {
  if (!core::is_preemptible()) return true;
  const core::ThreadCore* const me = core::current_core();
  return me == nullptr || me->is_making_room ||
         (me->work_bits.load_relaxed() & core::work::fatal) != 0;
}

bool make_room(unsigned order, u32 attempt) {
  Reclaimer* const r = reclaimer.load_acquire();
  if (r == nullptr || !core::is_preemptible()) return false;
  core::ThreadCore& me = *core::current_core();
  if (me.is_making_room) return false;
  me.is_making_room = true;
  const bool again = r->make_room(order, attempt);
  me.is_making_room = false;
  return again;
}

/// The zone may give so many pages to an ordinary allocation.
bool has_spare(const Buddy& z, u64 pages) {
  return z.free_pages() >= pages + reserve.load_relaxed();
}

/// Frame words and tables for them come from the front of the very section that gets them. Words
/// that are there already, since a neighbour on the same page has been described, stay.
class WordMapper final : public FrameWordMapper {
  class DonorPages final : public TablePageSource {
   public:
    PhysRange donor;
    explicit DonorPages(PhysRange d) : donor(d) {}
    std::optional<PhysAddr> table_page() override {
      if (donor.empty()) return std::nullopt;
      const PhysAddr at = donor.start;
      donor.start += page_size;
      const auto page = bytes_of(pfn_of(at));
      fill_bytes(page);
      return at;
    }
  };

 public:
  std::optional<usize> map_words(Pfn first, Pfn last, PhysRange donor) override {
    const u64 start = align_down(frame_words_base + first.value * sizeof(FrameWord), page_size);
    const u64 end = align_up(frame_words_base + last.value * sizeof(FrameWord), page_size);
    const usize pages = (end - start) >> page_shift;
    if (donor.size() >> page_shift < pages + 4) return std::nullopt;
    DonorPages source(donor);
    if (!kasan::map_section_shadow(first, last, source.donor)) return std::nullopt;
    for (VirtAddr va(start); va < VirtAddr(end); va += page_size) {
      if (translate(va)) continue;
      const std::optional<PhysAddr> words = source.table_page();
      if (!words || !map_pages(va, *words, 1, MapRight::write, source).ok()) return std::nullopt;
    }
    return (source.donor.start - donor.start) >> page_shift;
  }
};
constinit WordMapper word_mapper;

class ZoneTablePages final : public TablePageSource {
 public:
  std::optional<PhysAddr> table_page() override {
    Result<Pfn> pfn = allocate_pages(ALLOC_SITE, 0);
    if (!pfn.ok()) return std::nullopt;
    write_frame(*pfn, FrameWord::of(FrameTag::table));
    return phys_of(pfn.take());
  }
};
constinit ZoneTablePages zone_table_pages;

/// As many pages as the zone can spare, up to a batch, in the runs in which they lie.
void refill(CpuPages& mine, bool urgent) {
  auto z = zone.lock();
  const u64 kept = urgent ? 0 : reserve.load_relaxed();
  u32 count = mine.count.load_relaxed();
  const u32 wanted = urgent && !has_spare(*z, cpu_batch) ? 1 : cpu_batch;
  while (count < wanted && z->free_pages() > kept) {
    const u64 most = std::min<u64>(wanted - count, z->free_pages() - kept);
    const auto run = z->allocate_between(0, static_cast<unsigned>(std::bit_width(most)) - 1);
    if (!run) break;
    // The lowest page is the next to be taken.
    for (u64 i = u64{1} << run->order; i-- > 0;) {
      write_frame(run->first + i, FrameWord::of(FrameTag::cached));
      mine.pfns[count++] = static_cast<u32>((run->first + i).value);
    }
  }
  mine.count.store_relaxed(count);
}

std::optional<Pfn> take_single(bool urgent) {
  const core::IrqOff irq_off;
  CpuPages& mine = cpu_pages.here(irq_off);
  if (mine.count.load_relaxed() == 0) refill(mine, urgent);
  const u32 count = mine.count.load_relaxed();
  if (count == 0) return std::nullopt;
  mine.count.store_relaxed(count - 1);
  const Pfn p(mine.pfns[count - 1]);
  ASSERT(read_frame(p).tag() == FrameTag::cached);
  write_frame(p, FrameWord::of(FrameTag::kernel));
  return p;
}

std::optional<Pfn> take(unsigned order, bool urgent) {
  if (order == 0) return take_single(urgent);
  auto z = zone.lock();
  if (!urgent && !has_spare(*z, u64{1} << order)) return std::nullopt;
  return z->allocate(order);
}

/// The zone is empty, or as good as empty.
AUK_COLD std::optional<Pfn> take_slowly(unsigned order) {
  for (u32 attempt = 0;; ++attempt) {
    if (may_use_reserve())
      if (const auto p = take(order, true)) return p;
    if (!make_room(order, attempt)) break;
    if (const auto p = take(order, false)) return p;
  }
  // It may have come to be doomed, or alone, meanwhile.
  return may_use_reserve() ? take(order, true) : std::nullopt;
}

/// All but `keep` go back to the zone, neighbours together.
void flush_some(CpuPages& mine, u32 keep) {
  const std::span<u32> gone = std::span(mine.pfns).first(mine.count.load_relaxed()).subspan(keep);
  std::sort(gone.begin(), gone.end(), [](u32 a, u32 b) { return a < b; });
  auto z = zone.lock();
  for (usize i = 0; i < gone.size();) {
    unsigned order = 0;
    for (usize twice = 2; gone[i] % twice == 0 && i + twice <= gone.size() &&
                          gone[i + twice - 1] == gone[i] + twice - 1;
         twice *= 2)
      ++order;
    z->free(Pfn(gone[i]), order);
    i += usize{1} << order;
  }
  mine.count.store_relaxed(keep);
}

void give_single(Pfn p) {
  const core::IrqOff irq_off;
  CpuPages& mine = cpu_pages.here(irq_off);
  if (mine.count.load_relaxed() == cpu_list_size) flush_some(mine, cpu_list_size - cpu_batch);
  const u32 count = mine.count.load_relaxed();
  mine.pfns[count] = static_cast<u32>(p.value);
  mine.count.store_relaxed(count + 1);
}

void fill_pages(Pfn p, unsigned order) {
  const auto memory = bytes_of(p, usize{1} << order);
  fill_bytes(memory);
}

u64 cached_pages() {
  u64 sum = 0;
  for (u32 cpu = 0; cpu < core::possible_cpus; ++cpu)
    sum += cpu_pages.on(CpuId(cpu)).count.load_relaxed();
  return sum;
}

}  // namespace

std::optional<Pfn> allocate_spare_pages(AllocSite& site, unsigned order, Fill fill) {
  if (visit_site(site)) return std::nullopt;
  const std::optional<Pfn> p = take(order, false);
  if (p && fill == Fill::zero) fill_pages(*p, order);
  return p;
}

Result<Pfn> allocate_pages(AllocSite& site, unsigned order, Fill fill) {
  if (visit_site(site)) return Errno::enomem;
  std::optional<Pfn> p = take(order, false);
  if (!p) p = take_slowly(order);
  if (!p) return Errno::enomem;
  if (fill == Fill::zero) fill_pages(*p, order);
  return *p;
}

void free_pages(Pfn pfn, unsigned order) {
  const FrameTag tag = read_frame(pfn).tag();
  ASSERT(tag != FrameTag::absent && tag != FrameTag::free_head && tag != FrameTag::free_body &&
         tag != FrameTag::cached);
  if (order == 0) {
    write_frame(pfn, FrameWord::of(FrameTag::cached));
    give_single(pfn);
    return;
  }
  auto z = zone.lock();
  z->free(pfn, order);
}

PageCounts count_pages() {
  auto z = zone.lock();
  return {z->managed_pages(), z->free_pages(), cached_pages()};
}

void set_reclaimer(Reclaimer& r) {
  reclaimer.store_release(&r);
  reserve.store_relaxed(reserve_for(managed_pages()));
}
u64 reserved_pages() { return reserve.load_relaxed(); }

u64 managed_pages() { return all_pages.load_relaxed(); }

void drain_page_cache() {
  const core::IrqOff irq_off;
  flush_some(cpu_pages.here(irq_off), 0);
}

bool pages_are_consistent() {
  auto z = zone.lock();
  return z->is_consistent();
}

void give_back_boot_memory(PhysRange r) {
  auto z = zone.lock();
  z->add(r);
  all_pages.store_relaxed(z->managed_pages());
}

Result<void> describe_memory(PhysRange r) {
  constexpr unsigned order = 7;  // the words of a section, and page tables for them
  constexpr u64 section_size = u64{pages_per_section} << page_shift;
  // More than a donor has.
  if (!kasan::map_shadow(to_virt(r.start), r.size())) return Errno::enomem;
  for (PhysAddr at = r.start; at < r.end;) {
    const PhysAddr end(std::min(align_down(at.value + section_size, section_size), r.end.value));
    const Pfn donor = TRY(allocate_pages(ALLOC_SITE, order));
    const PhysAddr first = phys_of(donor);
    std::optional<usize> used;
    {
      auto z = zone.lock();
      used = word_mapper.map_words(pfn_of(at), pfn_of(end), {first, first + (page_size << order)});
    }
    // Some of it may be words by now: it stays.
    if (!used) return Errno::enomem;
    // What is not used goes back, page by page.
    for (usize i = *used; i < usize{1} << order; ++i) {
      write_frame(donor + i, FrameWord::of(FrameTag::kernel));
      free_pages(donor + i, 0);
    }
    at = end;
  }
  return {};
}

void setup_pages(BootMemory& memory) {
  frame_words_base = address_map.page_words.value;
  const Pfn end = pfn_of(memory.end());
  const u64 size = align_up(Buddy::storage_size(end), page_size);
  const auto storage = memory.allocate(size, page_size, memory.end());
  if (!storage) core::panic("Out of memory for the page allocator");
  const auto bytes = bytes_of(pfn_of(*storage), size >> page_shift);
  fill_bytes(bytes);
  auto z = zone.lock();
  z->attach(bytes, end, memory, word_mapper);
  all_pages.store_relaxed(z->managed_pages());
  set_table_page_source(zone_table_pages);
}

}  // namespace auk::mem
