#include "mem/pages.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <vector>

#include "mem/buddy.hpp"
#include "mem/kernel_map.hpp"
#include "mem/machine.hpp"

namespace auk::mem {
namespace {

using namespace auk::test;

struct Run {
  Pfn first;
  unsigned order;
  u64 stamp;
};

constexpr std::array<byte, page_size> zeros{};

/// The first and last bytes of each page say whose it is.
void stamp(const Run& r) {
  for (u64 i = 0; i < u64{1} << r.order; ++i) {
    const auto bytes = bytes_of(r.first + i);
    std::memcpy(bytes.data(), &r.stamp, sizeof(u64));
    std::memcpy(bytes.data() + page_size - sizeof(u64), &r.stamp, sizeof(u64));
  }
}
bool is_stamped(const Run& r) {
  for (u64 i = 0; i < u64{1} << r.order; ++i) {
    const auto bytes = bytes_of(r.first + i);
    if (std::memcmp(bytes.data(), &r.stamp, sizeof(u64)) != 0 ||
        std::memcmp(bytes.data() + page_size - sizeof(u64), &r.stamp, sizeof(u64)) != 0)
      return false;
  }
  return true;
}
bool is_zero(const Run& r) {
  for (u64 i = 0; i < u64{1} << r.order; ++i)
    if (std::memcmp(bytes_of(r.first + i).data(), zeros.data(), page_size) != 0) return false;
  return true;
}

/// The kernel's functions as an object, so that a broken one can stand in their place.
struct RealPages {
  Result<Pfn> allocate(unsigned order, Fill fill) {
    return allocate_pages(ALLOC_SITE, order, fill);
  }
  void free(Pfn p, unsigned order) { free_pages(p, order); }
};

/// Nothing is allocated before and after.
template <class Allocator> void run_model(Allocator& allocator, u64 operations, u64 fail_one_in) {
  Random random(Random::seed());
  Claims claims;
  std::vector<Run> runs;
  const PageCounts before = count_pages();
  const u64 total = before.free + before.cached;
  const auto free_one = [&](usize i) {
    const Run r = runs[i];
    runs[i] = runs.back();
    runs.pop_back();
    require(is_stamped(r), "somebody wrote into {:#x}", r.first.value);
    claims.give(phys_of(r.first).value);
    allocator.free(r.first, r.order);
  };
  RandomFailures failures(random.next(), fail_one_in);
  for (u64 i = 0; i < operations; ++i) {
    play_cpu(random.below(cpus));
    const bool rising = (i / 50'000) % 2 == 0;
    if (runs.empty() || random.one_in(3) != rising) {
      const unsigned order = random.one_in(2000) ? static_cast<unsigned>(random.below(order_count))
                                                 : static_cast<unsigned>(random.below(3) / 2);
      const Fill fill = random.one_in(32) ? Fill::zero : Fill::overwrite;
      const u64 injected = failures.injected;
      Result<Pfn> p = allocator.allocate(order, fill);
      require(!p.ok() || failures.injected == injected, "a failure was ignored");
      if (p.ok()) {
        const Run r{*p, order, i};
        require((r.first.value & ((u64{1} << order) - 1)) == 0, "{:#x} is not aligned to order {}",
                r.first.value, order);
        claims.take(phys_of(r.first).value, page_size << order);
        require(read_frame(r.first).tag() == FrameTag::kernel, "{:#x} has tag {}", r.first.value,
                static_cast<unsigned>(read_frame(r.first).tag()));
        require(fill != Fill::zero || is_zero(r), "{:#x} is not zero", r.first.value);
        stamp(r);
        runs.push_back(r);
      }
    } else {
      free_one(random.below(runs.size()));
    }
    const PageCounts now = count_pages();
    require(now.free + now.cached + claims.bytes() / page_size == total,
            "{} free, {} in lists and {} in use are not {}", now.free, now.cached,
            claims.bytes() / page_size, total);
    if (i % 50'000 == 0) require(pages_are_consistent(), "lists, tags and counts disagree");
  }
  while (!runs.empty()) free_one(runs.size() - 1);
}

std::array<u64, 2> free_and_cached() {
  const PageCounts n = count_pages();
  return {n.free, n.cached};
}

TEST(PagesModel, random_operations) {
  u64 used_lists = 0;
  EXPECT_MODEL_AGREES([&] {
    start_machine();
    const auto before = free_and_cached();
    require(before[1] == 0, "{} pages in lists at the start", before[1]);
    RealPages pages;
    run_model(pages, model_operations, 1000);
    used_lists = count_pages().cached;
    drain_all_cpus();
    require(free_and_cached() == before, "{} pages leaked", before[0] - free_and_cached()[0]);
    require(pages_are_consistent(), "lists, tags and counts disagree");
  });
  EXPECT_GT(used_lists, 0u);
  prove("mem.pages: {} operations on {} CPUs, one in 1000 allocations failed on purpose, "
        "conservation after each, nothing leaked",
        model_operations, cpus);
}

TEST(Pages, everything_can_be_had_once) {
  EXPECT_MODEL_AGREES([] {
    start_machine();
    const u64 all = count_pages().free;
    // What holds frame words and page tables is never given away.
    Claims claims;
    const auto got = take_all_pages();
    for (const Pfn p : got) {
      claims.take(phys_of(p).value, page_size);
      const VirtAddr word(frame_words_base + p.value * sizeof(FrameWord));
      require(translate(word).has_value(), "{:#x} has no word", p.value);
    }
    require(got.size() == all, "{} pages of {}", got.size(), all);
    u64 words = 0;
    for (u64 at = frame_words_base; at < frame_words_base + 512 * mib / page_size * 8;
         at += page_size)
      if (const auto t = translate(VirtAddr(at))) {
        claims.take(t->address.value, page_size);
        require(t->leaf.is_writable() && !t->leaf.is_executable(), "rights of {:#x}", at);
        ++words;
      }
    require(words > 0, "no words are mapped");
    give_all_pages(got);
    require(count_pages().free == all, "{} pages leaked", all - count_pages().free);
  });
}

struct GivesTwice : RealPages {
  u64 calls = 0;
  Pfn last{};
  Result<Pfn> allocate(unsigned order, Fill fill) {
    if (order == 0 && last != Pfn() && ++calls == 1000) return last;
    Result<Pfn> p = RealPages::allocate(order, fill);
    if (order == 0 && p.ok()) last = *p;
    return p;
  }
};
struct ForgetsToFree : RealPages {
  u64 calls = 0;
  void free(Pfn p, unsigned order) {
    if (++calls != 100) RealPages::free(p, order);
  }
};
struct ForgetsToZero : RealPages {
  Result<Pfn> allocate(unsigned order, Fill) { return RealPages::allocate(order, Fill::overwrite); }
};

// Each leaves the machine in pieces, so it runs in a process of its own.
template <class Allocator> void expect_caught(const char* why) {
  EXPECT_EXIT(
      {
        start_machine();
        Allocator broken;
        const std::string said = complaint_of([&] { run_model(broken, 20'000, 0); });
        std::_Exit(said.find(why) != said.npos ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(PagesModel, catches_broken_allocators) {
  expect_caught<GivesTwice>("overlaps");
  expect_caught<ForgetsToFree>("are not");
  expect_caught<ForgetsToZero>("is not zero");
}

}  // namespace
}  // namespace auk::mem
