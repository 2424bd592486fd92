// Pages: the zone, per-CPU lists in front of it, zeroing, counts.
//
// Purpose: the one place that hands out and takes back page frames.
// Data model: one zone (Buddy under the zone lock); each CPU keeps up to 64 single pages and moves
// them to and from the zone in batches of 32.
// Locking: level mem_zone for the zone; per-CPU lists with interrupts off.
// Context: any but NMI; nothing sleeps here. What reclaims memory stands above and is called
// through Reclaimer by those who may sleep (decision "mem never sleeps itself"). Differences from
// Linux: fresh pages are always zeroed unless the caller says that it overwrites the whole of them
// (init_on_alloc); no zones by address yet.
#pragma once
#include <optional>

#include "base/result.hpp"
#include "mem/address.hpp"
#include "mem/alloc_site.hpp"
#include "mem/boot_memory.hpp"
#include "mem/frame.hpp"

namespace auk::mem {

enum class Fill : u8 {
  zero,
  overwrite,  ///< the caller writes every byte before anybody can read it
};

/// 2^order physically contiguous pages, tagged `kernel`. ENOMEM.
Result<Pfn> allocate_pages(AllocSite& site, unsigned order, Fill fill = Fill::zero);
/// The same, if the zone has it to spare: for who can do with single pages.
std::optional<Pfn> allocate_spare_pages(AllocSite& site, unsigned order, Fill fill = Fill::zero);
/// Gives back a run with the order it was allocated with.
void free_pages(Pfn pfn, unsigned order);

struct PageCounts {
  u64 managed = 0;  ///< all pages the zone ever had
  u64 free = 0;     ///< in the zone
  u64 cached = 0;   ///< in per-CPU lists
};
PageCounts count_pages();
/// `managed` alone, without a lock.
u64 managed_pages();
/// Moves the calling CPU's list back to the zone.
void drain_page_cache();
/// For tests: all links, tags and counts of the zone are right.
bool pages_are_consistent();

/// Whole pages that were kept out of the boot memory and are not needed any more.
void give_back_boot_memory(PhysRange r);
/// Makes the frame words of memory that the allocator never gets, so that folios can borrow its
/// pages; for ever. Whole pages. ENOMEM: of some of it.
Result<void> describe_memory(PhysRange r);

/// Takes over the boot memory. Boot CPU, once, after setup_address_space().
void setup_pages(BootMemory& memory);

}  // namespace auk::mem
