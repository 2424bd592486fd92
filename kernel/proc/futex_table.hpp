// The table behind futex(2): who sleeps on which word of user memory. For futex*.cpp only.
//
// Data model: a bucket holds the waiters of its words, the most urgent first, then in the order of
// their arrival, and the locks (PiState) that somebody waits for; who waits for a lock stands in
// that lock's list instead, in the same order. A
// waiter moves between lists only under the locks of the buckets it leaves and enters.
// Whoever waits counts itself before it reads the word, so that a waker, who writes the word before
// it looks here, need not take the lock of a bucket where nobody is.
#pragma once
#include "base/list.hpp"
#include "machine/isa/cpu.hpp"
#include "proc/futex.hpp"
#include "proc/held_futexes.hpp"
#include "proc/task.hpp"

namespace auk::proc {

struct FutexKey {
  const void* owner = nullptr;
  u64 offset = 0;
  bool operator==(const FutexKey&) const = default;
};

struct FutexBucket;

struct FutexWaiter {
  FutexKey key;
  u32 bitset = ~u32{0};
  u64 arrival = 0;
  sched::Rank rank = 0;  ///< as it stands in a list
  Atomic<bool> woken{false};
  Atomic<FutexBucket*> bucket{nullptr};  ///< changes under the lock of the bucket it is in
  Task* task = nullptr;
  ListNode node;
  /// FUTEX_WAIT_REQUEUE_PI: the lock it is to be moved to, and nothing else may happen to it.
  const FutexKey* target = nullptr;
  /// The lock it waits for, or is about to own. The bucket's lock guards it; who is woken reads it
  /// without.
  PiState* lock = nullptr;
};

using FutexWaiters = List<FutexWaiter, &FutexWaiter::node>;

/// Behind those that are at least as urgent.
inline void add_by_rank(FutexWaiters& to, FutexWaiter& w) {
  if (w.rank != 0)
    for (FutexWaiter& other : to)
      if (other.rank < w.rank) return to.insert_before(other, w);
  to.push_back(w);
}

/// A word that is a lock, from the first waiter to the last. See futex_pi.cpp.
struct PiState final : HeldFutex, RefCounted<PiState> {
  const FutexKey key;
  // The bucket's lock guards these.
  Ref<Task> owner;
  u32 owner_number = 0;  ///< as the word has it
  /// The owner died, and this one, the new owner, has not written that into the word yet.
  FutexWaiter* heir = nullptr;
  FutexWaiters waiters;
  u64 changes = 0;  ///< of the owner
  ListNode node;    ///< of the bucket

  explicit PiState(const FutexKey& k) : key(k) {}
  static void destroy(PiState* s) { mem::destroy(s); }
  sched::Rank most_urgent() {
    const FutexWaiter* const first = waiters.front();
    return first == nullptr ? sched::Rank{0} : first->rank;
  }
};

class FutexBucketLists {
  FutexWaiters waiters_;
  List<PiState, &PiState::node> locks_;
  u64 arrivals_ = 0;

 public:
  constexpr FutexBucketLists() = default;
  void add(FutexWaiter& w) {
    w.arrival = ++arrivals_;
    add_by_rank(waiters_, w);
  }
  void remove(FutexWaiter& w) { waiters_.remove(w); }
  FutexWaiter* first() { return waiters_.front(); }
  FutexWaiter* next(FutexWaiter& w) { return waiters_.next(w); }
  FutexWaiter* first_of(const FutexKey& k) {
    for (FutexWaiter& w : waiters_)
      if (w.key == k) return &w;
    return nullptr;
  }
  /// The number of the last one that came.
  u64 arrivals() const { return arrivals_; }
  /// The table's reference to a lock goes in and out here.
  void add(Ref<PiState> s) { locks_.push_back(*s.release()); }
  Ref<PiState> remove(PiState& s) {
    locks_.remove(s);
    return Ref<PiState>::adopt(&s);
  }
  PiState* lock_of(const FutexKey& k) {
    if (locks_.empty()) return nullptr;
    for (PiState& s : locks_)
      if (s.key == k) return &s;
    return nullptr;
  }
};

struct alignas(64) FutexBucket {
  core::Guarded<core::level::futex, FutexBucketLists, core::SpinPreemptOff> lists;
  Atomic<u32> counted{0};  ///< who waits here, or is about to

  /// The caller has changed the word, or seen it.
  bool is_deserted() const {
    machine::full_fence();
    return counted.load_relaxed() == 0;
  }
};

/// Counts a thread that is about to wait in a bucket; what happens to it then is counted by those
/// who do it.
class FutexArrival {
  FutexBucket* at_;

 public:
  explicit FutexArrival(FutexBucket& b) : at_(&b) {
    (void)b.counted.fetch_add_relaxed(1);
    machine::full_fence();
  }
  ~FutexArrival() {
    if (at_ != nullptr) (void)at_->counted.fetch_sub_relaxed(1);
  }
  FutexArrival(const FutexArrival&) = delete;
  FutexArrival& operator=(const FutexArrival&) = delete;
  /// It waits now.
  void stay() { at_ = nullptr; }
};

FutexBucket& bucket_of(const FutexKey& k);
/// Whether the word is only looked at; a shared one must be there for that, or to be written.
enum class FutexAccess : u8 { read, write };
/// EINVAL (misaligned), EFAULT.
Result<FutexKey> futex_key(Task& me, UserAddr word, bool is_private, FutexAccess use);
/// The page is there to be written, or EFAULT.
Result<void> bring_in_futex(UserAddr word);

/// Waits in the bucket from now on if the word has the value, or EAGAIN; EFAULT.
Result<void> join_futex(FutexWaiter& w, UserAddr word, u32 value);
/// Until it is woken, a signal comes, or the moment.
sched::WaitResult sleep_on_futex(FutexWaiter& w, io::Moment end);
/// Off the list, whatever bucket it stands in by now.
void leave_futex(FutexWaiter& w);
/// Locks of the thread's robust list become free, and say that their owner died.
void leave_robust_list(Task& me);
/// Locks that others wait for go to the first of them. `for_good`: the thread gets none any more.
void leave_held_futexes(Task& me, bool for_good);

/// f(lists of a, lists of b) under both locks.
template <class F> auto with_both(FutexBucket& a, FutexBucket& b, F f) {
  if (&a == &b) {
    auto both = a.lists.lock();
    return f(*both, *both);
  }
  FutexBucket& low = &a < &b ? a : b;
  FutexBucket& high = &a < &b ? b : a;
  auto first = low.lists.lock();
  auto second = high.lists.lock_as<core::level::futex_twin>();
  return &low == &a ? f(*first, *second) : f(*second, *first);
}

/// No longer in a list: its sleeper may be gone as soon as the bucket's lock, which is held, is
/// free. Who is to be woken then.
inline Ref<sched::Thread> release_waiter(FutexWaiter& w) {
  Ref<sched::Thread> sleeper(*w.task);
  (void)w.bucket.load_relaxed()->counted.fetch_sub_relaxed(1);
  w.woken.store_relaxed(true);
  w.bucket.store_release(nullptr);
  return sleeper;
}

}  // namespace auk::proc
