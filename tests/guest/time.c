// Clocks, sleeping, timers.
#include "ktap.h"

#include <sys/times.h>

#define MILLISECOND 1000000LL
#define SECOND 1000000000LL

TEST(clocks) {
  struct timespec now;
  int const clocks[] = {CLOCK_REALTIME,          CLOCK_MONOTONIC,     CLOCK_PROCESS_CPUTIME_ID,
                        CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
                        CLOCK_MONOTONIC_COARSE,  CLOCK_BOOTTIME};
  for (int i = 0; i < 8; ++i) {
    IS(SYS(clock_gettime, clocks[i], &now), 0);
    OK(now.tv_sec >= 0 && now.tv_nsec >= 0 && now.tv_nsec < SECOND);
  }
  FAILS(SYS(clock_gettime, 99, &now), EINVAL);
  FAILS(SYS(clock_gettime, CLOCK_REALTIME, BAD_POINTER), EFAULT);
  IS(SYS(clock_getres, CLOCK_MONOTONIC, &now), 0);
  IS(now.tv_sec, 0);
  OK(now.tv_nsec >= 1 && now.tv_nsec <= 10 * MILLISECOND);
  IS(SYS(clock_getres, CLOCK_MONOTONIC, NULL), 0);
  FAILS(SYS(clock_getres, 99, &now), EINVAL);
}

TEST(monotonic) {
  int64_t last = now_ns(CLOCK_MONOTONIC);
  bool forward = true;
  for (int i = 0; i < 10000; ++i) {
    int64_t const now = now_ns(CLOCK_MONOTONIC);
    forward &= now >= last;
    last = now;
  }
  OK(forward);
}

TEST(wall_clocks_agree) {
  struct timeval day;
  struct timespec real;
  IS(SYS(gettimeofday, &day, NULL), 0);
  IS(SYS(clock_gettime, CLOCK_REALTIME, &real), 0);
  OK(labs(real.tv_sec - day.tv_sec) <= 1);
  long stored = 0;
  long const seconds = SYS(time, &stored);
  IS(seconds == stored, 1);
  OK(labs(seconds - real.tv_sec) <= 1);
  OK(seconds > 1600000000);
  FAILS(SYS(gettimeofday, BAD_POINTER, NULL), EFAULT);
  FAILS(SYS(time, BAD_POINTER), EFAULT);
  struct timezone zone;
  IS(SYS(gettimeofday, NULL, &zone), 0);
}

TEST(sleeping) {
  int64_t start = now_ns(CLOCK_MONOTONIC);
  IS(SYS(nanosleep, &(struct timespec){0, 20 * MILLISECOND}, NULL), 0);
  OK(now_ns(CLOCK_MONOTONIC) - start >= 20 * MILLISECOND);
  start = now_ns(CLOCK_MONOTONIC);
  IS(SYS(clock_nanosleep, CLOCK_MONOTONIC, 0, &(struct timespec){0, 20 * MILLISECOND}, NULL), 0);
  OK(now_ns(CLOCK_MONOTONIC) - start >= 20 * MILLISECOND);
  int64_t const end = now_ns(CLOCK_MONOTONIC) + 20 * MILLISECOND;
  struct timespec const until = {end / SECOND, end % SECOND};
  IS(SYS(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL), 0);
  OK(now_ns(CLOCK_MONOTONIC) >= end);
  IS(SYS(clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &(struct timespec){1, 0}, NULL), 0);
  IS(SYS(nanosleep, &(struct timespec){0, 0}, NULL), 0);
}

TEST(sleeping_errors) {
  FAILS(SYS(nanosleep, &(struct timespec){0, SECOND}, NULL), EINVAL);
  FAILS(SYS(nanosleep, &(struct timespec){0, -1}, NULL), EINVAL);
  FAILS(SYS(nanosleep, &(struct timespec){-1, 0}, NULL), EINVAL);
  FAILS(SYS(nanosleep, BAD_POINTER, NULL), EFAULT);
  FAILS(SYS(clock_nanosleep, 99, 0, &(struct timespec){0, 0}, NULL), EINVAL);
  FAILS(SYS(clock_nanosleep, CLOCK_MONOTONIC, 0, BAD_POINTER, NULL), EFAULT);
  FAILS(SYS(clock_nanosleep, CLOCK_MONOTONIC, 0, &(struct timespec){0, SECOND}, NULL), EINVAL);
  FAILS(SYS(clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &(struct timespec){0, 1}, NULL),
        EOPNOTSUPP);
}

static int volatile calls;
static void count(int number) {
  (void)number;
  ++calls;
}

static void set_timer(long microseconds, bool repeated) {
  struct itimerval const timer = {{0, repeated ? microseconds : 0}, {0, microseconds}};
  NEED(setitimer(ITIMER_REAL, &timer, NULL));
}

TEST(interrupted_sleep) {
  struct timespec left = {0, 0};
  struct sigaction const action = {.sa_handler = count, .sa_flags = SA_RESTART};
  NEED(sigaction(SIGALRM, &action, NULL));
  set_timer(20000, true);
  FAILS(SYS(nanosleep, &(struct timespec){1000, 0}, &left), EINTR);
  OK(left.tv_sec == 999 && left.tv_nsec > 0);
  OK(calls >= 1);
  FAILS(SYS(clock_nanosleep, CLOCK_MONOTONIC, 0, &(struct timespec){1000, 0}, &left), EINTR);
  OK(left.tv_sec == 999);
}

TEST(sleep_goes_on_after_stop) {
  int64_t const start = now_ns(CLOCK_MONOTONIC);
  pid_t const child = fork();
  int status;
  if (child == 0) _exit(SYS(nanosleep, &(struct timespec){0, 50 * MILLISECOND}, NULL) == 0 ? 0 : 1);
  NEED(kill(child, SIGSTOP));
  NEED(waitpid(child, &status, WUNTRACED));
  NEED(kill(child, SIGCONT));
  IS(ktap_status_of(child), 0);
  OK(now_ns(CLOCK_MONOTONIC) - start >= 50 * MILLISECOND);
}

TEST(interval_timer) {
  struct itimerval timer;
  signal(SIGALRM, count);
  set_timer(10000, true);
  while (calls < 3) pause();
  WORKS(getitimer(ITIMER_REAL, &timer));
  IS(timer.it_interval.tv_usec, 10000);
  OK(timer.it_value.tv_sec == 0 && timer.it_value.tv_usec <= 10000);
  struct itimerval const off = {0}, wrong = {{0, 0}, {0, 1000000}};
  WORKS(setitimer(ITIMER_REAL, &off, &timer));
  IS(timer.it_interval.tv_usec, 10000);
  WORKS(getitimer(ITIMER_REAL, &timer));
  IS(timer.it_value.tv_usec, 0);
  FAILS(setitimer(ITIMER_REAL, &wrong, NULL), EINVAL);
  FAILS(setitimer(99, &off, NULL), EINVAL);
  FAILS(getitimer(99, &timer), EINVAL);
  FAILS(SYS(setitimer, ITIMER_REAL, BAD_POINTER, NULL), EFAULT);
  set_timer(900000, false);
  IS(IN_CHILD({
       getitimer(ITIMER_REAL, &timer);
       _exit(timer.it_value.tv_sec || timer.it_value.tv_usec ? 1 : 0);
     }),
     0);
}

TEST(alarm_kills) {
  signal(SIGALRM, SIG_DFL);
  IS(IN_CHILD({
       set_timer(1000, false);
       for (;;) pause();
     }),
     SIGALRM);
}

static void burn(int64_t nanoseconds) {
  int64_t const start = now_ns(CLOCK_PROCESS_CPUTIME_ID);
  while (now_ns(CLOCK_PROCESS_CPUTIME_ID) - start < nanoseconds) {}
}

TEST(processor_time) {
  struct rusage usage;
  struct tms used;
  burn(50 * MILLISECOND);
  WORKS(getrusage(RUSAGE_SELF, &usage));
  int64_t const self = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  OK(self >= 40000);
  OK(usage.ru_maxrss > 0);
  WORKS(getrusage(RUSAGE_CHILDREN, &usage));
  IS(usage.ru_utime.tv_sec + usage.ru_utime.tv_usec, 0);
  NEED(IN_CHILD(burn(50 * MILLISECOND)));
  WORKS(getrusage(RUSAGE_CHILDREN, &usage));
  int64_t const children = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  OK(children >= 40000);
  WORKS(getrusage(RUSAGE_THREAD, &usage));
  FAILS(getrusage(99, &usage), EINVAL);
  FAILS(getrusage(RUSAGE_SELF, BAD_POINTER), EFAULT);
  WORKS(times(&used));
  OK(used.tms_utime + used.tms_stime >= 3);
  OK(used.tms_cutime + used.tms_cstime >= 3);
  FAILS(SYS(times, BAD_POINTER), EFAULT);
  IS(sysconf(_SC_CLK_TCK), 100);
}

TEST(sleep_takes_no_processor_time) {
  int64_t const start = now_ns(CLOCK_PROCESS_CPUTIME_ID);
  NEED(nanosleep(&(struct timespec){0, 100 * MILLISECOND}, NULL));
  OK(now_ns(CLOCK_PROCESS_CPUTIME_ID) - start < 90 * MILLISECOND);
}

TEST(setting_the_clock) {
  struct timespec const before = {now_ns(CLOCK_REALTIME) / SECOND, 0};
  struct timespec wrong = {0, SECOND};
  FAILS(SYS(clock_settime, CLOCK_REALTIME, &wrong), EINVAL);
  FAILS(SYS(clock_settime, CLOCK_MONOTONIC, &before), EINVAL);
  WORKS(SYS(clock_settime, CLOCK_REALTIME, &before));
  become_nobody();
  FAILS(SYS(clock_settime, CLOCK_REALTIME, &before), EPERM);
}
