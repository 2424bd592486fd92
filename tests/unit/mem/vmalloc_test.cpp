#include "mem/vmalloc.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <unordered_set>
#include <vector>

#include "mem/address.hpp"
#include "mem/machine.hpp"

namespace auk::mem {
namespace {

using namespace auk::test;

/// Remembers the pages whose translation was forgotten since it was asked last.
class Flushes final : public machine::host::TlbObserver {
  std::unordered_set<u64> pages_;
  bool all_ = false;

 public:
  Flushes() { machine::host::tlb_observer = this; }
  Flushes(const Flushes&) = delete;
  Flushes& operator=(const Flushes&) = delete;
  ~Flushes() { machine::host::tlb_observer = nullptr; }
  void flush_page(VirtAddr va) override { pages_.insert(va.value); }
  void flush_all() override { all_ = true; }
  void reset() {
    pages_.clear();
    all_ = false;
  }
  bool has(VirtAddr va) const { return all_ || pages_.contains(va.value); }
};

/// Registers of a device that is not there: physical addresses above all RAM.
constexpr PhysAddr device{8 * gib};

struct Mapped {
  KernelRange* range;
  usize pages;
  PhysAddr window;  ///< 0: memory of its own
  u64 stamp;
};

struct RealRanges {
  Result<KernelRange*> map(usize pages, usize guard) {
    return guard == 1 && pages == kernel_stack_size / page_size
               ? allocate_stack()
               : map_memory(ALLOC_SITE, pages, guard);
  }
  Result<KernelRange*> window(PhysAddr pa, u64 size) {
    return map_physical(ALLOC_SITE, pa, size, MapRights(MapRight::write) | MapRight::uncached);
  }
  void unmap(KernelRange* r) { mem::unmap(r); }
};

template <class Ranges> class Model {
  Ranges& ranges_;
  Random random_;
  Claims addresses_, frames_;
  std::vector<Mapped> mapped_;
  Flushes flushes_;

  u64* stamp_at(const Mapped& m, usize page) {
    const auto t = translate(m.range->start() + page * page_size);
    require(t.has_value(), "page {} of {:#x} is not mapped", page, m.range->start().value);
    return to_pointer<u64>(t->address);
  }

  void check_new(const Mapped& m) {
    const VirtAddr start = m.range->start();
    require(m.range->size() == m.pages * page_size, "{} bytes for {} pages", m.range->size(),
            m.pages);
    require(start >= address_map.vmalloc &&
                start + m.range->size() + page_size <= address_map.vmalloc_end,
            "{:#x} is outside of the region", start.value);
    // The page behind belongs to the range as well, so two ranges never touch.
    addresses_.take(start.value, (m.pages + 1) * page_size);
    require(is_guard_page(start + m.range->size()), "no guard behind {:#x}", start.value);
    for (usize i = 0; i < m.pages; ++i) {
      const auto t = translate(start + i * page_size);
      require(t.has_value(), "page {} of {:#x} is not mapped", i, start.value);
      require(t->leaf.is_writable() && !t->leaf.is_executable() && !t->leaf.is_user(),
              "rights of {:#x}", start.value);
      if (m.window != PhysAddr(0)) {
        require(t->address == m.window + i * page_size, "page {} is {:#x}", i, t->address.value);
        continue;
      }
      frames_.take(t->address.value, page_size);
      require(*stamp_at(m, i) == 0, "page {} of {:#x} is not zero", i, start.value);
      *stamp_at(m, i) = m.stamp;
    }
  }

  void make(u64 stamp) {
    if (random_.one_in(4)) {
      const u64 offset = random_.below(page_size);
      const u64 size = random_.between(1, 2 * page_size);
      const PhysAddr pa = device + random_.below(1000) * page_size + offset;
      Result<KernelRange*> r = ranges_.window(pa, size);
      if (!r.ok()) return;
      mapped_.push_back({r.take(), (offset + size + page_mask) >> page_shift, pa - offset, stamp});
    } else {
      const usize guard = random_.below(2);
      const usize pages = random_.one_in(100)  ? random_.between(8, 64)
                          : random_.one_in(10) ? kernel_stack_size / page_size
                                               : random_.between(1, 2);
      Result<KernelRange*> r = ranges_.map(pages, guard);
      if (!r.ok()) return;
      const KernelRange& range = *mapped_.emplace_back(r.take(), pages, PhysAddr(0), stamp).range;
      require(guard == 0 || is_guard_page(range.start() - 1), "no guard in front of {:#x}",
              range.start().value);
    }
    check_new(mapped_.back());
  }

  void unmap_one(usize i) {
    const Mapped m = mapped_[i];
    mapped_[i] = mapped_.back();
    mapped_.pop_back();
    const VirtAddr start = m.range->start();
    for (usize p = 0; p < m.pages && m.window == PhysAddr(0); ++p) {
      require(*stamp_at(m, p) == m.stamp, "somebody wrote into {:#x}", start.value);
      frames_.give(translate(start + p * page_size)->address.value);
    }
    addresses_.give(start.value);
    flushes_.reset();
    ranges_.unmap(m.range);
    for (usize p = 0; p < m.pages; ++p) {
      require(!translate(start + p * page_size), "{:#x} is still mapped", start.value);
      require(flushes_.has(start + p * page_size), "{:#x} was not flushed", start.value);
    }
  }

 public:
  explicit Model(Ranges& ranges) : ranges_(ranges), random_(Random::seed()) {}

  void run(u64 operations, u64 fail_one_in) {
    RandomFailures failures(random_.next(), fail_one_in);
    for (u64 i = 0; i < operations; ++i) {
      play_cpu(random_.below(cpus));
      const bool rising = (i / 2'000) % 2 == 0;
      if (mapped_.empty() || random_.one_in(3) != rising)
        make(i);
      else
        unmap_one(random_.below(mapped_.size()));
    }
    while (!mapped_.empty()) unmap_one(mapped_.size() - 1);
  }
};

/// Pages that a run keeps for good: descriptors of ranges and page tables are never given back.
constexpr u64 kept_pages = 512;

TEST(VmallocModel, random_operations) {
  EXPECT_MODEL_AGREES([] {
    start_machine();
    RealRanges ranges;
    Model(ranges).run(model_operations, 1000);
    // The same again finds all its descriptors and tables, and keeps nothing more.
    const u64 before = pages_in_use();
    Model(ranges).run(20'000, 0);
    require(pages_in_use() <= before, "{} pages leaked", pages_in_use() - before);
    require(before < kept_pages, "{} pages are kept", before);
    require(pages_are_consistent(), "lists, tags and counts disagree");
  });
  prove("mem.vmalloc: {} operations on {} CPUs, one in 1000 allocations failed on purpose, ranges "
        "apart by guard pages, mappings right, flushed, addresses used again",
        model_operations, cpus);
}

TEST(Vmalloc, more_than_there_is) {
  start_machine();
  for (const usize pages : {usize{1} << 23, usize{1} << 24, usize{1} << 40, usize{1} << 52,
                            (usize{1} << 52) - 1, ~usize{0} - 1, ~usize{0}})
    EXPECT_EQ(map_memory(ALLOC_SITE, pages).error(), Errno::enomem) << pages;
  for (const u64 size : {2 * gib, tib, ~u64{0} - page_size, ~u64{0}})
    EXPECT_EQ(map_physical(ALLOC_SITE, device + 5, size, {}).error(), Errno::enomem) << size;
}

// Uses up all addresses, so it runs in a process of its own.
TEST(Vmalloc, addresses_run_out_and_come_back) {
  const auto run = [] {
    start_machine();
    std::vector<KernelRange*> ranges;
    const auto fill = [&] {
      for (;;) {
        Result<KernelRange*> r = map_physical(ALLOC_SITE, device, 31 * mib, {});
        if (!r.ok()) {
          require(r.error() == Errno::enomem, "not ENOMEM");
          return ranges.size();
        }
        ranges.push_back(r.take());
      }
    };
    const usize first = fill();
    require(first == layout::vmalloc_size / (32 * mib), "{} ranges", first);
    const u64 before = pages_in_use();
    for (int round = 0; round < 3; ++round) {
      for (KernelRange* const r : ranges) unmap(r);
      ranges.clear();
      require(fill() == first, "addresses were lost");
      require(pages_in_use() == before, "pages were lost");
    }
    // Another size finds nothing, again and again, and loses nothing.
    for (int i = 0; i < 1000; ++i) require(!map_memory(ALLOC_SITE, 1).ok(), "there was room");
    require(pages_in_use() == before, "pages were lost");
  };
  EXPECT_EXIT(
      {
        const std::string said = complaint_of(run);
        std::fprintf(stderr, "said: '%s'\n", said.c_str());
        std::_Exit(said.empty() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "said: ''");
}

struct GivesTwice : RealRanges {
  u64 calls = 0;
  KernelRange* last = nullptr;
  Result<KernelRange*> map(usize pages, usize guard) {
    if (last != nullptr && ++calls == 100) return last;
    last = TRY(RealRanges::map(pages, guard));
    return last;
  }
};
struct ForgetsToUnmap : RealRanges {
  u64 calls = 0;
  void unmap(KernelRange* r) {
    if (++calls != 100) RealRanges::unmap(r);
  }
};

template <class Ranges> void expect_caught(const char* why) {
  EXPECT_EXIT(
      {
        start_machine();
        Ranges broken;
        const std::string said = complaint_of([&] { Model(broken).run(20'000, 0); });
        std::fprintf(stderr, "said: %s\n", said.c_str());
        std::_Exit(1);
      },
      testing::ExitedWithCode(1), why);
}

TEST(VmallocModel, catches_broken_allocators) {
  expect_caught<GivesTwice>("overlaps|bytes for");
  expect_caught<ForgetsToUnmap>("is still mapped");
}

}  // namespace
}  // namespace auk::mem
