// Folio: the descriptor of pages that hold somebody's data (decision D1).
//
// Data model: the frame word of the page points to it. `refs` counts everybody who may touch the
// page: each page-table entry, the page cache, each pin. `exclusive` says that an anonymous page
// belongs to one address space only, so a write fault may use it without copying; fork clears it.
// `pins` counts those who write to the page, or will, without going through a page table: a pinned
// page is never shared by fork, it is copied there and then.
// A run is sixteen folios of neighbouring pages that were made at once, their descriptors side by
// side in one piece of memory. Each goes its own way; the descriptors' memory goes with the last.
// Locking: counts are atomic; the exclusive bit changes, and a pin is taken, under the lock of the
// page-table page.
// Context: any but NMI. Differences from Linux: 32 bytes instead of 64, and only for pages that
// hold data. Linux makes one folio of several pages, which has to be split when they part.
#pragma once
#include <span>

#include "base/own.hpp"
#include "mem/address.hpp"
#include "mem/alloc_site.hpp"
#include "mem/frame.hpp"
#include "mem/pages.hpp"
#include "mem/slab.hpp"

namespace auk::mem {

class FolioRun;

class alignas(16) Folio final : public RefCounted<Folio> {
  friend class FolioRun;
  Atomic<u32> in_use_{0};  ///< of the first of a run: how many of it are there
  Pfn pfn_;
  Atomic<u32> exclusive_{0};
  Atomic<u32> pins_{0};
  Atomic<bool> blank_{false};
  bool anonymous_, borrowed_, secret_ = false;
  u8 place_ = 0;  ///< in its run, from 1 on; 0: in none

  static bool is_run(std::span<Folio* const> folios);
  static void drop_run(std::span<Folio* const> run);

 public:
  Folio(Pfn pfn, bool anonymous, bool borrowed = false)
      : pfn_(pfn),
        anonymous_(anonymous),
        borrowed_(borrowed) {}
  /// One page of memory and its descriptor. `anonymous`: belongs to no object, only to the page
  /// tables that map it. ENOMEM.
  static Result<Ref<Folio>> create(AllocSite& site, bool anonymous, Fill fill = Fill::zero);
  /// One whose bytes the kernel cannot reach until it is gone: bytes() must not be used. Threads.
  /// ENOMEM.
  static Result<Ref<Folio>> create_secret(AllocSite& site);
  /// The one for a page of described memory (describe_memory()), which stays what it is when the
  /// folio goes. Several objects may have it. ENOMEM.
  static Result<Ref<Folio>> borrow(AllocSite& site, Pfn pfn);
  static void destroy(Folio* f);
  /// Gives up a reference to each.
  static void drop(std::span<Folio* const> folios);
  static Cache& cache();

  Pfn pfn() const { return pfn_; }
  PhysAddr address() const { return phys_of(pfn_); }
  std::span<byte> bytes() const { return bytes_of(pfn_); }
  bool is_anonymous() const { return anonymous_; }
  bool is_secret() const { return secret_; }
  bool is_exclusive() const { return exclusive_.load_relaxed() != 0; }
  bool is_pinned() const { return pins_.load_acquire() != 0; }
  void pin() { (void)pins_.fetch_add_relaxed(1); }
  void unpin() { (void)pins_.fetch_sub_release(1); }
  /// Of an object, and nothing but memory for what is to come: it reads as the hole it stands in.
  /// Changes under the lock of the object's tree.
  bool is_blank() const { return blank_.load_relaxed(); }
  void set_blank(bool v) { blank_.store_relaxed(v); }
  void set_exclusive(bool v) { exclusive_.store_relaxed(v ? 1 : 0); }
};

static_assert(sizeof(Folio) == 32);

/// Anonymous pages side by side that nobody knows yet.
class FolioRun {
  Folio* first_ = nullptr;

 public:
  static constexpr unsigned order = 4;
  static constexpr usize count = usize{1} << order;
  static constexpr u64 size = count * page_size;
  /// Of zeros. Nothing if there is no memory to spare.
  static FolioRun create(AllocSite& site);
  FolioRun() = default;
  FolioRun(FolioRun&& o) noexcept : first_(std::exchange(o.first_, nullptr)) {}
  FolioRun& operator=(FolioRun o) noexcept { return std::swap(first_, o.first_), *this; }
  ~FolioRun();
  explicit operator bool() const { return first_ != nullptr; }
  /// The caller's, with a reference to each.
  std::span<Folio, count> release() {
    return std::span<Folio, count>(std::exchange(first_, nullptr), count);
  }
};

/// The folio of a mapped page; nullptr for pages that have none (the zero page).
inline Folio* folio_of(Pfn pfn) {
  const FrameWord w = read_frame(pfn);
  return w.tag() == FrameTag::folio ? w.descriptor<Folio>() : nullptr;
}

/// How many there are.
struct FolioCounts {
  u64 anonymous = 0, of_objects = 0;
};
FolioCounts count_folios();

/// A page of zeros that is mapped wherever nobody wrote yet.
Pfn zero_page();
/// Once, when the page allocator works.
void setup_zero_page();

}  // namespace auk::mem
