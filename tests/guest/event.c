// Descriptors to wait on: eventfd, timerfd, signalfd, epoll.
#include "ktap.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#define MILLISECOND 1000000LL
#define SECOND 1000000000LL

// What poll says of one descriptor right now.
static int poll_now(int file, short events) {
  struct pollfd p = {file, events, 0};
  return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

// --- eventfd --------------------------------------------------------------------------------
static long take(int file) {
  uint64_t value = 0;
  return read(file, &value, 8) == 8 ? (long)value : -1;
}
static long give(int file, uint64_t value) { return write(file, &value, 8); }

TEST(eventfd_counts) {
  int const file = (int)WORKS(SYS(eventfd2, 5, EFD_NONBLOCK));
  IS(take(file), 5);
  FAILS(take(file), EAGAIN);
  IS(give(file, 3), 8);
  IS(give(file, 4), 8);
  IS(take(file), 7);
  IS(give(file, 0), 8);
  FAILS(take(file), EAGAIN);
  IS(give(file, UINT64_MAX - 1), 8);
  FAILS(give(file, 1), EAGAIN);
  IS(poll_now(file, POLLIN | POLLOUT), POLLIN);
  IS(take(file), -2);
  IS(give(file, UINT64_MAX - 2), 8);
  IS(give(file, 1), 8);
  FAILS(give(file, 1), EAGAIN);
  FAILS(give(file, UINT64_MAX), EINVAL);
}

TEST(eventfd_semaphore) {
  int const file = (int)WORKS(SYS(eventfd2, 2, EFD_NONBLOCK | EFD_SEMAPHORE));
  IS(take(file), 1);
  IS(take(file), 1);
  FAILS(take(file), EAGAIN);
  give(file, 1);
  IS(take(file), 1);
}

TEST(eventfd_sizes) {
  uint64_t values[2] = {1, 2};
  int const file = (int)WORKS(SYS(eventfd, 1));
  FAILS(read(file, values, 7), EINVAL);
  FAILS(write(file, values, 7), EINVAL);
  FAILS(write(file, values, 16), EINVAL);
  IS(read(file, values, 16), 8);
  IS(values[0], 1);
  FAILS(write(file, BAD_POINTER, 8), EFAULT);
  FAILS(SYS(eventfd2, 0, 2), EINVAL);
  give(file, 1);
  FAILS(read(file, BAD_POINTER, 8), EFAULT);
  FAILS(pread(file, values, 8, 0), ESPIPE);
  IS(lseek(file, 10, SEEK_SET), 0);
  FAILS(lseek(file, 0, 99), EINVAL);
  FAILS(ioctl(file, FIONREAD, values), ENOTTY);
  FAILS(ftruncate(file, 0), EINVAL);
  OK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED && errno == ENODEV);
}

TEST(eventfd_flags) {
  int const file = (int)WORKS(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  IS(fcntl(file, F_GETFD), FD_CLOEXEC);
  IS(fcntl(file, F_GETFL), O_RDWR | O_NONBLOCK);
  IS(fcntl(file, F_SETFL, 0), 0);
  IS(fcntl(file, F_GETFL), O_RDWR);
  IS(poll_now(file, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM), POLLOUT);
  IS(give(file, 1), 8);
  IS(poll_now(file, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM), POLLIN | POLLOUT);
  IS(fcntl(eventfd(0, 0), F_GETFD), 0);
}

static void* give_later(void* file) {
  give((int)(long)file, 7);
  return NULL;
}
static void* take_later(void* file) {
  take((int)(long)file);
  return NULL;
}

TEST(eventfd_waits) {
  pthread_t other;
  int const file = eventfd(0, 0);
  NEED(pthread_create(&other, NULL, give_later, (void*)(long)file));
  IS(take(file), 7);
  pthread_join(other, NULL);
  give(file, UINT64_MAX - 1);
  NEED(pthread_create(&other, NULL, take_later, (void*)(long)file));
  IS(give(file, 9), 8);
  pthread_join(other, NULL);
  IS(take(file), 9);
}

static void nothing(int number) { (void)number; }
static void interrupt_soon(int flags) {
  struct sigaction const action = {.sa_handler = nothing, .sa_flags = flags};
  struct itimerval const timer = {{0, 20000}, {0, 20000}};
  NEED(sigaction(SIGALRM, &action, NULL));
  NEED(setitimer(ITIMER_REAL, &timer, NULL));
}

TEST(interrupted_waits) {
  int const timer = timerfd_create(CLOCK_MONOTONIC, 0);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  int const signals = signalfd(-1, &set, 0), event = eventfd(0, 0);
  interrupt_soon(0);
  FAILS(take(event), EINTR);
  FAILS(take(timer), EINTR);
  struct signalfd_siginfo info;
  FAILS(read(signals, &info, sizeof info), EINTR);
  give(event, UINT64_MAX - 1);
  FAILS(give(event, 1), EINTR);
}

// --- all of them ----------------------------------------------------------------------------
TEST(anonymous_inode) {
  sigset_t set;
  sigfillset(&set);
  int const files[] = {eventfd(0, 0), timerfd_create(CLOCK_MONOTONIC, 0), signalfd(-1, &set, 0),
                       epoll_create1(0)};
  struct stat first, s;
  IS(fstat(files[0], &first), 0);
  for (int i = 0; i < 4; ++i) {
    IS(fstat(files[i], &s), 0);
    IS(s.st_mode, 0600);
    IS(s.st_nlink, 1);
    IS(s.st_size, 0);
    IS(s.st_blksize, 4096);
    IS(s.st_uid, 0);
    OK(s.st_ino == first.st_ino && s.st_dev == first.st_dev);
    OK(s.st_mtime == first.st_mtime);
  }
  FAILS(fchdir(files[0]), ENOTDIR);
}

// --- timerfd --------------------------------------------------------------------------------
static int set_timer(int file, int flags, int64_t value, int64_t interval) {
  struct itimerspec const timer = {{interval / SECOND, interval % SECOND},
                                   {value / SECOND, value % SECOND}};
  return timerfd_settime(file, flags, &timer, NULL);
}

TEST(timerfd_clocks) {
  int const clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM,
                        CLOCK_BOOTTIME_ALARM};
  for (int i = 0; i < 5; ++i) {
    int const file = (int)WORKS(timerfd_create(clocks[i], 0));
    if (i > 2) continue;
    int64_t const start = now_ns(CLOCK_MONOTONIC);
    IS(set_timer(file, 0, 20 * MILLISECOND, 0), 0);
    IS(take(file), 1);
    OK(now_ns(CLOCK_MONOTONIC) - start >= 20 * MILLISECOND);
    int64_t const end = now_ns(clocks[i]) + 20 * MILLISECOND;
    IS(set_timer(file, TFD_TIMER_ABSTIME, end, 0), 0);
    IS(take(file), 1);
    OK(now_ns(clocks[i]) >= end);
    IS(set_timer(file, TFD_TIMER_ABSTIME, 1, 0), 0);
    IS(take(file), 1);
  }
  become_nobody();
  FAILS(timerfd_create(CLOCK_REALTIME_ALARM, 0), EPERM);
  FAILS(timerfd_create(CLOCK_BOOTTIME_ALARM, 0), EPERM);
}

TEST(timerfd_errors) {
  struct itimerspec timer = {{0, 0}, {1, 0}}, old;
  int const file = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  FAILS(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
  FAILS(timerfd_create(CLOCK_MONOTONIC_RAW, 0), EINVAL);
  FAILS(timerfd_create(CLOCK_TAI, 0), EINVAL);
  FAILS(timerfd_create(99, 0), EINVAL);
  FAILS(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
  FAILS(timerfd_settime(file, 4, &timer, NULL), EINVAL);
  FAILS(SYS(timerfd_settime, file, 0, BAD_POINTER, NULL), EFAULT);
  FAILS(SYS(timerfd_settime, file, 0, &timer, BAD_POINTER), EFAULT);
  FAILS(SYS(timerfd_gettime, file, BAD_POINTER), EFAULT);
  FAILS(timerfd_settime(-1, 0, &timer, NULL), EBADF);
  FAILS(timerfd_gettime(-1, &old), EBADF);
  FAILS(timerfd_settime(0, 0, &timer, NULL), EINVAL);
  FAILS(timerfd_gettime(0, &old), EINVAL);
  timer.it_value.tv_nsec = SECOND;
  FAILS(timerfd_settime(file, 0, &timer, NULL), EINVAL);
  timer.it_value.tv_nsec = -1;
  FAILS(timerfd_settime(file, 0, &timer, NULL), EINVAL);
  timer = (struct itimerspec){{0, SECOND}, {1, 0}};
  FAILS(timerfd_settime(file, 0, &timer, NULL), EINVAL);
  timer = (struct itimerspec){{-1, 0}, {1, 0}};
  FAILS(timerfd_settime(file, 0, &timer, NULL), EINVAL);
  FAILS(read(file, &timer, 7), EINVAL);
  FAILS(take(file), EAGAIN);
  FAILS(give(file, 1), EINVAL);
  IS(lseek(file, 5, SEEK_CUR), 0);
}

TEST(timerfd_settings) {
  struct itimerspec timer = {{5, 6}, {1000, 0}}, old;
  int const file = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  IS(fcntl(file, F_GETFL), O_RDWR | O_NONBLOCK);
  IS(fcntl(file, F_GETFD), FD_CLOEXEC);
  IS(timerfd_gettime(file, &old), 0);
  IS(old.it_value.tv_sec + old.it_value.tv_nsec + old.it_interval.tv_sec, 0);
  IS(timerfd_settime(file, 0, &timer, &old), 0);
  IS(old.it_value.tv_sec, 0);
  IS(timerfd_gettime(file, &old), 0);
  OK(old.it_value.tv_sec == 999 && old.it_interval.tv_sec == 5 && old.it_interval.tv_nsec == 6);
  timer = (struct itimerspec){{0, 0}, {0, 0}};
  IS(timerfd_settime(file, 0, &timer, &old), 0);
  OK(old.it_value.tv_sec == 999 && old.it_interval.tv_sec == 5);
  IS(timerfd_gettime(file, &old), 0);
  IS(old.it_value.tv_sec + old.it_value.tv_nsec + old.it_interval.tv_sec, 0);
  IS(poll_now(file, POLLIN | POLLOUT | POLLRDNORM), 0);
}

TEST(timerfd_overruns) {
  int const file = timerfd_create(CLOCK_MONOTONIC, 0);
  int64_t const start = now_ns(CLOCK_MONOTONIC);
  struct itimerspec left;
  IS(set_timer(file, TFD_TIMER_ABSTIME, start + 10 * MILLISECOND, 10 * MILLISECOND), 0);
  struct pollfd p = {file, POLLIN, 0};
  IS(poll(&p, 1, -1), 1);
  IS(p.revents, POLLIN);
  NEED(nanosleep(&(struct timespec){0, 50 * MILLISECOND}, NULL));
  long const ticks = take(file);
  long const passed = (long)((now_ns(CLOCK_MONOTONIC) - start) / (10 * MILLISECOND));
  OK(ticks >= 5 && ticks <= passed);
  IS(timerfd_gettime(file, &left), 0);
  OK(left.it_value.tv_nsec <= 10 * MILLISECOND && left.it_interval.tv_nsec == 10 * MILLISECOND);
  OK(take(file) >= 1);
  // Long ago, and again every second: all of them at once.
  int64_t const now = now_ns(CLOCK_MONOTONIC);
  IS(set_timer(file, TFD_TIMER_ABSTIME, now - 1000, 100), 0);
  OK(take(file) >= 10);
  IS(set_timer(file, 0, 1, 0), 0);
  IS(poll(&p, 1, -1), 1);
  IS(set_timer(file, 0, 0, 0), 0);
  IS(poll_now(file, POLLIN), 0);
}

TEST(timerfd_asked_while_expired) {
  int const file = timerfd_create(CLOCK_MONOTONIC, 0);
  struct pollfd p = {file, POLLIN, 0};
  struct itimerspec left;
  set_timer(file, 0, MILLISECOND, 20 * SECOND);
  IS(poll(&p, 1, -1), 1);
  IS(timerfd_gettime(file, &left), 0);
  IS(left.it_value.tv_sec, 19);
  IS(take(file), 1);
  set_timer(file, 0, MILLISECOND, 0);
  IS(poll(&p, 1, -1), 1);
  IS(timerfd_gettime(file, &left), 0);
  IS(left.it_value.tv_sec + left.it_value.tv_nsec, 0);
  IS(take(file), 1);
}

static void* set_clock(void* seconds) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec += (long)seconds;
  clock_settime(CLOCK_REALTIME, &now);
  return NULL;
}

TEST(timerfd_clock_is_set) {
  int const file = timerfd_create(CLOCK_REALTIME, 0), plain = timerfd_create(CLOCK_REALTIME, 0);
  int const relative = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
  int const flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  struct pollfd p = {file, POLLIN, 0};
  struct itimerspec left;
  pthread_t other;
  set_timer(file, flags, now_ns(CLOCK_REALTIME) + 1000 * SECOND, 0);
  set_timer(plain, TFD_TIMER_ABSTIME, now_ns(CLOCK_REALTIME) + 1000 * SECOND, 0);
  set_timer(relative, 0, 500 * SECOND, 0);
  NEED(pthread_create(&other, NULL, set_clock, (void*)100L));
  FAILS(take(file), ECANCELED);
  pthread_join(other, NULL);
  IS(timerfd_gettime(plain, &left), 0);
  IS(left.it_value.tv_sec, 899);
  IS(timerfd_gettime(relative, &left), 0);
  IS(left.it_value.tv_sec, 499);
  IS(timerfd_gettime(file, &left), 0);
  IS(left.it_value.tv_sec, 899);
  set_clock((void*)-100L);
  IS(poll(&p, 1, -1), 1);
  FAILS(set_timer(file, flags, now_ns(CLOCK_REALTIME) + 1000 * SECOND, 0), ECANCELED);
  IS(timerfd_gettime(file, &left), 0);
  IS(left.it_value.tv_sec, 999);
  IS(poll_now(file, POLLIN), 0);
  // A moment that comes closer by setting the clock.
  set_timer(plain, TFD_TIMER_ABSTIME, now_ns(CLOCK_REALTIME) + 1000 * SECOND, 0);
  set_clock((void*)2000L);
  IS(take(plain), 1);
  FAILS(take(relative), EAGAIN);
  FAILS(take(file), ECANCELED);
  set_clock((void*)-2000L);
}

TEST(timerfd_ticks_by_ioctl) {
  int const file = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  uint64_t ticks = 12;
  IS(ioctl(file, _IOW('T', 0, uint64_t), &ticks), 0);
  IS(take(file), 12);
  ticks = 0;
  FAILS(ioctl(file, _IOW('T', 0, uint64_t), &ticks), EINVAL);
  FAILS(ioctl(file, _IOW('T', 0, uint64_t), BAD_POINTER), EFAULT);
  FAILS(ioctl(file, FIONREAD, &ticks), ENOTTY);
}

// --- signalfd -------------------------------------------------------------------------------
static sigset_t set_of(int a, int b) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, a);
  if (b) sigaddset(&set, b);
  return set;
}
static void block(sigset_t const set) { NEED(sigprocmask(SIG_BLOCK, &set, NULL)); }

TEST(signalfd_reads) {
  struct signalfd_siginfo info[3] = {{0}};
  sigset_t const set = set_of(SIGUSR1, SIGRTMIN);
  block(set);
  int const file = (int)WORKS(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  IS(fcntl(file, F_GETFL), O_RDWR | O_NONBLOCK);
  IS(fcntl(file, F_GETFD), FD_CLOEXEC);
  FAILS(read(file, info, sizeof info), EAGAIN);
  IS(poll_now(file, POLLIN | POLLOUT | POLLRDNORM), 0);
  NEED(kill(getpid(), SIGUSR1));
  IS(poll_now(file, POLLIN | POLLOUT | POLLRDNORM), POLLIN);
  FAILS(read(file, info, sizeof info[0] - 1), EINVAL);
  IS(read(file, info, sizeof info), sizeof info[0]);
  IS(info[0].ssi_signo, SIGUSR1);
  IS(info[0].ssi_code, SI_USER);
  IS(info[0].ssi_pid, getpid());
  IS(info[0].ssi_uid, 0);
  IS(info[0].ssi_errno, 0);
  NEED(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 42}));
  NEED(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = -43}));
  NEED(kill(getpid(), SIGUSR1));
  IS(read(file, info, sizeof info), sizeof info);
  IS(info[0].ssi_signo, SIGUSR1);
  IS(info[1].ssi_signo, SIGRTMIN);
  IS(info[1].ssi_int, 42);
  IS(info[1].ssi_ptr, 42);
  IS(info[1].ssi_code, SI_QUEUE);
  IS(info[1].ssi_pid, getpid());
  IS(info[2].ssi_int, -43);
  FAILS(read(file, info, sizeof info), EAGAIN);
  // What is not wanted stays.
  block(set_of(SIGUSR2, 0));
  NEED(raise(SIGUSR2));
  FAILS(read(file, info, sizeof info), EAGAIN);
  IS(poll_now(file, POLLIN), 0);
  NEED(raise(SIGUSR1));
  IS(read(file, info, sizeof info), sizeof info[0]);
  IS(info[0].ssi_code, SI_TKILL);
  IS(info[0].ssi_signo, SIGUSR1);
  NEED(raise(SIGUSR1));
  FAILS(read(file, BAD_POINTER, sizeof info), EFAULT);
  FAILS(read(file, info, sizeof info), EAGAIN);
  FAILS(write(file, info, sizeof info), EINVAL);
  IS(lseek(file, 0, SEEK_END), 0);
}

TEST(signalfd_of_a_child) {
  struct signalfd_siginfo info;
  sigset_t const set = set_of(SIGCHLD, 0);
  block(set);
  int const file = signalfd(-1, &set, 0);
  pid_t const child = fork();
  if (child == 0) _exit(3);
  IS(read(file, &info, sizeof info), sizeof info);
  IS(info.ssi_signo, SIGCHLD);
  IS(info.ssi_code, CLD_EXITED);
  IS(info.ssi_pid, child);
  IS(info.ssi_status, 3);
  IS(ktap_status_of(child), EXITED(3));
}

TEST(signalfd_changes) {
  struct signalfd_siginfo info;
  sigset_t const one = set_of(SIGUSR1, 0), two = set_of(SIGUSR2, SIGKILL);
  uint64_t const bits = 1;
  block(set_of(SIGUSR1, SIGUSR2));
  int const file = signalfd(-1, &one, SFD_NONBLOCK);
  NEED(raise(SIGUSR2));
  FAILS(read(file, &info, sizeof info), EAGAIN);
  IS(signalfd(file, &two, 0), file);
  IS(poll_now(file, POLLIN), POLLIN);
  IS(read(file, &info, sizeof info), sizeof info);
  IS(info.ssi_signo, SIGUSR2);
  FAILS(signalfd(closed_descriptor(), &one, 0), EBADF);
  FAILS(signalfd(-2, &one, 0), EBADF);
  FAILS(signalfd(0, &one, 0), EINVAL);
  FAILS(signalfd(-1, &one, 1), EINVAL);
  FAILS(SYS(signalfd4, -1, &bits, 4, 0), EINVAL);
  FAILS(SYS(signalfd4, -1, BAD_POINTER, 8, 0), EFAULT);
  IS(SYS(signalfd, file, &bits, 8), file);
}

// The signals are those of the reader, not of the creator.
TEST(signalfd_is_the_readers) {
  struct signalfd_siginfo info;
  sigset_t const set = set_of(SIGUSR1, 0);
  block(set);
  int const file = signalfd(-1, &set, SFD_NONBLOCK);
  NEED(raise(SIGUSR1));
  IS(IN_CHILD({
       if (poll_now(file, POLLIN) != 0) _exit(1);
       if (read(file, &info, sizeof info) != -1 || errno != EAGAIN) _exit(2);
       raise(SIGUSR1);
       if (poll_now(file, POLLIN) != POLLIN) _exit(3);
       if (read(file, &info, sizeof info) != sizeof info) _exit(4);
       _exit(info.ssi_pid == (unsigned)getpid() ? 0 : 5);
     }),
     0);
  IS(poll_now(file, POLLIN), POLLIN);
  IS(read(file, &info, sizeof info), sizeof info);
}

static void* kill_process(void* signal) {
  kill(getpid(), (int)(long)signal);
  return NULL;
}
static void* send_to_main(void* signal) {
  syscall(SYS_tgkill, getpid(), getpid(), (int)(long)signal);
  return NULL;
}

TEST(signalfd_waits) {
  struct signalfd_siginfo info;
  sigset_t const set = set_of(SIGUSR1, SIGUSR2);
  pthread_t other;
  block(set);
  int const file = signalfd(-1, &set, 0);
  NEED(pthread_create(&other, NULL, kill_process, (void*)(long)SIGUSR1));
  IS(read(file, &info, sizeof info), sizeof info);
  IS(info.ssi_signo, SIGUSR1);
  pthread_join(other, NULL);
  NEED(pthread_create(&other, NULL, send_to_main, (void*)(long)SIGUSR2));
  struct pollfd p = {file, POLLIN, 0};
  IS(poll(&p, 1, -1), 1);
  IS(read(file, &info, sizeof info), sizeof info);
  IS(info.ssi_signo, SIGUSR2);
  pthread_join(other, NULL);
}

// --- epoll ----------------------------------------------------------------------------------
static int new_epoll(void) { return (int)NEED(epoll_create1(0)); }
static int control(int epoll, int operation, int file, uint32_t events, uint64_t data) {
  struct epoll_event event = {.events = events, .data.u64 = data};
  return epoll_ctl(epoll, operation, file, &event);
}
static int add(int epoll, int file, uint32_t events) {
  return control(epoll, EPOLL_CTL_ADD, file, events, (uint64_t)file);
}
static struct epoll_event found[16];
// How many are ready now.
static int look(int epoll) {
  memset(found, 0, sizeof found);
  return epoll_wait(epoll, found, 16, 0);
}

TEST(epoll_creation) {
  int const file = (int)WORKS(epoll_create1(EPOLL_CLOEXEC));
  IS(fcntl(file, F_GETFD), FD_CLOEXEC);
  IS(fcntl(file, F_GETFL) & O_ACCMODE, O_RDWR);
  IS(fcntl(WORKS(epoll_create(1)), F_GETFD), 0);
  FAILS(epoll_create(0), EINVAL);
  FAILS(epoll_create(-1), EINVAL);
  FAILS(epoll_create1(1), EINVAL);
  char byte;
  FAILS(read(file, &byte, 1), EINVAL);
  FAILS(write(file, &byte, 1), EINVAL);
  FAILS(ioctl(file, FIONREAD, &byte), EINVAL);
  IS(lseek(file, 0, SEEK_SET), 0);
}

TEST(epoll_errors) {
  int const epoll = new_epoll(), event = eventfd(0, 0), file = make_file("file", "x");
  int const null = open("/dev/null", O_RDWR), folder = open(".", O_RDONLY);
  struct epoll_event e = {.events = EPOLLIN};
  FAILS(add(epoll, file, EPOLLIN), EPERM);
  FAILS(add(epoll, folder, EPOLLIN), EPERM);
  FAILS(add(epoll, null, EPOLLIN), EPERM);
  FAILS(add(epoll, epoll, EPOLLIN), EINVAL);
  FAILS(add(event, epoll, EPOLLIN), EINVAL);
  FAILS(add(-1, event, EPOLLIN), EBADF);
  FAILS(add(epoll, -1, EPOLLIN), EBADF);
  FAILS(add(epoll, open(".", O_PATH), EPOLLIN), EBADF);
  FAILS(epoll_ctl(epoll, EPOLL_CTL_ADD, event, BAD_POINTER), EFAULT);
  FAILS(epoll_ctl(epoll, 9, event, &e), EINVAL);
  FAILS(epoll_ctl(epoll, EPOLL_CTL_MOD, event, &e), ENOENT);
  FAILS(epoll_ctl(epoll, EPOLL_CTL_DEL, event, NULL), ENOENT);
  IS(add(epoll, event, EPOLLIN), 0);
  FAILS(add(epoll, event, EPOLLIN), EEXIST);
  FAILS(epoll_wait(epoll, &e, 0, 0), EINVAL);
  FAILS(epoll_wait(epoll, &e, -1, 0), EINVAL);
  FAILS(epoll_wait(event, &e, 1, 0), EINVAL);
  FAILS(epoll_wait(-1, &e, 1, 0), EBADF);
  FAILS(epoll_wait(epoll, (void*)-4096L, 1, 0), EFAULT);
  IS(epoll_wait(epoll, BAD_POINTER, 1, 0), 0);
  give(event, 1);
  FAILS(epoll_wait(epoll, BAD_POINTER, 1, 0), EFAULT);
  IS(epoll_wait(epoll, &e, 1, 0), 1);
  struct timespec const wrong = {0, SECOND};
  uint64_t const mask = 0;
  FAILS(SYS(epoll_pwait2, epoll, &e, 1, &wrong, NULL, 0), EINVAL);
  FAILS(SYS(epoll_pwait, epoll, &e, 1, 0, &mask, 4), EINVAL);
  FAILS(SYS(epoll_pwait, epoll, &e, 1, 0, BAD_POINTER, 8), EFAULT);
  FAILS(SYS(epoll_pwait2, epoll, &e, 1, BAD_POINTER, NULL, 0), EFAULT);
  IS(epoll_ctl(epoll, EPOLL_CTL_DEL, event, NULL), 0);
  IS(look(epoll), 0);
}

TEST(epoll_level) {
  int const epoll = new_epoll(), event = eventfd(0, EFD_NONBLOCK);
  IS(control(epoll, EPOLL_CTL_ADD, event, EPOLLIN, 0x123456789abcdefULL), 0);
  IS(look(epoll), 0);
  give(event, 1);
  IS(look(epoll), 1);
  OK(found[0].events == EPOLLIN && found[0].data.u64 == 0x123456789abcdefULL);
  IS(look(epoll), 1);
  take(event);
  IS(look(epoll), 0);
  IS(control(epoll, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLOUT, 7), 0);
  IS(look(epoll), 1);
  OK(found[0].events == EPOLLOUT && found[0].data.u64 == 7);
  give(event, 1);
  IS(look(epoll), 1);
  IS(found[0].events, EPOLLIN | EPOLLOUT);
  IS(control(epoll, EPOLL_CTL_MOD, event, 0, 7), 0);
  IS(look(epoll), 0);
}

TEST(epoll_edge) {
  int const epoll = new_epoll(), event = eventfd(0, EFD_NONBLOCK);
  IS(add(epoll, event, EPOLLIN | EPOLLET), 0);
  give(event, 1);
  IS(look(epoll), 1);
  IS(look(epoll), 0);
  give(event, 1);
  IS(look(epoll), 1);
  IS(look(epoll), 0);
  IS(take(event), 2);
  IS(look(epoll), 0);
  // Gone before anybody looked.
  give(event, 1);
  take(event);
  IS(look(epoll), 0);
  give(event, 1);
  IS(look(epoll), 1);
  IS(control(epoll, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLET, 0), 0);
  IS(look(epoll), 1);
  IS(look(epoll), 0);
}

TEST(epoll_edge_both_ways) {
  int const epoll = new_epoll(), event = eventfd(0, EFD_NONBLOCK);
  IS(add(epoll, event, EPOLLIN | EPOLLOUT | EPOLLET), 0);
  IS(look(epoll), 1);
  IS(found[0].events, EPOLLOUT);
  IS(look(epoll), 0);
  give(event, 5);
  IS(look(epoll), 1);
  IS(found[0].events, EPOLLIN | EPOLLOUT);
  take(event);
  IS(look(epoll), 1);
  IS(found[0].events, EPOLLOUT);
  IS(control(epoll, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLET, 0), 0);
  give(event, 1);
  IS(look(epoll), 1);
  // A read makes room, which nobody asked for.
  give(event, 1);
  take(event);
  IS(look(epoll), 0);
}

TEST(epoll_oneshot) {
  int const epoll = new_epoll(), event = eventfd(0, EFD_NONBLOCK);
  IS(add(epoll, event, EPOLLIN | EPOLLONESHOT), 0);
  give(event, 1);
  IS(look(epoll), 1);
  IS(look(epoll), 0);
  give(event, 1);
  IS(look(epoll), 0);
  FAILS(add(epoll, event, EPOLLIN), EEXIST);
  IS(control(epoll, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLONESHOT, 0), 0);
  IS(look(epoll), 1);
  IS(look(epoll), 0);
}

TEST(epoll_exclusive) {
  int const epoll = new_epoll(), event = eventfd(0, EFD_NONBLOCK);
  FAILS(add(epoll, event, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), EINVAL);
  FAILS(add(epoll, event, EPOLLPRI | EPOLLEXCLUSIVE), EINVAL);
  FAILS(add(epoll, new_epoll(), EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
  IS(add(epoll, event, EPOLLIN | EPOLLET | EPOLLWAKEUP | EPOLLEXCLUSIVE), 0);
  give(event, 1);
  IS(look(epoll), 1);
  FAILS(control(epoll, EPOLL_CTL_MOD, event, EPOLLIN, 0), EINVAL);
  IS(epoll_ctl(epoll, EPOLL_CTL_DEL, event, NULL), 0);
  IS(add(epoll, event, EPOLLIN | EPOLLWAKEUP), 0);
  FAILS(control(epoll, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLEXCLUSIVE, 0), EINVAL);
  IS(look(epoll), 1);
}

TEST(epoll_pipe) {
  int const epoll = new_epoll();
  int pipes[2];
  char bytes[4096];
  NEED(pipe2(pipes, O_NONBLOCK));
  IS(add(epoll, pipes[0], EPOLLIN | EPOLLRDHUP), 0);
  IS(look(epoll), 0);
  NEED(write(pipes[1], "abc", 3));
  IS(look(epoll), 1);
  IS(found[0].events, EPOLLIN);
  close(pipes[1]);
  IS(look(epoll), 1);
  IS(found[0].events, EPOLLIN | EPOLLHUP);
  NEED(read(pipes[0], bytes, 3));
  IS(look(epoll), 1);
  IS(found[0].events, EPOLLHUP);
  close(pipes[0]);
  NEED(pipe2(pipes, O_NONBLOCK));
  IS(add(epoll, pipes[1], 0), 0);
  IS(look(epoll), 0);
  close(pipes[0]);
  IS(look(epoll), 1);
  OK(found[0].events == EPOLLERR && found[0].data.u64 == (uint64_t)pipes[1]);
}

TEST(epoll_item_dies_with_the_file) {
  int const epoll = new_epoll(), event = eventfd(1, 0), twin = dup(event);
  IS(add(epoll, event, EPOLLIN), 0);
  IS(add(epoll, twin, EPOLLIN), 0);
  IS(look(epoll), 2);
  close(event);
  IS(look(epoll), 2);
  FAILS(epoll_ctl(epoll, EPOLL_CTL_DEL, event, NULL), EBADF);
  close(twin);
  IS(look(epoll), 0);
  IS(eventfd(1, 0), event);
  IS(look(epoll), 0);
  IS(add(epoll, event, EPOLLIN), 0);
  IS(look(epoll), 1);
  // The number names another file now.
  int const other = eventfd(1, 0), kept = dup(event);
  IS(dup2(other, event), event);
  FAILS(epoll_ctl(epoll, EPOLL_CTL_DEL, event, NULL), ENOENT);
  IS(add(epoll, event, EPOLLIN), 0);
  IS(look(epoll), 2);
  close(kept);
  IS(look(epoll), 1);
}

TEST(epoll_takes_turns) {
  int const epoll = new_epoll();
  int files[6], seen[6] = {0};
  for (int i = 0; i < 6; ++i) {
    files[i] = eventfd(1, 0);
    NEED(control(epoll, EPOLL_CTL_ADD, files[i], EPOLLIN, (uint64_t)i));
  }
  for (int round = 0; round < 6; ++round) {
    IS(epoll_wait(epoll, found, 2, 0), 2);
    ++seen[found[0].data.u64];
    ++seen[found[1].data.u64];
  }
  OK(seen[0] == 2 && seen[1] == 2 && seen[2] == 2 && seen[3] == 2 && seen[4] == 2 && seen[5] == 2);
  IS(look(epoll), 6);
}

TEST(epoll_many_items) {
  int const epoll = new_epoll();
  struct rlimit const limit = {2000, 2000};
  int files[1000];
  NEED(setrlimit(RLIMIT_NOFILE, &limit));
  for (int i = 0; i < 1000; ++i) {
    files[i] = (int)NEED(eventfd(0, 0));
    NEED(control(epoll, EPOLL_CTL_ADD, files[i], EPOLLIN, (uint64_t)i));
  }
  give(files[777], 1);
  IS(look(epoll), 1);
  IS(found[0].data.u64, 777);
  for (int i = 0; i < 1000; ++i) give(files[i], 1);
  long sum = 0;
  bool good = true;
  for (int i = 0; i < 100; ++i) {
    good &= epoll_wait(epoll, found, 10, 0) == 10;
    for (int j = 0; j < 10; ++j) sum += (long)found[j].data.u64;
  }
  OK(good);
  IS(sum, 499500);
  for (int i = 0; i < 1000; i += 2) close(files[i]);
  good = epoll_wait(epoll, found, 16, 0) == 16;
  for (int j = 0; j < 16; ++j) good &= found[j].data.u64 % 2 == 1;
  OK(good);
}

TEST(epoll_nested) {
  int const inner = new_epoll(), outer = new_epoll(), event = eventfd(0, EFD_NONBLOCK);
  IS(add(outer, inner, EPOLLIN), 0);
  IS(add(inner, event, EPOLLIN), 0);
  IS(look(outer), 0);
  IS(poll_now(inner, POLLIN | POLLOUT | POLLRDNORM), 0);
  give(event, 1);
  IS(poll_now(inner, POLLIN | POLLOUT | POLLRDNORM), POLLIN | POLLRDNORM);
  IS(poll_now(outer, POLLIN), POLLIN);
  IS(look(outer), 1);
  IS(found[0].data.u64, inner);
  take(event);
  IS(poll_now(outer, POLLIN), 0);
  IS(look(outer), 0);
  FAILS(add(inner, outer, EPOLLIN), ELOOP);
  give(event, 1);
  IS(look(outer), 1);
  close(inner);
  IS(look(outer), 0);
}

TEST(epoll_nesting_ends) {
  int chain[10], length = 1;
  chain[0] = new_epoll();
  for (; length < 10; ++length) {
    chain[length] = new_epoll();
    if (add(chain[length], chain[length - 1], EPOLLIN) != 0) break;
  }
  IS(errno, ELOOP);
  IS(length, 5);
  FAILS(add(chain[0], chain[length - 1], EPOLLIN), ELOOP);
  int const event = eventfd(1, 0);
  IS(add(chain[0], event, EPOLLIN), 0);
  IS(look(chain[length - 1]), 1);
  IS(poll_now(chain[length - 1], POLLIN), POLLIN);
  // From above: one on top of a chain that is one too long.
  int top[10], height = 1;
  top[0] = new_epoll();
  for (; height < 10; ++height) {
    top[height] = new_epoll();
    if (add(top[height - 1], top[height], EPOLLIN) != 0) break;
  }
  IS(height, 5);
}

static void* give_to(void* file) {
  give((int)(long)file, 1);
  return NULL;
}
static void* wait_for_one(void* epoll) {
  struct epoll_event event;
  if (epoll_wait((int)(long)epoll, &event, 1, -1) != 1) return NULL;
  return (void*)(long)event.data.u64;
}

TEST(epoll_waits) {
  int const epoll = new_epoll(), event = eventfd(0, 0), outer = new_epoll();
  pthread_t other;
  NEED(add(epoll, event, EPOLLIN));
  NEED(add(outer, epoll, EPOLLIN));
  NEED(pthread_create(&other, NULL, give_to, (void*)(long)event));
  IS(epoll_wait(epoll, found, 1, -1), 1);
  pthread_join(other, NULL);
  take(event);
  NEED(pthread_create(&other, NULL, give_to, (void*)(long)event));
  IS(epoll_wait(outer, found, 1, -1), 1);
  pthread_join(other, NULL);
  take(event);
  NEED(pthread_create(&other, NULL, give_to, (void*)(long)event));
  struct pollfd p = {outer, POLLIN, 0};
  IS(poll(&p, 1, -1), 1);
  pthread_join(other, NULL);
  take(event);
  int64_t const start = now_ns(CLOCK_MONOTONIC);
  IS(epoll_wait(epoll, found, 1, 20), 0);
  OK(now_ns(CLOCK_MONOTONIC) - start >= 20 * MILLISECOND);
  struct timespec const soon = {0, 20 * MILLISECOND};
  IS(SYS(epoll_pwait2, epoll, found, 1, &soon, NULL, 0), 0);
  OK(now_ns(CLOCK_MONOTONIC) - start >= 40 * MILLISECOND);
}

TEST(epoll_several_wait) {
  int const epoll = new_epoll();
  pthread_t others[4];
  long files = 0, sum = 0;
  for (int i = 0; i < 4; ++i)
    NEED(pthread_create(&others[i], NULL, wait_for_one, (void*)(long)epoll));
  for (int i = 0; i < 4; ++i) {
    int const event = eventfd(0, 0);
    files += event;
    NEED(add(epoll, event, EPOLLIN | EPOLLONESHOT));
    give(event, 1);
  }
  for (int i = 0; i < 4; ++i) {
    void* got;
    pthread_join(others[i], &got);
    sum += (long)got;
  }
  IS(sum == files, 1);
}

TEST(epoll_added_while_waiting) {
  int const epoll = new_epoll(), event = eventfd(1, 0);
  pthread_t other;
  void* got;
  NEED(pthread_create(&other, NULL, wait_for_one, (void*)(long)epoll));
  IS(add(epoll, event, EPOLLIN), 0);
  pthread_join(other, &got);
  IS((long)got, event);
}

static int volatile caught;
static void catch (int number) { caught = number; }

TEST(epoll_and_signals) {
  int const epoll = new_epoll(), event = eventfd(0, 0);
  sigset_t none;
  sigemptyset(&none);
  struct sigaction const action = {.sa_handler = catch, .sa_flags = SA_RESTART};
  NEED(sigaction(SIGUSR1, &action, NULL));
  NEED(add(epoll, event, EPOLLIN));
  block(set_of(SIGUSR1, 0));
  NEED(raise(SIGUSR1));
  FAILS(epoll_pwait(epoll, found, 1, -1, &none), EINTR);
  IS(caught, SIGUSR1);
  // An event wins, and then the handler has to wait.
  caught = 0;
  NEED(raise(SIGUSR1));
  give(event, 1);
  IS(epoll_pwait(epoll, found, 1, -1, &none), 1);
  IS(caught, 0);
  struct pollfd p = {event, POLLIN, 0};
  IS(ppoll(&p, 1, NULL, &none), 1);
  IS(caught, 0);
  fd_set files;
  FD_ZERO(&files);
  FD_SET(event, &files);
  IS(pselect(event + 1, &files, NULL, NULL, NULL, &none), 1);
  IS(caught, 0);
  take(event);
  NEED(sigprocmask(SIG_SETMASK, &none, NULL));
  IS(caught, SIGUSR1);
  interrupt_soon(SA_RESTART);
  FAILS(epoll_wait(epoll, found, 1, -1), EINTR);
}

TEST(epoll_signalfd_and_timerfd) {
  int const epoll = new_epoll(), timer = timerfd_create(CLOCK_MONOTONIC, 0);
  sigset_t const set = set_of(SIGUSR1, 0);
  block(set);
  int const signals = signalfd(-1, &set, 0);
  NEED(add(epoll, timer, EPOLLIN));
  NEED(add(epoll, signals, EPOLLIN | EPOLLET));
  IS(look(epoll), 0);
  NEED(raise(SIGUSR1));
  IS(look(epoll), 1);
  IS(found[0].data.u64, signals);
  IS(look(epoll), 0);
  set_timer(timer, 0, 1, 0);
  IS(epoll_wait(epoll, found, 1, -1), 1);
  IS(found[0].data.u64, timer);
  pthread_t other;
  take(timer);
  NEED(pthread_create(&other, NULL, kill_process, (void*)(long)SIGUSR1));
  pthread_join(other, NULL);
  // One of the thread's, one of the process's.
  struct signalfd_siginfo info[3];
  IS(read(signals, info, sizeof info), 2 * sizeof info[0]);
  // The process that added it is gone, the epoll is not.
  int const shared = new_epoll();
  IS(IN_CHILD(add(shared, signals, EPOLLIN)), 0);
  IS(look(shared), 0);
  IS(close(shared), 0);
}

// Threads that change, close and wait at the same time.
static int volatile stop;
static int storm_epoll, storm_files[8];
static void* storm_events(void* number) {
  for (int i = 0; !stop; ++i) give(storm_files[(i + (int)(long)number) % 8], 1);
  return NULL;
}
static void* storm_changes(void* number) {
  for (int i = 0; !stop; ++i) {
    int const file = storm_files[(i * 3 + (int)(long)number) % 8];
    if (add(storm_epoll, file, EPOLLIN | EPOLLET) == 0) continue;
    if (i % 2)
      control(storm_epoll, EPOLL_CTL_MOD, file, EPOLLIN, 0);
    else
      control(storm_epoll, EPOLL_CTL_DEL, file, 0, 0);
  }
  return NULL;
}
static void* storm_files_come_and_go(void* outer) {
  while (!stop) {
    int const event = eventfd(1, 0), inner = new_epoll();
    add(storm_epoll, event, EPOLLIN);
    add(inner, event, EPOLLIN);
    add((int)(long)outer, inner, EPOLLIN | EPOLLET);
    close(event);
    close(inner);
  }
  return NULL;
}

TEST(epoll_storm) {
  pthread_t threads[6];
  int const outer = new_epoll();
  storm_epoll = new_epoll();
  NEED(add(outer, storm_epoll, EPOLLIN));
  for (int i = 0; i < 8; ++i) storm_files[i] = eventfd(0, EFD_NONBLOCK);
  for (long i = 0; i < 2; ++i) {
    NEED(pthread_create(&threads[i], NULL, storm_events, (void*)i));
    NEED(pthread_create(&threads[2 + i], NULL, storm_changes, (void*)i));
    NEED(pthread_create(&threads[4 + i], NULL, storm_files_come_and_go, (void*)(long)outer));
  }
  int64_t const end = now_ns(CLOCK_MONOTONIC) + SECOND / 2;
  bool good = true;
  while (now_ns(CLOCK_MONOTONIC) < end) {
    good &= epoll_wait(storm_epoll, found, 16, 1) >= 0;
    good &= epoll_wait(outer, found, 16, 0) >= 0;
  }
  stop = 1;
  for (int i = 0; i < 6; ++i) pthread_join(threads[i], NULL);
  OK(good);
}

// --- closing under a poller -----------------------------------------------------------------
static int ends[2];
static void* close_both(void* yields) {
  for (long i = 0; i < (long)yields; ++i) sched_yield();
  close(ends[0]);
  close(ends[1]);
  return NULL;
}

// The poller is asleep in most of the rounds: what it waits on must not go away.
TEST(closed_while_polled) {
  int hung_up = 0;
  for (long round = 0; round < 20; ++round) {
    pthread_t other;
    NEED(pipe(ends));
    struct pollfd p = {ends[0], POLLIN, 0};
    NEED(pthread_create(&other, NULL, close_both, (void*)round));
    if (poll(&p, 1, -1) == 1 && (p.revents == POLLHUP || p.revents == POLLNVAL)) ++hung_up;
    pthread_join(other, NULL);
  }
  IS(hung_up, 20);
}
