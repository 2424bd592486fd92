// /proc/meminfo: see proc_meminfo(5). What this kernel does not tell apart has no line.
#include <algorithm>

#include "core/event_counts.hpp"
#include "fs/procfs/node.hpp"
#include "mem/figures.hpp"
#include "vfs/kept.hpp"
#include "vm/commit.hpp"

namespace auk::fs::procfs {
namespace {

void put(mem::Text& out, std::string_view name, u64 pages) {
  out.print("{:16}{:8} kB\n", name, pages * (page_size / kib));
}

constexpr KernelText<[](mem::Text& out) {
  const mem::Figures m = mem::gather_figures();
  put(out, "MemTotal:", m.managed);
  put(out, "MemFree:", m.free);
  // Files in memory are all there is of a page cache: only what is known of others can be dropped.
  const u64 kept = std::min(vfs::kept_dentry_pages(), m.slabs);
  put(out, "MemAvailable:", m.available + kept);
  put(out, "Buffers:", 0);
  put(out, "Cached:", m.of_objects);
  put(out, "SwapCached:", 0);
  put(out, "SwapTotal:", 0);
  put(out, "SwapFree:", 0);
  put(out, "Dirty:", 0);
  put(out, "Writeback:", 0);
  put(out, "AnonPages:", m.anonymous);
  put(out, "Shmem:", m.of_objects);
  put(out, "Slab:", m.slabs);
  put(out, "SReclaimable:", kept);
  put(out, "SUnreclaim:", m.slabs - kept);
  put(out, "CommitLimit:", vm::commit::limit());
  put(out, "Committed_AS:", vm::commit::committed());
}>
    meminfo("meminfo");

/// /proc/vmstat: likewise.
constexpr KernelText<[](mem::Text& out) {
  const mem::Figures m = mem::gather_figures();
  const auto put = [&](std::string_view name, u64 n) { out.print("{} {}\n", name, n); };
  put("nr_free_pages", m.free);
  put("nr_slab_reclaimable", 0);
  put("nr_slab_unreclaimable", m.slabs);
  put("nr_anon_pages", m.anonymous);
  put("nr_file_pages", m.of_objects);
  put("nr_dirty", 0);
  put("nr_writeback", 0);
  put("nr_shmem", m.of_objects);
  // No block device, no swap.
  for (const std::string_view name : {"pgpgin", "pgpgout", "pswpin", "pswpout"}) put(name, 0);
  put("pgfault", core::sum_of(core::fault_count));
  put("pgmajfault", 0);
}>
    vmstat("vmstat");

}  // namespace

constinit const Node* const vmstat_node = &vmstat;
constinit const Node* const meminfo_node = &meminfo;

}  // namespace auk::fs::procfs
