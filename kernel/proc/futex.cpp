#include "proc/futex.hpp"

#include "base/list.hpp"
#include "sched/lock.hpp"

namespace auk::proc {
namespace {

struct Key {
  const void* owner = nullptr;
  u64 offset = 0;
  bool operator==(const Key&) const = default;
};

struct Waiter {
  Key key;
  u32 bitset = 0;
  Atomic<bool> woken{false};
  Atomic<struct Bucket*> bucket{nullptr};
  sched::WaitQueue sleeps;
  ListNode node;
};

struct Bucket {
  core::Guarded<core::level::futex, List<Waiter, &Waiter::node>, core::SpinPreemptOff> waiters;
};

constexpr usize bucket_count = 256;
constinit std::array<Bucket, bucket_count> buckets;

Bucket& bucket_of(const Key& k) {
  u64 h = reinterpret_cast<u64>(k.owner) ^ (k.offset * 0x9e3779b97f4a7c15);
  h ^= h >> 29;
  h *= 0xbf58476d1ce4e5b9;
  return buckets[(h >> 32) % bucket_count];
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

}  // namespace

Result<void> futex_wait(Task& me, UserAddr word, u32 value, u32 bitset, u64 deadline_ns,
                        bool is_private) {
  if (bitset == 0) return Errno::einval;
  Waiter w;
  w.key = TRY(key_of(me, word, is_private));
  w.bitset = bitset;
  Bucket& b = bucket_of(w.key);
  for (;;) {
    u32 now = 0;
    {
      auto waiters = b.waiters.lock();
      if (machine::load_user_u32(now, word.value)) {
        if (now != value) return Errno::eagain;
        w.bucket.store_release(&b);
        waiters->push_back(w);
        break;
      }
    }
    // Not there: bring it in where sleeping is allowed, and try again.
    TRY(core::read_user(&now, word, sizeof(now)));
  }
  const auto is_woken = [&] { return w.woken.load_acquire(); };
  const sched::WaitResult r = sched::wait_interruptible(w.sleeps, is_woken, deadline_ns);
  // Off the list, whatever bucket it stands in by now.
  for (;;) {
    Bucket* const at = w.bucket.load_acquire();
    if (at == nullptr) break;
    auto waiters = at->waiters.lock();
    if (w.bucket.load_relaxed() != at) continue;
    waiters->remove(w);
    w.bucket.store_relaxed(nullptr);
    break;
  }
  if (is_woken()) return {};
  if (r == sched::WaitResult::timed_out) return Errno::etimedout;
  return restart::sys;
}

namespace {

/// The bucket's lock is held. The waiter may be gone when the lock is free.
void wake(List<Waiter, &Waiter::node>& list, Waiter& w) {
  list.remove(w);
  w.woken.store_release(true);
  w.sleeps.wake_one();
  w.bucket.store_release(nullptr);
}

}  // namespace

Result<u32> futex_wake(Task& me, UserAddr word, u32 count, u32 bitset, bool is_private) {
  if (bitset == 0) return Errno::einval;
  const Key key = TRY(key_of(me, word, is_private));
  auto waiters = bucket_of(key).waiters.lock();
  u32 done = 0;
  for (Waiter* w = waiters->front(); w != nullptr && done < count;) {
    Waiter* const next = waiters->next(*w);
    if (w->key == key && (w->bitset & bitset) != 0) {
      wake(*waiters, *w);
      ++done;
    }
    w = next;
  }
  return done;
}

Result<u32> futex_requeue(Task& me, UserAddr from, UserAddr to, u32 wake_count, u32 move,
                          const u32* compare, bool is_private) {
  const Key source = TRY(key_of(me, from, is_private));
  const Key target = TRY(key_of(me, to, is_private));
  if (compare != nullptr) {
    const u32 now = TRY(core::UserIn<u32>(from).load());
    if (now != *compare) return Errno::eagain;
  }
  Bucket& a = bucket_of(source);
  Bucket& b = bucket_of(target);
  u32 done = 0;
  List<Waiter, &Waiter::node> moving;
  {
    auto waiters = a.waiters.lock();
    for (Waiter* w = waiters->front(); w != nullptr && done < wake_count + move;) {
      Waiter* const next = waiters->next(*w);
      if (w->key == source) {
        if (done < wake_count) {
          wake(*waiters, *w);
        } else if (&a == &b) {
          w->key = target;
        } else {
          break;
        }
        ++done;
      }
      w = next;
    }
  }
  // One at a time between two buckets: no two locks of this level are ever held at once.
  while (&a != &b && done < wake_count + move) {
    bool any = false;
    {
      auto waiters = a.waiters.lock();
      for (Waiter& w : *waiters)
        if (w.key == source) {
          wake(*waiters, w);
          any = true;
          break;
        }
    }
    if (!any) break;
    ++done;
  }
  return done;
}

}  // namespace auk::proc
