#include "bus/fw_cfg.hpp"

#include <gtest/gtest.h>
#include <map>
#include <string>

#include "machine/isa/port.hpp"
#include "support/bytes.hpp"

namespace auk::bus {
namespace {

using test::Bytes;

/// The device: 16-bit selector at 0x510, data byte by byte at 0x511.
class Device final : public machine::host::Ports {
  u16 key_ = 0;
  usize at_ = 0;

 public:
  std::map<u16, Bytes> items;
  usize reads = 0;

  Device() { machine::host::ports = this; }
  ~Device() { machine::host::ports = nullptr; }

  void add(u16 key, std::string_view name, std::string_view text) {
    Bytes& directory = items[0x19];
    if (directory.empty()) directory.resize(4);
    ++directory[3];
    const auto size = static_cast<u32>(text.size());
    for (int shift = 24; shift >= 0; shift -= 8)
      directory.push_back(static_cast<byte>(size >> shift));
    directory.add({key >> 8, key & 0xff, 0, 0});
    const usize start = directory.size();
    directory.resize(start + 56);
    directory.put_text(start, name);
    items[key].put_text(0, text);
  }

  u32 in(u16 port, unsigned size) override {
    EXPECT_EQ(port, 0x511);
    EXPECT_EQ(size, 1u);
    ++reads;
    const Bytes& item = items[key_];
    return at_ < item.size() ? item[at_++] : 0;
  }
  void out(u16 port, u32 value, unsigned size) override {
    EXPECT_EQ(port, 0x510);
    EXPECT_EQ(size, 2u);
    key_ = static_cast<u16>(value);
    at_ = 0;
  }
};

TEST(FwCfg, absent_device_reads_all_ones) { EXPECT_FALSE(FwCfg::is_present()); }

TEST(FwCfg, lists_and_reads_files) {
  Device d;
  d.items[0].put_text(0, "QEMU");
  d.add(0x20, "etc/e820", "12345");
  d.add(0x123, "opt/org.example/name", "hello");
  EXPECT_TRUE(FwCfg::is_present());
  std::vector<std::string> names;
  FwCfg directory;
  while (const auto f = directory.next()) names.emplace_back(f->name());
  EXPECT_EQ(names, (std::vector<std::string>{"etc/e820", "opt/org.example/name"}));
  const auto f = FwCfg::find("opt/org.example/name");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->size, 5u);
  EXPECT_EQ(f->key, 0x123);
  std::array<byte, 16> buffer{};
  EXPECT_EQ(FwCfg::read(*f, buffer), 5u);
  EXPECT_EQ(std::string(buffer.begin(), buffer.begin() + 5), "hello");
  EXPECT_EQ(FwCfg::read(*f, std::span(buffer).first(2)), 2u);
  EXPECT_FALSE(FwCfg::find("opt/none"));
  EXPECT_FALSE(FwCfg::find(""));
}

TEST(FwCfg, a_name_may_fill_its_field) {
  Device d;
  const std::string name(56, 'n');
  d.add(0x20, name, "x");
  ASSERT_TRUE(FwCfg::find(name));
  EXPECT_EQ(FwCfg::find(name)->name(), name);
}

TEST(FwCfg, a_wrong_count_is_bounded) {
  Device d;
  d.items[0x19] = Bytes(4, 0xff);
  EXPECT_FALSE(FwCfg::find("x"));
  EXPECT_LE(d.reads, 4 + FwCfg::max_files * usize{64});
}

TEST(FwCfg, empty_directory) {
  Device d;
  FwCfg directory;
  EXPECT_FALSE(directory.next());
}

}  // namespace
}  // namespace auk::bus
