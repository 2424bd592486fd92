// KASAN's run time: shadow memory and reports. Empty outside the debug profile.
//
// Data model: the whole upper half has shadow from stage 1 on, all of it one read-only zero page
// ("everything may be touched") but for the image. Memory that gets poisoned needs real shadow: the
// frames of a section when it is opened, a kernel range when it is mapped. Real tables replace the
// shared ones on the way down; both stay for ever.
// This file is built without instrumentation.
#include "mem/kasan.hpp"

#ifdef AUK_KASAN

#  include <algorithm>
#  include <optional>

#  include "base/math.hpp"
#  include "core/log.hpp"
#  include "core/oops.hpp"
#  include "core/panic.hpp"
#  include "core/percpu.hpp"
#  include "core/symbols.hpp"
#  include "machine/isa/constructors.hpp"
#  include "machine/isa/pte.hpp"
#  include "mem/address.hpp"
#  include "mem/isa/layout.hpp"
#  include "mem/kernel_map.hpp"
#  include "mem/pages.hpp"

extern "C" {
extern auk::byte __ld_kasan_shadow[];
extern const auk::byte* const __ld_init_array[];
extern const auk::byte* const __ld_init_array_end[];
}

namespace auk::mem::kasan {
namespace {

using machine::Pte;

constexpr uptr shadow_offset = 0xdffffc0000000000;
constexpr u8 heap_free = 0xfb, heap_red_zone = 0xfc, global_red_zone = 0xf9;

u8* shadow_of(uptr address) { return reinterpret_cast<u8*>((address >> 3) + shadow_offset); }

void set_shadow(uptr start, usize size, u8 value) {
  u8* s = shadow_of(start);
  for (usize i = 0; i < size / 8; ++i) s[i] = value;
  // A last, partly usable granule says how many of its bytes may be touched.
  if (size % 8 != 0) s[size / 8] = value == 0 ? static_cast<u8>(size % 8) : value;
}

/// Physical addresses of the shared tables by level; level 0 is the zero page.
PhysAddr shared_table(unsigned level) {
  return PhysAddr(reinterpret_cast<uptr>(__ld_kasan_shadow) - image_delta + level * page_size);
}

class Donor final : public TablePageSource {
 public:
  PhysRange& range;
  explicit Donor(PhysRange& r) : range(r) {}
  std::optional<PhysAddr> table_page() override {
    if (range.empty()) return std::nullopt;
    const PhysAddr at = range.start;
    range.start += page_size;
    const auto page = bytes_of(pfn_of(at));
    std::fill(page.begin(), page.end(), byte{0});
    return at;
  }
};

class ZonePages final : public TablePageSource {
 public:
  std::optional<PhysAddr> table_page() override {
    Result<Pfn> p = allocate_pages(ALLOC_SITE, 0);
    if (!p.ok()) return std::nullopt;
    return phys_of(p.take());
  }
};

/// A writable shadow page at `va`.
bool make_real(VirtAddr va, TablePageSource& source) {
  Pte* table = to_pointer<Pte>(kernel_root());
  for (unsigned level = machine::page_table_levels; level >= 1; --level) {
    Pte& entry = table[machine::entry_index(va, level)];
    if (entry.address() == shared_table(level - 1)) {
      const auto page = source.table_page();
      if (!page) return false;
      if (level > 1) {
        std::copy_n(to_pointer<const byte>(shared_table(level - 1)), page_size,
                    to_pointer<byte>(*page));
        entry = Pte::table(*page, false);
      } else {
        entry = Pte::leaf(*page, MapRight::write, 1);
      }
      machine::flush_tlb_page(va);
    }
    table = to_pointer<Pte>(entry.address());
  }
  return true;
}

bool make_real(uptr start, usize size, TablePageSource& source) {
  const u64 first = align_down(reinterpret_cast<uptr>(shadow_of(start)), page_size);
  const u64 last = reinterpret_cast<uptr>(shadow_of(start + size - 1));
  for (u64 va = first; va <= last; va += page_size)
    if (!make_real(VirtAddr(va), source)) return false;
  return true;
}

/// The first byte of the access that must not be touched, if any.
std::optional<uptr> bad_byte(uptr address, usize size) {
  for (uptr a = address; a < address + size; ++a) {
    const auto s = static_cast<i8>(*shadow_of(a));
    if (s != 0 && static_cast<i8>(a & 7) >= s) return a;
  }
  return std::nullopt;
}

std::string_view kind_of(uptr bad) {
  const u8* s = shadow_of(bad);
  // A partly usable granule tells nothing; what stands behind it does.
  const u8 v = *s != 0 && *s < 8 ? s[1] : *s;
  switch (v) {
    case heap_free: return "slab-use-after-free";
    case heap_red_zone: return "slab-out-of-bounds";
    case global_red_zone: return "global-out-of-bounds";
    case 0xf1:
    case 0xf2:
    case 0xf3: return "stack-out-of-bounds";
    case 0xf8: return "stack-use-after-scope";
    default: return "slab-out-of-bounds";
  }
}

void report(uptr address, usize size, bool write, uptr pc) {
  // One report at a time: reporting touches memory too.
  static constinit Atomic<u32> reporting{0};
  if (core::is_panicking() || reporting.exchange_acquire(1) != 0) return;
  const uptr bad = bad_byte(address, size).value_or(address);
  std::array<char, 128> text;
  Writer where(text);
  core::write_symbol(where, pc - 1);
  core::log_emerg("==================================================================");
  core::log_emerg("BUG: KASAN: {} in {}", kind_of(bad), where.text());
  core::log_emerg("{} of size {} at addr {:016x} by CPU {}, shadow {:02x}",
                  write ? "Write" : "Read", size, u64{address}, core::this_cpu(), *shadow_of(bad));
  core::log_stack();
  core::log_emerg("==================================================================");
  core::note_warning();
  reporting.store_release(0);
}

void check(uptr address, usize size, bool write, uptr pc) {
  if (size == 0 || address < layout::random_start.value) return;
  if (bad_byte(address, size)) report(address, size, write, pc);
}

}  // namespace

void register_globals() { machine::run_constructors(__ld_init_array, __ld_init_array_end); }

bool map_section_shadow(Pfn first, Pfn last, PhysRange& donor) {
  Donor source(donor);
  return make_real(to_virt(phys_of(first)).value, (last - first) << page_shift, source);
}

bool map_shadow(VirtAddr start, usize size) {
  ZonePages source;
  if (!make_real(start.value, size, source)) return false;
  set_shadow(start.value, size, 0);
  return true;
}

void poison_slab(void* p, usize size) {
  set_shadow(reinterpret_cast<uptr>(p), size, heap_red_zone);
}
void poison_freed(void* p, usize size) { set_shadow(reinterpret_cast<uptr>(p), size, heap_free); }
void unpoison(void* p, usize size) { set_shadow(reinterpret_cast<uptr>(p), size, 0); }
void poison_tail(void* p, usize used, usize size) {
  if (used == size) return;
  set_shadow(reinterpret_cast<uptr>(p), size, heap_red_zone);
  set_shadow(reinterpret_cast<uptr>(p), used, 0);
}

}  // namespace auk::mem::kasan

// The compiler's half of the interface: LLVM's AddressSanitizer ABI, kernel flavour.
using namespace auk;
using auk::mem::kasan::check;
using auk::mem::kasan::report;

namespace {

struct AsanGlobal {
  uptr start;
  usize size;
  usize size_with_red_zone;
  const char* name;
  const char* module;
  usize has_dynamic_init;
  const void* location;
  usize odr_indicator;
};

}  // namespace

#  define AUK_CALLER reinterpret_cast<uptr>(__builtin_return_address(0))
#  define AUK_ASAN_SIZE(n)                                                                         \
    void __asan_load##n##_noabort(uptr a) { check(a, n, false, AUK_CALLER); }                      \
    void __asan_store##n##_noabort(uptr a) { check(a, n, true, AUK_CALLER); }                      \
    void __asan_report_load##n##_noabort(uptr a) { report(a, n, false, AUK_CALLER); }              \
    void __asan_report_store##n##_noabort(uptr a) { report(a, n, true, AUK_CALLER); }
#  define AUK_ASAN_SET_SHADOW(v)                                                                   \
    void __asan_set_shadow_##v(u8* p, usize n) {                                                   \
      for (usize i = 0; i < n; ++i) p[i] = 0x##v;                                                  \
    }

extern "C" {
AUK_ASAN_SIZE(1)
AUK_ASAN_SIZE(2)
AUK_ASAN_SIZE(4)
AUK_ASAN_SIZE(8)
AUK_ASAN_SIZE(16)
void __asan_loadN_noabort(uptr a, usize n) { check(a, n, false, AUK_CALLER); }
void __asan_storeN_noabort(uptr a, usize n) { check(a, n, true, AUK_CALLER); }
void __asan_report_load_n_noabort(uptr a, usize n) { report(a, n, false, AUK_CALLER); }
void __asan_report_store_n_noabort(uptr a, usize n) { report(a, n, true, AUK_CALLER); }
AUK_ASAN_SET_SHADOW(00)
AUK_ASAN_SET_SHADOW(f1)
AUK_ASAN_SET_SHADOW(f2)
AUK_ASAN_SET_SHADOW(f3)
AUK_ASAN_SET_SHADOW(f5)
AUK_ASAN_SET_SHADOW(f8)

void* memcpy(void* __restrict dst, const void* __restrict src, usize n) noexcept;
void* memmove(void* dst, const void* src, usize n) noexcept;
void* memset(void* dst, int c, usize n) noexcept;

void* __asan_memcpy(void* dst, const void* src, usize n) {
  check(reinterpret_cast<uptr>(src), n, false, AUK_CALLER);
  check(reinterpret_cast<uptr>(dst), n, true, AUK_CALLER);
  return memcpy(dst, src, n);
}
void* __asan_memmove(void* dst, const void* src, usize n) {
  check(reinterpret_cast<uptr>(src), n, false, AUK_CALLER);
  check(reinterpret_cast<uptr>(dst), n, true, AUK_CALLER);
  return memmove(dst, src, n);
}
void* __asan_memset(void* dst, int c, usize n) {
  check(reinterpret_cast<uptr>(dst), n, true, AUK_CALLER);
  return memset(dst, c, n);
}

void __asan_register_globals(AsanGlobal* globals, usize n) {
  for (usize i = 0; i < n; ++i) {
    AsanGlobal& g = globals[i];
    mem::kasan::set_shadow(g.start, g.size_with_red_zone, 0xf9);
    mem::kasan::set_shadow(g.start, g.size, 0);
  }
}
void __asan_unregister_globals(AsanGlobal*, usize) {}
// Stack frames that are left by a panic or a killed task are never used again, so nothing is
// undone.
void __asan_handle_no_return() {}
}

#endif
