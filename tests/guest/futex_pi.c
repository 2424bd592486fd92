// Locks that hand priorities on: FUTEX_LOCK_PI and its kin, futex(2); the C library's mutexes and
// robust lists over them.
#include "ktap.h"

#include <linux/futex.h>
#include <pthread.h>

enum { TARGET = 600, FREE = 0 };

static uint32_t* shared_words(void) {
  return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static uint32_t value_of(uint32_t* word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
static void store(uint32_t* word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}
static void await(uint32_t* word, uint32_t value) {
  while (value_of(word) != value) sched_yield();
}
static void await_bits(uint32_t* word, uint32_t bits) {
  while ((value_of(word) & bits) != bits) sched_yield();
}

static long futex(void* word, int operation, uint32_t value, void const* time) {
  return SYS(futex, word, operation, value, time, NULL, 0);
}
static long lock(void* word) { return futex(word, FUTEX_LOCK_PI, 0, NULL); }
static long try_lock(void* word) { return futex(word, FUTEX_TRYLOCK_PI, 0, NULL); }
static long unlock(void* word) { return futex(word, FUTEX_UNLOCK_PI, 0, NULL); }

TEST(alone) {
  uint32_t word = FREE;
  uint32_t const me = gettid();
  IS(lock(&word), 0);
  IS(word, me);
  FAILS(lock(&word), EDEADLK);
  FAILS(try_lock(&word), EDEADLK);
  IS(unlock(&word), 0);
  IS(word, FREE);
  FAILS(unlock(&word), EPERM);
  IS(try_lock(&word), 0);
  IS(word, me);
  IS(unlock(&word), 0);
  IS(futex(&word, FUTEX_LOCK_PI2, 0, NULL), 0);
  IS(futex(&word, FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL), 0);
  // What the word says besides the owner.
  word = FUTEX_WAITERS;
  IS(lock(&word), 0);
  IS(word, me);
  word = FUTEX_OWNER_DIED | FUTEX_WAITERS;
  IS(lock(&word), 0);
  OK(word == (me | FUTEX_OWNER_DIED));
  IS(unlock(&word), 0);
  IS(word, FREE);
  word = me | FUTEX_WAITERS;
  IS(unlock(&word), 0);
  IS(word, FREE);
}

TEST(bad_arguments) {
  uint32_t word = FREE;
  char* const bytes = (char*)&word;
  FAILS(lock(bytes + 1), EINVAL);
  FAILS(lock(BAD_POINTER), EFAULT);
  FAILS(lock((void*)0xffff800000000000UL), EFAULT);
  FAILS(try_lock(BAD_POINTER), EFAULT);
  FAILS(unlock(BAD_POINTER), EFAULT);
  FAILS(unlock((void*)0xffff800000000000UL), EFAULT);
  FAILS(futex(&word, FUTEX_LOCK_PI, 0, BAD_POINTER), EFAULT);
  FAILS(futex(&word, FUTEX_LOCK_PI, 0, &(struct timespec){0, -1}), EINVAL);
  FAILS(futex(&word, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, 0, NULL), ENOSYS);
  FAILS(futex(&word, FUTEX_UNLOCK_PI | FUTEX_CLOCK_REALTIME, 0, NULL), ENOSYS);
  FAILS(futex(&word, FUTEX_TRYLOCK_PI | FUTEX_CLOCK_REALTIME, 0, NULL), ENOSYS);
  // The time does not matter where nobody waits.
  IS(futex(&word, FUTEX_TRYLOCK_PI, 0, BAD_POINTER), 0);
  IS(unlock(&word), 0);
  IS(futex(&word, FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME, 0, NULL), 0);
  // A word that can be read only.
  uint32_t* const page = shared_words();
  mprotect(page, 4096, PROT_READ);
  FAILS(lock(page), EFAULT);
  // No such owner.
  word = 4000000;
  FAILS(lock(&word), ESRCH);
  OK(word == (4000000 | FUTEX_WAITERS));
  FAILS(try_lock(&word), ESRCH);
  FAILS(unlock(&word), EPERM);
}

// A process that takes a lock, says so, and lets go when it is told to.
enum { SAYS = 100, HOLDS = 1, LET_GO = 2 };
static pid_t owner_of(uint32_t* word) {
  pid_t const child = NEED(fork());
  if (child == 0) {
    if (lock(word) != 0) _exit(1);
    store(word + SAYS, HOLDS);
    await(word + SAYS, LET_GO);
    _exit(unlock(word) == 0 ? 0 : 1);
  }
  await(word + SAYS, HOLDS);
  return child;
}

TEST(time_runs_out) {
  uint32_t* const word = shared_words();
  pid_t const child = owner_of(word);
  IS(value_of(word), child);
  FAILS(try_lock(word), EAGAIN);
  OK(value_of(word) == ((uint32_t)child | FUTEX_WAITERS));
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  now.tv_nsec += 10000000;
  if (now.tv_nsec >= 1000000000) {
    ++now.tv_sec;
    now.tv_nsec -= 1000000000;
  }
  FAILS(futex(word, FUTEX_LOCK_PI, 0, &now), ETIMEDOUT);
  FAILS(futex(word, FUTEX_LOCK_PI, 0, &(struct timespec){1, 0}), ETIMEDOUT);
  FAILS(futex(word, FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME, 0, &now), ETIMEDOUT);
  FAILS(futex(word, FUTEX_LOCK_PI2, 0, &(struct timespec){0, 1000}), ETIMEDOUT);
  FAILS(unlock(word), EPERM);
  OK(value_of(word) == ((uint32_t)child | FUTEX_WAITERS));
  store(word + SAYS, LET_GO);
  IS(ktap_status_of(child), 0);
  IS(value_of(word), FREE);
}

static pid_t waiter_for(uint32_t* word, uint32_t* order, uint32_t* next) {
  pid_t const child = NEED(fork());
  if (child == 0) {
    if (lock(word) != 0) _exit(1);
    uint32_t const seen = value_of(word);
    if ((seen & FUTEX_TID_MASK) != (uint32_t)gettid()) _exit(2);
    order[(*next)++] = gettid();
    _exit(unlock(word) == 0 ? 0 : 3);
  }
  return child;
}

TEST(handed_over) {
  uint32_t* const word = shared_words();
  uint32_t *const next = word + 200, *const order = word + 201;
  IS(lock(word), 0);
  enum { count = 5 };
  pid_t children[count];
  for (int i = 0; i < count; ++i) children[i] = waiter_for(word, order, next);
  await_bits(word, FUTEX_WAITERS);
  OK(value_of(word) == ((uint32_t)gettid() | FUTEX_WAITERS));
  // All the same as if it were a wait of another kind.
  FAILS(futex(word, FUTEX_WAKE, 1, NULL), EINVAL);
  FAILS(SYS(futex, word, FUTEX_CMP_REQUEUE, 1, 1, word + TARGET, value_of(word)), EINVAL);
  FAILS(SYS(futex, word, FUTEX_CMP_REQUEUE_PI, 1, 1, word + TARGET, value_of(word)), EINVAL);
  FAILS(SYS(futex, word, FUTEX_WAKE_OP, 1, 1, word + TARGET, 0), EINVAL);
  IS(unlock(word), 0);
  for (int i = 0; i < count; ++i) IS(ktap_status_of(children[i]), 0);
  IS(*next, count);
  IS(value_of(word), FREE);
  for (int i = 0; i < count; ++i) {
    bool found = false;
    for (int k = 0; k < count; ++k) found = found || order[k] == (uint32_t)children[i];
    OK(found);
  }
}

TEST(the_word_is_wrong) {
  uint32_t* const word = shared_words();
  pid_t const child = owner_of(word);
  pid_t const waiter = NEED(fork());
  if (waiter == 0) _exit(lock(word) == 0 && unlock(word) == 0 ? 0 : 1);
  await_bits(word, FUTEX_WAITERS);
  // Until it sleeps: a wake-up is refused then.
  while (futex(word, FUTEX_WAKE, 1, NULL) == 0) sched_yield();
  // The word says that this thread owns the lock, but the kernel knows better.
  uint32_t const true_value = value_of(word);
  store(word, gettid());
  FAILS(unlock(word), EINVAL);
  store(word, getppid());
  FAILS(lock(word), EINVAL);
  store(word, FREE);
  FAILS(lock(word), EINVAL);
  store(word, true_value);
  store(word + SAYS, LET_GO);
  IS(ktap_status_of(child), 0);
  IS(ktap_status_of(waiter), 0);
  IS(value_of(word), FREE);
  // Somebody waits as if it were no lock.
  store(word, 5);
  pid_t const plain = NEED(fork());
  if (plain == 0) {
    while (value_of(word) == 5 && futex(word, FUTEX_WAIT, 5, NULL) != 0) {}
    _exit(0);
  }
  while (SYS(futex, word, FUTEX_CMP_REQUEUE, 0, 1, word, 5) != 1) sched_yield();
  FAILS(lock(word), EINVAL);
  store(word, gettid());
  FAILS(unlock(word), EINVAL);
  IS(futex(word, FUTEX_WAKE, 1, NULL), 1);
  IS(ktap_status_of(plain), 0);
}

static void nothing(int signal) { (void)signal; }

TEST(signals_do_not_end_it) {
  uint32_t* const word = shared_words();
  struct sigaction const a = {.sa_handler = nothing};
  sigaction(SIGALRM, &a, NULL);
  pid_t const child = owner_of(word);
  pid_t const waiter = NEED(fork());
  if (waiter == 0) {
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
    _exit(lock(word) == 0 && unlock(word) == 0 ? 0 : 1);
  }
  await_bits(word, FUTEX_WAITERS);
  usleep(20000);
  store(word + SAYS, LET_GO);
  IS(ktap_status_of(child), 0);
  IS(ktap_status_of(waiter), 0);
  // But SIGKILL does.
  IS(lock(word), 0);
  pid_t const victim = NEED(fork());
  if (victim == 0) _exit(lock(word));
  await_bits(word, FUTEX_WAITERS);
  kill(victim, SIGKILL);
  IS(ktap_status_of(victim), SIGKILL);
  IS(unlock(word), 0);
  IS(value_of(word), FREE);
}

TEST(circles) {
  uint32_t* const w = shared_words();
  // Three processes with a lock each, which want the next one's.
  enum { count = 3 };
  pid_t children[count];
  uint32_t *const ready = w + 300, *const failed = w + 301;
  for (int i = 0; i < count; ++i) {
    children[i] = NEED(fork());
    if (children[i] == 0) {
      if (lock(w + i) != 0) _exit(1);
      __atomic_fetch_add(ready, 1, __ATOMIC_SEQ_CST);
      await(ready, count);
      if (i > 0) await_bits(w + i, FUTEX_WAITERS);
      long const got = lock(w + (i + 1) % count);
      if (got != 0) {
        if (errno != EDEADLK) _exit(2);
        __atomic_fetch_add(failed, 1, __ATOMIC_SEQ_CST);
        _exit(unlock(w + i) == 0 ? 0 : 3);
      }
      if (unlock(w + (i + 1) % count) != 0) _exit(4);
      _exit(unlock(w + i) == 0 ? 0 : 5);
    }
  }
  for (int i = 0; i < count; ++i) IS(ktap_status_of(children[i]), 0);
  // Who looks last finds the circle; on Linux it may be more than one.
  OK(*failed >= 1);
  for (int i = 0; i < count; ++i) IS(value_of(w + i), FREE);
}

// --- owners that die ----------------------------------------------------------------------------

TEST(owner_dies_while_others_wait) {
  uint32_t* const word = shared_words();
  pid_t const child = owner_of(word);
  enum { count = 3 };
  pid_t waiters[count];
  for (int i = 0; i < count; ++i) {
    waiters[i] = NEED(fork());
    if (waiters[i] == 0) {
      if (lock(word) != 0) _exit(1);
      bool const told = (value_of(word) & FUTEX_OWNER_DIED) != 0;
      uint32_t const owner = value_of(word) & FUTEX_TID_MASK;
      __atomic_fetch_add(word + 300, told ? 1 : 0, __ATOMIC_SEQ_CST);
      _exit(owner == (uint32_t)gettid() && unlock(word) == 0 ? 0 : 2);
    }
  }
  await_bits(word, FUTEX_WAITERS);
  while (futex(word, FUTEX_WAKE, 1, NULL) == 0) sched_yield();
  kill(child, SIGKILL);
  IS(ktap_status_of(child), SIGKILL);
  int ended = 0;
  for (int i = 0; i < count; ++i) {
    int const status = ktap_status_of(waiters[i]);
    // Who comes too late to be known finds an owner that is no more.
    ended += status == 0 || status == EXITED(1) ? 1 : 0;
  }
  IS(ended, count);
  OK(word[300] >= 1);
}

struct robust_lock {
  struct robust_list node;
  uint32_t word;
};

// Puts one lock on this process's robust list, as one that hands priorities on.
static void put_on_list(struct robust_lock* l, bool pending) {
  static struct robust_list_head head;
  struct robust_list* const entry = (void*)((char*)&l->node + 1);
  head.futex_offset = offsetof(struct robust_lock, word);
  head.list_op_pending = pending ? entry : NULL;
  l->node.next = &head.list;
  head.list.next = pending ? &head.list : entry;
  SYS(set_robust_list, &head, sizeof(head));
}

static void robust_owner_ends(struct robust_lock* l, bool waited_for, bool by_exec, bool pending) {
  memset(l, 0, 4096);
  uint32_t* const word = &l->word;
  pid_t const child = NEED(fork());
  if (child == 0) {
    put_on_list(l, pending);
    if (lock(word) != 0) _exit(1);
    store(word + SAYS, HOLDS);
    await(word + SAYS, LET_GO);
    if (by_exec) execl(program_invocation_name, "futex_pi", "no such test", NULL);
    _exit(0);
  }
  await(word + SAYS, HOLDS);
  pid_t waiter = -1;
  if (waited_for) {
    waiter = NEED(fork());
    if (waiter == 0) {
      if (lock(word) != 0) _exit(1);
      bool const right = value_of(word) == (gettid() | FUTEX_OWNER_DIED | FUTEX_WAITERS);
      _exit(right && unlock(word) == 0 && value_of(word) == FREE ? 0 : 2);
    }
    await_bits(word, FUTEX_WAITERS);
    while (futex(word, FUTEX_WAKE, 1, NULL) == 0) sched_yield();
  }
  store(word + SAYS, LET_GO);
  ktap_status_of(child);
  if (waited_for) {
    IS(ktap_status_of(waiter), 0);
  } else {
    OK(value_of(word) == FUTEX_OWNER_DIED);
    IS(lock(word), 0);
    OK(value_of(word) == ((uint32_t)gettid() | FUTEX_OWNER_DIED));
    IS(unlock(word), 0);
  }
  IS(value_of(word), FREE);
}

TEST(robust_owner_dies) {
  struct robust_lock* const l = (void*)shared_words();
  robust_owner_ends(l, false, false, false);
  robust_owner_ends(l, true, false, false);
  robust_owner_ends(l, false, false, true);
  robust_owner_ends(l, true, false, true);
}

TEST(robust_owner_runs_another_program) {
  struct robust_lock* const l = (void*)shared_words();
  robust_owner_ends(l, false, true, false);
  robust_owner_ends(l, true, true, false);
}

// --- waiting for a condition, then for the lock
// ---------------------------------------------------

static long wait_for(uint32_t* w, uint32_t value, void const* time) {
  return SYS(futex, w, FUTEX_WAIT_REQUEUE_PI, value, time, w + TARGET, 0);
}
static long requeue(uint32_t* w, int wake, int move, uint32_t value) {
  return SYS(futex, w, FUTEX_CMP_REQUEUE_PI, wake, move, w + TARGET, value);
}

TEST(bad_arguments_of_conditions) {
  uint32_t* const w = shared_words();
  FAILS(wait_for(w, 1, NULL), EAGAIN);
  FAILS(SYS(futex, w, FUTEX_WAIT_REQUEUE_PI, 0, NULL, w, 0), EINVAL);
  FAILS(SYS(futex, w, FUTEX_WAIT_REQUEUE_PI, 0, NULL, (char*)w + 1, 0), EINVAL);
  FAILS(SYS(futex, w, FUTEX_WAIT_REQUEUE_PI, 0, NULL, BAD_POINTER, 0), EFAULT);
  FAILS(SYS(futex, BAD_POINTER, FUTEX_WAIT_REQUEUE_PI, 0, NULL, w, 0), EFAULT);
  FAILS(wait_for(w, 0, BAD_POINTER), EFAULT);
  FAILS(wait_for(w, 0, &(struct timespec){1, 0}), ETIMEDOUT);
  FAILS(requeue(w, 0, 1, 0), EINVAL);
  FAILS(requeue(w, 2, 1, 0), EINVAL);
  FAILS(requeue(w, -1, 1, 0), EINVAL);
  FAILS(requeue(w, 1, -1, 0), EINVAL);
  FAILS(requeue(w, 1, 1, 7), EAGAIN);
  FAILS(SYS(futex, w, FUTEX_CMP_REQUEUE_PI, 1, 1, w, 0), EINVAL);
  FAILS(SYS(futex, w, FUTEX_CMP_REQUEUE_PI, 1, 1, BAD_POINTER, 0), EFAULT);
  IS(requeue(w, 1, 1, 0), 0);
}

static pid_t condition_waiter(uint32_t* w) {
  pid_t const child = NEED(fork());
  if (child == 0) {
    if (wait_for(w, 0, NULL) != 0) _exit(errno == EAGAIN ? 1 : 2);
    if ((value_of(w + TARGET) & FUTEX_TID_MASK) != (uint32_t)gettid()) _exit(3);
    __atomic_fetch_add(w + 1, 1, __ATOMIC_SEQ_CST);
    _exit(unlock(w + TARGET) == 0 ? 0 : 4);
  }
  return child;
}

// As they come to wait.
static int requeue_all(uint32_t* w, int count) {
  int moved = 0;
  while (moved < count) {
    int const now = requeue(w, 1, INT_MAX, 0);
    if (now < 0) break;
    moved += now;
  }
  return moved;
}

TEST(the_lock_is_free) {
  uint32_t* const w = shared_words();
  pid_t const child = condition_waiter(w);
  // Only what the waiter asked for may happen to it.
  while (futex(w, FUTEX_WAKE, 1, NULL) != -1) sched_yield();
  FAILS(futex(w, FUTEX_WAKE, 1, NULL), EINVAL);
  FAILS(SYS(futex, w, FUTEX_CMP_REQUEUE, 1, 1, w + TARGET, 0), EINVAL);
  FAILS(SYS(futex, w, FUTEX_CMP_REQUEUE_PI, 1, 0, w + TARGET + 4, 0), EINVAL);
  IS(requeue(w, 1, 0, 0), 1);
  IS(ktap_status_of(child), 0);
  IS(value_of(w + TARGET), FREE);
  IS(w[1], 1);
}

TEST(the_lock_is_held) {
  uint32_t* const w = shared_words();
  IS(lock(w + TARGET), 0);
  enum { count = 6 };
  pid_t children[count];
  for (int i = 0; i < count; ++i) children[i] = condition_waiter(w);
  IS(requeue_all(w, count), count);
  IS(w[1], 0);
  OK(value_of(w + TARGET) == ((uint32_t)gettid() | FUTEX_WAITERS));
  IS(unlock(w + TARGET), 0);
  for (int i = 0; i < count; ++i) IS(ktap_status_of(children[i]), 0);
  IS(w[1], count);
  IS(value_of(w + TARGET), FREE);
}

TEST(one_gets_the_lock_and_others_wait) {
  uint32_t* const w = shared_words();
  enum { count = 3 };
  pid_t children[count];
  for (int i = 0; i < count; ++i) children[i] = condition_waiter(w);
  IS(requeue_all(w, count), count);
  for (int i = 0; i < count; ++i) IS(ktap_status_of(children[i]), 0);
  IS(w[1], count);
  IS(value_of(w + TARGET), FREE);
}

// --- the C library ------------------------------------------------------------------------------

struct counted {
  pthread_mutex_t lock;
  pthread_cond_t more;
  long count;
  int rounds;
};

static void make(struct counted* c, bool robust) {
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT);
  if (robust) pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&c->lock, &kind);
  pthread_cond_init(&c->more, NULL);
}

static void* count_up(void* argument) {
  struct counted* const c = argument;
  for (int i = 0; i < c->rounds; ++i) {
    pthread_mutex_lock(&c->lock);
    long const seen = c->count;
    if (i % 16 == 0) sched_yield();
    c->count = seen + 1;
    pthread_cond_signal(&c->more);
    pthread_mutex_unlock(&c->lock);
  }
  return NULL;
}

TEST(mutexes_of_the_library) {
  enum { threads = 8, rounds = 500 };
  struct counted c = {.rounds = rounds};
  make(&c, false);
  pthread_t all[threads];
  for (int i = 0; i < threads; ++i) pthread_create(&all[i], NULL, count_up, &c);
  pthread_mutex_lock(&c.lock);
  while (c.count < threads * rounds) pthread_cond_wait(&c.more, &c.lock);
  pthread_mutex_unlock(&c.lock);
  for (int i = 0; i < threads; ++i) pthread_join(all[i], NULL);
  IS(c.count, threads * rounds);
  IS(pthread_mutex_destroy(&c.lock), 0);
}

static void* end_with_lock(void* argument) {
  struct counted* const c = argument;
  int const got = pthread_mutex_lock(&c->lock);
  if (got == EOWNERDEAD) {
    ++c->count;
    pthread_mutex_consistent(&c->lock);
  }
  return (void*)(long)got;
}

TEST(robust_mutexes_of_the_library) {
  enum { threads = 6 };
  struct counted c = {.rounds = 0};
  make(&c, true);
  pthread_t all[threads];
  // Each one ends as the owner: all but the first learn that.
  for (int i = 0; i < threads; ++i) pthread_create(&all[i], NULL, end_with_lock, &c);
  for (int i = 0; i < threads; ++i) pthread_join(all[i], NULL);
  IS(c.count, threads - 1);
  IS(pthread_mutex_lock(&c.lock), EOWNERDEAD);
  IS(pthread_mutex_consistent(&c.lock), 0);
  IS(pthread_mutex_unlock(&c.lock), 0);
}
