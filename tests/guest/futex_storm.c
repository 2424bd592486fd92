// Storms on locks that hand priorities on: processes take a few of them, with times that run out,
// and some are killed meanwhile; two are never inside one lock, no call fails without reason, and
// at the end nothing may be left.
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOCKS = 3, PROCESSES = 6, VICTIMS = 2, STEPS = 60 };

struct lock {
  uint32_t word, inside;
  char rest[56];
};
struct shared {
  struct lock locks[LOCKS];
  uint32_t failures;
};
static struct shared* shared;

static void complain(char const* what) {
  printf("not ok - %s: %s\n", what, strerror(errno));
  fflush(stdout);
  __atomic_fetch_add(&shared->failures, 1, __ATOMIC_SEQ_CST);
}

static uint32_t value_of(uint32_t* word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }

// True when it has the lock.
static int take(uint32_t* word, unsigned kind) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_nsec += 500000;
  if (at.tv_nsec >= 1000000000) ++at.tv_sec, at.tv_nsec -= 1000000000;
  int const operation = kind == 0 ? FUTEX_TRYLOCK_PI : FUTEX_LOCK_PI2;
  if (syscall(SYS_futex, word, operation, 0, kind < 4 ? &at : NULL, NULL, 0) == 0) return 1;
  // The owner was killed while nobody waited: the lock starts anew.
  if (errno == ESRCH) {
    uint32_t seen = value_of(word);
    if (kill((pid_t)(seen & FUTEX_TID_MASK), 0) != 0)
      __atomic_compare_exchange_n(word, &seen, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  } else if (errno != EAGAIN && errno != ETIMEDOUT) {
    complain("taking a lock");
  }
  return 0;
}

static void churn(unsigned seed, int may_be_killed, int steps) {
  for (int i = 0; i < steps; ++i) {
    unsigned const kind = rand_r(&seed) % 8;
    struct lock* const l = &shared->locks[rand_r(&seed) % LOCKS];
    if (!take(&l->word, kind)) continue;
    if ((value_of(&l->word) & FUTEX_TID_MASK) != (uint32_t)gettid()) complain("another owner");
    // Who is killed leaves its mark: only that of a living process counts.
    uint32_t const before = __atomic_exchange_n(&l->inside, gettid(), __ATOMIC_SEQ_CST);
    if (before != 0 && !may_be_killed && kill((pid_t)before, 0) == 0 &&
        value_of(&l->inside) != (uint32_t)gettid())
      complain("two are inside");
    if (kind == 5) sched_yield();
    __atomic_store_n(&l->inside, 0, __ATOMIC_SEQ_CST);
    if (syscall(SYS_futex, &l->word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) != 0) complain("unlocking");
  }
}

static pid_t start(unsigned seed, int may_be_killed, int steps) {
  pid_t const child = fork();
  if (child != 0) return child;
  churn(seed, may_be_killed, steps);
  _exit(0);
}

int main(int argc, char** argv) {
  int const rounds = argc > 1 ? atoi(argv[1]) : 1;
  shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int round = 0; round < rounds; ++round) {
    pid_t children[PROCESSES], victims[VICTIMS];
    for (int i = 0; i < VICTIMS; ++i) victims[i] = start(round * 100 + 50 + i, 1, 1 << 30);
    for (int i = 0; i < PROCESSES; ++i) children[i] = start(round * 100 + i, 0, STEPS);
    for (int i = 0; i < VICTIMS; ++i) {
      usleep(2000);
      kill(victims[i], SIGKILL);
      waitpid(victims[i], NULL, 0);
    }
    for (int i = 0; i < PROCESSES; ++i) waitpid(children[i], NULL, 0);
    memset(shared->locks, 0, sizeof(shared->locks));
  }
  printf("storm: %u failures\n", shared->failures);
  return shared->failures != 0;
}
