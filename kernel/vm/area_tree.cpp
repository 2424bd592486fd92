#include "vm/area_tree.hpp"

#include <algorithm>
#include <array>
#include <new>

#include "base/bug.hpp"
#include "mem/alloc_site.hpp"

namespace auk::vm {
namespace {

constexpr u32 fan_out = 16;
constexpr u32 half = fan_out / 2;
/// Nodes with fewer slots join a neighbour if there is room.
constexpr u32 few = fan_out / 4;
constexpr u32 max_depth = 16;

}  // namespace

struct AreaTree::Node final : core::RcuHead {
  const bool is_leaf;
  Atomic<u32> used{0};
  std::array<Atomic<u64>, fan_out> keys{};
  std::array<Atomic<void*>, fan_out> slots{};
  std::array<u64, fan_out> gaps{};  // the writer's alone

  static mem::Cache& cache();
  explicit Node(bool leaf) : is_leaf(leaf) {}
  ~Node() = default;
  void retire() override { cache().free(this); }

  u32 count() const { return used.load_relaxed(); }
  Node& child(u32 i) const { return *static_cast<Node*>(slots[i].load_relaxed()); }
  UserAddr key(u32 i) const { return UserAddr(keys[i].load_relaxed()); }
  /// The last slot whose key is not behind the address; the first one if there is none.
  u32 index_of(UserAddr va) const {
    u32 i = count();
    while (i > 1 && key(i - 1) > va) --i;
    return i == 0 ? 0 : i - 1;
  }
  void set(u32 i, UserAddr k, void* slot, u64 gap) {
    keys[i].store_relaxed(k.value);
    slots[i].store_release(slot);
    gaps[i] = gap;
  }
  void copy(u32 to, const Node& from, u32 i) {
    set(to, from.key(i), from.slots[i].load_relaxed(), from.gaps[i]);
  }
  void open(u32 at, UserAddr k, void* slot, u64 gap) {
    const u32 n = count();
    for (u32 i = n; i > at; --i) copy(i, *this, i - 1);
    set(at, k, slot, gap);
    used.store_release(n + 1);
  }
  void close(u32 at) {
    const u32 n = count();
    for (u32 i = at; i + 1 < n; ++i) copy(i, *this, i + 1);
    truncate(n - 1);
  }
  void truncate(u32 n) {
    const u32 had = count();
    used.store_release(n);
    for (u32 i = n; i < had; ++i) slots[i].store_relaxed(nullptr);
  }
  u64 largest_gap() const {
    u64 most = 0;
    for (u32 i = 0; i < count(); ++i) most = std::max(most, gaps[i]);
    return most;
  }
};

struct AreaTree::Path {
  std::array<Step, max_depth> steps;
  u32 depth = 0;
  Step& leaf() { return steps[depth - 1]; }
};

namespace {
// The size of a node, rounded to what caches want.
constexpr u32 node_size = 416;
constinit mem::Cache node_cache("vm_area_node", node_size);
}  // namespace

mem::Cache& AreaTree::Node::cache() {
  static_assert(sizeof(Node) <= node_size);
  return node_cache;
}

Area* AreaTree::leaf_area(const Node& n, u32 index) {
  return static_cast<Area*>(n.slots[index].load_relaxed());
}

u64 AreaTree::gap_of(const Area& a) {
  const u64 bottom = a.below == nullptr ? floor : a.below->end.value;
  const u64 top = a.guarded_start().value;
  return top > bottom ? top - bottom : 0;
}

AreaTree::~AreaTree() {
  if (Node* const root = root_.load_relaxed()) free_nodes(*root);
  while (Node* const spare = spares_) {
    spares_ = static_cast<Node*>(spare->slots[0].load_relaxed());
    Node::cache().free(spare);
  }
}

/// No reader is left: the owner's last user has gone.
void AreaTree::free_nodes(Node& n) {
  if (!n.is_leaf)
    for (u32 i = 0; i < n.count(); ++i) free_nodes(n.child(i));
  Node::cache().free(&n);
}

AreaTree::Node* AreaTree::take_spare(bool is_leaf) {
  ASSERT(spares_ != nullptr);
  Node* const n = spares_;
  spares_ = static_cast<Node*>(n->slots[0].load_relaxed());
  --spare_count_;
  return ::new (static_cast<void*>(n)) Node(is_leaf);
}

Result<void> AreaTree::reserve(u32 inserts) {
  // Each insert splits at most one node of each level, and one that was split has room for the
  // next ones.
  u32 wanted = inserts + depth_ + 1;
  if (const Node* const root = root_.load_relaxed();
      root != nullptr && root->is_leaf && root->count() + inserts <= fan_out)
    wanted = 0;
  while (spare_count_ < wanted) {
    void* const at = TRY(Node::cache().allocate(ALLOC_SITE));
    auto* const fresh = ::new (at) Node(false);
    fresh->slots[0].store_relaxed(spares_);
    spares_ = fresh;
    ++spare_count_;
  }
  return {};
}

void AreaTree::find_path(UserAddr va, Path& path) const {
  path.depth = 0;
  for (Node* n = root_.load_relaxed(); n != nullptr;) {
    ASSERT(path.depth < max_depth);
    const u32 i = n->index_of(va);
    path.steps[path.depth++] = {n, i};
    n = n->is_leaf ? nullptr : &n->child(i);
  }
}

Area* AreaTree::find_at_or_after(UserAddr va) const {
  const Node* n = root_.load_relaxed();
  if (n == nullptr || count_ == 0) return nullptr;
  while (!n->is_leaf) n = &n->child(n->index_of(va));
  Area* a = leaf_area(*n, n->index_of(va));
  return a->end > va ? a : a->above;
}

Area* AreaTree::guess(UserAddr va, const core::RcuReader&) const {
  const Node* n = root_.load_acquire();
  while (n != nullptr) {
    u32 i = std::min(n->used.load_acquire(), fan_out);
    while (i > 1 && n->keys[i - 1].load_relaxed() > va.value) --i;
    void* const below = n->slots[i == 0 ? 0 : i - 1].load_acquire();
    if (n->is_leaf) return static_cast<Area*>(below);
    n = static_cast<const Node*>(below);
  }
  return nullptr;
}

/// The child at `index` is full, the parent is not.
void AreaTree::split_child(Node& parent, u32 index) {
  Node& left = parent.child(index);
  Node* const right = take_spare(left.is_leaf);
  for (u32 i = half; i < fan_out; ++i) right->copy(i - half, left, i);
  right->used.store_release(fan_out - half);
  parent.open(index + 1, right->key(0), right, right->largest_gap());
  left.truncate(half);
  parent.gaps[index] = left.largest_gap();
}

void AreaTree::insert(Area& a) {
  Node* n = root_.load_relaxed();
  if (n == nullptr) {
    n = take_spare(true);
    depth_ = 1;
    root_.store_release(n);
  }
  if (n->count() == fan_out) {
    Node* const above = take_spare(false);
    above->set(0, n->key(0), n, n->largest_gap());
    above->used.store_release(1);
    split_child(*above, 0);
    ++depth_;
    root_.store_release(above);
    n = above;
  }
  while (!n->is_leaf) {
    u32 i = n->index_of(a.start);
    if (n->child(i).count() == fan_out) {
      split_child(*n, i);
      if (n->key(i + 1) <= a.start) ++i;
    }
    if (n->key(i) > a.start) n->keys[i].store_relaxed(a.start.value);
    n = &n->child(i);
  }
  u32 at = 0;
  if (n->count() > 0) {
    const u32 i = n->index_of(a.start);
    at = n->key(i) > a.start ? 0 : i + 1;
    Area* const neighbour = leaf_area(*n, i);
    a.below = at == 0 ? neighbour->below : neighbour;
    a.above = at == 0 ? neighbour : neighbour->above;
  } else {
    a.below = a.above = nullptr;
  }
  ASSERT((a.below == nullptr || a.below->end <= a.start) &&
         (a.above == nullptr || a.end <= a.above->start));
  (a.below == nullptr ? first_ : a.below->above) = &a;
  (a.above == nullptr ? last_ : a.above->below) = &a;
  ++count_;
  n->open(at, a.start, &a, gap_of(a));
  refresh(a.start);
  if (a.above != nullptr) refresh(a.above->start);
}

/// The gap of the area at this place, and gaps and keys of the nodes above it.
void AreaTree::refresh(UserAddr va) {
  Path path;
  find_path(va, path);
  if (path.depth == 0) return;
  const auto& [leaf, index] = path.leaf();
  if (leaf->count() > 0) leaf->gaps[index] = gap_of(*leaf_area(*leaf, index));
  for (u32 level = path.depth - 1; level > 0; --level) {
    const auto& [parent, at] = path.steps[level - 1];
    const Node& child = *path.steps[level].node;
    parent->gaps[at] = child.largest_gap();
    if (parent->key(at) != child.key(0)) parent->keys[at].store_relaxed(child.key(0).value);
  }
}

/// Takes a slot out of the node of a level, and small nodes out of the tree.
void AreaTree::remove_slot(Path& path, u32 level) {
  auto& [node, index] = path.steps[level];
  node->close(index);
  if (level == 0) {
    // A root with one child gives way to it.
    while (!node->is_leaf && node->count() == 1) {
      Node* const only = &node->child(0);
      root_.store_release(only);
      --depth_;
      core::rcu_call(*std::exchange(node, only));
    }
    return;
  }
  auto& [parent, at] = path.steps[level - 1];
  parent->gaps[at] = node->largest_gap();
  if (node->count() >= few) return;
  if (node->count() > 0) {
    if (parent->count() == 1) return;
    const u32 left_at = at > 0 ? at - 1 : at;
    Node& left = parent->child(left_at);
    const Node& right = parent->child(left_at + 1);
    if (left.count() + right.count() > fan_out - few) return;
    for (u32 i = 0; i < right.count(); ++i) {
      left.copy(left.count(), right, i);
      left.used.store_release(left.count() + 1);
    }
    parent->gaps[left_at] = left.largest_gap();
    at = left_at + 1;
  }
  Node& gone = parent->child(at);
  remove_slot(path, level - 1);
  core::rcu_call(gone);
}

void AreaTree::remove(Area& a) {
  Path path;
  find_path(a.start, path);
  ASSERT(path.depth > 0 && leaf_area(*path.leaf().node, path.leaf().index) == &a);
  (a.below == nullptr ? first_ : a.below->above) = a.above;
  (a.above == nullptr ? last_ : a.above->below) = a.below;
  --count_;
  remove_slot(path, path.depth - 1);
  refresh(a.start);
  if (a.above != nullptr) refresh(a.above->start);
  a.above = a.below = nullptr;
}

void AreaTree::resize(Area& a, UserAddr start, UserAddr end) {
  ASSERT((a.below == nullptr || a.below->end <= start) &&
         (a.above == nullptr || end <= a.above->start));
  if (start != a.start) {
    Path path;
    find_path(a.start, path);
    ASSERT(leaf_area(*path.leaf().node, path.leaf().index) == &a);
    for (u32 level = 0; level < path.depth; ++level) {
      const auto& [node, index] = path.steps[level];
      // Lower bounds stay such; where the start rises they are raised below.
      if (node->is_leaf || node->key(index) > start) node->keys[index].store_relaxed(start.value);
    }
  }
  a.start = start;
  a.end = end;
  refresh(start);
  if (a.above != nullptr) refresh(a.above->start);
}

std::optional<UserAddr> AreaTree::gap_below(const Node& n, UserAddr high, u64 size) {
  for (u32 i = n.count(); i-- > 0;) {
    if (n.key(i) >= high || n.gaps[i] < size) continue;
    if (n.is_leaf) {
      const Area& a = *leaf_area(n, i);
      return a.guarded_start();
    }
    if (const auto found = gap_below(n.child(i), high, size)) return found;
  }
  return std::nullopt;
}

std::optional<UserAddr> AreaTree::find_gap(UserAddr low, UserAddr high, u64 size) const {
  low = std::max(low, UserAddr(floor));
  if (high < low || high - low < size) return std::nullopt;
  const Area* next = find_at_or_after(high);
  if (next != nullptr && next->start < high) next = next->above;
  const Area* const previous = next == nullptr ? last_ : next->below;
  UserAddr top = high;
  if (next != nullptr) top = std::min(top, next->guarded_start());
  const UserAddr bottom = previous == nullptr ? low : std::max(low, previous->end);
  if (top > bottom && top - bottom >= size) return top - size;
  const Node* const root = root_.load_relaxed();
  if (root == nullptr) return std::nullopt;
  const auto found = gap_below(*root, high, size);
  // A lower gap lies lower still.
  if (!found || found->value < size || *found - size < low) return std::nullopt;
  return *found - size;
}

std::optional<AreaTree::Extent> AreaTree::check_node(const Node& n, u32 level) const {
  if (n.is_leaf != (level == depth_)) return std::nullopt;
  Extent all{0, 0, UserAddr(~u64{0}), UserAddr(0)};
  for (u32 i = 0; i < n.count(); ++i) {
    if (i > 0 && n.key(i - 1) >= n.key(i)) return std::nullopt;
    Extent e{};
    if (n.is_leaf) {
      const Area& a = *leaf_area(n, i);
      if (a.start != n.key(i) || a.start >= a.end) return std::nullopt;
      e = {1, gap_of(a), a.start, a.end};
    } else {
      if (n.child(i).count() == 0) return std::nullopt;
      const auto below = check_node(n.child(i), level + 1);
      if (!below || below->low != n.key(i)) return std::nullopt;
      e = *below;
    }
    if (e.gap != n.gaps[i] || e.low < all.high) return std::nullopt;
    all = {all.areas + e.areas, std::max(all.gap, e.gap), std::min(all.low, e.low), e.high};
  }
  return all;
}

bool AreaTree::is_consistent() const {
  const Node* const root = root_.load_relaxed();
  if (root == nullptr) return count_ == 0 && first_ == nullptr && last_ == nullptr;
  const auto all = check_node(*root, 1);
  if (!all || all->areas != count_) return false;
  u64 seen = 0;
  const Area* before = nullptr;
  for (const Area* a = first_; a != nullptr; before = a, a = a->above, ++seen)
    if (a->below != before || (before != nullptr && before->end > a->start)) return false;
  return seen == count_ && before == last_;
}

}  // namespace auk::vm
