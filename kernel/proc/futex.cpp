#include "proc/futex.hpp"

#include <algorithm>
#include <optional>

#include "generated/uapi/futex.hpp"
#include "proc/futex_table.hpp"

namespace auk::proc {
namespace {

/// Threads that are awake again as soon as no lock is held.
class Woken {
  static constexpr usize most = 32;
  std::array<Ref<sched::Thread>, most> threads_;
  usize count_ = 0;

 public:
  bool is_full() const { return count_ == most; }
  /// The bucket's lock is held, and `w` is in its list. Its sleeper may be gone when this returns.
  void take(FutexBucketLists& from, FutexWaiter& w) {
    from.remove(w);
    threads_[count_++] = release_waiter(w);
  }
  void wake_all() {
    for (usize i = 0; i < count_; ++i) {
      (void)sched::wake(*threads_[i]);
      threads_[i] = {};
    }
    count_ = 0;
  }
};

/// Waking up to `most` waiters of a key, a few at a time. Who comes after the first look is not
/// meant: those that were woken may wait again at once.
class Waking {
  const FutexKey key_;
  const u32 bitset_;
  const i32 most_;
  i32 done_ = 0;
  bool met_lock_ = false;
  std::optional<u64> last_;

 public:
  Waking(const FutexKey& key, u32 bitset, i32 most) : key_(key), bitset_(bitset), most_(most) {}
  i32 done() const { return done_; }
  bool is_complete() const { return done_ >= most_ || met_lock_; }
  /// How many were woken; EINVAL where somebody waits for a lock (futex_pi.cpp).
  Result<u32> result() const {
    if (met_lock_) return Errno::einval;
    return static_cast<u32>(done_);
  }
  /// Until `woken` is full. The bucket's lock is held.
  void gather(FutexBucketLists& from, Woken& woken) {
    if (!last_) {
      last_ = from.arrivals();
      met_lock_ = from.lock_of(key_) != nullptr;
    }
    for (FutexWaiter* w = from.first(); w != nullptr && !is_complete() && !woken.is_full();) {
      FutexWaiter* const next = from.next(*w);
      if (w->key == key_ && w->arrival <= *last_) {
        met_lock_ = w->target != nullptr;
        if (!met_lock_ && (w->bitset & bitset_) != 0) {
          woken.take(from, *w);
          ++done_;
        }
      }
      w = next;
    }
  }
  /// All that are left.
  void finish(Woken& woken) {
    do {
      woken.wake_all();
      auto lists = bucket_of(key_).lists.lock();
      gather(*lists, woken);
    } while (woken.is_full());
    woken.wake_all();
  }
};

}  // namespace

void leave_futex(FutexWaiter& w) {
  while (FutexBucket* const at = w.bucket.load_acquire()) {
    auto lists = at->lists.lock();
    if (w.bucket.load_relaxed() != at) continue;
    lists->remove(w);
    (void)at->counted.fetch_sub_relaxed(1);
    w.bucket.store_relaxed(nullptr);
  }
}

Result<void> join_futex(FutexWaiter& w, UserAddr word, u32 value) {
  FutexBucket& b = bucket_of(w.key);
  FutexArrival arrival(b);
  w.rank = w.task->own_rank();
  for (;;) {
    u32 now = 0;
    {
      auto lists = b.lists.lock();
      if (machine::load_user_u32(now, word.value)) {
        if (now != value) return Errno::eagain;
        w.bucket.store_release(&b);
        lists->add(w);
        arrival.stay();
        return {};
      }
    }
    // Not there: bring it in where sleeping is allowed, and try again.
    TRY(core::read_user(&now, word, sizeof(now)));
  }
}

sched::WaitResult sleep_on_futex(FutexWaiter& w, io::Moment end) {
  return io::wait_until(end, [&] { return w.woken.load_acquire(); });
}

Result<void> futex_wait(Task& me, const FutexWait& wanted) {
  if (wanted.bitset == 0) return Errno::einval;
  FutexWaiter w;
  w.key = TRY(futex_key(me, wanted.word, wanted.is_private, FutexAccess::read));
  w.bitset = wanted.bitset;
  w.task = &me;
  TRY(join_futex(w, wanted.word, wanted.value));
  const sched::WaitResult r = sleep_on_futex(w, wanted.end);
  leave_futex(w);
  if (w.woken.load_relaxed()) return {};
  if (r == sched::WaitResult::timed_out) return Errno::etimedout;
  return restart::sys;
}

Result<u32> futex_wake(Task& me, UserAddr word, i32 count, u32 bitset, bool is_private) {
  if (bitset == 0) return Errno::einval;
  const FutexKey key = TRY(futex_key(me, word, is_private, FutexAccess::read));
  if (count == 0 || bucket_of(key).is_deserted()) return u32{0};
  Woken woken;
  Waking waking(key, bitset, std::max(count, 1));
  waking.finish(woken);
  return waking.result();
}

Result<u32> futex_requeue(Task& me, UserAddr from, UserAddr to, i32 wake, i32 move,
                          const u32* compare, bool is_private) {
  if (wake < 0 || move < 0) return Errno::einval;
  const FutexKey source = TRY(futex_key(me, from, is_private, FutexAccess::read));
  const FutexKey target = TRY(futex_key(me, to, is_private, FutexAccess::read));
  FutexBucket& a = bucket_of(source);
  FutexBucket& b = bucket_of(target);
  Woken woken;
  Waking waking(source, ~u32{0}, wake);
  i32 moved = 0;
  enum class Look : u8 { done, more, changed, fault, lock };
  bool is_same = compare == nullptr;
  const auto look = [&](FutexBucketLists& here, FutexBucketLists& there) {
    if (!is_same) {
      u32 now = 0;
      if (!machine::load_user_u32(now, from.value)) return Look::fault;
      if (now != *compare) return Look::changed;
      is_same = true;
    }
    waking.gather(here, woken);
    if (!waking.result().ok()) return Look::lock;
    if (!waking.is_complete()) return woken.is_full() ? Look::more : Look::done;
    for (FutexWaiter* w = here.first(); w != nullptr && moved < move;) {
      FutexWaiter* const next = here.next(*w);
      if (w->key == source) {
        if (w->target != nullptr) return Look::lock;
        w->key = target;
        if (&here != &there) {
          here.remove(*w);
          there.add(*w);
          w->bucket.store_release(&b);
          (void)a.counted.fetch_sub_relaxed(1);
          (void)b.counted.fetch_add_relaxed(1);
        }
        ++moved;
      }
      w = next;
    }
    return Look::done;
  };
  for (;;) {
    const Look result = with_both(a, b, look);
    woken.wake_all();
    if (result == Look::done) return static_cast<u32>(waking.done() + moved);
    if (result == Look::changed) return Errno::eagain;
    if (result == Look::lock) return Errno::einval;
    if (result == Look::more) continue;
    u32 now = 0;
    TRY(core::read_user(&now, from, sizeof(now)));
  }
}

namespace {

/// What FUTEX_OP() of <linux/futex.h> packs.
struct WordOperation {
  u32 operation;
  u32 comparison;
  i32 argument;
  i32 compared_with;

  explicit WordOperation(u32 packed)
      : operation(packed >> 28 & 7),
        comparison(packed >> 24 & 0xf),
        argument(extended(packed >> 12)),
        compared_with(extended(packed)) {
    constexpr u32 shifts = 8;
    constexpr u32 bits_of_shift = 31;
    if ((packed >> 28 & shifts) != 0)
      argument = static_cast<i32>(u32{1} << (static_cast<u32>(argument) & bits_of_shift));
  }
  bool exists() const {
    return operation <= uapi::futex_op_xor && comparison <= uapi::futex_op_cmp_ge;
  }
  u32 applied_to(u32 old) const {
    const auto arg = static_cast<u32>(argument);
    switch (operation) {
      case uapi::futex_op_set: return arg;
      case uapi::futex_op_add: return old + arg;
      case uapi::futex_op_or: return old | arg;
      case uapi::futex_op_andn: return old & ~arg;
      default: return old ^ arg;
    }
  }
  bool holds_for(u32 old) const {
    const auto value = static_cast<i32>(old);
    switch (comparison) {
      case uapi::futex_op_cmp_eq: return value == compared_with;
      case uapi::futex_op_cmp_ne: return value != compared_with;
      case uapi::futex_op_cmp_lt: return value < compared_with;
      case uapi::futex_op_cmp_le: return value <= compared_with;
      case uapi::futex_op_cmp_gt: return value > compared_with;
      default: return value >= compared_with;
    }
  }

 private:
  static i32 extended(u32 twelve_bits) { return static_cast<i32>(twelve_bits << 20) >> 20; }
};

/// Changes a word of the program; what stood there. Nothing on a fault.
std::optional<u32> change_word(UserAddr word, const WordOperation& o) {
  u32 old = 0;
  if (!machine::load_user_u32(old, word.value)) return std::nullopt;
  for (;;) {
    const u32 expected = old;
    if (!machine::cas_user_u32(word.value, old, o.applied_to(expected))) return std::nullopt;
    if (old == expected) return old;
  }
}

}  // namespace

Result<u32> futex_wake_op(Task& me, UserAddr word, UserAddr second, i32 wake, i32 wake_second,
                          u32 operation, bool is_private) {
  const FutexKey key = TRY(futex_key(me, word, is_private, FutexAccess::read));
  const FutexKey second_key = TRY(futex_key(me, second, is_private, FutexAccess::write));
  const WordOperation o(operation);
  if (!o.exists()) return Errno::enosys;
  Woken woken;
  Waking first(key, ~u32{0}, std::max(wake, 1));
  Waking other(second_key, ~u32{0}, std::max(wake_second, 1));
  bool holds = false;
  const auto attempt = [&](FutexBucketLists& here, FutexBucketLists& there) {
    const std::optional<u32> old = change_word(second, o);
    if (!old) return false;
    holds = o.holds_for(*old);
    first.gather(here, woken);
    if (holds) other.gather(there, woken);
    return true;
  };
  while (!with_both(bucket_of(key), bucket_of(second_key), attempt)) TRY(bring_in_futex(second));
  const bool more = woken.is_full();
  woken.wake_all();
  if (more) {
    first.finish(woken);
    if (holds) other.finish(woken);
  }
  return TRY(first.result()) + TRY(other.result());
}

void leave_futexes(Task& me, bool for_good) {
  if (!me.space) return;
  leave_robust_list(me);
  leave_held_futexes(me, for_good);
  const UserAddr tid = std::exchange(me.clear_child_tid, UserAddr(0));
  // Nobody else could look at it.
  if (tid.value == 0 || me.space->ref_count() == 1) return;
  (void)core::UserOut<u32>(tid).store(0);
  (void)futex_wake(me, tid, 1, ~u32{0}, true);
}

}  // namespace auk::proc
