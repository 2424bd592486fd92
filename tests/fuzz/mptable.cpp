// The MP table: the search for its pointer, and the walk over its entries.
#include <cstring>
#include <vector>

#include "bus/mptable.hpp"
#include "memory.hpp"

using namespace auk;

namespace {

volatile u64 sink;

void fix_sum(std::vector<byte>& b, usize at, usize covered) {
  if (b.size() < covered || covered <= at) return;
  b[at] = 0;
  u8 sum = 0;
  for (usize i = 0; i < covered; ++i) sum = static_cast<u8>(sum + b[i]);
  b[at] = static_cast<byte>(-sum);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const byte* data, usize size) {
  fuzz::Input input(data, size);
  const auto choice = input.number<u8>();
  const auto front = input.take(64);
  std::vector<byte> area(front.begin(), front.end());
  area.resize(kib);
  const auto rest = input.rest();
  std::vector<byte> table(rest.begin(), rest.end());
  // Without this nearly every input would end at a checksum.
  if ((choice & 1) != 0) {
    std::memcpy(area.data(), "_MP_", 4);
    area[4] = area[6] = area[7] = 0;
    area[5] = 0x10;
    area[8] = 1;
    area[9] = 4;
    fix_sum(area, 10, 16);
  }
  if ((choice & 2) != 0 && table.size() >= 44) {
    std::memcpy(table.data(), "PCMP", 4);
    table[4] = static_cast<byte>(table.size());
    table[5] = static_cast<byte>(table.size() >> 8);
    fix_sum(table, 7, table.size() & 0xffff);
  }
  fuzz::Memory memory;
  memory.place(639 * kib, area);
  memory.place(0x1000, table);
  const auto pointer = bus::find_mp_pointer(memory);
  const auto mp = bus::read_mp_table(memory, pointer ? pointer->table : PhysAddr(0x1000));
  if (!mp) return 0;
  struct Visitor {
    u64 sum = 0;
    void operator()(const bus::MpCpu& v) { sum += v.apic_id; }
    void operator()(const bus::MpBus& v) { sum += v.type().size(); }
    void operator()(const bus::MpIoApic& v) { sum += v.at.value; }
    void operator()(const bus::MpInterrupt& v) { sum += v.source; }
    void operator()(const bus::MpLocalInterrupt& v) { sum += v.apic_id; }
  } visitor;
  bus::visit_mp_table(*mp, visitor);
  sink = visitor.sum;
  return 0;
}
