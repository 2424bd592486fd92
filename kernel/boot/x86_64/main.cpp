// The first C++ at the final address: reads the loader's records into the hand-over record.
//
// Everything the loader left lies in physical memory and is read through the early window; what
// lies above its 4 GiB is out of reach and left out.
#include <algorithm>

#include "base/annotations.hpp"
#include "boot/isa/protocol.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/percpu.hpp"
#include "init/start.hpp"
#include "machine/isa/cpu.hpp"
#include "mem/address.hpp"
#include "mem/isa/layout.hpp"
#include "mem/kasan.hpp"

extern "C" {
extern auk::byte __ld_image_start[], __ld_image_end[], __ld_percpu[], __ld_boot_percpu[];
[[noreturn]] void boot_high(auk::u64 phys_base, auk::u64 delta, auk::u32 protocol, auk::u64 record);
}

namespace auk::boot {
namespace {

constexpr u32 protocol_pvh = 1;
constexpr u64 link_base = 0xffffffff80000000 + AUK_LOAD_PHYS;
constexpr u32 max_map_entries = 1024;
constexpr usize max_setup_data = 64;
constexpr u32 max_e820_extension = 1024 * 20;  // bytes

constinit core::HandOver handover;

/// Loader memory; empty when it is out of reach.
std::span<const byte> loader_bytes(PhysAddr at, u64 size) {
  constexpr u64 end = mem::layout::early_window_size;
  if (at.value == 0 || at.value >= end || size > end - at.value) return {};
  return {mem::to_pointer<const byte>(at), size};
}

void take_command_line(const BootPointers& p) {
  constexpr u64 end_of_window = mem::layout::early_window_size;
  const u64 room = end_of_window - std::min(p.command_line.value, end_of_window);
  const auto bytes = loader_bytes(p.command_line, std::min(p.command_line_limit, room));
  const auto end = std::find(bytes.begin(), bytes.end(), 0);
  handover.set_command_line(
      {reinterpret_cast<const char*>(bytes.data()), static_cast<usize>(end - bytes.begin())});
}

void take_setup_data(PhysAddr at) {
  constexpr usize header = 16;
  constexpr u32 e820_ext = 1;
  for (usize n = 0; at.value != 0 && n < max_setup_data; ++n) {
    const auto head = loader_bytes(at, header);
    if (head.empty()) return;
    u64 next = 0;
    u32 type = 0;
    u32 size = 0;
    __builtin_memcpy(&next, &head[0], sizeof(next));
    __builtin_memcpy(&type, &head[8], sizeof(type));
    __builtin_memcpy(&size, &head[12], sizeof(size));
    if (type == e820_ext)
      parse_e820(loader_bytes(at + header, std::min(size, max_e820_extension)), handover);
    at = PhysAddr(next);
  }
}

void take_linux(PhysAddr record) {
  const BootPointers p = parse_boot_params(loader_bytes(record, boot_params_size), handover);
  take_command_line(p);
  take_setup_data(p.setup_data);
}

void take_pvh(PhysAddr record) {
  BootPointers p;
  if (!parse_pvh(loader_bytes(record, pvh_start_info_size), handover, p)) {
    core::log_err("PVH: no start_info at {}", record);
    return;
  }
  take_command_line(p);
  const u32 entries = std::min(p.memory_map_entries, max_map_entries);
  parse_pvh_memory_map(loader_bytes(p.memory_map, u64{entries} * 24), handover);
  if (p.module_count > 0) parse_pvh_modules(loader_bytes(p.modules, 32), handover);
}

}  // namespace
}  // namespace auk::boot

using namespace auk;

extern "C" AUK_NO_STACK_PROTECTOR void boot_high(u64 phys_base, u64 delta, u32 protocol,
                                                 u64 record) {
  const uptr offset =
      reinterpret_cast<uptr>(__ld_boot_percpu) - reinterpret_cast<uptr>(__ld_percpu);
  mem::kasan::register_globals();
  core::percpu_offsets[0] = offset;
  core::this_cpu_offset.write(offset);
  core::clock_rate.base_cycles = machine::timestamp();
  boot::handover.image = {PhysAddr(phys_base),
                          PhysAddr(reinterpret_cast<uptr>(__ld_image_end) - delta)};
  boot::handover.text_slide = delta + phys_base - boot::link_base;
  if (protocol == boot::protocol_pvh)
    boot::take_pvh(PhysAddr(record));
  else
    boot::take_linux(PhysAddr(record));
  init::start_kernel(boot::handover);
}
