#include "base/list.hpp"

#include <algorithm>
#include <deque>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <vector>

namespace auk {
namespace {

struct Item {
  int value = 0;
  ListNode node;
  ListNode other;
};
using Items = List<Item, &Item::node>;
using OtherItems = List<Item, &Item::other>;

// The two words of a node, to break them from outside.
struct RawNode {
  void* next;
  void* prev;
};
static_assert(sizeof(RawNode) == sizeof(ListNode));
RawNode& raw(ListNode& n) { return *reinterpret_cast<RawNode*>(&n); }

std::vector<int> values(Items& list) {
  std::vector<int> out;
  for (const Item& i : list) out.push_back(i.value);
  return out;
}

void drain(Items& list) {
  while (list.pop_front() != nullptr) {}
}

TEST(List, keeps_order) {
  Items list;
  std::array<Item, 4> items;
  for (int i = 0; i < 4; ++i) items[static_cast<usize>(i)].value = i;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.back(), nullptr);
  EXPECT_EQ(list.pop_front(), nullptr);
  EXPECT_TRUE(values(list).empty());
  list.push_back(items[1]);
  list.push_back(items[3]);
  list.push_front(items[0]);
  list.insert_before(items[3], items[2]);
  EXPECT_EQ(values(list), (std::vector{0, 1, 2, 3}));
  EXPECT_EQ(list.front(), &items[0]);
  EXPECT_EQ(list.back(), &items[3]);
  EXPECT_EQ(list.next(items[0]), &items[1]);
  EXPECT_EQ(list.next(items[3]), nullptr);
  Items::remove(items[1]);
  EXPECT_FALSE(items[1].node.is_linked());
  EXPECT_EQ(values(list), (std::vector{0, 2, 3}));
  drain(list);
}

TEST(List, one_element_in_two_lists) {
  Items list;
  OtherItems other;
  Item item;
  list.push_back(item);
  other.push_back(item);
  EXPECT_EQ(list.pop_front(), &item);
  EXPECT_EQ(other.pop_front(), &item);
}

// A polymorphic owner: finding it from the node must not look at the object.
struct Base {
  virtual ~Base() = default;
};
struct Derived : Base {
  int value = 5;
  ListNode node;
};
TEST(List, of_polymorphic_elements) {
  List<Derived, &Derived::node> list;
  Derived d;
  list.push_back(d);
  EXPECT_EQ(list.front()->value, 5);
  EXPECT_EQ(list.pop_front(), &d);
}

struct alignas(64) Aligned {
  int value = 6;
  ListNode node;
};
TEST(List, of_aligned_elements) {
  List<Aligned, &Aligned::node> list;
  Aligned a;
  list.push_back(a);
  EXPECT_EQ(list.pop_front(), &a);
}

TEST(List, behaves_like_a_deque) {
  std::mt19937 random(1);
  Items list;
  std::deque<Item*> model;
  std::vector<std::unique_ptr<Item>> items;
  for (int i = 0; i < 64; ++i) {
    items.push_back(std::make_unique<Item>());
    items.back()->value = i;
  }
  for (int round = 0; round < 20000; ++round) {
    Item& item = *items[random() % items.size()];
    const auto at = std::ranges::find(model, &item);
    if (at != model.end()) {
      Items::remove(item);
      model.erase(at);
    } else if (const unsigned where = random() % 3; where == 0 || model.empty()) {
      list.push_back(item);
      model.push_back(&item);
    } else if (where == 1) {
      list.push_front(item);
      model.push_front(&item);
    } else {
      const auto before = model.begin() + static_cast<isize>(random() % model.size());
      list.insert_before(**before, item);
      model.insert(before, &item);
    }
    ASSERT_EQ(list.empty(), model.empty());
    ASSERT_EQ(list.front(), model.empty() ? nullptr : model.front());
    ASSERT_EQ(list.back(), model.empty() ? nullptr : model.back());
    if (round % 100 == 0) {
      auto it = model.begin();
      for (const Item& i : list) ASSERT_EQ(&i, *it++);
      ASSERT_EQ(it, model.end());
    }
  }
  drain(list);
}

TEST(List, double_insertion_is_caught) {
  Items list;
  Items second;
  Item item;
  list.push_back(item);
  EXPECT_THROW(list.push_back(item), HostBug);
  EXPECT_THROW(list.push_front(item), HostBug);
  EXPECT_THROW(second.push_back(item), HostBug);
  EXPECT_THROW(list.insert_before(item, item), HostBug);
  drain(list);
}

TEST(List, removal_of_an_unlinked_element_is_caught) {
  Items list;
  Item item;
  EXPECT_THROW(Items::remove(item), HostBug);
  list.push_back(item);
  Items::remove(item);
  EXPECT_THROW(Items::remove(item), HostBug);
}

// Every one of the words that an operation relies on, each broken alone.
TEST(List, every_corrupted_neighbour_is_caught) {
  struct Break {
    const char* name;
    void* RawNode::* word;
    usize victim;  // index into {a, b, c}
    bool remove_fails, back_fails, front_fails, before_fails;
  };
  // The list is a, b, c; tried: remove(b), push_back, push_front, insert_before(b).
  const Break breaks[] = {
      {"a.next", &RawNode::next, 0, true, false, false, true},
      {"a.prev", &RawNode::prev, 0, false, false, true, false},
      {"b.next", &RawNode::next, 1, true, false, false, false},
      {"b.prev", &RawNode::prev, 1, true, false, false, true},
      {"c.next", &RawNode::next, 2, false, true, false, false},
      {"c.prev", &RawNode::prev, 2, true, false, false, false},
  };
  for (const Break& b : breaks) {
    SCOPED_TRACE(b.name);
    Items list;
    std::array<Item, 3> items;
    Item stray;
    Item extra;
    for (Item& i : items) list.push_back(i);
    // The stray node is a ring of its own: plausible memory, wrong neighbour.
    raw(stray.node) = {&stray.node, &stray.node};
    void*& word = raw(items[b.victim].node).*b.word;
    const auto try_all = [&](auto operation, bool fails) {
      void* const good = std::exchange(word, &stray.node);
      if (fails) EXPECT_THROW(operation(), HostBug);
      word = good;
    };
    try_all([&] { Items::remove(items[1]); }, b.remove_fails);
    try_all([&] { list.push_back(extra); }, b.back_fails);
    try_all([&] { list.push_front(extra); }, b.front_fails);
    try_all([&] { list.insert_before(items[1], extra); }, b.before_fails);
    EXPECT_FALSE(extra.node.is_linked());
    raw(stray.node) = {};
    drain(list);
  }
}

TEST(List, corrupted_head_is_caught) {
  Items list;
  Item a;
  Item b;
  Item stray;
  list.push_back(a);
  raw(stray.node) = {&stray.node, &stray.node};
  ListNode& head = *reinterpret_cast<ListNode*>(&list);
  void* good = std::exchange(raw(head).next, &stray.node);
  EXPECT_THROW(list.push_front(b), HostBug);
  EXPECT_THROW(Items::remove(a), HostBug);
  raw(head).next = good;
  good = std::exchange(raw(head).prev, &stray.node);
  EXPECT_THROW(list.push_back(b), HostBug);
  EXPECT_THROW(Items::remove(a), HostBug);
  raw(head).prev = good;
  raw(stray.node) = {};
  drain(list);
}

TEST(ListDeathTest, an_element_dies_unlinked) {
  EXPECT_DEATH(
      {
        Items list;
        Item item;
        list.push_back(item);
      },
      "next_ == nullptr");
}

TEST(ListDeathTest, a_list_dies_empty) {
  EXPECT_DEATH(
      {
        auto list = std::make_unique<Items>();
        Item item;
        list->push_back(item);
        list.reset();
      },
      "empty\\(\\)");
}

}  // namespace
}  // namespace auk
