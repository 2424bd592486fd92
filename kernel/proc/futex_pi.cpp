// Locks that hand priorities on: FUTEX_LOCK_PI and its kin. See futex(2), Linux's
// Documentation/locking/pi-futex.rst.
//
// Data model: a lock is known to the kernel while somebody waits for it: a PiState in the bucket of
// its word and in its owner's list, with the waiters, the most urgent first. Whoever unlocks it
// writes the first waiter's number into the word and leaves the lock to it. Where the owner died,
// the first waiter becomes the owner at once, and as the heir writes that into the word itself: the
// dead thread may not reach the word any more.
// Ranks: a lock lends its owner the rank of its first waiter; a thread runs with the highest of its
// own and what it is lent. Whoever changes a thread's rank goes on to the lock it waits for. A
// waiter is always placed by what its thread's rank is at that moment, so of many who do this at
// once the last one leaves the right order.
// Deadlocks: threads point to the lock they wait for, locks to their owner. Who has begun to wait
// follows that way; one that leads back to it was a circle at one moment if it looks the same
// twice. Of those who see a circle, the one fails that looked last. Locking: the bucket's lock
// guards PiState, level futex_pi a thread's FutexUse; what dies is dropped without them.
// Differences from Linux: the lock is handed over, never left to be taken by who comes first. Fair
// threads do not hand weights on, as on Linux.
#include "generated/uapi/futex.hpp"
#include "proc/futex_table.hpp"

namespace auk::proc {
namespace {

constexpr u32 owner_bits = uapi::futex_tid_mask;
constexpr u32 waiters_bit = uapi::futex_waiters;
constexpr u32 died_bit = uapi::futex_owner_died;
/// Locks on the way of one deadlock, as Linux's kernel.max_lock_depth.
constexpr u32 max_depth = 1024;

/// What is left to do when the bucket is free: this ends behind its lock.
struct Left {
  Ref<PiState> lock;
  Ref<Task> owner;
  bool has_new_rank = false;  ///< the owner
  Ref<sched::Thread> sleeper;
  bool is_awake = false;

  Left() = default;
  Left(const Left&) = delete;
  Left& operator=(const Left&) = delete;
  void wake() {
    if (sleeper && !std::exchange(is_awake, true)) (void)sched::wake(*sleeper);
  }
  ~Left() {
    wake();
    if (has_new_rank) hand_rank_on(std::move(owner));
  }
};

/// The thread runs with what its locks lend it. True: that changed. Its lock is held.
bool borrow(Task& t, FutexUse& use) {
  const sched::Rank most = use.held.empty() ? sched::Rank{0} : use.held.begin()->lends;
  if (use.lent == most) return false;
  use.lent = most;
  t.set_boost(most);
  return true;
}

/// Who waits for the lock has changed. The bucket's lock is held.
void lend(PiState& s, Left& left) {
  if (!s.owner) return;
  auto use = s.owner->futex_use.lock();
  if (s.lends == s.most_urgent()) return;
  use->held.erase(use->held.iterator_to(s));
  s.lends = s.most_urgent();
  use->held.insert_equal(s);
  if (!borrow(*s.owner, *use)) return;
  left.owner = s.owner;
  left.has_new_rank = true;
}

/// Nobody's, until it gets an owner or is forgotten. The bucket's lock is held.
void disown(PiState& s, Left& left) {
  if (!s.owner) return;
  auto use = s.owner->futex_use.lock();
  use->held.erase(use->held.iterator_to(s));
  left.has_new_rank = borrow(*s.owner, *use) || left.has_new_rank;
  left.owner = std::move(s.owner);
}

/// False: the thread takes none any more. The bucket's lock is held.
bool set_owner(PiState& s, Task& owner, u32 number, Left& left) {
  disown(s, left);
  ++s.changes;
  auto use = owner.futex_use.lock();
  if (use->takes_none) return false;
  s.lends = s.most_urgent();
  use->held.insert_equal(s);
  (void)borrow(owner, *use);
  s.owner = Ref<Task>(owner);
  s.owner_number = number;
  return true;
}

/// What a thread sleeps for; nullptr: it has the lock, or gave up.
void set_wanted(FutexWaiter& w, PiState* s) {
  auto use = w.task->futex_use.lock();
  use->wanted = s;
  use->waiter = s != nullptr ? &w : nullptr;
  ++use->wants;
  use->turn = 0;
}

/// A lock that nobody waits for is the program's own business. The bucket's lock is held.
void forget_if_unwanted(FutexBucketLists& lists, PiState& s, Left& left) {
  if (!s.waiters.empty() || s.heir != nullptr) return;
  disown(s, left);
  left.lock = lists.remove(s);
}

/// The thread sleeps and will not look for a circle itself.
void skip_turn(Task& t) {
  auto use = t.futex_use.lock();
  use->turn = FutexUse::first_turn;
}

/// The bucket's lock is held.
void join(FutexBucket& b, PiState& s, FutexWaiter& w, Left& left) {
  w.lock = &s;
  w.bucket.store_release(&b);
  set_wanted(w, &s);
  // Whoever changes it from here on finds what the thread waits for.
  w.rank = w.task->rank();
  add_by_rank(s.waiters, w);
  lend(s, left);
}

/// Its owner died, or cannot become it: the next one inherits the lock. The bucket's lock is held.
void bequeath(FutexBucketLists& lists, PiState& s, Left& left) {
  s.heir = s.waiters.pop_front();
  if (s.heir == nullptr) return forget_if_unwanted(lists, s, left);
  Task& heir = *s.heir->task;
  set_wanted(*s.heir, nullptr);
  // It sleeps in a call of its own, and so has its memory.
  (void)set_owner(s, heir, heir.tid(), left);
  left.sleeper = Ref<sched::Thread>(heir);
  s.heir->woken.store_release(true);
  left.wake();
}

/// The heir's own part. EFAULT: it cannot write the word, and the next one inherits.
Result<void> come_into_lock(FutexWaiter& w, UserAddr word) {
  FutexBucket& b = *w.bucket.load_acquire();
  bool writable = true;
  for (;;) {
    Left left;
    {
      auto lists = b.lists.lock();
      u32 now = 0;
      bool ok = writable && machine::load_user_u32(now, word.value);
      while (ok) {
        const u32 seen = now;
        ok = machine::cas_user_u32(word.value, now, w.task->tid() | waiters_bit | died_bit);
        if (now == seen) break;
      }
      if (ok || !writable) {
        w.lock->heir = nullptr;
        w.bucket.store_relaxed(nullptr);
        (void)b.counted.fetch_sub_relaxed(1);
        if (ok)
          forget_if_unwanted(*lists, *w.lock, left);
        else
          bequeath(*lists, *w.lock, left);
      }
      if (ok) return {};
    }
    if (!writable) return Errno::efault;
    writable = bring_in_futex(word).ok();
  }
}

/// One thread's way to one lock.
struct Attempt {
  const FutexKey key;
  const UserAddr word;
  bool others_follow = false;  ///< who are to wait for it if the thread gets it
  u32 seen = 0;                ///< in the word, whose owner this is
  Ref<Task> owner = {};
  Ref<PiState> spare = {};
  PiState* lock = nullptr;  ///< what there is to wait for

  /// What cannot be done under locks. EFAULT, ENOMEM.
  Result<void> prepare() {
    TRY(core::read_user(&seen, word, sizeof(seen)));
    Result<Ref<Task>> found = find_task(seen & owner_bits);
    owner = found.ok() ? found.take() : Ref<Task>();
    if (!spare) spare = TRY(mem::make_ref<PiState>(ALLOC_SITE, key));
    return {};
  }
};

enum class Look : u8 { taken, wait, again, fault, prepare, deadlock, no_lock, gone };

/// Makes a PiState for the word. False: that thread owns none any more.
bool announce(FutexBucketLists& lists, Attempt& a, Task& owner, u32 number, Left& left) {
  if (!set_owner(*a.spare, owner, number, left)) return false;
  a.lock = a.spare.get();
  lists.add(std::move(a.spare));
  return true;
}

/// Takes the lock for the thread, or finds what it has to wait for. The bucket's lock is held.
Look look(FutexBucketLists& lists, Attempt& a, Task& me, Left& left) {
  u32 now = 0;
  if (!machine::load_user_u32(now, a.word.value)) return Look::fault;
  const u32 owner = now & owner_bits;
  if (owner == me.tid()) return Look::deadlock;
  a.lock = lists.lock_of(a.key);
  if (a.lock != nullptr) {
    const bool agrees = a.lock->heir != nullptr || a.lock->owner_number == owner ||
                        (owner == 0 && (now & died_bit) != 0);
    return agrees ? Look::wait : Look::no_lock;
  }
  if (lists.first_of(a.key) != nullptr) return Look::no_lock;
  u32 wanted = now | waiters_bit;
  if (owner == 0) {
    if (a.others_follow && !a.spare) return Look::prepare;
    wanted = (now & died_bit) | me.tid() | (a.others_follow ? waiters_bit : 0);
  } else if (now != a.seen || !a.spare) {
    return Look::prepare;
  }
  u32 found = now;
  if (wanted != now && !machine::cas_user_u32(a.word.value, found, wanted)) return Look::fault;
  if (found != now) return Look::again;
  if (owner == 0) {
    if (a.others_follow) (void)announce(lists, a, me, me.tid(), left);
    return Look::taken;
  }
  if (a.owner && announce(lists, a, *a.owner, owner, left)) return Look::wait;
  // Who dies has written into the locks of its robust list before it stops being found.
  if (!machine::load_user_u32(found, a.word.value)) return Look::fault;
  return found == wanted ? Look::gone : Look::again;
}

/// What a look that neither took the lock nor found it taken leads to; it is repeated if there is
/// no error.
Result<void> after(Look l, Attempt& a) {
  switch (l) {
    case Look::fault: return bring_in_futex(a.word);
    case Look::prepare: return a.prepare();
    case Look::deadlock: return Errno::edeadlk;
    case Look::no_lock: return Errno::einval;
    case Look::gone: return Errno::esrch;
    default: return {};
  }
}

constinit Atomic<u64> last_turn{FutexUse::first_turn};

/// How it goes on from a lock that a thread waits for.
struct Way {
  bool leads_back = false;
  /// Everybody on it has looked for a circle before this thread did.
  bool is_last = true;
  u64 digest = 1;  ///< differs where the way does

  void pass(u64 what) { digest = (digest ^ what) * 0x9e3779b97f4a7c15 | 1; }
};

Way way_from(const Task& me, u64 my_turn, Ref<PiState> lock) {
  Way way;
  for (u32 depth = 0; depth < max_depth; ++depth) {
    Ref<Task> owner;
    {
      auto lists = bucket_of(lock->key).lists.lock();
      owner = lock->owner;
      way.pass(lock->changes);
    }
    if (!owner) return way;
    way.leads_back = owner.get() == &me;
    if (way.leads_back) return way;
    way.pass(owner->id);
    Ref<PiState> next;
    {
      auto use = owner->futex_use.lock();
      if (use->wanted != nullptr) next = Ref<PiState>(*use->wanted);
      way.pass(use->wants);
      way.is_last = way.is_last && use->turn != 0 && use->turn < my_turn;
    }
    if (!next) return way;
    lock = std::move(next);
  }
  way.leads_back = true;
  return way;
}

/// The thread, which waits for the lock from now on, would wait for itself. Of all in the circle it
/// is the last to look: nobody else finds the circle closed.
bool closes_circle(Task& me, const Ref<PiState>& lock) {
  u64 turn = FutexUse::first_turn;
  {
    auto use = me.futex_use.lock();
    // Nobody waits for the thread. Taken under the lock: who sees no turn has an earlier one.
    const bool is_alone = use->held.empty();
    if (!is_alone) turn += last_turn.fetch_add_relaxed(1);
    use->turn = turn;
    if (is_alone) return false;
  }
  u64 before = 0;
  for (;;) {
    const Way way = way_from(me, turn, lock);
    if (!way.leads_back || !way.is_last) return false;
    if (way.digest == before) return true;
    before = way.digest;
  }
}

enum class Outcome : u8 { owner, heir, gave_lock_up, gave_up };

/// What came of the wait; where nothing came, it ends here.
Outcome end_wait(FutexWaiter& w) {
  for (;;) {
    FutexBucket* const at = w.bucket.load_acquire();
    if (at == nullptr) return Outcome::owner;
    Left left;
    auto lists = at->lists.lock();
    if (w.bucket.load_relaxed() != at) continue;
    PiState* const lock = w.lock;
    if (lock != nullptr && lock->heir == &w) return Outcome::heir;
    if (lock != nullptr) {
      lock->waiters.remove(w);
      w.lock = nullptr;
      set_wanted(w, nullptr);
      lend(*lock, left);
      forget_if_unwanted(*lists, *lock, left);
    } else {
      lists->remove(w);
    }
    (void)at->counted.fetch_sub_relaxed(1);
    w.bucket.store_relaxed(nullptr);
    return lock != nullptr ? Outcome::gave_lock_up : Outcome::gave_up;
  }
}

/// The lock is the thread's, or there is an error.
Result<void> settle(FutexWaiter& w, UserAddr word, Outcome o, Errno without) {
  switch (o) {
    case Outcome::owner: return {};
    case Outcome::heir: return come_into_lock(w, word);
    default: return without;
  }
}

/// Sleeps until the lock is the thread's.
Result<void> wait_for_lock(FutexWaiter& w, UserAddr word, io::Moment end, Errno interrupted) {
  const sched::WaitResult r = sleep_on_futex(w, end);
  const Outcome o = end_wait(w);
  if (r == sched::WaitResult::timed_out) return settle(w, word, o, Errno::etimedout);
  return settle(w, word, o, o == Outcome::gave_lock_up ? interrupted : restart::no_intr);
}

}  // namespace

Result<void> futex_lock(Task& me, const FutexLock& l) {
  Attempt a{.key = TRY(futex_key(me, l.word, l.is_private, FutexAccess::write)), .word = l.word};
  FutexBucket& b = bucket_of(a.key);
  FutexArrival arrival(b);
  FutexWaiter w;
  w.key = a.key;
  w.task = &me;
  Ref<PiState> lock;
  for (;;) {
    Left left;
    Look found = Look::again;
    {
      auto lists = b.lists.lock();
      found = look(*lists, a, me, left);
      if (found == Look::wait && l.only_try) forget_if_unwanted(*lists, *a.lock, left);
      if (found == Look::wait && !l.only_try) {
        lock = Ref<PiState>(*a.lock);
        join(b, *a.lock, w, left);
        arrival.stay();
      }
    }
    if (found == Look::taken) return {};
    if (found == Look::wait) break;
    TRY(after(found, a));
    if (me.has_work(sched::Interruptible::fatal)) return Errno(restart::no_intr);
  }
  if (l.only_try) return Errno::eagain;
  if (closes_circle(me, lock)) return settle(w, l.word, end_wait(w), Errno::edeadlk);
  return wait_for_lock(w, l.word, l.end, Errno(restart::no_intr));
}

Result<void> futex_unlock(Task& me, UserAddr word, bool is_private) {
  u32 now = 0;
  TRY(core::read_user(&now, word, sizeof(now)));
  if ((now & owner_bits) != me.tid()) return Errno::eperm;
  const FutexKey key = TRY(futex_key(me, word, is_private, FutexAccess::write));
  FutexBucket& b = bucket_of(key);
  for (;;) {
    Left left;
    bool done = false;
    {
      auto lists = b.lists.lock();
      PiState* const s = lists->lock_of(key);
      FutexWaiter* const next = s != nullptr ? s->waiters.front() : nullptr;
      if (s == nullptr ? lists->first_of(key) != nullptr : s->owner.get() != &me)
        return Errno::einval;
      const u32 wanted = next != nullptr ? next->task->tid() | waiters_bit : 0;
      u32 found = now;
      if (machine::cas_user_u32(word.value, found, wanted)) {
        done = found == now;
        now = found;
        if (done && next != nullptr) {
          s->waiters.remove(*next);
          set_wanted(*next, nullptr);
          (void)set_owner(*s, *next->task, next->task->tid(), left);
          next->lock = nullptr;
          left.sleeper = release_waiter(*next);
          forget_if_unwanted(*lists, *s, left);
          // Before this thread, which has lost what it was lent, can be preempted.
          left.wake();
        }
      } else {
        now = ~u32{0};
      }
    }
    if (done) return {};
    if (me.has_work(sched::Interruptible::fatal)) return Errno::eintr;
    if (now == ~u32{0}) {
      TRY(bring_in_futex(word));
      TRY(core::read_user(&now, word, sizeof(now)));
    }
    if ((now & owner_bits) != me.tid()) return Errno::einval;
  }
}

Result<void> futex_wait_for_lock(Task& me, const FutexWait& wanted, UserAddr target) {
  if (wanted.word == target) return Errno::einval;
  const FutexKey lock = TRY(futex_key(me, target, wanted.is_private, FutexAccess::write));
  FutexWaiter w;
  w.key = TRY(futex_key(me, wanted.word, wanted.is_private, FutexAccess::read));
  if (w.key == lock) return Errno::einval;
  w.target = &lock;
  w.task = &me;
  TRY(join_futex(w, wanted.word, wanted.value));
  return wait_for_lock(w, target, wanted.end, Errno::eagain);
}

Result<u32> futex_requeue_lock(Task& me, UserAddr from, UserAddr to, i32 move, u32 compare,
                               bool is_private) {
  if (from == to || move < 0) return Errno::einval;
  const FutexKey source = TRY(futex_key(me, from, is_private, FutexAccess::read));
  Attempt a{.key = TRY(futex_key(me, to, is_private, FutexAccess::write)),
            .word = to,
            .others_follow = move > 0};
  if (source == a.key) return Errno::einval;
  FutexBucket& home = bucket_of(source);
  FutexBucket& b = bucket_of(a.key);
  enum class Step : u8 { done, changed, fault, mixed, look };
  for (;;) {
    Left left;
    Look found = Look::again;
    u32 count = 0;
    const auto may_move = [&](const FutexWaiter& w) {
      return w.target != nullptr && *w.target == a.key;
    };
    const Step step = with_both(home, b, [&](FutexBucketLists& here, FutexBucketLists& there) {
      u32 now = 0;
      if (!machine::load_user_u32(now, from.value)) return Step::fault;
      if (now != compare) return Step::changed;
      FutexWaiter* const first = here.first_of(source);
      if (first == nullptr) return here.lock_of(source) == nullptr ? Step::done : Step::mixed;
      if (!may_move(*first)) return Step::mixed;
      found = look(there, a, *first->task, left);
      if (found == Look::taken) {
        here.remove(*first);
        left.sleeper = release_waiter(*first);
        ++count;
      } else if (found != Look::wait) {
        return Step::look;
      }
      Step result = Step::done;
      const u32 most = static_cast<u32>(move) + 1;
      for (FutexWaiter* w = here.first(); w != nullptr && count < most;) {
        FutexWaiter* const next = here.next(*w);
        if (w->key == source) {
          if (!may_move(*w)) {
            result = Step::mixed;
            break;
          }
          here.remove(*w);
          join(b, *a.lock, *w, left);
          skip_turn(*w->task);
          (void)home.counted.fetch_sub_relaxed(1);
          (void)b.counted.fetch_add_relaxed(1);
          ++count;
        }
        w = next;
      }
      if (a.lock != nullptr) forget_if_unwanted(there, *a.lock, left);
      return result;
    });
    if (step == Step::done) return count;
    if (step == Step::changed) return Errno::eagain;
    if (step == Step::mixed) return Errno::einval;
    if (me.has_work(sched::Interruptible::fatal)) return Errno::eintr;
    if (step == Step::look) {
      TRY(after(found, a));
    } else {
      u32 now = 0;
      TRY(core::read_user(&now, from, sizeof(now)));
    }
  }
}

void hand_rank_on(Ref<Task> t) {
  for (u32 depth = 0; depth < max_depth; ++depth) {
    Ref<PiState> lock;
    {
      auto use = t->futex_use.lock();
      if (use->wanted == nullptr) return;
      lock = Ref<PiState>(*use->wanted);
    }
    Left left;
    {
      auto lists = bucket_of(lock->key).lists.lock();
      FutexWaiter* w = nullptr;
      {
        auto use = t->futex_use.lock();
        if (use->wanted != lock.get()) continue;
        w = use->waiter;
      }
      if (w->rank == t->rank()) return;
      lock->waiters.remove(*w);
      w->rank = t->rank();
      add_by_rank(lock->waiters, *w);
      lend(*lock, left);
    }
    if (!left.has_new_rank) return;
    left.has_new_rank = false;
    t = std::move(left.owner);
  }
}

void leave_held_futexes(Task& me, bool for_good) {
  for (;;) {
    Ref<PiState> lock;
    {
      auto use = me.futex_use.lock();
      if (use->held.empty()) {
        use->takes_none = for_good;
        return;
      }
      lock = Ref<PiState>(static_cast<PiState&>(*use->held.begin()));
    }
    Left left;
    {
      auto lists = bucket_of(lock->key).lists.lock();
      // Whoever waited may have gone meanwhile, and the lock with it.
      if (lock->owner.get() == &me) bequeath(*lists, *lock, left);
    }
  }
}

}  // namespace auk::proc
