// Bytes that go from file to file: splice(2), tee(2), vmsplice(2), sendfile(2); and pipes of
// packets.
#include "ktap.h"

#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PAGE 4096L

static char text[1 << 17];

static int open_new(char const* path, char const* content) {
  int const fd = (int)NEED(open(path, O_CREAT | O_RDWR, 0600));
  if (*content) NEED(write(fd, content, strlen(content)));
  NEED(lseek(fd, 0, SEEK_SET));
  return fd;
}
static bool got(long size, char const* wanted) {
  return size == (long)strlen(wanted) && memcmp(text, wanted, (size_t)size) == 0;
}
static long waiting(int fd) {
  int n = -1;
  NEED(ioctl(fd, FIONREAD, &n));
  return n;
}
static short events(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
  NEED(poll(&p, 1, 0));
  return p.revents;
}
static void make_pipe(int fds[2]) { NEED(pipe(fds)); }

TEST(refused) {
  int p[2], q[2];
  make_pipe(p);
  make_pipe(q);
  int const fd = open_new("f", "some text");
  int const appends = (int)NEED(open("f", O_WRONLY | O_APPEND));
  loff_t zero = 0, below = -1;
  FAILS(splice(fd, NULL, fd, NULL, 8, 0), EINVAL);
  FAILS(splice(p[0], NULL, p[1], NULL, 8, 0), EINVAL);
  IS(splice(999, NULL, p[1], NULL, 0, 0), 0);
  FAILS(splice(999, NULL, p[1], NULL, 1, 0), EBADF);
  IS(splice(fd, NULL, p[1], NULL, 0, 99), 0);
  FAILS(splice(fd, NULL, p[1], NULL, 1, 99), EINVAL);
  FAILS(splice(fd, &zero, p[1], &zero, 8, 0), ESPIPE);
  FAILS(splice(p[0], &zero, q[1], NULL, 8, 0), ESPIPE);
  FAILS(splice(fd, &below, p[1], NULL, 8, 0), EINVAL);
  FAILS(splice(fd, BAD_POINTER, p[1], NULL, 8, 0), EFAULT);
  FAILS(splice(p[1], NULL, fd, NULL, 8, 0), EBADF);
  FAILS(splice(p[0], NULL, appends, NULL, 8, SPLICE_F_NONBLOCK), EINVAL);
  FAILS(splice(p[0], NULL, q[1], NULL, 8, SPLICE_F_NONBLOCK), EAGAIN);
  FAILS(splice(p[0], NULL, fd, NULL, 8, SPLICE_F_NONBLOCK), EAGAIN);
  FAILS(tee(p[0], q[1], 8, SPLICE_F_NONBLOCK), EAGAIN);
  FAILS(tee(p[0], p[1], 8, 0), EINVAL);
  FAILS(tee(fd, p[1], 8, 0), EINVAL);
  IS(tee(999, q[1], 0, 0), 0);
  FAILS(tee(p[0], q[1], 1, 0x20), EINVAL);
  FAILS(tee(p[1], q[1], 1, 0), EBADF);
  struct iovec v = {"abcd", 4};
  FAILS(vmsplice(fd, &v, 1, 0), EBADF);
  FAILS(vmsplice(p[1], &v, 1, 0x20), EINVAL);
  IS(vmsplice(p[1], &v, 0, 0), 0);
  FAILS(vmsplice(p[1], BAD_POINTER, 1, 0), EFAULT);
  FAILS(vmsplice(p[1], &v, 2000, 0), EINVAL);
  v.iov_base = BAD_POINTER;
  FAILS(vmsplice(p[1], &v, 1, 0), EFAULT);
  IS(waiting(p[0]), 0);
  FAILS(sendfile(appends, fd, NULL, 8), EINVAL);
  FAILS(sendfile(fd, p[0], NULL, 8), EINVAL);
  FAILS(sendfile(999, fd, NULL, 8), EBADF);
  FAILS(sendfile(fd, 999, NULL, 8), EBADF);
  FAILS(sendfile(fd, appends, NULL, 8), EBADF);
  FAILS(sendfile(p[1], fd, &below, 8), EINVAL);
}

// Which files there are at all.
TEST(which_files) {
  static struct {
    char const* path;
    bool gives, takes;
  } const files[] = {
      {"/dev/null", false, true},        {"/dev/zero", true, true},
      {"/dev/full", true, false},        {"/dev/urandom", true, true},
      {"/proc/self/comm", false, false}, {"/proc/sys/kernel/domainname", true, true},
  };
  for (size_t i = 0; i < sizeof files / sizeof *files; ++i) {
    int p[2];
    make_pipe(p);
    int const fd = (int)NEED(open(files[i].path, O_RDWR));
    IS(splice(fd, NULL, p[1], NULL, 4, 0) > 0, files[i].gives);
    NEED(write(p[1], "text", 4));
    IS(splice(p[0], NULL, fd, NULL, 4, 0) > 0, files[i].takes);
    close(fd);
    close(p[0]);
    close(p[1]);
  }
  static char const* const reports[] = {"/proc/uptime", "/proc/self/mounts", "/proc/self/stat",
                                        "/proc/self/maps"};
  for (int i = 0; i < 4; ++i) {
    int p[2];
    make_pipe(p);
    int const fd = (int)NEED(open(reports[i], O_RDONLY));
    IS(splice(fd, NULL, p[1], NULL, 4, 0) > 0, i < 2);
    close(fd);
    close(p[0]);
    close(p[1]);
  }
}

TEST(file_to_pipe) {
  int p[2];
  make_pipe(p);
  int const fd = open_new("f", "0123456789");
  IS(splice(fd, NULL, p[1], NULL, 4, 0), 4);
  IS(lseek(fd, 0, SEEK_CUR), 4);
  loff_t at = 7;
  IS(splice(fd, &at, p[1], NULL, 100, 0), 3);
  IS(at, 10);
  IS(lseek(fd, 0, SEEK_CUR), 4);
  IS(splice(fd, &at, p[1], NULL, 100, 0), 0);
  OK(got(read(p[0], text, sizeof text), "0123789"));
  // As much as there is room for.
  NEED(ftruncate(fd, 1 << 20));
  at = 0;
  IS(splice(fd, &at, p[1], NULL, 1 << 20, 0), 65536);
  IS(events(p[1]), 0);
  FAILS(splice(fd, &at, p[1], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
  NEED(fcntl(p[1], F_SETFL, O_NONBLOCK));
  FAILS(splice(fd, &at, p[1], NULL, 1, 0), EAGAIN);
  IS(read(p[0], text, 4096), 4096);
  IS(splice(fd, &at, p[1], NULL, 10000, 0), 4096);
  IS(at, 65536 + 4096);
}

TEST(pipe_to_file) {
  int p[2];
  make_pipe(p);
  int const fd = open_new("f", "0123456789");
  NEED(write(p[1], "abcdef", 6));
  IS(splice(p[0], NULL, fd, NULL, 2, 0), 2);
  loff_t at = 8;
  IS(splice(p[0], NULL, fd, &at, 100, 0), 4);
  IS(at, 12);
  IS(lseek(fd, 0, SEEK_CUR), 2);
  OK(got(pread(fd, text, sizeof text, 0), "ab234567cdef"));
  close(p[1]);
  IS(splice(p[0], NULL, fd, NULL, 100, 0), 0);
}

TEST(limit_of_a_file) {
  NEED(signal(SIGXFSZ, SIG_IGN) == SIG_ERR ? -1 : 0);
  struct rlimit const limit = {.rlim_cur = 3, .rlim_max = RLIM_INFINITY};
  int p[2];
  make_pipe(p);
  int const fd = open_new("f", "");
  NEED(setrlimit(RLIMIT_FSIZE, &limit));
  NEED(write(p[1], "abcdef", 6));
  IS(splice(p[0], NULL, fd, NULL, 6, 0), 3);
  FAILS(splice(p[0], NULL, fd, NULL, 6, 0), EFBIG);
  IS(waiting(p[0]), 3);
}

TEST(pipe_to_pipe) {
  int p[2], q[2];
  make_pipe(p);
  make_pipe(q);
  NEED(write(p[1], "abcdef", 6));
  IS(splice(p[0], NULL, q[1], NULL, 2, 0), 2);
  IS(splice(p[0], NULL, q[1], NULL, 100, 0), 4);
  IS(waiting(p[0]), 0);
  OK(got(read(q[0], text, sizeof text), "abcdef"));
  // A page that has changed pipes is written on where it is now.
  NEED(write(p[1], "one", 3));
  IS(splice(p[0], NULL, q[1], NULL, 100, 0), 3);
  NEED(write(p[1], "three", 5));
  NEED(write(q[1], "two", 3));
  OK(got(read(q[0], text, sizeof text), "onetwo"));
  OK(got(read(p[0], text, sizeof text), "three"));
  memset(text, 'x', sizeof text);
  IS(write(p[1], text, 65536), 65536);
  IS(write(q[1], text, 8192), 8192);
  IS(splice(p[0], NULL, q[1], NULL, 1 << 20, 0), 65536 - 8192);
  IS(waiting(p[0]), 8192);
  FAILS(splice(p[0], NULL, q[1], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
  close(p[1]);
  IS(read(q[0], text, 65536), 65536);
  IS(splice(p[0], NULL, q[1], NULL, 1 << 20, 0), 8192);
  IS(splice(p[0], NULL, q[1], NULL, 1 << 20, 0), 0);
}

TEST(teed) {
  int p[2], q[2];
  make_pipe(p);
  make_pipe(q);
  NEED(write(p[1], "abcdef", 6));
  IS(tee(p[0], q[1], 3, 0), 3);
  IS(tee(p[0], q[1], 100, 0), 6);
  IS(waiting(p[0]), 6);
  OK(got(read(q[0], text, sizeof text), "abcabcdef"));
  NEED(write(p[1], "ghi", 3));
  OK(got(read(p[0], text, sizeof text), "abcdefghi"));
  close(p[1]);
  IS(tee(p[0], q[1], 100, 0), 0);
}

TEST(memory) {
  int p[2];
  make_pipe(p);
  struct iovec const two[] = {{"hello ", 6}, {"world", 5}};
  IS(vmsplice(p[1], two, 2, 0), 11);
  char a[4], b[4];
  struct iovec const room[] = {{a, 4}, {b, 4}};
  IS(vmsplice(p[0], room, 2, 0), 8);
  OK(memcmp(a, "hell", 4) == 0 && memcmp(b, "o wo", 4) == 0);
  OK(got(read(p[0], text, sizeof text), "rld"));
  // Page for page, until the pipe is full.
  char* const pages =
      mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct iovec const much = {pages, 32 * (size_t)PAGE};
  IS(vmsplice(p[1], &much, 1, SPLICE_F_NONBLOCK), 16 * PAGE);
  FAILS(vmsplice(p[1], &much, 1, SPLICE_F_NONBLOCK), EAGAIN);
}

TEST(broken) {
  NEED(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
  int p[2], q[2];
  make_pipe(p);
  make_pipe(q);
  int const fd = open_new("f", "some text");
  close(q[0]);
  NEED(write(p[1], "x", 1));
  struct iovec const v = {"y", 1};
  FAILS(splice(fd, NULL, q[1], NULL, 8, 0), EPIPE);
  FAILS(splice(p[0], NULL, q[1], NULL, 8, 0), EPIPE);
  FAILS(tee(p[0], q[1], 8, 0), EPIPE);
  FAILS(vmsplice(q[1], &v, 1, 0), EPIPE);
  FAILS(sendfile(q[1], fd, NULL, 8), EPIPE);
  IS(lseek(fd, 0, SEEK_CUR), 0);
  IS(waiting(p[0]), 1);
}

TEST(sockets) {
  int p[2], s[2];
  make_pipe(p);
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
  NEED(write(p[1], "from a pipe", 11));
  IS(splice(p[0], NULL, s[0], NULL, 100, 0), 11);
  OK(got(read(s[1], text, sizeof text), "from a pipe"));
  NEED(write(s[1], "from a socket", 13));
  IS(splice(s[0], NULL, p[1], NULL, 100, 0), 13);
  OK(got(read(p[0], text, sizeof text), "from a socket"));
  FAILS(splice(s[0], NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK), EAGAIN);
  loff_t zero = 0;
  FAILS(splice(s[0], &zero, p[1], NULL, 1, 0), EINVAL);
  int const fd = open_new("f", "a file");
  IS(sendfile(s[0], fd, NULL, 100), 6);
  OK(got(read(s[1], text, sizeof text), "a file"));
  NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
  // What is sent at once is one message.
  NEED(ftruncate(fd, 10000));
  loff_t zero_again = 0;
  IS(sendfile(s[0], fd, &zero_again, 10000), 10000);
  IS(read(s[1], text, sizeof text), 10000);
  memset(text, 'm', 10000);
  NEED(write(p[1], text, 10000));
  IS(splice(p[0], NULL, s[0], NULL, 10000, 0), 10000);
  IS(read(s[1], text, sizeof text), 10000);
  NEED(write(s[1], text, 9000));
  IS(splice(s[0], NULL, p[1], NULL, 1 << 16, 0), 9000);
  IS(read(p[0], text, sizeof text), 9000);
}

TEST(sent) {
  int p[2];
  make_pipe(p);
  int const from = open_new("f", "0123456789"), to = open_new("g", "");
  IS(sendfile(to, from, NULL, 4), 4);
  IS(lseek(from, 0, SEEK_CUR), 4);
  IS(lseek(to, 0, SEEK_CUR), 4);
  off_t at = 8;
  IS(sendfile(to, from, &at, 100), 2);
  IS(at, 10);
  IS(lseek(from, 0, SEEK_CUR), 4);
  IS(sendfile(p[1], from, NULL, 3), 3);
  IS(lseek(from, 0, SEEK_CUR), 7);
  OK(got(read(p[0], text, sizeof text), "456"));
  OK(got(pread(to, text, sizeof text, 0), "012389"));
  int const report = (int)NEED(open("/proc/version", O_RDONLY));
  OK(sendfile(to, report, NULL, 1 << 16) > 20);
  IS(sendfile(to, report, NULL, 1 << 16), 0);
}

// Who waits is woken, and nothing is lost or comes twice, from one pipe through another to a file.
TEST(through_two_pipes) {
  enum { TOTAL = 3000000 };
  int p[2], q[2];
  make_pipe(p);
  make_pipe(q);
  pid_t const writer = (pid_t)NEED(fork());
  if (writer == 0) {
    unsigned next = 0;
    static unsigned some[1500];
    for (int done = 0; done < TOTAL; done += (int)sizeof some) {
      for (int i = 0; i < 1500; ++i) some[i] = next++;
      if (write(p[1], some, sizeof some) != sizeof some) _exit(1);
    }
    _exit(0);
  }
  pid_t const mover = (pid_t)NEED(fork());
  if (mover == 0) {
    close(p[1]);
    close(q[0]);
    long n, all = 0;
    while ((n = splice(p[0], NULL, q[1], NULL, 50000, 0)) > 0) all += n;
    _exit(n == 0 && all == TOTAL ? 0 : 1);
  }
  close(p[0]);
  close(p[1]);
  close(q[1]);
  int const fd = open_new("f", "");
  long n, all = 0;
  while ((n = splice(q[0], NULL, fd, NULL, 30000, 0)) > 0) all += n;
  IS(n, 0);
  IS(all, TOTAL);
  unsigned const* const numbers = mmap(NULL, TOTAL, PROT_READ, MAP_PRIVATE, fd, 0);
  bool in_order = true;
  for (unsigned i = 0; i < TOTAL / 4; ++i) in_order = in_order && numbers[i] == i;
  OK(in_order);
  int status = -1;
  waitpid(writer, &status, 0);
  IS(status, 0);
  waitpid(mover, &status, 0);
  IS(status, 0);
}

TEST(packets) {
  int p[2];
  NEED(pipe2(p, O_DIRECT));
  IS(fcntl(p[1], F_GETFL), O_WRONLY | O_DIRECT);
  IS(fcntl(p[0], F_GETFL), O_RDONLY);
  NEED(write(p[1], "first", 5));
  NEED(write(p[1], "second", 6));
  IS(waiting(p[0]), 11);
  OK(got(read(p[0], text, sizeof text), "first"));
  // What does not fit is lost.
  OK(got(read(p[0], text, 3), "sec"));
  IS(waiting(p[0]), 0);
  // A long one comes in pieces.
  memset(text, 'x', 10000);
  IS(write(p[1], text, 10000), 10000);
  IS(read(p[0], text, sizeof text), 4096);
  IS(read(p[0], text, sizeof text), 4096);
  IS(read(p[0], text, sizeof text), 10000 - 8192);
  IS(write(p[1], text, 0), 0);
  // One page each: as many as there are pages.
  NEED(fcntl(p[1], F_SETFL, O_DIRECT | O_NONBLOCK));
  for (int i = 0; i < 16; ++i) IS(write(p[1], "x", 1), 1);
  FAILS(write(p[1], "x", 1), EAGAIN);
  IS(events(p[1]), 0);
  IS(read(p[0], text, 100), 1);
  IS(events(p[1]), POLLOUT);
  // From here on a stream again, behind the packets.
  NEED(fcntl(p[1], F_SETFL, O_NONBLOCK));
  IS(write(p[1], "ab", 2), 2);
  IS(write(p[1], "cd", 2), 2);
  for (int i = 0; i < 15; ++i) IS(read(p[0], text, 100), 1);
  OK(got(read(p[0], text, 100), "abcd"));
}

// A stream's bytes, then a packet: one read takes both, and stops there.
TEST(packets_behind_a_stream) {
  int p[2], q[2];
  make_pipe(p);
  NEED(write(p[1], "stream", 6));
  NEED(fcntl(p[1], F_SETFL, O_DIRECT));
  memset(text, 'p', 4096);
  NEED(write(p[1], text, 4096));
  NEED(write(p[1], "last", 4));
  IS(read(p[0], text, sizeof text), 6 + 4096);
  OK(got(read(p[0], text, sizeof text), "last"));
  // They stay packets in another pipe.
  NEED(write(p[1], "one", 3));
  NEED(write(p[1], "two", 3));
  make_pipe(q);
  IS(splice(p[0], NULL, q[1], NULL, 100, 0), 6);
  OK(got(read(q[0], text, sizeof text), "one"));
  OK(got(read(q[0], text, sizeof text), "two"));
}
