// The threads of one CPU that wait for it, in the order in which they run.
//
// Data model: a list for each real-time priority, and a tree by virtual time of those that share
// the CPU fairly. Locking: the run queue's.
#pragma once
#include <algorithm>
#include <array>
#include <bit>

#include "base/list.hpp"
#include "sched/thread.hpp"

namespace auk::sched {

struct Behind {
  bool operator()(const Thread& a, const Thread& b) const {
    return static_cast<i64>(a.virtual_time_ - b.virtual_time_) < 0;
  }
};

/// Before or behind those of its rank.
enum class Place : u8 { first, last };

class ReadyQueue {
  std::array<List<Thread, &Thread::ready_node_>, ranks> by_rank_;
  std::array<u64, (ranks + 63) / 64> occupied_{};
  Tree<Thread, &Thread::hook_, Behind> fair_;
  u32 count_ = 0;

 public:
  u32 count() const { return count_; }
  bool has(const Thread& t) const { return t.hook_.is_linked() || t.ready_node_.is_linked(); }
  void add(Thread& t, Place p) {
    const Rank rank = t.rank();
    ++count_;
    if (rank == 0) {
      fair_.insert_equal(t);
      return;
    }
    if (p == Place::first)
      by_rank_[rank].push_front(t);
    else
      by_rank_[rank].push_back(t);
    occupied_[rank / 64] |= u64{1} << rank % 64;
  }
  /// Its rank is the one it was added with.
  void remove(Thread& t) {
    const Rank rank = t.rank();
    --count_;
    if (rank == 0) {
      fair_.erase(fair_.iterator_to(t));
      return;
    }
    by_rank_[rank].remove(t);
    if (by_rank_[rank].empty()) occupied_[rank / 64] &= ~(u64{1} << rank % 64);
  }
  bool has_rank(Rank r) const { return (occupied_[r / 64] >> r % 64 & 1) != 0; }
  /// The highest real-time priority that waits, or 0.
  Rank highest() const {
    for (usize i = occupied_.size(); i-- > 0;)
      if (occupied_[i] != 0) return static_cast<Rank>(i * 64 + std::bit_width(occupied_[i]) - 1);
    return 0;
  }
  /// nullptr: none.
  Thread* first_realtime() {
    const Rank highest_rank = highest();
    return highest_rank == 0 ? nullptr : by_rank_[highest_rank].front();
  }
  Thread* first_fair() { return fair_.empty() ? nullptr : &*fair_.begin(); }
  /// The first one above a rank for which may(Thread&) is true; nullptr.
  template <class F> Thread* first_realtime_above(Rank least, F may) {
    for (Rank r = highest(); r > least; --r)
      for (Thread& t : by_rank_[r])
        if (may(t)) return &t;
    return nullptr;
  }
  template <class F> Thread* first_fair_that(F may) {
    const auto found = std::ranges::find_if(fair_, may);
    return found == fair_.end() ? nullptr : &*found;
  }
  template <class F> Thread* first_that(F may) {
    Thread* const t = first_realtime_above(0, may);
    return t != nullptr ? t : first_fair_that(may);
  }
};

}  // namespace auk::sched
