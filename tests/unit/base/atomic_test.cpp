#include "base/atomic.hpp"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace auk {
namespace {

TEST(Atomic, every_operation_returns_what_was_there) {
  Atomic<u32> a(5);
  EXPECT_EQ(a.fetch_add_relaxed(1), 5u);
  EXPECT_EQ(a.fetch_add_acq_rel(1), 6u);
  EXPECT_EQ(a.fetch_sub_relaxed(1), 7u);
  EXPECT_EQ(a.fetch_sub_release(1), 6u);
  EXPECT_EQ(a.fetch_sub_acq_rel(1), 5u);
  EXPECT_EQ(a.fetch_or_relaxed(8), 4u);
  EXPECT_EQ(a.fetch_or_acq_rel(16), 12u);
  EXPECT_EQ(a.fetch_and_relaxed(24), 28u);
  EXPECT_EQ(a.fetch_and_acq_rel(8), 24u);
  EXPECT_EQ(a.exchange_acquire(1), 8u);
  EXPECT_EQ(a.exchange_acq_rel(2), 1u);
  a.store_relaxed(3);
  EXPECT_EQ(a.load_relaxed(), 3u);
  a.store_release(4);
  EXPECT_EQ(a.load_acquire(), 4u);
  a.store_seq_cst(5);
  EXPECT_EQ(a.load_seq_cst(), 5u);
}

TEST(Atomic, failed_exchange_tells_what_it_found) {
  Atomic<u64> a(1);
  const auto try_all = [&](auto cas) {
    u64 expected = 2;
    EXPECT_FALSE((a.*cas)(expected, 9));
    EXPECT_EQ(expected, 1u);
    EXPECT_TRUE((a.*cas)(expected, 2));
    expected = 2;
    EXPECT_TRUE((a.*cas)(expected, 1));
  };
  try_all(&Atomic<u64>::cas_relaxed);
  try_all(&Atomic<u64>::cas_acquire);
  try_all(&Atomic<u64>::cas_release);
  try_all(&Atomic<u64>::cas_acq_rel);
}

TEST(Atomic, holds_pointers_enums_and_bools) {
  int x = 0;
  Atomic<int*> p(nullptr);
  p.store_release(&x);
  EXPECT_EQ(p.load_acquire(), &x);
  enum class Mode : u8 { off, on };
  Atomic<Mode> m(Mode::off);
  Mode expected = Mode::off;
  EXPECT_TRUE(m.cas_acq_rel(expected, Mode::on));
  EXPECT_EQ(m.exchange_acquire(Mode::off), Mode::on);
  Atomic<bool> b(false);
  EXPECT_FALSE(b.exchange_acq_rel(true));
}

TEST(Atomic, adds_of_many_threads_all_count) {
  Atomic<u64> a(0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 10000; ++i) a.fetch_add_relaxed(1);
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(a.load_relaxed(), 40000u);
}

TEST(Atomic, release_publishes) {
  for (int round = 0; round < 200; ++round) {
    Atomic<bool> ready(false);
    int data = 0;
    std::thread writer([&] {
      data = 42;
      ready.store_release(true);
    });
    while (!ready.load_acquire()) std::this_thread::yield();
    EXPECT_EQ(data, 42);
    writer.join();
  }
}

unsigned points;
TEST(Atomic, every_operation_is_a_switch_point) {
  points = 0;
  Atomic<u32> a(0);
  sim_point_hook = [] { ++points; };
  a.store_relaxed(1);
  (void)a.load_acquire();
  (void)a.fetch_add_relaxed(1);
  u32 expected = 2;
  (void)a.cas_relaxed(expected, 3);
  (void)a.exchange_acquire(4);
  sim_point_hook = nullptr;
  EXPECT_EQ(points, 5u);
}

}  // namespace
}  // namespace auk
