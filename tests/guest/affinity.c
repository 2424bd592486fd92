// Which CPUs a thread runs on: sched_setaffinity(2).
#include "ktap.h"

#include <pthread.h>

static int cpus(void) { return (int)sysconf(_SC_NPROCESSORS_ONLN); }

static int set_one(pid_t pid, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return sched_setaffinity(pid, sizeof set, &set);
}

static bool is_only(pid_t pid, int cpu) {
  cpu_set_t set;
  return sched_getaffinity(pid, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1 &&
         CPU_ISSET(cpu, &set);
}

static unsigned here(void) {
  unsigned cpu = 99;
  SYS(getcpu, &cpu, NULL, NULL);
  return cpu;
}

TEST(asking) {
  cpu_set_t set;
  IS(sched_getaffinity(0, sizeof set, &set), 0);
  OK(CPU_ISSET(0, &set));
  OK(CPU_COUNT(&set) >= 1);
  OK(SYS(sched_getaffinity, 0, sizeof set, &set) >= 8);
  FAILS(SYS(sched_getaffinity, 0, 4, &set), EINVAL);
  FAILS(SYS(sched_getaffinity, 0, 0, &set), EINVAL);
  FAILS(SYS(sched_getaffinity, 4000000, sizeof set, &set), ESRCH);
  FAILS(SYS(sched_getaffinity, -1, sizeof set, &set), ESRCH);
  FAILS(SYS(sched_getaffinity, 0, sizeof set, BAD_POINTER), EFAULT);
}

TEST(setting) {
  for (int round = 0; round < 20; ++round) {
    int const cpu = round % cpus();
    NEED(set_one(0, cpu));
    OK((int)here() == cpu);
    OK(is_only(0, cpu));
    NEED(SYS(sched_yield));
    OK((int)here() == cpu);
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  FAILS(sched_setaffinity(0, sizeof set, &set), EINVAL);
  CPU_SET(1000, &set);
  FAILS(sched_setaffinity(0, sizeof set, &set), EINVAL);
  FAILS(SYS(sched_setaffinity, 0, 0, &set), EINVAL);
  FAILS(SYS(sched_setaffinity, 0, sizeof set, BAD_POINTER), EFAULT);
  FAILS(set_one(4000000, 0), ESRCH);
  FAILS(set_one(-1, 0), ESRCH);
  // What does not exist does not matter.
  memset(&set, 0xff, sizeof set);
  IS(sched_setaffinity(0, sizeof set, &set), 0);
  sched_getaffinity(0, sizeof set, &set);
  OK(CPU_COUNT(&set) == cpus());
  // A short set is as good.
  IS(SYS(sched_setaffinity, 0, 1, &(char){1}), 0);
  OK(is_only(0, 0));
}

TEST(inheriting) {
  int const cpu = cpus() - 1;
  NEED(set_one(0, cpu));
  pid_t const child = NEED(fork());
  if (child == 0) _exit((int)here() == cpu && is_only(0, cpu) ? 0 : 1);
  IS(ktap_status_of(child), 0);
}

static void* only_there(void* cpu) {
  for (int i = 0; i < 200; ++i) {
    if ((long)here() != (long)cpu) return (void*)1;
    if (i % 10 == 0) usleep(100);
  }
  return NULL;
}

TEST(threads) {
  pthread_t threads[8];
  for (long i = 0; i < 8; ++i) {
    pthread_attr_t a;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(i % cpus(), &set);
    pthread_attr_init(&a);
    pthread_attr_setaffinity_np(&a, sizeof set, &set);
    pthread_create(&threads[i], &a, only_there, (void*)(i % cpus()));
  }
  bool good = true;
  for (int i = 0; i < 8; ++i) {
    void* bad;
    pthread_join(threads[i], &bad);
    good &= bad == NULL;
  }
  OK(good);
}

// Another one is moved, whether it runs, waits for a CPU or sleeps.
TEST(others) {
  volatile unsigned* const seen =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t children[3];
  for (int i = 0; i < 3; ++i) {
    children[i] = NEED(fork());
    if (children[i] == 0) {
      while (true) {
        seen[i] = here() + 1;
        if (i == 2) usleep(100);
      }
    }
  }
  for (int round = 0; round < 10; ++round) {
    int const cpu = round % cpus();
    for (int i = 0; i < 3; ++i) {
      NEED(set_one(children[i], cpu));
      OK(is_only(children[i], cpu));
    }
    for (int i = 0; i < 3; ++i) {
      do {
        seen[i] = 0;
        while (seen[i] == 0) usleep(100);
      } while ((int)seen[i] != cpu + 1);
    }
  }
  for (int i = 0; i < 3; ++i) {
    kill(children[i], SIGKILL);
    waitpid(children[i], NULL, 0);
  }
}

TEST(rights) {
  pid_t const child = NEED(fork());
  if (child == 0)
    while (true) pause();
  become_nobody();
  FAILS(set_one(child, 0), EPERM);
  FAILS(set_one(1, 0), EPERM);
  IS(set_one(0, 0), 0);
}
