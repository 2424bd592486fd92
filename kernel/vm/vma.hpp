// Vma: one area of an address space: what a range of addresses shows, and what may be done there.
//
// Data model: Vma -> MemObject and Backing; private anonymous memory has neither: its pages hang in
// the page tables alone. Locking: fields change with the space's lock held for writing and the area
// owned (area_lock.hpp); they are read under either. Freed a grace period after it left its space.
// Context: threads.
#pragma once
#include "base/flags.hpp"
#include "mem/translation.hpp"
#include "vm/area_lock.hpp"
#include "vm/fault_watch.hpp"
#include "vm/object.hpp"

namespace auk::vm {

/// What mmap(2) calls protection, and the areas' own properties.
enum class VmaFlag : u32 {
  read = 1,
  write = 2,
  execute = 4,
  shared = 8,
  grows_down = 0x10,
  no_reserve = 0x20,
  dont_copy = 0x40,
  stack = 0x80,  ///< counts as stack
  heap = 0x100,
  may_read = 0x200,  ///< mprotect(2) may allow it
  may_write = 0x400,
  may_execute = 0x800,
  dont_dump = 0x1000,
  wipe_on_fork = 0x2000,
  accounted = 0x4000,  ///< its pages are promised (commit.hpp)
  locked = 0x8000,
  lock_on_fault = 0x10000,  ///< with `locked`: pages that are not there yet stay away
  sealed = 0x20000,         ///< mseal(2): it stays where it is, as it is
  watched = 0x40000,        ///< somebody else fills its missing pages (fault_watch.hpp)
  single_pages = 0x80000,   ///< what is not touched is not wanted: MADV_NOHUGEPAGE, MAP_STACK
};
using VmaFlags = Flags<VmaFlag>;

inline constexpr VmaFlags access_flags =
    VmaFlags(VmaFlag::read) | VmaFlag::write | VmaFlag::execute;
inline constexpr VmaFlags may_flags =
    VmaFlags(VmaFlag::may_read) | VmaFlag::may_write | VmaFlag::may_execute;
inline constexpr VmaFlags lock_flags = VmaFlags(VmaFlag::locked) | VmaFlag::lock_on_fault;

/// Memory of a program's own that it may not write: who loses it loses what was written before.
/// A sealed one cannot be made to.
template <class V> bool is_sealed_constant(const V& v) {
  return v.flags.has(VmaFlag::sealed) && !v.object && !v.flags.has(VmaFlag::shared) &&
         !v.flags.has(VmaFlag::write);
}

/// A program may do something with the pages: Linux maps what may only be written or executed as
/// readable too.
constexpr bool is_accessible(VmaFlags f) { return f.any(access_flags); }
/// Memory of its own that a program may write: what limits of data and promises count.
constexpr bool is_private_writable(VmaFlags f) {
  return f.has(VmaFlag::write) && !f.has(VmaFlag::shared);
}
/// Of a page-table entry. Whether it may be written also depends on who else has the page.
inline machine::MapRights entry_rights(VmaFlags f, bool writable) {
  machine::MapRights r = machine::MapRight::user;
  if (writable) r = r | machine::MapRight::write;
  if (f.has(VmaFlag::execute)) r = r | machine::MapRight::execute;
  return r;
}

struct Vma final : Mapping, core::RcuHead {
  VmaFlags flags;
  Ref<MemObject> object;
  Ref<Backing> backing;
  Ref<FaultWatch> watch;  ///< if it is watched
  AreaLock lock;

  Vma() = default;
  ~Vma() = default;
  /// ENOMEM.
  static Result<Vma*> create();
  /// Takes over what it shows from another area, from an address of that one on.
  void show_like(const Vma& other, UserAddr from);
  /// The guard below a stack.
  static constexpr u64 stack_guard = 256 * page_size;
  void set_flags(VmaFlags f) {
    flags = f;
    guard = f.has(VmaFlag::grows_down) ? stack_guard : 0;
  }
  void retire() override;
};

}  // namespace auk::vm
