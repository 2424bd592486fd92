#include "bus/pci/header.hpp"

#include <gtest/gtest.h>
#include <random>

namespace auk::bus::pci {
namespace {

/// One function: 256 bytes, of which some bits can be written.
class FakeSpace final : public ConfigSpace {
 public:
  std::array<u32, 64> values{}, writable{};
  u64 writes = 0;

  u32 read(Address, u32 offset) override {
    EXPECT_EQ(offset % 4, 0U);
    EXPECT_LT(offset, 256U);
    return values[offset / 4 % values.size()];
  }
  void write(Address, u32 offset, u32 value, unsigned size) override {
    ++writes;
    EXPECT_EQ(offset % size, 0U);
    const unsigned shift = offset % 4 * 8;
    const u32 mask = (size == 4 ? ~u32{0} : (u32{1} << size * 8) - 1) << shift;
    const u32 changed = mask & writable[offset / 4];
    u32& v = values[offset / 4];
    v = (v & ~changed) | (value << shift & changed);
  }
  void put8(u32 offset, u8 v) {
    u32& word = values[offset / 4];
    word = (word & ~(u32{0xff} << offset % 4 * 8)) | u32{v} << offset % 4 * 8;
  }
};

constexpr u32 first_window = 4, command = 1, status_bits = 1;  // words
constexpr u32 has_capabilities = 0x100000;

class PciHeader : public testing::Test {
 protected:
  FakeSpace space;
  Header header{space, {}};
};

TEST_F(PciHeader, sizes_windows_of_each_kind) {
  space.values[command] = 7;
  space.writable[command] = 0xffff;
  space.values[first_window] = 0xfebd1000;
  space.writable[first_window] = 0xfffff000;
  space.values[first_window + 1] = 0xc041;
  space.writable[first_window + 1] = 0xffc0;  // only sixteen bits
  space.values[first_window + 2] = 0xfe00000c;
  space.writable[first_window + 2] = 0xffffc000;
  space.values[first_window + 3] = 0x38;
  space.writable[first_window + 3] = ~u32{0};
  const auto w = header.read_windows();
  EXPECT_EQ(w[0].address, 0xfebd1000U);
  EXPECT_EQ(w[0].size, 0x1000U);
  EXPECT_TRUE(w[0].is_memory());
  EXPECT_EQ(w[1].address, 0xc040U);
  EXPECT_EQ(w[1].size, 0x40U);
  EXPECT_FALSE(w[1].is_memory());
  EXPECT_EQ(w[2].address, 0x38fe000000U);
  EXPECT_EQ(w[2].size, 0x4000U);
  EXPECT_EQ(w[2].kind, 0xc);
  EXPECT_EQ(w[3].size, 0U) << "the upper half of the one before";
  EXPECT_EQ(w[4].size, 0U);
  EXPECT_EQ(space.values[first_window], 0xfebd1000U) << "as it was";
  EXPECT_EQ(space.values[first_window + 3], 0x38U);
  EXPECT_EQ(space.values[command], 7U);
}

TEST_F(PciHeader, windows_nobody_has_placed_are_none) {
  space.writable[first_window] = 0xfffff000;
  EXPECT_EQ(header.read_windows()[0].size, 0U);
}

TEST_F(PciHeader, a_window_of_64_bits_at_the_end_has_no_upper_half) {
  space.values[first_window + 5] = 0xfe000004;
  space.writable[first_window + 5] = 0xfffff000;
  const auto w = header.read_windows();
  EXPECT_EQ(w[5].address, 0xfe000000U);
  EXPECT_EQ(w[5].size, 0x1000U);
}

TEST_F(PciHeader, a_window_has_only_what_is_inside) {
  const Window w{0xfe000000, 0x1000, 0};
  EXPECT_TRUE(w.has(0, 0x1000));
  EXPECT_TRUE(w.has(0xfff, 1));
  EXPECT_FALSE(w.has(0, 0));
  EXPECT_FALSE(w.has(0x1000, 1));
  EXPECT_FALSE(w.has(0x800, 0x801));
  EXPECT_FALSE(w.has(~u64{0}, 2));
  EXPECT_FALSE(Window().has(0, 1));
}

TEST_F(PciHeader, finds_capabilities_in_order) {
  space.values[status_bits] = has_capabilities;
  space.put8(0x34, 0x43);  // its low bits do not count
  space.put8(0x40, capability::vendor_specific), space.put8(0x41, 0x80);
  space.put8(0x80, capability::msi_x), space.put8(0x81, 0x50);
  space.put8(0x50, capability::vendor_specific), space.put8(0x51, 0);
  EXPECT_EQ(header.find_capability(capability::vendor_specific), 0x40);
  EXPECT_EQ(header.find_capability(capability::vendor_specific, 0x40), 0x50);
  EXPECT_EQ(header.find_capability(capability::vendor_specific, 0x50), std::nullopt);
  EXPECT_EQ(header.find_capability(capability::msi_x), 0x80);
  EXPECT_EQ(header.find_capability(1), std::nullopt);
  space.values[status_bits] = 0;
  EXPECT_EQ(header.find_capability(capability::msi_x), std::nullopt);
}

TEST_F(PciHeader, a_circle_of_capabilities_ends) {
  space.values[status_bits] = has_capabilities;
  space.put8(0x34, 0x40);
  space.put8(0x40, 1), space.put8(0x41, 0x44);
  space.put8(0x44, 1), space.put8(0x45, 0x40);
  EXPECT_EQ(header.find_capability(capability::msi_x), std::nullopt);
}

TEST_F(PciHeader, bridges_have_two_windows_and_no_subsystem) {
  space.put8(0xe, 0x81);
  space.values[0x2c / 4] = 0x11001af4;
  for (u32 i = 0; i < 6; ++i) {
    space.values[first_window + i] = 0xfe000000 + (i << 12);
    space.writable[first_window + i] = 0xfffff000;
  }
  space.put8(0x19, 3);
  EXPECT_TRUE(header.is_bridge());
  EXPECT_EQ(header.secondary_bus(), 3);
  EXPECT_EQ(header.subsystem_vendor(), 0);
  const auto w = header.read_windows();
  EXPECT_EQ(w[1].size, 0x1000U);
  EXPECT_EQ(w[2].size, 0U);
}

TEST_F(PciHeader, stands_anything) {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    for (u32& v : space.values) v = random();
    for (u32& v : space.writable) v = random() % 3 == 0 ? ~u32{0} : random();
    for (const Window& w : header.read_windows())
      if (w.size != 0) EXPECT_GE(w.address + w.size, w.address);
    for (std::optional<u8> at = header.find_capability(9); at; at = std::nullopt)
      EXPECT_GE(*at, 0x40);
  }
}

}  // namespace
}  // namespace auk::bus::pci
