// Stage 1: runs once, at the physical address, before relocation.
//
// It picks the slide of the text (KASLR), maps the image high page by page with its final rights
// (no page is writable and executable, from the first instruction up there) and applies the
// image's relocations. Built without sanitizers, stack protector and CFI; no table of pointers, no
// virtual call and no string array may be used here, since none of them is relocated yet.
#include "base/annotations.hpp"
#include "base/math.hpp"
#include "base/types.hpp"
#include "machine/isa/x86.hpp"
#include "mem/isa/layout.hpp"

using namespace auk;

extern "C" {
extern byte __ld_image_start[], __ld_image_end[];
extern byte __ld_text_start[], __ld_text_end[], __ld_ro_start[], __ld_ro_end[];
extern u64 __ld_image_tables[];
extern u64 __ld_kasan_shadow[];
extern u64 kernel_root_table[];
extern const u64 __ld_relr[], __ld_relr_end[], __ld_rela[], __ld_rela_end[];
}

namespace {

constexpr u64 link_base = 0xffffffff80000000 + AUK_LOAD_PHYS;
constexpr u64 window_end = 0xffffffffc0000000;
constexpr u64 slide_unit = 2 * mib;
constexpr u64 present_global = 0x161;  // P, A, D, G
constexpr u64 writable = 2;
constexpr u64 no_execute = u64{1} << 63;
constexpr u32 protocol_pvh = 1;

// Offsets of the two fields stage 1 needs from either boot record.
constexpr usize linux_cmd_line_ptr = 0x228;
constexpr usize pvh_cmdline_paddr = 24;

template <class T> T load(const byte* p) {
  T v;
  __builtin_memcpy_inline(&v, p, sizeof(v));
  return v;
}

bool has_word(const byte* line, const char* word) {
  for (bool at_start = true; *line != 0; at_start = *line == ' ', ++line) {
    if (!at_start) continue;
    const byte* a = line;
    if (*a == ' ') ++a;
    const char* b = word;
    while (*b != 0 && *a == static_cast<byte>(*b)) ++a, ++b;
    if (*b == 0 && (*a == 0 || *a == ' ')) return true;
  }
  return false;
}

u64 entropy() {
  u64 seed = machine::x86::rdtsc() * 0x9e3779b97f4a7c15;
  if ((machine::x86::cpuid(1).c & (1U << 30)) != 0) {
    u64 v = 0;
    for (int tries = 0; tries < 10 && !machine::x86::rdrand(v); ++tries) {}
    seed ^= v;
  }
  seed ^= seed >> 29;
  return seed * 0xbf58476d1ce4e5b9;
}

u64 rights_of(const byte* p) {
  if (p < __ld_text_end) return present_global;
  if (p < __ld_ro_end) return present_global | no_execute;
  return present_global | writable | no_execute;
}

#ifdef AUK_KASAN
/// Shadow for the whole upper half: one zero page behind shared tables, except where the image
/// lies: its globals and stacks get poisoned, so its shadow is real memory behind the image.
void map_kasan_shadow(u64 delta) {
  constexpr u64 shadow_offset = 0xdffffc0000000000;
  constexpr u64 readable = 0x21;  // P, A
  u64* const zero_page = __ld_kasan_shadow;
  u64* const zero_level1 = zero_page + 512;
  u64* const zero_level2 = zero_level1 + 512;
  u64* const zero_level3 = zero_level2 + 512;
  u64* const level3 = zero_level3 + 512;
  u64* const level2 = level3 + 512;
  u64* level1 = level2 + 512;
  const auto address = [](const void* p) { return reinterpret_cast<u64>(p); };
  for (usize i = 0; i < 512; ++i) {
    zero_level1[i] = address(zero_page) | readable | no_execute;
    zero_level2[i] = level2[i] = address(zero_level1) | 3;
    zero_level3[i] = level3[i] = address(zero_level2) | 3;
  }
  const u64 first = ((address(__ld_image_start) + delta) >> 3) + shadow_offset;
  const u64 last = ((address(__ld_image_end) + delta) >> 3) + shadow_offset;
  for (u64 va = mem::layout::kasan_shadow_start.value; va < mem::layout::kasan_shadow_end.value;
       va += u64{1} << 39)
    kernel_root_table[(va >> 39) & 511] = address(zero_level3) | 3;
  kernel_root_table[(first >> 39) & 511] = address(level3) | 3;
  level3[(first >> 30) & 511] = address(level2) | 3;
  // Three tables reach however the slide makes the shadow straddle 2 MiB boundaries.
  byte* shadow = reinterpret_cast<byte*>(level1 + 3 * 512);
  for (u64 va = first & ~u64{0xfff}; va <= last; va += page_size, shadow += page_size) {
    u64& entry = level2[(va >> 21) & 511];
    if (entry == (address(zero_level1) | 3)) {
      for (usize i = 0; i < 512; ++i) level1[i] = zero_level1[i];
      entry = address(level1) | 3;
      level1 += 512;
    }
    auto* table = reinterpret_cast<u64*>(entry & ~u64{0xfff});
    table[(va >> 12) & 511] = address(shadow) | readable | writable | no_execute | 0x40;
  }
}
#endif

}  // namespace

extern "C" u64 boot_stage1(u64 phys_base, u32 protocol, const byte* record) {
  // The line ends somewhere below 4 GiB, inside the identity map, for every loader we know of.
  const u64 line = protocol == protocol_pvh ? load<u64>(record + pvh_cmdline_paddr)
                                            : load<u32>(record + linux_cmd_line_ptr);
  const bool random = line == 0 || !has_word(reinterpret_cast<const byte*>(line), "nokaslr");

  // Virtual and physical address stay congruent modulo 2 MiB, so that large pages remain possible.
  const u64 image_size = static_cast<u64>(__ld_image_end - __ld_image_start);
  const u64 phase = (phys_base - AUK_LOAD_PHYS) & (slide_unit - 1);
  const u64 choices = (window_end - link_base - image_size - phase) / slide_unit;
  const u64 slide = phase + (random ? (entropy() >> 16) % choices * slide_unit : 0);
  const u64 delta = link_base + slide - phys_base;

  // Level 3 for the top 512 GiB, level 2 for the text window, then one level 1 per 2 MiB.
  u64* const level3 = __ld_image_tables;
  u64* const level2 = level3 + 512;
  u64* level1 = level2 + 512;
  kernel_root_table[511] = reinterpret_cast<u64>(level3) | 3;
  level3[510] = reinterpret_cast<u64>(level2) | 3;
  for (const byte* p = __ld_image_start; p < __ld_image_end; p += page_size) {
    const u64 va = reinterpret_cast<u64>(p) + delta;
    u64& entry = level2[(va >> 21) & 511];
    if (entry == 0) {
      entry = reinterpret_cast<u64>(level1) | 3;
      level1 += 512;
    }
    auto* table = reinterpret_cast<u64*>(entry & ~u64{0xfff});
    table[(va >> 12) & 511] = reinterpret_cast<u64>(p) | rights_of(p);
  }

  // Low memory in the upper half, data only: the C++ up there never uses a lower-half address.
  constexpr usize early_window_slot = (mem::layout::early_window.value >> 39) & 511;
  kernel_root_table[early_window_slot] = kernel_root_table[0] | no_execute;
#ifdef AUK_KASAN
  map_kasan_shadow(delta);
#endif

  // RELR: an even word is an address, an odd word a bitmap of the 63 words behind the last one.
  const auto at = [&](u64 link_address) {
    return reinterpret_cast<u64*>(link_address - link_base + phys_base);
  };
  u64* where = nullptr;
  for (const u64* r = __ld_relr; r < __ld_relr_end; ++r) {
    if ((*r & 1) == 0) {
      where = at(*r);
      *where++ += slide;
      continue;
    }
    u64 bits = *r >> 1;
    for (u64* w = where; bits != 0; bits >>= 1, ++w)
      if ((bits & 1) != 0) *w += slide;
    where += 63;
  }
  // RELA rows are {offset, type, addend}; only R_X86_64_RELATIVE can occur in a static PIE.
  for (const u64* r = __ld_rela; r < __ld_rela_end; r += 3) *at(r[0]) = r[2] + slide;
  return delta;
}
