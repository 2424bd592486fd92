#include "base/result.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace auk {
namespace {

// What goes into which registers is part of the contract.
static_assert(sizeof(Result<void>) == 4);
static_assert(sizeof(Result<u32>) == 8);
static_assert(sizeof(Result<u64>) == 16);
static_assert(sizeof(Result<int*>) == sizeof(void*));

int destroyed;
struct Counted {
  bool live = true;
  Counted() = default;
  Counted(Counted&& o) noexcept : live(std::exchange(o.live, false)) {}
  ~Counted() {
    if (live) ++destroyed;
  }
};

Result<int> half(int n) {
  if (n % 2 != 0) return Errno::einval;
  return n / 2;
}
Result<int> quarter(int n) { return TRY(half(TRY(half(n)))); }
Result<void> check(int n) {
  if (n < 0) return Fail(Errno::erange);
  return {};
}
Result<int*> checked_pointer(int n, int* p) {
  TRY(check(n));
  return p;
}

TEST(Result, holds_a_value_or_an_errno) {
  EXPECT_TRUE(half(4).ok());
  EXPECT_EQ(half(4).take(), 2);
  EXPECT_EQ(half(4).error(), Errno{});
  EXPECT_FALSE(half(3).ok());
  EXPECT_FALSE(half(3));
  EXPECT_EQ(half(3).error(), Errno::einval);
  EXPECT_EQ(half(3).value_or(7), 7);
  EXPECT_EQ(half(8).value_or(7), 4);
}

TEST(Result, try_passes_the_errno_on) {
  EXPECT_EQ(quarter(12).take(), 3);
  EXPECT_EQ(quarter(6).error(), Errno::einval);
  EXPECT_EQ(quarter(5).error(), Errno::einval);
}

TEST(Result, try_crosses_payload_types) {
  int x = 0;
  EXPECT_EQ(checked_pointer(1, &x).take(), &x);
  EXPECT_EQ(checked_pointer(-1, &x).error(), Errno::erange);
}

TEST(Result, pointer_shares_its_word_with_the_errno) {
  int x = 0;
  EXPECT_TRUE(Result<int*>(&x).ok());
  EXPECT_TRUE(Result<int*>(nullptr).ok());
  EXPECT_EQ(Result<int*>(nullptr).take(), nullptr);
  for (int e = 1; e <= 4095; ++e) {
    const Result<int*> r(static_cast<Errno>(e));
    ASSERT_FALSE(r.ok());
    ASSERT_EQ(static_cast<int>(r.error()), e);
  }
  // The last address that is no errno.
  EXPECT_TRUE(Result<int*>(reinterpret_cast<int*>(uptr{0} - 4096)).ok());
}

TEST(Result, taking_from_a_failure_is_a_bug) {
  EXPECT_THROW((void)half(1).take(), HostBug);
  EXPECT_THROW((void)*half(1), HostBug);
  EXPECT_THROW((void)Result<int*>(Errno::eio).take(), HostBug);
  EXPECT_THROW(Result<void>(Errno::eio).take(), HostBug);
}

TEST(Result, payload_dies_once) {
  destroyed = 0;
  {
    Result<Counted> r{Counted()};
    Result<Counted> moved(std::move(r));
    EXPECT_EQ(destroyed, 0);
  }
  EXPECT_EQ(destroyed, 1);
  {
    Result<Counted> r{Counted()};
    const Counted taken = r.take();
    EXPECT_TRUE(taken.live);
  }
  EXPECT_EQ(destroyed, 2);
  { const Result<Counted> failed(Errno::enomem); }
  EXPECT_EQ(destroyed, 2);
}

TEST(Result, heavy_payload_moves_through) {
  const auto make = [](bool good) -> Result<std::string> {
    if (!good) return Errno::enoent;
    return std::string(100, 'x');
  };
  EXPECT_EQ(make(true).take().size(), 100u);
  EXPECT_EQ(make(true)->size(), 100u);
  EXPECT_EQ(make(false).value_or("other"), "other");
}

TEST(Result, is_usable_at_compile_time) {
  constexpr auto value = [] { return Result<int>(3).take(); }();
  static_assert(value == 3);
  static_assert(!Result<int>(Errno::eio).ok());
}

}  // namespace
}  // namespace auk
