// Pipes, and waiting for descriptors: poll, select.
#include "ktap.h"

#include <sys/sysinfo.h>

#include <sys/select.h>

static int ends[2];

static void make_pipe(int flags) { NEED(pipe2(ends, flags)); }

TEST(basics) {
  char buffer[16] = "";
  IS(SYS(pipe, ends), 0);
  IS(ends[1], ends[0] + 1);
  IS(write(ends[1], "hello", 5), 5);
  IS(write(ends[1], " you", 4), 4);
  IS(read(ends[0], buffer, 3), 3);
  IS(read(ends[0], buffer + 3, sizeof buffer - 3), 6);
  IS(strcmp(buffer, "hello you"), 0);
  IS(read(ends[0], buffer, 0), 0);
  IS(write(ends[1], buffer, 0), 0);
  FAILS(write(ends[0], "x", 1), EBADF);
  FAILS(read(ends[1], buffer, 1), EBADF);
  FAILS(SYS(pipe, BAD_POINTER), EFAULT);
  FAILS(pipe2(ends, O_APPEND), EINVAL);
}

TEST(flags) {
  char byte;
  make_pipe(O_CLOEXEC | O_NONBLOCK);
  IS(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
  IS(fcntl(ends[0], F_GETFL), O_RDONLY | O_NONBLOCK);
  IS(fcntl(ends[1], F_GETFL), O_WRONLY | O_NONBLOCK);
  FAILS(read(ends[0], &byte, 1), EAGAIN);
  IS(fcntl(ends[0], F_SETFL, 0), 0);
  IS(fcntl(ends[0], F_GETFL), O_RDONLY);
}

TEST(end_of_file) {
  char buffer[4];
  make_pipe(0);
  NEED(write(ends[1], "ab", 2));
  int const other = dup(ends[1]);
  close(ends[1]);
  NEED(write(other, "c", 1));
  close(other);
  IS(read(ends[0], buffer, 4), 3);
  IS(read(ends[0], buffer, 4), 0);
  IS(read(ends[0], buffer, 4), 0);
}

TEST(no_reader) {
  make_pipe(0);
  close(ends[0]);
  int const status = IN_CHILD((void)!write(ends[1], "x", 1));
  OK(WIFSIGNALED(status));
  IS(WTERMSIG(status), SIGPIPE);
  signal(SIGPIPE, SIG_IGN);
  FAILS(write(ends[1], "x", 1), EPIPE);
}

TEST(capacity) {
  static char bytes[70000];
  make_pipe(O_NONBLOCK);
  IS(fcntl(ends[1], F_GETPIPE_SZ), 65536);
  IS(write(ends[1], bytes, sizeof bytes), 65536);
  FAILS(write(ends[1], bytes, 1), EAGAIN);
  IS(read(ends[0], bytes, 4096), 4096);
  IS(write(ends[1], bytes, 4096), 4096);
  IS(read(ends[0], bytes, sizeof bytes), 65536);
  FAILS(read(ends[0], bytes, 1), EAGAIN);
}

TEST(small_writes_are_whole) {
  static char bytes[65536];
  make_pipe(O_NONBLOCK);
  NEED(write(ends[1], bytes, 65536 - 4096));
  NEED(write(ends[1], bytes, 100));
  FAILS(write(ends[1], bytes, 4096), EAGAIN);
  IS(write(ends[1], bytes, 3996), 3996);
}

TEST(large_transfer_blocks) {
  static char bytes[1 << 20];
  make_pipe(0);
  pid_t const child = fork();
  if (child == 0) {
    memset(bytes, 7, sizeof bytes);
    _exit(write(ends[1], bytes, sizeof bytes) == sizeof bytes ? 0 : 1);
  }
  close(ends[1]);
  long sum = 0, count = 0;
  for (long got; (got = read(ends[0], bytes, sizeof bytes)) > 0; count += got)
    for (long i = 0; i < got; ++i) sum += bytes[i];
  IS(count, 1 << 20);
  IS(sum, 7 << 20);
  IS(ktap_status_of(child), 0);
}

TEST(read_waits_for_data) {
  int back[2];
  char byte = 0;
  make_pipe(0);
  NEED(pipe(back));
  pid_t const child = fork();
  if (child == 0) {
    for (char got; read(ends[0], &got, 1) == 1;) {
      ++got;
      (void)!write(back[1], &got, 1);
      close(ends[1]);
    }
    _exit(0);
  }
  close(ends[0]);
  IS(write(ends[1], "a", 1), 1);
  IS(read(back[0], &byte, 1), 1);
  IS(byte, 'b');
  close(ends[1]);
  IS(ktap_status_of(child), 0);
}

TEST(bytes_waiting) {
  int count = -1;
  make_pipe(0);
  IS(ioctl(ends[0], FIONREAD, &count), 0);
  IS(count, 0);
  NEED(write(ends[1], "12345", 5));
  IS(ioctl(ends[0], FIONREAD, &count), 0);
  IS(count, 5);
  FAILS(ioctl(ends[0], FIONREAD, BAD_POINTER), EFAULT);
  FAILS(ioctl(closed_descriptor(), FIONREAD, &count), EBADF);
  FAILS(ioctl(ends[0], TCGETS, (char[64]){0}), ENOTTY);
}

TEST(vectors_through_pipe) {
  char a[2], b[8];
  make_pipe(0);
  struct iovec const out[] = {{"abc", 3}, {"de", 2}};
  struct iovec const in[] = {{a, 2}, {b, 8}};
  IS(writev(ends[1], out, 2), 5);
  IS(readv(ends[0], in, 2), 5);
  OK(memcmp(a, "ab", 2) == 0 && memcmp(b, "cde", 3) == 0);
}

static short ready(int fd, short events) {
  struct pollfd polled = {fd, events, 0};
  return poll(&polled, 1, 0) < 0 ? -1 : polled.revents;
}

TEST(polling) {
  make_pipe(0);
  int const file = make_file("file", "");
  IS(ready(ends[0], POLLIN), 0);
  IS(ready(ends[1], POLLOUT), POLLOUT);
  NEED(write(ends[1], "x", 1));
  IS(ready(ends[0], POLLIN), POLLIN);
  IS(ready(ends[0], 0), 0);
  IS(ready(ends[0], POLLOUT), 0);
  close(ends[1]);
  IS(ready(ends[0], POLLIN), POLLIN | POLLHUP);
  NEED(read(ends[0], (char[4]){0}, 4));
  IS(ready(ends[0], POLLIN), POLLHUP);
  IS(ready(ends[0], 0), POLLHUP);
  IS(ready(file, POLLIN | POLLOUT), POLLIN | POLLOUT);
  IS(ready(closed_descriptor(), POLLIN), POLLNVAL);
  IS(ready(-1, POLLIN), 0);
  make_pipe(O_NONBLOCK);
  while (write(ends[1], "1234567", 7) > 0) {}
  IS(ready(ends[1], POLLOUT), 0);
  close(ends[0]);
  OK(ready(ends[1], POLLOUT) & POLLERR);
}

TEST(polling_errors_and_time) {
  struct pollfd polled[2] = {{-1, POLLIN, 0}, {-1, POLLIN, 0}};
  int64_t const start = now_ns(CLOCK_MONOTONIC);
  IS(poll(polled, 2, 30), 0);
  OK(now_ns(CLOCK_MONOTONIC) - start >= 30 * 1000000);
  IS(poll(NULL, 0, 0), 0);
  FAILS(poll(BAD_POINTER, 1, 0), EFAULT);
  FAILS(poll(polled, 1 << 30, 0), EINVAL);
  struct timespec const wrong = {0, -1}, negative = {-1, 0}, none = {0, 0};
  FAILS(SYS(ppoll, polled, 1, &wrong, NULL, 8), EINVAL);
  FAILS(SYS(ppoll, polled, 1, &negative, NULL, 8), EINVAL);
  IS(ppoll(polled, 2, &none, NULL), 0);
  FAILS(SYS(ppoll, polled, 1, BAD_POINTER, NULL, 8), EFAULT);
}

TEST(poll_wakes_up) {
  int back[2];
  make_pipe(0);
  NEED(pipe(back));
  pid_t const child = fork();
  if (child == 0) {
    struct pollfd polled[2] = {{back[0], POLLIN, 0}, {ends[0], POLLIN, 0}};
    _exit(poll(polled, 2, -1) == 1 && polled[0].revents == 0 && polled[1].revents == POLLIN ? 0
                                                                                            : 1);
  }
  sched_yield();
  NEED(write(ends[1], "x", 1));
  IS(ktap_status_of(child), 0);
}

static void ignore(int number) { (void)number; }

TEST(poll_and_signals) {
  struct sigaction const action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
  sigset_t blocked, none;
  struct pollfd polled = {-1, 0, 0};
  NEED(sigaction(SIGUSR1, &action, NULL));
  sigemptyset(&none);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  NEED(sigprocmask(SIG_BLOCK, &blocked, NULL));
  NEED(kill(getpid(), SIGUSR1));
  IS(poll(&polled, 1, 0), 0);
  // Never restarted.
  FAILS(ppoll(&polled, 1, NULL, &none), EINTR);
  IS(ppoll(&polled, 1, &(struct timespec){0, 0}, &none), 0);
}

TEST(selecting) {
  fd_set readers, writers;
  make_pipe(0);
  struct timeval none = {0, 0};
  FD_ZERO(&readers);
  FD_ZERO(&writers);
  FD_SET(ends[0], &readers);
  FD_SET(ends[1], &writers);
  IS(SYS(select, ends[1] + 1, &readers, &writers, NULL, &none), 1);
  OK(!FD_ISSET(ends[0], &readers) && FD_ISSET(ends[1], &writers));
  NEED(write(ends[1], "x", 1));
  FD_SET(ends[0], &readers);
  IS(SYS(select, ends[1] + 1, &readers, &writers, NULL, NULL), 2);
  OK(FD_ISSET(ends[0], &readers));
  FD_ZERO(&readers);
  FD_SET(closed_descriptor(), &readers);
  FAILS(SYS(select, 100, &readers, NULL, NULL, &none), EBADF);
  FAILS(SYS(select, -1, NULL, NULL, NULL, &none), EINVAL);
  FAILS(SYS(select, 1, BAD_POINTER, NULL, NULL, &none), EFAULT);
  struct timeval wrong = {-1, 0};
  FAILS(SYS(select, 0, NULL, NULL, NULL, &wrong), EINVAL);
  // What is left of the time is written back.
  struct timeval brief = {0, 20000};
  IS(SYS(select, 0, NULL, NULL, NULL, &brief), 0);
  IS(brief.tv_usec, 0);
}

TEST(selecting_with_mask) {
  fd_set readers;
  make_pipe(0);
  FD_ZERO(&readers);
  FD_SET(ends[0], &readers);
  IS(pselect(ends[0] + 1, &readers, NULL, NULL, &(struct timespec){0, 1000000}, NULL), 0);
  OK(!FD_ISSET(ends[0], &readers));
}

TEST(interrupted_read) {
  struct sigaction action = {.sa_handler = ignore};
  struct itimerval const soon = {{0, 20000}, {0, 20000}};
  char byte;
  make_pipe(0);
  NEED(sigaction(SIGALRM, &action, NULL));
  NEED(setitimer(ITIMER_REAL, &soon, NULL));
  FAILS(read(ends[0], &byte, 1), EINTR);
  FAILS(poll(&(struct pollfd){ends[0], POLLIN, 0}, 1, -1), EINTR);
  FAILS(SYS(select, 0, NULL, NULL, NULL, NULL), EINTR);
}

TEST(named_hang_up) {
  NEED(mkfifo("p", 0600));
  int const both = (int)NEED(open("p", O_RDWR));
  int const reader = (int)NEED(open("p", O_RDONLY));
  struct pollfd polled = {reader, POLLIN, 0};
  IS(poll(&polled, 1, 0), 0);
  // The writer was there when the reader came.
  NEED(close(both));
  IS(poll(&polled, 1, 0), 1);
  IS(polled.revents, POLLHUP);
  NEED(close(reader));
  // Nobody was: the end of the pipe begins with the first writer's.
  polled.fd = (int)NEED(open("p", O_RDONLY | O_NONBLOCK));
  IS(poll(&polled, 1, 0), 0);
  NEED(close((int)NEED(open("p", O_WRONLY))));
  IS(poll(&polled, 1, 0), 1);
  IS(polled.revents, POLLHUP);
}

// The side that comes first may have done its work and be gone before the other one looks.
TEST(named_meeting) {
  enum { rounds = 100 };
  int met = 0;
  NEED(mkfifo("p", 0600));
  for (int i = 0; i < rounds; ++i) {
    bool const child_reads = i % 2 == 0;
    pid_t const child = (pid_t)NEED(fork());
    char byte = 0;
    bool good = false;
    int const end = open("p", child_reads == (child == 0) ? O_RDONLY : O_WRONLY);
    if (child_reads == (child == 0))
      good = read(end, &byte, 1) == 1 && byte == 'x' && read(end, &byte, 1) == 0;
    else
      good = write(end, "x", 1) == 1;
    if (child == 0) _exit(good ? 0 : 1);
    int status = -1;
    close(end);
    NEED(waitpid(child, &status, 0));
    met += good && status == 0;
  }
  IS(met, rounds);
}

// --- capacity ---------------------------------------------------------------------------------
static long variable(char const* name) {
  char path[64], text[32] = "";
  snprintf(path, sizeof path, "/proc/sys/fs/%s", name);
  int const file = (int)NEED(open(path, O_RDONLY));
  NEED(read(file, text, sizeof text - 1));
  close(file);
  return atol(text);
}

/// How many bytes go in until it is full.
static long fill(int end) {
  static char bytes[4096];
  long all = 0;
  fcntl(end, F_SETFL, O_NONBLOCK);
  for (ssize_t n; (n = write(end, bytes, sizeof bytes)) > 0;) all += n;
  return all;
}

TEST(changes_of_capacity) {
  int p[2];
  NEED(pipe(p));
  IS(fcntl(p[0], F_GETPIPE_SZ), 65536);
  IS(fcntl(p[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
  IS(fcntl(p[0], F_GETPIPE_SZ), 1 << 20);
  IS(fill(p[1]), 1 << 20);
  struct pollfd out = {.fd = p[1], .events = POLLOUT};
  IS(poll(&out, 1, 0), 0);
  FAILS(fcntl(p[1], F_SETPIPE_SZ, 1 << 19), EBUSY);
  IS(fcntl(p[1], F_SETPIPE_SZ, 1 << 21), 1 << 21);
  IS(poll(&out, 1, 0), 1);
  IS(fill(p[1]), 1 << 20);
  close(p[0]);
  close(p[1]);
  NEED(pipe(p));
  IS(fcntl(p[0], F_SETPIPE_SZ, 0), 4096);
  IS(fill(p[1]), 4096);
  IS(fcntl(p[0], F_SETPIPE_SZ, 4097), 8192);
  IS(fill(p[1]), 4096);
  IS(fcntl(p[0], F_SETPIPE_SZ, 100000), 131072);
  FAILS(fcntl(p[0], F_SETPIPE_SZ, (1u << 31) + 1), EINVAL);
  FAILS(fcntl(make_file("file", ""), F_SETPIPE_SZ, 4096), EBADF);
  int const place = (int)NEED(open("/", O_PATH));
  FAILS(fcntl(place, F_SETPIPE_SZ, 4096), EBADF);
  NEED(mkfifo("fifo", 0600));
  int const fifo = (int)NEED(open("fifo", O_RDWR));
  IS(fcntl(fifo, F_SETPIPE_SZ, 8192), 8192);
  IS(fill(fifo), 8192);
}

TEST(what_waits_stays_in_order) {
  int p[2];
  NEED(pipe(p));
  static unsigned char bytes[1 << 16];
  unsigned char next = 0, expected = 0;
  long inside = 0, out = 0;
  bool right = true;
  int changes = 0;
  // Pages; those that are too few for what waits are refused.
  int const sizes[] = {16, 8, 64, 4, 16, 2, 256, 8, 32, 16, 4, 128};
  int const sizes_count = sizeof sizes / sizeof *sizes;
  for (int i = 0; i < 5 * sizes_count; ++i) {
    // Most of what goes in comes out: neither begin nor end stand where a page begins, and the ring
    // turns.
    for (int k = 0; k < 3; ++k) {
      for (int n = 0; n < 1500; ++n) bytes[n] = next++;
      NEED(write(p[1], bytes, 1500));
      inside += 1500;
    }
    long const wanted = i % sizes_count == sizes_count - 1 ? inside - 100 : 3700;
    ssize_t const got = read(p[0], bytes, (size_t)wanted);
    right &= got == wanted;
    for (ssize_t n = 0; n < got; ++n) right &= bytes[n] == expected++;
    inside -= got;
    out += got;
    right &= out % 4096 != 0;
    int const size = sizes[i % sizes_count] * 4096;
    // Room for another round must be left.
    if (size < inside + 3 * 4096) continue;
    right &= fcntl(p[0], F_SETPIPE_SZ, size) == size;
    ++changes;
  }
  OK(right);
  OK(changes > 30);
}

TEST(what_cannot_be_read_is_not_kept) {
  int p[2];
  NEED(pipe(p));
  // A page was ready for it.
  FAILS(write(p[1], BAD_POINTER, 1), EFAULT);
  IS(fcntl(p[0], F_SETPIPE_SZ, 8192), 8192);
  IS(write(p[1], "x", 1), 1);
  IS(fcntl(p[0], F_SETPIPE_SZ, 65536), 65536);
  char byte = 0;
  IS(read(p[0], &byte, 1), 1);
  IS(byte, 'x');
}

TEST(nothing_is_lost) {
  enum { ROUNDS = 20000 };
  int p[2];
  NEED(pipe(p));
  struct sysinfo before, after;
  NEED(sysinfo(&before));
  int done = 0;
  for (int i = 0; i < ROUNDS; ++i) {
    if (write(p[1], BAD_POINTER, 1) >= 0 || errno != EFAULT) break;
    done += fcntl(p[0], F_SETPIPE_SZ, i % 2 ? 65536 : 8192) > 0;
  }
  NEED(sysinfo(&after));
  IS(done, ROUNDS);
  // A page of each round would be 80 MB.
  OK(before.freeram < after.freeram + (20ul << 20));
}

/// Says by its end that room came. A poll before it tells the parent nothing of when it sleeps.
static pid_t wait_for_room(int end, bool by_poll) {
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) {
    struct pollfd out = {.fd = end, .events = POLLOUT};
    if (by_poll) _exit(poll(&out, 1, 30000) == 1 ? 0 : 1);
    fcntl(end, F_SETFL, 0);
    _exit(write(end, "x", 1) == 1 ? 0 : 1);
  }
  return child;
}

TEST(room_wakes_who_waits) {
  int p[2];
  for (int by_poll = 0; by_poll < 2; ++by_poll) {
    NEED(pipe(p));
    fill(p[1]);
    pid_t const child = wait_for_room(p[1], by_poll != 0);
    usleep(200000);
    IS(fcntl(p[0], F_SETPIPE_SZ, 1 << 17), 1 << 17);
    IS(ktap_status_of(child), 0);
    close(p[0]);
    close(p[1]);
  }
}

TEST(users_have_limits) {
  IS(variable("pipe-max-size"), 1 << 20);
  IS(variable("pipe-user-pages-soft"), 16384);
  IS(variable("pipe-user-pages-hard"), 0);
  int const file = (int)NEED(open("/proc/sys/fs/pipe-max-size", O_RDWR));
  FAILS(write(file, "x", 1), EINVAL);
  set_sysctl("fs/pipe-max-size", "5000");
  IS(variable("pipe-max-size"), 8192);
  IS(IN_CHILD({
       become_nobody();
       int p[2];
       NEED(pipe(p));
       if (fcntl(p[0], F_GETPIPE_SZ) != 8192) _exit(1);
       if (fcntl(p[0], F_SETPIPE_SZ, 16384) >= 0 || errno != EPERM) _exit(2);
       if (fcntl(p[0], F_SETPIPE_SZ, 4096) != 4096) _exit(3);
     }),
     0);
  int p[2];
  NEED(pipe(p));
  IS(fcntl(p[0], F_GETPIPE_SZ), 65536);
  IS(fcntl(p[0], F_SETPIPE_SZ, 1 << 17), 1 << 17);
  set_sysctl("fs/pipe-max-size", "1048576");
  set_sysctl("fs/pipe-user-pages-soft", "40");
  IS(IN_CHILD({
       become_nobody();
       int q[4][2];
       for (int i = 0; i < 4; ++i) NEED(pipe(q[i]));
       int const sizes[] = {65536, 65536, 8192, 8192};
       for (int i = 0; i < 4; ++i)
         if (fcntl(q[i][0], F_GETPIPE_SZ) != sizes[i]) _exit(1 + i);
       // 36 of 40: four more are the last ones.
       if (fcntl(q[2][0], F_SETPIPE_SZ, 32768) >= 0 || errno != EPERM) _exit(5);
       if (fcntl(q[2][0], F_SETPIPE_SZ, 16384) != 16384) _exit(6);
       if (fcntl(q[3][0], F_SETPIPE_SZ, 16384) != 16384) _exit(7);
       if (fcntl(q[3][0], F_SETPIPE_SZ, 32768) >= 0 || errno != EPERM) _exit(8);
       if (fcntl(q[0][0], F_SETPIPE_SZ, 4096) != 4096) _exit(9);
       if (fcntl(q[3][0], F_SETPIPE_SZ, 32768) != 32768) _exit(10);
       // What was given up counts no more.
       for (int i = 0; i < 4; ++i) {
         close(q[i][0]);
         close(q[i][1]);
       }
       for (int i = 0; i < 2; ++i) {
         NEED(pipe(q[i]));
         if (fcntl(q[i][0], F_GETPIPE_SZ) != 65536) _exit(11);
       }
     }),
     0);
  set_sysctl("fs/pipe-user-pages-soft", "16384");
  set_sysctl("fs/pipe-user-pages-hard", "20");
  IS(IN_CHILD({
       become_nobody();
       int q[2][2];
       NEED(pipe(q[0]));
       if (fcntl(q[0][0], F_GETPIPE_SZ) != 65536) _exit(1);
       if (pipe(q[1]) >= 0 || errno != ENFILE) _exit(2);
     }),
     0);
  set_sysctl("fs/pipe-user-pages-hard", "0");
}

// A named pipe that nobody has open is as new.
TEST(capacity_ends_with_the_last_user) {
  NEED(mkfifo("named", 0600));
  int fd = (int)NEED(open("named", O_RDWR));
  IS(fcntl(fd, F_SETPIPE_SZ, 1 << 17), 1 << 17);
  NEED(write(fd, "text", 4));
  NEED(close(fd));
  fd = (int)NEED(open("named", O_RDWR | O_NONBLOCK));
  IS(fcntl(fd, F_GETPIPE_SZ), 1 << 16);
  char c;
  FAILS(read(fd, &c, 1), EAGAIN);
  FAILS(open("named", O_ACCMODE), EINVAL);
}

static volatile sig_atomic_t broken;
static void note_broken(int number) {
  (void)number;
  ++broken;
}

// A writer whose reader goes half way is told what went through, and gets the signal all the same.
TEST(broken_half_way) {
  int ends[2];
  NEED(pipe(ends));
  NEED(signal(SIGPIPE, note_broken) == SIG_ERR ? -1 : 0);
  pid_t const reader = (pid_t)NEED(fork());
  if (reader == 0) {
    close(ends[1]);
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    poll(&p, 1, -1);
    usleep(200000);
    _exit(0);
  }
  close(ends[0]);
  static char much[1 << 17];
  IS(write(ends[1], much, sizeof much), 1 << 16);
  IS(broken, 1);
  waitpid(reader, NULL, 0);
}
