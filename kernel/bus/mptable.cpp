#include "bus/mptable.hpp"

#include <algorithm>

namespace auk::bus {
namespace {

constexpr usize pointer_size = 16;
constexpr usize header_size = 44;

enum Type : u8 { cpu = 0, bus = 1, io_apic = 2, interrupt = 3, local_interrupt = 4 };

constexpr usize cpu_size = 20;
constexpr usize other_size = 8;

std::optional<MpPointer> read_pointer(PhysReader& reader, PhysAddr at) {
  const auto bytes = reader.bytes(at, pointer_size);
  const u8 paragraphs = field<u8>(bytes, 8);
  const u8 revision = field<u8>(bytes, 9);
  // The checksum covers 16 bytes: both revisions have exactly one paragraph.
  if (paragraphs != 1 || (revision != 1 && revision != 4) || !sums_to_zero(bytes))
    return std::nullopt;
  return MpPointer{.at = at,
                   .table = PhysAddr(field<u32>(bytes, 4)),
                   .default_configuration = field<u8>(bytes, 11),
                   .has_mode_switch = (field<u8>(bytes, 12) & 0x80) != 0};
}

bool is(const MpEntry& e, Type type) { return e.type == type; }

}  // namespace

std::optional<MpPointer> find_mp_pointer(PhysReader& reader) {
  std::optional<MpPointer> pointer;
  const auto take = [&](PhysAddr at) {
    pointer = read_pointer(reader, at);
    return pointer.has_value();
  };
  const auto search = [&](u64 start, u64 size) {
    return scan(reader, {PhysAddr(start), PhysAddr(start + size)}, "_MP_", take);
  };
  const PhysAddr area = extended_bios_area(reader);
  if (area.value > kib && search(area.value, kib)) return pointer;
  // The last KiB of 640 is also where virtual machines without a BIOS put it.
  if (search(639 * kib, kib) || search(0xf0000, 0x10000)) return pointer;
  search(0, kib);
  return pointer;
}

std::optional<MpTable> read_mp_table(PhysReader& reader, PhysAddr at) {
  if (at.value == 0) return std::nullopt;
  const auto head = reader.bytes(at, header_size);
  if (!has_text(head, 0, "PCMP")) return std::nullopt;
  const u16 length = field<u16>(head, 4);
  if (length < header_size) return std::nullopt;
  const auto bytes = reader.bytes(at, length);
  if (bytes.size() != length || !sums_to_zero(bytes)) return std::nullopt;
  return MpTable{.local_controllers = PhysAddr(field<u32>(bytes, 36)),
                 .entries = bytes.subspan(header_size)};
}

std::optional<MpEntry> MpEntries::next() {
  if (rest_.empty()) return std::nullopt;
  const u8 type = rest_[0];
  const usize size = type == cpu ? cpu_size : other_size;
  if (type > local_interrupt || size > rest_.size()) {
    rest_ = {};
    return std::nullopt;
  }
  const MpEntry entry{type, rest_.first(size)};
  rest_ = rest_.subspan(size);
  return entry;
}

std::optional<MpCpu> mp_cpu(const MpEntry& e) {
  if (!is(e, cpu)) return std::nullopt;
  const u8 flags = field<u8>(e.body, 3);
  return MpCpu{field<u8>(e.body, 1), (flags & 1) != 0, (flags & 2) != 0};
}

std::optional<MpBus> mp_bus(const MpEntry& e) {
  if (!is(e, bus)) return std::nullopt;
  MpBus out{.id = field<u8>(e.body, 1), .type_ = {}};
  std::copy_n(e.body.begin() + 2, out.type_.size(), out.type_.begin());
  return out;
}

std::optional<MpIoApic> mp_io_apic(const MpEntry& e) {
  if (!is(e, io_apic)) return std::nullopt;
  return MpIoApic{field<u8>(e.body, 1), (field<u8>(e.body, 3) & 1) != 0,
                  PhysAddr(field<u32>(e.body, 4))};
}

std::optional<MpInterrupt> mp_interrupt(const MpEntry& e) {
  if (!is(e, interrupt)) return std::nullopt;
  return MpInterrupt{static_cast<MpInterruptKind>(e.body[1]),
                     acpi::wiring_of(field<u16>(e.body, 2)),
                     e.body[4],
                     e.body[5],
                     e.body[6],
                     e.body[7]};
}

std::optional<MpLocalInterrupt> mp_local_interrupt(const MpEntry& e) {
  if (!is(e, local_interrupt)) return std::nullopt;
  return MpLocalInterrupt{static_cast<MpInterruptKind>(e.body[1]),
                          acpi::wiring_of(field<u16>(e.body, 2)),
                          e.body[4],
                          e.body[5],
                          e.body[6],
                          e.body[7]};
}

}  // namespace auk::bus
