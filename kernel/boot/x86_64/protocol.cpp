#include "boot/isa/protocol.hpp"

#include <algorithm>

namespace auk::boot {
namespace {

using core::MemoryKind;

template <class T> T field(std::span<const byte> record, usize offset) {
  T v{};
  if (offset + sizeof(T) <= record.size())
    for (usize i = 0; i < sizeof(T); ++i) v |= static_cast<T>(T{record[offset + i]} << (8 * i));
  return v;
}

MemoryKind kind_of(u32 type) {
  switch (type) {
    case 1: return MemoryKind::usable;
    case 3: return MemoryKind::acpi_reclaimable;
    case 4: return MemoryKind::acpi_nvs;
    case 5: return MemoryKind::unusable;
    case 7: return MemoryKind::persistent;
    default: return MemoryKind::reserved;
  }
}

// Offsets in the zero page.
namespace zp {
constexpr usize sentinel = 0x1ef, acpi_rsdp_addr = 0x070, ext_ramdisk_image = 0x0c0,
                ext_ramdisk_size = 0x0c4, ext_cmd_line_ptr = 0x0c8, e820_entries = 0x1e8,
                header_magic = 0x202, ramdisk_image = 0x218, ramdisk_size = 0x21c,
                cmd_line_ptr = 0x228, setup_data = 0x250, e820_table = 0x2d0;
constexpr usize e820_max = 128, e820_entry = 20;
constexpr u32 magic = 0x53726448;  // "HdrS"
}  // namespace zp

}  // namespace

void parse_e820(std::span<const byte> entries, HandOver& out) {
  for (; entries.size() >= zp::e820_entry; entries = entries.subspan(zp::e820_entry))
    out.add_memory(PhysAddr(field<u64>(entries, 0)), field<u64>(entries, 8),
                   kind_of(field<u32>(entries, 16)));
}

BootPointers parse_boot_params(std::span<const byte> zero_page, HandOver& out) {
  out.protocol = "Linux boot protocol";
  BootPointers p;
  // Not 0: the loader copied the image's sector and cleared nothing else; what
  // stands outside the header and the memory map is noise then.
  const bool clean = field<u8>(zero_page, zp::sentinel) == 0;
  const auto outside = [&](usize offset) {
    return clean ? u64{field<u32>(zero_page, offset)} : u64{0};
  };
  if (clean) out.rsdp = PhysAddr(field<u64>(zero_page, zp::acpi_rsdp_addr));
  const u64 high = outside(zp::ext_ramdisk_image) << 32;
  const u64 start = high | field<u32>(zero_page, zp::ramdisk_image);
  const u64 size = (outside(zp::ext_ramdisk_size) << 32) | field<u32>(zero_page, zp::ramdisk_size);
  if (size != 0 && start + size > start) out.initrd = {PhysAddr(start), PhysAddr(start + size)};
  p.command_line =
      PhysAddr((outside(zp::ext_cmd_line_ptr) << 32) | field<u32>(zero_page, zp::cmd_line_ptr));
  p.command_line_limit = HandOver::max_command_line + 1;
  if (field<u32>(zero_page, zp::header_magic) == zp::magic)
    p.setup_data = PhysAddr(field<u64>(zero_page, zp::setup_data));
  const usize count = std::min<usize>(field<u8>(zero_page, zp::e820_entries), zp::e820_max);
  if (zero_page.size() >= zp::e820_table + count * zp::e820_entry)
    parse_e820(zero_page.subspan(zp::e820_table, count * zp::e820_entry), out);
  return p;
}

bool parse_pvh(std::span<const byte> info, HandOver& out, BootPointers& p) {
  if (info.size() < 40 || field<u32>(info, 0) != pvh_magic) return false;
  out.protocol = "PVH";
  const u32 version = field<u32>(info, 4);
  p.module_count = field<u32>(info, 12);
  p.modules = PhysAddr(field<u64>(info, 16));
  p.command_line = PhysAddr(field<u64>(info, 24));
  p.command_line_limit = HandOver::max_command_line + 1;
  out.rsdp = PhysAddr(field<u64>(info, 32));
  if (version >= 1) {
    p.memory_map = PhysAddr(field<u64>(info, 40));
    p.memory_map_entries = field<u32>(info, 48);
  }
  return true;
}

void parse_pvh_memory_map(std::span<const byte> map, HandOver& out) {
  for (; map.size() >= 24; map = map.subspan(24))
    out.add_memory(PhysAddr(field<u64>(map, 0)), field<u64>(map, 8), kind_of(field<u32>(map, 16)));
}

void parse_pvh_modules(std::span<const byte> list, HandOver& out) {
  const u64 start = field<u64>(list, 0);
  const u64 size = field<u64>(list, 8);
  if (size != 0 && start + size > start) out.initrd = {PhysAddr(start), PhysAddr(start + size)};
}

}  // namespace auk::boot
