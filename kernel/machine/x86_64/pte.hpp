// Page-table entries, 4 or 5 levels of 512 entries each.
//
// Source: Intel SDM volume 3, chapter 4.
#pragma once
#include "base/flags.hpp"
#include "base/types.hpp"
#include "machine/isa/pinned.hpp"
#include "machine/isa/x86.hpp"

namespace auk::machine {

/// What a mapping allows. Present and readable is implied.
enum class MapRight : u32 {
  write = 1,
  execute = 2,
  user = 4,
  global = 8,
  uncached = 16,
};
using MapRights = Flags<MapRight>;

inline constexpr unsigned page_table_levels = 4;
inline constexpr usize entries_per_table = 512;
/// Bytes one entry of a level covers; level 1 holds pages.
constexpr u64 entry_span(unsigned level) { return u64{1} << (page_shift + 9 * (level - 1)); }
constexpr usize entry_index(VirtAddr va, unsigned level) {
  return (va.value >> (page_shift + 9 * (level - 1))) & (entries_per_table - 1);
}

struct Pte {
  u64 bits = 0;

  static constexpr u64 present = 1U << 0, writable = 1U << 1, user = 1U << 2, through = 1U << 3,
                       uncached = 1U << 4, accessed = 1U << 5, dirty = 1U << 6, large = 1U << 7,
                       global = 1U << 8, no_execute = u64{1} << 63;
  static constexpr u64 address_mask = 0x000ffffffffff000;
  static constexpr u64 is_closed = 1U << 9;  ///< ours; only without `present`

  static constexpr Pte table(PhysAddr at, bool for_user) {
    return {at.value | present | writable | accessed | (for_user ? user : 0)};
  }
  static constexpr Pte leaf(PhysAddr at, MapRights rights, unsigned level) {
    u64 b = at.value | present | accessed | dirty;
    if (rights.has(MapRight::write)) b |= writable;
    if (!rights.has(MapRight::execute)) b |= no_execute;
    if (rights.has(MapRight::user)) b |= user;
    if (rights.has(MapRight::global)) b |= global;
    if (rights.has(MapRight::uncached)) b |= uncached | through;
    if (level > 1) b |= large;
    return {b};
  }
  constexpr bool is_present() const { return (bits & present) != 0; }
  /// The entry of a page that stays, though nobody may touch it: no CPU translates it, and the
  /// address is inverted, so that none reads ahead through it (L1TF).
  constexpr Pte closed() const { return {(~address().value & address_mask) | is_closed}; }
  /// Present, or closed.
  constexpr bool has_page() const { return (bits & (present | is_closed)) != 0; }
  constexpr bool is_leaf(unsigned level) const { return level == 1 || (bits & large) != 0; }
  constexpr bool is_writable() const { return (bits & writable) != 0; }
  constexpr bool is_executable() const { return (bits & no_execute) == 0; }
  constexpr bool is_user() const { return (bits & user) != 0; }
  constexpr PhysAddr address() const {
    return PhysAddr((is_present() ? bits : ~bits) & address_mask);
  }
};
static_assert(sizeof(Pte) == 8);

inline PhysAddr current_page_table() { return PhysAddr(x86::read_cr3() & Pte::address_mask); }
inline void switch_page_table(PhysAddr root) { x86::write_cr3(root.value); }
inline void flush_tlb_page(VirtAddr va) { x86::invlpg(va.value); }
/// Everything on this CPU, global entries included.
inline void flush_tlb_all() {
  const u64 v = x86::read_cr4();
  x86::write_cr4(v & ~x86::cr4::pge);
  write_pinned_cr4(v | x86::cr4::pge);
}
/// Large leaves of level 3 (1 GiB) exist.
inline bool has_huge_leaves() {
  return x86::cpuid(0x80000000).a >= 0x80000001 && (x86::cpuid(0x80000001).d & (1U << 26)) != 0;
}

}  // namespace auk::machine
