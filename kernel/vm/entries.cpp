// Page-table entries of whole ranges: taken away, restricted, moved, copied for fork.
#include <algorithm>

#include "vm/priv/change.hpp"

namespace auk::vm {

using machine::Pte;
using mem::PteTable;

/// Calls f(entry, its table's entries) for each entry of a range that has a page. The table's lock
/// is held, and goes when as many pages wait for the flush as there is room for.
template <class F>
void AddressSpace::gather_entries(UserAddr start, UserAddr end, Gather& gather, F f) {
  root_->each_table(start, end, [&](PteTable& t, UserAddr from, UserAddr to) {
    for (UserAddr at = from; at < to;) {
      {
        auto entries = t.lock.lock();
        for (; at < to && !gather.is_full(); at += page_size) {
          if (entries->used == 0) {
            at = to;
            break;
          }
          if (Pte& e = t.entry(at); e.has_page()) {
            gather.note(at);
            f(e, *entries);
          }
        }
      }
      if (gather.is_full()) gather.flush();
    }
  });
}

/// The entry is gone; its page waits for the flush.
void AddressSpace::take_page(Pte& e, PteTable::Entries& entries, Gather& gather) {
  Folio* const f = mem::folio_of(pfn_of(e.address()));
  e = Pte{};
  --entries.used;
  entries.is_thinned = entries.used != 0;
  if (f == nullptr) return;
  (void)(f->is_anonymous() ? resident_anonymous_ : resident_object_).fetch_sub_relaxed(1);
  gather.drop(f);
}

void AddressSpace::clear_entries(UserAddr start, UserAddr end) {
  note_peak();
  Gather gather(*root_);
  gather_entries(start, end, gather,
                 [&](Pte& e, PteTable::Entries& entries) { take_page(e, entries, gather); });
}

void AddressSpace::forget_object_pages(UserAddr start, UserAddr end) {
  note_peak();
  Gather gather(*root_);
  gather_entries(start, end, gather, [&](Pte& e, PteTable::Entries& entries) {
    const Folio* const f = mem::folio_of(pfn_of(e.address()));
    if (f != nullptr && !f->is_anonymous()) take_page(e, entries, gather);
  });
}

/// The area's rights have changed.
void AddressSpace::protect_entries(const Vma& v) {
  Gather gather(*root_);
  const bool accessible = is_accessible(v.flags);
  gather_entries(v.start, v.end, gather, [&](Pte& e, PteTable::Entries& entries) {
    const Folio* const f = mem::folio_of(pfn_of(e.address()));
    if (!accessible) {
      // Private pages must survive: they stay, closed. The rest comes back by fault.
      if (f != nullptr && f->is_anonymous())
        e = e.closed();
      else
        take_page(e, entries, gather);
      return;
    }
    const bool writable =
        v.flags.has(VmaFlag::write) && f != nullptr &&
        (v.flags.has(VmaFlag::shared) || (f->is_anonymous() && f->is_exclusive()));
    e = Pte::leaf(e.address(), entry_rights(v.flags, writable), 1);
  });
}

/// The tables that move_entries() will fill. ENOMEM.
Result<void> AddressSpace::make_tables(UserAddr from, u64 size, UserAddr to) {
  Result<void> made;
  root_->each_table(from, from + size, [&](const PteTable&, UserAddr start, UserAddr end) {
    // Its pages go to two tables at most.
    for (const UserAddr at : {start, end - page_size}) {
      if (!made.ok()) return;
      if (const Result<PteTable*> there = root_->make(to + (at - from)); !there.ok())
        made = there.error();
    }
  });
  return made;
}

/// Both areas are owned and make_tables() was called; no page of their object goes meanwhile.
void AddressSpace::move_entries(UserAddr from, u64 size, UserAddr to) {
  root_->each_table(from, from + size, [&](PteTable& source, UserAddr start, UserAddr end) {
    constexpr u64 batch = 64;
    while (start < end) {
      const UserAddr there = to + (start - from);
      const u64 step = std::min(
          {end - start, batch * page_size, mem::table_span - there.value % mem::table_span});
      std::array<Pte, batch> moving{};
      u32 count = 0;
      {
        auto entries = source.lock.lock();
        for (u64 i = 0; i < step / page_size && entries->used > 0; ++i) {
          Pte& e = source.entry(start + i * page_size);
          if (!e.has_page()) continue;
          moving[i] = std::exchange(e, Pte{});
          --entries->used;
          ++count;
        }
      }
      if (count > 0) {
        PteTable* const target = root_->find(there);
        auto entries = target->lock.lock();
        for (u64 i = 0; i < step / page_size; ++i)
          if (moving[i].has_page()) target->entry(there + i * page_size) = moving[i];
        entries->used += count;
      }
      start = start + step;
    }
  });
  root_->flush(from, from + size);
}

/// The child is still private to the caller; the parent's area is owned until a flush.
Result<void> AddressSpace::copy_entries(AddressSpace& to, const Vma& v) {
  Result<void> result;
  root_->each_table(v.start, v.end, [&](PteTable& t, UserAddr from, UserAddr end) {
    if (!result.ok()) return;
    Result<PteTable*> made = to.root_->make(from);
    if (!made.ok()) {
      result = made.error();
      return;
    }
    PteTable& target = *made.take();
    PteTable::Entries& theirs = target.lock.alone();
    u64 copied = 0;
    Ref<Folio> own;  // for a page that must not be shared
    for (UserAddr at = from; at < end;) {
      bool needs_own = false;
      {
        auto entries = t.lock.lock();
        for (; at < end; at += page_size) {
          if (entries->used == 0) {
            at = end;
            break;
          }
          Pte& e = t.entry(at);
          if (!e.has_page()) continue;
          Folio* const f = mem::folio_of(pfn_of(e.address()));
          // What an object holds, and zeros, come back by fault.
          if (f == nullptr || !f->is_anonymous()) continue;
          if (f->is_pinned()) {
            if (!own) {
              needs_own = true;
              break;
            }
            const auto bytes = f->bytes();
            std::copy(bytes.begin(), bytes.end(), own->bytes().begin());
            own->set_exclusive(true);
            const Pte fresh{(e.bits & ~Pte::address_mask) | own->address().value};
            target.entry(at) = e.is_present() ? fresh : fresh.closed();
            (void)own.release();
          } else {
            if (e.is_present()) e.bits &= ~Pte::writable;
            f->set_exclusive(false);
            (void)Ref<Folio>(*f).release();
            target.entry(at) = e;
          }
          ++theirs.used;
          ++copied;
        }
      }
      if (!needs_own) continue;
      Result<Ref<Folio>> fresh = Folio::create(ALLOC_SITE, true, mem::Fill::overwrite);
      if (!fresh.ok()) {
        result = fresh.error();
        break;
      }
      own = fresh.take();
    }
    (void)to.resident_anonymous_.fetch_add_relaxed(copied);
  });
  return result;
}

}  // namespace auk::vm
