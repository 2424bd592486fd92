#include "proc/futex.hpp"

#include <algorithm>
#include <bit>
#include <optional>

#include "base/list.hpp"
#include "base/math.hpp"
#include "core/cpu_mask.hpp"
#include "generated/uapi/futex.hpp"
#include "mem/vmalloc.hpp"
#include "uapi/futex.hpp"

namespace auk::proc {
namespace {

struct Key {
  const void* owner = nullptr;
  u64 offset = 0;
  bool operator==(const Key&) const = default;
};

struct Bucket;

struct Waiter {
  Key key;
  u32 bitset = 0;
  u64 arrival = 0;
  Atomic<bool> woken{false};
  Atomic<Bucket*> bucket{nullptr};  ///< changes under the lock of the bucket it is in
  sched::Thread* thread = nullptr;
  ListNode node;
};

/// Those of one bucket, in the order of their arrival.
class Waiters {
  List<Waiter, &Waiter::node> list_;
  u64 arrivals_ = 0;

 public:
  constexpr Waiters() = default;
  void add(Waiter& w) {
    w.arrival = ++arrivals_;
    list_.push_back(w);
  }
  void remove(Waiter& w) { list_.remove(w); }
  Waiter* first() { return list_.front(); }
  Waiter* next(Waiter& w) { return list_.next(w); }
  /// The number of the last one that came.
  u64 arrivals() const { return arrivals_; }
};

constexpr usize cache_line = 64;
struct alignas(cache_line) Bucket {
  core::Guarded<core::level::futex, Waiters, core::SpinPreemptOff> waiters;
};

AUK_RO_AFTER_INIT constinit std::span<Bucket> buckets;

Bucket& bucket_of(const Key& k) {
  u64 h = reinterpret_cast<u64>(k.owner) ^ (k.offset * 0x9e3779b97f4a7c15);
  h ^= h >> 29;
  h *= 0xbf58476d1ce4e5b9;
  return buckets[(h >> 32) & (buckets.size() - 1)];
}

Result<Key> key_of(Task& me, UserAddr word, bool is_private) {
  if (word.value % sizeof(u32) != 0) return Errno::einval;
  if (!core::is_user_range(word, sizeof(u32))) return Errno::efault;
  if (!is_private) {
    if (const auto shared = me.space->shared_place(word))
      return Key{shared->object, shared->offset};
  }
  return Key{me.space.get(), word.value};
}

/// Threads that are awake again as soon as no lock is held.
class Woken {
  static constexpr usize most = 32;
  std::array<Ref<sched::Thread>, most> threads_;
  usize count_ = 0;

 public:
  bool is_full() const { return count_ == most; }
  /// The bucket's lock is held, and `w` is in its list. Its sleeper may be gone when this returns.
  void take(Waiters& from, Waiter& w) {
    from.remove(w);
    threads_[count_++] = Ref<sched::Thread>(*w.thread);
    w.woken.store_relaxed(true);
    w.bucket.store_release(nullptr);
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
  const Key key_;
  const u32 bitset_;
  const i32 most_;
  i32 done_ = 0;
  std::optional<u64> last_;

 public:
  Waking(const Key& key, u32 bitset, i32 most) : key_(key), bitset_(bitset), most_(most) {}
  i32 done() const { return done_; }
  bool is_complete() const { return done_ >= most_; }
  /// Until `woken` is full. The bucket's lock is held.
  void gather(Waiters& from, Woken& woken) {
    if (!last_) last_ = from.arrivals();
    for (Waiter* w = from.first(); w != nullptr && !is_complete() && !woken.is_full();) {
      Waiter* const next = from.next(*w);
      if (w->arrival > *last_) return;
      if (w->key == key_ && (w->bitset & bitset_) != 0) {
        woken.take(from, *w);
        ++done_;
      }
      w = next;
    }
  }
  /// All that are left.
  void finish(Woken& woken) {
    do {
      woken.wake_all();
      auto waiters = bucket_of(key_).waiters.lock();
      gather(*waiters, woken);
    } while (woken.is_full());
    woken.wake_all();
  }
};

/// f(waiters of a, waiters of b) under both locks.
template <class F> auto with_both(Bucket& a, Bucket& b, F f) {
  if (&a == &b) {
    auto both = a.waiters.lock();
    return f(*both, *both);
  }
  Bucket& low = &a < &b ? a : b;
  Bucket& high = &a < &b ? b : a;
  auto first = low.waiters.lock();
  auto second = high.waiters.lock_as<core::level::futex_twin>();
  return &low == &a ? f(*first, *second) : f(*second, *first);
}

/// Off the list, whatever bucket it stands in by now.
void leave(Waiter& w) {
  while (Bucket* const at = w.bucket.load_acquire()) {
    auto waiters = at->waiters.lock();
    if (w.bucket.load_relaxed() != at) continue;
    waiters->remove(w);
    w.bucket.store_relaxed(nullptr);
  }
}

}  // namespace

Result<void> setup_futexes() {
  constexpr usize per_cpu = 256;
  const usize count = std::bit_ceil(per_cpu * core::possible_cpus);
  mem::KernelRange* const range =
      TRY(mem::map_memory(ALLOC_SITE, align_up(count * sizeof(Bucket), page_size) / page_size));
  auto* const first = range->as<Bucket>();
  for (usize i = 0; i < count; ++i) ::new (first + i) Bucket;
  buckets = {first, count};
  return {};
}

Result<void> futex_wait(Task& me, const FutexWait& wanted) {
  if (wanted.bitset == 0) return Errno::einval;
  Waiter w;
  w.key = TRY(key_of(me, wanted.word, wanted.is_private));
  w.bitset = wanted.bitset;
  w.thread = &me;
  Bucket& b = bucket_of(w.key);
  for (;;) {
    u32 now = 0;
    {
      auto waiters = b.waiters.lock();
      if (machine::load_user_u32(now, wanted.word.value)) {
        if (now != wanted.value) return Errno::eagain;
        w.bucket.store_release(&b);
        waiters->add(w);
        break;
      }
    }
    // Not there: bring it in where sleeping is allowed, and try again.
    TRY(core::read_user(&now, wanted.word, sizeof(now)));
  }
  sched::WaitQueue nothing;
  const auto is_woken = [&] { return w.woken.load_acquire(); };
  const sched::WaitResult r = sched::wait_interruptible(nothing, is_woken, wanted.deadline_ns);
  leave(w);
  if (is_woken()) return {};
  if (r == sched::WaitResult::timed_out) return Errno::etimedout;
  return restart::sys;
}

Result<u32> futex_wake(Task& me, UserAddr word, i32 count, u32 bitset, bool is_private) {
  if (bitset == 0) return Errno::einval;
  const Key key = TRY(key_of(me, word, is_private));
  Woken woken;
  Waking waking(key, bitset, std::max(count, 1));
  waking.finish(woken);
  return static_cast<u32>(waking.done());
}

Result<u32> futex_requeue(Task& me, UserAddr from, UserAddr to, i32 wake, i32 move,
                          const u32* compare, bool is_private) {
  if (wake < 0 || move < 0) return Errno::einval;
  const Key source = TRY(key_of(me, from, is_private));
  const Key target = TRY(key_of(me, to, is_private));
  Bucket& a = bucket_of(source);
  Bucket& b = bucket_of(target);
  Woken woken;
  Waking waking(source, ~u32{0}, wake);
  i32 moved = 0;
  enum class Look : u8 { done, changed, fault };
  const auto look = [&](Waiters& here, Waiters& there) {
    u32 now = 0;
    if (compare != nullptr) {
      if (!machine::load_user_u32(now, from.value)) return Look::fault;
      if (now != *compare) return Look::changed;
    }
    waking.gather(here, woken);
    if (!waking.is_complete()) return Look::done;
    for (Waiter* w = here.first(); w != nullptr && moved < move;) {
      Waiter* const next = here.next(*w);
      if (w->key == source) {
        w->key = target;
        if (&here != &there) {
          here.remove(*w);
          there.add(*w);
          w->bucket.store_release(&b);
        }
        ++moved;
      }
      w = next;
    }
    return Look::done;
  };
  Look result = with_both(a, b, look);
  while (result == Look::fault) {
    u32 now = 0;
    TRY(core::read_user(&now, from, sizeof(now)));
    result = with_both(a, b, look);
  }
  if (result == Look::changed) return Errno::eagain;
  const bool more = woken.is_full();
  woken.wake_all();
  if (more) waking.finish(woken);
  return static_cast<u32>(waking.done() + moved);
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

/// The page is there to be written, or EFAULT.
Result<void> bring_in(UserAddr word) {
  u32 old = 0;
  if (!machine::load_user_u32(old, word.value)) return Errno::efault;
  return machine::cas_user_u32(word.value, old, old) ? Result<void>() : Errno::efault;
}

}  // namespace

Result<u32> futex_wake_op(Task& me, UserAddr word, UserAddr second, i32 wake, i32 wake_second,
                          u32 operation, bool is_private) {
  const Key key = TRY(key_of(me, word, is_private));
  const Key second_key = TRY(key_of(me, second, is_private));
  const WordOperation o(operation);
  if (!o.exists()) return Errno::enosys;
  Woken woken;
  Waking first(key, ~u32{0}, std::max(wake, 1));
  Waking other(second_key, ~u32{0}, std::max(wake_second, 1));
  bool holds = false;
  const auto attempt = [&](Waiters& here, Waiters& there) {
    const std::optional<u32> old = change_word(second, o);
    if (!old) return false;
    holds = o.holds_for(*old);
    first.gather(here, woken);
    if (holds) other.gather(there, woken);
    return true;
  };
  while (!with_both(bucket_of(key), bucket_of(second_key), attempt)) TRY(bring_in(second));
  const bool more = woken.is_full();
  woken.wake_all();
  if (more) {
    first.finish(woken);
    if (holds) other.finish(woken);
  }
  return static_cast<u32>(first.done() + other.done());
}

namespace {

constexpr u32 owner_bits = uapi::futex_tid_mask;

/// A lock of a dying thread, if it is one: its word says that the owner died. EFAULT: the list
/// leads nowhere.
Result<void> mark_dead(Task& me, UserAddr word, bool is_pending) {
  if (word.value % sizeof(u32) != 0 || !core::is_user_range(word, sizeof(u32)))
    return Errno::efault;
  u32 now = TRY(core::UserIn<u32>(word).load());
  for (;;) {
    // Let go of already, but whoever waits has not been told.
    if (is_pending && (now & owner_bits) == 0) {
      TRY(futex_wake(me, word, 1, ~u32{0}, false));
      return {};
    }
    if ((now & owner_bits) != me.tid()) return {};
    const u32 expected = now;
    const u32 marked = (now & uapi::futex_waiters) | u32{uapi::futex_owner_died};
    if (!machine::cas_user_u32(word.value, now, marked)) return Errno::efault;
    if (now == expected) break;
  }
  if ((now & uapi::futex_waiters) != 0) TRY(futex_wake(me, word, 1, ~u32{0}, false));
  return {};
}

/// The lowest bit of an entry says that its lock hands priorities on.
constexpr u64 entry_address = ~u64{1};

Result<void> walk_robust_list(Task& me, UserAddr head) {
  const auto h = TRY(core::UserIn<uapi::robust_list_head>(head).load());
  const auto word_of = [&](u64 entry) {
    return UserAddr(entry + static_cast<u64>(h.futex_offset));
  };
  const u64 pending = h.list_op_pending & entry_address;
  u64 entry = h.list.next & entry_address;
  for (u32 n = 0; entry != head.value && n < uapi::robust_list_limit; ++n) {
    // Read first: whoever gets the lock may reuse its memory.
    Result<u64> next = core::UserIn<u64>(UserAddr(entry)).load();
    if (entry != pending) TRY(mark_dead(me, word_of(entry), false));
    if (!next.ok()) return next.error();
    entry = *next & entry_address;
  }
  return pending != 0 ? mark_dead(me, word_of(pending), true) : Result<void>();
}

}  // namespace

void leave_robust_list(Task& me) {
  const UserAddr head = std::exchange(me.robust_list, UserAddr(0));
  if (head.value != 0 && me.space) (void)walk_robust_list(me, head);
}

}  // namespace auk::proc
