// Object caches: slabs of equal objects with per-CPU magazines.
//
// Purpose: small objects in a few instructions, with nothing of the allocator inside them.
// Data model: Cache -> SlabPage (descriptor, found through the frame word of any of its pages) ->
// objects. Which objects are free is a bitmap in the descriptor, so a write to a freed object
// cannot lead the allocator astray, and a double or misplaced free is caught by the bitmap. Each
// CPU has a magazine of free objects; a full or empty one exchanges half of itself with the slabs.
// Locking: level slab for a cache's lists; magazines with interrupts off.
// Context: any but NMI.
// Differences from Linux: no freelist pointers in objects, no merging of caches of different types,
// objects are always handed out zeroed.
#pragma once
#include <array>
#include <span>

#include "base/list.hpp"
#include "base/result.hpp"
#include "core/spin.hpp"
#include "mem/alloc_site.hpp"
#include "mem/frame.hpp"
#include "mem/pages.hpp"

namespace auk::mem {

class Cache;

struct alignas(16) SlabPage {
  static constexpr usize max_objects = 256;
  Cache* cache = nullptr;
  Pfn pfn;
  u32 in_use = 0;
  bool embedded = false;  ///< lies in its own slab's first object
  ListNode node;
  std::array<u64, max_objects / 64> free_bits{};

  bool is_empty() const { return in_use == (embedded ? 1U : 0U); }
};

/// Counts of one cache; `live` includes objects waiting in magazines.
struct CacheCounts {
  const char* name;
  u32 object_size;
  u64 objects;  ///< handed out to users
  u64 slabs;
  u32 pages_per_slab;
  u32 objects_per_slab;
};

class Cache {
  static constexpr u32 magazine_size = 16;
  struct Magazine {
    u32 count = 0;
    std::array<void*, magazine_size> objects{};
  };
  using Slabs = List<SlabPage, &SlabPage::node>;
  struct Lists {
    Slabs partial;
    u32 empty = 0;
    u64 slabs = 0;
    u64 taken = 0;  ///< objects out of the slabs: with users or in magazines
  };

  const char* name_;
  u32 size_;
  u32 order_;
  u32 per_slab_;
  bool embeds_;
  Atomic<u32> magazine_offset_{0};
  Atomic<u64> in_magazines_{0};
  core::Guarded<core::level::slab, Lists, core::SpinIrqOff> lists_;
  ListNode all_;
  friend class CacheList;

  Magazine* magazine(const core::Pinned& pin);
  void* take_from(SlabPage& slab, Lists& lists);
  bool add_slab(AllocSite& site);
  u32 refill(AllocSite& site, std::span<void*> out);
  void give_back(std::span<void* const> objects);
  void release(Slabs& dying);
  u32 index_of(const SlabPage& slab, const void* object) const;

 public:
  /// `size` at least 16, a multiple of `align`. A cache is a global and lives for ever.
  constexpr Cache(const char* name, u32 size, bool embeds = false)
      : name_(name),
        size_(size),
        order_(order_of(size)),
        per_slab_(objects_in(size, order_)),
        embeds_(embeds) {}

  /// `size`: what the user asked for, at most object_size(); the rest is a red zone under KASAN.
  Result<void*> allocate(AllocSite& site, usize size);
  Result<void*> allocate(AllocSite& site) { return allocate(site, size_); }
  void free(void* object);
  CacheCounts counts();
  /// Empties the calling CPU's magazine and gives empty slabs back.
  void drain();
  const char* name() const { return name_; }
  u32 object_size() const { return size_; }

 private:
  static constexpr u32 objects_in(u32 size, u32 order) {
    const u32 n = static_cast<u32>((page_size << order) / size);
    return n < SlabPage::max_objects ? n : static_cast<u32>(SlabPage::max_objects);
  }
  static constexpr u32 order_of(u32 size) {
    u32 order = 0;
    // Up to 32 KiB a slab, until at most an eighth is wasted.
    while (order < 3 &&
           (page_size << order) - usize{objects_in(size, order)} * size > (page_size << order) / 8)
      ++order;
    return order;
  }
};

/// Any size up to 4 MiB, aligned to 16 (to its size for powers of two). Zeroed, unless it is large
/// and `fill` says that nobody reads what the caller has not written. ENOMEM.
Result<void*> allocate(AllocSite& site, usize size, Fill fill = Fill::zero);
/// Gives back what allocate() returned; nullptr is fine.
void free(void* p);
/// The size class that serves `size`; nullptr when whole pages do.
Cache* size_class(usize size);

/// Calls `f(CacheCounts)` for every cache that was ever used.
class CacheVisitor {
 public:
  virtual void visit(const CacheCounts& c) = 0;

 protected:
  ~CacheVisitor() = default;
};
void visit_caches(CacheVisitor& v);
void drain_caches();

}  // namespace auk::mem
