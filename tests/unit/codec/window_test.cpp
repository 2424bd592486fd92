#include "codec/window.hpp"

#include <gtest/gtest.h>

#include "samples.hpp"

namespace auk::codec {
namespace {

using test::Data;

constexpr byte rubbish = 0xee;

TEST(Copies, matches_of_every_distance_and_length) {
  for (usize distance = 1; distance < 40; ++distance)
    for (usize n = 0; n < 100; ++n) {
      const Data past = test::noise(40, 1);
      Data got = past;
      got.resize(40 + n + copy_slack, rubbish);
      copy_match(got.data() + 40, distance, n);
      Data want = past;
      for (usize i = 0; i < n; ++i) want.push_back(want[want.size() - distance]);
      got.resize(40 + n);
      ASSERT_EQ(got, want) << distance << ' ' << n;
    }
}

TEST(Copies, exact_ones) {
  for (usize n = 0; n < 70; ++n) {
    const Data from = test::noise(n, 1);
    const auto to = std::make_unique<byte[]>(n);
    copy_exact(to.get(), test::Exact(from).span().data(), n);
    EXPECT_TRUE(std::equal(from.begin(), from.end(), to.get()));
  }
}

/// Random writes to a window as small as it may be, against a vector that forgets nothing.
TEST(Window, remembers_as_far_as_it_reaches) {
  for (const usize reach : {1, 15, 16, 17, 100, 1000})
    for (const usize block : {1, 16, 100}) {
      std::mt19937 random(static_cast<u32>(reach * 1000 + block));
      const auto memory = std::make_unique<byte[]>(Window::memory_for(reach, block));
      Window window(std::span(memory.get(), Window::memory_for(reach, block)), reach);
      Data want;
      Data got;
      for (int round = 0; round < 3000; ++round) {
        const usize n = random() % (block + 1);
        if (window.room() < n) {
          test::Data piece;
          const auto out = window.hand_out();
          got.insert(got.end(), out.begin(), out.end());
          window.wrap();
        }
        ASSERT_GE(window.room(), n);
        const usize distance = random() % 3 == 0 ? 1 + random() % 20 : 1 + random() % (reach + 2);
        switch (random() % 8) {
          case 0: {
            const Data piece = test::noise(n, static_cast<u32>(round));
            window.append(piece.data(), n, n);
            want.insert(want.end(), piece.begin(), piece.end());
            break;
          }
          case 1:
            window.fill(7, n);
            want.insert(want.end(), n, 7);
            break;
          default: {
            const bool possible = distance <= std::min(reach, want.size());
            ASSERT_EQ(window.repeat(distance, n), possible) << distance;
            if (possible)
              for (usize i = 0; i < n; ++i) want.push_back(want[want.size() - distance]);
          }
        }
      }
      const auto out = window.hand_out();
      got.insert(got.end(), out.begin(), out.end());
      ASSERT_EQ(got, want) << reach << ' ' << block;
    }
}

TEST(Window, refuses_distance_zero) {
  byte memory[256]{};
  Window window(memory, 64);
  window.put(1);
  EXPECT_FALSE(window.repeat(0, 1));
  EXPECT_FALSE(window.repeat(2, 1));
  EXPECT_TRUE(window.repeat(1, 1));
}

}  // namespace
}  // namespace auk::codec
