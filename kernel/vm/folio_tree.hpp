// FolioTree: folios by page index.
//
// Data model: a radix tree of nodes with 64 slots, one reference for each folio in it. It is as
// tall as its largest index asks for, and a node with nothing below it leaves. Locking: the owner's
// lock for changes; looks are under that lock or under RCU. Nodes are made without the lock, which
// is why insert() may ask for one. Context: threads.
#pragma once
#include <array>

#include "base/atomic.hpp"
#include "core/rcu.hpp"
#include "mem/box.hpp"
#include "mem/folio.hpp"

namespace auk::vm {

using mem::Folio;

class FolioTree {
  static constexpr u32 bits = 6;
  static constexpr usize fan_out = usize{1} << bits;
  static constexpr u32 most_levels = (64 + bits - 1) / bits;

 public:
  class alignas(16) Node final : public core::RcuHead {
    friend class FolioTree;
    u32 shift_ = 0;  ///< the bits of an index that are decided below
    u32 used_ = 0;
    std::array<Atomic<void*>, fan_out> slots_{};

    bool covers(u64 index) const { return index >> shift_ < fan_out; }
    Atomic<void*>& slot(u64 index) { return slots_[(index >> shift_) % fan_out]; }
    /// Of what is not a leaf.
    Node* below(u64 index) { return static_cast<Node*>(slot(index).load_acquire()); }
    void destroy_all();
    void retire() override { mem::destroy(this); }

   public:
    Node() = default;
    ~Node() = default;
    static mem::Cache& cache();
  };

 private:
  Atomic<Node*> root_{nullptr};

  /// Where an index would stand; null if nothing near it does.
  Node* leaf(u64 index) const;
  static void put(Node& n, u64 index, void* what);
  static void take(Node& n, u64 index);

 public:
  constexpr FolioTree() = default;
  ~FolioTree();
  FolioTree(const FolioTree&) = delete;
  FolioTree& operator=(const FolioTree&) = delete;
  /// Under RCU only to be compared: it may be on its way out.
  Folio* find(u64 index) const;
  /// The smallest index from `index` on that is taken, or false.
  bool next_index(u64& index) const;
  /// The tree takes over the caller's reference. EEXIST; EAGAIN: another node is needed, in
  /// `spare`. Who gives up then calls prune().
  Result<void> insert(u64 index, Folio& f, mem::Box<Node>& spare);
  /// What was there, if anything.
  Ref<Folio> remove(u64 index);
  /// Takes out the nodes on the way to `index` that have nothing below them, and levels at the top
  /// that only lead to the next one.
  void prune(u64 index);
};

}  // namespace auk::vm
