// Moving and resizing areas: see mremap(2).
#include <algorithm>

#include "vm/priv/change.hpp"

namespace auk::vm {
namespace {
/// A move may need so many areas more: Linux leaves the same margin.
constexpr u32 move_margin = 3;
}  // namespace

/// The pages of [r.start, r.start + r.old_size), which lies in `v`, go to a free place.
Result<UserAddr> AddressSpace::move_area(Change& change, Vma& v, const RemapRequest& r,
                                         UserAddr to) {
  if (!has_room_for(move_margin)) return Errno::enomem;
  TRY(areas_.reserve(3));
  Vma* const fresh = TRY(Vma::create());
  fresh->start = to;
  fresh->end = to + r.new_size;
  fresh->show_like(v, r.start);
  // Who fills pages of the old place does not know of the new one.
  fresh->watch = {};
  fresh->set_flags(v.flags.without(VmaFlags(VmaFlag::accounted) | VmaFlag::watched));
  const u64 pages = r.new_size / page_size;
  VmaFlags flags = fresh->flags;
  if (v.flags.has(VmaFlag::accounted))
    if (const Result<void> c = charge(flags, pages, r.allowance); !c.ok()) {
      fresh->retire();
      return c.error();
    }
  fresh->set_flags(flags);
  const u64 moved = std::min(r.old_size, r.new_size);
  if (const Result<void> made = make_tables(r.start, moved, to); !made.ok()) {
    if (flags.has(VmaFlag::accounted)) commit::release(pages);
    fresh->retire();
    return made.error();
  }
  change.own(v);
  change.own(*fresh);
  add_area(*fresh);
  const auto move = [&] { move_entries(r.start, moved, to); };
  if (v.object) {
    // A truncation must find each page in one of the two.
    auto list = v.object->mappings.lock();
    move();
  } else {
    move();
  }
  merge_around(change, to + r.new_size);
  merge_around(change, to);
  if (r.keep_empty) {
    // The pages are gone, and with them what locked them.
    Vma* old = find(r.start);
    if (old->start < r.start) old = TRY(split(change, *old, r.start));
    if (old->end > r.start + r.old_size) TRY(split(change, *old, r.start + r.old_size));
    count(old->flags, old->size() / page_size, false);
    change.own(*old);
    old->set_flags(old->flags.without(lock_flags));
    count(old->flags, old->size() / page_size, true);
    return to;
  }
  if (r.old_size != 0) TRY(unmap_range(change, r.start, r.start + r.old_size));
  return to;
}

Result<UserAddr> AddressSpace::remap(const RemapRequest& request) {
  RemapRequest r = request;
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  Vma* v = find(r.start);
  if (v == nullptr) return Errno::efault;
  if (v->flags.has(VmaFlag::sealed)) return Errno::eperm;
  if (r.fixed) {
    if (!has_room_for(move_margin)) return Errno::enomem;
    TRY(unmap_range(change, r.to, r.to + r.new_size));
  }
  const bool moves = r.fixed || r.keep_empty;
  if (r.old_size > r.new_size) {
    TRY(unmap_range(change, r.start + r.new_size, r.start + r.old_size));
    r.old_size = r.new_size;
  }
  if (!moves && r.old_size == r.new_size) return r.start;
  v = find(r.start);
  if (v == nullptr) return Errno::efault;
  // Zero asks for a second view of a shared area.
  if (r.old_size == 0 && !v->flags.has(VmaFlag::shared)) return Errno::einval;
  if (v->end < r.start + r.old_size) return Errno::efault;
  if (r.keep_empty && !may_expand(v->flags, r.old_size / page_size, r.allowance))
    return Errno::enomem;
  const u64 more = (r.new_size - r.old_size) / page_size;
  if (more != 0) {
    if (v->index_of(r.start) + r.new_size / page_size < v->index_of(r.start)) return Errno::einval;
    if (v->flags.has(VmaFlag::locked) && !may_lock(more, r.allowance)) return Errno::eagain;
    if (!may_expand(v->flags, more, r.allowance)) return Errno::enomem;
  }
  if (!moves && v->end == r.start + r.old_size) {
    const UserAddr end = r.start + r.new_size;
    const Vma* const next = vma(v->above);
    if (core::is_user_range(r.start, r.new_size) &&
        (next == nullptr || next->guarded_start() >= end)) {
      if (v->flags.has(VmaFlag::accounted))
        TRY(commit::charge(more, {sizes_.total, r.allowance.is_admin}));
      count(v->flags, more, true);
      set_extent(change, *v, v->start, end);
      merge_around(change, end);
      return r.start;
    }
  }
  if (!r.may_move) return Errno::enomem;
  UserAddr to = r.to;
  if (!r.fixed) {
    MapRequest wanted;
    wanted.hint = r.keep_empty ? r.to : UserAddr(0);
    to = TRY(place(wanted, r.new_size));
  }
  return move_area(change, *v, r, to);
}

}  // namespace auk::vm
