#include "mem/translation.hpp"

#include <algorithm>
#include <array>

#include "core/smp_call.hpp"
#include "machine/isa/cpu.hpp"
#include "machine/isa/segments.hpp"
#include "mem/box.hpp"
#include "mem/kernel_map.hpp"

namespace auk::mem {
namespace {

using machine::entries_per_table;
using machine::entry_index;

constexpr usize user_entries = entries_per_table / 2;
/// Beyond this many pages one full flush is cheaper than single ones.
constexpr u64 single_flush_limit = 32;

constinit Cache table_cache("page_table", sizeof(PteTable));

struct Loaded {
  TranslationRoot* root = nullptr;   ///< holds a reference
  SegmentTable* segments = nullptr;  ///< the root's
  u64 generation = 0;
  Atomic<u32> lazy{1};
};
AUK_PER_CPU core::PerCpu<Loaded> loaded;

Pte* table_at(Pte entry) { return to_pointer<Pte>(entry.address()); }

}  // namespace

class TranslationLoader {
 public:
  static void load(TranslationRoot* root) {
    Loaded& here = loaded.here(core::Pinned::assume());
    if (root == nullptr) {
      here.lazy.store_relaxed(1);
      return;
    }
    here.lazy.store_seq_cst(0);
    if (root == here.root) {
      // Flushes that passed over this CPU while it was lazy.
      const u64 generation = root->generation_.load_seq_cst();
      if (generation == here.generation) return;
      here.generation = generation;
      machine::switch_page_table(phys_of(root->pfn_));
      return;
    }
    TranslationRoot* const old = here.root;
    root->cpus_.set(core::this_cpu());
    here.generation = root->generation_.load_seq_cst();
    here.root = Ref<TranslationRoot>(*root).release();
    machine::switch_page_table(phys_of(root->pfn_));
    load_segments(here, root->segments_.load_seq_cst());
    if (old != nullptr) {
      old->cpus_.clear(core::this_cpu());
      const Ref<TranslationRoot> last = Ref<TranslationRoot>::adopt(old);
    }
  }
  static void drop_lazy() {
    const core::IrqOff irq_off;
    Loaded& here = loaded.here(irq_off);
    if (here.root == nullptr || here.lazy.load_relaxed() == 0) return;
    TranslationRoot* const old = std::exchange(here.root, nullptr);
    machine::switch_page_table(kernel_root());
    load_segments(here, nullptr);
    old->cpus_.clear(core::this_cpu());
    const Ref<TranslationRoot> last = Ref<TranslationRoot>::adopt(old);
  }

  static void load_segments(Loaded& here, SegmentTable* t) {
    if (t == here.segments) return;
    here.segments = t;
    machine::load_own_segments(t != nullptr ? t->descriptors() : SegmentTable::Descriptors{});
  }
  class SegmentsCall final : public core::CrossCall {
    TranslationRoot& root_;

   public:
    explicit SegmentsCall(TranslationRoot& r) : root_(r) {}
    void run() override {
      Loaded& here = loaded.here(core::Pinned::assume());
      if (here.root != &root_) return;
      load_segments(here, root_.segments_.load_seq_cst());
      machine::reload_own_ds_es();
    }
  };
  static void set_segments(TranslationRoot& root, Ref<SegmentTable> t) {
    // Kept until no CPU looks at it.
    const Ref<SegmentTable> old =
        Ref<SegmentTable>::adopt(root.segments_.exchange_acq_rel(t.release()));
    SegmentsCall call(root);
    const core::PreemptOff here;
    {
      const core::IrqOff irq_off;
      call.run();
    }
    // Those as well that only idle on it.
    core::call_on(root.cpus_, call);
  }

  class FlushCall final : public core::CrossCall {
    TranslationRoot& root_;
    UserAddr start_, end_;
    u64 generation_;

   public:
    FlushCall(TranslationRoot& r, UserAddr start, UserAddr end, u64 generation)
        : root_(r),
          start_(start),
          end_(end),
          generation_(generation) {}
    void run() override {
      Loaded& here = loaded.here(core::Pinned::assume());
      if (here.root != &root_) return;
      // Only if this CPU missed no flush before this one.
      if (here.generation + 1 == generation_) here.generation = generation_;
      if ((end_ - start_) / page_size > single_flush_limit)
        return machine::switch_page_table(phys_of(root_.pfn_));
      for (UserAddr at = start_; at < end_; at += page_size)
        machine::flush_tlb_page(VirtAddr(at.value));
    }
  };
  static void flush(TranslationRoot& root, UserAddr start, UserAddr end) {
    const u64 generation = root.generation_.fetch_add_acq_rel(1) + 1;
    FlushCall call(root, start, end, generation);
    const core::PreemptOff here;
    core::CpuMask targets;
    bool others = false;
    root.cpus_.each([&](CpuId cpu) {
      if (cpu == core::this_cpu() || loaded.on(cpu).lazy.load_seq_cst() != 0) return;
      targets.set(cpu);
      others = true;
    });
    {
      const core::IrqOff irq_off;
      call.run();
    }
    if (others) core::call_on(targets, call);
  }
};

Result<Ref<TranslationRoot>> TranslationRoot::create() {
  const Pfn pfn = TRY(allocate_pages(ALLOC_SITE, 0));
  Result<Ref<TranslationRoot>> made = make_ref<TranslationRoot>(ALLOC_SITE, pfn);
  if (!made.ok()) {
    free_pages(pfn, 0);
    return Errno::enomem;
  }
  // Every level-4 entry of the kernel half exists since boot and never changes.
  const auto* kernel = to_pointer<const Pte>(kernel_root());
  auto* const table = to_pointer<Pte>(phys_of(pfn));
  std::copy(kernel + user_entries, kernel + entries_per_table, table + user_entries);
  return made;
}

void PteTable::drop_all() {
  Pte* const table = to_pointer<Pte>(phys_of(pfn_));
  // A few at a time: to give a page back takes longer than a lock should be held.
  constexpr usize most = 32;
  for (usize i = 0; i < entries_per_table;) {
    std::array<Folio*, most> taken;
    usize count = 0;
    {
      auto entries = lock.lock();
      u32 used = entries->used;
      if (used == 0) return;
      for (; i < entries_per_table && count < most && used != 0; ++i) {
        const Pte e = table[i];
        if (!e.has_page()) continue;
        table[i] = Pte{};
        --used;
        if (Folio* const f = folio_of(pfn_of(e.address())); f != nullptr) taken[count++] = f;
      }
      entries->used = used;
    }
    Folio::drop(std::span(taken).first(count));
  }
}

/// Tables that are out of their parents and wait for the flush.
struct TranslationRoot::Detached {
  static constexpr usize capacity = 32;
  struct One {
    PhysAddr table;
    unsigned level;
  };
  std::array<One, capacity> tables{};
  usize count = 0;
};

/// Frees what a table points to; returns the number of pages.
u64 TranslationRoot::free_below(PhysAddr table, unsigned level) {
  const Pte* const entries = to_pointer<const Pte>(table);
  const usize count = level == machine::page_table_levels ? user_entries : entries_per_table;
  u64 freed = 0;
  for (u64 i = next_present(entries, 0, count); i < count; i = next_present(entries, i + 1, count))
    freed += free_table(entries[i].address(), level - 1);
  return freed;
}

u64 TranslationRoot::free_table(PhysAddr table, unsigned level) {
  const Pfn pfn = pfn_of(table);
  u64 freed = 1;
  if (level > 1) {
    freed += free_below(table, level);
  } else {
    PteTable* const descriptor = read_frame(pfn).descriptor<PteTable>();
    ASSERT(descriptor->lock.alone().used == 0);
    write_frame(pfn, FrameWord::of(FrameTag::kernel));
    descriptor->~PteTable();
    table_cache.free(descriptor);
  }
  free_pages(pfn, 0);
  return freed;
}

/// Takes tables of the gap out of a table whose range begins at `base`, as long as there is room.
void TranslationRoot::detach_tables(PhysAddr table, unsigned level, UserAddr base, const Gap& gap,
                                    Detached& gone) {
  Pte* const entries = to_pointer<Pte>(table);
  const u64 span = machine::entry_span(level);
  const u64 first = gap.start > base ? (gap.start - base) / span : 0;
  const u64 last = std::min<u64>((gap.end - base + span - 1) / span, entries_per_table);
  for (u64 i = next_present(entries, first, last); i < last && gone.count < Detached::capacity;
       i = next_present(entries, i + 1, last)) {
    const Pte seen{__atomic_load_n(&entries[i].bits, __ATOMIC_ACQUIRE)};
    const UserAddr from = base + i * span;
    if (from >= gap.low && from + span <= gap.high) {
      __atomic_store_n(&entries[i].bits, 0, __ATOMIC_RELEASE);
      gone.tables[gone.count++] = {seen.address(), level - 1};
    } else if (level > 2) {
      detach_tables(seen.address(), level - 1, from, gap, gone);
    }
  }
}

void TranslationRoot::free_tables(UserAddr start, UserAddr end, UserAddr low, UserAddr high) {
  for (;;) {
    Detached gone;
    detach_tables(phys_of(pfn_), machine::page_table_levels, UserAddr(0), {start, end, low, high},
                  gone);
    if (gone.count == 0) return;
    // CPUs may remember the tables themselves, whatever the last level holds.
    flush(low, high);
    for (usize i = 0; i < gone.count; ++i)
      (void)table_pages_.fetch_sub_relaxed(free_table(gone.tables[i].table, gone.tables[i].level));
    if (gone.count < Detached::capacity) return;
  }
}

void TranslationRoot::destroy(TranslationRoot* r) {
  const Ref<SegmentTable> segments = Ref<SegmentTable>::adopt(r->segments_.load_relaxed());
  (void)r->free_below(phys_of(r->pfn_), machine::page_table_levels);
  free_pages(r->pfn_, 0);
  mem::destroy(r);
}

u64 TranslationRoot::next_present(const Pte* entries, u64 i, u64 end) {
  // Most entries of most tables are empty: they are passed over by eights.
  constexpr u64 step = 8;
  while (i < end) {
    if (i % step == 0) {
      u64 any = 0;
      for (u64 k = 0; k < step; ++k) any |= __atomic_load_n(&entries[i + k].bits, __ATOMIC_ACQUIRE);
      if (any == 0) {
        i += step;
        continue;
      }
    }
    if (Pte{__atomic_load_n(&entries[i].bits, __ATOMIC_ACQUIRE)}.is_present()) return i;
    ++i;
  }
  return end;
}

Pte* TranslationRoot::upper_entry(UserAddr va, bool create) {
  Pte* table = to_pointer<Pte>(phys_of(pfn_));
  for (unsigned level = machine::page_table_levels; level > 2; --level) {
    Pte& entry = table[entry_index(VirtAddr(va.value), level)];
    u64 seen = __atomic_load_n(&entry.bits, __ATOMIC_ACQUIRE);
    if ((seen & Pte::present) == 0) {
      if (!create) return nullptr;
      Result<Pfn> page = allocate_pages(ALLOC_SITE, 0);
      if (!page.ok()) return nullptr;
      const Pte fresh = Pte::table(phys_of(*page), true);
      if (__atomic_compare_exchange_n(&entry.bits, &seen, fresh.bits, false, __ATOMIC_ACQ_REL,
                                      __ATOMIC_ACQUIRE)) {
        seen = fresh.bits;
        (void)table_pages_.fetch_add_relaxed(1);
      } else {
        free_pages(*page, 0);
      }
    }
    table = table_at(Pte{seen});
  }
  return &table[entry_index(VirtAddr(va.value), 2)];
}

PteTable* TranslationRoot::find(UserAddr va) {
  const Pte* const entry = upper_entry(va, false);
  return entry == nullptr ? nullptr : table_of(*entry);
}

PteTable* TranslationRoot::table_of(const Pte& entry) {
  const Pte seen{__atomic_load_n(&entry.bits, __ATOMIC_ACQUIRE)};
  return seen.is_present() ? read_frame(pfn_of(seen.address())).descriptor<PteTable>() : nullptr;
}

Result<PteTable*> TranslationRoot::make(UserAddr va) {
  Pte* const entry = upper_entry(va, true);
  if (entry == nullptr) return Errno::enomem;
  u64 seen = __atomic_load_n(&entry->bits, __ATOMIC_ACQUIRE);
  if ((seen & Pte::present) == 0) {
    const Pfn page = TRY(allocate_pages(ALLOC_SITE, 0));
    Result<void*> descriptor = table_cache.allocate(ALLOC_SITE);
    if (!descriptor.ok()) {
      free_pages(page, 0);
      return Errno::enomem;
    }
    auto* const fresh_table = ::new (descriptor.take()) PteTable(page);
    write_frame(page, FrameWord::with_descriptor(FrameTag::table, fresh_table));
    const Pte fresh = Pte::table(phys_of(page), true);
    if (__atomic_compare_exchange_n(&entry->bits, &seen, fresh.bits, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
      (void)table_pages_.fetch_add_relaxed(1);
      return fresh_table;
    }
    // Another thread of the program was first.
    write_frame(page, FrameWord::of(FrameTag::kernel));
    fresh_table->~PteTable();
    table_cache.free(fresh_table);
    free_pages(page, 0);
  }
  return read_frame(pfn_of(Pte{seen}.address())).descriptor<PteTable>();
}

void TranslationRoot::flush(UserAddr start, UserAddr end) {
  TranslationLoader::flush(*this, start, end);
}

Ref<SegmentTable> TranslationRoot::segments() const {
  SegmentTable* const t = segments_.load_acquire();
  return t != nullptr ? Ref<SegmentTable>(*t) : Ref<SegmentTable>();
}

void TranslationRoot::set_segments(Ref<SegmentTable> t) {
  TranslationLoader::set_segments(*this, std::move(t));
}

void load_translation(TranslationRoot* root) { TranslationLoader::load(root); }
void drop_lazy_translation() { TranslationLoader::drop_lazy(); }

}  // namespace auk::mem
