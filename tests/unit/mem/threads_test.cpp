// The allocators under threads that really run at once, each one CPU. Under ThreadSanitizer
// (-DAUK_HOST_SANITIZER=thread) every access that the locks do not order is an error.
#include <cstring>
#include <gtest/gtest.h>
#include <thread>

#include "mem/address.hpp"
#include "mem/machine.hpp"
#include "mem/vmalloc.hpp"

namespace auk::mem {
namespace {

using namespace auk::test;

/// One allocation in so many fails, whichever CPU makes it.
class SharedFailures final : public FailureInjector {
  Atomic<u64> calls_{0};

 public:
  SharedFailures() { set_failure_injector(this); }
  SharedFailures(const SharedFailures&) = delete;
  SharedFailures& operator=(const SharedFailures&) = delete;
  ~SharedFailures() { set_failure_injector(nullptr); }
  bool should_fail(AllocSite&) override { return calls_.fetch_add_relaxed(1) % 1000 == 999; }
};

constinit std::array shared_caches{Cache("test-threads-48", 48), Cache("test-threads-640", 640)};

/// At the front of each block, and its stamp again at the end.
struct Head {
  u64 stamp;
  u32 size;
  u32 order;  ///< of whole pages; `small` for objects
};
constexpr u32 small = ~u32{0};

u64* tail(Head* h) {
  return reinterpret_cast<u64*>(reinterpret_cast<byte*>(h) + h->size - sizeof(u64));
}

/// Through here blocks go from CPU to CPU.
std::array<Atomic<Head*>, 64> mailbox;

void free_block(Head* h) {
  if (h == nullptr) return;
  require(*tail(h) == h->stamp, "somebody wrote into a block of {} bytes", h->size);
  const u32 order = h->order;
  // Whoever has the block as well sees it change.
  *tail(h) = h->stamp = ~u64{0};
  if (order == small)
    mem::free(h);
  else
    free_pages(pfn_of(to_phys(h)), order);
}

Head* new_block(Random& random, u64 stamp) {
  Head h{stamp, 0, small};
  void* at = nullptr;
  switch (random.below(4)) {
    case 0: {
      Cache& c = shared_caches[random.below(shared_caches.size())];
      h.size = c.object_size();
      Result<void*> p = c.allocate(ALLOC_SITE);
      if (!p.ok()) return nullptr;
      at = p.take();
      break;
    }
    case 1: {
      h.order = random.one_in(50) ? static_cast<u32>(random.below(6)) : 0;
      h.size = static_cast<u32>(page_size << h.order);
      Result<Pfn> p = allocate_pages(ALLOC_SITE, h.order, Fill::overwrite);
      if (!p.ok()) return nullptr;
      at = to_pointer<void>(phys_of(*p));
      break;
    }
    default: {
      h.size = static_cast<u32>(random.between(3, 128) * sizeof(u64));
      Result<void*> p = mem::allocate(ALLOC_SITE, h.size);
      if (!p.ok()) return nullptr;
      at = p.take();
      break;
    }
  }
  auto* const head = static_cast<Head*>(at);
  *head = h;
  *tail(head) = stamp;
  return head;
}

void run_cpu(u32 cpu, u64 operations) {
  play_cpu(cpu);
  Random random(Random::seed() + cpu);
  std::array<Head*, 512> mine{};
  std::array<KernelRange*, 8> ranges{};
  for (u64 i = 0; i < operations; ++i) {
    Head*& slot = mine[random.below(mine.size())];
    if (random.one_in(200)) {
      KernelRange*& r = ranges[random.below(ranges.size())];
      if (r != nullptr) {
        unmap(std::exchange(r, nullptr));
      } else if (Result<KernelRange*> fresh = map_memory(ALLOC_SITE, random.between(1, 4));
                 fresh.ok()) {
        r = fresh.take();
      }
    } else if (random.one_in(4)) {
      slot = mailbox[random.below(mailbox.size())].exchange_acq_rel(slot);
    } else if (slot != nullptr) {
      free_block(std::exchange(slot, nullptr));
    } else {
      slot = new_block(random, u64{cpu} << 48 | i);
    }
  }
  for (Head* const h : mine) free_block(h);
  for (KernelRange* const r : ranges)
    if (r != nullptr) unmap(r);
}

u64 objects_of_shared_caches() {
  u64 n = 0;
  for (Cache& c : shared_caches) n += c.counts().objects;
  return n;
}

TEST(Threads, every_cpu_at_once) {
  std::array<std::string, cpus> complaints;
  EXPECT_MODEL_AGREES([&] {
    start_machine();
    const SharedFailures failures;
    const auto run = [&](u64 operations) {
      std::vector<std::thread> threads;
      for (u32 cpu = 0; cpu < cpus; ++cpu)
        threads.emplace_back([&complaints, cpu, operations] {
          complaints[cpu] = complaint_of([&] { run_cpu(cpu, operations / cpus); });
        });
      for (std::thread& t : threads) t.join();
      for (const std::string& c : complaints) require(c.empty(), "{}", c);
      for (Atomic<Head*>& m : mailbox) free_block(m.exchange_acq_rel(nullptr));
    };
    run(model_operations / 2);
    const u64 before = pages_in_use();
    run(model_operations / 2);
    // Kernel ranges keep their descriptors and page tables; everything else is back.
    constexpr u64 kept = 8;
    require(pages_in_use() <= before + kept, "{} pages leaked", pages_in_use() - before);
    require(objects_of_shared_caches() == 0, "{} objects live", objects_of_shared_caches());
    require(pages_are_consistent(), "lists, tags and counts disagree");
  });
  prove(
      "mem.threads: {} operations by {} threads at once on pages, slabs and kernel ranges, one in "
      "1000 allocations failed on purpose, contents intact, nothing leaked",
      model_operations, cpus);
}

}  // namespace
}  // namespace auk::mem
