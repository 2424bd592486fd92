// CPU time: of programs and of the kernel for them, and the timers that count it.
#include "ktap.h"

#include <pthread.h>
#include <sys/times.h>

#define MILLISECOND 1000000LL
#define SECOND 1000000000LL

static int64_t ns_of_timeval(struct timeval t) { return t.tv_sec * SECOND + t.tv_usec * 1000LL; }

static struct rusage usage(int who) {
  struct rusage u;
  getrusage(who, &u);
  return u;
}

static int64_t user_time(void) { return ns_of_timeval(usage(RUSAGE_SELF).ru_utime); }
static int64_t system_time(void) { return ns_of_timeval(usage(RUSAGE_SELF).ru_stime); }

// Runs in the program alone.
static volatile unsigned long work;
static void compute(int64_t ns) {
  int64_t const end = now_ns(CLOCK_MONOTONIC) + ns;
  do {
    for (int i = 0; i < 100000; ++i) ++work;
  } while (now_ns(CLOCK_MONOTONIC) < end);
}

// Runs in the kernel alone.
static void copy(int64_t ns) {
  static char block[1 << 20];
  int const file = (int)NEED(open("/dev/zero", O_RDONLY));
  int64_t const end = now_ns(CLOCK_MONOTONIC) + ns;
  while (now_ns(CLOCK_MONOTONIC) < end) NEED(read(file, block, sizeof block));
  close(file);
}

static bool copies_in_kernel(void) {
  int64_t const user = user_time(), system = system_time();
  copy(400 * MILLISECOND);
  return system_time() - system > 2 * (user_time() - user);
}

TEST(told_apart) {
  compute(400 * MILLISECOND);
  OK(user_time() > 10 * system_time());
  // A busy host may stop a CPU for long wherever it is.
  OK(copies_in_kernel() || copies_in_kernel() || copies_in_kernel());
  struct tms t;
  IS(times(&t) != -1, 1);
  OK(t.tms_utime > 0);
  OK(t.tms_stime > 0);
  IS(t.tms_cutime, 0);
}

TEST(sums_agree) {
  compute(50 * MILLISECOND);
  int64_t const before = now_ns(CLOCK_PROCESS_CPUTIME_ID);
  int64_t const sum = user_time() + system_time();
  struct rusage const u = usage(RUSAGE_SELF);
  int64_t const both = ns_of_timeval(u.ru_utime) + ns_of_timeval(u.ru_stime);
  OK(both + 20 * MILLISECOND >= before);
  OK(sum > 0);
  struct rusage const thread = usage(RUSAGE_THREAD);
  OK(ns_of_timeval(thread.ru_utime) + ns_of_timeval(thread.ru_stime) > 0);
}

TEST(never_less) {
  int64_t user = 0, system = 0;
  bool grows = true;
  for (int i = 0; i < 2000; ++i) {
    struct rusage const u = usage(RUSAGE_SELF);
    grows &= ns_of_timeval(u.ru_utime) >= user && ns_of_timeval(u.ru_stime) >= system;
    user = ns_of_timeval(u.ru_utime);
    system = ns_of_timeval(u.ru_stime);
    if (i % 100 == 0) compute(MILLISECOND);
  }
  OK(grows);
}

TEST(of_children) {
  pid_t const child = NEED(fork());
  if (child == 0) {
    compute(100 * MILLISECOND);
    copy(100 * MILLISECOND);
    _exit(0);
  }
  OK(ns_of_timeval(usage(RUSAGE_CHILDREN).ru_utime) == 0);
  struct rusage u;
  int status;
  NEED(wait4(child, &status, 0, &u));
  OK(ns_of_timeval(u.ru_utime) >= 20 * MILLISECOND);
  OK(ns_of_timeval(u.ru_stime) >= 20 * MILLISECOND);
  struct rusage const all = usage(RUSAGE_CHILDREN);
  OK(ns_of_timeval(all.ru_utime) == ns_of_timeval(u.ru_utime));
  OK(ns_of_timeval(all.ru_stime) == ns_of_timeval(u.ru_stime));
}

// --- clocks
// ----------------------------------------------------------------------------------------

#define CLOCK_OF(pid, what) ((int)(~(unsigned)(pid) << 3 | (what)))

TEST(clocks_by_number) {
  struct timespec t;
  int const mine = (int)getpid();
  for (int what = 0; what < 3; ++what) {
    IS(SYS(clock_gettime, CLOCK_OF(mine, what), &t), 0);
    IS(SYS(clock_gettime, CLOCK_OF(mine, what | 4), &t), 0);
    IS(SYS(clock_gettime, CLOCK_OF(0, what), &t), 0);
    IS(SYS(clock_getres, CLOCK_OF(mine, what), &t), 0);
    IS(t.tv_nsec, what == 2 ? 1 : 4000000);
  }
  FAILS(SYS(clock_gettime, CLOCK_OF(mine, 3), &t), EINVAL);
  FAILS(SYS(clock_gettime, CLOCK_OF(4000000, 2), &t), EINVAL);
  // A thread of another process.
  FAILS(SYS(clock_gettime, CLOCK_OF(getppid(), 4 | 2), &t), EINVAL);
  IS(SYS(clock_gettime, CLOCK_OF(getppid(), 2), &t), 0);
  clockid_t clock;
  IS(clock_getcpuclockid(getppid(), &clock), 0);
  IS(clock_gettime(clock, &t), 0);
  IS(pthread_getcpuclockid(pthread_self(), &clock), 0);
  OK(now_ns(clock) > 0);
  FAILS(SYS(clock_settime, CLOCK_OF(mine, 2), &t), EPERM);
}

static volatile bool stop;
static void* burner(void* unused) {
  (void)unused;
  while (!stop) ++work;
  return NULL;
}

TEST(sleeping_on_cpu_time) {
  struct timespec const t = {0, 30 * MILLISECOND};
  FAILS(SYS(clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL), EOPNOTSUPP);
  FAILS(SYS(clock_nanosleep, CLOCK_OF(0, 4 | 2), 0, &t, NULL), EINVAL);
  pthread_t thread;
  pthread_create(&thread, NULL, burner, NULL);
  int64_t const before = now_ns(CLOCK_PROCESS_CPUTIME_ID);
  IS(SYS(clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, &t, NULL), 0);
  OK(now_ns(CLOCK_PROCESS_CPUTIME_ID) - before >= 30 * MILLISECOND);
  int64_t const then = now_ns(CLOCK_PROCESS_CPUTIME_ID) + 20 * MILLISECOND;
  struct timespec const moment = {then / SECOND, then % SECOND};
  IS(SYS(clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &moment, NULL), 0);
  OK(now_ns(CLOCK_PROCESS_CPUTIME_ID) >= then);
  stop = true;
  pthread_join(thread, NULL);
}

// --- timers
// ----------------------------------------------------------------------------------------

static volatile int caught;
static void count(int signal) {
  (void)signal;
  ++caught;
}

TEST(interval_timers) {
  struct itimerval t = {{0, 5000}, {0, 20000}}, now;
  FAILS(setitimer(3, &t, NULL), EINVAL);
  FAILS(getitimer(3, &t), EINVAL);
  int const which[] = {ITIMER_VIRTUAL, ITIMER_PROF}, signals[] = {SIGVTALRM, SIGPROF};
  for (int i = 0; i < 2; ++i) {
    signal(signals[i], count);
    caught = 0;
    IS(getitimer(which[i], &now), 0);
    IS(ns_of_timeval(now.it_value), 0);
    IS(setitimer(which[i], &t, NULL), 0);
    IS(getitimer(which[i], &now), 0);
    OK(ns_of_timeval(now.it_value) > 0);
    IS(ns_of_timeval(now.it_interval), 5 * MILLISECOND);
    while (caught < 3) ++work;
    IS(setitimer(which[i], &(struct itimerval){{0, 0}, {0, 0}}, &now), 0);
    IS(ns_of_timeval(now.it_interval), 5 * MILLISECOND);
    OK(ns_of_timeval(now.it_value) > 0);
    IS(getitimer(which[i], &now), 0);
    IS(ns_of_timeval(now.it_value), 0);
  }
}

// The one counts what the kernel does for the program, the other does not.
TEST(kernel_time_is_profiled) {
  signal(SIGPROF, count);
  struct itimerval const t = {{0, 0}, {0, 20000}};
  IS(setitimer(ITIMER_PROF, &t, NULL), 0);
  static char block[1 << 20];
  int const file = (int)NEED(open("/dev/zero", O_RDONLY));
  while (caught == 0) NEED(read(file, block, sizeof block));
  IS(caught, 1);
}

static int create(clockid_t clock, int signal) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal};
  int id = -1;
  return SYS(timer_create, clock, &event, &id) == -1 ? -1 : id;
}

static int start(int id, int flags, int64_t value, int64_t interval) {
  struct itimerspec const s = {{interval / SECOND, interval % SECOND},
                               {value / SECOND, value % SECOND}};
  return SYS(timer_settime, id, flags, &s, NULL);
}

TEST(timers_of_cpu_time) {
  clockid_t const clocks[] = {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
                              CLOCK_OF(getpid(), 2), CLOCK_OF(0, 1), CLOCK_OF(gettid(), 4 | 0)};
  signal(SIGUSR1, count);
  for (int i = 0; i < 5; ++i) {
    caught = 0;
    int const id = create(clocks[i], SIGUSR1);
    OK(id >= 0);
    int64_t const before = now_ns(clocks[i]);
    IS(start(id, 0, 20 * MILLISECOND, 0), 0);
    struct itimerspec s;
    IS(SYS(timer_gettime, id, &s), 0);
    OK(s.it_value.tv_nsec > 0 && s.it_value.tv_sec == 0);
    while (caught == 0) ++work;
    OK(now_ns(clocks[i]) - before >= 20 * MILLISECOND);
    IS(SYS(timer_gettime, id, &s), 0);
    IS(s.it_value.tv_nsec, 0);
    // Again and again.
    IS(start(id, 0, MILLISECOND, 10 * MILLISECOND), 0);
    while (caught < 4) ++work;
    IS(SYS(timer_gettime, id, &s), 0);
    OK(s.it_value.tv_nsec > 0);
    IS(s.it_interval.tv_nsec, 10 * MILLISECOND);
    IS(SYS(timer_delete, id), 0);
  }
  FAILS(create(CLOCK_OF(4000000, 2), SIGUSR1), EINVAL);
  FAILS(create(CLOCK_OF(getppid(), 4 | 2), SIGUSR1), EINVAL);
}

TEST(moments_of_cpu_time) {
  signal(SIGUSR1, count);
  int const id = create(CLOCK_PROCESS_CPUTIME_ID, SIGUSR1);
  // Passed already.
  IS(start(id, TIMER_ABSTIME, 1, 0), 0);
  while (caught == 0) ++work;
  int64_t const then = now_ns(CLOCK_PROCESS_CPUTIME_ID) + 20 * MILLISECOND;
  IS(start(id, TIMER_ABSTIME, then, 0), 0);
  while (caught == 1) ++work;
  OK(now_ns(CLOCK_PROCESS_CPUTIME_ID) >= then);
}

// The time of another process.
TEST(timer_of_a_child) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  pid_t const child = NEED(fork());
  if (child == 0)
    while (true) ++work;
  int const id = create(CLOCK_OF(child, 2), SIGUSR1);
  OK(id >= 0);
  IS(start(id, 0, 20 * MILLISECOND, 0), 0);
  siginfo_t info = {0};
  IS(sigtimedwait(&set, &info, &(struct timespec){30, 0}), SIGUSR1);
  IS(info.si_timerid, id);
  IS(start(id, 0, 1000 * SECOND, 0), 0);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  struct itimerspec s;
  SYS(timer_gettime, id, &s);
  IS(SYS(timer_delete, id), 0);
}

TEST(limit_of_cpu_time) {
  pid_t const child = NEED(fork());
  if (child == 0) {
    signal(SIGXCPU, count);
    struct rlimit limit = {1, 3};
    setrlimit(RLIMIT_CPU, &limit);
    while (caught == 0) ++work;
    getrlimit(RLIMIT_CPU, &limit);
    // A second more, each time.
    if (limit.rlim_cur != 2) _exit(1);
    while (true) ++work;
  }
  int status;
  struct rusage u;
  NEED(wait4(child, &status, 0, &u));
  IS(status, SIGKILL);
  OK(u.ru_utime.tv_sec + u.ru_stime.tv_sec >= 2);
  pid_t const other = NEED(fork());
  if (other == 0) {
    struct rlimit const limit = {1, RLIM_INFINITY};
    setrlimit(RLIMIT_CPU, &limit);
    while (true) ++work;
  }
  waitpid(other, &status, 0);
  IS(status & 0x7f, SIGXCPU);
}

static struct rusage usage_of(int who) {
  struct rusage u;
  NEED(getrusage(who, &u));
  return u;
}

static void touch_pages(long count) {
  char volatile* const at =
      mmap(NULL, (size_t)count * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // One that huge pages do not serve.
  madvise((void*)at, (size_t)count * 4096, MADV_NOHUGEPAGE);
  for (long i = 0; i < count; ++i) at[i * 4096] = 1;
  munmap((void*)at, (size_t)count * 4096);
}

static void* touch_in_a_thread(void* in_thread) {
  struct rusage const before = usage_of(RUSAGE_THREAD);
  touch_pages(100);
  *(long*)in_thread = usage_of(RUSAGE_THREAD).ru_minflt - before.ru_minflt;
  return NULL;
}

TEST(faults_are_counted) {
  struct rusage const before = usage_of(RUSAGE_SELF);
  touch_pages(300);
  long const own = usage_of(RUSAGE_SELF).ru_minflt - before.ru_minflt;
  OK(own >= 300 && own < 350);
  long in_thread = 0;
  pthread_t thread;
  NEED(-pthread_create(&thread, NULL, touch_in_a_thread, &in_thread));
  pthread_join(thread, NULL);
  OK(in_thread >= 100 && in_thread < 110);
  long const with_thread = usage_of(RUSAGE_SELF).ru_minflt - before.ru_minflt;
  OK(with_thread >= own + in_thread && with_thread < own + in_thread + 100);
  pid_t const child = NEED(fork());
  if (child == 0) {
    touch_pages(1000);
    _exit(0);
  }
  struct rusage of_child;
  long const children = usage_of(RUSAGE_CHILDREN).ru_minflt;
  IS(wait4(child, NULL, 0, &of_child), child);
  OK(of_child.ru_minflt >= 1000 && of_child.ru_minflt < 1200);
  IS(usage_of(RUSAGE_CHILDREN).ru_minflt - children, of_child.ru_minflt);
}

TEST(switches_are_counted) {
  struct rusage const before = usage_of(RUSAGE_THREAD);
  for (int i = 0; i < 50; ++i) nanosleep(&(struct timespec){0, 5 * MILLISECOND}, NULL);
  struct rusage const after = usage_of(RUSAGE_THREAD);
  long const slept = after.ru_nvcsw - before.ru_nvcsw;
  // A sleep that was over before it began is none: a virtual CPU may itself have waited.
  OK(slept >= 25 && slept < 100);
  // One CPU for two that never sleep.
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  NEED(sched_setaffinity(0, sizeof one, &one));
  pid_t const child = NEED(fork());
  if (child == 0)
    while (true) continue;
  // Some of them let others run than the child.
  long const alone = usage_of(RUSAGE_SELF).ru_nivcsw;
  while (usage_of(RUSAGE_SELF).ru_nivcsw < alone + 12) continue;
  kill(child, SIGKILL);
  struct rusage of_child;
  IS(wait4(child, NULL, 0, &of_child), child);
  OK(of_child.ru_nivcsw >= 3);
}
