// Page faults: what a missing or protected entry means, and how it is mended.
#include <algorithm>

#include "base/math.hpp"
#include "vm/space.hpp"

namespace auk::vm {
namespace {

using machine::Pte;
using mem::PteTable;

bool allows(VmaFlags f, Access a) {
  switch (a) {
    case Access::write: return f.has(VmaFlag::write);
    case Access::execute: return f.has(VmaFlag::execute);
    case Access::read: return is_accessible(f);
  }
  return false;
}

}  // namespace

FaultResult AddressSpace::handle_anonymous(UserAddr page, Access access, const Vma& v,
                                           PteTable& table) {
  Ref<Folio> fresh;
  for (;;) {
    bool copy = false;
    {
      auto entries = table.lock.lock();
      Pte& e = table.entry(page);
      Folio* const there = e.is_present() ? mem::folio_of(pfn_of(e.address())) : nullptr;
      if (access != Access::write) {
        if (e.is_present()) {
          // Another thread was faster, or the page was closed and is open again.
          const bool writable = there != nullptr && there->is_exclusive() &&
                                v.flags.has(VmaFlag::write) && e.is_writable();
          e = Pte::leaf(e.address(), entry_rights(v.flags, writable), 1);
          return FaultResult::done;
        }
        e = Pte::leaf(phys_of(mem::zero_page()), entry_rights(v.flags, false), 1);
        ++entries->used;
        return FaultResult::done;
      }
      if (there != nullptr && (there->is_exclusive() || there->ref_count() == 1)) {
        // The only reference is ours: nobody else can see the page, nor will.
        there->set_exclusive(true);
        e = Pte::leaf(e.address(), entry_rights(v.flags, true), 1);
        root_->flush(page, page + page_size);
        return FaultResult::done;
      }
      if (fresh.get() != nullptr) {
        if (there != nullptr) {
          const auto from = there->bytes();
          std::copy(from.begin(), from.end(), fresh->bytes().begin());
        }
        const bool was_present = e.is_present();
        fresh->set_exclusive(true);
        e = Pte::leaf(fresh->address(), entry_rights(v.flags, true), 1);
        (void)fresh.release();
        if (was_present)
          root_->flush(page, page + page_size);
        else
          ++entries->used;
        if (there == nullptr)
          (void)resident_.fetch_add_relaxed(1);
        else
          (void)Ref<Folio>::adopt(there);
        return FaultResult::done;
      }
      copy = there != nullptr;
    }
    // Allocated without the lock; then everything is looked at again.
    Result<Ref<Folio>> made =
        Folio::create(ALLOC_SITE, true, copy ? mem::Fill::overwrite : mem::Fill::zero);
    if (!made.ok()) return FaultResult::no_memory;
    fresh = made.take();
    if (!copy) continue;
    // What was to be overwritten may have become a zero page meanwhile.
    auto entries = table.lock.lock();
    const Pte& e = table.entry(page);
    if (!e.is_present() || mem::folio_of(pfn_of(e.address())) == nullptr) {
      const auto all = fresh->bytes();
      std::fill(all.begin(), all.end(), byte{0});
    }
  }
}

FaultResult AddressSpace::handle_object(Vma& v, UserAddr page, Access access, PteTable& table) {
  Result<Ref<Folio>> found = v.object->folio(v.index_of(page));
  if (!found.ok())
    return found.error() == Errno::enomem ? FaultResult::no_memory : FaultResult::no_page;
  Ref<Folio> folio = found.take();
  const bool shared = v.flags.has(VmaFlag::shared);
  if (shared || access != Access::write) {
    auto entries = table.lock.lock();
    if (!v.object->has_index(v.index_of(page))) return FaultResult::no_page;
    Pte& e = table.entry(page);
    const bool writable = shared && v.flags.has(VmaFlag::write);
    if (e.is_present()) {
      if (folio->address() == e.address())
        e = Pte::leaf(e.address(), entry_rights(v.flags, writable), 1);
      else if (const Folio* own = mem::folio_of(pfn_of(e.address())); own != nullptr && !shared)
        e = Pte::leaf(e.address(),
                      entry_rights(v.flags, own->is_exclusive() && v.flags.has(VmaFlag::write)), 1);
      root_->flush(page, page + page_size);
      return FaultResult::done;
    }
    e = Pte::leaf(folio->address(), entry_rights(v.flags, writable), 1);
    ++entries->used;
    (void)folio.release();
    (void)resident_.fetch_add_relaxed(1);
    return FaultResult::done;
  }
  // A private copy of the object's page.
  Result<Ref<Folio>> made = Folio::create(ALLOC_SITE, true, mem::Fill::overwrite);
  if (!made.ok()) return FaultResult::no_memory;
  Ref<Folio> own = made.take();
  const auto from = folio->bytes();
  std::copy(from.begin(), from.end(), own->bytes().begin());
  Ref<Folio> old;
  {
    auto entries = table.lock.lock();
    if (!v.object->has_index(v.index_of(page))) return FaultResult::no_page;
    Pte& e = table.entry(page);
    if (e.is_present() && e.address() != folio->address()) return FaultResult::done;
    const bool was_present = e.is_present();
    own->set_exclusive(true);
    e = Pte::leaf(own->address(), entry_rights(v.flags, true), 1);
    (void)own.release();
    if (was_present) {
      root_->flush(page, page + page_size);
      old = Ref<Folio>::adopt(folio.get());
    } else {
      ++entries->used;
      (void)resident_.fetch_add_relaxed(1);
    }
  }
  return FaultResult::done;
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
      if (e.is_present()) {
        const Folio* const f = mem::folio_of(pfn_of(e.address()));
        is_private = f != nullptr && f->is_anonymous();
      }
    }
    if (is_private) return handle_anonymous(page, access, v, table);
  }
  return handle_object(v, page, access, table);
}

bool AddressSpace::grow_stack(UserAddr va, u64 stack_limit) {
  const auto writing = lock_.writing();
  Vma* const v = find_at_or_after(va);
  if (v == nullptr) return false;
  const UserAddr start(align_down(va.value, page_size));
  if (v->start <= start) return true;
  if (!v->flags.has(VmaFlag::grows_down) || v->end - start > stack_limit) return false;
  constexpr u64 guard = 256 * page_size;
  auto it = areas_.iterator_to(*v);
  if (it != areas_.begin()) {
    const Vma& below = *--it;
    if (below.end + guard > start && below.flags.has(VmaFlag::write)) return false;
  }
  mapped_pages_ += (v->start - start) / page_size;
  v->page_offset -= std::min(v->page_offset, (v->start - start) / page_size);
  v->start = start;
  return true;
}

FaultResult AddressSpace::fault(UserAddr va, Access access, u64 stack_limit) {
  const UserAddr page(align_down(va.value, page_size));
  for (bool grown = false;; grown = true) {
    {
      const auto reading = lock_.reading();
      if (Vma* const v = find(va)) return handle(*v, page, access);
    }
    if (grown || !grow_stack(va, stack_limit)) return FaultResult::no_mapping;
  }
}

}  // namespace auk::vm
