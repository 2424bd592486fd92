#include "boot/isa/protocol.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <vector>

#include "support/bytes.hpp"
#include "uapi/boot_params.hpp"

namespace auk::boot {
namespace {

using core::MemoryEntry;
using core::MemoryKind;
using test::Bytes;

struct Parsed {
  std::unique_ptr<HandOver> out = std::make_unique<HandOver>();
  BootPointers pointers;
  bool ok = true;
};

/// What QEMU's loader leaves for a bzImage with 256 MiB, an initial RAM disk and a command line.
struct ZeroPage {
  uapi::boot_params p;

  ZeroPage() {
    std::memset(&p, 0, sizeof(p));
    p.screen_info.orig_video_mode = 3;
    p.screen_info.orig_video_cols = 80;
    p.screen_info.orig_video_lines = 25;
    p.acpi_rsdp_addr = 0xf59d0;
    p.hdr.setup_sects = 4;
    p.hdr.boot_flag = 0xaa55;
    p.hdr.header = 0x53726448;
    p.hdr.version = 0x20f;
    p.hdr.type_of_loader = 0xb0;
    p.hdr.ramdisk_image = 0x0fe00000;
    p.hdr.ramdisk_size = 0x1e0000;
    p.hdr.cmd_line_ptr = 0x20000;
    p.hdr.cmdline_size = 2047;
    add(0, 0x9fc00, 1);
    add(0x9fc00, 0x400, 2);
    add(0xf0000, 0x10000, 2);
    add(0x100000, 0xfee0000, 1);
    add(0xffe0000, 0x20000, 2);
    add(0xfffc0000, 0x40000, 2);
  }
  void add(u64 at, u64 size, u32 type) { p.e820_table[p.e820_entries++] = {at, size, type}; }

  Parsed parse(usize size = boot_params_size) const {
    Parsed r;
    // A block of exactly this size: the sanitizer sees the first byte too many.
    const auto copy = std::make_unique<byte[]>(size);
    std::memcpy(copy.get(), &p, size);
    r.pointers = parse_boot_params({copy.get(), size}, *r.out);
    return r;
  }
};

TEST(ZeroPage, of_a_usual_boot) {
  const Parsed r = ZeroPage().parse();
  EXPECT_EQ(r.out->rsdp, PhysAddr(0xf59d0));
  EXPECT_EQ(r.out->initrd, (PhysRange{PhysAddr(0x0fe00000), PhysAddr(0x0ffe0000)}));
  EXPECT_EQ(r.pointers.command_line, PhysAddr(0x20000));
  EXPECT_GT(r.pointers.command_line_limit, 2047u);
  EXPECT_EQ(r.pointers.setup_data, PhysAddr(0));
  const auto memory = r.out->memory();
  ASSERT_EQ(memory.size(), 6u);
  EXPECT_EQ(memory[0].range, (PhysRange{PhysAddr(0), PhysAddr(0x9fc00)}));
  EXPECT_EQ(memory[0].kind, MemoryKind::usable);
  EXPECT_EQ(memory[1].kind, MemoryKind::reserved);
  EXPECT_EQ(memory[5].range, (PhysRange{PhysAddr(0xfffc0000), PhysAddr(0x100000000)}));
}

TEST(ZeroPage, high_halves_of_addresses) {
  ZeroPage z;
  z.p.ext_ramdisk_image = 1;
  z.p.ext_ramdisk_size = 0;
  z.p.ext_cmd_line_ptr = 2;
  z.p.hdr.setup_data = 0x1'2345'6789;
  const Parsed r = z.parse();
  EXPECT_EQ(r.out->initrd.start, PhysAddr(0x10fe00000));
  EXPECT_EQ(r.pointers.command_line, PhysAddr(0x2'0002'0000));
  EXPECT_EQ(r.pointers.setup_data, PhysAddr(0x1'2345'6789));
}

TEST(ZeroPage, setup_data_needs_the_header) {
  ZeroPage z;
  z.p.hdr.setup_data = 0x1000;
  z.p.hdr.header = 0;
  EXPECT_EQ(z.parse().pointers.setup_data, PhysAddr(0));
}

TEST(ZeroPage, no_initial_ram_disk) {
  ZeroPage z;
  z.p.hdr.ramdisk_size = 0;
  EXPECT_TRUE(z.parse().out->initrd.empty());
}

TEST(ZeroPage, initial_ram_disk_that_wraps_is_ignored) {
  ZeroPage z;
  z.p.ext_ramdisk_image = 0xffffffff;
  z.p.ext_ramdisk_size = 0xffffffff;
  EXPECT_TRUE(z.parse().out->initrd.empty());
}

TEST(ZeroPage, kinds_of_memory) {
  ZeroPage z;
  z.p.e820_entries = 0;
  const std::vector<std::pair<u32, MemoryKind>> kinds = {
      {0, MemoryKind::reserved},         {1, MemoryKind::usable},     {2, MemoryKind::reserved},
      {3, MemoryKind::acpi_reclaimable}, {4, MemoryKind::acpi_nvs},   {5, MemoryKind::unusable},
      {6, MemoryKind::reserved},         {7, MemoryKind::persistent}, {12, MemoryKind::reserved},
      {0xefffffff, MemoryKind::reserved}};
  for (const auto& [type, kind] : kinds) z.add(0x1000, 0x1000, type);
  const Parsed r = z.parse();
  ASSERT_EQ(r.out->memory().size(), kinds.size());
  for (usize i = 0; i < kinds.size(); ++i) EXPECT_EQ(r.out->memory()[i].kind, kinds[i].second);
}

TEST(ZeroPage, empty_and_overflowing_entries) {
  ZeroPage z;
  z.p.e820_entries = 0;
  z.add(0, 0, 0);
  z.add(0x5000, 0, 1);
  z.add(~u64{0} - 0xfff, 0x2000, 2);
  const Parsed r = z.parse();
  ASSERT_EQ(r.out->memory().size(), 1u);
  EXPECT_EQ(r.out->memory()[0].range.end, PhysAddr(~u64{0}));
}

TEST(ZeroPage, more_entries_than_the_table_holds) {
  ZeroPage z;
  for (auto& e : z.p.e820_table) e = {0x1000, 0x1000, 1};
  z.p.e820_entries = 255;
  const Parsed r = z.parse();
  EXPECT_EQ(r.out->memory().size(), uapi::e820_table_length);
}

TEST(ZeroPage, truncated_at_every_length) {
  const ZeroPage z;
  for (usize size = 0; size < boot_params_size; ++size) {
    const Parsed r = z.parse(size);
    const usize whole = 0x2d0 + 6 * 20;
    ASSERT_EQ(r.out->memory().size(), size >= whole ? 6u : 0u) << size;
  }
}

// A loader that copies the image's sector as it is instead of clearing the page first: Linux clears
// everything outside the header then.
TEST(ZeroPage, sentinel_voids_the_fields_outside_the_header) {
  ZeroPage z;
  z.p.sentinel = 0xff;
  z.p.ext_ramdisk_image = 0xdddddddd;
  z.p.ext_ramdisk_size = 0xdddddddd;
  z.p.ext_cmd_line_ptr = 0xdddddddd;
  z.p.acpi_rsdp_addr = 0xdddddddddddddddd;
  const Parsed r = z.parse();
  EXPECT_EQ(r.out->initrd, (PhysRange{PhysAddr(0x0fe00000), PhysAddr(0x0ffe0000)}));
  EXPECT_EQ(r.pointers.command_line, PhysAddr(0x20000));
  EXPECT_EQ(r.out->rsdp, PhysAddr(0));
  EXPECT_EQ(r.out->memory().size(), 6u);
}

TEST(SetupData, extension_of_the_memory_map) {
  auto out = std::make_unique<HandOver>();
  Bytes b;
  b.put(0, u64{0x1'0000'0000}).put(8, u64{0x4000'0000}).put(16, u32{1});
  b.put(20, u64{0}).put(28, u64{0}).put(36, u32{1});
  b.put(40, u64{0x1000});  // half an entry
  parse_e820(b.span(), *out);
  ASSERT_EQ(out->memory().size(), 1u);
  EXPECT_EQ(out->memory()[0].range, (PhysRange{PhysAddr(4 * gib), PhysAddr(5 * gib)}));
}

/// What QEMU and rust-vmm leave for the PVH entry.
Bytes start_info(u32 version) {
  Bytes b(pvh_start_info_size);
  b.put(0, pvh_magic).put(4, version).put(8, u32{0});
  b.put(12, u32{1}).put(16, u64{0x6040}).put(24, u64{0x20000}).put(32, u64{0xe0000});
  b.put(40, u64{0x7000}).put(48, u32{6}).put(52, u32{0});
  return b;
}
Parsed parse(const Bytes& b) {
  Parsed r;
  r.ok = parse_pvh(b.span(), *r.out, r.pointers);
  return r;
}

TEST(Pvh, version_1) {
  const Parsed r = parse(start_info(1));
  ASSERT_TRUE(r.ok);
  EXPECT_EQ(r.pointers.module_count, 1u);
  EXPECT_EQ(r.pointers.modules, PhysAddr(0x6040));
  EXPECT_EQ(r.pointers.command_line, PhysAddr(0x20000));
  EXPECT_EQ(r.out->rsdp, PhysAddr(0xe0000));
  EXPECT_EQ(r.pointers.memory_map, PhysAddr(0x7000));
  EXPECT_EQ(r.pointers.memory_map_entries, 6u);
}

TEST(Pvh, version_0_has_no_memory_map) {
  Bytes b = start_info(0);
  EXPECT_EQ(parse(b).pointers.memory_map_entries, 0u);
  EXPECT_EQ(parse(b).pointers.memory_map, PhysAddr(0));
  b.resize(40);
  EXPECT_TRUE(parse(b).ok);
}

TEST(Pvh, later_versions_are_read_like_1) {
  EXPECT_EQ(parse(start_info(2)).pointers.memory_map_entries, 6u);
}

TEST(Pvh, wrong_magic_or_too_short) {
  Bytes b = start_info(1);
  b[0] ^= 1;
  EXPECT_FALSE(parse(b).ok);
  for (usize size = 0; size < 40; ++size) {
    Bytes cut = start_info(1);
    cut.resize(size);
    cut.shrink_to_fit();
    EXPECT_FALSE(parse(cut).ok);
  }
}

TEST(Pvh, memory_map_with_an_empty_entry) {
  auto out = std::make_unique<HandOver>();
  Bytes b;
  const auto add = [&](u64 at, u64 size, u32 type) {
    b.add_number(at).add_number(size).add_number(type).add_number(u32{0});
  };
  add(0, 0x9fc00, 1);
  add(0, 0, 0);
  add(0x100000, 0xfee0000, 1);
  add(~u64{0}, ~u64{0}, 2);
  b.add({1, 2, 3});
  parse_pvh_memory_map(b.span(), *out);
  ASSERT_EQ(out->memory().size(), 2u);  // the last one starts where addresses end: nothing is left
  EXPECT_EQ(out->memory()[1].range.start, PhysAddr(0x100000));
}

TEST(Pvh, modules) {
  auto out = std::make_unique<HandOver>();
  Bytes b;
  b.add_number(u64{0x0ffff000}).add_number(u64{0x1000}).add_number(u64{0}).add_number(u64{0});
  parse_pvh_modules(b.span(), *out);
  EXPECT_EQ(out->initrd, (PhysRange{PhysAddr(0x0ffff000), PhysAddr(0x10000000)}));
  out = std::make_unique<HandOver>();
  parse_pvh_modules({}, *out);
  EXPECT_TRUE(out->initrd.empty());
  b.put(0, ~u64{0});
  parse_pvh_modules(b.span(), *out);
  EXPECT_TRUE(out->initrd.empty());
}

TEST(Boot, noise_breaks_nothing) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 300; ++i) {
    Bytes b(random() % 5000);
    for (byte& x : b) x = static_cast<byte>(random());
    b.shrink_to_fit();
    const auto out = std::make_unique<HandOver>();
    BootPointers p;
    (void)parse_boot_params(b.span(), *out);
    (void)parse_pvh(b.span(), *out, p);
    parse_pvh_memory_map(b.span(), *out);
    parse_pvh_modules(b.span(), *out);
    parse_e820(b.span(), *out);
    for (const MemoryEntry& e : out->memory()) ASSERT_LE(e.range.start, e.range.end);
  }
}

}  // namespace
}  // namespace auk::boot
