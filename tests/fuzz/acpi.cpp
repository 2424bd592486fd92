// One image of physical memory, from the root pointer to the last record of every table.
//
// The input is a list of pieces: 1 byte place, 2 bytes size, contents. Checksums need not be right:
// the harness rights those that would end everything at once when the low bit of `place` is set.
#include <algorithm>
#include <deque>
#include <vector>

#include "bus/acpi/fadt.hpp"
#include "bus/acpi/hpet.hpp"
#include "bus/acpi/madt.hpp"
#include "bus/acpi/mcfg.hpp"
#include "bus/acpi/sleep.hpp"
#include "bus/acpi/tables.hpp"
#include "memory.hpp"

using namespace auk;
using namespace auk::bus::acpi;

namespace {

/// Sums of what is counted, so that nothing is optimised away.
volatile u64 sink;

void parse_everything(std::span<const byte> table) {
  u64 sum = 0;
  if (const auto head = parse_madt_head(table)) sum += head->local_controllers.value;
  struct Visitor {
    u64& sum;
    void operator()(const MadtCpu& v) { sum += v.apic_id; }
    void operator()(const MadtIoApic& v) { sum += v.at.value; }
    void operator()(const MadtOverride& v) { sum += v.gsi; }
    void operator()(const MadtLocalNmi& v) { sum += v.input; }
  };
  visit_madt(table, Visitor{sum});
  if (const auto f = parse_fadt(table)) sum += f->dsdt.value + f->reset.address;
  if (const auto h = parse_hpet(table)) sum += h->at.value;
  visit_mcfg(table, [&](const McfgWindow& w) { sum += w.at.value; });
  if (const auto s5 = find_s5(table)) sum += s5->a;
  sink = sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const byte* data, usize size) {
  fuzz::Input input(data, size);
  fuzz::Memory memory;
  std::deque<std::vector<byte>> pieces;
  while (!input.empty() && pieces.size() < 16) {
    const auto place = input.number<u8>();
    const auto wanted = input.number<u16>();
    const auto bytes = input.take(wanted);
    auto& piece = pieces.emplace_back(bytes.begin(), bytes.end());
    const auto fix = [&](usize at, usize covered) {
      if (piece.size() < covered || covered <= at) return;
      piece[at] = 0;
      u8 sum = 0;
      for (usize i = 0; i < covered; ++i) sum = static_cast<u8>(sum + piece[i]);
      piece[at] = static_cast<byte>(-sum);
    };
    if (bus::has_text(piece, 0, "RSD PTR ") && (place & 1) != 0) {
      fix(8, 20);
      fix(32, 36);
    }
    // Few addresses, so that pointers made of noise hit something.
    memory.place(u64{place} * 0x1000, piece);
  }
  const auto root = find_root(memory, PhysAddr(0x1000));
  if (!root) {
    for (const auto& piece : pieces) parse_everything(piece);
    return 0;
  }
  const auto tables = Tables::open(memory, *root);
  if (!tables) return 0;
  for (u32 i = 0; i < tables->count(); ++i) {
    const auto table = tables->table(i);
    if (!table) continue;
    parse_everything(table->bytes);
    if (const auto f = parse_fadt(table->bytes))
      if (const auto dsdt = read_table(memory, f->dsdt)) (void)find_s5(dsdt->bytes);
  }
  (void)tables->find("APIC");
  return 0;
}
