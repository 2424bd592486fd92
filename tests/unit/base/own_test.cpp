#include "base/own.hpp"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace auk {
namespace {

struct Thing : RefCounted<Thing> {
  static inline int destroyed = 0;
  static void destroy(Thing* t) {
    ++destroyed;
    delete t;
  }
};

TEST(Ref, destroys_with_the_last_reference) {
  Thing::destroyed = 0;
  {
    const auto a = Ref<Thing>::adopt(new Thing);
    EXPECT_EQ(a->ref_count(), 1u);
    {
      const Ref<Thing> b = a;
      EXPECT_EQ(a->ref_count(), 2u);
      EXPECT_EQ(a, b);
    }
    EXPECT_EQ(a->ref_count(), 1u);
  }
  EXPECT_EQ(Thing::destroyed, 1);
}

TEST(Ref, moves_and_assigns) {
  Thing::destroyed = 0;
  auto a = Ref<Thing>::adopt(new Thing);
  auto b = Ref<Thing>::adopt(new Thing);
  Thing* const raw_b = b.get();
  a = std::move(b);
  EXPECT_EQ(Thing::destroyed, 1);
  EXPECT_EQ(a.get(), raw_b);
  EXPECT_EQ(b.get(), nullptr);  // NOLINT(bugprone-use-after-move): that it is empty is the contract
  const Ref<Thing> same(*a);
  EXPECT_EQ(a->ref_count(), 2u);
  a = same;
  EXPECT_EQ(a->ref_count(), 2u);
  auto& alias = a;
  a = alias;
  EXPECT_EQ(a->ref_count(), 2u);
}

TEST(Ref, in_a_result_is_one_word) {
  static_assert(sizeof(Result<Ref<Thing>>) == sizeof(void*));
  Thing::destroyed = 0;
  { const Result<Ref<Thing>> r(Ref<Thing>::adopt(new Thing)); }
  EXPECT_EQ(Thing::destroyed, 1);
  {
    Result<Ref<Thing>> r(Ref<Thing>::adopt(new Thing));
    const Ref<Thing> taken = r.take();
    EXPECT_EQ(taken->ref_count(), 1u);
  }
  EXPECT_EQ(Thing::destroyed, 2);
  { const Result<Ref<Thing>> r(Errno::enomem); }
  EXPECT_EQ(Thing::destroyed, 2);
}

TEST(Refcount, never_comes_back_from_zero) {
  Refcount n;
  EXPECT_TRUE(n.put());
  EXPECT_FALSE(n.try_get());
  EXPECT_EQ(n.read(), 0u);
  host_warnings = 0;
  n.get();
  EXPECT_EQ(host_warnings, 1u);
  EXPECT_FALSE(n.put());
  EXPECT_GE(n.read(), 0x80000000u);
}

TEST(Refcount, saturates_instead_of_wrapping) {
  host_warnings = 0;
  Refcount n(0xbfffffff);
  n.get();
  EXPECT_EQ(host_warnings, 0u);
  n.get();
  EXPECT_EQ(host_warnings, 1u);
  EXPECT_EQ(n.read(), 0xc0000000u);
  EXPECT_TRUE(n.try_get());
  EXPECT_EQ(n.read(), 0xc0000000u);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(n.put());
  EXPECT_EQ(n.read(), 0xc0000000u);
}

TEST(Refcount, one_put_too_many_is_reported_and_leaks) {
  host_warnings = 0;
  Refcount n;
  EXPECT_TRUE(n.put());
  EXPECT_FALSE(n.put());
  EXPECT_EQ(host_warnings, 1u);
  EXPECT_FALSE(n.put());
  EXPECT_FALSE(n.put());
}

TEST(Refcount, many_threads) {
  Refcount n;
  std::vector<std::thread> threads;
  std::atomic<int> last = 0;
  for (int t = 0; t < 4; ++t) {
    n.get();
    threads.emplace_back([&] {
      for (int i = 0; i < 10000; ++i) {
        if (!n.try_get()) std::abort();
        if (n.put()) ++last;
      }
      if (n.put()) ++last;
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(last, 0);
  EXPECT_TRUE(n.put());
}

}  // namespace
}  // namespace auk
