// Vectors with flags: preadv2(2) and pwritev2(2); and the calls that write back what is behind.
#include "ktap.h"

#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#ifndef RWF_NOAPPEND
#  define RWF_NOAPPEND 0x20
#endif
#ifndef RWF_ATOMIC
#  define RWF_ATOMIC 0x40
#endif

static char bytes[64];
static struct iovec const eight = {bytes, 8};

static long in(int fd, int flags) { return preadv2(fd, &eight, 1, -1, flags); }
static long out(int fd, int flags) { return pwritev2(fd, &eight, 1, -1, flags); }

TEST(flags) {
  int const fd = (int)NEED(open("f", O_CREAT | O_RDWR, 0600));
  IS(out(fd, RWF_HIPRI), 8);
  IS(out(fd, RWF_SYNC), 8);
  IS(out(fd, RWF_DSYNC), 8);
  FAILS(out(fd, 0x400), EOPNOTSUPP);
  FAILS(in(fd, 0x400), EOPNOTSUPP);
  FAILS(out(fd, RWF_APPEND | RWF_NOAPPEND), EINVAL);
  FAILS(out(fd, RWF_ATOMIC), EOPNOTSUPP);
  FAILS(in(fd, RWF_ATOMIC), EOPNOTSUPP);
  FAILS(preadv2(fd, &eight, 1, -2, 0), EINVAL);
  FAILS(pwritev2(fd, &eight, 1, -2, 0), EINVAL);
  FAILS(pwritev2(999, &eight, 1, 0, 0), EBADF);
  struct iovec const nothing = {bytes, 0};
  IS(pwritev2(fd, &nothing, 1, 0, 0x400), 0);
  FAILS(preadv2(fd, BAD_POINTER, 1, 0, 0), EFAULT);
  FAILS(preadv2(fd, &eight, 1025, 0, 0), EINVAL);
  IS(lseek(fd, 0, SEEK_CUR), 24);
  IS(preadv2(fd, &eight, 1, 4, 0), 8);
  IS(lseek(fd, 0, SEEK_CUR), 24);
  int const reader = (int)NEED(open("f", O_RDONLY));
  FAILS(out(reader, 0), EBADF);
  IS(in(reader, RWF_APPEND), 8);
}

TEST(ends) {
  int const fd = (int)NEED(open("f", O_CREAT | O_RDWR, 0600));
  IS(write(fd, "0123456789", 10), 10);
  memcpy(bytes, "abcdefgh", 8);
  IS(pwritev2(fd, &eight, 1, 2, RWF_APPEND), 8);
  char seen[32] = "";
  IS(pread(fd, seen, sizeof seen, 0), 18);
  OK(memcmp(seen, "0123456789abcdefgh", 18) == 0);
  IS(lseek(fd, 0, SEEK_CUR), 10);
  IS(lseek(fd, 3, SEEK_SET), 3);
  IS(out(fd, RWF_APPEND), 8);
  IS(lseek(fd, 0, SEEK_CUR), 26);
  int const appends = (int)NEED(open("f", O_RDWR | O_APPEND));
  IS(pwritev2(appends, &eight, 1, 0, 0), 8);
  IS(lseek(appends, 0, SEEK_END), 34);
  IS(pwritev2(appends, &eight, 1, 0, RWF_NOAPPEND), 8);
  IS(lseek(appends, 0, SEEK_END), 34);
  IS(pread(fd, seen, 8, 0), 8);
  OK(memcmp(seen, "abcdefgh", 8) == 0);
}

TEST(who_can_refuse_to_wait) {
  int pipes[2], pair[2];
  NEED(pipe(pipes));
  FAILS(in(pipes[0], RWF_NOWAIT), EAGAIN);
  IS(out(pipes[1], RWF_NOWAIT), 8);
  IS(in(pipes[0], RWF_NOWAIT), 8);
  FAILS(preadv2(pipes[0], &eight, 1, 0, 0), ESPIPE);
  static char much[65536];
  IS(write(pipes[1], much, sizeof much), (long)sizeof much);
  FAILS(out(pipes[1], RWF_NOWAIT), EAGAIN);
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  FAILS(in(pair[0], RWF_NOWAIT), EAGAIN);
  IS(out(pair[1], RWF_NOWAIT), 8);
  int const event = (int)NEED(eventfd(0, 0));
  FAILS(in(event, RWF_NOWAIT), EAGAIN);
  FAILS(out(event, RWF_NOWAIT), EOPNOTSUPP);
  FAILS(out(event, RWF_SYNC), EOPNOTSUPP);
  memset(bytes, 1, 8);
  IS(out(event, RWF_HIPRI), 8);
  int const timer = (int)NEED(timerfd_create(CLOCK_MONOTONIC, 0));
  FAILS(in(timer, RWF_NOWAIT), EAGAIN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  int const signals = (int)NEED(signalfd(-1, &set, 0));
  struct signalfd_siginfo info;
  struct iovec const one = {&info, sizeof info};
  FAILS(preadv2(signals, &one, 1, -1, RWF_NOWAIT), EAGAIN);
  int const null = (int)NEED(open("/dev/null", O_RDWR));
  IS(in(null, RWF_NOWAIT), 0);
  IS(out(null, RWF_NOWAIT), 8);
  int const file = (int)NEED(open("f", O_CREAT | O_RDWR, 0600));
  FAILS(out(file, RWF_NOWAIT), EOPNOTSUPP);
  FAILS(in(file, RWF_NOWAIT), EOPNOTSUPP);
  int const comm = (int)NEED(open("/proc/self/comm", O_RDWR));
  FAILS(out(comm, RWF_SYNC), EOPNOTSUPP);
  IS(out(comm, RWF_HIPRI), 8);
}

TEST(nothing_is_behind) {
  int pipes[2];
  NEED(pipe(pipes));
  int const fd = (int)NEED(open("f", O_CREAT | O_RDWR, 0600));
  int const dir = (int)NEED(open(".", O_RDONLY));
  int const named = (int)NEED(open(".", O_PATH));
  int const null = (int)NEED(open("/dev/null", O_RDWR));
  WORKS(syncfs(fd));
  WORKS(syncfs(pipes[0]));
  FAILS(syncfs(named), EBADF);
  FAILS(syncfs(999), EBADF);
  WORKS(sync_file_range(fd, 5, 10, 7));
  WORKS(sync_file_range(dir, 0, 0, 0));
  FAILS(sync_file_range(fd, 0, 0, 8), EINVAL);
  FAILS(sync_file_range(fd, -1, 0, 1), EINVAL);
  FAILS(sync_file_range(fd, 0, -1, 1), EINVAL);
  FAILS(sync_file_range(fd, 5, LONG_MAX, 1), EINVAL);
  FAILS(sync_file_range(pipes[0], 0, 0, 1), ESPIPE);
  FAILS(sync_file_range(null, 0, 0, 1), ESPIPE);
  FAILS(sync_file_range(999, 0, 0, 1), EBADF);
  WORKS(readahead(fd, 0, 4096));
  WORKS(readahead(fd, -1, 4096));
  FAILS(readahead(dir, 0, 1), EINVAL);
  FAILS(readahead(null, 0, 1), EINVAL);
  FAILS(readahead(pipes[0], 0, 1), EINVAL);
  FAILS(readahead(pipes[1], 0, 1), EBADF);
  int const writer = (int)NEED(open("f", O_WRONLY));
  FAILS(readahead(writer, 0, 1), EBADF);
}
