// AddressSpace: the user half of one program's memory: areas, page faults, copy-on-write.
//
// Data model: AddressSpace (counted: users) -> Vma in an AreaTree -> MemObject and Backing. Private
// memory has no object: its pages hang in the page tables alone. Page tables belong to the
// TranslationRoot, which outlives the space while a CPU has it loaded.
// Locking: level space: writers change areas; a fault counts itself in its one area and takes the
// space's lock for reading only where that fails (area_lock.hpp). Page-table entries under the lock
// of their table. Translations are flushed before the lock goes, pages are freed after the flush,
// areas and what they kept alive after the lock. A range that no area touches has no faults: its
// tables are freed with it.
// Context: threads that may sleep.
// Differences from Linux: fork copies the entries of private pages only; everything that an object
// can give again is faulted in again. An area whose pages may be dropped lazily (MADV_FREE) loses
// them at once.
#pragma once
#include <optional>

#include "vm/commit.hpp"
#include "vm/vma.hpp"

namespace auk::vm {

enum class FaultResult : u8 {
  done,
  no_mapping,     ///< SIGSEGV, SEGV_MAPERR
  no_permission,  ///< SIGSEGV, SEGV_ACCERR
  no_page,        ///< SIGBUS, BUS_ADRERR
  no_memory,
  unanswered,  ///< inside vm: somebody else has to fill the page
};

/// Who wants a page: a program itself, the kernel for it, or somebody who only looks, and does not
/// wait for what the program has to do first.
enum class FaultBy : u8 { program, kernel, onlooker };

/// What the caller may have: its resource limits in bytes, and its privileges.
struct Allowance {
  u64 address_space = ~u64{0}, data = ~u64{0}, stack = ~u64{0}, locked = ~u64{0};
  bool may_lock = false;     ///< CAP_IPC_LOCK
  bool is_admin = false;     ///< CAP_SYS_ADMIN
  bool may_map_low = false;  ///< CAP_SYS_RAWIO
};

struct MapRequest {
  UserAddr hint;
  u64 size = 0;
  VmaFlags flags;
  bool fixed = false;
  bool no_replace = false;  ///< with `fixed`: EEXIST instead of unmapping
  /// With `fixed`: EINVAL unless all of the place shows the object already, with these flags.
  std::optional<VmaFlags> over;
  bool low_2g = false;  ///< where 31 bits reach (MAP_32BIT)
  Ref<MemObject> object;
  Ref<Backing> backing;
  u64 page_offset = 0;
  Allowance allowance;
};

struct RemapRequest {
  UserAddr start;
  u64 old_size = 0, new_size = 0;
  bool may_move = false;
  bool fixed = false;       ///< to `to`
  bool keep_empty = false;  ///< the old area stays, without pages (MREMAP_DONTUNMAP)
  UserAddr to;
  Allowance allowance;
};

/// Addresses that /proc/PID/stat shows and brk(2) needs.
struct SpaceLayout {
  UserAddr code_start, code_end, data_start, data_end, brk_start, brk, stack_start;
  UserAddr arguments_start, arguments_end, environment_start, environment_end;
  UserAddr auxiliary_start, auxiliary_end;
  UserAddr mmap_top;
};

/// Pages that areas cover, as /proc/PID/status counts them.
struct AreaSizes {
  u64 total = 0, data = 0, stack = 0, executable = 0, locked = 0, accounted = 0;
  u64 peak = 0;  ///< of total
};

/// One area, as others see it.
struct AreaView {
  UserAddr start, end;
  VmaFlags flags;
  u64 page_offset = 0;
  Ref<MemObject> object;
  Ref<Backing> backing;
};

/// Whose pages may go: madvise(2)'s MADV_FREE, MADV_DONTNEED and MADV_DONTNEED_LOCKED.
enum class Discard : u8 { anonymous, unlocked, all };

/// Advice that changes an area's flags.
struct FlagChange {
  VmaFlags set, clear;
};

class AddressSpace final : public RefCounted<AddressSpace> {
  const u64 id_;
  Ref<mem::TranslationRoot> root_;
  sched::RwSemaphore<core::level::space> lock_;
  AreaRounds rounds_;
  AreaTree areas_;
  AreaSizes sizes_;
  SpaceLayout layout_;
  Ref<Backing> program_;
  bool has_seals_ = false;
  FaultWatches watches_;
  void drop_private_pages();
  VmaFlags lock_new_;  ///< lock flags of areas to come (MCL_FUTURE)
  Atomic<bool> is_dying_{false}, is_reaped_{false};
  Atomic<u64> resident_anonymous_{0}, resident_object_{0};
  Atomic<u64> peak_resident_{0};  ///< as of the last time pages went

  class Change;
  class Gather;

  // space.cpp. Lock held for writing by a Change.
  static Vma* vma(Area* a) { return static_cast<Vma*>(a); }
  static const Vma* vma(const Area* a) { return static_cast<const Vma*>(a); }
  Vma* find_at_or_after(UserAddr va) const { return vma(areas_.find_at_or_after(va)); }
  Vma* find(UserAddr va) const;
  Result<UserAddr> place(const MapRequest& r, u64 size);
  bool shows(UserAddr start, UserAddr end, VmaFlags flags, const MapRequest& r) const;
  bool may_expand(VmaFlags flags, u64 pages, const Allowance& a) const;
  bool may_lock(u64 pages, const Allowance& a) const;
  bool has_room_for(u32 areas) const;
  Result<void> charge(VmaFlags& flags, u64 pages, const Allowance& a);
  void count(VmaFlags flags, u64 pages, bool more);
  Result<Vma*> split(Change& change, Vma& v, UserAddr at);
  void link(Vma& v);
  void add_area(Vma& v);
  void take_out(Change& change, Vma& v);
  void set_extent(Change& change, Vma& v, UserAddr start, UserAddr end);
  void merge_around(Change& change, UserAddr at);
  void own_range(Change& change, UserAddr start, UserAddr end);
  Result<void> unmap_range(Change& change, UserAddr start, UserAddr end);
  Result<void> extend(Change& change, UserAddr at, u64 size, VmaFlags flags, const Allowance& a);
  template <class F>
  Result<void> change_flags(Change& change, UserAddr start, UserAddr end, bool over_holes,
                            F wanted);
  void note_peak();

  // entries.cpp: page-table entries of a range.
  template <class F> void gather_entries(UserAddr start, UserAddr end, Gather& gather, F f);
  void take_page(machine::Pte& e, mem::PteTable::Entries& entries, Gather& gather);
  void clear_entries(UserAddr start, UserAddr end);
  void protect_entries(const Vma& v);
  void move_entries(UserAddr from, u64 size, UserAddr to);
  Result<void> make_tables(UserAddr from, u64 size, UserAddr to);
  Result<void> copy_entries(AddressSpace& to, const Vma& v);

  // remap.cpp
  Result<UserAddr> move_area(Change& change, Vma& v, const RemapRequest& r, UserAddr to);

  // fault.cpp. The area is counted, or the lock is held.
  FaultResult handle(Vma& v, UserAddr page, Access access);
  FaultResult handle_object(Vma& v, UserAddr page, Access access, mem::PteTable& table);
  FaultResult handle_anonymous(UserAddr page, Access access, const Vma& v, mem::PteTable& table);
  bool map_run(UserAddr page, const Vma& v, mem::PteTable& table);
  void map_around(const Vma& v, UserAddr page, mem::PteTable& table);
  UserAddr first_unserved(UserAddr at, UserAddr end, Access how);
  class Question;
  FaultResult handle_or_ask(Vma& v, UserAddr va, Access access, Question* question);
  FaultResult try_fault(UserAddr va, Access access, Question* question);
  FaultResult ask_for(UserAddr va, Access access, FaultBy by);

  // watched.cpp
  Result<void> check_watch(UserAddr start, UserAddr end, const FaultWatch* watch) const;
  Result<void> set_watch(Change& change, UserAddr start, UserAddr end, FaultWatch* watch,
                         const FaultWatch* only);
  bool is_missing(const Vma& v, UserAddr page, mem::PteTable& table);
  Result<void> put_private(const Vma& v, UserAddr page, Ref<Folio> own);

 public:
  /// vm.mmap_min_addr: a null pointer with an offset must fault.
  static constexpr UserAddr lowest{65536};

  explicit AddressSpace(Ref<mem::TranslationRoot> root);
  ~AddressSpace();
  static Result<Ref<AddressSpace>> create();
  static void destroy(AddressSpace* s) { mem::destroy(s); }

  /// Never that of another space; not 0.
  u64 id() const { return id_; }
  mem::TranslationRoot& translation() { return *root_; }
  /// What threads of the program announced to membarrier(2); its own bits.
  Atomic<u32> barriers{0};
  /// PR_SET_THP_DISABLE; the program's children and successors inherit it.
  Atomic<bool> no_huge_pages{false};
  u64 resident_pages() const {
    return resident_anonymous_.load_relaxed() + resident_object_.load_relaxed();
  }
  u64 resident_anonymous_pages() const { return resident_anonymous_.load_relaxed(); }
  u64 peak_resident_pages() const {
    return std::max(peak_resident_.load_relaxed(), resident_pages());
  }
  /// May be a moment old.
  AreaSizes sizes() const { return sizes_; }
  /// Written by exec before the program runs.
  SpaceLayout& layout() { return layout_; }
  /// The file it runs. Set before anybody else sees the space.
  void set_program(Ref<Backing> file) { program_ = std::move(file); }
  const Ref<Backing>& program() const { return program_; }

  /// Segments of the program's own. See modify_ldt(2).
  Ref<mem::SegmentTable> segments() {
    const auto reading = lock_.reading();
    return root_->segments();
  }
  /// ENOMEM.
  Result<void> set_segment(u32 index, u64 descriptor);

  /// The object's end moved: its pages in this range are gone. The object's lock is held.
  void forget_pages(UserAddr start, UserAddr end) { clear_entries(start, end); }
  /// The same for pages of the object only; the program's own copies stay.
  void forget_object_pages(UserAddr start, UserAddr end);

  /// `no_mapping` may mean a stack that has to grow first: grow_stack(), and again. Where somebody
  /// else fills pages it sleeps: for a program until a signal comes, which is `done`, too.
  FaultResult fault(UserAddr va, Access access, FaultBy by = FaultBy::kernel);
  /// True when there is an area at `va` now.
  bool grow_stack(UserAddr va, const Allowance& a);

  /// EINVAL, ENOMEM, EPERM, EEXIST, EAGAIN (too much locked). Sizes and addresses are multiples of
  /// a page.
  Result<UserAddr> map(MapRequest request);
  Result<void> unmap(UserAddr start, u64 size);
  /// mprotect(2), area by area up to the first that cannot be changed: ENOMEM, EACCES.
  /// `wanted`: of access_flags. `implied`: more of them, where an area may have them.
  /// `from_lowest`: from the start of the stack that holds `start` (PROT_GROWSDOWN); EINVAL unless
  /// it is one.
  Result<void> protect(UserAddr start, u64 size, VmaFlags wanted, VmaFlags implied,
                       bool from_lowest, const Allowance& a);
  /// The new end of the heap, or the old one if that is not possible.
  UserAddr set_brk(UserAddr wanted, const Allowance& a);
  /// ENOMEM, EFAULT, EINVAL, EAGAIN. See mremap(2).
  Result<UserAddr> remap(const RemapRequest& request);

  // advice.cpp
  /// Throws pages away. ENOMEM: there were holes; EINVAL: an area that `what` leaves alone.
  Result<void> discard(UserAddr start, u64 size, Discard what);
  /// What lies behind shared areas becomes holes (MADV_REMOVE). EINVAL: locked, or private memory;
  /// EACCES: not to be written; ENOMEM: part of it is not mapped; the file's errors.
  Result<void> make_holes(UserAddr start, u64 size);
  /// ENOMEM at holes, after all that is there was changed. EINVAL: `only_anonymous`, and an area is
  /// not.
  Result<void> advise(UserAddr start, u64 size, FlagChange wanted, bool only_anonymous);
  /// mseal(2): the areas of a range stay as they are for good. ENOMEM at holes, before anything
  /// changes.
  Result<void> seal(UserAddr start, u64 size);
  /// Which pages of a range are in memory: one byte for each. ENOMEM.
  Result<void> residency(UserAddr start, std::span<byte> out);
  /// ENOMEM: a hole; EBUSY: locked pages must not be invalidated.
  Result<void> check_sync(UserAddr start, u64 size, bool invalidate);
  /// mlock(2), munlock(2): the flags of a range. ENOMEM at holes, EPERM, EAGAIN.
  Result<void> set_locked(UserAddr start, u64 size, VmaFlags how, const Allowance& a);
  /// mlockall(2), munlockall(2).
  Result<void> set_all_locked(bool current, VmaFlags how_current, VmaFlags future,
                              const Allowance& a);
  /// Makes the pages of a range present, as `access` would. ENOMEM: hole or no memory; EINVAL: not
  /// allowed; EFAULT: behind the end of a file; EINTR when the thread is to die.
  Result<void> populate(UserAddr start, u64 size, std::optional<Access> access);
  /// populate() for all areas that are locked.
  void populate_locked();
  /// New mappings are to be filled at once.
  bool locks_new_areas() const { return lock_new_.has(VmaFlag::locked); }

  /// Belongs to FaultWatch.
  FaultWatches& watches() { return watches_; }
  /// Missing pages of a range are `w`'s business from now on. EINVAL: nothing is mapped there, or
  /// what cannot be watched; EPERM: never to be written; EBUSY: another one's; ENOMEM.
  Result<void> watch(FaultWatch& w, UserAddr start, u64 size);
  /// EINVAL, ENOMEM.
  Result<void> unwatch(UserAddr start, u64 size);
  void unwatch_all(const FaultWatch& w);
  /// All of a range is one area's, and watched.
  bool is_watched(UserAddr start, u64 size);
  /// A missing page becomes a copy of what the caller has at `from`, or zeros. EEXIST: it is not
  /// missing; ENOENT: not watched any more; EFAULT, ENOMEM, ENOSPC. Whoever waits is not woken.
  Result<void> fill(UserAddr page, std::optional<UserAddr> from);

  /// A page of the program, for somebody who reads or writes it from elsewhere; nullptr when it
  /// reads as zeros (never for writing). With `pin` it stays the program's through a fork, until
  /// Folio::unpin(). EFAULT, ENOMEM; a secret page is EFAULT.
  Result<Ref<Folio>> page_of(UserAddr va, Access access, bool pin, FaultBy by = FaultBy::kernel);

  /// The page of an object behind an address of a shared area, or of one that cannot be written:
  /// for keys that two spaces share.
  struct SharedPlace {
    const MemObject* object;
    u64 offset;
  };
  std::optional<SharedPlace> shared_place(UserAddr va);
  /// A copy for fork(2). ENOMEM.
  Result<Ref<AddressSpace>> copy(const Allowance& a);

  /// The program is being killed for its memory: private pages go now. From here on faults that
  /// need memory fail. False when the areas are changing just now.
  bool reap();
  /// The same for who may wait until they do not change.
  void reap_in_time();
  /// There is nothing to be had here any more, reap() or not.
  void give_up_reaping() { is_reaped_.store_relaxed(true); }
  bool is_dying() const { return is_dying_.load_relaxed(); }
  bool is_reaped() const { return is_reaped_.load_relaxed(); }

  /// The first area that ends behind an address.
  std::optional<AreaView> area_from(UserAddr at);
  /// Calls f(const Vma&) for each area in order.
  template <class F> void each_area(F f) {
    const auto reading = lock_.reading();
    for (const Area* a = areas_.first(); a != nullptr; a = a->above) f(*vma(a));
  }
};

/// The allowance of a kernel thread, or of exec, which prepares a space for somebody.
inline constexpr Allowance unlimited{.may_lock = true, .is_admin = true, .may_map_low = true};

}  // namespace auk::vm
