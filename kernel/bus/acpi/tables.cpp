#include "bus/acpi/tables.hpp"

#include <algorithm>

namespace auk::bus::acpi {
namespace {

// No table comes near this; it bounds the checksum over a length that firmware wrote.
constexpr u32 max_table_size = 16 * mib;

}  // namespace

std::optional<Table> read_table(PhysReader& reader, PhysAddr at) {
  if (at.value == 0) return std::nullopt;
  const auto head = reader.bytes(at, header_size);
  const u32 length = field<u32>(head, 4);
  if (length < header_size || length > max_table_size) return std::nullopt;
  Table table{.at = at, .bytes = reader.bytes(at, length)};
  if (table.bytes.size() != length) return std::nullopt;
  std::copy_n(table.bytes.begin(), table.signature_.size(), table.signature_.begin());
  table.checksum_ok = sums_to_zero(table.bytes);
  return table;
}

std::optional<Tables> Tables::open(PhysReader& reader, const Root& root) {
  const auto table = read_table(reader, root.table);
  if (!table || table->signature() != (root.is_xsdt ? "XSDT" : "RSDT")) return std::nullopt;
  Tables tables(reader);
  tables.is_xsdt_ = root.is_xsdt;
  tables.checksum_ok_ = table->checksum_ok;
  tables.entries_ = root.table + header_size;
  const usize room = table->bytes.size() - header_size;
  const u32 entries = static_cast<u32>(room / (root.is_xsdt ? 8 : 4));
  tables.count_ = std::min(entries, max_tables);
  tables.dropped_ = entries - tables.count_;
  return tables;
}

std::optional<Table> Tables::table(u32 index) const {
  if (index >= count_) return std::nullopt;
  // Entries of an XSDT are 8 bytes wide but only 4-byte aligned.
  const u64 size = is_xsdt_ ? 8 : 4;
  const auto entry = reader_->bytes(entries_ + index * size, size);
  return read_table(*reader_,
                    PhysAddr(is_xsdt_ ? field<u64>(entry, 0) : u64{field<u32>(entry, 0)}));
}

std::optional<Table> Tables::find(std::string_view signature, u32 instance) const {
  for (u32 i = 0; i < count_; ++i) {
    const auto found = table(i);
    if (found && found->signature() == signature && instance-- == 0) return found;
  }
  return std::nullopt;
}

}  // namespace auk::bus::acpi
