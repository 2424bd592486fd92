// /proc/meminfo: see proc_meminfo(5). What this kernel does not tell apart has no line.
#include "core/event_counts.hpp"
#include "fs/procfs/node.hpp"
#include "mem/folio.hpp"
#include "mem/pages.hpp"
#include "mem/slab.hpp"
#include "vm/commit.hpp"

namespace auk::fs::procfs {
namespace {

class SlabSum final : public mem::CacheVisitor {
 public:
  u64 pages = 0;
  void visit(const mem::CacheCounts& c) override { pages += c.slabs * c.pages_per_slab; }
};

class MeminfoNode final : public ShortText {
  static void put(vfs::Text& out, std::string_view name, u64 pages) {
    out.print("{:16}{:8} kB\n", name, pages * (page_size / kib));
  }
  Result<void> write(const Subject&, vfs::Text& out) const override {
    const mem::PageCounts pages = mem::count_pages();
    const mem::FolioCounts folios = mem::count_folios();
    SlabSum slabs;
    mem::visit_caches(slabs);
    put(out, "MemTotal:", pages.managed);
    put(out, "MemFree:", pages.free);
    // Files in memory are all there is of a page cache: nothing can be dropped.
    put(out, "MemAvailable:", pages.free + pages.cached);
    put(out, "Buffers:", 0);
    put(out, "Cached:", folios.of_objects);
    put(out, "SwapCached:", 0);
    put(out, "SwapTotal:", 0);
    put(out, "SwapFree:", 0);
    put(out, "Dirty:", 0);
    put(out, "Writeback:", 0);
    put(out, "AnonPages:", folios.anonymous);
    put(out, "Shmem:", folios.of_objects);
    put(out, "Slab:", slabs.pages);
    put(out, "SReclaimable:", 0);
    put(out, "SUnreclaim:", slabs.pages);
    put(out, "CommitLimit:", vm::commit::limit());
    put(out, "Committed_AS:", vm::commit::committed());
    return {};
  }

 public:
  constexpr MeminfoNode() : ShortText("meminfo", 0444) {}
};
constexpr MeminfoNode meminfo;

/// /proc/vmstat: likewise.
class VmstatNode final : public ShortText {
  Result<void> write(const Subject&, vfs::Text& out) const override {
    const mem::PageCounts pages = mem::count_pages();
    const mem::FolioCounts folios = mem::count_folios();
    SlabSum slabs;
    mem::visit_caches(slabs);
    const auto put = [&](std::string_view name, u64 n) { out.print("{} {}\n", name, n); };
    put("nr_free_pages", pages.free);
    put("nr_slab_reclaimable", 0);
    put("nr_slab_unreclaimable", slabs.pages);
    put("nr_anon_pages", folios.anonymous);
    put("nr_file_pages", folios.of_objects);
    put("nr_dirty", 0);
    put("nr_writeback", 0);
    put("nr_shmem", folios.of_objects);
    // No block device, no swap.
    for (const std::string_view name : {"pgpgin", "pgpgout", "pswpin", "pswpout"}) put(name, 0);
    put("pgfault", core::sum_of(core::fault_count));
    put("pgmajfault", 0);
    return {};
  }

 public:
  constexpr VmstatNode() : ShortText("vmstat", 0444) {}
};
constexpr VmstatNode vmstat;

}  // namespace

constinit const Node* const vmstat_node = &vmstat;
constinit const Node* const meminfo_node = &meminfo;

}  // namespace auk::fs::procfs
