#include "mem/machine.hpp"

#include <array>

#include "core/rcu.hpp"

namespace auk::test {

void start_machine() {
  static bool started = false;
  if (started) return;
  started = true;
  static constexpr std::array ram{
      PhysRange{PhysAddr(0), PhysAddr(636 * kib)},
      PhysRange{PhysAddr(1 * mib), PhysAddr(160 * mib + 12 * kib)},
      PhysRange{PhysAddr(301 * mib), PhysAddr(333 * mib)},
      PhysRange{PhysAddr(480 * mib + 4 * kib), PhysAddr(510 * mib)},
  };
  mem::host::start(ram);
  give_all_pages(take_all_pages());
}

std::vector<Pfn> take_all_pages() {
  std::vector<Pfn> all;
  for (;;) {
    Result<Pfn> p = mem::allocate_pages(ALLOC_SITE, 0, mem::Fill::overwrite);
    if (!p.ok()) return all;
    all.push_back(*p);
  }
}

void give_all_pages(const std::vector<Pfn>& all) {
  for (const Pfn p : all) mem::free_pages(p, 0);
  drain_all_cpus();
}

void drain_all_cpus() {
  for (int round = 0; round < 2; ++round)
    for (u32 cpu = 0; cpu < cpus; ++cpu) {
      play_cpu(cpu);
      mem::drain_caches();
    }
  play_cpu(0);
}

void end_grace_periods() {
  const core::PreemptOff here;
  for (core::RcuHead* h = core::rcu_queues.here(here).take_all(); h != nullptr;) {
    core::RcuHead* const next = core::RcuQueue::next_of(*h);
    h->retire();
    h = next;
  }
}

u64 pages_in_use() {
  drain_all_cpus();
  const mem::PageCounts n = mem::count_pages();
  return n.managed - n.free - n.cached;
}

}  // namespace auk::test
