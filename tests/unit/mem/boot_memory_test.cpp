#include "mem/boot_memory.hpp"

#include <gtest/gtest.h>
#include <vector>

#include "mem/machine.hpp"

namespace auk::mem {
namespace {

using namespace auk::test;

/// One flag for each page of a small memory.
class Model {
  std::vector<char> usable_;

 public:
  explicit Model(usize pages) : usable_(pages, 0) {}

  u64 end() const { return usable_.size() * page_size; }
  void set(u64 first, u64 last, bool usable) {
    for (u64 p = first; p < last; ++p) usable_[p] = usable ? 1 : 0;
  }
  bool is_usable(u64 start, u64 size) const {
    for (u64 p = start >> page_shift; p < (start + size) >> page_shift; ++p)
      if (p >= usable_.size() || usable_[p] == 0) return false;
    return true;
  }
  std::optional<u64> highest(u64 size, u64 align, u64 limit) const {
    for (u64 at = end(); at >= align;) {
      at -= align;
      if (at + size <= limit && is_usable(at, size)) return at;
    }
    return std::nullopt;
  }
  std::optional<u64> lowest(u64 size, u64 align, u64 from) const {
    for (u64 at = 0; at < end(); at += align)
      if (at >= from && is_usable(at, size)) return at;
    return std::nullopt;
  }
  u64 bytes() const {
    u64 pages = 0;
    for (const char u : usable_) pages += static_cast<u64>(u);
    return pages * page_size;
  }
  /// The ranges are the flags: ascending, apart from each other, page-aligned, all of them.
  void compare(const BootMemory& memory) const {
    u64 at = 0;
    const auto expect_until = [&](u64 until, char usable) {
      for (; at < until; at += page_size)
        require(at < end() && usable_[at >> page_shift] == usable, "page {:#x} is listed wrongly",
                at);
    };
    for (const PhysRange& r : memory.ranges()) {
      require(!r.empty() && (r.start.value & page_mask) == 0 && (r.end.value & page_mask) == 0,
              "range [{:#x}, {:#x})", r.start.value, r.end.value);
      require(at == 0 || r.start.value > at, "range at {:#x} touches the one before",
              r.start.value);
      expect_until(r.start.value, 0);
      expect_until(r.end.value, 1);
    }
    expect_until(end(), 0);
    require(memory.free_bytes() == bytes(), "{} bytes free, not {}", memory.free_bytes(), bytes());
  }
};

/// A range of whole or broken pages, not empty.
PhysRange some_range(Random& random, u64 end, u64 longest) {
  const u64 start = random.below(end - 1);
  const u64 size = std::min(random.between(1, longest), end - start);
  const bool whole = random.one_in(2);
  PhysRange r{PhysAddr(start), PhysAddr(start + size)};
  if (whole) r = {PhysAddr(start & ~page_mask), PhysAddr((start & ~page_mask) + page_size)};
  return r;
}

template <class Memory> void run_model(Memory& memory, u64 operations, u64 seed) {
  Random random(seed);
  Model model(96);
  for (u64 i = 0; i < operations; ++i) {
    const u64 size = random.between(1, 6) * page_size;
    const u64 align = page_size << random.below(4);
    const auto took = [&](std::optional<PhysAddr> got, std::optional<u64> right) {
      require(got.has_value() == right.has_value(), "{} a place", got ? "invented" : "missed");
      if (!got) return;
      require(got->value == *right, "{:#x} instead of {:#x}", got->value, *right);
      model.set(*right >> page_shift, (*right + size) >> page_shift, false);
    };
    switch (random.below(8)) {
      case 0:
      case 1: {
        const PhysRange r = some_range(random, model.end(), 16 * page_size);
        memory.add(r);
        model.set((r.start.value + page_mask) >> page_shift, r.end.value >> page_shift, true);
        break;
      }
      case 2: {
        const PhysRange r = some_range(random, model.end(), 8 * page_size);
        memory.reserve(r);
        model.set(r.start.value >> page_shift, (r.end.value + page_mask) >> page_shift, false);
        break;
      }
      case 3:
      case 4: {
        const u64 limit = random.between(1, model.end());
        took(memory.allocate(size, align, PhysAddr(limit)), model.highest(size, align, limit));
        break;
      }
      case 5:
      case 6: {
        const u64 from = random.below(model.end());
        took(memory.allocate_low(size, align, PhysAddr(from)), model.lowest(size, align, from));
        break;
      }
      default: {
        const u64 start = random.below(model.end()) & ~page_mask;
        const PhysRange window{PhysAddr(start), PhysAddr(start + size)};
        const auto got = memory.take_range(window);
        if (got) {
          require(window.start <= got->start && got->end <= window.end, "took outside the window");
          require(model.is_usable(got->start.value, got->size()), "took what was not usable");
          model.set(got->start.value >> page_shift, got->end.value >> page_shift, false);
        } else {
          for (u64 p = window.start.value; p < window.end.value; p += page_size)
            require(!model.is_usable(p, page_size), "left {:#x} in the window", p);
        }
        break;
      }
    }
    if (i % 8 == 0) model.compare(memory);
  }
  model.compare(memory);
}

TEST(BootMemoryModel, random_operations) {
  EXPECT_MODEL_AGREES([] {
    BootMemory memory;
    run_model(memory, model_operations, Random::seed());
  });
  prove("mem.boot_memory: {} operations, every place the one of the model", model_operations);
}

/// Forgets to cut out what it hands out.
class GivesTwice {
  BootMemory memory_;
  u64 calls_ = 0;

 public:
  void add(PhysRange r) { memory_.add(r); }
  void reserve(PhysRange r) { memory_.reserve(r); }
  std::optional<PhysAddr> allocate(u64 size, u64 align, PhysAddr limit) {
    const auto at = memory_.allocate(size, align, limit);
    if (at && ++calls_ == 100) memory_.add({*at, *at + size});
    return at;
  }
  std::optional<PhysAddr> allocate_low(u64 size, u64 align, PhysAddr from) {
    return memory_.allocate_low(size, align, from);
  }
  std::optional<PhysRange> take_range(PhysRange window) { return memory_.take_range(window); }
  operator const BootMemory&() const { return memory_; }
};

TEST(BootMemoryModel, catches_a_block_given_twice) {
  GivesTwice memory;
  EXPECT_NE(complaint_of([&] { run_model(memory, 10'000, Random::seed()); }), "");
}

TEST(BootMemory, a_full_table_loses_memory_but_invents_none) {
  EXPECT_MODEL_AGREES([] {
    constexpr u64 pages = 4096;
    Random random(Random::seed());
    BootMemory memory;
    memory.add({PhysAddr(0), PhysAddr(pages * page_size)});
    Claims claims;
    const u64 before = memory.free_bytes();
    for (u64 i = 0; i < 20'000; ++i) {
      const u64 at = random.below(pages) * page_size;
      memory.reserve({PhysAddr(at), PhysAddr(at + page_size)});
    }
    u64 got = 0;
    while (const auto at = memory.allocate(page_size, page_size, PhysAddr(pages * page_size))) {
      claims.take(at->value, page_size);
      got += page_size;
    }
    require(got < before && memory.free_bytes() == 0, "{} bytes of {}", got, before);
  });
}

TEST(BootMemory, addresses_at_the_end_of_all_addresses) {
  BootMemory memory;
  const u64 last = ~u64{0};
  memory.add({PhysAddr(last - 100), PhysAddr(last)});
  EXPECT_TRUE(memory.ranges().empty());
  memory.add({PhysAddr(0), PhysAddr(page_size)});
  memory.add({PhysAddr(last - 4 * page_size), PhysAddr(last)});
  EXPECT_EQ(memory.free_bytes(), 4 * page_size);
  memory.reserve({PhysAddr(last - 100), PhysAddr(last)});
  EXPECT_EQ(memory.free_bytes(), 4 * page_size);
  EXPECT_EQ(memory.allocate_low(page_size, page_size, PhysAddr(last - 100)), std::nullopt);
}

}  // namespace
}  // namespace auk::mem
