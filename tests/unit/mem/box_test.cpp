#include "mem/box.hpp"

#include <gtest/gtest.h>
#include <vector>

#include "mem/machine.hpp"

namespace auk::mem {
namespace {

using namespace auk::test;

i64 living = 0;

/// Counts its lives; three sizes, the last one in a cache of its own.
template <usize size> struct Thing {
  std::array<byte, size> room{};
  u64 stamp;

  explicit Thing(u64 s) : stamp(s) { ++living; }
  Thing(const Thing&) = delete;
  Thing& operator=(const Thing&) = delete;
  ~Thing() {
    stamp = ~u64{0};
    --living;
  }
};
constinit Cache own_cache("test-box", 192);
struct OwnCacheThing : Thing<184> {
  using Thing::Thing;
  static Cache& cache() { return own_cache; }
};
struct Counted : Thing<40>, RefCounted<Counted> {
  using Thing::Thing;
  static void destroy(Counted* c) { mem::destroy(c); }
};

struct RealMaker {
  template <class T> Result<Box<T>> box(u64 stamp) { return Box<T>::make(ALLOC_SITE, stamp); }
  Result<Ref<Counted>> ref(u64 stamp) { return make_ref<Counted>(ALLOC_SITE, stamp); }
  void drop(Ref<Counted> r) { r = Ref<Counted>::adopt(nullptr); }
};

/// Boxes and the stamps that must be in them.
template <class T> struct Boxes {
  struct Entry {
    Box<T> box;
    u64 stamp;
  };
  std::vector<Entry> entries;

  template <class Maker> void make(Maker& maker, u64 stamp) {
    const i64 before = living;
    Result<Box<T>> b = maker.template box<T>(stamp);
    require(living == before + (b.ok() ? 1 : 0), "made {} objects", living - before);
    require(b.ok() || b.error() == Errno::enomem, "not ENOMEM");
    if (b.ok()) entries.push_back({b.take(), stamp});
  }
  /// Two boxes change places, or one dies.
  void change(Random& random) {
    if (entries.empty()) return;
    Entry& a = entries[random.below(entries.size())];
    Entry& b = entries[random.below(entries.size())];
    require(a.box && a.box->stamp == a.stamp, "box with the wrong contents");
    std::swap(a, b);
    if (random.one_in(2)) return;
    const i64 before = living;
    entries.back().box = Box<T>();
    entries.pop_back();
    require(living == before - 1, "{} objects died", before - living);
  }
};

/// References to objects, and how many of them the model counts.
struct Refs {
  struct Entry {
    Counted* object;
    std::vector<Ref<Counted>> refs;
    u64 stamp;
  };
  std::vector<Entry> entries;

  template <class Maker> void make(Maker& maker, u64 stamp) {
    Result<Ref<Counted>> r = maker.ref(stamp);
    require(r.ok() || r.error() == Errno::enomem, "not ENOMEM");
    if (!r.ok()) return;
    Entry& e = entries.emplace_back();
    e.refs.push_back(r.take());
    e.object = e.refs[0].get();
    e.stamp = stamp;
  }
  template <class Maker> void change(Maker& maker, Random& random) {
    if (entries.empty()) return;
    Entry& e = entries[random.below(entries.size())];
    require(e.object->ref_count() == e.refs.size(), "count {} of {}", e.object->ref_count(),
            e.refs.size());
    require(e.object->stamp == e.stamp, "object with the wrong contents");
    const i64 before = living;
    if (random.one_in(3)) {
      e.refs.push_back(e.refs.front());
    } else if (random.one_in(3)) {
      e.refs.push_back(Ref<Counted>(*e.object));
    } else {
      maker.drop(std::move(e.refs.back()));
      e.refs.pop_back();
    }
    require(living == before - (e.refs.empty() ? 1 : 0), "{} objects died", before - living);
    if (!e.refs.empty()) return;
    std::swap(e, entries.back());
    entries.pop_back();
  }
};

template <class Maker> u64 run_model(Maker& maker, u64 operations, u64 fail_one_in) {
  Random random(Random::seed());
  RandomFailures failures(random.next(), fail_one_in);
  Boxes<Thing<8>> small;
  Boxes<Thing<1000>> large;
  Boxes<OwnCacheThing> own;
  Refs refs;
  for (u64 i = 0; i < operations; ++i) {
    play_cpu(random.below(cpus));
    const usize count = small.entries.size() + large.entries.size() + own.entries.size();
    const bool grow = count < 5000 && random.one_in(2);
    switch (random.below(4)) {
      case 0: grow ? small.make(maker, i) : small.change(random); break;
      case 1: grow ? large.make(maker, i) : large.change(random); break;
      case 2: grow ? own.make(maker, i) : own.change(random); break;
      default: random.one_in(4) ? refs.make(maker, i) : refs.change(maker, random); break;
    }
    require(living == static_cast<i64>(small.entries.size() + large.entries.size() +
                                       own.entries.size() + refs.entries.size()),
            "{} objects live", living);
  }
  return failures.injected;
}

TEST(BoxModel, random_operations) {
  u64 injected = 0;
  EXPECT_MODEL_AGREES([&] {
    start_machine();
    const u64 before = pages_in_use();
    RealMaker maker;
    injected = run_model(maker, model_operations, 100);
    require(living == 0, "{} objects live", living);
    require(own_cache.counts().objects == 0, "{} in the cache", own_cache.counts().objects);
    require(pages_in_use() == before, "{} pages leaked", pages_in_use() - before);
  });
  EXPECT_GT(injected, 1000u);
  prove("mem.box: {} operations on boxes and counted references, {} allocations failed on purpose, "
        "counts and lives those of the model, nothing leaked",
        model_operations, injected);
}

struct DropsTwice : RealMaker {
  u64 calls = 0;
  void drop(Ref<Counted> r) {
    if (++calls == 100 && r->ref_count() > 1) (void)Ref<Counted>::adopt(r.get());
    if (calls == 100 && r->ref_count() <= 1) --calls;
  }
};
struct ForgetsToDrop : RealMaker {
  u64 calls = 0;
  void drop(Ref<Counted> r) {
    if (++calls == 100) (void)r.release();
  }
};

template <class Maker> void expect_caught() {
  EXPECT_EXIT(
      {
        start_machine();
        Maker broken;
        // What is wrong by then may not be torn down, so the process ends where the model speaks.
        std::set_terminate([] { std::_Exit(1); });
        std::_Exit(complaint_of([&] { run_model(broken, 20'000, 0); }).empty() ? 0 : 1);
      },
      testing::ExitedWithCode(1), "");
}

TEST(BoxModel, catches_wrong_counts) {
  expect_caught<DropsTwice>();
  expect_caught<ForgetsToDrop>();
}

}  // namespace
}  // namespace auk::mem
