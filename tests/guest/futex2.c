// futex_waitv(2), futex_wake(2), futex_wait(2), futex_requeue(2).
#include "ktap.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>

// Newer than the C library.
#ifndef SYS_futex_wake
#  define SYS_futex_wake 454
#endif
#ifndef SYS_futex_wait
#  define SYS_futex_wait 455
#endif
#ifndef SYS_futex_requeue
#  define SYS_futex_requeue 456
#endif
#ifndef FUTEX2_SIZE_U32
#  define FUTEX2_SIZE_U32 2
#  define FUTEX2_PRIVATE 128
#endif
#define OWN (FUTEX2_SIZE_U32 | FUTEX2_PRIVATE)
enum { MOST = 128 };
static _Atomic uint32_t words[MOST + 1];
static struct futex_waitv waits[MOST + 1];

static long wait_any(unsigned count, struct timespec const* until, int clock) {
  return SYS(futex_waitv, waits, count, 0, until, clock);
}
static long wake(int i, int count) { return SYS(futex_wake, &words[i], ~0U, count, OWN); }
static void prepare(int count) {
  for (int i = 0; i < count; ++i) {
    words[i] = 0;
    waits[i] = (struct futex_waitv){.val = 0, .uaddr = (uintptr_t)&words[i], .flags = OWN};
  }
}
static struct timespec soon(int clock, long ns) {
  struct timespec t;
  clock_gettime(clock, &t);
  t.tv_nsec += ns;
  t.tv_sec += t.tv_nsec / 1000000000;
  t.tv_nsec %= 1000000000;
  return t;
}

static void* wake_later(void* number) {
  int const i = (int)(long)number;
  while (wake(i, 1) == 0) usleep(1000);
  return NULL;
}

TEST(any_of_several) {
  prepare(MOST);
  int const which[] = {0, 5, MOST - 1};
  for (int i = 0; i < 3; ++i) {
    pthread_t thread;
    NEED(pthread_create(&thread, NULL, wake_later, (void*)(long)which[i]));
    IS(wait_any(MOST, NULL, 0), which[i]);
    pthread_join(thread, NULL);
  }
  IS(wake(3, 1), 0);
}

TEST(values_and_times) {
  prepare(3);
  words[1] = 9;
  FAILS(wait_any(3, NULL, 0), EAGAIN);
  words[1] = 0;
  struct timespec t = soon(CLOCK_MONOTONIC, 5000000);
  FAILS(wait_any(3, &t, CLOCK_MONOTONIC), ETIMEDOUT);
  t = soon(CLOCK_REALTIME, 5000000);
  FAILS(wait_any(3, &t, CLOCK_REALTIME), ETIMEDOUT);
  FAILS(wait_any(3, &t, CLOCK_BOOTTIME), EINVAL);
  t.tv_nsec = -1;
  FAILS(wait_any(3, &t, CLOCK_MONOTONIC), EINVAL);
  FAILS(wait_any(3, BAD_POINTER, CLOCK_MONOTONIC), EFAULT);
  // The same word twice.
  waits[1] = waits[0];
  pthread_t thread;
  NEED(pthread_create(&thread, NULL, wake_later, (void*)0L));
  long const got = wait_any(3, NULL, 0);
  OK(got == 0 || got == 1);
  pthread_join(thread, NULL);
}

TEST(what_is_wrong) {
  prepare(2);
  FAILS(wait_any(0, NULL, 0), EINVAL);
  FAILS(wait_any(MOST + 1, NULL, 0), EINVAL);
  FAILS(SYS(futex_waitv, NULL, 1, 0, NULL, 0), EINVAL);
  FAILS(SYS(futex_waitv, waits, 1, 1, NULL, 0), EINVAL);
  FAILS(SYS(futex_waitv, BAD_POINTER, 1, 0, NULL, 0), EFAULT);
  waits[1].flags = FUTEX2_PRIVATE;
  FAILS(wait_any(2, NULL, 0), EINVAL);
  waits[1].flags = OWN | 4;
  FAILS(wait_any(2, NULL, 0), EINVAL);
  waits[1].flags = OWN;
  waits[1].val = 1UL << 32;
  FAILS(wait_any(2, NULL, 0), EINVAL);
  waits[1].val = 0;
  waits[1].__reserved = 1;
  FAILS(wait_any(2, NULL, 0), EINVAL);
  waits[1].__reserved = 0;
  waits[1].uaddr += 1;
  FAILS(wait_any(2, NULL, 0), EINVAL);
  waits[1].uaddr = 8;
  FAILS(wait_any(2, NULL, 0), EFAULT);
  FAILS(SYS(futex_wake, &words[0], 0, 1, OWN), EINVAL);
  FAILS(SYS(futex_wake, &words[0], 1, 1, 1), EINVAL);
  FAILS(SYS(futex_wake, &words[0], 1UL << 32, 1, OWN), EINVAL);
  FAILS(SYS(futex_wake, (char*)&words[0] + 1, 1, 1, OWN), EINVAL);
  FAILS(SYS(futex_wait, &words[0], 0, 0, OWN, NULL, 0), EINVAL);
  FAILS(SYS(futex_wait, &words[0], 1, ~0U, OWN, NULL, 0), EAGAIN);
  FAILS(SYS(futex_wait, &words[0], 1UL << 32, ~0U, OWN, NULL, 0), EINVAL);
  struct timespec const t = soon(CLOCK_MONOTONIC, 2000000);
  FAILS(SYS(futex_wait, &words[0], 0, ~0U, OWN, &t, CLOCK_MONOTONIC), ETIMEDOUT);
  FAILS(SYS(futex_wait, &words[0], 0, ~0U, OWN, &t, CLOCK_TAI), EINVAL);
}

static _Atomic int awake;
static void* wait_one(void* bits) {
  if (SYS(futex_wait, &words[0], 0, (unsigned long)bits, OWN, NULL, 0) == 0) ++awake;
  return NULL;
}

TEST(one_by_one) {
  prepare(2);
  pthread_t threads[3];
  for (long i = 0; i < 3; ++i) NEED(pthread_create(&threads[i], NULL, wait_one, (void*)(1L << i)));
  while (SYS(futex_wake, &words[0], 2, 1, OWN) == 0) usleep(1000);
  pthread_join(threads[1], NULL);
  IS(awake, 1);
  IS(wake(0, 0), 0);
  // The others wait for another word now: one of them only, since the first is woken.
  struct futex_waitv both[2] = {waits[0], waits[1]};
  long moved = 0;
  while ((moved += SYS(futex_requeue, both, 0, 1, 1)) < 2) usleep(1000);
  IS(moved, 2);
  both[0].val = 5;
  FAILS(SYS(futex_requeue, both, 0, 1, 1), EAGAIN);
  both[0].val = 0;
  both[1].flags = FUTEX2_SIZE_U32;
  FAILS(SYS(futex_requeue, both, 0, 1, 1), EINVAL);
  FAILS(SYS(futex_requeue, both, 1, 1, 1), EINVAL);
  FAILS(SYS(futex_requeue, NULL, 0, 1, 1), EINVAL);
  both[1].flags = OWN;
  FAILS(SYS(futex_requeue, both, 0, -1, 1), EINVAL);
  while (awake < 2) usleep(1000);
  while (awake < 3) {
    (void)wake(1, 1);
    (void)wake(0, 1);
    usleep(1000);
  }
  pthread_join(threads[0], NULL);
  pthread_join(threads[2], NULL);
}

static void note(int signal) { (void)signal; }
TEST(interrupted) {
  prepare(2);
  struct sigaction const action = {.sa_handler = note};
  NEED(sigaction(SIGALRM, &action, NULL));
  struct itimerval const in = {.it_value = {.tv_usec = 20000}, .it_interval = {.tv_usec = 20000}};
  NEED(setitimer(ITIMER_REAL, &in, NULL));
  FAILS(wait_any(2, NULL, 0), EINTR);
  FAILS(SYS(futex_wait, &words[0], 0, ~0U, OWN, NULL, 0), EINTR);
}
