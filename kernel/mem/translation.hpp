// The page tables of the user half of an address space, and the TLBs that remember them (D2).
//
// Data model: TranslationRoot (counted; held by its address space and by every CPU that has it
// loaded) -> tables -> PteTable, the descriptor of a last-level table with its lock. Tables are
// added when they are needed, and freed when their range is given up or with the root; then no CPU
// can walk them any more.
// `generation` counts flushes: a CPU that has the root loaded but runs a kernel thread is not
// interrupted; it compares generations before it returns to the space.
// Locking: level page_table, one lock per last-level table; upper levels by compare-and-set.
// Context: threads; load() from the scheduler with interrupts off.
#pragma once
#include <algorithm>

#include "base/own.hpp"
#include "core/cpu_mask.hpp"
#include "core/spin.hpp"
#include "core/user.hpp"
#include "machine/isa/pte.hpp"
#include "mem/alloc_site.hpp"
#include "mem/folio.hpp"
#include "mem/segment_table.hpp"

namespace auk::mem {

using machine::Pte;

/// A last-level table: 512 entries, 2 MiB of addresses.
class alignas(16) PteTable {
  friend class TranslationRoot;
  Pfn pfn_;

 public:
  struct Entries {
    u32 used = 0;             ///< entries that are not zero
    bool is_thinned = false;  ///< pages were taken out of it, and some stayed
  };
  /// Changing an entry takes this lock.
  core::Guarded<core::level::page_table, Entries, core::SpinPreemptOff> lock;
  explicit PteTable(Pfn pfn) : pfn_(pfn) {}
  /// Lets go of all pages. Nobody uses the translations any more.
  void drop_all();
  Pte& entry(UserAddr va) const {
    return to_pointer<Pte>(phys_of(pfn_))[machine::entry_index(VirtAddr(va.value), 1)];
  }
};
inline constexpr u64 table_span = machine::entry_span(2);

class TranslationRoot final : public RefCounted<TranslationRoot> {
  Pfn pfn_;
  core::CpuMask cpus_;  ///< that have it loaded
  Atomic<u64> generation_{1};
  Atomic<u64> table_pages_{0};
  Atomic<SegmentTable*> segments_{nullptr};  ///< holds a reference
  friend class TranslationLoader;

  /// The level-2 entry that points to the last-level table; nullptr without one.
  Pte* upper_entry(UserAddr va, bool create);
  static PteTable* table_of(const Pte& entry);
  /// A range whose tables may go, and the wider one in which nothing else is.
  struct Gap {
    UserAddr start, end, low, high;
  };
  struct Detached;
  static void detach_tables(PhysAddr table, unsigned level, UserAddr base, const Gap& gap,
                            Detached& gone);
  static u64 free_below(PhysAddr table, unsigned level);
  static u64 free_table(PhysAddr table, unsigned level);
  /// Which entry of a table above the last level is the next that points to one, from `i` on;
  /// `end` if none before it does.
  static u64 next_present(const Pte* entries, u64 i, u64 end);
  /// each_table() below one table, whose addresses begin at `base`.
  template <class F>
  static void each_below(PhysAddr table, unsigned level, UserAddr base, UserAddr start,
                         UserAddr end, F& f) {
    const Pte* const entries = to_pointer<const Pte>(table);
    const u64 span = machine::entry_span(level);
    const u64 first = start > base ? (start - base) / span : 0;
    const u64 last = std::min<u64>((end - base + span - 1) / span, machine::entries_per_table);
    for (u64 i = next_present(entries, first, last); i < last;
         i = next_present(entries, i + 1, last)) {
      const UserAddr at = base + i * span;
      if (level > 2)
        each_below(Pte{__atomic_load_n(&entries[i].bits, __ATOMIC_ACQUIRE)}.address(), level - 1,
                   at, start, end, f);
      else if (PteTable* const t = table_of(entries[i]))
        f(*t, std::max(at, start), std::min(at + span, end));
    }
  }

 public:
  explicit TranslationRoot(Pfn pfn) : pfn_(pfn) {}
  static Result<Ref<TranslationRoot>> create();
  static void destroy(TranslationRoot* r);

  /// The table that holds va's entry; nullptr when there is none.
  PteTable* find(UserAddr va);
  /// The same, made if it is missing. ENOMEM.
  Result<PteTable*> make(UserAddr va);
  /// Calls f(PteTable&, from, to) for the existing tables of a range, in order.
  template <class F> void each_table(UserAddr start, UserAddr end, F f) {
    each_below(phys_of(pfn_), machine::page_table_levels, UserAddr(0), start, end, f);
  }
  /// Frees the tables of [start, end) that serve only addresses in [low, high). No entry of them is
  /// present, and nobody looks for one: no area lies there and none is made meanwhile.
  void free_tables(UserAddr start, UserAddr end, UserAddr low, UserAddr high);
  /// CPUs that run the space's program, or did so last.
  const core::CpuMask& cpus() const { return cpus_; }
  /// Segments of the program's own, none at first. Not beside set_segments().
  Ref<SegmentTable> segments() const;
  /// Every CPU that runs the program knows these when it returns, and looks at no others. One
  /// caller at a time. Context: as core::call_on().
  void set_segments(Ref<SegmentTable> t);
  /// The same before any CPU knows the root.
  void start_with(Ref<SegmentTable> t) { segments_.store_relaxed(t.release()); }
  u64 table_pages() const { return table_pages_.load_relaxed(); }
  /// No CPU uses old translations of the range when this returns. Context: as core::call_on().
  void flush(UserAddr start, UserAddr end);
};

/// Makes `root` this CPU's address space; nullptr: a kernel thread runs, which keeps what is
/// loaded. From the scheduler, interrupts off.
void load_translation(TranslationRoot* root);
/// Lets go of what this CPU has loaded, if a kernel thread runs on it: for CPUs that idle long.
void drop_lazy_translation();

}  // namespace auk::mem
