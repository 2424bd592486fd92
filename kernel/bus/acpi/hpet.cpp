#include "bus/acpi/hpet.hpp"

#include "bus/acpi/fadt.hpp"

namespace auk::bus::acpi {

std::optional<HpetTable> parse_hpet(std::span<const byte> table) {
  constexpr usize size = 56;
  if (table.size() < size) return std::nullopt;
  const GenericAddress block = generic_address(table, 40);
  if (!block.present() || block.space != AddressSpace::memory) return std::nullopt;
  return HpetTable{PhysAddr(block.address), field<u8>(table, 52), field<u16>(table, 53)};
}

}  // namespace auk::bus::acpi
