// The hand-over record: what a boot loader said, in one form for every boot protocol.
//
// Purpose: the rest of the kernel knows no boot protocol.
// Data model: a plain value filled by the parsers of boot/<isa>/; nothing in it points into loader
// memory except physical ranges, which memory management reserves before it hands out anything.
// Context: written once on the boot CPU before any other CPU runs; read-only afterwards.
#pragma once
#include <array>
#include <span>
#include <string_view>

#include "base/bug.hpp"
#include "base/types.hpp"

namespace auk::core {

/// The firmware's kinds of memory, with the numbers of the E820 interface.
enum class MemoryKind : u32 {
  usable = 1,
  reserved = 2,
  acpi_reclaimable = 3,
  acpi_nvs = 4,
  unusable = 5,
  persistent = 7,
};

struct MemoryEntry {
  PhysRange range;
  MemoryKind kind;
};

struct HandOver {
  static constexpr usize max_entries = 256;
  static constexpr usize max_command_line = 4096;

  std::string_view protocol;
  std::array<MemoryEntry, max_entries> memory_{};
  usize memory_count = 0;
  usize memory_dropped = 0;  ///< entries beyond max_entries; reported in the log
  std::array<char, max_command_line> command_line_{};
  usize command_line_size = 0;
  bool command_line_cut = false;
  PhysRange initrd{};
  PhysAddr rsdp{};  ///< 0: the firmware must be searched
  PhysRange image{};
  u64 text_slide = 0;

  std::span<const MemoryEntry> memory() const { return std::span(memory_).first(memory_count); }
  std::string_view command_line() const { return {command_line_.data(), command_line_size}; }

  void add_memory(PhysAddr start, u64 size, MemoryKind kind) {
    const u64 end = start.value + size < start.value ? ~u64{0} : start.value + size;
    if (end <= start.value) return;
    if (memory_count == max_entries) {
      ++memory_dropped;
      return;
    }
    memory_[memory_count++] = {{start, PhysAddr(end)}, kind};
  }
  void set_command_line(std::string_view line) {
    command_line_cut = line.size() > max_command_line;
    command_line_size = line.copy(command_line_.data(), max_command_line);
  }
};

}  // namespace auk::core
