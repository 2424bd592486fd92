#include "mem/slab.hpp"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <vector>

#include "mem/machine.hpp"
#include "mem/percpu_area.hpp"

namespace auk::mem {
namespace {

using namespace auk::test;

/// Caches of sizes that no size class has: many and few objects in a slab, one with a tail.
constinit std::array own_caches{Cache("test-16", 16), Cache("test-80", 80), Cache("test-272", 272),
                                Cache("test-1280", 1280), Cache("test-5120", 5120)};

struct Object {
  void* at;
  u32 size;
  Cache* cache;  ///< null: whole pages
  u64 stamp;
};

constexpr std::array<byte, 64 * kib> zeros{};

/// Fills small objects with their stamp, and both ends of large ones.
template <class F> void each_stamp(const Object& o, F f) {
  auto* const bytes = static_cast<byte*>(o.at);
  for (u32 i = 0; i + sizeof(u64) <= o.size; i += sizeof(u64))
    if (i < 64 || i + 64 > o.size) f(bytes + i);
}
void stamp(const Object& o) {
  each_stamp(o, [&](byte* p) { std::memcpy(p, &o.stamp, sizeof(u64)); });
}
bool is_stamped(const Object& o) {
  bool right = true;
  each_stamp(o, [&](byte* p) { right &= std::memcmp(p, &o.stamp, sizeof(u64)) == 0; });
  return right;
}

/// The kernel's functions as an object, so that a broken one can stand in their place.
struct RealSlab {
  Result<void*> allocate(Cache* own, u32 size) {
    return own != nullptr ? own->allocate(ALLOC_SITE) : mem::allocate(ALLOC_SITE, size);
  }
  void free(Cache* own, void* p) {
    if (own != nullptr)
      own->free(p);
    else
      mem::free(p);
  }
};

u32 some_size(Random& random) {
  if (random.one_in(500)) return static_cast<u32>(random.between(8192, 64 * kib));
  if (random.one_in(20)) return static_cast<u32>(random.between(513, 8192));
  return static_cast<u32>(random.between(1, 512));
}

template <class Allocator> void run_model(Allocator& allocator, u64 operations, u64 fail_one_in) {
  Random random(Random::seed());
  Claims claims;
  std::vector<Object> objects;
  std::unordered_map<Cache*, u64> live;
  const auto check_count = [&](Cache* c) {
    if (c == nullptr) return;
    const u64 n = c->counts().objects;
    require(n == live[c], "{} has {} objects, not {}", c->name(), n, live[c]);
  };
  const auto free_one = [&](usize i) {
    const Object o = objects[i];
    objects[i] = objects.back();
    objects.pop_back();
    require(is_stamped(o), "somebody wrote into the object of {} bytes at {}", o.size, o.at);
    claims.give(reinterpret_cast<uptr>(o.at));
    --live[o.cache];
    // Now and then by the general function, which has to find the cache.
    const bool is_own = o.cache >= own_caches.begin() && o.cache < own_caches.end();
    allocator.free(is_own && random.one_in(2) ? o.cache : nullptr, o.at);
    check_count(o.cache);
  };
  RandomFailures failures(random.next(), fail_one_in);
  for (u64 i = 0; i < operations; ++i) {
    play_cpu(random.below(cpus));
    const bool rising = (i / 40'000) % 2 == 0;
    if (objects.empty() || random.one_in(3) != rising) {
      Cache* const own = random.one_in(3) ? &own_caches[random.below(own_caches.size())] : nullptr;
      const u32 size = own != nullptr ? own->object_size() : some_size(random);
      Cache* const cache = own != nullptr ? own : size_class(size);
      const u32 room = cache != nullptr ? cache->object_size() : size;
      Result<void*> p = allocator.allocate(own, size);
      if (p.ok()) {
        const Object o{p.take(), size, cache, i};
        const u32 align = (size & (size - 1)) == 0 ? size : 16;
        require(own != nullptr || reinterpret_cast<uptr>(o.at) % std::max(align, 16U) == 0,
                "{} of {} bytes is not aligned", o.at, size);
        claims.take(reinterpret_cast<uptr>(o.at), room);
        require(std::memcmp(o.at, zeros.data(), size) == 0, "{} is not zero", o.at);
        stamp(o);
        objects.push_back(o);
        ++live[cache];
      }
      check_count(cache);
    } else {
      free_one(random.below(objects.size()));
    }
  }
  while (!objects.empty()) free_one(objects.size() - 1);
}

/// Adds up what all caches say.
struct Sum final : CacheVisitor {
  u64 objects = 0;
  u64 slabs = 0;
  u64 caches = 0;
  void visit(const CacheCounts& c) override {
    objects += c.objects;
    slabs += c.slabs;
    ++caches;
  }
};

TEST(SlabModel, random_operations) {
  Sum sum;
  EXPECT_MODEL_AGREES([&] {
    start_machine();
    const u64 before = pages_in_use();
    RealSlab slab;
    run_model(slab, model_operations, 1000);
    drain_all_cpus();
    visit_caches(sum);
    require(sum.objects == 0, "{} objects live", sum.objects);
    require(pages_in_use() == before, "{} pages leaked", pages_in_use() - before);
    require(pages_are_consistent(), "lists, tags and counts disagree");
  });
  EXPECT_GE(sum.caches, own_caches.size() + 18);
  prove("mem.slab: {} operations on {} caches and {} CPUs, one in 1000 allocations failed on "
        "purpose, live counts those of the model after each, zero at the end",
        model_operations, sum.caches, cpus);
}

TEST(Slab, works_without_magazines) {
  EXPECT_MODEL_AGREES([] {
    start_machine();
    static constinit Cache bare("test-bare", 96);
    std::vector<u32> pieces;
    while (const auto p = allocate_percpu(64, 8)) pieces.push_back(*p);
    std::vector<void*> objects;
    for (u32 i = 0; i < 1000; ++i) objects.push_back(bare.allocate(ALLOC_SITE).take());
    require(bare.counts().objects == 1000, "{} objects live", bare.counts().objects);
    for (void* const p : objects) bare.free(p);
    require(bare.counts().objects == 0, "{} objects live", bare.counts().objects);
    for (const u32 p : pieces) free_percpu(p, 64);
  });
}

TEST(Slab, sizes_at_the_borders) {
  start_machine();
  EXPECT_EQ(mem::allocate(ALLOC_SITE, 4 * mib + 1).error(), Errno::enomem);
  EXPECT_EQ(mem::allocate(ALLOC_SITE, ~usize{0}).error(), Errno::enomem);
  EXPECT_EQ(size_class(8193), nullptr);
  EXPECT_EQ(size_class(8192)->object_size(), 8192u);
  mem::free(nullptr);
  for (const usize size : {usize{0}, usize{8192}, usize{8193}, usize{4 * mib}}) {
    Result<void*> p = mem::allocate(ALLOC_SITE, size);
    ASSERT_TRUE(p.ok()) << size;
    mem::free(p.take());
  }
}

TEST(Slab, asserts_on_what_is_not_an_object) {
  start_machine();
  void* const p = own_caches[1].allocate(ALLOC_SITE).take();
  EXPECT_THROW(own_caches[1].free(static_cast<byte*>(p) + 8), HostBug);
  own_caches[1].free(p);
  EXPECT_THROW(own_caches[1].free(p), HostBug);
  // Seen at the latest when the second one leaves the magazine.
  void* const q = own_caches[1].allocate(ALLOC_SITE).take();
  void* const r = own_caches[1].allocate(ALLOC_SITE).take();
  own_caches[1].free(q);
  own_caches[1].free(r);
  own_caches[1].free(q);
  EXPECT_THROW(own_caches[1].drain(), HostBug);
}

struct GivesTwice : RealSlab {
  u64 calls = 0;
  std::unordered_map<Cache*, void*> last;
  Result<void*> allocate(Cache* own, u32 size) {
    if (own != nullptr && last[own] != nullptr && ++calls == 1000) return last[own];
    void* const p = TRY(RealSlab::allocate(own, size));
    if (own != nullptr) last[own] = p;
    return p;
  }
};
struct ForgetsToFree : RealSlab {
  u64 calls = 0;
  void free(Cache* own, void* p) {
    if (++calls != 100) RealSlab::free(own, p);
  }
};
/// Gives less than was asked for, so that neighbours share their ends.
struct GivesTooLittle : RealSlab {
  u64 calls = 0;
  Result<void*> allocate(Cache* own, u32 size) {
    return RealSlab::allocate(own, own == nullptr && size > 32 && ++calls % 10 == 0 ? 16 : size);
  }
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

TEST(SlabModel, catches_broken_allocators) {
  expect_caught<GivesTwice>("overlaps");
  expect_caught<ForgetsToFree>("objects, not");
  expect_caught<GivesTooLittle>("");
}

}  // namespace
}  // namespace auk::mem
