#include "bus/mptable.hpp"

#include <gtest/gtest.h>
#include <vector>

#include "support/bytes.hpp"

namespace auk::bus {
namespace {

using test::Bytes;
using test::Memory;

Bytes pointer(u32 table, u8 revision = 4, u8 feature1 = 0, u8 feature2 = 0) {
  Bytes b(16);
  b.put_text(0, "_MP_").put(4, table).put(8, u8{1}).put(9, revision);
  b.put(11, feature1).put(12, feature2);
  return b.fix_sum(10, 16);
}

Bytes& fix(Bytes& b) { return b.put(4, static_cast<u16>(b.size())).fix_sum(7, b.size()); }

/// As virtual machines without ACPI write it: CPUs, the ISA bus, one controller, its wires.
Bytes table(u8 cpus) {
  Bytes b(44);
  b.put_text(0, "PCMP").put(6, u8{4}).put_text(8, "FC      ").put_text(16, "000000000000");
  b.put(34, static_cast<u16>(cpus + 1 + 1 + 16 + 2)).put(36, u32{0xfee00000});
  for (u8 i = 0; i < cpus; ++i)
    b.add({0, i, 0x14, i == 0 ? 3 : 1})
        .add_number(u32{0x600})
        .add_number(u32{0x201})
        .add_number(u64{0});
  b.add({1, 0, 'I', 'S', 'A', ' ', ' ', ' '});
  b.add({2, cpus, 0x11, 1}).add_number(u32{0xfec00000});
  for (int i = 0; i < 16; ++i) b.add({3, 0, 0, 0, 0, i, cpus, i});
  b.add({4, 3, 0, 0, 0, 0, 0, 0}).add({4, 1, 0xf, 0, 0, 0, 0xff, 1});
  return fix(b);
}

struct Seen {
  std::vector<MpCpu> cpus;
  std::vector<MpBus> buses;
  std::vector<MpIoApic> io_apics;
  std::vector<MpInterrupt> interrupts;
  std::vector<MpLocalInterrupt> locals;
  void operator()(const MpCpu& v) { cpus.push_back(v); }
  void operator()(const MpBus& v) { buses.push_back(v); }
  void operator()(const MpIoApic& v) { io_apics.push_back(v); }
  void operator()(const MpInterrupt& v) { interrupts.push_back(v); }
  void operator()(const MpLocalInterrupt& v) { locals.push_back(v); }
};

Memory legacy_memory(u16 ebda_segment) {
  Memory m;
  Bytes low(0x1000);
  low.put(0x40e, ebda_segment);
  m.place(0, low);
  m.place(0x9e000, Bytes(0x2000));
  m.place(0xf0000, Bytes(0x10000));
  return m;
}
void put(Memory& m, u64 piece, u64 at, const Bytes& b) {
  std::copy(b.begin(), b.end(), m.piece(piece).begin() + static_cast<isize>(at - piece));
}

TEST(MpPointer, is_found_wherever_it_may_be) {
  const std::pair<u64, u64> places[] = {{0, 0x200},         {0x9e000, 0x9e400}, {0x9e000, 0x9e7f0},
                                        {0x9e000, 0x9fc00}, {0x9e000, 0x9fff0}, {0xf0000, 0xf0000},
                                        {0xf0000, 0xffff0}};
  for (const auto& [piece, at] : places) {
    Memory m = legacy_memory(0x9e40);
    put(m, piece, at, pointer(0x12345));
    const auto p = find_mp_pointer(m);
    ASSERT_TRUE(p) << at;
    EXPECT_EQ(p->at, PhysAddr(at));
    EXPECT_EQ(p->table, PhysAddr(0x12345));
  }
}

TEST(MpPointer, is_not_found_elsewhere) {
  for (const u64 at : {0x9e000u, 0x9e408u, 0x9e800u}) {
    Memory m = legacy_memory(0x9e40);
    put(m, 0x9e000, at, pointer(0x12345));
    EXPECT_FALSE(find_mp_pointer(m)) << at;
  }
  Memory nothing;
  EXPECT_FALSE(find_mp_pointer(nothing));
}

TEST(MpPointer, features) {
  Memory m = legacy_memory(0);
  put(m, 0xf0000, 0xf0000, pointer(0, 1, 5, 0x80));
  const auto p = find_mp_pointer(m);
  ASSERT_TRUE(p);
  EXPECT_EQ(p->default_configuration, 5);
  EXPECT_TRUE(p->has_mode_switch);
}

TEST(MpPointer, must_be_right) {
  Bytes wrong_sum = pointer(0x1000);
  wrong_sum[4] ^= 1;
  Bytes wrong_size = pointer(0x1000);
  wrong_size.put(8, u8{2}).fix_sum(10, 16);
  for (const Bytes& bad : {wrong_sum, wrong_size, pointer(0x1000, 0), pointer(0x1000, 5)}) {
    Memory m = legacy_memory(0);
    put(m, 0xf0000, 0xf0000, bad);
    EXPECT_FALSE(find_mp_pointer(m));
    put(m, 0xf0000, 0xf0010, pointer(0x2000));
    EXPECT_EQ(find_mp_pointer(m)->table, PhysAddr(0x2000));
  }
}

TEST(MpTable, of_a_virtual_machine) {
  Memory m;
  m.place(0x9fc10, table(3));
  const auto t = read_mp_table(m, PhysAddr(0x9fc10));
  ASSERT_TRUE(t);
  EXPECT_EQ(t->local_controllers, PhysAddr(0xfee00000));
  Seen seen;
  visit_mp_table(*t, seen);
  ASSERT_EQ(seen.cpus.size(), 3u);
  EXPECT_TRUE(seen.cpus[0].is_boot_cpu);
  EXPECT_TRUE(seen.cpus[2].enabled);
  EXPECT_FALSE(seen.cpus[2].is_boot_cpu);
  EXPECT_EQ(seen.cpus[2].apic_id, 2);
  ASSERT_EQ(seen.buses.size(), 1u);
  EXPECT_EQ(seen.buses[0].type(), "ISA");
  ASSERT_EQ(seen.io_apics.size(), 1u);
  EXPECT_EQ(seen.io_apics[0].id, 3);
  EXPECT_TRUE(seen.io_apics[0].enabled);
  EXPECT_EQ(seen.io_apics[0].at, PhysAddr(0xfec00000));
  ASSERT_EQ(seen.interrupts.size(), 16u);
  EXPECT_EQ(seen.interrupts[5].source, 5);
  EXPECT_EQ(seen.interrupts[5].input, 5);
  EXPECT_EQ(seen.interrupts[5].io_apic, 3);
  EXPECT_EQ(seen.interrupts[5].kind, MpInterruptKind::vectored);
  ASSERT_EQ(seen.locals.size(), 2u);
  EXPECT_EQ(seen.locals[0].kind, MpInterruptKind::external);
  EXPECT_EQ(seen.locals[1].kind, MpInterruptKind::nmi);
  EXPECT_EQ(seen.locals[1].apic_id, 0xff);
  EXPECT_EQ(seen.locals[1].input, 1);
  EXPECT_EQ(seen.locals[1].wiring.trigger, acpi::Trigger::level);
}

TEST(MpTable, must_be_right) {
  const Bytes good = table(1);
  for (usize bit = 0; bit < good.size() * 8; ++bit) {
    Memory m;
    Bytes b = good;
    b[bit / 8] = static_cast<byte>(b[bit / 8] ^ 1 << bit % 8);
    m.place(0x1000, b);
    ASSERT_FALSE(read_mp_table(m, PhysAddr(0x1000))) << bit;
  }
  Memory m;
  EXPECT_FALSE(read_mp_table(m, PhysAddr(0)));
  EXPECT_FALSE(read_mp_table(m, PhysAddr(0x1000)));
}

TEST(MpTable, truncated_at_every_length) {
  const Bytes good = table(2);
  for (usize size = 0; size < good.size(); ++size) {
    // First memory that ends early, then a table that says so itself.
    Memory m;
    Bytes b(good.begin(), good.begin() + static_cast<isize>(size));
    m.place(0x1000, b);
    ASSERT_FALSE(read_mp_table(m, PhysAddr(0x1000)));
    if (size < 44) continue;
    m.place(0x1000, fix(b));
    const auto t = read_mp_table(m, PhysAddr(0x1000));
    ASSERT_TRUE(t);
    Seen seen;
    visit_mp_table(*t, seen);
    EXPECT_EQ(seen.cpus.size(), std::min<usize>((size - 44) / 20, 2));
  }
}

TEST(MpTable, unknown_entry_ends_the_walk) {
  Bytes b(44);
  b.put_text(0, "PCMP").put(34, u16{3});
  b.add({1, 0, 'P', 'C', 'I', ' ', ' ', ' '}).add({9, 0, 0, 0, 0, 0, 0, 0});
  b.add({1, 1, 'I', 'S', 'A', ' ', ' ', ' '});
  Memory m;
  m.place(0x1000, fix(b));
  Seen seen;
  visit_mp_table(*read_mp_table(m, PhysAddr(0x1000)), seen);
  ASSERT_EQ(seen.buses.size(), 1u);
  EXPECT_EQ(seen.buses[0].type(), "PCI");
}

// QEMU's microvm leaves it 0.
TEST(MpTable, the_count_of_entries_is_not_asked) {
  Bytes b = table(4);
  b.put(34, u16{0});
  Memory m;
  m.place(0x1000, fix(b));
  unsigned cpus = 0;
  visit_mp_table(*read_mp_table(m, PhysAddr(0x1000)), [&](const MpCpu&) { ++cpus; });
  EXPECT_EQ(cpus, 4u);
}

}  // namespace
}  // namespace auk::bus
