// AreaTree: areas of an address space by address: found without a lock, gaps found without a walk.
//
// Purpose: page faults find their area while others change the tree; mmap finds a free place among
// a million areas in a few steps. Data model: a B+ tree of nodes with 16 slots; leaves point to
// areas, which are also linked in order of addresses. A key is the lowest address below its slot.
// Each slot knows the largest gap below the areas under it: the free bytes between an area, less
// its guard, and its lower neighbour. Locking: writers hold the space's lock; they change nodes in
// place, word by word. A reader without the lock may therefore overlook an area, or be led to a
// wrong one: it may believe only an area that it has pinned and that contains its address
// (space.hpp), and asks under the lock otherwise. What it reads is always an area or a node: those
// that left are freed a grace period later, and a node stays leaf or inner node for life. Context:
// threads. Differences from Linux: the maple tree copies nodes so that readers see a consistent
// tree; here they only must not be led astray, and no change allocates once the tree is wide
// enough.
#pragma once
#include <algorithm>
#include <optional>

#include "core/rcu.hpp"
#include "core/user.hpp"
#include "mem/slab.hpp"

namespace auk::vm {

/// A range of addresses with something in it. Multiples of a page.
struct Area {
  UserAddr start, end;
  /// Bytes below `start` that find_gap() leaves free.
  u64 guard = 0;
  // The neighbours in order of addresses; the tree's.
  Area* below = nullptr;
  Area* above = nullptr;

  u64 size() const { return end - start; }
  /// Where what lies below it has to end.
  UserAddr guarded_start() const { return UserAddr(start.value - std::min(guard, start.value)); }
  bool contains(UserAddr va) const { return start <= va && va < end; }
};

class AreaTree {
  struct Node;
  Atomic<Node*> root_{nullptr};
  Area* first_ = nullptr;
  Area* last_ = nullptr;
  u64 count_ = 0;
  u32 depth_ = 0;
  // Nodes for inserts to come, linked through their first slot.
  Node* spares_ = nullptr;
  u32 spare_count_ = 0;

  struct Step {
    Node* node;
    u32 index;
  };
  struct Path;

  Node* take_spare(bool is_leaf);
  void split_child(Node& parent, u32 index);
  void remove_slot(Path& path, u32 level);
  void refresh(UserAddr va);
  void find_path(UserAddr va, Path& path) const;
  static Area* leaf_area(const Node& n, u32 index);
  static u64 gap_of(const Area& a);
  static std::optional<UserAddr> gap_below(const Node& n, UserAddr high, u64 size);
  void free_nodes(Node& n);

 public:
  /// Nothing lies below; a null pointer with an offset must fault.
  static constexpr u64 floor = page_size;

  AreaTree() = default;
  ~AreaTree();
  AreaTree(const AreaTree&) = delete;
  AreaTree& operator=(const AreaTree&) = delete;

  u64 count() const { return count_; }
  Area* first() const { return first_; }
  Area* last() const { return last_; }
  /// The first area that ends behind the address.
  Area* find_at_or_after(UserAddr va) const;
  /// A guess, without the lock: the area that contains the address if nobody changes the tree.
  Area* guess(UserAddr va, const core::RcuReader& reader) const;

  /// Makes sure that so many inserts cannot fail. ENOMEM.
  Result<void> reserve(u32 inserts);
  /// The area overlaps no other; reserve() was called.
  void insert(Area& a);
  void remove(Area& a);
  /// The area grows or shrinks, over no other.
  void resize(Area& a, UserAddr start, UserAddr end);
  /// The highest free range of `size` bytes between two addresses.
  std::optional<UserAddr> find_gap(UserAddr low, UserAddr high, u64 size) const;

  /// For tests: keys, order, gaps and links are right.
  bool is_consistent() const;

 private:
  struct Extent {
    u64 areas, gap;
    UserAddr low, high;
  };
  std::optional<Extent> check_node(const Node& n, u32 level) const;
};

}  // namespace auk::vm
