#include "mem/slab.hpp"

#include <algorithm>
#include <bit>

#include "base/bytes.hpp"
#include "base/math.hpp"
#include "machine/isa/cpu.hpp"
#include "mem/address.hpp"
#include "mem/kasan.hpp"
#include "mem/pages.hpp"
#include "mem/percpu_area.hpp"

namespace auk::mem {
namespace {

constexpr u32 empty_slabs_kept = 1;

/// Descriptors of slabs; its own slabs hold their descriptor in their first object.
constinit Cache slab_pages("slab_page", sizeof(SlabPage), true);

constinit std::array<Cache, 18> size_classes{
    Cache("kmalloc-16", 16),     Cache("kmalloc-32", 32),     Cache("kmalloc-48", 48),
    Cache("kmalloc-64", 64),     Cache("kmalloc-96", 96),     Cache("kmalloc-128", 128),
    Cache("kmalloc-192", 192),   Cache("kmalloc-256", 256),   Cache("kmalloc-384", 384),
    Cache("kmalloc-512", 512),   Cache("kmalloc-768", 768),   Cache("kmalloc-1024", 1024),
    Cache("kmalloc-1536", 1536), Cache("kmalloc-2048", 2048), Cache("kmalloc-3072", 3072),
    Cache("kmalloc-4096", 4096), Cache("kmalloc-6144", 6144), Cache("kmalloc-8192", 8192)};

}  // namespace

/// All caches that were ever used, for /proc/slabinfo and the leak count.
class CacheList {
  using Caches = List<Cache, &Cache::all_>;

 public:
  static constinit core::Guarded<core::level::innermost, Caches, core::SpinIrqOff> caches;
  static void add(Cache& c) {
    auto l = caches.lock();
    if (!c.all_.is_linked()) l->push_back(c);
  }
  template <class F> static void each(F f) {
    // Caches are never removed, so a pointer stays good after the lock is gone.
    Cache* c = nullptr;
    {
      auto l = caches.lock();
      c = l->front();
    }
    while (c != nullptr) {
      f(*c);
      auto l = caches.lock();
      c = l->next(*c);
    }
  }
};
constinit core::Guarded<core::level::innermost, CacheList::Caches, core::SpinIrqOff>
    CacheList::caches;

Cache::Magazine* Cache::magazine(const core::Pinned& pin) {
  const u32 offset = magazine_offset_.load_acquire();
  return offset == 0 ? nullptr : static_cast<Magazine*>(percpu_pointer(offset, pin));
}

u32 Cache::index_of(const SlabPage& slab, const void* object) const {
  const u64 offset = reinterpret_cast<uptr>(object) - to_virt(phys_of(slab.pfn)).value;
  const u32 index = static_cast<u32>(offset / size_);
  ASSERT(offset % size_ == 0 && index < per_slab_);
  return index;
}

void* Cache::take_from(SlabPage& slab, Lists& lists) {
  // A random first word makes the order of addresses unpredictable for whoever grooms the heap.
  const usize words = div_ceil(usize{per_slab_}, usize{64});
  const usize first = words > 1 ? machine::timestamp() % words : 0;
  for (usize i = 0; i < words; ++i) {
    const usize w = (first + i) % words;
    if (slab.free_bits[w] == 0) continue;
    const u32 bit = static_cast<u32>(std::countr_zero(slab.free_bits[w]));
    slab.free_bits[w] &= slab.free_bits[w] - 1;
    if (slab.is_empty()) --lists.empty;
    ++slab.in_use;
    ++lists.taken;
    if (slab.in_use == per_slab_) Slabs::remove(slab);
    return to_pointer<byte>(phys_of(slab.pfn)) + (w * 64 + bit) * size_;
  }
  UNREACHABLE("a partial slab without a free object");
}

bool Cache::add_slab(AllocSite& site) {
  Result<Pfn> pfn = allocate_pages(site, order_, Fill::overwrite);
  if (!pfn.ok()) return false;
  SlabPage* slab = nullptr;
  if (embeds_) {
    slab = to_pointer<SlabPage>(phys_of(*pfn));
  } else {
    Result<void*> d = slab_pages.allocate(site);
    if (!d.ok()) {
      free_pages(*pfn, order_);
      return false;
    }
    slab = static_cast<SlabPage*>(d.take());
  }
  ::new (static_cast<void*>(slab)) SlabPage;
  slab->cache = this;
  slab->pfn = *pfn;
  slab->embedded = embeds_;
  for (u32 i = 0; i < per_slab_; ++i) slab->free_bits[i / 64] |= u64{1} << (i % 64);
  if (embeds_) {
    slab->free_bits[0] &= ~u64{1};
    slab->in_use = 1;
  }
  for (u64 i = 0; i < u64{1} << order_; ++i)
    write_frame(*pfn + i, FrameWord::with_descriptor(FrameTag::slab, slab));
  kasan::poison_slab(to_pointer<byte>(phys_of(*pfn)) + (embeds_ ? size_ : 0),
                     (page_size << order_) - (embeds_ ? size_ : 0));
  auto l = lists_.lock();
  l->partial.push_back(*slab);
  ++l->slabs;
  ++l->empty;
  return true;
}

u32 Cache::refill(AllocSite& site, std::span<void*> out) {
  u32 got = 0;
  for (;;) {
    {
      auto l = lists_.lock();
      while (got < out.size())
        if (SlabPage* slab = l->partial.front(); slab != nullptr)
          out[got++] = take_from(*slab, *l);
        else
          break;
    }
    if (got > 0 || !add_slab(site)) return got;
  }
}

void Cache::give_back(std::span<void* const> objects) {
  Slabs dying;
  {
    auto l = lists_.lock();
    for (void* object : objects) {
      SlabPage* slab = read_frame(pfn_of(to_phys(object))).descriptor<SlabPage>();
      const u32 i = index_of(*slab, object);
      // Already free: this object was given back twice.
      ASSERT((slab->free_bits[i / 64] & (u64{1} << (i % 64))) == 0);
      slab->free_bits[i / 64] |= u64{1} << (i % 64);
      if (slab->in_use-- == per_slab_) l->partial.push_front(*slab);
      --l->taken;
      if (!slab->is_empty()) continue;
      if (l->empty < empty_slabs_kept) {
        ++l->empty;
        continue;
      }
      Slabs::remove(*slab);
      dying.push_back(*slab);
      --l->slabs;
    }
  }
  release(dying);
}

void Cache::release(Slabs& dying) {
  while (SlabPage* slab = dying.pop_front()) {
    const Pfn pfn = slab->pfn;
    const bool embedded = slab->embedded;
    slab->~SlabPage();
    if (!embedded) slab_pages.free(slab);
    kasan::unpoison(to_pointer<byte>(phys_of(pfn)), page_size << order_);
    for (u64 i = 0; i < u64{1} << order_; ++i)
      write_frame(pfn + i, FrameWord::of(FrameTag::kernel));
    free_pages(pfn, order_);
  }
}

Result<void*> Cache::allocate(AllocSite& site, usize size) {
  if (visit_site(site)) return Errno::enomem;
  void* object = nullptr;
  {
    const core::IrqOff irq_off;
    if (Magazine* m = magazine(irq_off); m != nullptr && m->count > 0) {
      object = m->objects[--m->count];
      in_magazines_.fetch_sub_relaxed(1);
    }
  }
  if (object == nullptr) {
    std::array<void*, magazine_size / 2> batch;
    const u32 got = refill(site, batch);
    if (got == 0) return Errno::enomem;
    object = batch[0];
    if (magazine_offset_.load_relaxed() == 0) {
      CacheList::add(*this);
      if (const auto offset = allocate_percpu(sizeof(Magazine), alignof(Magazine))) {
        u32 none = 0;
        if (!magazine_offset_.cas_release(none, *offset)) free_percpu(*offset, sizeof(Magazine));
      }
    }
    u32 kept = 1;
    {
      const core::IrqOff irq_off;
      if (Magazine* m = magazine(irq_off); m != nullptr)
        for (; kept < got && m->count < magazine_size; ++kept) {
          m->objects[m->count++] = batch[kept];
          in_magazines_.fetch_add_relaxed(1);
        }
    }
    if (kept < got) give_back(std::span(batch).subspan(kept, got - kept));
  }
  kasan::unpoison(object, size_);
  fill_bytes({static_cast<byte*>(object), size_});
  kasan::poison_tail(object, size, size_);
  return object;
}

void Cache::free(void* object) {
  (void)index_of(*read_frame(pfn_of(to_phys(object))).descriptor<SlabPage>(), object);
  kasan::poison_freed(object, size_);
  std::array<void*, magazine_size / 2> batch;
  u32 over = 0;
  {
    const core::IrqOff irq_off;
    Magazine* m = magazine(irq_off);
    if (m == nullptr) {
      batch[over++] = object;
    } else {
      ASSERT(m->count == 0 || m->objects[m->count - 1] != object);
      if (m->count == magazine_size)
        while (over < batch.size()) batch[over++] = m->objects[--m->count];
      m->objects[m->count++] = object;
      in_magazines_.fetch_add_relaxed(1);
      in_magazines_.fetch_sub_relaxed(over);
    }
  }
  if (over > 0) give_back(std::span(batch).first(over));
}

CacheCounts Cache::counts() {
  auto l = lists_.lock();
  return {name_, size_, l->taken - in_magazines_.load_relaxed(), l->slabs, 1U << order_, per_slab_};
}

void Cache::drain() {
  std::array<void*, magazine_size> batch;
  u32 n = 0;
  {
    const core::IrqOff irq_off;
    if (Magazine* m = magazine(irq_off); m != nullptr) {
      while (m->count > 0) batch[n++] = m->objects[--m->count];
      in_magazines_.fetch_sub_relaxed(n);
    }
  }
  give_back(std::span(batch).first(n));
  Slabs dying;
  {
    auto l = lists_.lock();
    for (SlabPage* slab = l->partial.front(); slab != nullptr && l->empty > 0;) {
      SlabPage* const next = l->partial.next(*slab);
      if (slab->is_empty()) {
        Slabs::remove(*slab);
        dying.push_back(*slab);
        --l->slabs;
        --l->empty;
      }
      slab = next;
    }
  }
  release(dying);
}

Cache* size_class(usize size) {
  const auto c = std::find_if(size_classes.begin(), size_classes.end(),
                              [&](const Cache& k) { return k.object_size() >= size; });
  return c == size_classes.end() ? nullptr : &*c;
}

Result<void*> allocate(AllocSite& site, usize size, Fill fill) {
  if (Cache* c = size_class(size + kasan::red_zone); c != nullptr) return c->allocate(site, size);
  const unsigned order = order_for(size);
  if (order > 10) return Errno::enomem;
  const Pfn pfn = TRY(allocate_pages(site, order, fill));
  return static_cast<void*>(to_pointer<byte>(phys_of(pfn)));
}

void free(void* p) {
  if (p == nullptr) return;
  const Pfn pfn = pfn_of(to_phys(p));
  const FrameWord w = read_frame(pfn);
  if (w.tag() == FrameTag::slab) {
    w.descriptor<SlabPage>()->cache->free(p);
    return;
  }
  ASSERT(w.tag() == FrameTag::kernel && is_aligned(reinterpret_cast<uptr>(p), page_size));
  free_pages(pfn, w.order());
}

void visit_caches(CacheVisitor& v) {
  CacheList::each([&](Cache& c) { v.visit(c.counts()); });
}

void drain_caches() {
  CacheList::each([](Cache& c) { c.drain(); });
  drain_page_cache();
}

}  // namespace auk::mem
