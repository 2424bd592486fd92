// POSIX timers: timer_create(2) and its kin.
#include "ktap.h"

#define MILLISECOND 1000000LL
#define SECOND 1000000000LL

static int create(clockid_t clock, struct sigevent* event) {
  int id = -1;
  return SYS(timer_create, clock, event, &id) == -1 ? -1 : id;
}

static int create_with_signal(int signal) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal};
  event.sigev_value.sival_int = 77;
  return create(CLOCK_MONOTONIC, &event);
}

static int start(int id, int64_t value, int64_t interval) {
  struct itimerspec const s = {{interval / SECOND, interval % SECOND},
                               {value / SECOND, value % SECOND}};
  return SYS(timer_settime, id, 0, &s, NULL);
}

static sigset_t only(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  return set;
}

// The siginfo of a blocked signal that comes within half a minute.
static siginfo_t await(int signal) {
  sigset_t const set = only(signal);
  siginfo_t info = {0};
  if (sigtimedwait(&set, &info, &(struct timespec){30, 0}) == -1) info.si_signo = -1;
  return info;
}

static void block(int signal) {
  sigset_t const set = only(signal);
  sigprocmask(SIG_BLOCK, &set, NULL);
}

TEST(numbers) {
  int const first = WORKS(create(CLOCK_MONOTONIC, NULL));
  IS(create(CLOCK_REALTIME, NULL), first + 1);
  IS(create(CLOCK_BOOTTIME, NULL), first + 2);
  IS(create(CLOCK_TAI, NULL), first + 3);
  IS(SYS(timer_delete, first + 1), 0);
  FAILS(SYS(timer_delete, first + 1), EINVAL);
  // Not used again.
  IS(create(CLOCK_MONOTONIC, NULL), first + 4);
}

TEST(errors_of_create) {
  int id;
  FAILS(SYS(timer_create, 99, NULL, &id), EINVAL);
  FAILS(SYS(timer_create, CLOCK_MONOTONIC_RAW, NULL, &id), EOPNOTSUPP);
  FAILS(SYS(timer_create, CLOCK_REALTIME_COARSE, NULL, &id), EOPNOTSUPP);
  FAILS(SYS(timer_create, CLOCK_MONOTONIC, NULL, BAD_POINTER), EFAULT);
  FAILS(SYS(timer_create, CLOCK_MONOTONIC, BAD_POINTER, &id), EFAULT);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 0};
  FAILS(create(CLOCK_MONOTONIC, &event), EINVAL);
  event.sigev_signo = 65;
  FAILS(create(CLOCK_MONOTONIC, &event), EINVAL);
  event.sigev_signo = SIGUSR1;
  event.sigev_notify = 99;
  FAILS(create(CLOCK_MONOTONIC, &event), EINVAL);
  event.sigev_notify = SIGEV_THREAD_ID;
  event._sigev_un._tid = 0;
  FAILS(create(CLOCK_MONOTONIC, &event), EINVAL);
  event._sigev_un._tid = getppid();
  FAILS(create(CLOCK_MONOTONIC, &event), EINVAL);
  event._sigev_un._tid = gettid();
  WORKS(create(CLOCK_MONOTONIC, &event));
  // Without a signal its number does not matter.
  event.sigev_notify = SIGEV_NONE;
  event.sigev_signo = 0;
  WORKS(create(CLOCK_MONOTONIC, &event));
}

TEST(errors_of_the_others) {
  struct itimerspec s = {{0, 0}, {1, 0}};
  FAILS(SYS(timer_settime, 1000, 0, &s, NULL), EINVAL);
  FAILS(SYS(timer_gettime, 1000, &s), EINVAL);
  FAILS(SYS(timer_getoverrun, 1000), EINVAL);
  FAILS(SYS(timer_delete, 1000), EINVAL);
  FAILS(SYS(timer_delete, -1), EINVAL);
  int const id = create(CLOCK_MONOTONIC, NULL);
  FAILS(SYS(timer_settime, id, 0, NULL, NULL), EINVAL);
  FAILS(SYS(timer_settime, id, 0, BAD_POINTER, NULL), EFAULT);
  FAILS(SYS(timer_gettime, id, BAD_POINTER), EFAULT);
  s.it_value.tv_nsec = SECOND;
  FAILS(SYS(timer_settime, id, 0, &s, NULL), EINVAL);
  s.it_value = (struct timespec){-1, 0};
  FAILS(SYS(timer_settime, id, 0, &s, NULL), EINVAL);
  s.it_value = (struct timespec){100, 0};
  FAILS(SYS(timer_settime, id, 0, &s, BAD_POINTER), EFAULT);
  // It runs all the same.
  IS(SYS(timer_gettime, id, &s), 0);
  OK(s.it_value.tv_sec >= 90 && s.it_value.tv_sec <= 100);
}

TEST(settings) {
  int const id = create(CLOCK_MONOTONIC, NULL);
  struct itimerspec s = {{1, 1}, {1, 1}};
  IS(SYS(timer_gettime, id, &s), 0);
  IS(s.it_value.tv_sec + s.it_value.tv_nsec + s.it_interval.tv_sec + s.it_interval.tv_nsec, 0);
  s = (struct itimerspec){{7, 5}, {100, 0}};
  struct itimerspec before = {{1, 1}, {1, 1}};
  IS(SYS(timer_settime, id, 0, &s, &before), 0);
  IS(before.it_value.tv_sec, 0);
  IS(SYS(timer_gettime, id, &s), 0);
  OK(s.it_value.tv_sec >= 90 && s.it_value.tv_sec <= 100);
  IS(s.it_interval.tv_sec, 7);
  IS(s.it_interval.tv_nsec, 5);
  s.it_value = (struct timespec){0, 0};
  IS(SYS(timer_settime, id, 0, &s, &before), 0);
  OK(before.it_value.tv_sec >= 90);
  IS(before.it_interval.tv_sec, 7);
  IS(SYS(timer_gettime, id, &s), 0);
  IS(s.it_value.tv_sec + s.it_value.tv_nsec, 0);
}

TEST(default_signal) {
  block(SIGALRM);
  int const id = create(CLOCK_MONOTONIC, NULL);
  IS(start(id, MILLISECOND, 0), 0);
  siginfo_t const info = await(SIGALRM);
  IS(info.si_signo, SIGALRM);
  IS(info.si_code, SI_TIMER);
  IS(info.si_timerid, id);
  IS(info.si_overrun, 0);
  IS(info.si_value.sival_int, id);
  struct itimerspec s;
  IS(SYS(timer_gettime, id, &s), 0);
  IS(s.it_value.tv_sec + s.it_value.tv_nsec, 0);
}

TEST(chosen_signal) {
  block(SIGRTMIN + 1);
  int const id = create_with_signal(SIGRTMIN + 1);
  IS(start(id, MILLISECOND, 0), 0);
  siginfo_t const info = await(SIGRTMIN + 1);
  IS(info.si_signo, SIGRTMIN + 1);
  IS(info.si_value.sival_int, 77);
}

TEST(moments) {
  block(SIGUSR1);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  clockid_t const clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
  for (int i = 0; i < 3; ++i) {
    int const id = create(clocks[i], &event);
    // A moment long ago: at once.
    struct itimerspec s = {{0, 0}, {1, 0}};
    IS(SYS(timer_settime, id, TIMER_ABSTIME, &s, NULL), 0);
    IS(await(SIGUSR1).si_timerid, id);
    int64_t const then = now_ns(clocks[i]) + 10 * MILLISECOND;
    s.it_value = (struct timespec){then / SECOND, then % SECOND};
    IS(SYS(timer_settime, id, TIMER_ABSTIME, &s, NULL), 0);
    IS(await(SIGUSR1).si_timerid, id);
    OK(now_ns(clocks[i]) >= then);
  }
}

TEST(overruns) {
  block(SIGUSR1);
  int const id = create_with_signal(SIGUSR1);
  IS(start(id, MILLISECOND, MILLISECOND), 0);
  int64_t const until = now_ns(CLOCK_MONOTONIC) + 50 * MILLISECOND;
  while (now_ns(CLOCK_MONOTONIC) < until) {}
  siginfo_t const info = await(SIGUSR1);
  OK(info.si_overrun >= 48);
  IS(SYS(timer_getoverrun, id), info.si_overrun);
  // It goes on.
  IS(await(SIGUSR1).si_timerid, id);
  IS(SYS(timer_delete, id), 0);
}

// Each timer has its own place in the queue, whatever else is pending.
TEST(one_place_each) {
  block(SIGUSR1);
  int const a = create_with_signal(SIGUSR1), b = create_with_signal(SIGUSR1);
  IS(raise(SIGUSR1), 0);
  IS(start(a, 1, 1), 0);
  IS(start(b, 1, 1), 0);
  int64_t const until = now_ns(CLOCK_MONOTONIC) + 20 * MILLISECOND;
  while (now_ns(CLOCK_MONOTONIC) < until) {}
  struct itimerspec const none = {0};
  IS(SYS(timer_settime, a, 0, &none, NULL), 0);
  IS(SYS(timer_settime, b, 0, &none, NULL), 0);
  int kills = 0, of_a = 0, of_b = 0;
  sigset_t const set = only(SIGUSR1);
  siginfo_t info;
  for (int i = 0; i < 10 && sigtimedwait(&set, &info, &(struct timespec){0, 0}) != -1; ++i) {
    if (info.si_code != SI_TIMER)
      ++kills;
    else if (info.si_timerid == a)
      ++of_a;
    else
      ++of_b;
  }
  IS(kills, 1);
  IS(of_a, 1);
  IS(of_b, 1);
}

static volatile int caught;
static volatile siginfo_t caught_info;
static void count(int signal, siginfo_t* info, void* context) {
  (void)signal;
  (void)context;
  caught_info = *info;
  ++caught;
}

TEST(handler) {
  struct sigaction const a = {.sa_sigaction = count, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR2, &a, NULL);
  int const id = create_with_signal(SIGUSR2);
  IS(start(id, MILLISECOND, MILLISECOND), 0);
  while (caught < 5) pause();
  IS(SYS(timer_delete, id), 0);
  IS(caught_info.si_code, SI_TIMER);
  IS(caught_info.si_value.sival_int, 77);
}

TEST(one_thread) {
  block(SIGUSR1);
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
  event._sigev_un._tid = gettid();
  int const id = create(CLOCK_MONOTONIC, &event);
  IS(start(id, MILLISECOND, 0), 0);
  IS(await(SIGUSR1).si_timerid, id);
}

TEST(nobody_is_told) {
  struct sigevent event = {.sigev_notify = SIGEV_NONE};
  int const id = create(CLOCK_MONOTONIC, &event);
  IS(start(id, MILLISECOND, 1000 * SECOND), 0);
  struct itimerspec s;
  do {
    NEED(SYS(timer_gettime, id, &s));
  } while (s.it_value.tv_sec == 0);
  OK(s.it_value.tv_sec > 900);
  IS(SYS(timer_getoverrun, id), 0);
}

TEST(ignored_signal) {
  signal(SIGUSR1, SIG_IGN);
  int const id = create_with_signal(SIGUSR1);
  IS(start(id, MILLISECOND, MILLISECOND), 0);
  usleep(20000);
  block(SIGUSR1);
  signal(SIGUSR1, SIG_DFL);
  // It ran on meanwhile.
  IS(await(SIGUSR1).si_timerid, id);
}

// Children have no timers, and neither has a new program.
TEST(not_inherited) {
  int const id = create_with_signal(SIGUSR1);
  IS(start(id, 1000 * SECOND, 0), 0);
  pid_t const child = NEED(fork());
  struct itimerspec s;
  if (child == 0) _exit(SYS(timer_gettime, id, &s) == -1 && errno == EINVAL ? 0 : 1);
  int status;
  waitpid(child, &status, 0);
  IS(status, 0);
}

TEST(deleted_while_pending) {
  block(SIGUSR1);
  int const id = create_with_signal(SIGUSR1);
  IS(start(id, 1, 1), 0);
  while (true) {
    sigset_t pending;
    sigpending(&pending);
    if (sigismember(&pending, SIGUSR1)) break;
  }
  IS(SYS(timer_delete, id), 0);
  siginfo_t const info = await(SIGUSR1);
  IS(info.si_code, SI_TIMER);
  sigset_t const set = only(SIGUSR1);
  FAILS(sigtimedwait(&set, NULL, &(struct timespec){0, MILLISECOND}), EAGAIN);
}

static struct itimerval const none = {{0, 0}, {0, 0}};
static volatile sig_atomic_t rung, ringing;
// Stops it itself: where a signal takes longer than the interval, nobody else comes to it.
static void on_ring(int signal) {
  (void)signal;
  if (++rung == 5) setitimer(ringing, &none, NULL);
}

TEST(intervals_too_short_to_serve) {
  struct itimerval const often = {{0, 1}, {0, 1}};
  int const which[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
  int const signals[] = {SIGALRM, SIGVTALRM, SIGPROF};
  for (int i = 0; i < 3; ++i) {
    // Ignored, they leave the CPU to the program.
    signal(signals[i], SIG_IGN);
    WORKS(setitimer(which[i], &often, NULL));
    int64_t const start = now_ns(CLOCK_MONOTONIC);
    while (now_ns(CLOCK_MONOTONIC) - start < 50000000) {}
    WORKS(setitimer(which[i], &none, NULL));
    // Caught, they come again and again.
    rung = 0;
    ringing = which[i];
    signal(signals[i], on_ring);
    WORKS(setitimer(which[i], &often, NULL));
    while (rung < 5) {}
    signal(signals[i], SIG_IGN);
  }
}

TEST(an_alarm_goes_on_when_it_is_taken) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  NEED(sigprocmask(SIG_BLOCK, &set, NULL));
  struct itimerval const soon = {{1000, 0}, {0, 1000}};
  struct itimerval now = {0};
  WORKS(setitimer(ITIMER_REAL, &soon, NULL));
  sigset_t pending;
  do {
    NEED(sigpending(&pending));
  } while (!sigismember(&pending, SIGALRM));
  WORKS(getitimer(ITIMER_REAL, &now));
  IS(now.it_value.tv_sec + now.it_value.tv_usec, 0);
  IS(now.it_interval.tv_sec, 1000);
  siginfo_t info;
  IS(sigwaitinfo(&set, &info), SIGALRM);
  IS(info.si_code, SI_KERNEL);
  WORKS(getitimer(ITIMER_REAL, &now));
  OK(now.it_value.tv_sec >= 990);
}
