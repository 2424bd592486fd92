// Areas whose missing pages somebody else fills (fault_watch.hpp).
#include <algorithm>

#include "vm/priv/change.hpp"

namespace auk::vm {

using mem::PteTable;

namespace {

/// What may be watched: memory of a program's own, and files that are nothing but memory.
bool can_be_watched(const Vma& v) { return !v.object || v.object->can_be_watched(); }

}  // namespace

/// What is asked of a range before its watch becomes `watch`. The space's lock is held.
Result<void> AddressSpace::check_watch(UserAddr start, UserAddr end,
                                       const FaultWatch* watch) const {
  const Vma* const first = find_at_or_after(start);
  if (first == nullptr || first->start >= end) return Errno::einval;
  for (const Vma* v = first; v != nullptr && v->start < end; v = vma(v->above)) {
    if (!can_be_watched(*v)) return Errno::einval;
    if (watch == nullptr) continue;
    if (!v->flags.has(VmaFlag::may_write)) return Errno::eperm;
    if (v->watch && v->watch.get() != watch) return Errno::ebusy;
  }
  return {};
}

/// The space's lock is held for writing.
Result<void> AddressSpace::set_watch(Change& change, UserAddr start, UserAddr end,
                                     FaultWatch* watch, const FaultWatch* only) {
  for (UserAddr at = start; at < end;) {
    Vma* v = find_at_or_after(at);
    if (v == nullptr || v->start >= end) break;
    at = std::max(at, v->start);
    const UserAddr piece_end = std::min(end, v->end);
    const bool changes = v->watch.get() != watch && (only == nullptr || v->watch.get() == only);
    if (changes) {
      if (v->start < at) v = TRY(split(change, *v, at));
      if (piece_end < v->end) TRY(split(change, *v, piece_end));
      change.own(*v);
      // Who waits for the old one is to look again.
      if (v->watch) v->watch->wake(v->start, v->end);
      v->set_flags(watch != nullptr ? v->flags | VmaFlag::watched
                                    : v->flags.without(VmaFlag::watched));
      v->watch = watch != nullptr ? Ref<FaultWatch>(*watch) : Ref<FaultWatch>();
    }
    merge_around(change, at);
    at = piece_end;
  }
  merge_around(change, end);
  return {};
}

Result<void> AddressSpace::watch(FaultWatch& w, UserAddr start, u64 size) {
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  TRY(check_watch(start, start + size, &w));
  return set_watch(change, start, start + size, &w, nullptr);
}

Result<void> AddressSpace::unwatch(UserAddr start, u64 size) {
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  TRY(check_watch(start, start + size, nullptr));
  return set_watch(change, start, start + size, nullptr, nullptr);
}

void AddressSpace::unwatch_all(const FaultWatch& w) {
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  // Whole areas: nothing is split, so nothing fails.
  (void)set_watch(change, UserAddr(0), UserAddr(core::user_end), nullptr, &w);
}

bool AddressSpace::is_watched(UserAddr start, u64 size) {
  const auto reading = lock_.reading();
  const Vma* const v = find(start);
  return v != nullptr && v->watch && start + size <= v->end;
}

/// The area is counted, or the lock is held.
bool AddressSpace::is_missing(const Vma& v, UserAddr page, PteTable& table) {
  {
    auto entries = table.lock.lock();
    if (table.entry(page).has_page()) return false;
  }
  return !v.object || v.object->is_missing(v.index_of(page));
}

/// EEXIST: there is a page.
Result<void> AddressSpace::put_private(const Vma& v, UserAddr page, Ref<Folio> own) {
  using machine::Pte;
  PteTable& table = *TRY(root_->make(page));
  auto entries = table.lock.lock();
  Pte& e = table.entry(page);
  if (e.has_page()) return Errno::eexist;
  // What nobody may touch has no zeros either, but keeps what it is given.
  if (!own && !is_accessible(v.flags)) return {};
  ++entries->used;
  if (!own) {
    e = Pte::leaf(phys_of(mem::zero_page()), entry_rights(v.flags, false), 1);
    return {};
  }
  own->set_exclusive(true);
  const Pte open = Pte::leaf(own->address(), entry_rights(v.flags, v.flags.has(VmaFlag::write)), 1);
  e = is_accessible(v.flags) ? open : open.closed();
  (void)own.release();
  (void)resident_anonymous_.fetch_add_relaxed(1);
  return {};
}

Result<void> AddressSpace::fill(UserAddr page, std::optional<UserAddr> from) {
  bool is_shared = false, has_object = false;
  {
    const auto reading = lock_.reading();
    const Vma* const v = find(page);
    if (v == nullptr || !v->watch) return Errno::enoent;
    is_shared = v->flags.has(VmaFlag::shared);
    has_object = v->object.get() != nullptr;
  }
  // Emptied already, to make room.
  if (is_dying()) return Errno::enomem;
  Ref<Folio> fresh;
  // The page of zeros stands for memory of one's own, not for a copy of a file's.
  if (from || has_object) {
    fresh = TRY(Folio::create(ALLOC_SITE, !is_shared));
    if (from) TRY(core::read_user(fresh->bytes().data(), *from, page_size));
  }
  const auto reading = lock_.reading();
  Vma* const v = find(page);
  if (v == nullptr || !v->watch || v->flags.has(VmaFlag::shared) != is_shared ||
      (v->object.get() != nullptr) != has_object)
    return Errno::enoent;
  const u64 index = v->index_of(page);
  if (has_object && v->object->is_behind_end(index)) return Errno::efault;
  if (!is_shared) return put_private(*v, page, std::move(fresh));
  // The fault that comes finds it.
  const Result<void> added = v->object->add(index, std::move(fresh));
  return !added.ok() && added.error() == Errno::enospc ? Result<void>(Errno::enomem) : added;
}

}  // namespace auk::vm
