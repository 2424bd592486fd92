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

PageCache::~PageCache() {
  if (source_ != nullptr) return;
  if (budget_) budget_->give_back(pages());
  commit::release(promised_ != 0 ? promised_ : pages_.load_relaxed());
}

Result<Ref<Folio>> PageCache::find(u64 index) {
  auto tree = tree_.lock();
  Folio* const f = tree->find(index);
  if (f == nullptr) return Errno::enoent;
  return Ref<Folio>(*f);
}

std::optional<u64> PageCache::next_page(u64 index) const {
  // What a source has is not known before it is asked.
  if (source_ != nullptr) return index;
  const core::RcuReader reader;
  if (!look_->next_index(index)) return std::nullopt;
  return index;
}

u64 PageCache::next_gap(u64 index) const {
  if (source_ != nullptr) return std::max(index, (size() + page_size - 1) / page_size);
  for (;;) {
    const core::RcuReader reader;
    constexpr u32 looks = 256;  // before somebody else may run
    for (u32 i = 0; i < looks; ++i, ++index)
      if (look_->find(index) == nullptr) return index;
  }
}

Result<Ref<Folio>> PageCache::read(u64 index) {
  Result<Ref<Folio>> found = find(index);
  if (found.ok() || source_ == nullptr) return found;
  bool is_new = false;
  return put(index, TRY(source_->read_page(index)), is_new);
}

Result<Ref<Folio>> PageCache::find_or_make(u64 index) {
  Result<Ref<Folio>> found = find(index);
  if (found.ok()) return found;
  if (source_ != nullptr) {
    Result<Ref<Folio>> there = read(index);
    bool is_new = false;
    // A page of zeros stands for a hole where a program maps it.
    return !there.ok() && there.error() == Errno::enoent ? make(index, is_new) : std::move(there);
  }
  TRY(charge_page());
  bool is_new = false;
  Result<Ref<Folio>> made = make(index, is_new);
  if (!is_new) release_page();
  return made;
}

Result<Ref<Folio>> PageCache::make(u64 index, bool& is_new) {
  return put(index, TRY(Folio::create(ALLOC_SITE, false)), is_new);
}

/// A fresh page in its place, or who was faster: that one. ENOMEM.
Result<Ref<Folio>> PageCache::put(u64 index, Ref<Folio> fresh, bool& is_new) {
  mem::Box<FolioTree::Node> spare;
  for (;;) {
    {
      auto tree = tree_.lock();
      if (Folio* const there = tree->find(index)) return Ref<Folio>(*there);
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

/// One page more: ENOMEM when it cannot be promised, ENOSPC when the file system may not have it.
Result<void> PageCache::charge_page() {
  if (budget_ && !budget_->take()) return Errno::enospc;
  if (promised_ != 0) return {};
  const Result<void> r = commit::charge(1, {});
  if (!r.ok() && budget_) budget_->give_back(1);
  return r;
}

void PageCache::release_page() {
  if (budget_) budget_->give_back(1);
  if (promised_ == 0) commit::release(1);
}

void PageCache::resident(u64 index, std::span<Ref<Folio>> out) {
  auto tree = tree_.lock();
  for (usize i = 0; i < out.size(); ++i)
    if (Folio* const f = tree->find(index + i)) out[i] = Ref<Folio>(*f);
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

void MemObject::unmap_from(u64 index) {
  auto list = mappings.lock();
  for (Mapping& m : *list) {
    const u64 pages = m.size() / page_size;
    if (m.page_offset + pages <= index) continue;
    const u64 skip = index > m.page_offset ? index - m.page_offset : 0;
    m.space->forget_pages(m.start + skip * page_size, m.end);
  }
}

void PageCache::truncate(u64 size) {
  const u64 old = size_.exchange_acq_rel(size);
  if (size >= old) return;
  const u64 first_gone = (size + page_size - 1) / page_size;
  unmap_from(first_gone);
  for (u64 index = first_gone;;) {
    // In pieces, so that the lock is not held for long.
    Ref<Folio> gone;
    {
      auto tree = tree_.lock();
      if (!tree->next_index(index)) break;
      gone = tree->remove(index);
    }
    gone = {};
    (void)pages_.fetch_sub_relaxed(1);
    release_page();
    ++index;
  }
  const usize inside = size % page_size;
  if (inside == 0) return;
  if (Result<Ref<Folio>> last = find(size / page_size); last.ok()) {
    const Ref<Folio> f = last.take();
    const auto rest = f->bytes().subspan(inside);
    fill_bytes(rest);
  }
}

}  // namespace auk::vm
