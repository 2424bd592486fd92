// Page-table entries on the host: tables of the same shape that no hardware walks.
//
// Data model: four levels of 512 entries; an entry is the address, its rights below bit 12. What
// would reach the TLB is told to an observer instead.
#pragma once
#include "base/flags.hpp"
#include "base/types.hpp"

namespace auk::machine {

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
constexpr u64 entry_span(unsigned level) { return u64{1} << (page_shift + 9 * (level - 1)); }
constexpr usize entry_index(VirtAddr va, unsigned level) {
  return (va.value >> (page_shift + 9 * (level - 1))) & (entries_per_table - 1);
}

struct Pte {
  u64 bits = 0;

  static constexpr unsigned rights_shift = 2;
  static constexpr u64 present = 1, large = 2, is_closed = 1U << 9;
  static constexpr u64 address_mask = ~page_mask;

  static constexpr Pte table(PhysAddr at, bool) { return {at.value | present}; }
  static constexpr Pte leaf(PhysAddr at, MapRights rights, unsigned level) {
    return {at.value | present | (level > 1 ? large : 0) | (u64{rights.bits} << rights_shift)};
  }
  constexpr MapRights rights() const {
    return MapRights::from_bits(static_cast<u32>((bits & page_mask) >> rights_shift));
  }
  constexpr bool is_present() const { return (bits & present) != 0; }
  constexpr Pte closed() const { return {(~address().value & address_mask) | is_closed}; }
  constexpr bool has_page() const { return (bits & (present | is_closed)) != 0; }
  constexpr bool is_leaf(unsigned level) const { return level == 1 || (bits & large) != 0; }
  constexpr bool is_writable() const { return rights().has(MapRight::write); }
  constexpr bool is_executable() const { return rights().has(MapRight::execute); }
  constexpr bool is_user() const { return rights().has(MapRight::user); }
  constexpr PhysAddr address() const {
    return PhysAddr((is_present() ? bits : ~bits) & address_mask);
  }
};
static_assert(sizeof(Pte) == 8);

namespace host {

/// Hears which translations a simulated CPU forgets.
class TlbObserver {
 public:
  virtual void flush_page(VirtAddr va) = 0;
  virtual void flush_all() = 0;

 protected:
  ~TlbObserver() = default;
};
extern constinit thread_local TlbObserver* tlb_observer;

}  // namespace host

inline void flush_tlb_page(VirtAddr va) {
  if (host::tlb_observer != nullptr) host::tlb_observer->flush_page(va);
}
inline void flush_tlb_all() {
  if (host::tlb_observer != nullptr) host::tlb_observer->flush_all();
}
inline bool has_huge_leaves() { return true; }

}  // namespace auk::machine
