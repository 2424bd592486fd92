#include "mem/kernel_map.hpp"

#include <algorithm>

#include "base/annotations.hpp"
#include "base/math.hpp"
#include "core/log.hpp"
#include "core/panic.hpp"
#include "core/param.hpp"
#include "core/spin.hpp"
#include "core/tlb.hpp"
#include "machine/isa/cpu.hpp"
#include "mem/address.hpp"
#include "mem/pages.hpp"

extern "C" {
/// The root of the kernel's page tables; the boot path puts the first entries in.
[[gnu::section(".bss.page_aligned")]] alignas(auk::page_size) constinit auk::machine::Pte
    kernel_root_table[auk::machine::entries_per_table] = {};
extern auk::byte __ld_image_start[], __ld_ro_end[], __ld_ro_after_init_start[],
    __ld_ro_after_init_end[], __ld_image_end[];
}

namespace auk::mem {

using machine::entries_per_table;
using machine::entry_index;
using machine::entry_span;
using machine::Pte;

AUK_RO_AFTER_INIT constinit uptr direct_map_base = layout::early_window.value;
AUK_RO_AFTER_INIT constinit u64 direct_map_size = 0;
AUK_RO_AFTER_INIT constinit u64 image_delta = 0;
AUK_RO_AFTER_INIT constinit AddressSpaceMap address_map;

namespace {

constexpr PhysAddr early_end{layout::early_window_size};
AUK_RO_AFTER_INIT constinit bool random_bases = true;
AUK_RO_AFTER_INIT constinit TablePageSource* table_source = nullptr;

bool set_nokaslr(std::string_view) {
  random_bases = false;
  return true;
}
PARAM("nokaslr", set_nokaslr);

/// Boot-time source: boot memory inside the early window, where the page can be reached before the
/// direct map stands.
class BootTablePages final : public TablePageSource {
  BootMemory& memory_;

 public:
  explicit BootTablePages(BootMemory& m) : memory_(m) {}
  std::optional<PhysAddr> table_page() override;
};

Pte* table_at(PhysAddr pa) { return to_pointer<Pte>(pa); }

std::optional<PhysAddr> BootTablePages::table_page() {
  const auto at = memory_.allocate(page_size, page_size, early_end);
  if (at) std::fill_n(table_at(*at), entries_per_table, Pte{});
  return at;
}

/// The table below `entry`, made if it does not exist. Two makers race by compare-and-set; the
/// loser keeps its page for nothing only at boot, where there is no second maker.
Pte* next_table(Pte& entry, TablePageSource& source) {
  u64 seen = __atomic_load_n(&entry.bits, __ATOMIC_ACQUIRE);
  if ((seen & Pte::present) == 0) {
    const auto page = source.table_page();
    if (!page) return nullptr;
    const Pte fresh = Pte::table(*page, false);
    if (__atomic_compare_exchange_n(&entry.bits, &seen, fresh.bits, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
      seen = fresh.bits;
  }
  return table_at(Pte{seen}.address());
}

/// The entry of `level` for `va`; nullptr when a table is missing and cannot be made (no source: is
/// not to be made).
Pte* entry_for(VirtAddr va, unsigned level, TablePageSource* source) {
  Pte* table = kernel_root_table;
  for (unsigned l = machine::page_table_levels; l > level; --l) {
    Pte& entry = table[entry_index(va, l)];
    if (entry.is_present() && l < machine::page_table_levels && entry.is_leaf(l)) return nullptr;
    if (!entry.is_present() && source == nullptr) return nullptr;
    table = entry.is_present() ? table_at(entry.address()) : next_table(entry, *source);
    if (table == nullptr) return nullptr;
  }
  return &table[entry_index(va, level)];
}

/// Maps with the largest leaves that alignment allows. Boot only.
void map_large(VirtAddr va, PhysRange range, MapRights rights) {
  const unsigned top = machine::has_huge_leaves() ? 3 : 2;
  while (range.start < range.end) {
    unsigned level = top;
    while (level > 1 && (!is_aligned(range.start.value | va.value, entry_span(level)) ||
                         range.size() < entry_span(level)))
      --level;
    Pte* entry = entry_for(va, level, table_source);
    if (entry == nullptr) core::panic("Out of memory while mapping RAM at {}", range.start);
    *entry = Pte::leaf(range.start, rights, level);
    range.start += entry_span(level);
    va += entry_span(level);
  }
}

void map_direct(PhysRange range, PhysRange read_only) {
  const MapRights data = MapRights(MapRight::write) | MapRight::global;
  const auto piece = [&](PhysAddr from, PhysAddr to, MapRights rights) {
    from = std::max(from, range.start);
    to = std::min(to, range.end);
    if (from < to)
      map_large(VirtAddr(from.value + address_map.direct_map.value), {from, to}, rights);
  };
  piece(range.start, read_only.start, data);
  piece(read_only.start, read_only.end, MapRight::global);
  piece(read_only.end, range.end, data);
}

u64 random_below(u64 n) {
  if (!random_bases || n == 0) return 0;
  return (machine::hardware_entropy() >> 11) % n;
}

void make_top_entries(VirtAddr start, VirtAddr end) {
  const u64 span = entry_span(machine::page_table_levels);
  for (VirtAddr va(align_down(start.value, span)); va < end; va += span)
    if (next_table(kernel_root_table[entry_index(va, machine::page_table_levels)], *table_source) ==
        nullptr)
      core::panic("Out of memory for kernel page tables");
}

}  // namespace

PhysAddr kernel_root() { return PhysAddr(reinterpret_cast<uptr>(kernel_root_table) - image_delta); }

void set_table_page_source(TablePageSource& source) { table_source = &source; }

void setup_address_space(const core::HandOver& handover, BootMemory& memory) {
  BootTablePages boot_pages(memory);
  table_source = &boot_pages;
  image_delta = reinterpret_cast<uptr>(__ld_image_start) - handover.image.start.value;

  // Ranges that are RAM, usable or not: firmware tables lie in the reserved ones that touch them.
  const auto is_ram = [](core::MemoryKind k) {
    return k == core::MemoryKind::usable || k == core::MemoryKind::acpi_reclaimable ||
           k == core::MemoryKind::acpi_nvs;
  };
  PhysAddr top(1 * mib);
  for (const core::MemoryEntry& e : handover.memory())
    if (is_ram(e.kind) && e.range.end.value <= layout::physical_limit)
      top = std::max(top, e.range.end);
  const u64 direct = align_up(top.value, layout::base_granule);
  const u64 words = align_up(direct / page_size * 8, layout::base_granule);

  // Three regions in a row with random gaps between them.
  const u64 room = layout::random_end - layout::random_start;
  u64 slack = room - direct - words - layout::vmalloc_size;
  VirtAddr at = layout::random_start;
  const auto place = [&](u64 size, u64 regions_left) {
    const u64 gap =
        random_below(slack / regions_left / layout::base_granule) * layout::base_granule;
    slack -= gap;
    const VirtAddr start = at + gap;
    at = start + size;
    return start;
  };
  address_map.direct_map = place(direct, 3);
  address_map.page_words = place(words, 2);
  address_map.vmalloc = place(layout::vmalloc_size, 1);
  address_map.vmalloc_end = address_map.vmalloc + layout::vmalloc_size;
  address_map.direct_map_size = direct;

  const PhysRange read_only{handover.image.start,
                            PhysAddr(reinterpret_cast<uptr>(__ld_ro_end) - image_delta)};
  // Everything below 1 MiB is mapped whatever the firmware says of it: it holds its tables.
  map_direct({PhysAddr(0), PhysAddr(1 * mib)}, read_only);
  static constinit BootMemory ram;
  for (const core::MemoryEntry& e : handover.memory())
    if (is_ram(e.kind) && e.range.end.value <= layout::physical_limit)
      ram.add({PhysAddr(align_down(e.range.start.value, page_size)),
               PhysAddr(align_up(e.range.end.value, page_size))});
  ram.reserve({PhysAddr(0), PhysAddr(1 * mib)});
  for (const PhysRange& r : ram.ranges()) map_direct(r, read_only);

  make_top_entries(address_map.page_words, address_map.page_words + words);
  make_top_entries(address_map.vmalloc, address_map.vmalloc_end);
  direct_map_size = direct;
  direct_map_base = address_map.direct_map.value;
  table_source = nullptr;
}

void drop_early_maps() {
  kernel_root_table[0] = Pte{};
  kernel_root_table[entry_index(layout::early_window, machine::page_table_levels)] = Pte{};
  machine::flush_tlb_all();
}

Result<void> map_pages(VirtAddr va, PhysAddr pa, usize pages, MapRights rights) {
  return map_pages(va, pa, pages, rights, *table_source);
}

Result<void> map_pages(VirtAddr va, PhysAddr pa, usize pages, MapRights rights,
                       TablePageSource& source) {
  for (; pages > 0; --pages, va += page_size, pa += page_size) {
    Pte* entry = entry_for(va, 1, &source);
    if (entry == nullptr) return Errno::enomem;
    ASSERT(!entry->is_present());
    *entry = Pte::leaf(pa, rights | MapRight::global, 1);
  }
  return {};
}

void unmap_pages(VirtAddr va, usize pages) {
  for (; pages > 0; --pages, va += page_size)
    if (Pte* entry = entry_for(va, 1, nullptr); entry != nullptr) *entry = Pte{};
}

std::optional<Translation> translate(VirtAddr va) {
  const Pte* table = kernel_root_table;
  for (unsigned level = machine::page_table_levels;; --level) {
    const Pte entry{__atomic_load_n(&table[entry_index(va, level)].bits, __ATOMIC_RELAXED)};
    if (!entry.is_present()) return std::nullopt;
    if (level < machine::page_table_levels && entry.is_leaf(level)) {
      const u64 inside = va.value & (entry_span(level) - 1);
      const u64 base = align_down(entry.address().value, entry_span(level));
      return Translation{PhysAddr(base + inside), entry, level};
    }
    table = table_at(entry.address());
  }
}

namespace {

/// Leaves are split by one at a time.
struct Nothing {};
constinit core::Guarded<core::level::kernel_map, Nothing, core::SpinIrqOff> splitting;

/// The entry of a mapped page. A large leaf in the way becomes a table of the same leaves one level
/// down. ENOMEM, EINVAL.
Result<Pte*> page_entry(VirtAddr va, TablePageSource& source) {
  auto alone = splitting.lock();
  for (;;) {
    const auto t = translate(va);
    if (!t) return Errno::einval;
    if (t->level == 1) return entry_for(va, 1, nullptr);
    const auto page = source.table_page();
    if (!page) return Errno::enomem;
    Pte* const below = table_at(*page);
    const u64 span = entry_span(t->level - 1);
    const u64 base = align_down(t->address.value, entry_span(t->level));
    const u64 keep = t->leaf.bits & ~(Pte::address_mask | Pte::large);
    for (usize i = 0; i < entries_per_table; ++i)
      below[i] = Pte{(base + i * span) | keep | (t->level - 1 > 1 ? Pte::large : 0)};
    Pte* entry = entry_for(va, t->level, nullptr);
    *entry = Pte::table(*page, false);
  }
}

}  // namespace

Result<void> set_rights(VirtAddr va, usize pages, MapRights rights) {
  for (; pages > 0; --pages, va += page_size) {
    Pte* const entry = TRY(page_entry(va, *table_source));
    *entry = Pte::leaf(entry->address(), rights | MapRight::global, 1);
  }
  machine::flush_tlb_all();
  return {};
}

namespace {

/// As many tables as one page may need, had before a lock is taken.
class SpareTables final : public TablePageSource {
  static constexpr usize most = machine::page_table_levels - 2;
  std::array<Pfn, most> pages_;
  usize used_ = 0, had_ = 0;

 public:
  SpareTables() = default;
  ~SpareTables() {
    for (; used_ < had_; ++used_) free_pages(pages_[used_], 0);
  }
  Result<void> fill(usize count) {
    for (; had_ < count; ++had_) pages_[had_] = TRY(allocate_pages(ALLOC_SITE, 0));
    return {};
  }
  std::optional<PhysAddr> table_page() override {
    if (used_ == had_) return std::nullopt;
    return phys_of(pages_[used_++]);
  }
};

}  // namespace

Result<void> hide_page(Pfn p) {
  const VirtAddr va = to_virt(phys_of(p));
  SpareTables spare;
  // Nobody joins leaves again: what is split now stays so.
  const std::optional<Translation> now = translate(va);
  if (!now) return Errno::einval;
  TRY(spare.fill(now->level - 1));
  Pte* const entry = TRY(page_entry(va, spare));
  *entry = Pte{};
  core::flush_tlb_everywhere(va, 1);
  return {};
}

void show_page(Pfn p) {
  const VirtAddr va = to_virt(phys_of(p));
  *entry_for(va, 1, nullptr) =
      Pte::leaf(phys_of(p), MapRights(MapRight::write) | MapRight::global, 1);
}

void seal_after_init() {
  const auto start = reinterpret_cast<uptr>(__ld_ro_after_init_start);
  const usize pages = (reinterpret_cast<uptr>(__ld_ro_after_init_end) - start) >> page_shift;
  const Result<void> image = set_rights(VirtAddr(start), pages, {});
  const Result<void> alias = set_rights(to_virt(PhysAddr(start - image_delta)), pages, {});
  if (!image.ok() || !alias.ok()) core::log_warn("Cannot seal the ro_after_init section");
}

namespace {

void check_table(const Pte* table, unsigned level, u64 start, MapCheck& out) {
  for (usize i = level == machine::page_table_levels ? entries_per_table / 2 : 0;
       i < entries_per_table; ++i) {
    const Pte entry = table[i];
    if (!entry.is_present()) continue;
    if (entry.is_user()) ++out.user;
    if (level < machine::page_table_levels && entry.is_leaf(level)) {
      ++out.leaves;
      if (entry.is_writable() && entry.is_executable()) ++out.writable_executable;
      continue;
    }
    // The KASAN zero shadow shares one table thousands of times; its leaves are checked once.
    const u64 va = start + i * entry_span(level);
    if (level == machine::page_table_levels &&
        VirtAddr(va | 0xffff000000000000) >= layout::kasan_shadow_start &&
        VirtAddr(va | 0xffff000000000000) < layout::kasan_shadow_end)
      continue;
    check_table(table_at(entry.address()), level - 1, va, out);
  }
}

}  // namespace

MapCheck check_kernel_map() {
  MapCheck check;
  check_table(kernel_root_table, machine::page_table_levels, 0, check);
  if (check.writable_executable == 0)
    core::log_info("Checked W+X mappings: passed, no W+X pages found.");
  else
    core::log_err("Checked W+X mappings: FAILED, {} W+X pages found.", check.writable_executable);
  return check;
}

}  // namespace auk::mem
