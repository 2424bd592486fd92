#include "vm/object.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "core/rcu.hpp"
#include "vm/space.hpp"

namespace auk::vm {

Folio* FolioTree::find(u64 index) const {
  const u32 height = height_.load_acquire();
  const Node* node = root_.load_acquire();
  if (node == nullptr || (height * bits < 64 && index >> (height * bits) != 0)) return nullptr;
  for (u32 level = height; level > 1 && node != nullptr; --level)
    node = static_cast<const Node*>(
        node->slots[(index >> ((level - 1) * bits)) % fan_out].load_acquire());
  if (node == nullptr) return nullptr;
  return static_cast<Folio*>(node->slots[index % fan_out].load_acquire());
}

Result<void> FolioTree::insert(u64 index, Folio& f) {
  const auto make_node = []() -> Result<Node*> {
    return ::new (TRY(mem::allocate(ALLOC_SITE, sizeof(Node)))) Node;
  };
  if (root_.load_relaxed() == nullptr) {
    root_.store_release(TRY(make_node()));
    height_.store_release(1);
  }
  while (height_.load_relaxed() * bits < 64 && index >> (height_.load_relaxed() * bits) != 0) {
    Node* const above = TRY(make_node());
    above->slots[0].store_relaxed(root_.load_relaxed());
    // A reader that sees the new root with the old height finds nothing, and asks under the lock.
    root_.store_release(above);
    height_.store_release(height_.load_relaxed() + 1);
  }
  Node* node = root_.load_relaxed();
  for (u32 level = height_.load_relaxed(); level > 1; --level) {
    Atomic<void*>& slot = node->slots[(index >> ((level - 1) * bits)) % fan_out];
    if (slot.load_relaxed() == nullptr) slot.store_release(TRY(make_node()));
    node = static_cast<Node*>(slot.load_relaxed());
  }
  Atomic<void*>& slot = node->slots[index % fan_out];
  if (slot.load_relaxed() != nullptr) return Errno::eexist;
  slot.store_release(&f);
  return {};
}

Folio* FolioTree::remove(u64 index) {
  const u32 height = height_.load_relaxed();
  Node* node = root_.load_relaxed();
  if (node == nullptr || (height * bits < 64 && index >> (height * bits) != 0)) return nullptr;
  for (u32 level = height; level > 1 && node != nullptr; --level)
    node =
        static_cast<Node*>(node->slots[(index >> ((level - 1) * bits)) % fan_out].load_relaxed());
  if (node == nullptr) return nullptr;
  return static_cast<Folio*>(node->slots[index % fan_out].exchange_acq_rel(nullptr));
}

bool FolioTree::next_index(u64& index) const {
  for (;;) {
    const u32 height = height_.load_acquire();
    const Node* node = root_.load_acquire();
    if (node == nullptr || (height * bits < 64 && index >> (height * bits) != 0)) return false;
    u32 level = height;
    bool gap = false;
    for (; level > 1; --level) {
      node = static_cast<const Node*>(
          node->slots[(index >> ((level - 1) * bits)) % fan_out].load_acquire());
      if (node == nullptr) {
        gap = true;
        break;
      }
    }
    if (!gap) {
      level = 1;
      if (node->slots[index % fan_out].load_acquire() != nullptr) return true;
    }
    // Behind what the empty slot covers.
    const u64 span = u64{1} << ((level - 1) * bits);
    const u64 next = (index | (span - 1)) + 1;
    if (next <= index) return false;
    index = next;
  }
}

void FolioTree::free_node(Node* n, u32 height) {
  for (Atomic<void*>& slot : n->slots) {
    void* const below = slot.load_relaxed();
    if (below == nullptr) continue;
    if (height > 1)
      free_node(static_cast<Node*>(below), height - 1);
    else
      (void)Ref<Folio>::adopt(static_cast<Folio*>(below));
  }
  mem::free(n);
}

void FolioTree::clear() {
  if (Node* const root = root_.load_relaxed()) free_node(root, height_.load_relaxed());
  root_.store_relaxed(nullptr);
  height_.store_relaxed(0);
}

Result<Ref<PageCache>> PageCache::create_promised(u64 size, const commit::Asker& who) {
  Ref<PageCache> c = TRY(create());
  const u64 pages = (size + page_size - 1) / page_size;
  TRY(commit::charge(pages, who));
  c->promised_ = pages;
  c->grow(size);
  return c;
}

PageCache::~PageCache() {
  if (budget_) budget_->give_back(pages());
  commit::release(promised_ != 0 ? promised_ : pages_.load_relaxed());
}

Result<Ref<Folio>> PageCache::find(u64 index) {
  auto tree = tree_.lock();
  Folio* const f = tree->find(index);
  if (f == nullptr) return Errno::enoent;
  return Ref<Folio>(*f);
}

Result<Ref<Folio>> PageCache::find_or_make(u64 index) {
  Result<Ref<Folio>> found = find(index);
  if (found.ok()) return found;
  TRY(charge_page());
  Result<Ref<Folio>> made = Folio::create(ALLOC_SITE, false);
  if (!made.ok()) {
    release_page();
    return made;
  }
  const Ref<Folio> fresh = made.take();
  Ref<Folio> other;
  Result<void> inserted;
  {
    auto tree = tree_.lock();
    if (Folio* const there = tree->find(index)) {
      other = Ref<Folio>(*there);
    } else if (inserted = tree->insert(index, *fresh); inserted.ok()) {
      // The tree's own reference.
      (void)Ref<Folio>(*fresh).release();
      (void)pages_.fetch_add_relaxed(1);
      return fresh;
    }
  }
  // Somebody was faster, or there is no memory.
  release_page();
  if (!inserted.ok()) return inserted.error();
  return other;
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
  // First the end: whoever moved it back had taken the page out of the tree before. The nodes of
  // the tree stay as long as the cache, so they can be looked at without the lock.
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
    Folio* gone = nullptr;
    {
      auto tree = tree_.lock();
      if (!tree->next_index(index)) break;
      gone = tree->remove(index);
    }
    if (gone != nullptr) {
      (void)Ref<Folio>::adopt(gone);
      (void)pages_.fetch_sub_relaxed(1);
      release_page();
    }
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
