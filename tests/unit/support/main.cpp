// main() of every unit test: gives each simulated CPU its per-CPU areas, then runs the tests.
#include <gtest/gtest.h>

#include "core/cpu_mask.hpp"
#include "core/percpu.hpp"

int main(int argc, char** argv) {
  for (auk::u32 n = 0; n < auk::machine::host::max_cpus; ++n) {
    auk::core::percpu_offsets[n] = n;
    auk::core::this_cpu_offset.on(auk::CpuId(n)) = n;
    auk::core::this_cpu_number.on(auk::CpuId(n)) = n;
  }
  auk::core::possible_cpus = auk::machine::host::max_cpus;
  // Tests that expect a death fork: with threads around only a fresh process is safe.
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
