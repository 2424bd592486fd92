#include "vm/space.hpp"

#include <algorithm>

#include "base/math.hpp"
#include "machine/isa/cpu.hpp"

namespace auk::vm {
namespace {

using machine::Pte;
using mem::PteTable;

constinit mem::Cache vma_cache("vm_area_struct", align_up(sizeof(Vma), 16));

constexpr u64 stack_guard = 256 * page_size;
/// Nothing below: a null pointer with an offset must fault.
constexpr UserAddr lowest{65536};

Result<Vma*> make_area() { return ::new (TRY(vma_cache.allocate(ALLOC_SITE))) Vma; }
void free_area(Vma* v) {
  if (v->node.is_linked()) {
    auto list = v->object->mappings.lock();
    MemObject::Mappings::remove(*v);
  }
  v->~Vma();
  vma_cache.free(v);
}

/// Pages that were taken out of page tables and wait for the flush.
class Gather {
  static constexpr usize capacity = 32;
  mem::TranslationRoot& root_;
  std::array<Folio*, capacity> folios_{};
  usize count_ = 0;
  UserAddr start_{~u64{0}}, end_{0};

 public:
  explicit Gather(mem::TranslationRoot& r) : root_(r) {}
  ~Gather() { flush(); }
  Gather(const Gather&) = delete;
  Gather& operator=(const Gather&) = delete;
  void note(UserAddr page) {
    start_ = std::min(start_, page);
    end_ = std::max(end_, page + page_size);
  }
  void drop(Folio* f) {
    if (count_ == capacity) flush();
    folios_[count_++] = f;
  }
  void flush() {
    if (start_ < end_) root_.flush(start_, end_);
    start_ = UserAddr(~u64{0});
    end_ = UserAddr(0);
    for (usize i = 0; i < count_; ++i) (void)Ref<Folio>::adopt(folios_[i]);
    count_ = 0;
  }
};

}  // namespace

Result<Ref<AddressSpace>> AddressSpace::create() {
  Ref<mem::TranslationRoot> root = TRY(mem::TranslationRoot::create());
  return mem::make_ref<AddressSpace>(ALLOC_SITE, std::move(root));
}

AddressSpace::~AddressSpace() {
  // No thread uses the space any more: no CPU needs a flush, except those that idle on its tables,
  // and these flush when they load others.
  root_->each_table(UserAddr(0), UserAddr(core::user_end),
                    [&](PteTable& t, UserAddr, UserAddr end) {
                      const UserAddr first(align_down(end.value - 1, mem::table_span));
                      auto entries = t.lock.lock();
                      for (u64 i = 0; i < machine::entries_per_table && entries->used > 0; ++i) {
                        Pte& e = t.entry(first + i * page_size);
                        if (!e.is_present()) continue;
                        Folio* const f = mem::folio_of(pfn_of(e.address()));
                        e = Pte{};
                        --entries->used;
                        if (f != nullptr) (void)Ref<Folio>::adopt(f);
                      }
                    });
  while (!areas_.empty()) remove_area(*areas_.begin());
}

Vma* AddressSpace::find_at_or_after(UserAddr va) {
  // The first area that ends behind the address.
  Vma key;
  key.start = va;
  auto it = areas_.upper_bound(key);
  if (it != areas_.begin()) {
    auto before = it;
    --before;
    if (before->end > va) return &*before;
  }
  return it == areas_.end() ? nullptr : &*it;
}

Vma* AddressSpace::find(UserAddr va) {
  Vma* const v = find_at_or_after(va);
  return v != nullptr && v->start <= va ? v : nullptr;
}

/// The extent of an area whose object may be truncated meanwhile.
template <class F> void AddressSpace::change(Vma& v, F f) {
  if (!v.object) return f();
  auto list = v.object->mappings.lock();
  f();
}

/// An area that is in no list yet joins the space and its object.
void AddressSpace::link(Vma& v) {
  v.space = this;
  areas_.insert_equal(v);
  if (!v.object) return;
  auto list = v.object->mappings.lock();
  list->push_back(v);
}

void AddressSpace::note_peak() {
  const u64 now = resident_.load_relaxed();
  u64 peak = peak_resident_.load_relaxed();
  while (peak < now && !peak_resident_.cas_release(peak, now)) {}
}

void AddressSpace::add_area(Vma& v) {
  link(v);
  mapped_pages_ += v.size() / page_size;
}

void AddressSpace::remove_area(Vma& v) {
  mapped_pages_ -= v.size() / page_size;
  areas_.erase(areas_.iterator_to(v));
  free_area(&v);
}

/// `at` becomes the border of two areas; returns the upper one.
Result<Vma*> AddressSpace::split(Vma& v, UserAddr at) {
  Vma* const upper = TRY(make_area());
  upper->start = at;
  upper->end = v.end;
  upper->flags = v.flags;
  upper->object = v.object;
  upper->backing = v.backing;
  upper->page_offset = v.index_of(at);
  // First the new one: a page that both cover for a moment is only forgotten twice.
  link(*upper);
  change(v, [&] { v.end = at; });
  return upper;
}

void AddressSpace::merge_around(UserAddr at) {
  Vma* const upper = find(at);
  if (upper == nullptr || upper->start != at) return;
  auto it = areas_.iterator_to(*upper);
  if (it == areas_.begin()) return;
  Vma& lower = *--it;
  if (lower.end != at || lower.flags != upper->flags || lower.object != upper->object ||
      lower.backing != upper->backing)
    return;
  if (lower.object.get() != nullptr && lower.index_of(at) != upper->page_offset) return;
  const UserAddr end = upper->end;
  areas_.erase(areas_.iterator_to(*upper));
  change(lower, [&] { lower.end = end; });
  free_area(upper);
}

/// Top down below the mmap base, as Linux does; a hint is taken if its place is free.
Result<UserAddr> AddressSpace::find_gap(UserAddr hint, u64 size) {
  const UserAddr top = layout_.mmap_top.value == 0 ? UserAddr(core::user_end) : layout_.mmap_top;
  if (size > core::user_end) return Errno::enomem;
  // A stack below which the gap would lie keeps its guard.
  const auto floor_of = [](const Vma& v) {
    if (!v.flags.has(VmaFlag::grows_down)) return v.start;
    return v.start.value > stack_guard ? v.start - stack_guard : UserAddr(0);
  };
  if (hint >= lowest && core::is_user_range(hint, size)) {
    const Vma* const next = find_at_or_after(hint);
    if (next == nullptr || floor_of(*next) >= hint + size) return hint;
  }
  for (const UserAddr limit : {top, UserAddr(core::user_end)}) {
    UserAddr end = limit;
    for (auto it = areas_.rbegin(); it != areas_.rend(); ++it) {
      if (it->start >= end) continue;
      if (it->end < end && end - it->end >= size) break;
      end = floor_of(*it);
    }
    if (end.value < size || end - size < lowest) continue;
    const UserAddr start = end - size;
    const Vma* const below = find_at_or_after(start);
    if (below == nullptr || below->start >= end) return start;
  }
  return Errno::enomem;
}

void AddressSpace::clear_entries(UserAddr start, UserAddr end) {
  note_peak();
  Gather gather(*root_);
  root_->each_table(start, end, [&](PteTable& t, UserAddr from, UserAddr to) {
    auto entries = t.lock.lock();
    for (UserAddr at = from; at < to && entries->used > 0; at += page_size) {
      Pte& e = t.entry(at);
      if (!e.is_present()) continue;
      Folio* const f = mem::folio_of(pfn_of(e.address()));
      e = Pte{};
      --entries->used;
      gather.note(at);
      if (f != nullptr) {
        (void)resident_.fetch_sub_relaxed(1);
        gather.drop(f);
      }
    }
  });
}

Result<void> AddressSpace::unmap_range(UserAddr start, UserAddr end) {
  Vma* v = find_at_or_after(start);
  if (v == nullptr || v->start >= end) return {};
  if (v->start < start) v = TRY(split(*v, start));
  // The upper border first: from here on nothing can fail.
  if (Vma* const last = find(end); last != nullptr && last->start < end) TRY(split(*last, end));
  clear_entries(start, end);
  while (v != nullptr && v->start < end) {
    auto next = areas_.iterator_to(*v);
    ++next;
    remove_area(*v);
    v = next == areas_.end() ? nullptr : &*next;
  }
  return {};
}

Result<UserAddr> AddressSpace::map(MapRequest request) {
  if (request.size == 0) return Errno::einval;
  if (!core::is_user_range(UserAddr(0), request.size)) return Errno::enomem;
  const auto writing = lock_.writing();
  if (mapped_pages_ * page_size + request.size > request.address_limit) return Errno::enomem;
  UserAddr start = request.hint;
  if (request.fixed) {
    if (!core::is_user_range(start, request.size)) return Errno::enomem;
    if (start < lowest) return Errno::eperm;
    const Vma* const there = find_at_or_after(start);
    if (request.no_replace && there != nullptr && there->start < start + request.size)
      return Errno::eexist;
  } else {
    start = TRY(find_gap(request.hint, request.size));
  }
  Vma* const v = TRY(make_area());
  v->start = start;
  v->end = start + request.size;
  v->flags = request.flags;
  v->object = std::move(request.object);
  v->backing = std::move(request.backing);
  v->page_offset = request.page_offset;
  if (const Result<void> free = unmap_range(v->start, v->end); !free.ok()) {
    free_area(v);
    return free.error();
  }
  const UserAddr end = v->end;
  add_area(*v);
  merge_around(end);
  merge_around(start);
  return start;
}

Result<void> AddressSpace::unmap(UserAddr start, u64 size) {
  const auto writing = lock_.writing();
  return unmap_range(start, start + size);
}

void AddressSpace::protect_entries(const Vma& v, UserAddr start, UserAddr end) {
  Gather gather(*root_);
  const bool accessible = is_accessible(v.flags);
  root_->each_table(start, end, [&](PteTable& t, UserAddr from, UserAddr to) {
    auto entries = t.lock.lock();
    for (UserAddr at = from; at < to && entries->used > 0; at += page_size) {
      Pte& e = t.entry(at);
      if (!e.is_present()) continue;
      Folio* const f = mem::folio_of(pfn_of(e.address()));
      gather.note(at);
      if (!accessible) {
        // Private pages must survive: they stay, closed to user mode. The rest comes back by fault.
        if (f == nullptr || !f->is_anonymous()) {
          e = Pte{};
          --entries->used;
          if (f == nullptr) continue;
          (void)resident_.fetch_sub_relaxed(1);
          gather.drop(f);
          continue;
        }
        e.bits &= ~(Pte::user | Pte::writable);
        continue;
      }
      const bool writable =
          v.flags.has(VmaFlag::write) && f != nullptr &&
          (v.flags.has(VmaFlag::shared) || (f->is_anonymous() && f->is_exclusive()));
      e = Pte::leaf(e.address(), entry_rights(v.flags, writable), 1);
    }
  });
}

Result<void> AddressSpace::protect(UserAddr start, u64 size, VmaFlags rights) {
  const auto writing = lock_.writing();
  const UserAddr end = start + size;
  // First everything that can fail.
  UserAddr at = start;
  for (Vma* v = find_at_or_after(start); at < end;) {
    if (v == nullptr || v->start > at) return Errno::enomem;
    if (rights.has(VmaFlag::write) && v->flags.has(VmaFlag::shared) &&
        v->backing.get() != nullptr && !v->flags.has(VmaFlag::may_write))
      return Errno::eacces;
    at = v->end;
    auto next = areas_.iterator_to(*v);
    v = ++next == areas_.end() ? nullptr : &*next;
  }
  Vma* v = find(start);
  if (v->start < start) v = TRY(split(*v, start));
  if (Vma* const last = find(end); last != nullptr && last->start < end) TRY(split(*last, end));
  constexpr VmaFlags all = VmaFlags(VmaFlag::read) | VmaFlag::write | VmaFlag::execute;
  while (v != nullptr && v->start < end) {
    v->flags = v->flags.without(all) | rights;
    protect_entries(*v, v->start, v->end);
    auto next = areas_.iterator_to(*v);
    v = ++next == areas_.end() ? nullptr : &*next;
  }
  merge_around(end);
  for (Vma* w = find(start); w != nullptr && w->start < end && w->start > lowest;) {
    const UserAddr here = w->start;
    const UserAddr next = w->end;
    merge_around(here);
    w = next < end ? find(next) : nullptr;
  }
  return {};
}

UserAddr AddressSpace::set_brk(UserAddr wanted, u64 data_limit) {
  const auto writing = lock_.writing();
  const UserAddr old = layout_.brk;
  if (wanted < layout_.brk_start || wanted.value >= core::user_end) return old;
  if (wanted - layout_.brk_start > data_limit) return old;
  const UserAddr old_end(align_up(old.value, page_size));
  const UserAddr new_end(align_up(wanted.value, page_size));
  if (new_end < old_end) {
    if (!unmap_range(new_end, old_end).ok()) return old;
  } else if (new_end > old_end) {
    const Vma* const next = find_at_or_after(old_end);
    if (next != nullptr && next->start < new_end + stack_guard) return old;
    Result<Vma*> made = make_area();
    if (!made.ok()) return old;
    Vma* const v = made.take();
    v->start = old_end;
    v->end = new_end;
    v->flags = VmaFlags(VmaFlag::read) | VmaFlag::write | VmaFlag::heap;
    add_area(*v);
    merge_around(old_end);
  }
  layout_.brk = wanted;
  return wanted;
}

Result<void> AddressSpace::discard(UserAddr start, u64 size) {
  const auto writing = lock_.writing();
  const UserAddr end = start + size;
  bool hole = false;
  UserAddr at = start;
  for (Vma* v = find_at_or_after(start); v != nullptr && v->start < end;) {
    if (v->start > at) hole = true;
    clear_entries(std::max(at, v->start), std::min(end, v->end));
    at = v->end;
    auto next = areas_.iterator_to(*v);
    v = ++next == areas_.end() ? nullptr : &*next;
  }
  return hole || at < end ? Result<void>(Errno::enomem) : Result<void>();
}

Result<UserAddr> AddressSpace::remap(UserAddr start, u64 old_size, u64 new_size, bool may_move,
                                     bool fixed, UserAddr to) {
  const auto writing = lock_.writing();
  Vma* v = find(start);
  if (v == nullptr || v->end < start + old_size) return Errno::efault;
  if (!fixed && new_size <= old_size) {
    if (new_size < old_size) TRY(unmap_range(start + new_size, start + old_size));
    return start;
  }
  if (!fixed && v->end == start + old_size) {
    const UserAddr end = start + new_size;
    const Vma* const next = find_at_or_after(v->end);
    if (core::is_user_range(start, new_size) && (next == nullptr || next->start >= end)) {
      mapped_pages_ += (end - v->end) / page_size;
      change(*v, [&] { v->end = end; });
      merge_around(end);
      return start;
    }
  }
  if (!may_move) return Errno::enomem;
  if (fixed) {
    if (!core::is_user_range(to, new_size)) return Errno::einval;
    if (to < start + old_size && start < to + new_size) return Errno::einval;
    TRY(unmap_range(to, to + new_size));
    v = find(start);
    if (v == nullptr) return Errno::efault;
  } else {
    to = TRY(find_gap(UserAddr(0), new_size));
  }
  Vma* const fresh = TRY(make_area());
  fresh->start = to;
  fresh->end = to + new_size;
  fresh->flags = v->flags;
  fresh->object = v->object;
  fresh->backing = v->backing;
  fresh->page_offset = v->index_of(start);
  add_area(*fresh);
  // Entries move with the pages they point to.
  const u64 moved = std::min(old_size, new_size);
  for (u64 offset = 0; offset < moved; offset += page_size) {
    PteTable* const from_table = root_->find(start + offset);
    if (from_table == nullptr) continue;
    Result<PteTable*> to_table = root_->make(to + offset);
    if (!to_table.ok()) {
      TRY(unmap_range(to, to + new_size));
      return Errno::enomem;
    }
    Pte moving{};
    {
      auto entries = from_table->lock.lock();
      Pte& e = from_table->entry(start + offset);
      if (!e.is_present()) continue;
      moving = std::exchange(e, Pte{});
      --entries->used;
    }
    PteTable* const target = to_table.take();
    auto entries = target->lock.lock();
    target->entry(to + offset) = moving;
    ++entries->used;
  }
  root_->flush(start, start + old_size);
  TRY(unmap_range(start, start + old_size));
  return to;
}

/// The child is still private to the caller.
Result<void> AddressSpace::copy_entries(AddressSpace& to, const Vma& v) {
  bool failed = false;
  bool protect = false;
  root_->each_table(v.start, v.end, [&](PteTable& t, UserAddr from, UserAddr end) {
    if (failed) return;
    Result<PteTable*> made = to.root_->make(from);
    if (!made.ok()) {
      failed = true;
      return;
    }
    PteTable& target = *made.take();
    PteTable::Entries& theirs = target.lock.alone();
    auto entries = t.lock.lock();
    for (UserAddr at = from; at < end; at += page_size) {
      Pte& e = t.entry(at);
      if (!e.is_present()) continue;
      Folio* const f = mem::folio_of(pfn_of(e.address()));
      // What an object holds, and zeros, come back by fault.
      if (f == nullptr || !f->is_anonymous()) continue;
      if (e.is_writable()) {
        e.bits &= ~Pte::writable;
        protect = true;
      }
      f->set_exclusive(false);
      (void)Ref<Folio>(*f).release();
      target.entry(at) = e;
      ++theirs.used;
      (void)to.resident_.fetch_add_relaxed(1);
    }
  });
  if (protect) root_->flush(v.start, v.end);
  return failed ? Result<void>(Errno::enomem) : Result<void>();
}

std::optional<AddressSpace::SharedPlace> AddressSpace::shared_place(UserAddr va) {
  const auto reading = lock_.reading();
  const Vma* const v = find(va);
  if (v == nullptr || !v->flags.has(VmaFlag::shared) || !v->object) return std::nullopt;
  return SharedPlace{v->object.get(),
                     v->index_of(UserAddr(align_down(va.value, page_size))) * page_size +
                         va.value % page_size};
}

Result<Ref<AddressSpace>> AddressSpace::copy() {
  Ref<AddressSpace> child = TRY(create());
  const auto writing = lock_.writing();
  child->layout_ = layout_;
  for (const Vma& v : areas_) {
    if (v.flags.has(VmaFlag::dont_copy)) continue;
    Vma* const twin = TRY(make_area());
    twin->start = v.start;
    twin->end = v.end;
    twin->flags = v.flags;
    twin->object = v.object;
    twin->backing = v.backing;
    twin->page_offset = v.page_offset;
    child->add_area(*twin);
    if (!v.flags.has(VmaFlag::shared) && !v.flags.has(VmaFlag::wipe_on_fork))
      TRY(copy_entries(*child, v));
  }
  return child;
}

}  // namespace auk::vm
