// The parsers on what real firmware wrote: data/*.txt, captured from three of QEMU's machines.
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>

#include "bus/acpi/fadt.hpp"
#include "bus/acpi/hpet.hpp"
#include "bus/acpi/madt.hpp"
#include "bus/acpi/mcfg.hpp"
#include "bus/acpi/sleep.hpp"
#include "bus/acpi/tables.hpp"
#include "bus/mptable.hpp"
#include "support/bytes.hpp"

namespace auk::bus {
namespace {

using namespace acpi;
using test::Bytes;

constexpr u64 bios = 0xe0000;

/// Lines `NAME ADDRESS SIZE`, each followed by its bytes in hex; `#` begins a comment.
void load(test::Memory& memory, const std::string& machine) {
  memory.place(0, Bytes(0x1000));
  memory.place(bios, Bytes(0x20000));
  std::ifstream file(std::string(AUK_TEST_DATA) + "/" + machine + ".txt");
  ASSERT_TRUE(file);
  u64 at = 0;
  Bytes bytes;
  const auto finish = [&] {
    if (at >= bios && at < 1 * mib)
      std::copy(bytes.begin(), bytes.end(),
                memory.piece(bios).begin() + static_cast<isize>(at - bios));
    else if (!bytes.empty())
      memory.place(at, bytes);
    bytes.clear();
  };
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    if (line.contains(' ')) {
      finish();
      std::string name;
      std::istringstream(line) >> name >> std::hex >> at;
      continue;
    }
    for (usize i = 0; i + 1 < line.size(); i += 2)
      bytes.push_back(static_cast<byte>(std::stoul(line.substr(i, 2), nullptr, 16)));
  }
  finish();
}

struct Machine {
  test::Memory memory;
  std::optional<Root> root;
  std::optional<Tables> tables;
  std::optional<Fadt> fadt;
  std::optional<SleepTypes> s5;

  explicit Machine(const std::string& name) {
    load(memory, name);
    root = find_root(memory, {});
    if (root) tables = Tables::open(memory, *root);
    if (const auto t = copy("FACP"); !t.empty()) fadt = parse_fadt(t.span());
    if (!fadt) return;
    if (const auto dsdt = read_table(memory, fadt->dsdt)) {
      EXPECT_TRUE(dsdt->checksum_ok);
      EXPECT_EQ(dsdt->signature(), "DSDT");
      s5 = find_s5(dsdt->bytes);
    }
  }
  Bytes copy(std::string_view signature) const {
    const auto t = tables ? tables->find(signature) : std::nullopt;
    if (!t) return {};
    EXPECT_TRUE(t->checksum_ok) << signature;
    return Bytes(t->bytes.begin(), t->bytes.end());
  }
};

struct Count {
  u32 cpus = 0, io_apics = 0, overrides = 0, nmis = 0;
  void operator()(const MadtCpu& c) { cpus += c.is_usable() ? 1 : 0; }
  void operator()(const MadtIoApic&) { ++io_apics; }
  void operator()(const MadtOverride&) { ++overrides; }
  void operator()(const MadtLocalNmi&) { ++nmis; }
};

TEST(Qemu, pc) {
  const Machine m("pc");
  ASSERT_TRUE(m.root && m.tables && m.fadt && m.s5);
  EXPECT_EQ(m.root->revision, 0);
  EXPECT_FALSE(m.root->is_xsdt);
  EXPECT_TRUE(m.tables->checksum_ok());
  EXPECT_EQ(m.tables->count(), 4u);
  EXPECT_EQ(m.copy("FACP").size(), 116u);
  EXPECT_EQ(m.fadt->pm1a_control.address, 0x604u);
  EXPECT_EQ(m.fadt->pm_timer.address, 0x608u);
  EXPECT_EQ(m.fadt->sci_interrupt, 9);
  EXPECT_FALSE(m.fadt->reset.present());
  EXPECT_EQ(m.s5->a, 0);
  Count n;
  visit_madt(m.copy("APIC").span(), n);
  EXPECT_EQ(n.cpus, 2u);
  EXPECT_EQ(n.io_apics, 1u);
  EXPECT_EQ(n.overrides, 5u);
  EXPECT_EQ(n.nmis, 1u);
  EXPECT_TRUE(parse_madt_head(m.copy("APIC").span())->has_legacy_pics);
  EXPECT_EQ(parse_hpet(m.copy("HPET").span())->at, PhysAddr(0xfed00000));
}

TEST(Qemu, q35) {
  const Machine m("q35");
  ASSERT_TRUE(m.root && m.tables && m.fadt && m.s5);
  EXPECT_EQ(m.tables->count(), 5u);
  EXPECT_EQ(m.fadt->revision, 3);
  EXPECT_EQ(m.fadt->pm1a_control.address, 0x604u);
  EXPECT_EQ(m.fadt->reset.address, 0xcf9u);
  EXPECT_EQ(m.fadt->reset.space, AddressSpace::io);
  EXPECT_EQ(m.fadt->reset_value, 0x0f);
  EXPECT_EQ(m.s5->a, 0);
  unsigned windows = 0;
  visit_mcfg(m.copy("MCFG").span(), [&](const McfgWindow& w) {
    ++windows;
    EXPECT_EQ(w.at, PhysAddr(0xb0000000));
    EXPECT_EQ(w.first_bus, 0);
    EXPECT_EQ(w.last_bus, 255);
  });
  EXPECT_EQ(windows, 1u);
}

TEST(Qemu, microvm) {
  const Machine m("microvm");
  ASSERT_TRUE(m.root && m.tables && m.fadt && m.s5);
  EXPECT_EQ(m.root->revision, 2);
  EXPECT_TRUE(m.root->is_xsdt);
  EXPECT_EQ(m.tables->count(), 2u);
  EXPECT_TRUE(m.fadt->is_hardware_reduced());
  EXPECT_EQ(m.fadt->sleep_control.address, 0xfea00200u);
  EXPECT_EQ(m.fadt->reset.address, 0xfea00202u);
  EXPECT_EQ(m.fadt->reset_value, 0x42);
  EXPECT_EQ(m.s5->a, 5);
  Count n;
  visit_madt(m.copy("APIC").span(), n);
  EXPECT_EQ(n.cpus, 2u);
  EXPECT_EQ(n.io_apics, 2u);
}

TEST(Qemu, mp_table_of_the_firmware) {
  for (const char* name : {"pc", "q35"}) {
    Machine m(name);
    const auto pointer = find_mp_pointer(m.memory);
    ASSERT_TRUE(pointer);
    EXPECT_EQ(pointer->default_configuration, 0);
    const auto table = read_mp_table(m.memory, pointer->table);
    ASSERT_TRUE(table);
    struct {
      u32 cpus = 0, isa = 0, io_apics = 0, interrupts = 0, locals = 0;
      void operator()(const MpCpu& c) { cpus += c.enabled ? 1 : 0; }
      void operator()(const MpBus& b) { isa += b.type() == "ISA" ? 1 : 0; }
      void operator()(const MpIoApic& a) {
        ++io_apics;
        EXPECT_EQ(a.at, PhysAddr(0xfec00000));
      }
      void operator()(const MpInterrupt&) { ++interrupts; }
      void operator()(const MpLocalInterrupt&) { ++locals; }
    } n;
    visit_mp_table(*table, n);
    EXPECT_GE(n.cpus, 1u);
    EXPECT_EQ(n.isa, 1u);
    EXPECT_EQ(n.io_apics, 1u);
    EXPECT_GE(n.interrupts, 12u);
    EXPECT_EQ(n.locals, 2u);
  }
}

}  // namespace
}  // namespace auk::bus
