// Page faults: what a missing or protected entry means, and how it is mended.
#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "base/math.hpp"
#include "core/rcu.hpp"
#include "vm/space.hpp"

namespace auk::vm {
namespace {

using machine::Pte;
using mem::FolioRun;
using mem::PteTable;

/// Missing pages are somebody else's business.
bool is_asked_for(const Vma& v) {
  return v.flags.has(VmaFlag::watched) && !v.watch->is_closed.load_acquire();
}

bool allows(VmaFlags f, Access a) {
  switch (a) {
    case Access::write: return f.has(VmaFlag::write);
    case Access::execute: return f.has(VmaFlag::execute);
    case Access::read: return is_accessible(f);
  }
  return false;
}

/// Whether pages around one that is written to are wanted, too: in the middle of a large area,
/// where Linux maps a huge page at once.
bool takes_runs(const Vma& v, UserAddr page) {
  constexpr VmaFlags exact = VmaFlags(VmaFlag::watched) | VmaFlag::single_pages;
  const UserAddr block(align_down(page.value, mem::table_span));
  return !v.object && !v.flags.any(exact) && v.start <= block && block + mem::table_span <= v.end;
}

/// The first entry of a run around the page, if none of them is used. The table's lock is held. A
/// program that gives back single pages wants them back singly.
Pte* room_for_run(PteTable& table, const PteTable::Entries& entries, UserAddr page) {
  if (entries.is_thinned) return nullptr;
  Pte* const first = &table.entry(UserAddr(align_down(page.value, FolioRun::size)));
  const std::span<const Pte> all(first, FolioRun::count);
  return std::ranges::any_of(all, [](Pte e) { return e.has_page(); }) ? nullptr : first;
}

}  // namespace

/// False if this page is to come alone.
AUK_NOINLINE bool AddressSpace::map_run(UserAddr page, const Vma& v, PteTable& table) {
  if (no_huge_pages.load_relaxed() || is_dying_.load_relaxed()) return false;
  if (auto entries = table.lock.lock(); room_for_run(table, *entries, page) == nullptr)
    return false;
  FolioRun run = FolioRun::create(ALLOC_SITE);
  if (!run || is_dying_.load_relaxed()) return false;
  auto entries = table.lock.lock();
  Pte* e = room_for_run(table, *entries, page);
  if (e == nullptr) return false;
  const machine::MapRights rights = entry_rights(v.flags, true);
  for (Folio& f : run.release()) {
    f.set_exclusive(true);
    *e++ = Pte::leaf(f.address(), rights, 1);
  }
  entries->used += FolioRun::count;
  (void)resident_anonymous_.fetch_add_relaxed(FolioRun::count);
  return true;
}

/// A private page without an object, or the private copy of an object's page.
FaultResult AddressSpace::handle_anonymous(UserAddr page, Access access, const Vma& v,
                                           PteTable& table) {
  if (access == Access::write && takes_runs(v, page) && map_run(page, v, table))
    return FaultResult::done;
  Ref<Folio> fresh;
  bool is_clean = false;  // the fresh page holds zeros
  for (;;) {
    {
      auto entries = table.lock.lock();
      Pte& e = table.entry(page);
      Folio* const there = e.has_page() ? mem::folio_of(pfn_of(e.address())) : nullptr;
      if (access != Access::write) {
        if (e.has_page()) {
          // Another thread was faster, or the page was closed and is open again.
          const bool writable = there != nullptr && there->is_exclusive() &&
                                v.flags.has(VmaFlag::write) && e.is_writable();
          e = Pte::leaf(e.address(), entry_rights(v.flags, writable), 1);
          return FaultResult::done;
        }
        if (is_asked_for(v)) return FaultResult::unanswered;
        e = Pte::leaf(phys_of(mem::zero_page()), entry_rights(v.flags, false), 1);
        ++entries->used;
        return FaultResult::done;
      }
      if (!e.has_page() && is_asked_for(v)) return FaultResult::unanswered;
      if (there != nullptr && (there->is_exclusive() || there->has_one_owner())) {
        // The only reference is ours: nobody else can see the page, nor will.
        there->set_exclusive(true);
        // More rights for the same page: a CPU that remembers fewer faults once more, and finds
        // this.
        e = Pte::leaf(e.address(), entry_rights(v.flags, true), 1);
        return FaultResult::done;
      }
      if (fresh) {
        const auto bytes = fresh->bytes();
        if (there != nullptr)
          std::copy_n(there->bytes().begin(), page_size, bytes.begin());
        else if (!is_clean)
          fill_bytes(bytes);
        if (e.has_page()) {
          // No CPU reads the old page any more when the first one can write to the new page.
          e = Pte{};
          root_->flush(page, page + page_size);
        } else {
          ++entries->used;
        }
        fresh->set_exclusive(true);
        e = Pte::leaf(fresh->address(), entry_rights(v.flags, true), 1);
        (void)fresh.release();
        if (there == nullptr)
          (void)resident_anonymous_.fetch_add_relaxed(1);
        else
          (void)Ref<Folio>::adopt(there);
        return FaultResult::done;
      }
      // To be overwritten, if the page to copy is still there then.
      is_clean = there == nullptr;
    }
    if (is_dying_.load_relaxed()) return FaultResult::no_memory;
    // Allocated without the lock; then everything is looked at again.
    Result<Ref<Folio>> made =
        Folio::create(ALLOC_SITE, true, is_clean ? mem::Fill::zero : mem::Fill::overwrite);
    if (!made.ok()) return FaultResult::no_memory;
    fresh = made.take();
  }
}

FaultResult AddressSpace::handle_object(Vma& v, UserAddr page, Access access, PteTable& table) {
  // It may have gone since somebody looked.
  if (is_asked_for(v) && is_missing(v, page, table)) return FaultResult::unanswered;
  Result<Ref<Folio>> found = v.object->folio(v.index_of(page));
  if (!found.ok())
    return found.error() == Errno::enomem ? FaultResult::no_memory : FaultResult::no_page;
  Ref<Folio> folio = found.take();
  const bool shared = v.flags.has(VmaFlag::shared);
  if (shared || access != Access::write) {
    auto entries = table.lock.lock();
    // The object was cut off meanwhile: the fault is taken again.
    if (!v.object->holds(v.index_of(page), *folio)) return FaultResult::done;
    Pte& e = table.entry(page);
    const bool writable = shared && v.flags.has(VmaFlag::write);
    if (e.has_page()) {
      if (folio->address() == e.address())
        e = Pte::leaf(e.address(), entry_rights(v.flags, writable), 1);
      else if (const Folio* own = mem::folio_of(pfn_of(e.address())); own != nullptr && !shared)
        e = Pte::leaf(e.address(),
                      entry_rights(v.flags, own->is_exclusive() && v.flags.has(VmaFlag::write)), 1);
      return FaultResult::done;
    }
    e = Pte::leaf(folio->address(), entry_rights(v.flags, writable), 1);
    ++entries->used;
    (void)folio.release();
    (void)resident_object_.fetch_add_relaxed(1);
    return FaultResult::done;
  }
  if (is_dying_.load_relaxed()) return FaultResult::no_memory;
  // A private copy of the object's page.
  Result<Ref<Folio>> made = Folio::create(ALLOC_SITE, true, mem::Fill::overwrite);
  if (!made.ok()) return FaultResult::no_memory;
  Ref<Folio> own = made.take();
  std::copy_n(folio->bytes().begin(), page_size, own->bytes().begin());
  Ref<Folio> old;
  {
    auto entries = table.lock.lock();
    // The object was cut off meanwhile: the fault is taken again.
    if (!v.object->holds(v.index_of(page), *folio)) return FaultResult::done;
    Pte& e = table.entry(page);
    if (e.has_page() && e.address() != folio->address()) return FaultResult::done;
    if (e.has_page()) {
      // No CPU reads the old page any more when the first one can write to the new page.
      e = Pte{};
      root_->flush(page, page + page_size);
      old = Ref<Folio>::adopt(folio.get());
      (void)resident_object_.fetch_sub_relaxed(1);
    } else {
      ++entries->used;
    }
    own->set_exclusive(true);
    e = Pte::leaf(own->address(), entry_rights(v.flags, true), 1);
    (void)own.release();
    (void)resident_anonymous_.fetch_add_relaxed(1);
  }
  return FaultResult::done;
}

/// Pages around one that was just read, as far as they are in memory: they are wanted next.
void AddressSpace::map_around(const Vma& v, UserAddr page, PteTable& table) {
  constexpr u64 window = 16;
  const UserAddr aligned(align_down(page.value, window * page_size));
  const UserAddr start = std::max(aligned, v.start);
  const UserAddr end = std::min(aligned + window * page_size, v.end);
  std::array<Ref<Folio>, window> folios;
  const auto found = std::span(folios).first((end - start) / page_size);
  v.object->resident(v.index_of(start), found);
  const machine::MapRights rights =
      entry_rights(v.flags, v.flags.has(VmaFlag::shared) && v.flags.has(VmaFlag::write));
  auto entries = table.lock.lock();
  u32 added = 0;
  for (usize i = 0; i < found.size(); ++i) {
    const UserAddr at = start + i * page_size;
    if (!found[i] || table.entry(at).has_page() || !v.object->holds(v.index_of(at), *found[i]))
      continue;
    table.entry(at) = Pte::leaf(found[i].release()->address(), rights, 1);
    ++added;
  }
  entries->used += added;
  (void)resident_object_.fetch_add_relaxed(added);
}

FaultResult AddressSpace::handle(Vma& v, UserAddr page, Access access) {
  if (!allows(v.flags, access)) return FaultResult::no_permission;
  Result<PteTable*> made = root_->make(page);
  if (!made.ok()) return FaultResult::no_memory;
  PteTable& table = *made.take();
  if (v.object.get() == nullptr) return handle_anonymous(page, access, v, table);
  if (access == Access::write && !v.flags.has(VmaFlag::shared)) {
    // A page that is private already is copied like anonymous memory.
    bool is_private = false;
    {
      auto entries = table.lock.lock();
      const Pte& e = table.entry(page);
      if (e.has_page()) {
        const Folio* const f = mem::folio_of(pfn_of(e.address()));
        is_private = f != nullptr && f->is_anonymous();
      }
    }
    if (is_private) return handle_anonymous(page, access, v, table);
  }
  const FaultResult r = handle_object(v, page, access, table);
  if (r == FaultResult::done && access != Access::write) map_around(v, page, table);
  return r;
}

/// What a fault asks somebody else.
class AddressSpace::Question {
  const FaultBy by_;
  Ref<FaultWatch> watch_;  ///< who was asked
  FaultWatch::Ask ask_;

 public:
  Question(FaultBy by, UserAddr va, Access access) : by_(by), ask_(va, access) {}
  ~Question() = default;
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;
  bool may_be_put(const FaultWatch& w) const {
    if (w.fails.load_relaxed() || by_ == FaultBy::onlooker) return false;
    return by_ == FaultBy::program || !w.is_for_programs_only;
  }
  void put(FaultWatch& w) {
    watch_ = Ref<FaultWatch>(w);
    w.add(ask_);
  }
  /// No area is held. `unanswered`: look again.
  FaultResult wait() {
    // The page went between two looks, and nobody was asked.
    if (!watch_) return FaultResult::unanswered;
    const auto lets_through =
        by_ == FaultBy::program ? sched::Interruptible::any : sched::Interruptible::fatal;
    const sched::WaitResult r = watch_->wait(ask_, lets_through);
    if (r != sched::WaitResult::interrupted) return FaultResult::unanswered;
    return by_ == FaultBy::program ? FaultResult::done : FaultResult::no_page;
  }
};

/// As handle(), where somebody may fill pages. `unanswered`: the question was put, if there is one.
/// The area is counted, or the lock is held.
FaultResult AddressSpace::handle_or_ask(Vma& v, UserAddr va, Access access, Question* question) {
  const UserAddr page(align_down(va.value, page_size));
  const FaultResult r = handle(v, page, access);
  if (r != FaultResult::unanswered || question == nullptr) return r;
  if (!question->may_be_put(*v.watch)) return FaultResult::no_page;
  question->put(*v.watch);
  // Who has filled it before the question was there wakes nobody.
  PteTable* const table = root_->find(page);
  if (table == nullptr || !is_missing(v, page, *table) || v.watch->is_closed.load_acquire())
    v.watch->wake(page, page + page_size);
  return FaultResult::unanswered;
}

FaultResult AddressSpace::fault(UserAddr va, Access access, FaultBy by) {
  const FaultResult r = try_fault(va, access, nullptr);
  return r == FaultResult::unanswered ? ask_for(va, access, by) : r;
}

AUK_NOINLINE FaultResult AddressSpace::ask_for(UserAddr va, Access access, FaultBy by) {
  for (;;) {
    Question question(by, va, access);
    const FaultResult r = try_fault(va, access, &question);
    if (r != FaultResult::unanswered) return r;
    if (const FaultResult after = question.wait(); after != FaultResult::unanswered) return after;
  }
}

FaultResult AddressSpace::try_fault(UserAddr va, Access access, Question* question) {
  Vma* v = nullptr;
  {
    const core::RcuReader reader;
    v = vma(areas_.guess(va, reader));
    if (v != nullptr && !v->lock.try_read(rounds_)) v = nullptr;
  }
  if (v != nullptr) {
    // Counted: it stays as it is. It may be the wrong one, if the tree was changing.
    v->lock.begin_read();
    const bool right = v->contains(va);
    const FaultResult r = right ? handle_or_ask(*v, va, access, question) : FaultResult::no_mapping;
    v->lock.end_read(rounds_);
    if (right) return r;
  }
  const auto reading = lock_.reading();
  v = find(va);
  return v == nullptr ? FaultResult::no_mapping : handle_or_ask(*v, va, access, question);
}

Result<Ref<Folio>> AddressSpace::page_of(UserAddr va, Access access, bool pin, FaultBy by) {
  if (va.value >= core::user_end) return Errno::efault;
  {
    // Not even made for who may not see it.
    const auto reading = lock_.reading();
    const Vma* const v = find(va);
    if (v != nullptr && v->object && v->object->is_secret()) return Errno::efault;
  }
  for (;;) {
    switch (fault(va, access, by)) {
      case FaultResult::done: break;
      case FaultResult::no_memory: return Errno::enomem;
      default: return Errno::efault;
    }
    if (sched::current().has_work(sched::Interruptible::fatal)) return Errno::efault;
    const auto reading = lock_.reading();
    if (find(va) == nullptr) continue;
    PteTable* const table = root_->find(va);
    if (table == nullptr) continue;
    auto entries = table->lock.lock();
    const Pte e = table->entry(va);
    // It may have gone again.
    if (!e.is_present() || !e.is_user() || (access == Access::write && !e.is_writable())) continue;
    Folio* const f = mem::folio_of(pfn_of(e.address()));
    if (f == nullptr) return Ref<Folio>();
    if (f->is_secret()) return Errno::efault;
    if (pin) f->pin();
    return Ref<Folio>(*f);
  }
}

}  // namespace auk::vm
