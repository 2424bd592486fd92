#include "base/types.hpp"

#include <gtest/gtest.h>

namespace auk {
namespace {

template <class A, class B>
concept Addable = requires(A a, B b) { a + b; };
static_assert(Addable<PhysAddr, u64>);
static_assert(!Addable<PhysAddr, PhysAddr>);
static_assert(!std::is_convertible_v<u64, PhysAddr>);
static_assert(!std::is_convertible_v<PhysAddr, u64>);
static_assert(!std::is_convertible_v<PhysAddr, VirtAddr>);

TEST(Types, addresses_and_frames) {
  EXPECT_EQ(pfn_of(PhysAddr(0x12345678)), Pfn(0x12345));
  EXPECT_EQ(phys_of(Pfn(0x12345)), PhysAddr(0x12345000));
  EXPECT_EQ(PhysAddr(10) - PhysAddr(4), 6u);
  PhysAddr a(1);
  a += 4;
  ++a;
  a -= 2;
  EXPECT_EQ(a, PhysAddr(4));
  EXPECT_LT(a, PhysAddr(5));
}

TEST(Types, ranges_are_half_open) {
  const PhysRange r{PhysAddr(4), PhysAddr(8)};
  EXPECT_EQ(r.size(), 4u);
  EXPECT_TRUE(r.contains(PhysAddr(4)));
  EXPECT_FALSE(r.contains(PhysAddr(8)));
  EXPECT_FALSE(r.contains(PhysAddr(3)));
  EXPECT_FALSE(r.empty());
  EXPECT_TRUE((PhysRange{PhysAddr(4), PhysAddr(4)}.empty()));
  EXPECT_TRUE((PhysRange{PhysAddr(8), PhysAddr(4)}.empty()));
}

}  // namespace
}  // namespace auk
