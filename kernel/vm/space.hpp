// AddressSpace: the user half of one program's memory: areas, page faults, copy-on-write.
//
// Data model: AddressSpace (counted: users) -> Vma in order of addresses -> MemObject and Backing.
// Private memory has no object: its pages hang in the page tables alone. Page tables belong to the
// TranslationRoot, which outlives the space while a CPU has it loaded.
// Locking: level space: writers change areas, faults read them; page-table entries under the lock
// of their table. Flushes happen with the space locked, pages are freed after the flush.
// Context: threads that may sleep.
// Differences from Linux: fork copies the entries of private pages only; everything that an object
// can give again is faulted in again.
#pragma once
#include <optional>

#include "base/flags.hpp"
#include "base/tree.hpp"
#include "core/user.hpp"
#include "mem/translation.hpp"
#include "sched/lock.hpp"
#include "vm/object.hpp"

namespace auk::vm {

/// What mmap(2) calls protection, and the areas' own properties.
enum class VmaFlag : u32 {
  read = 1,
  write = 2,
  execute = 4,
  shared = 8,
  grows_down = 16,
  no_reserve = 32,
  dont_copy = 64,
  stack = 128,
  heap = 256,
  may_write = 512,  ///< a shared mapping of a file that is open for writing
  dont_dump = 1024,
  wipe_on_fork = 2048,
};
using VmaFlags = Flags<VmaFlag>;

/// A program may do something with the pages: Linux maps what may only be written or executed as
/// readable too.
constexpr bool is_accessible(VmaFlags f) {
  return f.any(VmaFlags(VmaFlag::read) | VmaFlag::write | VmaFlag::execute);
}
/// Of a page-table entry. Whether it may be written also depends on who else has the page.
inline machine::MapRights entry_rights(VmaFlags f, bool writable) {
  machine::MapRights r = machine::MapRight::user;
  if (writable) r = r | machine::MapRight::write;
  if (f.has(VmaFlag::execute)) r = r | machine::MapRight::execute;
  return r;
}

struct Vma : Mapping {
  VmaFlags flags;
  Ref<MemObject> object;
  Ref<Backing> backing;
  TreeHook hook;
};
struct VmaOrder {
  bool operator()(const Vma& a, const Vma& b) const { return a.start < b.start; }
};

enum class Access : u8 { read, write, execute };
enum class FaultResult : u8 {
  done,
  no_mapping,     ///< SIGSEGV, SEGV_MAPERR
  no_permission,  ///< SIGSEGV, SEGV_ACCERR
  no_page,        ///< SIGBUS, BUS_ADRERR
  no_memory,
};

struct MapRequest {
  UserAddr hint;
  u64 size = 0;
  VmaFlags flags;
  bool fixed = false;
  bool no_replace = false;  ///< with `fixed`: EEXIST instead of unmapping
  Ref<MemObject> object;
  Ref<Backing> backing;
  u64 page_offset = 0;
  u64 address_limit = ~u64{0};  ///< bytes the space may have in all
};

/// Addresses that /proc/PID/stat shows and brk(2) needs.
struct SpaceLayout {
  UserAddr code_start, code_end, data_start, data_end, brk_start, brk, stack_start;
  UserAddr arguments_start, arguments_end, environment_start, environment_end;
  UserAddr mmap_top;
};

class AddressSpace final : public RefCounted<AddressSpace> {
  using Areas = Tree<Vma, &Vma::hook, VmaOrder>;
  Ref<mem::TranslationRoot> root_;
  sched::RwSemaphore<core::level::space> lock_;
  Areas areas_;
  SpaceLayout layout_;
  u64 mapped_pages_ = 0;
  Atomic<u64> resident_{0};
  Atomic<u64> peak_resident_{0};  ///< as of the last time pages went

  // All with the lock held for writing, unless the name says otherwise.
  Vma* find_at_or_after(UserAddr va);
  Vma* find(UserAddr va);
  Result<UserAddr> find_gap(UserAddr hint, u64 size);
  Result<Vma*> split(Vma& v, UserAddr at);
  Result<void> unmap_range(UserAddr start, UserAddr end);
  void remove_area(Vma& v);
  void add_area(Vma& v);
  void merge_around(UserAddr at);
  void clear_entries(UserAddr start, UserAddr end);
  template <class F> void change(Vma& v, F f);
  void link(Vma& v);
  void note_peak();
  void protect_entries(const Vma& v, UserAddr start, UserAddr end);
  Result<void> copy_entries(AddressSpace& to, const Vma& v);
  /// Lock held for reading.
  FaultResult handle(Vma& v, UserAddr page, Access access);
  FaultResult handle_object(Vma& v, UserAddr page, Access access, mem::PteTable& table);
  FaultResult handle_anonymous(UserAddr page, Access access, const Vma& v, mem::PteTable& table);
  bool grow_stack(UserAddr va, u64 stack_limit);

 public:
  explicit AddressSpace(Ref<mem::TranslationRoot> root) : root_(std::move(root)) {}
  ~AddressSpace();
  static Result<Ref<AddressSpace>> create();
  static void destroy(AddressSpace* s) { mem::destroy(s); }

  mem::TranslationRoot& translation() { return *root_; }
  u64 resident_pages() const { return resident_.load_relaxed(); }
  u64 peak_resident_pages() const {
    return std::max(peak_resident_.load_relaxed(), resident_pages());
  }
  u64 mapped_pages() const { return mapped_pages_; }
  /// Written by exec before the program runs.
  SpaceLayout& layout() { return layout_; }

  /// The object's end moved: its pages in this range are gone. The object's lock is held.
  void forget_pages(UserAddr start, UserAddr end) { clear_entries(start, end); }

  FaultResult fault(UserAddr va, Access access, u64 stack_limit);

  /// EINVAL, ENOMEM, EEXIST. Sizes and addresses are multiples of a page.
  Result<UserAddr> map(MapRequest request);
  Result<void> unmap(UserAddr start, u64 size);
  Result<void> protect(UserAddr start, u64 size, VmaFlags rights);
  /// The new end of the heap, or the old one if that is not possible.
  UserAddr set_brk(UserAddr wanted, u64 data_limit);
  /// Throws the pages of private areas away (MADV_DONTNEED).
  Result<void> discard(UserAddr start, u64 size);
  Result<UserAddr> remap(UserAddr start, u64 old_size, u64 new_size, bool may_move, bool fixed,
                         UserAddr to);
  /// The page of an object behind an address of a shared area, for keys that two spaces share.
  struct SharedPlace {
    const MemObject* object;
    u64 offset;
  };
  std::optional<SharedPlace> shared_place(UserAddr va);
  /// A copy for fork(2).
  Result<Ref<AddressSpace>> copy();
  /// Calls f(const Vma&) for each area in order.
  template <class F> void each_area(F f) {
    const auto reading = lock_.reading();
    for (const Vma& v : areas_) f(v);
  }
};

}  // namespace auk::vm
