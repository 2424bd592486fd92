// Enters a bzImage the way other virtual machine monitors do, so that QEMU can stand in for them.
//
// QEMU loads this as a PVH kernel, with the bzImage as its first module, and behind the bzImage,
// from the next multiple of 4096 bytes on, the initial file system. Its command line holds words
// for it, then "-- ", then the kernel's own command line:
//   vmm=cloud-hypervisor|firecracker  whose memory layout
//   entry=32|64                       which entry
//   rsdp=named|unnamed                whether boot_params says where the ACPI root pointer is
//   own-rsdp                          leave the root pointer where the firmware put it (where the
//                                     monitor has it, q35 has no memory)
// From 1 MiB up the memory map is QEMU's own, since its ACPI tables lie there.
//
// The structures are spelt out as offsets, and not the kernel's own declarations used, because a
// mistake in those would hide itself.
// Sources: Linux Documentation/arch/x86/{boot,zero-page}.rst; Xen public/arch-x86/hvm/start_info.h.

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using usize = __SIZE_TYPE__;

extern "C" {
[[noreturn]] void give_up();
[[noreturn]] void enter_32(u32 entry, u32 boot_params, const void* gdtr);
[[noreturn]] void enter_64(u32 entry, u32 boot_params, const void* gdtr, u32 root_table, u32 stack);
[[noreturn]] void load(const u8* start_info);

// The compiler asks for these by name.
void* memcpy(void* to, const void* from, usize size) {
  void* at = to;
  asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
  return to;
}

void* memset(void* to, int value, usize size) {
  void* at = to;
  asm volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
  return to;
}
}

namespace {

constexpr u32 mib = 1 << 20;

// Where both monitors put what a kernel needs.
namespace place {
constexpr u32 gdt = 0x500, idt = 0x520, zero_page = 0x7000, stack = 0x8ff0, level4 = 0x9000,
              level3 = 0xa000, level2 = 0xb000, command_line = 0x20000, kernel = mib;
}

namespace info {
constexpr u32 magic = 0x336ec578;
constexpr usize module_count = 12, modules = 16, command_line = 24, rsdp = 32, memory_map = 40,
                memory_map_entries = 48;
constexpr usize memory_map_entry = 24;
}  // namespace info

namespace zp {
constexpr usize acpi_rsdp_addr = 0x70, e820_entries = 0x1e8, setup_sects = 0x1f1, jump = 0x201,
                syssize = 0x1f4, header_magic = 0x202, version = 0x206, type_of_loader = 0x210,
                ramdisk_image = 0x218, ramdisk_size = 0x21c, cmd_line_ptr = 0x228,
                xloadflags = 0x236, cmdline_size = 0x238, init_size = 0x260, e820_table = 0x2d0;
constexpr u32 magic = 0x53726448;  // "HdrS"
constexpr u16 oldest_version = 0x20c;
constexpr u16 has_64_bit_entry = 1;
constexpr u8 undefined_loader = 0xff;
constexpr usize e820_entry = 20, e820_max = 128;
constexpr u32 usable = 1, reserved = 2;
}  // namespace zp

struct Range {
  u64 start, end;
};

struct Monitor {
  const char* name;
  u64 low_memory_end;
  Range reserved;
  u32 rsdp;
};

constexpr Monitor monitors[] = {
    // Its window for PCI configuration stands in the map; its root pointer opens the hole that
    // follows low memory.
    {"cloud-hypervisor", 0xa0000, {0xe8000000, 0xf8000000}, 0xa0000},
    // The MP table and ACPI's tables follow low memory, the root pointer follows them.
    {"firecracker", 0x9fc00, {0x9fc00, 0xe0000}, 0xe0000},
};

// Code at selector 8 and data at 16, as both monitors have them; Linux's own loaders use 16 and 24.
constexpr u64 segments_32[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
constexpr u64 segments_64[] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff};

struct [[gnu::packed]] TableRegister {
  u16 limit;
  u32 base;
};

template <class T> T get(const u8* record, usize offset) {
  T value;
  memcpy(&value, record + offset, sizeof(value));
  return value;
}

template <class T> void put(u8* record, usize offset, T value) {
  memcpy(record + offset, &value, sizeof(value));
}

u8* at(u64 address) {
  if (address >= u64{1} << 32) give_up();
  return reinterpret_cast<u8*>(static_cast<u32>(address));
}

bool starts_with(const char* text, const char* word) {
  while (*word != 0 && *text == *word) ++text, ++word;
  return *word == 0;
}

// What QEMU left in low memory, saved before low memory becomes the monitor's.
constexpr usize max_line = 4096, rsdp_size = 36;
char line[max_line];
u8 memory_map[zp::e820_max * info::memory_map_entry];
u32 memory_map_entries;
u8 rsdp[rsdp_size];
u64 rsdp_address;
u64 image_address, image_size;

void save(const u8* start_info) {
  if (get<u32>(start_info, 0) != info::magic) give_up();
  if (get<u32>(start_info, info::module_count) == 0) give_up();
  const u8* const module = at(get<u64>(start_info, info::modules));
  image_address = get<u64>(module, 0);
  image_size = get<u64>(module, 8);
  const u8* const from = at(get<u64>(start_info, info::command_line));
  for (usize i = 0; from[i] != 0; ++i) {
    if (i == max_line - 1) give_up();
    line[i] = static_cast<char>(from[i]);
  }
  memory_map_entries = get<u32>(start_info, info::memory_map_entries);
  if (memory_map_entries > zp::e820_max) give_up();
  memcpy(memory_map, at(get<u64>(start_info, info::memory_map)),
         memory_map_entries * info::memory_map_entry);
  rsdp_address = get<u64>(start_info, info::rsdp);
  if (rsdp_address == 0) give_up();
  memcpy(rsdp, at(rsdp_address), rsdp_size);
}

struct Request {
  const Monitor* monitor = nullptr;
  bool entry_64 = false;
  bool name_rsdp = false;
  bool own_rsdp = false;
  const char* kernel_line = "";
};

Request read_line() {
  Request request;
  const char* word = line;
  while (*word != 0) {
    if (starts_with(word, "-- ")) {
      request.kernel_line = word + 3;
      break;
    }
    if (starts_with(word, "vmm="))
      for (const Monitor& monitor : monitors)
        if (starts_with(word + 4, monitor.name)) request.monitor = &monitor;
    request.entry_64 |= starts_with(word, "entry=64");
    request.name_rsdp |= starts_with(word, "rsdp=named");
    request.own_rsdp |= starts_with(word, "own-rsdp");
    while (*word != 0 && *word != ' ') ++word;
    while (*word == ' ') ++word;
  }
  if (!request.monitor) give_up();
  return request;
}

/// Low memory is empty where the monitor put nothing (the vectors of real mode do not matter).
/// Returns where the root pointer is now.
u64 clear_low_memory(const Request& request) {
  memset(at(0x400), 0, 0x9fc00 - 0x400);
  if (request.own_rsdp) return rsdp_address;
  // Only one may be found by a search.
  memset(at(rsdp_address), 0, rsdp_size);
  u8* const to = at(request.monitor->rsdp);
  memcpy(to, rsdp, rsdp_size);
  for (usize i = 0; i < rsdp_size; ++i)
    if (*static_cast<volatile u8*>(to + i) != rsdp[i]) give_up();
  return request.monitor->rsdp;
}

void add_e820(u8* zero_page, Range range, u32 type) {
  const u8 count = get<u8>(zero_page, zp::e820_entries);
  if (range.start >= range.end) return;
  if (count == zp::e820_max) give_up();
  u8* const entry = zero_page + zp::e820_table + count * zp::e820_entry;
  put(entry, 0, range.start);
  put(entry, 8, range.end - range.start);
  put(entry, 16, type);
  put(zero_page, zp::e820_entries, static_cast<u8>(count + 1));
}

void fill_e820(u8* zero_page, const Monitor& monitor) {
  add_e820(zero_page, {0, monitor.low_memory_end}, zp::usable);
  add_e820(zero_page, monitor.reserved, zp::reserved);
  for (u32 i = 0; i < memory_map_entries; ++i) {
    const u8* const entry = memory_map + i * info::memory_map_entry;
    const u64 start = get<u64>(entry, 0);
    const u64 end = start + get<u64>(entry, 8);
    add_e820(zero_page, {start < mib ? mib : start, end}, get<u32>(entry, 16));
  }
}

/// Puts the kernel's two halves in place: the header into the zero page, the rest to 1 MiB.
void place_kernel(u8* zero_page, const Request& request) {
  const u8* const image = at(image_address);
  if (get<u32>(image, zp::header_magic) != zp::magic ||
      get<u16>(image, zp::version) < zp::oldest_version)
    give_up();
  if (request.entry_64 && (get<u16>(image, zp::xloadflags) & zp::has_64_bit_entry) == 0) give_up();
  // The jump instruction in front of the magic number leads over the header: so long is it.
  const usize header_end = zp::header_magic + get<u8>(image, zp::jump);
  memcpy(zero_page + zp::setup_sects, image + zp::setup_sects, header_end - zp::setup_sects);
  const u8 sectors = get<u8>(image, zp::setup_sects);
  const u32 setup_size = ((sectors == 0 ? 4 : sectors) + 1) * 512;
  const u32 size = get<u32>(image, zp::syssize) * 16;
  if (setup_size + size > image_size) give_up();
  memcpy(at(place::kernel), image + setup_size, size);
  const u32 archive = (setup_size + size + 4095) / 4096 * 4096;
  if (archive < image_size) {
    put(zero_page, zp::ramdisk_image, static_cast<u32>(image_address) + archive);
    put(zero_page, zp::ramdisk_size, static_cast<u32>(image_size) - archive);
  }
  // The kernel is promised the room behind its image, but not what is in it.
  const u32 room = get<u32>(image, zp::init_size);
  if (room > size) memset(at(place::kernel + size), 0xa5, room - size);
}

void map_first_gib() {
  constexpr u64 present_writable = 3, large = 0x80;
  put(at(place::level4), 0, place::level3 | present_writable);
  put(at(place::level3), 0, place::level2 | present_writable);
  for (u64 i = 0; i < 512; ++i)
    put(at(place::level2), i * 8, i * 2 * mib | present_writable | large);
}

const TableRegister& segment_register(const u64 (&segments)[3]) {
  static TableRegister value;
  memcpy(at(place::gdt), segments, sizeof(segments));
  static_assert(place::gdt + sizeof(segments) <= place::idt);
  value = {sizeof(segments) - 1, place::gdt};
  return value;
}

}  // namespace

void load(const u8* start_info) {
  save(start_info);
  const Request request = read_line();
  const u64 root_pointer = clear_low_memory(request);
  u8* const zero_page = at(place::zero_page);
  place_kernel(zero_page, request);
  usize length = 0;
  while (request.kernel_line[length] != 0) ++length;
  memcpy(at(place::command_line), request.kernel_line, length + 1);
  put(zero_page, zp::type_of_loader, zp::undefined_loader);
  put(zero_page, zp::cmd_line_ptr, place::command_line);
  put(zero_page, zp::cmdline_size, static_cast<u32>(length + 1));
  if (request.name_rsdp) put(zero_page, zp::acpi_rsdp_addr, root_pointer);
  fill_e820(zero_page, *request.monitor);
  if (!request.entry_64) enter_32(place::kernel, place::zero_page, &segment_register(segments_32));
  map_first_gib();
  enter_64(place::kernel + 0x200, place::zero_page, &segment_register(segments_64), place::level4,
           place::stack);
}
