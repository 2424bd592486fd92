#include "core/percpu.hpp"

#include <gtest/gtest.h>
#include <thread>

namespace auk::core {
namespace {

AUK_PER_CPU PerCpu<u32> counter;
AUK_PER_CPU PerCpu<std::array<u64, 4>> block;

TEST(PerCpu, each_cpu_has_its_own) {
  std::vector<std::thread> threads;
  for (u32 n = 0; n < 4; ++n)
    threads.emplace_back([n] {
      machine::set_percpu_offset(n);
      EXPECT_EQ(this_cpu(), CpuId(n));
      for (u32 i = 0; i <= n; ++i) counter.add(1);
      block.here(Pinned::assume())[1] = n;
    });
  for (auto& t : threads) t.join();
  for (u32 n = 0; n < 4; ++n) {
    EXPECT_EQ(counter.on(CpuId(n)), n + 1);
    EXPECT_EQ(block.on(CpuId(n))[1], n);
  }
}

TEST(PerCpu, scalars) {
  counter.write(2);
  EXPECT_EQ(counter.read(), 2u);
  EXPECT_FALSE(counter.dec_is_zero());
  EXPECT_TRUE(counter.dec_is_zero());
}

}  // namespace
}  // namespace auk::core
