#include "vm/object.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "core/rcu.hpp"
#include "vm/space.hpp"

namespace auk::vm {

Result<Ref<PageCache>> PageCache::create_promised(u64 size, const commit::Asker& who) {
  Ref<PageCache> c = TRY(create());
  const u64 pages = (size + page_size - 1) / page_size;
  TRY(commit::charge(pages, who));
  c->promised_ = pages;
  c->grow(size);
  return c;
}

Result<Ref<PageCache>> PageCache::create_read_only(PageSource& source, u64 size) {
  Ref<PageCache> c = TRY(create());
  c->source_ = &source;
  c->grow(size);
  return c;
}

Result<Ref<PageCache>> PageCache::create_secret(Ref<PageBudget> budget) {
  Ref<PageCache> c = TRY(create(std::move(budget)));
  c->is_secret_ = true;
  return c;
}

PageCache::~PageCache() {
  if (source_ != nullptr) return;
  if (budget_) budget_->give_back(pages());
  commit::release(promised_ != 0 ? promised_ : pages_.load_relaxed());
}

Result<Ref<Folio>> PageCache::find(u64 index) {
  auto tree = tree_.lock();
  Folio* const f = tree->find(index);
  if (f == nullptr || f->is_blank()) return Errno::enoent;
  return Ref<Folio>(*f);
}

namespace {
constexpr u32 looks_at_once = 256;  ///< before somebody else may run
}

std::optional<u64> PageCache::next_page(u64 index) {
  // What a source has is not known before it is asked.
  if (source_ != nullptr) return index;
  for (;;) {
    auto tree = tree_.lock();
    for (u32 i = 0; i < looks_at_once; ++i, ++index) {
      if (!tree->next_index(index)) return std::nullopt;
      if (!tree->find(index)->is_blank()) return index;
    }
  }
}

u64 PageCache::next_gap(u64 index) {
  if (source_ != nullptr) return std::max(index, (size() + page_size - 1) / page_size);
  for (;;) {
    auto tree = tree_.lock();
    for (u32 i = 0; i < looks_at_once; ++i, ++index) {
      const Folio* const f = tree->find(index);
      if (f == nullptr || f->is_blank()) return index;
    }
  }
}

Result<Ref<Folio>> PageCache::read(u64 index) {
  Result<Ref<Folio>> found = find(index);
  if (found.ok() || source_ == nullptr) return found;
  bool is_new = false;
  return put(index, TRY(source_->read_page(index)), is_new);
}

Result<Ref<Folio>> PageCache::find_or_make(u64 index) {
  {
    auto tree = tree_.lock();
    if (Folio* const there = tree->find(index)) {
      there->set_blank(false);
      return Ref<Folio>(*there);
    }
  }
  if (source_ != nullptr) {
    Result<Ref<Folio>> there = read(index);
    bool is_new = false;
    // A page of zeros stands for a hole where a program maps it.
    return !there.ok() && there.error() == Errno::enoent ? make(index, is_new) : std::move(there);
  }
  TRY(charge(1));
  bool is_new = false;
  Result<Ref<Folio>> made = make(index, is_new);
  if (!is_new) release(1);
  return made;
}

Result<Ref<Folio>> PageCache::make(u64 index, bool& is_new) {
  Ref<Folio> fresh =
      TRY(is_secret_ ? Folio::create_secret(ALLOC_SITE) : Folio::create(ALLOC_SITE, false));
  return put(index, std::move(fresh), is_new);
}

/// A fresh page in its place, or who was faster: that one. ENOMEM.
Result<Ref<Folio>> PageCache::put(u64 index, Ref<Folio> fresh, bool& is_new) {
  mem::Box<FolioTree::Node> spare;
  for (;;) {
    {
      auto tree = tree_.lock();
      if (Folio* const there = tree->find(index)) {
        if (!fresh->is_blank()) there->set_blank(false);
        return Ref<Folio>(*there);
      }
      if (tree->insert(index, *fresh, spare).ok()) {
        // The tree's own reference.
        (void)Ref<Folio>(*fresh).release();
        (void)pages_.fetch_add_relaxed(1);
        is_new = true;
        return fresh;
      }
    }
    Result<mem::Box<FolioTree::Node>> node = mem::Box<FolioTree::Node>::make(ALLOC_SITE);
    if (!node.ok()) {
      tree_.lock()->prune(index);
      return node.error();
    }
    spare = node.take();
  }
}

/// Pages to come: ENOMEM when they cannot be promised, ENOSPC when the file system may not have
/// them.
Result<void> PageCache::charge(u64 pages) {
  if (budget_ && !budget_->take(pages)) return Errno::enospc;
  if (promised_ != 0) return {};
  const Result<void> r = commit::charge(pages, {});
  if (!r.ok() && budget_) budget_->give_back(pages);
  return r;
}

void PageCache::release(u64 pages) {
  if (budget_) budget_->give_back(pages);
  if (promised_ == 0) commit::release(pages);
}

u64 PageCache::count_missing(u64 first, u64 end) const {
  u64 there = 0;
  for (u64 index = first;;) {
    const core::RcuReader reader;
    for (u32 i = 0; i < looks_at_once; ++i, ++index, ++there)
      if (!look_->next_index(index) || index >= end) return end - first - there;
  }
}

Result<void> PageCache::make_blank(u64 index, bool& is_new) {
  Ref<Folio> fresh = TRY(Folio::create(ALLOC_SITE, false));
  fresh->set_blank(true);
  TRY(put(index, std::move(fresh), is_new));
  return {};
}

Result<void> PageCache::reserve(u64 first, u64 end) {
  // Paid for at once, so that nothing happens if it is too much. Faults may need fewer.
  u64 paid = count_missing(first, end);
  TRY(charge(paid));
  Result<void> result;
  for (u64 index = first; index < end && paid > 0 && result.ok(); ++index) {
    {
      const core::RcuReader reader;
      if (look_->find(index) != nullptr) continue;
    }
    if (sched::current().has_work(sched::Interruptible::any)) {
      result = Errno::eintr;
      break;
    }
    bool is_new = false;
    result = make_blank(index, is_new);
    if (is_new) --paid;
  }
  release(paid);
  if (!result.ok()) remove(first, end, Which::blank);
  return result;
}

void PageCache::resident(u64 index, std::span<Ref<Folio>> out) {
  auto tree = tree_.lock();
  for (usize i = 0; i < out.size(); ++i)
    if (Folio* const f = tree->find(index + i); f != nullptr && !f->is_blank())
      out[i] = Ref<Folio>(*f);
}

Result<Ref<Folio>> PageCache::folio(u64 index) {
  if (index >= (size() + page_size - 1) / page_size) return Errno::efault;
  return find_or_make(index);
}

bool PageCache::holds(u64 index, const Folio& f) const {
  // First the end: whoever moved it back had taken the page out of the tree before.
  const core::RcuReader reader;
  return index < (size() + page_size - 1) / page_size && look_->find(index) == &f;
}

bool PageCache::is_missing(u64 index) const {
  const core::RcuReader reader;
  return !is_behind_end(index) && look_->find(index) == nullptr;
}

Result<void> PageCache::add(u64 index, Ref<Folio> fresh) {
  if (is_behind_end(index)) return Errno::efault;
  TRY(charge(1));
  bool is_new = false;
  const Result<Ref<Folio>> there = put(index, std::move(fresh), is_new);
  if (!is_new) release(1);
  if (!there.ok()) return there.error();
  if (!is_new) return Errno::eexist;
  if (!is_behind_end(index)) return {};
  // Cut off meanwhile: what comes behind the end later begins with zeros.
  remove(index, index + 1);
  return Errno::efault;
}

void MemObject::unmap(u64 first, u64 end, Copies copies) {
  auto list = mappings.lock();
  for (Mapping& m : *list) {
    const u64 pages = m.size() / page_size;
    const u64 from = std::max(first, m.page_offset), to = std::min(end, m.page_offset + pages);
    if (from >= to) continue;
    const UserAddr start = m.start + (from - m.page_offset) * page_size;
    const UserAddr stop = m.start + (to - m.page_offset) * page_size;
    if (copies == Copies::go)
      m.space->forget_pages(start, stop);
    else
      m.space->forget_object_pages(start, stop);
  }
}

Result<void> WriterPermit::take(MemObject& o) {
  auto list = o.mappings.lock();
  if (!list->admits_writers) return Errno::eperm;
  ++list->writers_to_come;
  object_ = &o;
  return {};
}

WriterPermit::~WriterPermit() {
  if (object_ != nullptr) --object_->mappings.lock()->writers_to_come;
}

Result<void> MemObject::refuse_writers() {
  auto list = mappings.lock();
  if (list->writers_to_come > 0) return Errno::ebusy;
  for (const Mapping& m : *list) {
    const VmaFlags f = static_cast<const Vma&>(m).flags;
    if (f.has(VmaFlag::shared) && f.has(VmaFlag::may_write)) return Errno::ebusy;
  }
  // Who has pinned a page got it by a mapping that may be gone.
  if (has_pins()) return Errno::ebusy;
  list->admits_writers = false;
  return {};
}

bool PageCache::has_pins() {
  for (u64 index = 0;;) {
    auto tree = tree_.lock();
    for (u32 i = 0; i < looks_at_once; ++i, ++index) {
      if (!tree->next_index(index)) return false;
      if (tree->find(index)->is_pinned()) return true;
    }
  }
}

/// Takes pages out of the tree.
void PageCache::remove(u64 first, u64 end, Which which) {
  for (u64 index = first;; ++index) {
    // One by one, so that the lock is not held for long.
    Ref<Folio> gone;
    {
      auto tree = tree_.lock();
      if (!tree->next_index(index) || index >= end) return;
      if (which == Which::blank && !tree->find(index)->is_blank()) continue;
      gone = tree->remove(index);
    }
    gone = {};
    (void)pages_.fetch_sub_relaxed(1);
    release(1);
  }
}

/// Part of one page, if it is there.
void PageCache::zero(u64 start, u64 end) {
  if (start >= end) return;
  Result<Ref<Folio>> found = find(start / page_size);
  if (!found.ok()) return;
  const Ref<Folio> f = found.take();
  const std::span<byte> part = f->bytes().subspan(start % page_size, end - start);
  fill_bytes(part);
}

void PageCache::truncate(u64 size) {
  const u64 old = size_.exchange_acq_rel(size);
  if (size > old) return;
  const u64 first_gone = (size + page_size - 1) / page_size;
  if (size < old) unmap(first_gone, to_the_end, Copies::go);
  remove(first_gone, to_the_end);
  if (size < old && size % page_size != 0) zero(size, first_gone * page_size);
}

Result<void> PageCache::punch(u64 start, u64 end) {
  const u64 first = (start + page_size - 1) / page_size, last = end / page_size;
  if (first > last) {
    zero(start, end);
    return {};
  }
  zero(start, first * page_size);
  zero(last * page_size, end);
  // Out of the tree first: a fault that comes later does not find them.
  remove(first, last);
  unmap(first, last, Copies::stay);
  return {};
}

}  // namespace auk::vm
