// The boot protocol's hand-over page ("zero page") and the header inside a bzImage.
// Linux: <asm/bootparam.h>, <asm/setup_data.h>, <linux/screen_info.h>, <linux/edd.h>
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace uapi {

struct [[gnu::packed]] screen_info {
  std::uint8_t orig_x;
  std::uint8_t orig_y;
  std::uint16_t ext_mem_k;
  std::uint16_t orig_video_page;
  std::uint8_t orig_video_mode;
  std::uint8_t orig_video_cols;
  std::uint8_t flags;
  std::uint8_t unused2;
  std::uint16_t orig_video_ega_bx;
  std::uint16_t unused3;
  std::uint8_t orig_video_lines;
  std::uint8_t orig_video_is_vga;  //= orig_video_isVGA
  std::uint16_t orig_video_points;
  std::uint16_t lfb_width;
  std::uint16_t lfb_height;
  std::uint16_t lfb_depth;
  std::uint32_t lfb_base;
  std::uint32_t lfb_size;
  std::uint16_t cl_magic;
  std::uint16_t cl_offset;
  std::uint16_t lfb_linelength;
  std::uint8_t red_size;
  std::uint8_t red_pos;
  std::uint8_t green_size;
  std::uint8_t green_pos;
  std::uint8_t blue_size;
  std::uint8_t blue_pos;
  std::uint8_t rsvd_size;
  std::uint8_t rsvd_pos;
  std::uint16_t vesapm_seg;
  std::uint16_t vesapm_off;
  std::uint16_t pages;
  std::uint16_t vesa_attributes;
  std::uint32_t capabilities;
  std::uint32_t ext_lfb_base;
  std::uint8_t reserved[2];  //= _reserved
};
static_assert(sizeof(screen_info) == 64);

struct apm_bios_info {
  std::uint16_t version;
  std::uint16_t cseg;
  std::uint32_t offset;
  std::uint16_t cseg_16;
  std::uint16_t dseg;
  std::uint16_t flags;
  std::uint16_t cseg_len;
  std::uint16_t cseg_16_len;
  std::uint16_t dseg_len;
};
static_assert(sizeof(apm_bios_info) == 20);

struct ist_info {
  std::uint32_t signature;
  std::uint32_t command;
  std::uint32_t event;
  std::uint32_t perf_level;
};

struct sys_desc_table {
  std::uint16_t length;
  std::uint8_t table[14];
};

struct olpc_ofw_header {
  std::uint32_t ofw_magic;
  std::uint32_t ofw_version;
  std::uint32_t cif_handler;
  std::uint32_t irq_desc_table;
};

struct edid_info {
  std::uint8_t dummy[128];
};

struct efi_info {
  std::uint32_t efi_loader_signature;
  std::uint32_t efi_systab;
  std::uint32_t efi_memdesc_size;
  std::uint32_t efi_memdesc_version;
  std::uint32_t efi_memmap;
  std::uint32_t efi_memmap_size;
  std::uint32_t efi_systab_hi;
  std::uint32_t efi_memmap_hi;
};
static_assert(sizeof(efi_info) == 32);

// At offset 0x1f1 of both the image's first sector and the hand-over page.
struct [[gnu::packed]] setup_header {
  std::uint8_t setup_sects;
  std::uint16_t root_flags;
  std::uint32_t syssize;
  std::uint16_t ram_size;
  std::uint16_t vid_mode;
  std::uint16_t root_dev;
  std::uint16_t boot_flag;
  std::uint16_t jump;
  std::uint32_t header;
  std::uint16_t version;
  std::uint32_t realmode_swtch;
  std::uint16_t start_sys_seg;
  std::uint16_t kernel_version;
  std::uint8_t type_of_loader;
  std::uint8_t loadflags;
  std::uint16_t setup_move_size;
  std::uint32_t code32_start;
  std::uint32_t ramdisk_image;
  std::uint32_t ramdisk_size;
  std::uint32_t bootsect_kludge;
  std::uint16_t heap_end_ptr;
  std::uint8_t ext_loader_ver;
  std::uint8_t ext_loader_type;
  std::uint32_t cmd_line_ptr;
  std::uint32_t initrd_addr_max;
  std::uint32_t kernel_alignment;
  std::uint8_t relocatable_kernel;
  std::uint8_t min_alignment;
  std::uint16_t xloadflags;
  std::uint32_t cmdline_size;
  std::uint32_t hardware_subarch;
  std::uint64_t hardware_subarch_data;
  std::uint32_t payload_offset;
  std::uint32_t payload_length;
  std::uint64_t setup_data;
  std::uint64_t pref_address;
  std::uint32_t init_size;
  std::uint32_t handover_offset;
  std::uint32_t kernel_info_offset;
};
static_assert(sizeof(setup_header) == 123);
static_assert(std::has_unique_object_representations_v<setup_header>);

struct [[gnu::packed]] boot_e820_entry {
  std::uint64_t addr;
  std::uint64_t size;
  std::uint32_t type;
};
static_assert(sizeof(boot_e820_entry) == 20);
static_assert(std::has_unique_object_representations_v<boot_e820_entry>);

inline constexpr std::size_t e820_table_length = 128;

// Only the hand-over page's shape counts here; nothing of ours reads the BIOS disk records.
struct edd_info {
  std::uint8_t raw[82];  //= -
};

struct [[gnu::packed]] boot_params {
  uapi::screen_info screen_info;
  uapi::apm_bios_info apm_bios_info;
  std::uint8_t pad2[4];  //= _pad2
  std::uint64_t tboot_addr;
  uapi::ist_info ist_info;
  std::uint64_t acpi_rsdp_addr;
  std::uint8_t pad3[8];  //= _pad3
  std::uint8_t hd0_info[16];
  std::uint8_t hd1_info[16];
  uapi::sys_desc_table sys_desc_table;
  uapi::olpc_ofw_header olpc_ofw_header;
  std::uint32_t ext_ramdisk_image;
  std::uint32_t ext_ramdisk_size;
  std::uint32_t ext_cmd_line_ptr;
  std::uint8_t pad4[112];  //= _pad4
  std::uint32_t cc_blob_address;
  uapi::edid_info edid_info;
  uapi::efi_info efi_info;
  std::uint32_t alt_mem_k;
  std::uint32_t scratch;
  std::uint8_t e820_entries;
  std::uint8_t eddbuf_entries;
  std::uint8_t edd_mbr_sig_buf_entries;
  std::uint8_t kbd_status;
  std::uint8_t secure_boot;
  std::uint8_t pad5[2];  //= _pad5
  // Nonzero means that the loader copied the image's sector as it was instead of a clean page: the
  // fields outside setup_header cannot be trusted then.
  std::uint8_t sentinel;
  std::uint8_t pad6[1];  //= _pad6
  setup_header hdr;
  std::uint8_t pad7[36];  //= _pad7
  std::uint32_t edd_mbr_sig_buffer[16];
  boot_e820_entry e820_table[e820_table_length];
  std::uint8_t pad8[48];  //= _pad8
  edd_info eddbuf[6];
  std::uint8_t pad9[276];  //= _pad9
};
static_assert(sizeof(boot_params) == 4096);
static_assert(std::has_unique_object_representations_v<boot_params>);

// Heads each element of the list that setup_header::setup_data points to; `len` bytes follow.
struct setup_data {
  std::uint64_t next;
  std::uint32_t type;
  std::uint32_t len;
};
static_assert(sizeof(setup_data) == 16);
static_assert(std::has_unique_object_representations_v<setup_data>);

// Body of an element whose data stands elsewhere.
struct setup_indirect {
  std::uint32_t type;
  std::uint32_t reserved;
  std::uint64_t len;
  std::uint64_t addr;
};
static_assert(std::has_unique_object_representations_v<setup_indirect>);

}  // namespace uapi
