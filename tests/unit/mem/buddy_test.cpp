#include "mem/buddy.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

#include "mem/machine.hpp"

namespace auk::mem {
namespace {

using namespace auk::test;

constexpr usize sections = 4;
constexpr usize pages = sections * pages_per_section;

/// Frames above the machine's RAM: they have words, and nobody else uses them.
Pfn base() { return host::frame_word_end() - pages; }

/// One flag for each frame.
class Model {
  std::vector<char> free_ = std::vector<char>(pages, 0);
  u64 count_ = 0;

 public:
  u64 free_pages() const { return count_; }
  void add(Pfn first, u64 n, char is_free) {
    for (u64 i = first - base(); i < (first - base()) + n; ++i) {
      count_ = count_ + static_cast<u64>(is_free) - static_cast<u64>(free_[i]);
      free_[i] = is_free;
    }
  }
  bool is_free(Pfn first, u64 n) const {
    if (first < base() || first + n > base() + pages) return false;
    const auto from = free_.begin() + static_cast<isize>(first - base());
    return std::all_of(from, from + static_cast<isize>(n), [](char f) { return f != 0; });
  }
  void take(Pfn first, unsigned order) {
    const u64 n = u64{1} << order;
    require((first.value & (n - 1)) == 0, "{:#x} is not aligned to order {}", first.value, order);
    require(is_free(first, n), "{:#x} of order {} is not all free", first.value, order);
    add(first, n, 0);
  }
  bool has_run(unsigned order) const {
    const u64 n = u64{1} << order;
    for (Pfn p = base(); p < base() + pages; p += n)
      if (is_free(p, n)) return true;
    return false;
  }
};

/// Plays the memory behind frame words: uses up pages as the real one does, now and then has none.
class Words final : public FrameWordMapper {
  Model& model_;
  Random random_;
  bool fails_;

 public:
  u64 failures = 0;

  Words(Model& model, u64 seed, bool fails) : model_(model), random_(seed), fails_(fails) {}
  std::optional<usize> map_words(Pfn first, Pfn last, PhysRange donor) override {
    const usize need = ((last - first) * sizeof(FrameWord)) / page_size + random_.between(1, 3);
    const Pfn start((first.value >> section_shift) << section_shift);
    if (donor.size() >> page_shift < need || (fails_ && random_.one_in(3))) {
      ++failures;
      model_.add(start, pages_per_section, 0);
      return std::nullopt;
    }
    require(model_.is_free(pfn_of(donor.start), donor.size() >> page_shift), "donor is not free");
    model_.add(pfn_of(donor.start), need, 0);
    for (Pfn p = first; p < last; ++p) write_frame(p, FrameWord::of(FrameTag::absent));
    return need;
  }
};

/// Some of every section: ranges of all sizes, with holes.
void add_some_memory(BootMemory& memory, Model& model, Random& random) {
  Pfn at = base() + random.below(100);
  while (at < base() + pages) {
    const u64 longest = random.one_in(3) ? 20'000 : 2'000;
    const u64 n = std::min(random.between(1, longest), base() + pages - at);
    memory.add({phys_of(at), phys_of(at + n)});
    model.add(at, n, 1);
    at += n + random.between(1, random.one_in(2) ? 10 : 3'000);
  }
}

struct Block {
  Pfn first;
  unsigned order;
};

/// Small orders often, large ones now and then.
unsigned some_order(Random& random) {
  return random.one_in(8) ? static_cast<unsigned>(random.between(0, max_order))
                          : static_cast<unsigned>(random.below(3));
}

template <class Allocator>
void allocate_and_free(Allocator& buddy, Model& model, Random& random, u64 operations) {
  std::vector<Block> blocks;
  const auto free_one = [&](usize i) {
    const Block b = blocks[i];
    blocks[i] = blocks.back();
    blocks.pop_back();
    buddy.free(b.first, b.order);
    model.add(b.first, u64{1} << b.order, 1);
  };
  u64 refusals = 0;
  for (u64 i = 0; i < operations; ++i) {
    // Tides: mostly taking, then mostly giving back.
    const bool rising = (i / 20'000) % 2 == 0;
    if (blocks.empty() || random.one_in(3) != rising) {
      const unsigned order = some_order(random);
      if (const auto p = buddy.allocate(order)) {
        model.take(*p, order);
        blocks.push_back({*p, order});
      } else if (refusals++ % 64 == 0) {
        require(!model.has_run(order), "refused order {}, but there is a run", order);
      }
    } else {
      free_one(random.below(blocks.size()));
    }
    require(buddy.free_pages() == model.free_pages(), "{} pages free, not {}", buddy.free_pages(),
            model.free_pages());
    if (i % 20'000 == 0) require(buddy.is_consistent(), "lists, tags and counts disagree");
  }
  require(!buddy.allocate(max_order + 1), "order {} exists", max_order + 1);
  while (!blocks.empty()) free_one(random.below(blocks.size()));
}

std::array<u64, order_count> runs(const Buddy& buddy) {
  std::array<u64, order_count> n{};
  for (unsigned o = 0; o < order_count; ++o) n[o] = buddy.free_runs(o);
  return n;
}

/// A zone of its own for each part of the run.
struct Zone {
  Random random;
  BootMemory boot_memory;
  Model model;
  Words words;
  std::vector<u64> storage;
  Buddy buddy;

  Zone(u64 seed, bool fails) : random(seed), words(model, seed, fails) {
    add_some_memory(boot_memory, model, random);
    const Pfn end = pfn_of(boot_memory.end());
    storage.resize(Buddy::storage_size(end) / sizeof(u64) + 1);
    buddy.attach({reinterpret_cast<byte*>(storage.data()), storage.size() * sizeof(u64)}, end,
                 boot_memory, words);
    require(buddy.free_pages() == model.free_pages(), "not all memory was taken over");
    require(buddy.managed_pages() == model.free_pages(), "not all memory is managed");
  }
  /// Takes everything once, page by page, so that no section stays closed.
  void open_all() {
    std::vector<Pfn> all;
    while (const auto p = buddy.allocate(0)) {
      model.take(*p, 0);
      all.push_back(*p);
    }
    require(buddy.free_pages() == 0 && model.free_pages() == 0, "refused with pages left");
    for (const Pfn p : all) {
      buddy.free(p, 0);
      model.add(p, 1, 1);
    }
  }
};

TEST(BuddyModel, random_operations) {
  constexpr u64 zones = 20;
  u64 lost_sections = 0;
  EXPECT_MODEL_AGREES([&] {
    start_machine();
    for (u64 i = 0; i < zones; ++i) {
      const auto zone = std::make_unique<Zone>(Random::seed() + i, i % 3 == 2);
      // Half of them start with everything closed, and open section by section.
      const bool opened = i % 2 == 0;
      if (opened) zone->open_all();
      const auto before = runs(zone->buddy);
      allocate_and_free(zone->buddy, zone->model, zone->random, model_operations / zones);
      require(!opened || runs(zone->buddy) == before, "the free lists are not those of the start");
      const auto after = runs(zone->buddy);
      zone->open_all();
      require(runs(zone->buddy) == after || !opened, "not everything merged");
      require(zone->buddy.is_consistent(), "lists, tags and counts disagree");
      lost_sections += zone->words.failures;
    }
  });
  EXPECT_GT(lost_sections, 0u);
  prove("mem.buddy: {} operations of orders 0 to {} on {} zones with holes, {} sections without "
        "words, no overlap, all merged back",
        model_operations, max_order, zones, lost_sections);
}

/// Hands one block out twice.
class GivesTwice {
  Buddy& buddy_;
  u64 calls_ = 0;
  std::optional<Pfn> last_;

 public:
  explicit GivesTwice(Buddy& b) : buddy_(b) {}
  std::optional<Pfn> allocate(unsigned order) {
    if (++calls_ != 1000) last_ = buddy_.allocate(order);
    return last_;
  }
  void free(Pfn p, unsigned order) { buddy_.free(p, order); }
  u64 free_pages() const { return buddy_.free_pages(); }
  bool is_consistent() const { return buddy_.is_consistent(); }
};

/// Forgets the second half of some runs.
class LosesHalves {
  Buddy& buddy_;
  u64 calls_ = 0;

 public:
  explicit LosesHalves(Buddy& b) : buddy_(b) {}
  std::optional<Pfn> allocate(unsigned order) { return buddy_.allocate(order); }
  void free(Pfn p, unsigned order) {
    buddy_.free(p, order > 0 && ++calls_ % 100 == 0 ? order - 1 : order);
  }
  u64 free_pages() const { return buddy_.free_pages(); }
  bool is_consistent() const { return buddy_.is_consistent(); }
};

TEST(BuddyModel, catches_broken_allocators) {
  start_machine();
  const auto complaint = [](auto wrap) {
    return complaint_of([&] {
      const auto zone = std::make_unique<Zone>(Random::seed(), false);
      auto broken = wrap(zone->buddy);
      allocate_and_free(broken, zone->model, zone->random, 10'000);
    });
  };
  EXPECT_EQ(complaint([](Buddy& b) -> Buddy& { return b; }), "");
  EXPECT_NE(complaint([](Buddy& b) { return GivesTwice(b); }).find("not all free"),
            std::string::npos);
  EXPECT_NE(complaint([](Buddy& b) { return LosesHalves(b); }).find("pages free, not"),
            std::string::npos);
}

TEST(Buddy, asserts_on_what_is_not_allocated) {
  start_machine();
  const auto zone = std::make_unique<Zone>(1, false);
  const Pfn p = *zone->buddy.allocate(3);
  EXPECT_THROW(zone->buddy.free(p + 1, 3), HostBug);
  EXPECT_THROW(zone->buddy.free(p + 1, 0), HostBug);
  zone->buddy.free(p, 3);
  EXPECT_THROW(zone->buddy.free(p, 3), HostBug);
  EXPECT_TRUE(zone->buddy.is_consistent());
}

}  // namespace
}  // namespace auk::mem
