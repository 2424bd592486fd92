#include "core/clock.hpp"

#include <gtest/gtest.h>

namespace auk::core {
namespace {

class Clock : public testing::Test {
 protected:
  void TearDown() override {
    clock_scale = {};
    machine::host::set_timestamp(0);
  }
};

TEST_F(Clock, stands_still_until_calibrated) {
  machine::host::set_timestamp(123456789, 1000);
  EXPECT_EQ(clock_ns(), 0u);
  EXPECT_EQ(clock_ns(), 0u);
}

TEST_F(Clock, scales_cycles) {
  // 2 GHz: half a nanosecond for each cycle.
  clock_scale = {.base = 1000, .mult = 1U << 31, .shift = 32, .cycles_per_ms = 2'000'000};
  machine::host::set_timestamp(1000, 0);
  EXPECT_EQ(clock_ns(), 0u);
  machine::host::set_timestamp(3000, 0);
  EXPECT_EQ(clock_ns(), 1000u);
  // Far beyond where 64 bits of product would end: 100 years.
  constexpr u64 century_ns = u64{100} * 365 * 86400 * 1'000'000'000;
  machine::host::set_timestamp(1000 + 2 * century_ns, 0);
  EXPECT_EQ(clock_ns(), century_ns);
}

TEST_F(Clock, delays_at_least_as_long_as_asked) {
  clock_scale = {.base = 0, .mult = 1, .shift = 0, .cycles_per_ms = 1'000'000};
  for (const u64 ns : {u64{0}, u64{1}, u64{999'999}, u64{1'000'000}, u64{5'500'001}}) {
    machine::host::set_timestamp(77, 100);
    spin_delay(ns);
    EXPECT_GE(machine::timestamp() - 77, ns);
  }
}

TEST_F(Clock, uncalibrated_delays_err_on_the_long_side) {
  machine::host::set_timestamp(0, 1000);
  spin_delay(1'000'000);
  EXPECT_GE(machine::timestamp(), 8'000'000u);
}

}  // namespace
}  // namespace auk::core
