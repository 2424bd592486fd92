#include "bus/acpi/madt.hpp"

namespace auk::bus::acpi {
namespace {

constexpr usize fixed_part = 44;

enum Type : u8 {
  cpu = 0,
  io_apic = 1,
  source_override = 2,
  local_nmi = 4,
  address_override = 5,
  wide_cpu = 9,
  wide_local_nmi = 10,
};

bool is(const MadtRecord& r, Type type, usize size) {
  return r.type == type && r.body.size() >= size;
}

}  // namespace

Wiring wiring_of(u16 flags) {
  Wiring w;
  // The value 2 is reserved in both fields and taken for "as the bus does".
  if ((flags & 3) == 1) w.polarity = Polarity::high;
  if ((flags & 3) == 3) w.polarity = Polarity::low;
  if ((flags >> 2 & 3) == 1) w.trigger = Trigger::edge;
  if ((flags >> 2 & 3) == 3) w.trigger = Trigger::level;
  return w;
}

MadtRecords::MadtRecords(std::span<const byte> table)
    : rest_(table.size() > fixed_part ? table.subspan(fixed_part) : std::span<const byte>()) {}

std::optional<MadtRecord> MadtRecords::next() {
  const usize size = field<u8>(rest_, 1);
  // A length below 2 would never end.
  if (size < 2 || size > rest_.size()) {
    rest_ = {};
    return std::nullopt;
  }
  const MadtRecord record{rest_[0], rest_.first(size)};
  rest_ = rest_.subspan(size);
  return record;
}

std::optional<MadtHead> parse_madt_head(std::span<const byte> table) {
  if (table.size() < fixed_part) return std::nullopt;
  MadtHead head{.local_controllers = PhysAddr(field<u32>(table, 36)),
                .has_legacy_pics = (field<u32>(table, 40) & 1) != 0};
  MadtRecords records(table);
  while (const auto r = records.next())
    if (is(*r, address_override, 12)) head.local_controllers = PhysAddr(field<u64>(r->body, 4));
  return head;
}

std::optional<MadtCpu> madt_cpu(const MadtRecord& r) {
  MadtCpu out{};
  u32 flags = 0;
  u32 nobody = 0;
  if (is(r, cpu, 8)) {
    out.acpi_uid = field<u8>(r.body, 2);
    out.apic_id = field<u8>(r.body, 3);
    flags = field<u32>(r.body, 4);
    nobody = 0xff;
  } else if (is(r, wide_cpu, 16)) {
    out.apic_id = field<u32>(r.body, 4);
    flags = field<u32>(r.body, 8);
    out.acpi_uid = field<u32>(r.body, 12);
    nobody = 0xffffffff;
  } else {
    return std::nullopt;
  }
  // The broadcast number marks an empty socket whatever the flags say.
  if (out.apic_id == nobody) return std::nullopt;
  out.enabled = (flags & 1) != 0;
  out.online_capable = (flags & 2) != 0;
  return out;
}

std::optional<MadtIoApic> madt_io_apic(const MadtRecord& r) {
  if (!is(r, io_apic, 12)) return std::nullopt;
  return MadtIoApic{field<u8>(r.body, 2), PhysAddr(field<u32>(r.body, 4)), field<u32>(r.body, 8)};
}

std::optional<MadtOverride> madt_override(const MadtRecord& r) {
  if (!is(r, source_override, 10)) return std::nullopt;
  return MadtOverride{field<u8>(r.body, 3), field<u32>(r.body, 4),
                      wiring_of(field<u16>(r.body, 8))};
}

std::optional<MadtLocalNmi> madt_local_nmi(const MadtRecord& r) {
  if (is(r, local_nmi, 6)) {
    const u8 uid = field<u8>(r.body, 2);
    return MadtLocalNmi{uid == 0xff ? MadtLocalNmi::all_cpus : uid, field<u8>(r.body, 5),
                        wiring_of(field<u16>(r.body, 3))};
  }
  if (is(r, wide_local_nmi, 12))
    return MadtLocalNmi{field<u32>(r.body, 4), field<u8>(r.body, 8),
                        wiring_of(field<u16>(r.body, 2))};
  return std::nullopt;
}

}  // namespace auk::bus::acpi
