#include "bus/acpi/rsdp.hpp"

namespace auk::bus::acpi {
namespace {

constexpr std::string_view signature = "RSD PTR ";
constexpr u64 size_v1 = 20;
constexpr u64 size_v2 = 36;
constexpr PhysRange bios_area{PhysAddr(0xe0000), PhysAddr(0x100000)};

namespace at_offset {
constexpr usize revision = 15, rsdt = 16, xsdt = 24;
}

}  // namespace

std::optional<Root> read_root(PhysReader& reader, PhysAddr at) {
  auto bytes = reader.bytes(at, size_v1);
  if (!has_text(bytes, 0, signature) || !sums_to_zero(bytes)) return std::nullopt;
  Root root{.rsdp = at, .table = {}, .revision = field<u8>(bytes, at_offset::revision)};
  const PhysAddr rsdt(field<u32>(bytes, at_offset::rsdt));
  if (root.revision >= 2) {
    // The length field is not consulted: every revision so far has 36 bytes, and the sum says
    // whether they are there.
    bytes = reader.bytes(at, size_v2);
    if (bytes.empty() || !sums_to_zero(bytes)) return std::nullopt;
    root.table = PhysAddr(field<u64>(bytes, at_offset::xsdt));
    root.is_xsdt = root.table.value != 0;
  }
  if (!root.is_xsdt) root.table = rsdt;
  if (root.table.value == 0) return std::nullopt;
  return root;
}

std::optional<Root> find_root(PhysReader& reader, PhysAddr hint) {
  std::optional<Root> root;
  if (hint.value != 0 && (root = read_root(reader, hint))) return root;
  const auto take = [&](PhysAddr at) {
    root = read_root(reader, at);
    return root.has_value();
  };
  // A segment in the first KiB is no area but a word that nobody set.
  const PhysAddr area = extended_bios_area(reader);
  if (area.value > kib && scan(reader, {area, area + kib}, signature, take)) return root;
  scan(reader, bios_area, signature, take);
  return root;
}

}  // namespace auk::bus::acpi
