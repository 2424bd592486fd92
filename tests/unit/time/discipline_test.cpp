#include "time/discipline.hpp"

#include <gtest/gtest.h>

namespace auk::time {
namespace {

constexpr i64 day = 86'400, noon = 20'000 * day + day / 2, midnight = 20'001 * day;
constexpr i64 scaled_us = i64{1000} << Discipline::scale;

uapi::timex request(int modes) {
  uapi::timex t{};
  t.modes = static_cast<u32>(modes);
  return t;
}
uapi::timex status(int bits) {
  uapi::timex t = request(uapi::adj_status);
  t.status = bits;
  return t;
}
/// A clock that is in order, with plans for the end of the day.
uapi::timex in_order(int bits) {
  uapi::timex t = request(uapi::adj_status | uapi::adj_maxerror);
  t.status = bits;
  return t;
}
i32 state_of(const Discipline& d) {
  uapi::timex t{};
  return d.report(t, 0);
}
uapi::timex shown(const Discipline& d) {
  uapi::timex t{};
  (void)d.report(t, 0);
  t.offset = d.offset_as_shown();
  return t;
}

class Steering : public testing::Test {
 protected:
  Discipline d;
  void SetUp() override { EXPECT_EQ(d.reach(noon), 0); }
};

TEST_F(Steering, has_no_plans_until_somebody_has) {
  EXPECT_FALSE(d.has_plans());
  EXPECT_EQ(d.gain(), 0);
  EXPECT_EQ(state_of(d), uapi::time_error);
  EXPECT_EQ(shown(d).maxerror, 16'000'000);
}

TEST_F(Steering, takes_frequency_and_tick_at_once) {
  uapi::timex t = request(uapi::adj_frequency | uapi::adj_tick);
  t.freq = 100 << 16;
  t.tick = 10'001;
  d.change(t);
  EXPECT_EQ(d.gain(), 200 * scaled_us);
  EXPECT_EQ(shown(d).freq, 100 << 16);
  EXPECT_FALSE(d.has_plans());
  t.freq = -(i64{1} << 40);
  d.change(t);
  EXPECT_EQ(shown(d).freq, -32'768'000);
  EXPECT_EQ(d.gain(), -400 * scaled_us);
}

TEST_F(Steering, works_an_offset_off_by_a_part_each_second) {
  d.change(status(uapi::sta_pll));
  uapi::timex t = request(uapi::adj_offset | uapi::adj_nano | uapi::adj_timeconst);
  t.offset = 1'600'000;
  t.constant = 2;
  d.change(t);
  EXPECT_EQ(shown(d).offset, 1'600'000);
  EXPECT_EQ(d.gain(), 0);
  EXPECT_TRUE(d.has_plans());
  EXPECT_EQ(d.reach(noon + 1), 0);
  EXPECT_EQ(d.gain(), 100 * scaled_us);
  EXPECT_EQ(shown(d).offset, 1'500'000);
  EXPECT_EQ(d.reach(noon + 1000), 0);
  EXPECT_EQ(d.gain(), 0);
  EXPECT_EQ(shown(d).offset, 0);
  EXPECT_FALSE(d.has_plans());
}

TEST_F(Steering, does_not_touch_offsets_without_the_loop) {
  uapi::timex t = request(uapi::adj_offset);
  t.offset = 1000;
  d.change(t);
  EXPECT_EQ(shown(d).offset, 0);
}

TEST_F(Steering, learns_the_frequency_from_offsets) {
  d.change(status(uapi::sta_pll));
  EXPECT_EQ(d.reach(noon + 64), 0);
  uapi::timex t = request(uapi::adj_offset | uapi::adj_nano | uapi::adj_timeconst);
  t.constant = 4;
  t.offset = 100'000;
  d.change(t);
  // RFC 5905: offset by interval over the square of four times the time constant.
  EXPECT_EQ(shown(d).freq, (i64{100'000} * 64 << 16) / (256 * 256) / 1000);
}

TEST_F(Steering, takes_the_biggest_values_without_overflow) {
  d.change(status(uapi::sta_pll | uapi::sta_fll | uapi::sta_nano));
  for (const i64 constant : {i64{0}, i64{10}, INT64_MIN, INT64_MAX})
    for (const i64 offset : {INT64_MIN, INT64_MAX, i64{0}})
      for (const i64 pause : {1, 300, 1'000'000}) {
        uapi::timex t = request(uapi::adj_offset | uapi::adj_timeconst | uapi::adj_maxerror |
                                uapi::adj_esterror | uapi::adj_frequency | uapi::adj_tick);
        t.constant = constant;
        t.offset = t.maxerror = t.esterror = t.freq = offset;
        t.tick = 11'000;
        EXPECT_EQ(d.reach(noon + pause), 0);
        d.change(t);
        EXPECT_EQ(d.reach(noon + pause + 1), 0);
        EXPECT_LE(d.gain(), i64{250'000} * scaled_us);
        EXPECT_GE(d.gain(), i64{-250'000} * scaled_us);
        d.clear(noon);
      }
}

TEST_F(Steering, steps_slowly) {
  EXPECT_EQ(d.step_slowly(1200), 0);
  EXPECT_EQ(d.gain(), 0);
  EXPECT_EQ(d.reach(noon + 1), 0);
  EXPECT_EQ(d.gain(), 500 * scaled_us);
  EXPECT_EQ(d.slow_step_us(), 700);
  EXPECT_EQ(d.reach(noon + 3), 0);
  EXPECT_EQ(d.gain(), 200 * scaled_us);
  EXPECT_TRUE(d.has_plans());
  EXPECT_EQ(d.reach(noon + 4), 0);
  EXPECT_EQ(d.gain(), 0);
  EXPECT_FALSE(d.has_plans());
  EXPECT_EQ(d.step_slowly(INT64_MIN), 0);
  EXPECT_EQ(d.reach(noon + 5), 0);
  EXPECT_EQ(d.gain(), -500 * scaled_us);
}

TEST_F(Steering, grows_unsure_with_time) {
  uapi::timex t = request(uapi::adj_maxerror | uapi::adj_status);
  t.maxerror = 1000;
  d.change(t);
  EXPECT_EQ(state_of(d), uapi::time_ok);
  EXPECT_EQ(d.reach(noon + 10), 0);
  EXPECT_EQ(shown(d).maxerror, 6000);
  EXPECT_EQ(d.reach(noon + 31'998), 0);
  EXPECT_EQ(shown(d).maxerror, 16'000'000);
  EXPECT_EQ(state_of(d), uapi::time_ok);
  EXPECT_EQ(d.reach(noon + 31'999), 0);
  EXPECT_EQ(state_of(d), uapi::time_error);
}

TEST_F(Steering, inserts_a_second_at_the_end_of_the_day) {
  d.change(in_order(uapi::sta_ins));
  EXPECT_EQ(d.reach(noon + 1), 0);
  EXPECT_EQ(state_of(d), uapi::time_ins);
  EXPECT_TRUE(d.has_plans());
  EXPECT_EQ(d.reach(midnight - 1), 0);
  d.change(in_order(uapi::sta_ins));
  EXPECT_EQ(state_of(d), uapi::time_ins);
  EXPECT_EQ(d.reach(midnight), -1);
  EXPECT_EQ(state_of(d), uapi::time_oop);
  EXPECT_EQ(d.tai_s(), 1);
  EXPECT_EQ(d.reach(midnight - 1), 0);
  EXPECT_EQ(d.reach(midnight), 0);
  EXPECT_EQ(state_of(d), uapi::time_wait);
  EXPECT_FALSE(d.has_plans());
  d.change(in_order(0));
  EXPECT_EQ(d.reach(midnight + 1), 0);
  EXPECT_EQ(state_of(d), uapi::time_ok);
}

TEST_F(Steering, leaves_the_last_second_of_the_day_out) {
  d.change(in_order(uapi::sta_del));
  EXPECT_EQ(d.reach(midnight - 2), 0);
  d.change(in_order(uapi::sta_del));
  EXPECT_EQ(state_of(d), uapi::time_del);
  EXPECT_EQ(d.reach(midnight - 1), 1);
  EXPECT_EQ(state_of(d), uapi::time_wait);
  EXPECT_EQ(d.tai_s(), -1);
}

TEST_F(Steering, sees_a_leap_among_seconds_that_it_missed) {
  d.change(in_order(uapi::sta_ins));
  EXPECT_EQ(d.reach(noon + 1), 0);
  EXPECT_EQ(d.reach(midnight + 100), -1);
  d.change(in_order(uapi::sta_ins));
  EXPECT_EQ(state_of(d), uapi::time_wait);
}

TEST_F(Steering, a_clock_that_was_set_starts_again) {
  d.change(status(uapi::sta_ins | uapi::sta_pll));
  uapi::timex t = request(uapi::adj_offset);
  t.offset = 100'000;
  d.change(t);
  (void)d.step_slowly(1000);
  EXPECT_EQ(d.reach(noon + 1), 0);
  d.clear(midnight - 1);
  EXPECT_EQ(d.gain(), 0);
  EXPECT_EQ(d.slow_step_us(), 0);
  EXPECT_EQ(shown(d).status & uapi::sta_unsync, uapi::sta_unsync);
  EXPECT_EQ(d.reach(midnight), 0);
}

TEST_F(Steering, keeps_bits_that_only_the_kernel_sets) {
  d.change(status(0xffff));
  EXPECT_EQ(shown(d).status, 0xff);
  d.change(request(uapi::adj_nano));
  EXPECT_EQ(shown(d).status, 0xff | uapi::sta_nano);
  d.change(status(uapi::sta_unsync));
  EXPECT_EQ(shown(d).status, uapi::sta_unsync);
}

}  // namespace
}  // namespace auk::time
