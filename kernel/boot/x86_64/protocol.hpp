// Parsers of the two boot records, as pure functions over bytes.
//
// Source: Linux Documentation/arch/x86/boot.rst and zero-page.rst; Xen's PVH boot ABI
// (docs/misc/pvh.pandoc, struct hvm_start_info).
// Context: any. No field of a record is trusted: sizes are checked, counts are bounded.
#pragma once
#include <span>

#include "core/handover.hpp"

namespace auk::boot {

using core::HandOver;

inline constexpr usize boot_params_size = 4096;
inline constexpr usize pvh_start_info_size = 56;
inline constexpr u32 pvh_magic = 0x336ec578;

/// Physical places a boot record points to; the caller reads them and calls back.
struct BootPointers {
  PhysAddr command_line{};
  u64 command_line_limit = 0;
  PhysAddr setup_data{};
  PhysAddr memory_map{};
  u32 memory_map_entries = 0;
  PhysAddr modules{};
  u32 module_count = 0;
};

/// The zero page of the Linux boot protocol.
BootPointers parse_boot_params(std::span<const byte> zero_page, HandOver& out);

/// struct hvm_start_info; false when the magic number is wrong.
bool parse_pvh(std::span<const byte> start_info, HandOver& out, BootPointers& pointers);

/// The memory map a PVH start_info points to: 24-byte entries.
void parse_pvh_memory_map(std::span<const byte> map, HandOver& out);

/// The module list a PVH start_info points to: the first module is the initial RAM disk.
void parse_pvh_modules(std::span<const byte> list, HandOver& out);

/// The E820 entries behind a SETUP_E820_EXT record.
void parse_e820(std::span<const byte> entries, HandOver& out);

}  // namespace auk::boot
