#include "core/clock.hpp"

#include <gtest/gtest.h>

namespace auk::core {
namespace {

class Clock : public testing::Test {
 protected:
  void TearDown() override {
    clock_rate = {};
    steady_clock.go_on(0, 0, 0);
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
  clock_rate.base_cycles = 1000;
  start_clock(2'000'000);
  machine::host::set_timestamp(1000, 0);
  EXPECT_EQ(clock_ns(), 0u);
  machine::host::set_timestamp(3000, 0);
  EXPECT_EQ(clock_ns(), 1000u);
  // Far beyond where 64 bits of product would end: 100 years.
  constexpr u64 century_ns = u64{100} * 365 * 86400 * 1'000'000'000;
  machine::host::set_timestamp(1000 + 2 * century_ns, 0);
  EXPECT_EQ(clock_ns(), century_ns);
}

TEST_F(Clock, keeps_the_rate_of_any_counter) {
  // An hour, to the nanosecond.
  for (const u64 khz : {80'000, 999'999, 1'000'000, 2'400'003, 5'700'000}) {
    start_clock(khz);
    machine::host::set_timestamp(khz * 3'600'000, 0);
    EXPECT_NEAR(static_cast<double>(clock_ns()), 3.6e12, 1.0) << khz;
  }
}

TEST_F(Clock, goes_on_from_where_it_was_steered) {
  constexpr i64 ppm_of_second = i64{1000} << 32;
  start_clock(1'000'000);
  machine::host::set_timestamp(5'000'000'000, 0);
  steer_clock(500 * ppm_of_second);
  EXPECT_EQ(clock_ns(), 5'000'000'000u);
  EXPECT_EQ(raw_clock_ns(), 5'000'000'000u);
  machine::host::set_timestamp(6'000'000'000, 0);
  // The change counts from a moment on that no CPU has reached yet.
  EXPECT_NEAR(static_cast<double>(clock_ns()), 6'000'500'000.0, 15.0);
  EXPECT_EQ(raw_clock_ns(), 6'000'000'000u);
  steer_clock(-100'000 * ppm_of_second);
  machine::host::set_timestamp(7'000'000'000, 0);
  EXPECT_NEAR(static_cast<double>(clock_ns()), 6'900'500'000.0, 3000.0);
  // A counter that lags behind the one of the change reads what all others did.
  machine::host::set_timestamp(5'999'999'999, 0);
  EXPECT_NEAR(static_cast<double>(clock_ns()), 6'000'500'000.0, 15.0);
}

TEST_F(Clock, keeps_tai_ahead_of_the_time_of_day) {
  start_clock(1'000'000);
  machine::host::set_timestamp(1'000, 0);
  set_offsets(500, 37);
  EXPECT_EQ(real_ns(), 1'500);
  EXPECT_EQ(tai_ns(), 37'000'001'500);
  set_offsets(0, 0);
}

TEST_F(Clock, delays_at_least_as_long_as_asked) {
  start_clock(1'000'000);
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
