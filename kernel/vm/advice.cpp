// What programs say about ranges: madvise(2), mincore(2), msync(2), mlock(2) and their family.
#include <algorithm>

#include "base/bytes.hpp"
#include "base/math.hpp"
#include "vm/priv/change.hpp"
#include "vm/priv/change_flags.hpp"

namespace auk::vm {

Result<void> AddressSpace::discard(UserAddr start, u64 size, Discard what) {
  const auto reading = lock_.reading();
  const UserAddr end = start + size;
  bool hole = false;
  UserAddr at = start;
  for (Vma* v = find_at_or_after(start); v != nullptr && v->start < end; v = vma(v->above)) {
    if (v->start > at) hole = true;
    if (what != Discard::all && v->flags.has(VmaFlag::locked)) return Errno::einval;
    if (what == Discard::anonymous && v->object) return Errno::einval;
    if (is_sealed_constant(*v)) return Errno::eperm;
    clear_entries(std::max(at, v->start), std::min(end, v->end));
    at = v->end;
  }
  return hole || at < end ? Result<void>(Errno::enomem) : Result<void>();
}

Result<void> AddressSpace::make_holes(UserAddr start, u64 size) {
  const UserAddr end = start + size;
  bool unmapped = false;
  for (UserAddr at = start; at < end;) {
    Ref<MemObject> object;
    Ref<Backing> backing;
    u64 from = 0, bytes = 0;
    {
      const auto reading = lock_.reading();
      const Vma* const v = find_at_or_after(at);
      if (v == nullptr || v->start > at) unmapped = true;
      if (v == nullptr || v->start >= end) break;
      if (v->flags.has(VmaFlag::locked) || !v->object) return Errno::einval;
      if (!v->flags.has(VmaFlag::shared) || !v->flags.has(VmaFlag::may_write)) return Errno::eacces;
      at = std::max(at, v->start);
      object = v->object;
      backing = v->backing;
      from = v->index_of(at) * page_size;
      bytes = std::min(end, v->end) - at;
    }
    // Areas may change now: a file is a longer way.
    TRY(backing ? backing->make_hole(from, bytes) : object->punch(from, from + bytes));
    at = at + bytes;
  }
  return unmapped ? Result<void>(Errno::enomem) : Result<void>();
}

Result<void> AddressSpace::advise(UserAddr start, u64 size, FlagChange wanted,
                                  bool only_anonymous) {
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  return change_flags(
      change, start, start + size, true, [&](const Vma& v, u64) -> Result<VmaFlags> {
        if (only_anonymous && (v.object || v.flags.has(VmaFlag::shared))) return Errno::einval;
        constexpr VmaFlags losing = VmaFlags(VmaFlag::dont_copy) | VmaFlag::wipe_on_fork;
        if (wanted.set.any(losing) && is_sealed_constant(v)) return Errno::eperm;
        return v.flags.without(wanted.clear) | wanted.set;
      });
}

Result<void> AddressSpace::seal(UserAddr start, u64 size) {
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  const UserAddr end = start + size;
  UserAddr at = start;
  for (const Vma* v = find_at_or_after(start); at < end; v = vma(v->above)) {
    if (v == nullptr || v->start > at) return Errno::enomem;
    at = v->end;
  }
  has_seals_ = true;
  return change_flags(change, start, end, false, [](const Vma& v, u64) -> Result<VmaFlags> {
    return v.flags | VmaFlag::sealed;
  });
}

Result<void> AddressSpace::residency(UserAddr start, std::span<byte> out) {
  const auto reading = lock_.reading();
  UserAddr at = start;
  const UserAddr end = start + out.size() * page_size;
  fill_bytes(out);
  for (const Vma* v = find_at_or_after(start); at < end; v = vma(v->above)) {
    if (v == nullptr || v->start > at) return Errno::enomem;
    const UserAddr to = std::min(end, v->end);
    const auto mark = [&](UserAddr va) { out[(va - start) / page_size] = byte{1}; };
    root_->each_table(at, to, [&](mem::PteTable& t, UserAddr from, UserAddr until) {
      auto entries = t.lock.lock();
      for (UserAddr va = from; va < until && entries->used > 0; va += page_size)
        if (t.entry(va).has_page()) mark(va);
    });
    if (v->object) {
      std::array<Ref<Folio>, 16> folios;
      for (UserAddr va = at; va < to;) {
        const auto some =
            std::span(folios).first(std::min<u64>(folios.size(), (to - va) / page_size));
        v->object->resident(v->index_of(va), some);
        for (Ref<Folio>& f : some) {
          if (f) mark(va);
          f = {};
          va += page_size;
        }
      }
    }
    at = to;
  }
  return {};
}

Result<void> AddressSpace::check_sync(UserAddr start, u64 size, bool invalidate) {
  const auto reading = lock_.reading();
  const UserAddr end = start + size;
  bool hole = false;
  UserAddr at = start;
  for (const Vma* v = find_at_or_after(start); v != nullptr && v->start < end; v = vma(v->above)) {
    if (v->start > at) hole = true;
    if (invalidate && v->flags.has(VmaFlag::locked)) return Errno::ebusy;
    at = v->end;
  }
  return hole || at < end ? Result<void>(Errno::enomem) : Result<void>();
}

Result<void> AddressSpace::set_locked(UserAddr start, u64 size, VmaFlags how, const Allowance& a) {
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  const UserAddr end = start + size;
  if (how.has(VmaFlag::locked) && !a.may_lock) {
    if (a.locked == 0) return Errno::eperm;
    u64 more = 0;
    for (const Vma* v = find_at_or_after(start); v != nullptr && v->start < end; v = vma(v->above))
      if (!v->flags.has(VmaFlag::locked))
        more += (std::min(end, v->end) - std::max(start, v->start)) / page_size;
    if (!may_lock(more, a)) return Errno::enomem;
  }
  return change_flags(change, start, end, false, [&](const Vma& v, u64) -> Result<VmaFlags> {
    return v.flags.without(lock_flags) | how;
  });
}

Result<void> AddressSpace::set_all_locked(bool current, VmaFlags how_current, VmaFlags future,
                                          const Allowance& a) {
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  if ((how_current | future).has(VmaFlag::locked)) {
    if (!a.may_lock && a.locked == 0) return Errno::eperm;
    if (current && !a.may_lock && sizes_.total > a.locked / page_size) return Errno::enomem;
  }
  lock_new_ = future;
  if (!current) return {};
  // Holes are no error here.
  (void)change_flags(change, UserAddr(0), UserAddr(core::user_end), true,
                     [&](const Vma& v, u64) -> Result<VmaFlags> {
                       return v.flags.without(lock_flags) | how_current;
                     });
  return {};
}

/// From `at` to `end`, which is reached at most; as far as one table goes. The lock is held.
UserAddr AddressSpace::first_unserved(UserAddr at, UserAddr end, Access how) {
  mem::PteTable* const table = root_->find(at);
  if (table == nullptr) return at;
  const UserAddr stop =
      std::min(end, UserAddr(align_down(at.value, mem::table_span)) + mem::table_span);
  const bool writes = how == Access::write;
  auto entries = table->lock.lock();
  for (const machine::Pte* e = &table->entry(at); at < stop; ++e, at += page_size)
    if (!e->is_present() || (writes && !e->is_writable())) break;
  return at;
}

Result<void> AddressSpace::populate(UserAddr start, u64 size, std::optional<Access> access) {
  const UserAddr end = start + size;
  for (UserAddr at = start; at < end;) {
    Access how = access.value_or(Access::read);
    {
      const auto reading = lock_.reading();
      const Vma* const v = find(at);
      if (v == nullptr) return Errno::enomem;
      if (!access) {
        // As mlock(2) does it: private pages become the program's own.
        if (!is_accessible(v->flags)) return Errno::enomem;
        if (v->flags.has(VmaFlag::lock_on_fault)) {
          at = v->end;
          continue;
        }
        if (is_private_writable(v->flags)) how = Access::write;
      }
      const UserAddr served = first_unserved(at, std::min(end, v->end), how);
      if (served != at) {
        at = served;
        continue;
      }
    }
    switch (fault(at, how)) {
      case FaultResult::done: break;
      case FaultResult::no_mapping:
      case FaultResult::no_memory: return Errno::enomem;
      case FaultResult::no_permission: return Errno::einval;
      case FaultResult::no_page:
      case FaultResult::unanswered: return access ? Errno::efault : Errno::enomem;
    }
    if (sched::current().has_work(sched::Interruptible::fatal)) return Errno::eintr;
    at += page_size;
  }
  return {};
}

void AddressSpace::populate_locked() {
  for (UserAddr at(0);;) {
    UserAddr end;
    {
      const auto reading = lock_.reading();
      const Vma* v = find_at_or_after(at);
      while (v != nullptr && !v->flags.has(VmaFlag::locked)) v = vma(v->above);
      if (v == nullptr) return;
      at = std::max(at, v->start);
      end = v->end;
    }
    if (const Result<void> r = populate(at, end - at, {}); !r.ok() && r.error() == Errno::eintr)
      return;
    at = end;
  }
}

}  // namespace auk::vm
