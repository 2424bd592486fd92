// MemObject: pages that live behind an index and can be mapped: page caches, shared memory.
//
// Data model: PageCache -> FolioTree. A cache without a source is
// the storage itself (tmpfs, shared anonymous memory): a missing page is a hole that reads as
// zeros. So does a blank page (mem::Folio), which fallocate(2) has paid for and nobody has used:
// but for its memory it counts as a hole. The size in bytes lives here (decision D4); faults and
// reads look at it after they have the folio. Locking: level invalidate for the list of mappings,
// level mapping_tree for the tree. Context: threads. Differences from Linux: no dirty or writeback
// state until a source exists.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "base/list.hpp"
#include "base/own.hpp"
#include "core/spin.hpp"
#include "core/user.hpp"
#include "mem/box.hpp"
#include "mem/folio.hpp"
#include "sched/lock.hpp"
#include "vm/area_tree.hpp"
#include "vm/commit.hpp"
#include "vm/folio_tree.hpp"

namespace auk::vm {

class MemObject;

/// Where pages of an object are mapped. While it is linked, its fields change only under the
/// object's lock.
struct Mapping : Area {
  u64 page_offset = 0;  ///< index in the object of the page at `start`
  class AddressSpace* space = nullptr;
  ListNode node;

  u64 index_of(UserAddr va) const { return page_offset + (va - start) / page_size; }
};

class MemObject : public RefCounted<MemObject> {
 public:
  struct Mappings : List<Mapping, &Mapping::node> {
    u32 writers_to_come = 0;  ///< WriterPermits
    bool admits_writers = true;
  };
  core::Guarded<core::level::invalidate, Mappings, sched::SleepLock> mappings;

  static void destroy(MemObject* o) { o->dispose(); }
  /// The page at an index, made if it can be. EFAULT behind the end (SIGBUS), ENOMEM, EIO.
  virtual Result<Ref<Folio>> folio(u64 index) = 0;
  /// Pages from an index on that are there already, into `out`; gaps stay empty.
  virtual void resident(u64 index, std::span<Ref<Folio>> out) = 0;
  /// The page is the object's at this index. Asked under the lock of the page table that the page
  /// goes into: the end may have moved since folio(), and back again.
  virtual bool holds(u64 index, const Folio& f) const = 0;
  /// Bytes [start, end) become zeros that take no memory, in all mappings. EOPNOTSUPP.
  virtual Result<void> punch(u64 /*start*/, u64 /*end*/) { return Errno::eopnotsupp; }
  /// A file of memory: its missing pages may be filled by a program (fault_watch.hpp).
  virtual bool can_be_watched() const { return false; }
  /// Of those, and before the end. Any context that may take level mapping_tree.
  virtual bool is_missing(u64 /*index*/) const { return false; }
  virtual bool is_behind_end(u64 /*index*/) const { return false; }
  /// A page where one is missing. EEXIST, EFAULT behind the end, ENOMEM, ENOSPC.
  virtual Result<void> add(u64 /*index*/, Ref<Folio> /*fresh*/) { return Errno::einval; }
  /// Its pages are for the programs that map it, all of which share it, and not for the kernel.
  virtual bool is_secret() const { return false; }
  /// No shared mapping can write to it from now on. EBUSY: one can, or somebody who has pinned a
  /// page.
  Result<void> refuse_writers();

 protected:
  MemObject() = default;
  enum class Copies : u8 {
    go,    ///< as truncate(2) wants it: what a program has written to its own copy is gone too
    stay,  ///< a hole in a file is none in memory of one's own
  };
  static constexpr u64 to_the_end = ~u64{0};
  /// Takes the pages of the indices [first, end) out of every page table. The object does not hold
  /// them any more.
  void unmap(u64 first, u64 end, Copies copies);
  ~MemObject() = default;
  virtual void dispose() = 0;
  virtual bool has_pins() { return false; }
};

/// Held while a shared mapping that can write to an object comes into its list.
class WriterPermit {
  MemObject* object_ = nullptr;

 public:
  WriterPermit() = default;
  /// `o` outlives it. EPERM: sealed.
  Result<void> take(MemObject& o);
  ~WriterPermit();
  WriterPermit(const WriterPermit&) = delete;
  WriterPermit& operator=(const WriterPermit&) = delete;
};

/// What a mapping of a file keeps alive, and what its name is. io::File implements it.
class Backing : public RefCounted<Backing> {
  mem::LateMemorySlot late_;

 public:
  /// Tables of descriptors are read under RCU: dispose() calls destroy_late().
  using IsDestroyedLate = void;
  static void destroy(Backing* b) {
    b->released();
    b->dispose();
  }
  /// Numbers for /proc/PID/maps.
  struct Identity {
    u64 device = 0;
    u64 inode = 0;
  };
  virtual Identity identity() const = 0;
  /// madvise(2) with MADV_REMOVE: as fallocate(2) makes holes. EOPNOTSUPP and more.
  virtual Result<void> make_hole(u64 start, u64 size) = 0;

 protected:
  /// The last reference is gone; the object is still whole.
  virtual void released() {}
  template <class T> static void destroy_late(T* t) { static_cast<Backing*>(t)->late_.destroy(t); }
  Backing() = default;
  ~Backing() = default;
  virtual void dispose() = 0;
};

/// What limits the pages of several caches together: the size of a tmpfs.
class PageBudget : public RefCounted<PageBudget> {
 public:
  static void destroy(PageBudget* b) { b->dispose(); }
  /// False: there is no room for so many more.
  virtual bool take(u64 pages) = 0;
  virtual void give_back(u64 pages) = 0;

 protected:
  PageBudget() = default;
  ~PageBudget() = default;
  virtual void dispose() = 0;
};

/// Where the pages of a cache come from that are not there yet.
class PageSource {
 public:
  /// The page at an index, which is below the end. It belongs to the cache from then on; asked for
  /// again, the source gives another one of the same content. ENOENT: a hole. ENOMEM, EIO, EUCLEAN.
  virtual Result<Ref<Folio>> read_page(u64 index) = 0;

 protected:
  ~PageSource() = default;
};

class PageCache final : public MemObject {
  core::Guarded<core::level::mapping_tree, FolioTree, core::SpinIrqOff> tree_;
  const FolioTree* const look_ = &tree_.alone();  ///< for a look under RCU
  Atomic<u64> size_{0};
  Atomic<u64> pages_{0};
  u64 promised_ = 0;  ///< pages charged at once; without, each page is charged when it is made
  Ref<PageBudget> budget_;        ///< none: no limit
  PageSource* source_ = nullptr;  ///< none: it is the storage itself
  bool is_secret_ = false;
  void dispose() override { mem::destroy(this); }
  bool has_pins() override;
  Result<void> charge(u64 pages);
  void release(u64 pages);
  Result<Ref<Folio>> make(u64 index, bool& is_new);
  Result<void> make_blank(u64 index, bool& is_new);
  Result<Ref<Folio>> put(u64 index, Ref<Folio> fresh, bool& is_new);
  u64 count_missing(u64 first, u64 end) const;
  enum class Which : u8 { all, blank };
  void remove(u64 first, u64 end, Which which = Which::all);
  void zero(u64 start, u64 end);

 public:
  explicit PageCache(Ref<PageBudget> budget) : budget_(std::move(budget)) {}
  ~PageCache();
  static Result<Ref<PageCache>> create(Ref<PageBudget> budget = {}) {
    return mem::make_ref<PageCache>(ALLOC_SITE, std::move(budget));
  }
  /// Only read: its pages come from a source, which outlives it.
  static Result<Ref<PageCache>> create_read_only(PageSource& source, u64 size);
  /// Its pages are in no direct map (mem::Folio::create_secret). ENOMEM.
  static Result<Ref<PageCache>> create_secret(Ref<PageBudget> budget);
  /// Shared memory without a name: all of it is promised now (commit.hpp). ENOMEM.
  static Result<Ref<PageCache>> create_promised(u64 size, const commit::Asker& who);

  u64 size() const { return size_.load_acquire(); }
  u64 pages() const { return pages_.load_relaxed(); }
  /// Only grows; the page of the old end is already zero behind it.
  void grow(u64 size) {
    u64 have = size_.load_relaxed();
    while (have < size && !size_.cas_release(have, size)) {}
  }
  /// Cuts or extends; pages behind the new end are gone, the rest of the last one is zeroed.
  void truncate(u64 size);
  /// How many pages of [first, end) take memory.
  u64 count_pages(u64 first, u64 end) const { return end - first - count_missing(first, end); }
  /// Blank pages at all indices of [first, end) that have none, also behind the end. Nobody cuts
  /// the object meanwhile. ENOSPC, before there is one more; ENOMEM, EINTR: those that are still
  /// blank go again.
  Result<void> reserve(u64 first, u64 end);
  Result<void> punch(u64 start, u64 end) override;
  /// The page if it is there.
  Result<Ref<Folio>> find(u64 index);
  /// The same, from the source if there is one. ENOENT: a hole. The source's errors.
  Result<Ref<Folio>> read(u64 index);
  /// The first index from `index` on that has a page, or that has none.
  std::optional<u64> next_page(u64 index);
  u64 next_gap(u64 index);
  /// The page, made if it is missing, whatever the size says. ENOMEM, ENOSPC.
  Result<Ref<Folio>> find_or_make(u64 index);
  Result<Ref<Folio>> folio(u64 index) override;
  void resident(u64 index, std::span<Ref<Folio>> out) override;
  bool holds(u64 index, const Folio& f) const override;
  bool can_be_watched() const override { return source_ == nullptr && !is_secret_; }
  bool is_missing(u64 index) const override;
  bool is_behind_end(u64 index) const override {
    return index >= (size() + page_size - 1) / page_size;
  }
  Result<void> add(u64 index, Ref<Folio> fresh) override;
  bool is_secret() const override { return is_secret_; }
};

}  // namespace auk::vm
