// The tables of ACPI, found by signature.
//
// Data model: nothing is copied. A Table's bytes are what PhysReader gave, and live as long.
// Context: boot CPU, early; nothing is written.
// Source: ACPI 6.5, 5.2.6 to 5.2.8.
// Differences from Linux: none in what is accepted: a wrong checksum is worth a warning, which the
// caller writes, and the table is used, because firmware in the field has such tables.
#pragma once
#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "bus/acpi/rsdp.hpp"

namespace auk::bus::acpi {

inline constexpr usize header_size = 36;

struct Table {
  PhysAddr at;
  std::array<char, 4> signature_{};
  std::span<const byte> bytes;  ///< header included, as long as the header says
  bool checksum_ok = false;

  std::string_view signature() const { return {signature_.data(), signature_.size()}; }
  u8 revision() const { return field<u8>(bytes, 8); }
};

/// The table at `at`; nothing when it is out of reach or its length is nonsense.
std::optional<Table> read_table(PhysReader& reader, PhysAddr at);

class Tables {
  PhysReader* reader_;
  PhysAddr entries_;
  u32 count_ = 0;
  u32 dropped_ = 0;
  bool is_xsdt_ = false;
  bool checksum_ok_ = false;

  explicit Tables(PhysReader& reader) : reader_(&reader) {}

 public:
  static constexpr u32 max_tables = 1024;

  /// Nothing when the root table is out of reach or has another signature.
  static std::optional<Tables> open(PhysReader& reader, const Root& root);

  u32 count() const { return count_; }
  u32 dropped() const { return dropped_; }           ///< entries beyond max_tables
  bool checksum_ok() const { return checksum_ok_; }  ///< of the root table itself

  /// The table that entry `index` names; nothing when the entry is empty or leads nowhere.
  std::optional<Table> table(u32 index) const;

  /// The `instance`-th table with that signature, counted from 0.
  std::optional<Table> find(std::string_view signature, u32 instance = 0) const;
};

}  // namespace auk::bus::acpi
