#include "vm/folio_tree.hpp"

#include <gtest/gtest.h>
#include <map>
#include <random>

#include "mem/machine.hpp"

namespace auk::vm {
namespace {

using namespace auk::test;

/// The tree, and an ordered map that knows what should be in it.
class Both {
  FolioTree tree_;
  std::map<u64, Folio*> model_;

 public:
  Both() { start_machine(); }
  ~Both() { end_grace_periods(); }
  Both(const Both&) = delete;
  Both& operator=(const Both&) = delete;

  FolioTree& tree() { return tree_; }
  usize size() const { return model_.size(); }
  void insert(u64 index) {
    Result<Ref<Folio>> made = Folio::create(ALLOC_SITE, false);
    require(made.ok(), "no memory");
    Ref<Folio> f = made.take();
    mem::Box<FolioTree::Node> spare;
    for (;;) {
      const Result<void> r = tree_.insert(index, *f, spare);
      if (r.ok()) {
        EXPECT_FALSE(model_.contains(index));
        model_[index] = f.release();
        return;
      }
      if (r.error() == Errno::eexist) {
        EXPECT_TRUE(model_.contains(index));
        return;
      }
      require(r.error() == Errno::eagain, "a strange error");
      Result<mem::Box<FolioTree::Node>> node = mem::Box<FolioTree::Node>::make(ALLOC_SITE);
      require(node.ok(), "no memory");
      spare = node.take();
    }
  }
  void remove(u64 index) {
    const auto it = model_.find(index);
    const Ref<Folio> f = tree_.remove(index);
    EXPECT_EQ(f.get(), it == model_.end() ? nullptr : it->second);
    if (it != model_.end()) model_.erase(it);
  }
  void check(u64 from) {
    const auto it = model_.lower_bound(from);
    u64 at = from;
    EXPECT_EQ(tree_.next_index(at), it != model_.end());
    if (it == model_.end()) return;
    EXPECT_EQ(at, it->first);
    EXPECT_EQ(tree_.find(at), it->second);
    EXPECT_EQ(tree_.find(from), at == from ? it->second : nullptr);
  }
  u64 any() { return model_.begin()->first; }
};

u64 nodes() { return FolioTree::Node::cache().counts().objects; }

TEST(FolioTree, agrees_with_a_map) {
  Both both;
  std::mt19937_64 random(7);
  const auto index = [&] {
    const u64 r = random();
    switch (random() % 4) {
      case 0: return r % 100;
      case 1: return r % 5000;
      case 2: return r >> random() % 64;
      default: return ~u64{0} - r % 70;
    }
  };
  for (int i = 0; i < 30'000; ++i) {
    const bool grows = i % 4000 < 2000;
    if (grows)
      both.insert(index());
    else if (both.size() > 0 && random() % 2 == 0)
      both.remove(both.any());
    else
      both.remove(index());
    both.check(index());
    if (i % 100 == 0) end_grace_periods();
  }
}

TEST(FolioTree, what_is_empty_gives_its_nodes_back) {
  Both both;
  const u64 before = nodes();
  both.insert(0);
  EXPECT_EQ(nodes(), before + 1);
  both.insert(u64{1} << 50);
  EXPECT_GT(nodes(), before + 8);
  both.remove(u64{1} << 50);
  end_grace_periods();
  EXPECT_EQ(nodes(), before + 1);
  for (u64 i = 0; i < 5000; ++i) both.insert(i);
  for (u64 i = 0; i < 5000; ++i) both.remove(i);
  end_grace_periods();
  EXPECT_EQ(nodes(), before);
}

TEST(FolioTree, who_gives_up_leaves_nothing) {
  Both both;
  const u64 before = nodes();
  Result<Ref<Folio>> made = Folio::create(ALLOC_SITE, false);
  require(made.ok(), "no memory");
  const Ref<Folio> f = made.take();
  Result<mem::Box<FolioTree::Node>> node = mem::Box<FolioTree::Node>::make(ALLOC_SITE);
  require(node.ok(), "no memory");
  mem::Box<FolioTree::Node> spare = node.take();
  EXPECT_EQ(both.tree().insert(u64{1} << 40, *f, spare).error(), Errno::eagain);
  EXPECT_FALSE(spare);
  both.tree().prune(u64{1} << 40);
  end_grace_periods();
  EXPECT_EQ(nodes(), before);
}

}  // namespace
}  // namespace auk::vm
