#include "vm/folio_tree.hpp"

namespace auk::vm {
namespace {

constinit mem::Cache node_cache("folio_tree", sizeof(FolioTree::Node));

}  // namespace

mem::Cache& FolioTree::Node::cache() { return node_cache; }

void FolioTree::put(Node& n, u64 index, void* what) {
  n.slot(index).store_release(what);
  ++n.used_;
}

void FolioTree::take(Node& n, u64 index) {
  n.slot(index).store_release(nullptr);
  --n.used_;
}

void FolioTree::Node::destroy_all() {
  for (Atomic<void*>& at : slots_) {
    void* const it = at.load_relaxed();
    if (it == nullptr) continue;
    if (shift_ == 0)
      (void)Ref<Folio>::adopt(static_cast<Folio*>(it));
    else
      static_cast<Node*>(it)->destroy_all();
  }
  mem::destroy(this);
}

FolioTree::~FolioTree() {
  if (Node* const root = root_.load_acquire()) root->destroy_all();
}

FolioTree::Node* FolioTree::leaf(u64 index) const {
  Node* n = root_.load_acquire();
  if (n == nullptr || !n->covers(index)) return nullptr;
  while (n != nullptr && n->shift_ != 0) n = n->below(index);
  return n;
}

Folio* FolioTree::find(u64 index) const {
  Node* const at = leaf(index);
  return at == nullptr ? nullptr : static_cast<Folio*>(at->slot(index).load_acquire());
}

bool FolioTree::next_index(u64& index) const {
  for (;;) {
    Node* n = root_.load_acquire();
    if (n == nullptr || !n->covers(index)) return false;
    while (n->shift_ != 0) {
      Node* const below = n->below(index);
      if (below == nullptr) break;
      n = below;
    }
    if (n->shift_ == 0 && n->slot(index).load_acquire() != nullptr) return true;
    // Behind what the empty slot covers.
    const u64 last = index | ((u64{1} << n->shift_) - 1);
    if (last == ~u64{0}) return false;
    index = last + 1;
  }
}

Result<void> FolioTree::insert(u64 index, Folio& f, mem::Box<Node>& spare) {
  for (;;) {
    Node* const top = root_.load_relaxed();
    if (top != nullptr && top->covers(index)) break;
    if (!spare) return Errno::eagain;
    Node* const above = spare.release();
    if (top != nullptr) {
      above->shift_ = top->shift_ + bits;
      put(*above, 0, top);
    } else {
      while (!above->covers(index)) above->shift_ += bits;
    }
    root_.store_release(above);
  }
  Node* n = root_.load_relaxed();
  while (n->shift_ != 0) {
    Node* below = n->below(index);
    if (below == nullptr) {
      if (!spare) return Errno::eagain;
      below = spare.release();
      below->shift_ = n->shift_ - bits;
      put(*n, index, below);
    }
    n = below;
  }
  if (n->slot(index).load_relaxed() != nullptr) return Errno::eexist;
  put(*n, index, &f);
  return {};
}

Ref<Folio> FolioTree::remove(u64 index) {
  Node* const at = leaf(index);
  if (at == nullptr) return {};
  auto* const f = static_cast<Folio*>(at->slot(index).load_relaxed());
  if (f == nullptr) return {};
  take(*at, index);
  if (at->used_ == 0) prune(index);
  return Ref<Folio>::adopt(f);
}

void FolioTree::prune(u64 index) {
  std::array<Node*, most_levels> way{};
  usize depth = 0;
  Node* n = root_.load_relaxed();
  if (n != nullptr && !n->covers(index)) n = nullptr;
  for (; n != nullptr; n = n->shift_ == 0 ? nullptr : n->below(index)) way[depth++] = n;
  for (; depth > 0 && way[depth - 1]->used_ == 0; --depth) {
    if (depth > 1)
      take(*way[depth - 2], index);
    else
      root_.store_release(nullptr);
    core::rcu_call(*way[depth - 1]);
  }
  for (;;) {
    Node* const top = root_.load_relaxed();
    if (top == nullptr || top->shift_ == 0 || top->used_ != 1 || top->below(0) == nullptr) return;
    root_.store_release(top->below(0));
    core::rcu_call(*top);
  }
}

}  // namespace auk::vm
