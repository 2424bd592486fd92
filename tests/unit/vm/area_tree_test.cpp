#include "vm/area_tree.hpp"

#include <gtest/gtest.h>
#include <map>
#include <memory>

#include "mem/machine.hpp"

namespace auk::vm {
namespace {

using namespace auk::test;

constexpr u64 pages = 4096;  ///< of the space that the runs use

/// The tree, and an ordered map that knows what should be in it.
class Both {
  AreaTree tree_;
  std::map<u64, std::unique_ptr<Area>> areas_;

  u64 end_of_below(u64 at) const {
    auto it = areas_.lower_bound(at);
    return it == areas_.begin() ? page_size : std::prev(it)->second->end.value;
  }

 public:
  Both() = default;
  ~Both() {
    while (!areas_.empty()) remove(areas_.begin()->first);
    end_grace_periods();
  }
  Both(const Both&) = delete;
  Both& operator=(const Both&) = delete;

  AreaTree& tree() { return tree_; }
  usize count() const { return areas_.size(); }
  bool is_free(u64 start, u64 end) const {
    const auto it = areas_.lower_bound(end);
    return it == areas_.begin() || std::prev(it)->second->end.value <= start;
  }
  void insert(u64 start, u64 end, u64 guard) {
    auto a = std::make_unique<Area>();
    a->start = UserAddr(start);
    a->end = UserAddr(end);
    a->guard = guard;
    require(tree_.reserve(1).ok(), "no memory");
    tree_.insert(*a);
    areas_[start] = std::move(a);
  }
  void remove(u64 start) {
    tree_.remove(*areas_.at(start));
    areas_.erase(start);
  }
  /// The area that has the address, or the next one.
  Area* at_or_after(u64 va) const {
    auto it = areas_.upper_bound(va);
    if (it != areas_.begin() && std::prev(it)->second->end.value > va) --it;
    return it == areas_.end() ? nullptr : it->second.get();
  }
  void resize(Area& a, u64 start, u64 end) {
    auto own = std::move(areas_.at(a.start.value));
    areas_.erase(a.start.value);
    tree_.resize(a, UserAddr(start), UserAddr(end));
    areas_[start] = std::move(own);
  }
  std::optional<u64> highest_gap(u64 low, u64 high, u64 size) const {
    u64 top = high;
    for (auto it = areas_.rbegin(); it != areas_.rend(); ++it) {
      const Area& a = *it->second;
      const u64 guarded = a.start.value - std::min(a.guard, a.start.value);
      if (a.start.value < high) {
        const u64 bottom = std::max(low, a.end.value);
        if (top > bottom && top - bottom >= size) return top - size;
      }
      top = std::min(high, guarded);
    }
    if (top > low && top - low >= size) return top - size;
    return std::nullopt;
  }
};

struct Mix {
  u64 insert, remove, resize;
};

void run(u64 seed, u64 operations, Mix mix) {
  Random random(seed);
  Both both;
  u64 done = 0;
  for (u64 i = 0; i < operations; ++i) {
    const u64 what = random.below(mix.insert + mix.remove + mix.resize);
    const u64 at = random.between(1, pages) * page_size;
    if (what < mix.insert) {
      const u64 end = at + random.between(1, 3) * page_size;
      if (both.is_free(at, end)) {
        both.insert(at, end, random.one_in(8) ? 4 * page_size : 0);
        ++done;
      }
    } else if (Area* const a = both.at_or_after(at); a != nullptr) {
      if (what < mix.insert + mix.remove) {
        both.remove(a->start.value);
      } else {
        u64 start = a->start.value, end = a->end.value;
        if (random.one_in(2)) {
          start = a->below == nullptr ? page_size : a->below->end.value;
          start = std::min(end - page_size, start + random.below(3) * page_size);
        } else {
          const u64 limit = a->above == nullptr ? end + page_size : a->above->start.value;
          end = std::min(limit, std::max(start + page_size, end + random.below(3) * page_size));
        }
        both.resize(*a, start, end);
      }
    }
    const u64 probe = random.between(0, pages + 8) * page_size;
    require(both.tree().find_at_or_after(UserAddr(probe)) == both.at_or_after(probe),
            "a wrong area at {:#x}", probe);
    {
      const core::RcuReader reader;
      Area* const guess = both.tree().guess(UserAddr(probe), reader);
      Area* const right = both.at_or_after(probe);
      // Nobody changes the tree meanwhile: the guess is right.
      if (right != nullptr && right->contains(UserAddr(probe)))
        require(guess == right, "a wrong guess at {:#x}", probe);
    }
    if (i % 16 == 0) {
      const u64 low = random.below(pages) * page_size, high = low + random.below(pages) * page_size;
      const u64 size = random.between(1, 6) * page_size;
      const auto got = both.tree().find_gap(UserAddr(low), UserAddr(high), size);
      const auto want = both.highest_gap(std::max<u64>(low, page_size), high, size);
      require(got.has_value() == want.has_value() && (!got || got->value == *want),
              "gap of {:#x} in [{:#x}, {:#x}): {:#x}, not {:#x}", size, low, high,
              got ? got->value : 0, want.value_or(0));
    }
    if (i % 64 == 0) {
      require(both.tree().is_consistent(), "inconsistent after {} operations", i);
      require(both.tree().count() == both.count(), "a wrong count");
      end_grace_periods();
    }
  }
  require(done > operations / 64, "too few inserts: {}", done);
}

TEST(AreaTree, AgreesWithAModel) {
  start_machine();
  const u64 before = pages_in_use();
  constexpr std::array<Mix, 4> mixes{{{4, 1, 1}, {2, 2, 1}, {1, 4, 1}, {1, 1, 2}}};
  for (u64 i = 0; i < mixes.size(); ++i)
    EXPECT_MODEL_AGREES(
        [&] { run(Random::seed() + i, model_operations / mixes.size(), mixes[i]); });
  // All nodes came back.
  drain_all_cpus();
  EXPECT_LE(pages_in_use(), before + 4);
  prove("area tree against a model: {} operations", model_operations);
}

TEST(AreaTree, GrowsAndShrinksInOrder) {
  start_machine();
  for (const bool upwards : {true, false})
    EXPECT_MODEL_AGREES([&] {
      Both both;
      constexpr u64 count = 3000;
      for (u64 i = 0; i < count; ++i)
        both.insert((upwards ? i + 1 : count - i) * 2 * page_size,
                    (upwards ? i + 1 : count - i) * 2 * page_size + page_size, 0);
      require(both.tree().is_consistent(), "inconsistent when full");
      require(
          !both.tree().find_gap(UserAddr(3 * page_size), UserAddr(6000 * page_size), 2 * page_size),
          "a gap that is none");
      for (u64 i = 0; i < count; ++i) {
        both.remove((upwards ? i + 1 : count - i) * 2 * page_size);
        if (i % 100 == 0) require(both.tree().is_consistent(), "inconsistent after {} removals", i);
      }
      require(both.tree().first() == nullptr && both.tree().is_consistent(), "not empty");
    });
}

TEST(AreaTree, AFailedReservationChangesNothing) {
  start_machine();
  AreaTree tree;
  RandomFailures failures(1, 1);
  EXPECT_EQ(tree.reserve(1).error(), Errno::enomem);
  EXPECT_TRUE(tree.is_consistent());
}

}  // namespace
}  // namespace auk::vm
