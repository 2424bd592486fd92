#include <gtest/gtest.h>
#include <random>
#include <string>

#include "bus/acpi/fadt.hpp"
#include "bus/acpi/hpet.hpp"
#include "bus/acpi/madt.hpp"
#include "bus/acpi/mcfg.hpp"
#include "bus/acpi/sleep.hpp"
#include "bus/acpi/tables.hpp"
#include "support/bytes.hpp"

namespace auk::bus::acpi {
namespace {

using test::Bytes;
using test::Memory;

Bytes rsdp(u8 revision, u32 rsdt, u64 xsdt = 0) {
  Bytes b(revision >= 2 ? 36 : 20);
  b.put_text(0, "RSD PTR ").put_text(9, "BOCHS ").put(15, revision).put(16, rsdt);
  b.fix_sum(8, 20);
  if (revision >= 2) b.put(20, u32{36}).put(24, xsdt).fix_sum(32, 36);
  return b;
}

/// A table of `size` bytes with a right header; fix() after filling it.
Bytes table(std::string_view signature, u8 revision, usize size) {
  Bytes b(size);
  b.put_text(0, signature).put(4, static_cast<u32>(size)).put(8, revision);
  b.put_text(10, "BOCHS BXPC    ");
  return b.fix_sum(9, size);
}
Bytes& fix(Bytes& b) { return b.put(4, static_cast<u32>(b.size())).fix_sum(9, b.size()); }

Bytes rsdt(std::initializer_list<u32> entries) {
  Bytes b = table("RSDT", 1, 36);
  for (const u32 e : entries) b.add_number(e);
  return fix(b);
}
Bytes xsdt(std::initializer_list<u64> entries) {
  Bytes b = table("XSDT", 1, 36);
  for (const u64 e : entries) b.add_number(e);
  return fix(b);
}

/// The legacy areas, empty.
Memory legacy_memory(u16 ebda_segment = 0) {
  Memory m;
  Bytes low(0x1000);
  low.put(0x40e, ebda_segment);
  m.place(0, low);
  m.place(0x9fc00, Bytes(0x400));
  m.place(0xe0000, Bytes(0x20000));
  return m;
}
void put(Memory& m, u64 piece, u64 at, const Bytes& b) {
  std::copy(b.begin(), b.end(), m.piece(piece).begin() + static_cast<isize>(at - piece));
}

// --- root pointer ---

TEST(Rsdp, of_a_pc_names_the_rsdt) {
  Memory m = legacy_memory();
  put(m, 0xe0000, 0xf59d0, rsdp(0, 0x0ffe2000));
  const auto root = find_root(m, {});
  ASSERT_TRUE(root);
  EXPECT_EQ(root->rsdp, PhysAddr(0xf59d0));
  EXPECT_EQ(root->table, PhysAddr(0x0ffe2000));
  EXPECT_FALSE(root->is_xsdt);
  EXPECT_EQ(root->revision, 0);
}

TEST(Rsdp, of_a_micro_vm_has_only_the_xsdt) {
  Memory m = legacy_memory();
  put(m, 0xe0000, 0xe0000, rsdp(2, 0, 0x1'0000'2000));
  const auto root = find_root(m, {});
  ASSERT_TRUE(root);
  EXPECT_TRUE(root->is_xsdt);
  EXPECT_EQ(root->table, PhysAddr(0x1'0000'2000));
}

TEST(Rsdp, revision_2_without_xsdt_falls_back) {
  Memory m;
  m.place(0x1000, rsdp(2, 0x2000, 0));
  const auto root = read_root(m, PhysAddr(0x1000));
  ASSERT_TRUE(root);
  EXPECT_FALSE(root->is_xsdt);
  EXPECT_EQ(root->table, PhysAddr(0x2000));
}

TEST(Rsdp, that_names_no_table_is_none) {
  Memory m;
  m.place(0x1000, rsdp(0, 0));
  m.place(0x2000, rsdp(2, 0, 0));
  EXPECT_FALSE(read_root(m, PhysAddr(0x1000)));
  EXPECT_FALSE(read_root(m, PhysAddr(0x2000)));
}

TEST(Rsdp, hint_wins_and_a_bad_hint_does_not_matter) {
  Memory m = legacy_memory();
  put(m, 0xe0000, 0xf0000, rsdp(0, 0x1111000));
  m.place(0x5000000, rsdp(0, 0x2222000));
  EXPECT_EQ(find_root(m, PhysAddr(0x5000000))->table, PhysAddr(0x2222000));
  EXPECT_EQ(find_root(m, PhysAddr(0x6000000))->table, PhysAddr(0x1111000));
  m.piece(0x5000000)[8] ^= 1;
  EXPECT_EQ(find_root(m, PhysAddr(0x5000000))->table, PhysAddr(0x1111000));
}

TEST(Rsdp, in_the_extended_bios_area_at_any_paragraph) {
  for (u64 at = 0x9fc00; at + 36 <= 0xa0000; at += 16) {
    Memory m = legacy_memory(0x9fc0);
    put(m, 0x9fc00, at, rsdp(2, 0, 0x3000));
    ASSERT_TRUE(find_root(m, {})) << at;
  }
  Memory m = legacy_memory(0);
  put(m, 0x9fc00, 0x9fc00, rsdp(2, 0, 0x3000));
  EXPECT_FALSE(find_root(m, {}));
}

TEST(Rsdp, off_a_paragraph_is_not_found) {
  Memory m = legacy_memory();
  put(m, 0xe0000, 0xf0008, rsdp(0, 0x3000));
  EXPECT_FALSE(find_root(m, {}));
}

TEST(Rsdp, a_broken_one_does_not_end_the_search) {
  Memory m = legacy_memory();
  Bytes bad = rsdp(0, 0x1000);
  bad[16] ^= 0xff;
  put(m, 0xe0000, 0xe0400, bad);
  put(m, 0xe0000, 0xe0420, rsdp(0, 0x2000));
  EXPECT_EQ(find_root(m, {})->table, PhysAddr(0x2000));
}

TEST(Rsdp, every_flipped_bit_of_the_summed_bytes_is_noticed) {
  for (const u8 revision : {0, 2}) {
    const Bytes good = rsdp(revision, 0x1000, 0x2000);
    for (usize bit = 0; bit < good.size() * 8; ++bit) {
      Bytes b = good;
      b[bit / 8] = static_cast<byte>(b[bit / 8] ^ 1 << bit % 8);
      Memory m;
      m.place(0x1000, b);
      ASSERT_FALSE(read_root(m, PhysAddr(0x1000))) << bit;
    }
  }
}

TEST(Rsdp, truncated) {
  for (const u8 revision : {0, 2}) {
    const Bytes good = rsdp(revision, 0x1000, 0x2000);
    for (usize size = 0; size < good.size(); ++size) {
      Bytes b = good;
      b.resize(size);
      Memory m;
      m.place(0x1000, b);
      ASSERT_FALSE(read_root(m, PhysAddr(0x1000)));
    }
  }
}

TEST(Rsdp, nothing_readable) {
  Memory m;
  EXPECT_FALSE(find_root(m, {}));
  EXPECT_FALSE(find_root(m, PhysAddr(~u64{0})));
  EXPECT_LT(m.questions, 1000u);
}

// --- tables ---

TEST(Tables, of_an_rsdt_and_an_xsdt) {
  Memory m;
  m.place(0x10000, table("FACP", 1, 116));
  m.place(0x11000, table("APIC", 1, 44));
  m.place(0x12000, table("SSDT", 1, 40));
  m.place(0x13000, table("SSDT", 1, 41));
  m.place(0x20000, rsdt({0x10000, 0x11000, 0, 0x12000, 0x13000, 0x99000}));
  m.place(0x21000, xsdt({0x10000, 0x11000, 0, 0x12000, 0x13000, 0x99000}));
  for (const bool wide : {false, true}) {
    const Root root{.rsdp = {}, .table = PhysAddr(wide ? 0x21000 : 0x20000), .is_xsdt = wide};
    const auto tables = Tables::open(m, root);
    ASSERT_TRUE(tables);
    EXPECT_TRUE(tables->checksum_ok());
    EXPECT_EQ(tables->count(), 6u);
    EXPECT_EQ(tables->table(1)->signature(), "APIC");
    EXPECT_FALSE(tables->table(2));
    EXPECT_FALSE(tables->table(5));
    EXPECT_FALSE(tables->table(6));
    const auto apic = tables->find("APIC");
    ASSERT_TRUE(apic);
    EXPECT_EQ(apic->at, PhysAddr(0x11000));
    EXPECT_TRUE(apic->checksum_ok);
    EXPECT_EQ(apic->bytes.size(), 44u);
    EXPECT_EQ(apic->revision(), 1);
    EXPECT_EQ(tables->find("SSDT", 1)->bytes.size(), 41u);
    EXPECT_FALSE(tables->find("SSDT", 2));
    EXPECT_FALSE(tables->find("HPET"));
  }
}

TEST(Tables, a_wrong_checksum_is_reported_and_the_table_used) {
  Memory m;
  Bytes b = table("HPET", 1, 56);
  b[40] ^= 0x55;
  m.place(0x10000, b);
  Bytes root_table = rsdt({0x10000});
  root_table[9] ^= 1;
  m.place(0x20000, root_table);
  const auto tables = Tables::open(m, {.rsdp = {}, .table = PhysAddr(0x20000)});
  ASSERT_TRUE(tables);
  EXPECT_FALSE(tables->checksum_ok());
  ASSERT_TRUE(tables->find("HPET"));
  EXPECT_FALSE(tables->find("HPET")->checksum_ok);
}

TEST(Tables, wrong_kind_of_root) {
  Memory m;
  m.place(0x20000, rsdt({0x10000}));
  EXPECT_FALSE(Tables::open(m, {.rsdp = {}, .table = PhysAddr(0x20000), .is_xsdt = true}));
  EXPECT_FALSE(Tables::open(m, {.rsdp = {}, .table = PhysAddr(0x30000)}));
}

TEST(Tables, lengths_that_are_nonsense) {
  Memory m;
  for (const u32 length : {0u, 1u, 35u, 57u, 0x1000001u, 0xffffffffu}) {
    Bytes b = table("HPET", 1, 56);
    b.put(4, length);
    m.place(0x10000, b);
    EXPECT_FALSE(read_table(m, PhysAddr(0x10000))) << length;
  }
  EXPECT_FALSE(read_table(m, PhysAddr(0)));
  EXPECT_FALSE(read_table(m, PhysAddr(~u64{0})));
}

TEST(Tables, truncated_at_every_length) {
  const Bytes good = table("APIC", 1, 100);
  for (usize size = 0; size < good.size(); ++size) {
    Bytes b = good;
    b.resize(size);
    Memory m;
    m.place(0x10000, b);
    ASSERT_FALSE(read_table(m, PhysAddr(0x10000)));
  }
}

TEST(Tables, root_that_names_itself_and_too_many) {
  Memory m;
  Bytes b = table("RSDT", 1, 36);
  for (u32 i = 0; i < Tables::max_tables + 5; ++i) b.add_number(u32{0x20000});
  m.place(0x20000, fix(b));
  const auto tables = Tables::open(m, {.rsdp = {}, .table = PhysAddr(0x20000)});
  ASSERT_TRUE(tables);
  EXPECT_EQ(tables->count(), Tables::max_tables);
  EXPECT_EQ(tables->dropped(), 5u);
}

TEST(Tables, odd_bytes_behind_the_last_entry) {
  Memory m;
  Bytes b = rsdt({0x10000});
  b.add({1, 2, 3});
  m.place(0x20000, fix(b));
  EXPECT_EQ(Tables::open(m, {.rsdp = {}, .table = PhysAddr(0x20000)})->count(), 1u);
}

// --- MADT ---

struct MadtSeen {
  std::vector<MadtCpu> cpus;
  std::vector<MadtIoApic> io_apics;
  std::vector<MadtOverride> overrides;
  std::vector<MadtLocalNmi> nmis;
  void operator()(const MadtCpu& v) { cpus.push_back(v); }
  void operator()(const MadtIoApic& v) { io_apics.push_back(v); }
  void operator()(const MadtOverride& v) { overrides.push_back(v); }
  void operator()(const MadtLocalNmi& v) { nmis.push_back(v); }
};

Bytes madt_of_a_pc() {
  Bytes b = table("APIC", 1, 36);
  b.add_number(u32{0xfee00000}).add_number(u32{1});
  b.add({0, 8, 0, 0, 1, 0, 0, 0}).add({0, 8, 1, 1, 1, 0, 0, 0}).add({0, 8, 2, 2, 0, 0, 0, 0});
  b.add({1, 12, 0, 0}).add_number(u32{0xfec00000}).add_number(u32{0});
  b.add({2, 10, 0, 0}).add_number(u32{2}).add_number(u16{0});
  b.add({2, 10, 0, 9}).add_number(u32{9}).add_number(u16{0xd});
  b.add({4, 6, 0xff, 0, 0, 1});
  return fix(b);
}

TEST(Madt, of_a_pc) {
  const Bytes b = madt_of_a_pc();
  const auto head = parse_madt_head(b.span());
  ASSERT_TRUE(head);
  EXPECT_EQ(head->local_controllers, PhysAddr(0xfee00000));
  EXPECT_TRUE(head->has_legacy_pics);
  MadtSeen seen;
  visit_madt(b.span(), seen);
  ASSERT_EQ(seen.cpus.size(), 3u);
  EXPECT_TRUE(seen.cpus[1].is_usable());
  EXPECT_EQ(seen.cpus[1].apic_id, 1u);
  EXPECT_FALSE(seen.cpus[2].is_usable());
  ASSERT_EQ(seen.io_apics.size(), 1u);
  EXPECT_EQ(seen.io_apics[0].at, PhysAddr(0xfec00000));
  EXPECT_EQ(seen.io_apics[0].first_gsi, 0u);
  ASSERT_EQ(seen.overrides.size(), 2u);
  EXPECT_EQ(seen.overrides[0].source, 0);
  EXPECT_EQ(seen.overrides[0].gsi, 2u);
  EXPECT_EQ(seen.overrides[0].wiring.trigger, Trigger::as_bus);
  EXPECT_EQ(seen.overrides[1].wiring.polarity, Polarity::high);
  EXPECT_EQ(seen.overrides[1].wiring.trigger, Trigger::level);
  ASSERT_EQ(seen.nmis.size(), 1u);
  EXPECT_EQ(seen.nmis[0].acpi_uid, MadtLocalNmi::all_cpus);
  EXPECT_EQ(seen.nmis[0].input, 1);
}

TEST(Madt, wide_records) {
  Bytes b = table("APIC", 5, 36);
  b.add_number(u32{0xfee00000}).add_number(u32{0});
  b.add({9, 16, 0, 0}).add_number(u32{0x1234}).add_number(u32{2}).add_number(u32{77});
  b.add({9, 16, 0, 0}).add_number(u32{0xffffffff}).add_number(u32{1}).add_number(u32{78});
  b.add({0, 8, 5, 0xff, 1, 0, 0, 0});
  b.add({10, 12, 5, 0}).add_number(u32{77}).add({1, 0, 0, 0});
  b.add({5, 12, 0, 0}).add_number(u64{0x1'fee0'0000});
  b.add({0x10, 4, 1, 2});  // unknown to us
  b.add({1, 12, 7, 0}).add_number(u32{0xfec10000}).add_number(u32{24});
  fix(b);
  EXPECT_EQ(parse_madt_head(b.span())->local_controllers, PhysAddr(0x1'fee0'0000));
  EXPECT_FALSE(parse_madt_head(b.span())->has_legacy_pics);
  MadtSeen seen;
  visit_madt(b.span(), seen);
  ASSERT_EQ(seen.cpus.size(), 1u);  // the broadcast numbers are no CPUs
  EXPECT_EQ(seen.cpus[0].apic_id, 0x1234u);
  EXPECT_EQ(seen.cpus[0].acpi_uid, 77u);
  EXPECT_TRUE(seen.cpus[0].is_usable());
  EXPECT_FALSE(seen.cpus[0].enabled);
  ASSERT_EQ(seen.nmis.size(), 1u);
  EXPECT_EQ(seen.nmis[0].acpi_uid, 77u);
  EXPECT_EQ(seen.nmis[0].wiring.polarity, Polarity::high);
  EXPECT_EQ(seen.nmis[0].wiring.trigger, Trigger::edge);
  ASSERT_EQ(seen.io_apics.size(), 1u);
  EXPECT_EQ(seen.io_apics[0].first_gsi, 24u);
}

TEST(Madt, a_visitor_may_want_one_kind_only) {
  const Bytes b = madt_of_a_pc();
  unsigned cpus = 0;
  visit_madt(b.span(), [&](const MadtCpu&) { ++cpus; });
  EXPECT_EQ(cpus, 3u);
}

TEST(Madt, number_of_cpus_is_not_limited) {
  Bytes b = table("APIC", 5, 44);
  for (u32 i = 0; i < 100'000; ++i)
    b.add({9, 16, 0, 0}).add_number(i).add_number(u32{1}).add_number(i);
  u32 cpus = 0;
  visit_madt(b.span(), [&](const MadtCpu& c) { EXPECT_EQ(c.apic_id, cpus++); });
  EXPECT_EQ(cpus, 100'000u);
}

TEST(Madt, truncated_at_every_length) {
  const Bytes good = madt_of_a_pc();
  for (usize size = 0; size < good.size(); ++size) {
    const Bytes b(good.begin(), good.begin() + static_cast<isize>(size));
    MadtSeen seen;
    visit_madt(b.span(), seen);
    EXPECT_EQ(parse_madt_head(b.span()).has_value(), size >= 44);
    EXPECT_EQ(seen.cpus.size(), size < 52 ? 0u : size < 60 ? 1u : size < 68 ? 2u : 3u);
  }
}

TEST(Madt, records_that_lie_about_their_length) {
  Bytes b = table("APIC", 1, 44);
  b.add({0, 0, 0, 0, 1, 0, 0, 0});
  MadtSeen seen;
  visit_madt(b.span(), seen);
  EXPECT_TRUE(seen.cpus.empty());
  b = table("APIC", 1, 44);
  b.add({0, 4, 0, 0, 0, 8, 1, 1, 1, 0, 0, 0}).add({1, 255, 0, 0});
  visit_madt(b.span(), seen);
  EXPECT_EQ(seen.cpus.size(), 1u);  // the short one is passed over, the long one ends it
  EXPECT_TRUE(seen.io_apics.empty());
}

TEST(Madt, wiring) {
  EXPECT_EQ(wiring_of(0xf).polarity, Polarity::low);
  EXPECT_EQ(wiring_of(0xf).trigger, Trigger::level);
  EXPECT_EQ(wiring_of(0xa).polarity, Polarity::as_bus);
  EXPECT_EQ(wiring_of(0xfff5).trigger, Trigger::edge);
}

// --- FADT ---

Bytes fadt_of_a_pc() {
  Bytes b = table("FACP", 1, 116);
  b.put(36, u32{0x0ffe0000}).put(40, u32{0x0ffe0040}).put(46, u16{9}).put(48, u32{0xb2});
  b.put(52, u8{0xf1}).put(53, u8{0xf0}).put(56, u32{0x600}).put(64, u32{0x604});
  b.put(76, u32{0x608}).put(88, u8{4}).put(89, u8{2}).put(91, u8{4}).put(108, u8{0x32});
  b.put(109, u16{0xffff});  // reserved in this revision
  b.put(112, u32{0x84a5 | 1u << 8});
  return fix(b);
}

TEST(Fadt, of_a_pc_has_116_bytes) {
  Bytes b = fadt_of_a_pc();
  b.put(112, u32{0x5a5 | 1u << 10});  // claims a reset register that it has no room for
  b.shrink_to_fit();
  const auto f = parse_fadt(b.span());
  ASSERT_TRUE(f);
  EXPECT_EQ(f->dsdt, PhysAddr(0x0ffe0040));
  EXPECT_EQ(f->facs, PhysAddr(0x0ffe0000));
  EXPECT_EQ(f->sci_interrupt, 9);
  EXPECT_EQ(f->smi_command_port, 0xb2u);
  EXPECT_EQ(f->acpi_enable, 0xf1);
  EXPECT_EQ(f->acpi_disable, 0xf0);
  EXPECT_EQ(f->pm1a_control.space, AddressSpace::io);
  EXPECT_EQ(f->pm1a_control.address, 0x604u);
  EXPECT_EQ(f->pm1a_control.bit_width, 16);
  EXPECT_FALSE(f->pm1b_control.present());
  EXPECT_EQ(f->pm_timer.address, 0x608u);
  EXPECT_EQ(f->pm_timer.bit_width, 32);
  EXPECT_EQ(f->timer_bits(), 32u);
  EXPECT_EQ(f->century_register, 0x32);
  EXPECT_FALSE(f->boot_flags);
  EXPECT_FALSE(f->reset.present());
  EXPECT_FALSE(f->sleep_control.present());
  EXPECT_FALSE(f->is_hardware_reduced());
}

Bytes& put_register(Bytes& b, usize at, u8 space, u8 width, u64 address) {
  return b.put(at, space).put(at + 1, width).put(at + 4, address);
}

TEST(Fadt, of_a_q35) {
  Bytes b = table("FACP", 3, 244);
  b.put(40, u32{0x1000}).put(64, u32{0x604}).put(76, u32{0x608}).put(89, u8{2}).put(91, u8{4});
  b.put(109, u16{2}).put(112, u32{1u << 10}).put(128, u8{0x0f});
  put_register(b, 116, 1, 8, 0xcf9);
  put_register(b, 172, 1, 16, 0x1604);
  b.put(140, u64{0x2'0000'0000});
  const auto f = parse_fadt(b.span());
  ASSERT_TRUE(f);
  EXPECT_EQ(f->dsdt, PhysAddr(0x2'0000'0000));
  EXPECT_EQ(f->reset.space, AddressSpace::io);
  EXPECT_EQ(f->reset.address, 0xcf9u);
  EXPECT_EQ(f->reset_value, 0x0f);
  EXPECT_EQ(f->pm1a_control.address, 0x1604u);  // the wide field wins
  EXPECT_EQ(f->pm_timer.address, 0x608u);       // and where it is 0, does not
  EXPECT_EQ(f->timer_bits(), 24u);
  ASSERT_TRUE(f->boot_flags);
  EXPECT_TRUE(f->boot_flags->has(BootFlag::keyboard_controller));
  EXPECT_FALSE(f->boot_flags->has(BootFlag::legacy_devices));
}

Bytes fadt_of_a_micro_vm() {
  Bytes b = table("FACP", 5, 268);
  b.put(112, u32{1u << 20 | 1u << 10}).put(128, u8{0x42}).put(140, u64{0x7000});
  b.put(64, u32{0x604}).put(76, u32{0x608});  // to be ignored
  put_register(b, 116, 0, 8, 0xfea00202);
  put_register(b, 244, 0, 8, 0xfea00200);
  put_register(b, 256, 0, 8, 0xfea00201);
  return fix(b);
}

TEST(Fadt, of_a_micro_vm_is_hardware_reduced) {
  const Bytes b = fadt_of_a_micro_vm();
  const auto f = parse_fadt(b.span());
  ASSERT_TRUE(f);
  EXPECT_TRUE(f->is_hardware_reduced());
  EXPECT_EQ(f->sleep_control.space, AddressSpace::memory);
  EXPECT_EQ(f->sleep_control.address, 0xfea00200u);
  EXPECT_EQ(f->sleep_status.address, 0xfea00201u);
  EXPECT_EQ(f->reset.address, 0xfea00202u);
  EXPECT_EQ(f->reset_value, 0x42);
  EXPECT_FALSE(f->pm1a_control.present());
  EXPECT_FALSE(f->pm_timer.present());
}

TEST(Fadt, reset_register_needs_its_flag) {
  Bytes b = fadt_of_a_micro_vm();
  b.put(112, u32{1u << 20});
  EXPECT_FALSE(parse_fadt(b.span())->reset.present());
}

TEST(Fadt, truncated_at_every_length) {
  const Bytes good = fadt_of_a_micro_vm();
  for (usize size = 0; size <= good.size(); ++size) {
    const Bytes b(good.begin(), good.begin() + static_cast<isize>(size));
    const auto f = parse_fadt(b.span());
    ASSERT_EQ(f.has_value(), size >= 116) << size;
    if (!f) continue;
    ASSERT_EQ(f->reset.present(), size >= 129) << size;
    ASSERT_EQ(f->dsdt.value != 0, size >= 148) << size;
    ASSERT_EQ(f->sleep_control.present(), size >= 256) << size;
    ASSERT_EQ(f->sleep_status.present(), size >= 268) << size;
    ASSERT_EQ(f->boot_flags.has_value(), size > 132) << size;
  }
}

// --- _S5_ ---

std::optional<SleepTypes> s5(std::initializer_list<int> around) {
  Bytes b;
  b.add({0x10, 0x20, '_', 'S', '5', '_'});  // a mention that is no definition
  b.add(around);
  b.shrink_to_fit();
  return find_s5(b.span());
}

TEST(SleepS5, forms_of_name_and_integers) {
  // QEMU: Name (_S5, Package (4) { Zero, Zero, Zero, Zero })
  auto t = s5({8, '_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->a, 0);
  EXPECT_EQ(t->b, 0);
  t = s5({8, '\\', '_', 'S', '5', '_', 0x12, 8, 4, 0x0a, 5, 0x0a, 6, 0, 0});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->a, 5);
  EXPECT_EQ(t->b, 6);
  t = s5({8, '_', 'S', '5', '_', 0x12, 5, 2, 1, 0x0a, 7});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->a, 1);
  EXPECT_EQ(t->b, 7);
  t = s5({8, '_', 'S', '5', '_', 0x12, 10, 2, 0x0b, 5, 0, 0x0c, 3, 0, 0, 0});
  ASSERT_TRUE(t) << "words and double words";
  EXPECT_EQ(t->a, 5);
  EXPECT_EQ(t->b, 3);
}

TEST(SleepS5, of_one_element) {
  auto t = s5({8, '_', 'S', '5', '_', 0x12, 4, 1, 0x0a, 5});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->a, 5);
  EXPECT_EQ(t->b, 0);
  t = s5({8, '_', 'S', '5', '_', 0x12, 5, 1, 0x0b, 5, 6});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->a, 5);
  EXPECT_EQ(t->b, 6);
}

TEST(SleepS5, long_package_lengths) {
  for (int more = 1; more <= 3; ++more) {
    Bytes b;
    b.add({8, '_', 'S', '5', '_', 0x12});
    const int length = 1 + more + 5;
    b.add({more << 6 | (length & 0xf)});
    for (int i = 0; i < more; ++i) b.add({0});
    b.add({2, 0x0a, 5, 0x0a, 6});
    const auto t = find_s5(b.span());
    ASSERT_TRUE(t) << more;
    EXPECT_EQ(t->a, 5);
    EXPECT_EQ(t->b, 6);
  }
}

TEST(SleepS5, what_is_not_understood) {
  EXPECT_FALSE(s5({}));
  EXPECT_FALSE(s5({8, '_', 'S', '5', '_', 0x12, 2, 0}));                      // empty package
  EXPECT_FALSE(s5({8, '_', 'S', '5', '_', 0x11, 5, 2, 0x0a, 5, 0}));          // a buffer
  EXPECT_FALSE(s5({'_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0}));             // no NameOp
  EXPECT_FALSE(s5({8, '_', 'S', '5', '_', 0x12, 60, 4, 0, 0, 0, 0}));         // runs past the end
  EXPECT_FALSE(s5({8, '_', 'S', '5', '_', 0x12, 6, 4, 'A', 'B', 'C', 'D'}));  // a reference
  EXPECT_FALSE(s5({8, '_', 'S', '5', '_', 0x12, 0xc6, 0xff, 0xff, 0xff, 4, 0, 0}));
  EXPECT_FALSE(s5({8, '_', 'S', '5', '_', 0x12, 3, 2, 0, 0}));  // second is outside
}

TEST(SleepS5, a_false_start_does_not_hide_the_real_one) {
  const auto t = s5({8, '_', 'S', '5', '_', 0x12, 6, 4, 'A',  'B', 'C', 'D',
                     8, '_', 'S', '5', '_', 0x12, 5, 2, 0x0a, 5,   0});
  ASSERT_TRUE(t);
  EXPECT_EQ(t->a, 5);
}

TEST(SleepS5, truncated_at_every_length) {
  Bytes good;
  good.add({8, '\\', '_', 'S', '5', '_', 0x12, 8, 4, 0x0a, 5, 0x0a, 6, 0, 0});
  for (usize size = 0; size < good.size(); ++size) {
    const Bytes b(good.begin(), good.begin() + static_cast<isize>(size));
    EXPECT_FALSE(find_s5(b.span())) << size;
  }
}

// --- HPET, MCFG ---

TEST(Hpet, table) {
  Bytes b = table("HPET", 1, 56);
  b.put(36, u32{0x8086a201}).put(52, u8{0}).put(53, u16{0x80});
  put_register(b, 40, 0, 0, 0xfed00000);
  const auto h = parse_hpet(b.span());
  ASSERT_TRUE(h);
  EXPECT_EQ(h->at, PhysAddr(0xfed00000));
  EXPECT_EQ(h->min_tick, 0x80);
  b.put(40, u8{1});
  EXPECT_FALSE(parse_hpet(b.span()));
  put_register(b, 40, 0, 0, 0);
  EXPECT_FALSE(parse_hpet(b.span()));
  EXPECT_FALSE(parse_hpet(b.span().first(55)));
}

TEST(Mcfg, windows) {
  Bytes b = table("MCFG", 1, 44);
  const auto add = [&](u64 at, u16 segment, u8 first, u8 last) {
    b.add_number(at).add_number(segment).add_number(first).add_number(last).add_number(u32{0});
  };
  add(0xe0000000, 0, 0, 255);
  add(0x8'0000'0000, 1, 16, 31);
  add(0x9'0000'0000, 1, 31, 16);
  add(0, 0, 0, 255);
  const auto windows = [](std::span<const byte> t) {
    std::vector<McfgWindow> out;
    visit_mcfg(t, [&](const McfgWindow& w) { out.push_back(w); });
    return out;
  };
  const auto found = windows(b.span());
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].at, PhysAddr(0xe0000000));
  EXPECT_EQ(found[1].segment, 1);
  EXPECT_EQ(found[1].first_bus, 16);
  EXPECT_EQ(found[1].last_bus, 31);
  for (usize size = 0; size < 60; ++size) {
    const Bytes cut(b.begin(), b.begin() + static_cast<isize>(size));
    EXPECT_TRUE(windows(cut.span()).empty());
  }
}

// --- everything against noise ---

TEST(Acpi, noise_breaks_nothing) {
  std::mt19937_64 random(9);
  const Bytes seeds[] = {madt_of_a_pc(), fadt_of_a_pc(), fadt_of_a_micro_vm()};
  for (int i = 0; i < 20'000; ++i) {
    Bytes b = seeds[random() % 3];
    for (usize n = random() % 8; n > 0; --n) b[random() % b.size()] = static_cast<byte>(random());
    b.resize(random() % (b.size() + 1));
    b.shrink_to_fit();
    MadtSeen seen;
    visit_madt(b.span(), seen);
    (void)parse_madt_head(b.span());
    (void)parse_fadt(b.span());
    (void)parse_hpet(b.span());
    (void)find_s5(b.span());
    visit_mcfg(b.span(), [](const McfgWindow&) {});
  }
}

}  // namespace
}  // namespace auk::bus::acpi
