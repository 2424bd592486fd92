#include "vm/space.hpp"

#include <algorithm>

#include "base/math.hpp"
#include "core/sysctl.hpp"
#include "vm/priv/change.hpp"
#include "vm/priv/change_flags.hpp"

namespace auk::vm {

namespace {

constinit Atomic<u64> next_id{1};
constinit Atomic<i64> most_areas{65530};
constinit core::NumberSysctl max_map_count("vm/max_map_count", most_areas, 0, 0x7fffffff);
SYSCTL(max_map_count);

u64 max_areas() { return static_cast<u64>(most_areas.load_relaxed()); }

}  // namespace

AddressSpace::AddressSpace(Ref<mem::TranslationRoot> root)
    : id_(next_id.fetch_add_relaxed(1)),
      root_(std::move(root)) {}

Result<Ref<AddressSpace>> AddressSpace::create() {
  Ref<mem::TranslationRoot> root = TRY(mem::TranslationRoot::create());
  return mem::make_ref<AddressSpace>(ALLOC_SITE, std::move(root));
}

AddressSpace::~AddressSpace() {
  FaultWatch::leave(watches_);
  // No thread uses the space any more: no CPU needs a flush, except those that idle on its tables,
  // and these flush when they load others.
  root_->each_table(UserAddr(0), UserAddr(core::user_end),
                    [](mem::PteTable& t, UserAddr, UserAddr) { t.drop_all(); });
  DeadAreas dead;
  while (Area* const a = areas_.first()) {
    Vma& v = *vma(a);
    areas_.remove(v);
    if (v.node.is_linked()) {
      auto list = v.object->mappings.lock();
      MemObject::Mappings::remove(v);
    }
    v.above = dead.first;
    dead.first = &v;
  }
  commit::release(sizes_.accounted);
}

Vma* AddressSpace::find(UserAddr va) const {
  Vma* const v = find_at_or_after(va);
  return v != nullptr && v->start <= va ? v : nullptr;
}

void AddressSpace::note_peak() {
  const u64 now = resident_pages();
  u64 peak = peak_resident_.load_relaxed();
  while (peak < now && !peak_resident_.cas_relaxed(peak, now)) {}
}

// --- Limits and accounts ------------------------------------------------------------------------

/// RLIMIT_AS and RLIMIT_DATA.
bool AddressSpace::may_expand(VmaFlags flags, u64 pages, const Allowance& a) const {
  if (sizes_.total + pages > a.address_space / page_size) return false;
  return !is_private_writable(flags) || flags.has(VmaFlag::stack) ||
         sizes_.data + pages <= a.data / page_size;
}

/// RLIMIT_MEMLOCK.
bool AddressSpace::may_lock(u64 pages, const Allowance& a) const {
  return a.may_lock || sizes_.locked + pages <= a.locked / page_size;
}

bool AddressSpace::has_room_for(u32 areas) const { return areas_.count() + areas <= max_areas(); }

/// Promises the pages of an area that will have these flags, if such areas are accounted.
Result<void> AddressSpace::charge(VmaFlags& flags, u64 pages, const Allowance& a) {
  if (!is_private_writable(flags) || flags.any(VmaFlags(VmaFlag::no_reserve) | VmaFlag::accounted))
    return {};
  TRY(commit::charge(pages, {sizes_.total, a.is_admin}));
  flags |= VmaFlag::accounted;
  return {};
}

void AddressSpace::count(VmaFlags flags, u64 pages, bool more) {
  const u64 change = more ? pages : -pages;
  sizes_.total += change;
  sizes_.peak = std::max(sizes_.peak, sizes_.total);
  if (flags.has(VmaFlag::stack))
    sizes_.stack += change;
  else if (is_private_writable(flags))
    sizes_.data += change;
  else if (flags.has(VmaFlag::execute) && !flags.has(VmaFlag::write))
    sizes_.executable += change;
  if (flags.has(VmaFlag::locked)) sizes_.locked += change;
  if (flags.has(VmaFlag::accounted)) sizes_.accounted += change;
}

// --- Areas --------------------------------------------------------------------------------------

/// An area that is in no list yet joins the tree and its object. AreaTree::reserve() was called.
void AddressSpace::link(Vma& v) {
  v.space = this;
  areas_.insert(v);
  if (!v.object) return;
  auto list = v.object->mappings.lock();
  list->push_back(v);
}

void AddressSpace::add_area(Vma& v) {
  link(v);
  count(v.flags, v.size() / page_size, true);
}

/// Out of the tree and of its object. The area is owned; entries and accounts are the caller's.
void AddressSpace::take_out(Change& change, Vma& v) {
  areas_.remove(v);
  if (v.node.is_linked()) {
    auto list = v.object->mappings.lock();
    MemObject::Mappings::remove(v);
  }
  change.bury(v);
}

/// The object may be truncated meanwhile: its lock is held.
void AddressSpace::set_extent(Change& change, Vma& v, UserAddr start, UserAddr end) {
  change.own(v);
  const auto set = [&] {
    if (start > v.start)
      v.page_offset += (start - v.start) / page_size;
    else
      v.page_offset -= std::min(v.page_offset, (v.start - start) / page_size);
    areas_.resize(v, start, end);
  };
  if (!v.object) return set();
  auto list = v.object->mappings.lock();
  set();
}

/// `at` becomes the border of two areas; returns the upper one. ENOMEM.
Result<Vma*> AddressSpace::split(Change& change, Vma& v, UserAddr at) {
  if (!has_room_for(1)) return Errno::enomem;
  TRY(areas_.reserve(1));
  Vma* const upper = TRY(Vma::create());
  change.own(v);
  upper->start = at;
  upper->end = v.end;
  upper->show_like(v, at);
  change.own(*upper);
  // A truncation in between finds a part of the range in neither: it waits at the object's lock.
  const auto cut = [&] {
    areas_.resize(v, v.start, at);
    upper->space = this;
    areas_.insert(*upper);
  };
  if (!v.object) {
    cut();
    return upper;
  }
  auto list = v.object->mappings.lock();
  cut();
  list->push_back(*upper);
  return upper;
}

/// Joins the areas that meet at an address if they are parts of one.
void AddressSpace::merge_around(Change& change, UserAddr at) {
  Vma* const upper = find(at);
  if (upper == nullptr || upper->start != at || upper->below == nullptr) return;
  Vma& lower = *vma(upper->below);
  if (lower.end != at || lower.flags != upper->flags || lower.object != upper->object ||
      lower.backing != upper->backing || lower.watch != upper->watch)
    return;
  if (lower.object.get() != nullptr && lower.index_of(at) != upper->page_offset) return;
  change.own(lower);
  change.own(*upper);
  const UserAddr end = upper->end;
  const auto join = [&] {
    areas_.remove(*upper);
    areas_.resize(lower, lower.start, end);
  };
  if (lower.object) {
    auto list = lower.object->mappings.lock();
    join();
    MemObject::Mappings::remove(*upper);
  } else {
    join();
  }
  change.bury(*upper);
}

void AddressSpace::own_range(Change& change, UserAddr start, UserAddr end) {
  for (Vma* v = find_at_or_after(start); v != nullptr && v->start < end; v = vma(v->above))
    change.own(*v);
}

Result<void> AddressSpace::unmap_range(Change& change, UserAddr start, UserAddr end) {
  Vma* v = find_at_or_after(start);
  if (v == nullptr || v->start >= end) return {};
  if (has_seals_)
    for (const Vma* each = v; each != nullptr && each->start < end; each = vma(each->above))
      if (each->flags.has(VmaFlag::sealed)) return Errno::eperm;
  // A hole in the middle makes one area more.
  if (v->start < start && v->end > end && !has_room_for(1)) return Errno::enomem;
  // One piece less must not fail for want of an area: an end that is cut off needs none.
  if (v->start < start && v->end > end) {
    v = TRY(split(change, *v, start));
    TRY(split(change, *v, end));
  }
  own_range(change, start, end);
  const UserAddr low = v->start < start ? start : v->below == nullptr ? UserAddr(0) : v->below->end;
  clear_entries(start, end);
  UserAddr high(core::user_end);
  while (v != nullptr && v->start < end) {
    Vma* const next = vma(v->above);
    const UserAddr from = std::max(v->start, start), to = std::min(v->end, end);
    const u64 pages = (to - from) / page_size;
    count(v->flags, pages, false);
    if (v->flags.has(VmaFlag::accounted)) commit::release(pages);
    if (v->start < start)
      set_extent(change, *v, v->start, start);
    else if (v->end > end)
      set_extent(change, *v, end, v->end);
    else
      take_out(change, *v);
    v = next;
  }
  if (const Area* const above = areas_.find_at_or_after(start); above != nullptr)
    high = above->start;
  root_->free_tables(start, end, low, high);
  return {};
}

/// Top down below the mmap base, as Linux does; a hint is taken if its place is free.
Result<UserAddr> AddressSpace::place(const MapRequest& r, u64 size) {
  if (size > core::user_end) return Errno::enomem;
  if (r.hint.value != 0 && (!r.low_2g || (r.hint + size).value <= 2 * gib)) {
    const UserAddr hint = std::max(r.hint, lowest);
    const Vma* const next = find_at_or_after(hint);
    if (core::is_user_range(hint, size) &&
        (next == nullptr || next->guarded_start() >= hint + size))
      return hint;
  }
  if (r.low_2g) {
    const auto found = areas_.find_gap(UserAddr(gib), UserAddr(2 * gib), size);
    return found ? Result<UserAddr>(*found) : Errno::enomem;
  }
  const UserAddr end(core::user_end);
  const UserAddr top = layout_.mmap_top.value == 0 ? end : layout_.mmap_top;
  if (const auto found = areas_.find_gap(lowest, top, size)) return *found;
  if (const auto found = areas_.find_gap(lowest, end, size)) return *found;
  return Errno::enomem;
}

/// All of a range is what `r` would put over it, if only elsewhere in the object.
bool AddressSpace::shows(UserAddr start, UserAddr end, VmaFlags flags, const MapRequest& r) const {
  for (const Vma* v = find(start); v != nullptr; v = vma(v->above)) {
    if (v->flags != flags || v->object != r.object || v->backing != r.backing) return false;
    if (v->end >= end) return true;
    if (v->above == nullptr || v->above->start != v->end) return false;
  }
  return false;
}

// --- The calls ----------------------------------------------------------------------------------

Result<UserAddr> AddressSpace::map(MapRequest request) {
  if (request.size == 0) return Errno::einval;
  if (!core::is_user_range(UserAddr(0), request.size)) return Errno::enomem;
  const u64 pages = request.size / page_size;
  VmaFlags flags = request.flags;
  if (!flags.any(may_flags)) flags |= may_flags;
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  if (areas_.count() > max_areas()) return Errno::enomem;
  UserAddr start = request.hint;
  if (request.fixed) {
    if (!core::is_user_range(start, request.size)) return Errno::enomem;
    if (start < lowest && !request.allowance.may_map_low) return Errno::eperm;
    const Vma* const there = find_at_or_after(start);
    if (request.no_replace && there != nullptr && there->start < start + request.size)
      return Errno::eexist;
    if (request.over && !shows(start, start + request.size, *request.over, request))
      return Errno::einval;
  } else {
    start = TRY(place(request, request.size));
  }
  const UserAddr end = start + request.size;
  flags |= lock_new_;
  if (flags.has(VmaFlag::locked) && !may_lock(pages, request.allowance)) return Errno::eagain;
  if (!may_expand(flags, pages, request.allowance)) {
    // What is replaced does not count twice.
    u64 replaced = 0;
    for (const Vma* v = find_at_or_after(start); v != nullptr && v->start < end; v = vma(v->above))
      replaced += (std::min(end, v->end) - std::max(start, v->start)) / page_size;
    if (!may_expand(flags, pages - replaced, request.allowance)) return Errno::enomem;
  }
  WriterPermit permit;
  if (request.backing && flags.has(VmaFlag::shared) && flags.has(VmaFlag::may_write))
    TRY(permit.take(*request.object));
  // First everything that can fail but the unmapping, which fails before it changes anything.
  TRY(areas_.reserve(3));
  Vma* const v = TRY(Vma::create());
  const auto give_up = [&](Errno e) {
    v->retire();
    return e;
  };
  if (const Result<void> r = charge(flags, pages, request.allowance); !r.ok())
    return give_up(r.error());
  if (const Result<void> r = unmap_range(change, start, end); !r.ok()) {
    if (flags.has(VmaFlag::accounted)) commit::release(pages);
    return give_up(r.error());
  }
  v->start = start;
  v->end = end;
  v->set_flags(flags);
  v->object = std::move(request.object);
  v->backing = std::move(request.backing);
  v->page_offset = request.page_offset;
  change.own(*v);
  add_area(*v);
  merge_around(change, end);
  merge_around(change, start);
  return start;
}

Result<void> AddressSpace::unmap(UserAddr start, u64 size) {
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  return unmap_range(change, start, start + size);
}

Result<void> AddressSpace::protect(UserAddr start, u64 size, VmaFlags wanted, VmaFlags implied,
                                   bool from_lowest, const Allowance& a) {
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  const UserAddr end = start + size;
  const Vma* const first = find_at_or_after(start);
  if (first == nullptr) return Errno::enomem;
  if (from_lowest) {
    if (first->start >= end) return Errno::enomem;
    start = first->start;
    if (!first->flags.has(VmaFlag::grows_down)) return Errno::einval;
  } else if (first->start > start) {
    return Errno::enomem;
  }
  return change_flags(change, start, end, false, [&](const Vma& v, u64 pages) -> Result<VmaFlags> {
    if (v.flags.has(VmaFlag::sealed)) return Errno::eperm;
    VmaFlags rights = wanted;
    if (v.flags.has(VmaFlag::may_execute)) rights |= implied;
    VmaFlags flags = v.flags.without(access_flags) | rights;
    if ((rights.has(VmaFlag::read) && !flags.has(VmaFlag::may_read)) ||
        (rights.has(VmaFlag::write) && !flags.has(VmaFlag::may_write)) ||
        (rights.has(VmaFlag::execute) && !flags.has(VmaFlag::may_execute)))
      return Errno::eacces;
    if (is_private_writable(flags) && !is_private_writable(v.flags)) {
      if (!flags.has(VmaFlag::stack) && sizes_.data + pages > a.data / page_size)
        return Errno::enomem;
      TRY(charge(flags, pages, a));
    }
    return flags;
  });
}

/// More memory of the program's own right at `at`, joined with what ends there if that is alike.
Result<void> AddressSpace::extend(Change& change, UserAddr at, u64 size, VmaFlags flags,
                                  const Allowance& a) {
  const u64 pages = size / page_size;
  flags |= lock_new_;
  if (flags.has(VmaFlag::locked) && !may_lock(pages, a)) return Errno::eagain;
  if (!may_expand(flags, pages, a) || areas_.count() > max_areas()) return Errno::enomem;
  TRY(areas_.reserve(1));
  Vma* const v = TRY(Vma::create());
  if (const Result<void> r = charge(flags, pages, a); !r.ok()) {
    v->retire();
    return r;
  }
  v->start = at;
  v->end = at + size;
  v->set_flags(flags);
  change.own(*v);
  add_area(*v);
  merge_around(change, at);
  return {};
}

UserAddr AddressSpace::set_brk(UserAddr wanted, const Allowance& a) {
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  const UserAddr old = layout_.brk;
  if (wanted < layout_.brk_start || wanted.value >= core::user_end) return old;
  const u64 data = layout_.data_end - layout_.data_start;
  if (wanted - layout_.brk_start + data > a.data) return old;
  const UserAddr old_end(align_up(old.value, page_size));
  const UserAddr new_end(align_up(wanted.value, page_size));
  if (new_end < old_end) {
    if (!unmap_range(change, new_end, old_end).ok()) return old;
  } else if (new_end > old_end) {
    const Vma* const next = find_at_or_after(old_end);
    if (next != nullptr && next->guarded_start() < new_end + page_size) return old;
    constexpr VmaFlags flags = VmaFlags(VmaFlag::read) | VmaFlag::write | VmaFlag::heap | may_flags;
    if (!extend(change, old_end, new_end - old_end, flags, a).ok()) return old;
  }
  layout_.brk = wanted;
  return wanted;
}

bool AddressSpace::grow_stack(UserAddr va, const Allowance& a) {
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  Vma* const v = find_at_or_after(va);
  if (v == nullptr) return false;
  const UserAddr start(align_down(va.value, page_size));
  if (v->start <= start) return true;
  if (!v->flags.has(VmaFlag::grows_down) || start < lowest || v->end - start > a.stack)
    return false;
  if (const Vma* const below = vma(v->below);
      below != nullptr && is_accessible(below->flags) && !below->flags.has(VmaFlag::grows_down) &&
      (below->end > start || start - below->end < Vma::stack_guard))
    return false;
  if (v->below != nullptr && v->below->end > start) return false;
  const u64 pages = (v->start - start) / page_size;
  if (!may_expand(v->flags, pages, a)) return false;
  if (v->flags.has(VmaFlag::locked) && !may_lock(pages, a)) return false;
  if (v->flags.has(VmaFlag::accounted) && !commit::charge(pages, {sizes_.total, a.is_admin}).ok())
    return false;
  count(v->flags, pages, true);
  set_extent(change, *v, start, v->end);
  return true;
}

std::optional<AddressSpace::SharedPlace> AddressSpace::shared_place(UserAddr va) {
  const auto reading = lock_.reading();
  const Vma* const v = find(va);
  if (v == nullptr || !v->object) return std::nullopt;
  if (!v->flags.has(VmaFlag::shared) && v->flags.has(VmaFlag::write)) return std::nullopt;
  return SharedPlace{v->object.get(),
                     v->index_of(UserAddr(align_down(va.value, page_size))) * page_size +
                         va.value % page_size};
}

std::optional<AreaView> AddressSpace::area_from(UserAddr at) {
  const auto reading = lock_.reading();
  const Vma* const v = find_at_or_after(at);
  if (v == nullptr) return std::nullopt;
  return AreaView{v->start, v->end, v->flags, v->page_offset, v->object, v->backing};
}

Result<void> AddressSpace::set_segment(u32 index, u64 descriptor) {
  const auto writing = lock_.writing();
  const Ref<mem::SegmentTable> old = root_->segments();
  root_->set_segments(TRY(mem::SegmentTable::with(old.get(), index, descriptor)));
  return {};
}

Result<Ref<AddressSpace>> AddressSpace::copy(const Allowance& a) {
  Ref<AddressSpace> child = TRY(create());
  DeadAreas dead;
  const auto writing = lock_.writing();
  Change change(*this, dead.first);
  child->layout_ = layout_;
  child->program_ = program_;
  child->has_seals_ = has_seals_;
  child->no_huge_pages.store_relaxed(no_huge_pages.load_relaxed());
  child->barriers.store_relaxed(barriers.load_relaxed());
  child->root_->start_with(root_->segments());
  bool flush = false;
  const auto copy_all = [&]() -> Result<void> {
    for (Area* at = areas_.first(); at != nullptr; at = at->above) {
      Vma& v = *vma(at);
      change.own(v);
      if (v.flags.has(VmaFlag::dont_copy)) continue;
      TRY(child->areas_.reserve(1));
      Vma* const twin = TRY(Vma::create());
      twin->start = v.start;
      twin->end = v.end;
      twin->show_like(v, v.start);
      // Locks and watches are not inherited.
      twin->watch = {};
      twin->set_flags(v.flags.without(lock_flags | VmaFlag::accounted | VmaFlag::watched));
      child->add_area(*twin);
      if (v.flags.has(VmaFlag::accounted)) {
        TRY(commit::charge(v.size() / page_size, {sizes_.total, a.is_admin}));
        child->sizes_.accounted += v.size() / page_size;
        twin->flags |= VmaFlag::accounted;
      }
      if (v.flags.has(VmaFlag::shared) || v.flags.has(VmaFlag::wipe_on_fork)) continue;
      flush = true;
      if (!v.object) {
        TRY(copy_entries(*child, v));
        continue;
      }
      // A truncation sees the twin's pages or happens before they are copied.
      auto list = v.object->mappings.lock();
      TRY(copy_entries(*child, v));
    }
    return {};
  };
  const Result<void> r = copy_all();
  // What the child shares must not be written through an old translation once the areas are free.
  if (flush) root_->flush(UserAddr(0), UserAddr(core::user_end));
  if (!r.ok()) return r.error();
  return child;
}

/// The space's lock is held.
void AddressSpace::drop_private_pages() {
  for (const Area* a = areas_.first(); a != nullptr; a = a->above)
    if (!vma(a)->flags.has(VmaFlag::shared)) clear_entries(a->start, a->end);
  is_reaped_.store_relaxed(true);
}

bool AddressSpace::reap() {
  is_dying_.store_seq_cst(true);
  const auto reading = lock_.try_reading();
  if (!reading.ok()) return false;
  drop_private_pages();
  return true;
}

void AddressSpace::reap_in_time() {
  is_dying_.store_seq_cst(true);
  const auto reading = lock_.reading();
  drop_private_pages();
}

}  // namespace auk::vm
