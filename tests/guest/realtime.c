// Real-time threads: who runs before whom, on one CPU; and what locks and futexes make of it. See
// sched(7), futex(2).
#include "ktap.h"

#include <linux/futex.h>
#include <pthread.h>

static uint32_t value_of(uint32_t* word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
static void store(uint32_t* word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}
static long futex(uint32_t* word, int operation, uint32_t value) {
  return SYS(futex, word, operation, value, NULL, NULL, 0);
}

static long become(int policy, int priority) {
  struct sched_param const p = {.sched_priority = priority};
  return SYS(sched_setscheduler, 0, policy, &p);
}
static long change(pid_t tid, int policy, int priority) {
  struct sched_param const p = {.sched_priority = priority};
  return SYS(sched_setscheduler, tid, policy, &p);
}

static void stay_on(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  NEED(sched_setaffinity(0, sizeof set, &set));
}

// A thread on the CPU of the one that makes it.
struct actor {
  pthread_t thread;
  int policy, priority;
  void (*part)(struct actor*);
  char name;
  pid_t tid;
};

static void* act(void* data) {
  struct actor* const a = data;
  a->tid = gettid();
  if (become(a->policy, a->priority) != 0) abort();
  a->part(a);
  return NULL;
}
static void start(struct actor* a) {
  if (pthread_create(&a->thread, NULL, act, a) != 0) ktap_give_up("pthread_create");
}
static void join(struct actor* a) { pthread_join(a->thread, NULL); }

// What happened, one letter each.
static char story[64];
static uint32_t told;
static void tell(char what) { story[__atomic_fetch_add(&told, 1, __ATOMIC_SEQ_CST)] = what; }
#define STORY(text) ktap_check(strcmp(story, text) == 0, "the story is " text, "it is %s", story)

// Threads are made at the top, where nothing else runs, and step down when they have begun: to the
// front of those that did so before.
enum { TOP = 90 };
static void take_the_stage(void) {
  stay_on(0);
  NEED(become(SCHED_FIFO, TOP));
}

static void say_name(struct actor* a) { tell(a->name); }

TEST(the_most_urgent_first) {
  take_the_stage();
  struct actor all[] = {{.policy = SCHED_FIFO, .priority = 10, .part = say_name, .name = 'a'},
                        {.policy = SCHED_RR, .priority = 30, .part = say_name, .name = 'b'},
                        {.policy = SCHED_OTHER, .part = say_name, .name = 'c'},
                        {.policy = SCHED_FIFO, .priority = 20, .part = say_name, .name = 'd'},
                        {.policy = SCHED_FIFO, .priority = 30, .part = say_name, .name = 'e'}};
  for (int i = 0; i < 5; ++i) start(&all[i]);
  for (int i = 0; i < 5; ++i) join(&all[i]);
  STORY("ebdac");
}

static void yield_twice(struct actor* a) {
  for (int i = 0; i < 3; ++i) {
    tell(a->name);
    SYS(sched_yield);
  }
}

TEST(yielding) {
  take_the_stage();
  struct actor all[] = {{.policy = SCHED_FIFO, .priority = 10, .part = yield_twice, .name = 'a'},
                        {.policy = SCHED_FIFO, .priority = 10, .part = yield_twice, .name = 'b'},
                        {.policy = SCHED_FIFO, .priority = 11, .part = yield_twice, .name = 'c'}};
  for (int i = 0; i < 3; ++i) start(&all[i]);
  for (int i = 0; i < 3; ++i) join(&all[i]);
  STORY("cccbababa");
}

static uint32_t bell;

static void wait_for_bell(struct actor* a) {
  tell((char)(a->name - 'a' + 'A'));
  while (value_of(&bell) == 0) futex(&bell, FUTEX_WAIT, 0);
  tell(a->name);
}

TEST(waking) {
  take_the_stage();
  struct actor higher = {.policy = SCHED_FIFO, .priority = 30, .part = wait_for_bell, .name = 'h'};
  struct actor equal = {.policy = SCHED_FIFO, .priority = 20, .part = wait_for_bell, .name = 'e'};
  start(&higher);
  start(&equal);
  NEED(become(SCHED_FIFO, 20));
  // Both have come to wait: who steps down runs before its equals, so once more to the end.
  SYS(sched_yield);
  tell('1');
  store(&bell, 1);
  futex(&bell, FUTEX_WAKE, 9);
  // The more urgent one has run; the other one waits for its turn.
  tell('2');
  SYS(sched_yield);
  tell('3');
  join(&higher);
  join(&equal);
  STORY("HE1h2e3");
}

static void ring_before_sleep(struct actor* a) {
  tell(a->name);
  store(&bell, value_of(&bell) + 1);
}

TEST(changing_the_priority) {
  take_the_stage();
  struct actor a = {.policy = SCHED_FIFO, .priority = 10, .part = ring_before_sleep, .name = 'a'};
  struct actor b = {.policy = SCHED_FIFO, .priority = 10, .part = ring_before_sleep, .name = 'b'};
  struct actor c = {.policy = SCHED_OTHER, .part = ring_before_sleep, .name = 'c'};
  start(&a);
  start(&b);
  start(&c);
  // They have their priorities when this thread lets them run for a moment, and then wait.
  tell('1');
  NEED(become(SCHED_FIFO, 5));
  tell('2');
  NEED(become(SCHED_OTHER, 0));
  join(&c);
  join(&a);
  join(&b);
  STORY("1ba2c");
}

static void spin_for_bell(struct actor* a) {
  while (value_of(&bell) == 0) {}
  tell(a->name);
}

// A thread whose priority others change, and the one who does it.
static struct actor* changed;
static int new_priority;

static void change_another(struct actor* a) {
  (void)a;
  usleep(20000);
  if (change(changed->tid, SCHED_FIFO, new_priority) != 0) abort();
}

static void change_one_of(struct actor* busy, struct actor* other) {
  take_the_stage();
  struct actor changer = {.policy = SCHED_FIFO, .priority = 50, .part = change_another};
  start(other);
  start(busy);
  start(&changer);
  join(busy);
  join(other);
  join(&changer);
  STORY("hl");
}

TEST(raised_by_another) {
  struct actor low = {.policy = SCHED_FIFO, .priority = 10, .part = spin_for_bell, .name = 'l'};
  struct actor high = {.policy = SCHED_FIFO, .priority = 5, .part = ring_before_sleep, .name = 'h'};
  changed = &high;
  new_priority = 20;
  change_one_of(&low, &high);
}

TEST(lowered_by_another) {
  struct actor low = {.policy = SCHED_FIFO, .priority = 10, .part = spin_for_bell, .name = 'l'};
  struct actor high = {.policy = SCHED_FIFO, .priority = 5, .part = ring_before_sleep, .name = 'h'};
  changed = &low;
  new_priority = 4;
  change_one_of(&low, &high);
}

TEST(turns) {
  take_the_stage();
  // The first one spins for what the second one does, which gets its turn all the same.
  struct actor a = {.policy = SCHED_RR, .priority = 10, .part = spin_for_bell, .name = 'a'};
  struct actor b = {.policy = SCHED_RR, .priority = 10, .part = ring_before_sleep, .name = 'b'};
  start(&b);
  start(&a);
  join(&a);
  join(&b);
  STORY("ba");
}

TEST(a_reserve_for_the_others) {
  take_the_stage();
  struct actor a = {.policy = SCHED_FIFO, .priority = 10, .part = spin_for_bell, .name = 'a'};
  struct actor b = {.policy = SCHED_OTHER, .part = ring_before_sleep, .name = 'b'};
  start(&a);
  start(&b);
  join(&a);
  join(&b);
  STORY("ba");
}

static uint32_t word;

static void wait_for_word(struct actor* a) {
  futex(&word, FUTEX_WAIT, 0);
  tell(a->name);
}

TEST(futexes_wake_the_most_urgent) {
  take_the_stage();
  struct actor all[] = {{.policy = SCHED_OTHER, .part = wait_for_word, .name = 'a'},
                        {.policy = SCHED_FIFO, .priority = 10, .part = wait_for_word, .name = 'b'},
                        {.policy = SCHED_FIFO, .priority = 30, .part = wait_for_word, .name = 'c'},
                        {.policy = SCHED_FIFO, .priority = 20, .part = wait_for_word, .name = 'd'},
                        {.policy = SCHED_FIFO, .priority = 30, .part = wait_for_word, .name = 'e'}};
  // One after the other, the least urgent first.
  for (int i = 0; i < 5; ++i) {
    start(&all[i]);
    usleep(20000);
  }
  for (int i = 0; i < 5; ++i) {
    IS(futex(&word, FUTEX_WAKE, 1), 1);
    usleep(20000);
  }
  for (int i = 0; i < 5; ++i) join(&all[i]);
  STORY("cedba");
}

static void lock(void) {
  uint32_t expected = 0;
  if (!__atomic_compare_exchange_n(&word, &expected, (uint32_t)gettid(), false, __ATOMIC_SEQ_CST,
                                   __ATOMIC_SEQ_CST) &&
      futex(&word, FUTEX_LOCK_PI, 0) != 0)
    abort();
}
static void unlock(void) {
  if (futex(&word, FUTEX_UNLOCK_PI, 0) != 0) abort();
}

static void hold_lock(struct actor* a) {
  lock();
  tell((char)(a->name - 'a' + 'A'));
  while (value_of(&bell) == 0) futex(&bell, FUTEX_WAIT, 0);
  tell(a->name);
  unlock();
  tell(a->name);
}
static void want_lock(struct actor* a) {
  lock();
  tell(a->name);
  unlock();
}
static void ring_and_spin(struct actor* a) {
  tell(a->name);
  store(&bell, 1);
  futex(&bell, FUTEX_WAKE, 1);
  // Only a thread that was lent something gets the CPU from this one.
  while (__atomic_load_n(&told, __ATOMIC_SEQ_CST) < 5) {}
  tell(a->name);
}

TEST(locks_lend_priority) {
  take_the_stage();
  struct actor low = {.policy = SCHED_FIFO, .priority = 10, .part = hold_lock, .name = 'l'};
  struct actor middle = {.policy = SCHED_FIFO, .priority = 20, .part = ring_and_spin, .name = 'm'};
  struct actor high = {.policy = SCHED_FIFO, .priority = 30, .part = want_lock, .name = 'h'};
  start(&low);
  usleep(20000);
  start(&high);
  usleep(20000);
  tell('1');
  start(&middle);
  join(&middle);
  join(&high);
  join(&low);
  // The owner runs as urgently as who waits, until it has unlocked.
  STORY("L1mlhml");
}

static void limit_time(rlim_t soft_us, rlim_t hard_us) {
  struct rlimit const l = {.rlim_cur = soft_us, .rlim_max = hard_us};
  NEED(setrlimit(RLIMIT_RTTIME, &l));
  NEED(become(SCHED_FIFO, 5));
}
static int64_t cpu_time_ms(void) {
  struct timespec t;
  NEED(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t));
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

TEST(time_without_sleep) {
  IS(WTERMSIG(IN_CHILD({
       limit_time(100000, RLIM_INFINITY);
       for (;;) {}
     })),
     SIGXCPU);
  IS(WTERMSIG(IN_CHILD({
       signal(SIGXCPU, SIG_IGN);
       limit_time(50000, 200000);
       for (;;) {}
     })),
     SIGKILL);
  // Whoever sleeps begins anew, and others have no such limit.
  IS(IN_CHILD({
       limit_time(200000, RLIM_INFINITY);
       for (int i = 0; i < 6; ++i) {
         int64_t const start = cpu_time_ms();
         while (cpu_time_ms() - start < 50) {}
         usleep(1000);
       }
     }),
     0);
  IS(IN_CHILD({
       limit_time(20000, RLIM_INFINITY);
       NEED(become(SCHED_OTHER, 0));
       int64_t const start = cpu_time_ms();
       while (cpu_time_ms() - start < 100) {}
     }),
     0);
}
