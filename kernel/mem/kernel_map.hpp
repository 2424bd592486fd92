// The kernel's page tables: direct map, page words, vmalloc range, image.
//
// Purpose: one place that writes kernel page-table entries.
// Data model: one root for the kernel half; all of its level-4 entries exist after
// setup_address_space(), so every address space can share them by copying 256 words.
// Locking: map/unmap of one range belong to the owner of that range of addresses; tables are only
// added, never freed, so two ranges may be mapped at the same time. Filling an empty table slot is
// a compare-and-set. Context: any but NMI; unmap leaves the TLB to the caller. Differences from
// Linux: no page is ever writable and executable, from the first instruction on; the read-only part
// of the image is read-only in the direct map too.
#pragma once
#include <optional>

#include "base/result.hpp"
#include "base/types.hpp"
#include "core/handover.hpp"
#include "machine/isa/pte.hpp"
#include "mem/boot_memory.hpp"
#include "mem/isa/layout.hpp"

namespace auk::mem {

using machine::MapRight;
using machine::MapRights;

/// Where the three random regions of the kernel half begin. Written once at boot.
struct AddressSpaceMap {
  VirtAddr direct_map, page_words, vmalloc, vmalloc_end;
  u64 direct_map_size = 0;
};
extern AddressSpaceMap address_map;

/// Picks the bases, builds the direct map of all RAM in `handover`, makes the level-4 entries of
/// the other regions. Boot CPU, once; table pages come from `memory`.
void setup_address_space(const core::HandOver& handover, BootMemory& memory);
/// Removes the identity map and the early window that the boot path needed.
void drop_early_maps();

/// Where table pages come from.
class TablePageSource {
 public:
  /// A zeroed page, or nothing. Context: any but NMI.
  virtual std::optional<PhysAddr> table_page() = 0;

 protected:
  constexpr TablePageSource() = default;
  ~TablePageSource() = default;
};
/// From now on table pages come from the page allocator.
void set_table_page_source(TablePageSource& source);

/// Maps `pages` base pages from `pa`. ENOMEM when a table page cannot be had (part of the range may
/// then be mapped: unmap it all). The range was not mapped.
Result<void> map_pages(VirtAddr va, PhysAddr pa, usize pages, MapRights rights);
/// The same with table pages from `source`: for the page allocator, which cannot ask itself.
Result<void> map_pages(VirtAddr va, PhysAddr pa, usize pages, MapRights rights,
                       TablePageSource& source);
/// Clears the entries; the caller flushes TLBs before the addresses or pages are used again.
void unmap_pages(VirtAddr va, usize pages);
/// Changes the rights of mapped pages, splitting a large leaf where needed; ENOMEM if that fails.
Result<void> set_rights(VirtAddr va, usize pages, MapRights rights);

/// Takes a page out of the direct map, splitting a large leaf where needed. The page is its
/// caller's alone. ENOMEM. Context: threads; waits for all CPUs.
Result<void> hide_page(Pfn p);
/// Puts it back. Context: any but NMI.
void show_page(Pfn p);

struct Translation {
  PhysAddr address;
  machine::Pte leaf;
  unsigned level;
};
std::optional<Translation> translate(VirtAddr va);

/// Makes the ro_after_init section read-only, in both its mappings.
void seal_after_init();

/// Walks all kernel mappings and counts pages both writable and executable, and pages open to user
/// mode. The log gets Linux's DEBUG_WX line.
struct MapCheck {
  u64 leaves = 0;
  u64 writable_executable = 0;
  u64 user = 0;
};
MapCheck check_kernel_map();

PhysAddr kernel_root();

}  // namespace auk::mem
