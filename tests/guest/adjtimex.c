// adjtimex(2), clock_adjtime(2), settimeofday(2): who may steer the clock, by what, and what
// programs see of it.
#include <linux/futex.h>
#include <pthread.h>
#include <sys/timerfd.h>
#include <sys/timex.h>

#include "ktap.h"

#define SECOND 1000000000L
#define MILLISECOND 1000000L
#define ADJTIME_WITHOUT_STEP 0x8000

static int64_t called_ns(clockid_t clock) {
  struct timespec t;
  NEED(SYS(clock_gettime, clock, &t));
  return t.tv_sec * SECOND + t.tv_nsec;
}

static struct timex state(void) {
  struct timex t = {0};
  NEED(adjtimex(&t));
  return t;
}

static int status_to(int status) {
  return adjtimex(&(struct timex){.modes = ADJ_STATUS, .status = status});
}

// In order, which lasts for hours.
static int in_order(int status) {
  return adjtimex(&(struct timex){.modes = ADJ_STATUS | ADJ_MAXERROR, .status = status});
}

static int move_clock(long seconds) {
  return adjtimex(&(struct timex){.modes = ADJ_SETOFFSET, .time = {seconds, 0}});
}

// Everything as it is after boot.
static void start_anew(void) {
  NEED(status_to(STA_UNSYNC));
  NEED(adjtimex(&(struct timex){.modes = ADJ_FREQUENCY | ADJ_TICK | ADJ_MICRO, .tick = 10000}));
  NEED(adjtimex(&(struct timex){.modes = ADJ_OFFSET_SINGLESHOT}));
  NEED(adjtimex(&(struct timex){.modes = ADJ_TAI}));
  NEED(move_clock(0));
}

TEST(a_clock_that_nobody_steers) {
  start_anew();
  struct timex t = {0};
  IS(adjtimex(&t), TIME_ERROR);
  IS(t.status, STA_UNSYNC);
  IS(t.maxerror, 16000000);
  IS(t.esterror, 16000000);
  IS(t.offset, 0);
  IS(t.freq, 0);
  IS(t.tick, 10000);
  IS(t.precision, 1);
  IS(t.tolerance, 32768000);
  IS(t.tai, 0);
  IS(t.ppsfreq + t.jitter + t.shift + t.stabil + t.jitcnt + t.calcnt + t.errcnt + t.stbcnt, 0);
  OK(t.time.tv_usec >= 0 && t.time.tv_usec < 1000000);
  int64_t const shown = t.time.tv_sec * SECOND + t.time.tv_usec * 1000;
  int64_t const later = now_ns(CLOCK_REALTIME);
  OK(shown <= later && later - shown < 10 * SECOND);
  t.modes = 0;
  IS(SYS(clock_adjtime, CLOCK_REALTIME, &t), TIME_ERROR);
}

TEST(wrong_requests) {
  struct timex t = {.modes = ADJTIME_WITHOUT_STEP};
  FAILS(SYS(adjtimex, &t), EINVAL);
  t = (struct timex){.modes = ADJ_TICK, .tick = 8999};
  FAILS(adjtimex(&t), EINVAL);
  t.tick = 11001;
  FAILS(adjtimex(&t), EINVAL);
  t = (struct timex){.modes = ADJ_SETOFFSET, .time = {0, -1}};
  FAILS(adjtimex(&t), EINVAL);
  t.time.tv_usec = 1000000;
  FAILS(adjtimex(&t), EINVAL);
  t = (struct timex){.modes = ADJ_SETOFFSET | ADJ_NANO, .time = {0, SECOND}};
  FAILS(adjtimex(&t), EINVAL);
  t = (struct timex){.modes = ADJ_SETOFFSET, .time = {-(1L << 40), 0}};
  FAILS(adjtimex(&t), EINVAL);
  t = (struct timex){.modes = ADJ_FREQUENCY, .freq = LONG_MAX};
  FAILS(adjtimex(&t), EINVAL);
  t.freq = LONG_MIN;
  FAILS(adjtimex(&t), EINVAL);
  t = (struct timex){0};
  FAILS(SYS(clock_adjtime, CLOCK_MONOTONIC, &t), EOPNOTSUPP);
  FAILS(SYS(clock_adjtime, CLOCK_PROCESS_CPUTIME_ID, &t), EOPNOTSUPP);
  FAILS(SYS(clock_adjtime, 99, &t), EINVAL);
  FAILS(SYS(clock_adjtime, CLOCK_REALTIME, BAD_POINTER), EFAULT);
  FAILS(SYS(clock_adjtime, 99, BAD_POINTER), EFAULT);
  FAILS(SYS(adjtimex, BAD_POINTER), EFAULT);
}

TEST(who_may) {
  become_nobody();
  struct timex t = {0};
  OK(adjtimex(&t) >= 0);
  t.modes = ADJ_OFFSET_SS_READ;
  OK(adjtimex(&t) >= 0);
  t.modes = ADJTIME_WITHOUT_STEP;
  FAILS(SYS(adjtimex, &t), EINVAL);
  t.modes = ADJ_OFFSET_SINGLESHOT;
  FAILS(adjtimex(&t), EPERM);
  t = (struct timex){.modes = ADJ_TICK, .tick = 1};
  FAILS(adjtimex(&t), EPERM);
  FAILS(adjtimex(&(struct timex){.modes = ADJ_NANO}), EPERM);
  FAILS(move_clock(0), EPERM);
  FAILS(SYS(settimeofday, NULL, NULL), EPERM);
  FAILS(SYS(settimeofday, &(struct timeval){1, 0}, NULL), EPERM);
  FAILS(SYS(settimeofday, &(struct timeval){1, 2000000}, NULL), EINVAL);
  FAILS(SYS(settimeofday, &(struct timeval){LONG_MAX, 0}, NULL), EINVAL);
  FAILS(clock_settime(CLOCK_REALTIME, &(struct timespec){LONG_MAX, 0}), EINVAL);
  FAILS(SYS(settimeofday, NULL, &(struct timezone){0, 0}), EPERM);
  FAILS(SYS(settimeofday, NULL, BAD_POINTER), EFAULT);
}

TEST(values_are_kept_within_their_limits) {
  struct timex t = {.modes = ADJ_FREQUENCY | ADJ_MAXERROR | ADJ_ESTERROR | ADJ_TIMECONST,
                    .freq = 600L << 16,
                    .maxerror = -5,
                    .esterror = 1L << 40,
                    .constant = 50};
  NEED(adjtimex(&t));
  IS(t.freq, 500L << 16);
  IS(t.maxerror, 0);
  IS(t.esterror, 16000000);
  IS(t.constant, 10);
  t = (struct timex){.modes = ADJ_FREQUENCY | ADJ_TIMECONST, .freq = -(77L << 16) - 3};
  NEED(adjtimex(&t));
  IS(t.freq, -(77L << 16) - 3);
  IS(t.constant, 4);
  t = (struct timex){.modes = ADJ_NANO | ADJ_TIMECONST, .constant = 3};
  NEED(adjtimex(&t));
  IS(t.constant, 3);
  OK((t.status & STA_NANO) != 0);
  NEED(status_to(STA_CLOCKERR | STA_CLK | STA_MODE | STA_PPSSIGNAL | STA_PLL));
  IS(state().status, STA_NANO | STA_PLL);
  NEED(adjtimex(&(struct timex){.modes = ADJ_TAI, .constant = 100001}));
  IS(state().tai, 0);
  start_anew();
  IS(state().status, STA_UNSYNC);
}

TEST(an_offset_needs_the_loop) {
  start_anew();
  NEED(adjtimex(&(struct timex){.modes = ADJ_OFFSET, .offset = 1000}));
  IS(state().offset, 0);
  NEED(in_order(STA_PLL));
  struct timex t = {.modes = ADJ_OFFSET, .offset = 400};
  IS(adjtimex(&t), TIME_OK);
  IS(t.offset, 400);
  t = (struct timex){.modes = ADJ_OFFSET | ADJ_TIMECONST, .offset = 2000000, .constant = 0};
  IS(adjtimex(&t), TIME_OK);
  IS(t.offset, 500000);
  // Some of it is worked off with the next seconds.
  int64_t const start = now_ns(CLOCK_MONOTONIC_RAW);
  while (state().offset == 500000 && now_ns(CLOCK_MONOTONIC_RAW) - start < 10 * SECOND) {}
  OK(state().offset < 500000 && state().offset > 100000);
  NEED(move_clock(0));
  IS(state().offset, 0);
  IS(state().status, STA_PLL | STA_UNSYNC);
  start_anew();
}

TEST(an_adjustment_that_is_slow) {
  start_anew();
  struct timeval wanted = {2, 0}, before = {1, 1};
  WORKS(adjtime(&wanted, &before));
  IS(before.tv_sec + before.tv_usec, 0);
  WORKS(adjtime(NULL, &before));
  OK(before.tv_sec == 2 || (before.tv_sec == 1 && before.tv_usec > 990000));
  wanted = (struct timeval){0, 0};
  WORKS(adjtime(&wanted, NULL));
  WORKS(adjtime(NULL, &before));
  IS(before.tv_sec + before.tv_usec, 0);
}

struct reading {
  int64_t raw, shown;
};

// What a clock and the counter show at one moment: nothing came in between.
static struct reading read_both(int64_t (*read_clock)(clockid_t), clockid_t clock) {
  struct reading r;
  int64_t after;
  int tries = 0;
  do {
    r.raw = now_ns(CLOCK_MONOTONIC_RAW);
    r.shown = read_clock(clock);
    after = now_ns(CLOCK_MONOTONIC_RAW);
  } while (after - r.raw > MILLISECOND && ++tries < 1000);
  return r;
}

// How much `clock` gains on the counter, in thousandths.
static long gain_of(int64_t (*read_clock)(clockid_t), clockid_t clock) {
  struct reading const start = read_both(read_clock, clock);
  while (now_ns(CLOCK_MONOTONIC_RAW) - start.raw < 300 * MILLISECOND) {}
  struct reading const end = read_both(read_clock, clock);
  int64_t const passed = end.raw - start.raw;
  return (end.shown - start.shown - passed) * 1000 / passed;
}

TEST(a_tick_makes_the_clock_fast_or_slow) {
  start_anew();
  NEED(adjtimex(&(struct timex){.modes = ADJ_TICK, .tick = 11000}));
  long gain = gain_of(now_ns, CLOCK_MONOTONIC);
  OK(gain >= 80 && gain <= 120);
  gain = gain_of(now_ns, CLOCK_REALTIME);
  OK(gain >= 80 && gain <= 120);
  gain = gain_of(called_ns, CLOCK_MONOTONIC);
  OK(gain >= 80 && gain <= 120);
  gain = gain_of(called_ns, CLOCK_MONOTONIC_RAW);
  OK(gain >= -20 && gain <= 20);
  NEED(adjtimex(&(struct timex){.modes = ADJ_TICK, .tick = 9000}));
  gain = gain_of(now_ns, CLOCK_BOOTTIME);
  OK(gain <= -80 && gain >= -120);
  start_anew();
  gain = gain_of(now_ns, CLOCK_MONOTONIC);
  OK(gain >= -20 && gain <= 20);
}

TEST(no_change_of_speed_sets_the_clock_back) {
  start_anew();
  int64_t last = now_ns(CLOCK_MONOTONIC);
  bool went_back = false;
  for (int i = 0; i < 400; ++i) {
    NEED(adjtimex(&(struct timex){.modes = ADJ_TICK, .tick = i % 2 ? 9000 : 11000}));
    int64_t const called = called_ns(CLOCK_MONOTONIC), read = now_ns(CLOCK_MONOTONIC);
    went_back |= called < last || read < called;
    last = read;
  }
  OK(!went_back);
  start_anew();
}

TEST(tai_is_ahead_by_whole_seconds) {
  start_anew();
  struct timex t = {.modes = ADJ_TAI, .constant = 37};
  NEED(adjtimex(&t));
  IS(t.tai, 37);
  IS((now_ns(CLOCK_TAI) - now_ns(CLOCK_REALTIME) + SECOND / 2) / SECOND, 37);
  IS((called_ns(CLOCK_TAI) - called_ns(CLOCK_REALTIME) + SECOND / 2) / SECOND, 37);
  start_anew();
  IS((now_ns(CLOCK_TAI) - now_ns(CLOCK_REALTIME) + SECOND / 2) / SECOND, 0);
}

TEST(the_clock_is_moved) {
  start_anew();
  NEED(in_order(0));
  IS(state().status, 0);
  int64_t const ahead = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC);
  WORKS(move_clock(3600));
  int64_t const moved = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC) - ahead;
  OK(moved > 3599 * SECOND && moved < 3601 * SECOND);
  IS(state().status, STA_UNSYNC);
  struct timex t = {.modes = ADJ_SETOFFSET | ADJ_NANO, .time = {-3601, SECOND - 1}};
  WORKS(adjtimex(&t));
  int64_t const back = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC) - ahead;
  OK(back > -SECOND && back < SECOND);
  start_anew();
}

static void* sleep_until_the_hour(void* moment) {
  return (void*)(long)clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, moment, NULL);
}

TEST(who_waits_for_a_moment_sees_the_clock_moved) {
  struct timespec moment;
  NEED(clock_gettime(CLOCK_REALTIME, &moment));
  moment.tv_sec += 3600;
  pthread_t sleeper;
  OK(pthread_create(&sleeper, NULL, sleep_until_the_hour, &moment) == 0);
  int const timer = (int)NEED(timerfd_create(CLOCK_REALTIME, 0));
  NEED(timerfd_settime(timer, TFD_TIMER_ABSTIME, &(struct itimerspec){{0, 0}, moment}, NULL));
  // Whether the sleeper sleeps already or not: the moment comes for it.
  WORKS(move_clock(7200));
  void* result = (void*)1;
  OK(pthread_join(sleeper, &result) == 0);
  IS((long)result, 0);
  uint64_t expiries = 0;
  IS(read(timer, &expiries, sizeof expiries), 8);
  IS(expiries, 1);
  WORKS(move_clock(-7200));
}

// --- futexes ------------------------------------------------------------------------------

static struct timespec the_hour;
static uint32_t free_word, owned_word;
static _Atomic int sleeper;  // its number, once it is about to sleep

static long futex(uint32_t* word, int operation) {
  return SYS(futex, word, operation, 0, &the_hour, NULL, FUTEX_BITSET_MATCH_ANY);
}
static long wait_for_a_word(void) {
  return futex(&free_word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME);
}
static long wait_for_one_of_some(void) {
  struct futex_waitv const word = {.uaddr = (uintptr_t)&free_word, .flags = FUTEX_32};
  return SYS(futex_waitv, &word, 1, 0, &the_hour, CLOCK_REALTIME);
}
static long wait_for_a_lock(void) { return futex(&owned_word, FUTEX_LOCK_PI); }

static void* waiting(void* wait) {
  sleeper = gettid();
  long const result = ((long (*)(void))wait)();
  return (void*)(result == -1 ? (long)errno : 0L);
}
static void until_it_sleeps(void) {
  while (sleeper == 0) sched_yield();
  char path[64], line[256] = "";
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", sleeper);
  do {
    int const file = (int)NEED(open(path, O_RDONLY));
    NEED(read(file, line, sizeof line - 1));
    close(file);
  } while (strstr(line, ") S ") == NULL);
}

TEST(waits_for_futexes_see_the_clock_moved) {
  long (*const waits[])(void) = {wait_for_a_word, wait_for_one_of_some, wait_for_a_lock};
  owned_word = (uint32_t)gettid();
  for (size_t i = 0; i < sizeof waits / sizeof *waits; ++i) {
    NEED(clock_gettime(CLOCK_REALTIME, &the_hour));
    the_hour.tv_sec += 3600;
    sleeper = 0;
    pthread_t thread;
    OK(pthread_create(&thread, NULL, waiting, (void*)waits[i]) == 0);
    until_it_sleeps();
    WORKS(move_clock(1800));
    WORKS(move_clock(5400));
    void* result = NULL;
    OK(pthread_join(thread, &result) == 0);
    IS((long)result, ETIMEDOUT);
    WORKS(move_clock(-7200));
  }
}

TEST(only_a_clock_that_moves_cancels) {
  struct timespec moment;
  NEED(clock_gettime(CLOCK_REALTIME, &moment));
  moment.tv_sec += 3600;
  int const timer = (int)NEED(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK));
  NEED(timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
                       &(struct itimerspec){{0, 0}, moment}, NULL));
  uint64_t expiries;
  NEED(adjtimex(&(struct timex){.modes = ADJ_TAI, .constant = 37}));
  NEED(adjtimex(&(struct timex){.modes = ADJ_TAI}));
  FAILS(read(timer, &expiries, sizeof expiries), EAGAIN);
  NEED(move_clock(1));
  FAILS(read(timer, &expiries, sizeof expiries), ECANCELED);
  FAILS(read(timer, &expiries, sizeof expiries), EAGAIN);
  NEED(move_clock(-1));
}

TEST(times_beyond_all_clocks) {
  struct itimerval const far = {{LONG_MAX, 0}, {LONG_MAX, 0}}, none = {{0, 0}, {0, 0}};
  WORKS(setitimer(ITIMER_REAL, &far, NULL));
  WORKS(setitimer(ITIMER_REAL, &none, NULL));
  clockid_t const clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
  for (int i = 0; i < 2; ++i) {
    int const timer = (int)NEED(timerfd_create(clocks[i], TFD_NONBLOCK));
    NEED(timerfd_settime(timer, TFD_TIMER_ABSTIME, &(struct itimerspec){{LONG_MAX, 0}, {0, 1}},
                         NULL));
    uint64_t expiries = 0;
    struct pollfd p = {timer, POLLIN, 0};
    IS(poll(&p, 1, 30000), 1);
    IS(read(timer, &expiries, sizeof expiries), 8);
    IS(expiries, 1);
    FAILS(read(timer, &expiries, sizeof expiries), EAGAIN);
    struct itimerspec left;
    WORKS(timerfd_gettime(timer, &left));
    OK(left.it_value.tv_sec > 1000000);
    close(timer);
  }
}

TEST(a_second_is_inserted_at_midnight) {
  start_anew();
  struct timespec const before = {now_ns(CLOCK_REALTIME) / SECOND, 0};
  int64_t const started = now_ns(CLOCK_MONOTONIC);
  int64_t const midnight = (before.tv_sec / 86400 + 1) * 86400;
  NEED(clock_settime(CLOCK_REALTIME, &(struct timespec){midnight - 2, 0}));
  NEED(in_order(STA_INS));
  bool seen[TIME_ERROR + 1] = {false};
  int64_t last = 0;
  bool went_back = false;
  struct timex t;
  for (;;) {
    t = (struct timex){0};
    int const what = (int)NEED(adjtimex(&t));
    seen[what] = true;
    if (t.time.tv_sec == midnight && (what == TIME_WAIT || what == TIME_ERROR)) break;
    if (t.time.tv_sec < last) went_back = true;
    last = t.time.tv_sec;
    if (last > midnight + 10) break;
  }
  OK(seen[TIME_INS]);
  OK(seen[TIME_OOP]);
  OK(seen[TIME_WAIT]);
  IS(t.time.tv_sec - midnight, 0);
  IS(t.tai, 1);
  OK(!went_back || last == midnight - 1);
  NEED(status_to(STA_UNSYNC));
  int64_t const passed = (now_ns(CLOCK_MONOTONIC) - started) / SECOND;
  NEED(clock_settime(CLOCK_REALTIME, &(struct timespec){before.tv_sec + passed, 0}));
  start_anew();
}

TEST(the_zone_is_kept_for_those_who_ask) {
  struct timezone zone;
  struct timeval now;
  NEED(SYS(settimeofday, NULL, &(struct timezone){0, 0}));
  WORKS(SYS(settimeofday, NULL, &(struct timezone){-120, 1}));
  NEED(gettimeofday(&now, &zone));
  IS(zone.tz_minuteswest, -120);
  IS(zone.tz_dsttime, 1);
  zone = (struct timezone){0, 0};
  NEED(SYS(gettimeofday, NULL, &zone));
  IS(zone.tz_minuteswest, -120);
  IS(zone.tz_dsttime, 1);
  FAILS(SYS(settimeofday, NULL, &(struct timezone){901, 0}), EINVAL);
  FAILS(SYS(settimeofday, NULL, &(struct timezone){-901, 0}), EINVAL);
  WORKS(SYS(settimeofday, NULL, &(struct timezone){900, 0}));
  FAILS(SYS(settimeofday, &(struct timeval){-1, 0}, NULL), EINVAL);
  FAILS(SYS(settimeofday, &(struct timeval){LONG_MAX / SECOND, 0}, NULL), EINVAL);
  FAILS(SYS(settimeofday, &(struct timeval){LONG_MAX, 0}, NULL), EINVAL);
  // The machine would have been started before 1970.
  FAILS(SYS(settimeofday, &(struct timeval){0, 0}, NULL), EINVAL);
  FAILS(clock_settime(CLOCK_REALTIME, &(struct timespec){LONG_MAX / SECOND, 0}), EINVAL);
  FAILS(clock_settime(CLOCK_REALTIME, &(struct timespec){0, 0}), EINVAL);
  NEED(SYS(settimeofday, NULL, &(struct timezone){0, 0}));
}
