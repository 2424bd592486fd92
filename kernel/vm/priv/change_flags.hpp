// AddressSpace::change_flags(), which mprotect, mlock and madvise have in common. Private to vm.
#pragma once
#include <algorithm>

#include "vm/priv/change.hpp"

namespace auk::vm {

/// Gives each area of a range the flags that `flags(v)` wants, splitting and joining as needed.
/// Stops at the first hole (ENOMEM) unless `over_holes`, which tells of holes at the end.
template <class F>
Result<void> AddressSpace::change_flags(Change& change, UserAddr start, UserAddr end,
                                        bool over_holes, F wanted) {
  bool hole = false;
  UserAddr at = start;
  while (at < end) {
    Vma* v = find_at_or_after(at);
    if (v == nullptr || v->start >= end) {
      hole = true;
      break;
    }
    if (v->start > at) {
      if (!over_holes) return Errno::enomem;
      hole = true;
      at = v->start;
    }
    const UserAddr piece_end = std::min(end, v->end);
    VmaFlags flags = TRY(wanted(*v, (piece_end - at) / page_size));
    if (flags != v->flags) {
      const auto undo = [&](Errno e) {
        if (flags.has(VmaFlag::accounted) && !v->flags.has(VmaFlag::accounted))
          commit::release((piece_end - at) / page_size);
        return e;
      };
      if (v->start < at) {
        Result<Vma*> upper = split(change, *v, at);
        if (!upper.ok()) return undo(upper.error());
        v = upper.take();
      }
      if (piece_end < v->end)
        if (const Result<Vma*> rest = split(change, *v, piece_end); !rest.ok())
          return undo(rest.error());
      change.own(*v);
      const VmaFlags old = v->flags;
      count(old, v->size() / page_size, false);
      v->set_flags(flags);
      count(flags, v->size() / page_size, true);
      if ((old & access_flags) != (flags & access_flags)) protect_entries(*v);
    }
    merge_around(change, at);
    at = piece_end;
  }
  merge_around(change, at);
  return hole ? Result<void>(Errno::enomem) : Result<void>();
}

}  // namespace auk::vm
