// Locks on files: flock, record locks of processes and of open files.
#include "ktap.h"

#include <sys/sysmacros.h>

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>

static int file;
static int new_file(void) { return make_file("file", "0123456789"); }
static int open_again(void) { return (int)NEED(open("file", O_RDWR)); }

static int lock_at(int command, int on, short type, short whence, off_t start, off_t length) {
  struct flock l = {.l_type = type, .l_whence = whence, .l_start = start, .l_len = length};
  return fcntl(on, command, &l);
}
static int lock(short type, off_t start, off_t length) {
  return lock_at(F_SETLK, file, type, SEEK_SET, start, length);
}
static int open_lock(int on, short type, off_t start, off_t length) {
  return lock_at(F_OFD_SETLK, on, type, SEEK_SET, start, length);
}
// What another process would meet first from `start` on: "type start length", or "free".
static char answer[100];
static char const* seen(off_t start, off_t length) {
  int result[2];
  NEED(pipe(result));
  pid_t const child = fork();
  if (child == 0) {
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    char text[100];
    int size = 0;
    if (fcntl(file, F_GETLK, &l) != 0)
      size = snprintf(text, sizeof text, "errno %d", errno);
    else if (l.l_type == F_UNLCK)
      size = snprintf(text, sizeof text, "free");
    else
      size = snprintf(text, sizeof text, "%s %ld %ld%s", l.l_type == F_RDLCK ? "read" : "write",
                      (long)l.l_start, (long)l.l_len, l.l_pid == getppid() ? "" : " other");
    _exit(write(result[1], text, (size_t)size) == size ? 0 : 1);
  }
  ktap_status_of(child);
  close(result[1]);
  ssize_t const size = read(result[0], answer, sizeof answer - 1);
  close(result[0]);
  answer[size < 0 ? 0 : size] = 0;
  return answer;
}
#define SEEN(start, length, text) OK(strcmp(seen(start, length), text) == 0)

// --- flock ----------------------------------------------------------------------------------
TEST(flock_basics) {
  file = new_file();
  int const other = open_again(), twin = dup(file);
  IS(flock(file, LOCK_SH), 0);
  IS(flock(other, LOCK_SH | LOCK_NB), 0);
  FAILS(flock(file, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  // The change lost what it had.
  IS(flock(other, LOCK_EX | LOCK_NB), 0);
  FAILS(flock(file, LOCK_SH | LOCK_NB), EWOULDBLOCK);
  IS(flock(other, LOCK_UN), 0);
  IS(flock(file, LOCK_EX | LOCK_NB), 0);
  IS(flock(twin, LOCK_EX | LOCK_NB), 0);
  FAILS(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
  close(file);
  FAILS(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
  close(twin);
  IS(flock(other, LOCK_SH | LOCK_NB), 0);
  IS(flock(other, LOCK_UN), 0);
  IS(flock(other, LOCK_UN), 0);
}

TEST(flock_errors) {
  file = new_file();
  FAILS(flock(file, 0), EINVAL);
  FAILS(flock(file, LOCK_SH | LOCK_EX), EINVAL);
  FAILS(flock(file, LOCK_NB), EINVAL);
  FAILS(flock(closed_descriptor(), LOCK_SH), EBADF);
  FAILS(flock(-1, 16), EINVAL);
  FAILS(flock((int)NEED(open("file", O_PATH)), LOCK_SH), EBADF);
  IS(flock((int)NEED(open("file", O_RDONLY)), LOCK_EX), 0);
  IS(flock((int)NEED(open(".", O_RDONLY)), LOCK_EX | LOCK_NB), 0);
}

TEST(flock_and_processes) {
  file = new_file();
  int const other = open_again();
  IS(flock(file, LOCK_EX), 0);
  // A child shares the open file and with it the lock.
  IS(IN_CHILD({
       if (flock(file, LOCK_EX | LOCK_NB) != 0) _exit(1);
       if (flock(other, LOCK_EX | LOCK_NB) == 0) _exit(2);
     }),
     0);
  FAILS(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  IS(IN_CHILD(flock(file, LOCK_UN)), 0);
  IS(flock(other, LOCK_EX | LOCK_NB), 0);
  // Another world than record locks.
  IS(lock(F_WRLCK, 0, 0), 0);
}

static void* flock_it(void* on) { return (void*)(long)flock((int)(long)on, LOCK_EX); }
TEST(flock_waits) {
  pthread_t thread;
  void* result;
  file = new_file();
  int const other = open_again();
  NEED(flock(file, LOCK_EX));
  NEED(pthread_create(&thread, NULL, flock_it, (void*)(long)other));
  for (int i = 0; i < 10; ++i) sched_yield();
  IS(flock(file, LOCK_UN), 0);
  pthread_join(thread, &result);
  IS((long)result, 0);
  FAILS(flock(file, LOCK_EX | LOCK_NB), EWOULDBLOCK);
}

static void nothing(int number) { (void)number; }
static void interrupt_soon(void) {
  struct sigaction const action = {.sa_handler = nothing};
  struct itimerval const timer = {{0, 20000}, {0, 20000}};
  NEED(sigaction(SIGALRM, &action, NULL));
  NEED(setitimer(ITIMER_REAL, &timer, NULL));
}

TEST(interrupted_waits) {
  file = new_file();
  int const other = open_again(), third = open_again();
  NEED(flock(file, LOCK_EX));
  NEED(open_lock(other, F_WRLCK, 0, 0));
  interrupt_soon();
  FAILS(flock(other, LOCK_EX), EINTR);
  FAILS(lock_at(F_OFD_SETLKW, third, F_RDLCK, SEEK_SET, 0, 1), EINTR);
  FAILS(lock_at(F_SETLKW, file, F_RDLCK, SEEK_SET, 0, 1), EINTR);
}

// --- record locks ---------------------------------------------------------------------------
TEST(ranges) {
  file = new_file();
  SEEN(0, 0, "free");
  IS(lock(F_WRLCK, 10, 10), 0);
  SEEN(0, 0, "write 10 10");
  SEEN(0, 10, "free");
  SEEN(0, 11, "write 10 10");
  SEEN(19, 1, "write 10 10");
  SEEN(20, 1, "free");
  // Two that touch are one.
  IS(lock(F_WRLCK, 20, 10), 0);
  SEEN(0, 0, "write 10 20");
  IS(lock(F_WRLCK, 5, 5), 0);
  SEEN(0, 0, "write 5 25");
  // Cut in two.
  IS(lock(F_UNLCK, 10, 5), 0);
  SEEN(0, 0, "write 5 5");
  SEEN(10, 0, "write 15 15");
  SEEN(10, 5, "free");
  // Another type in the middle.
  IS(lock(F_RDLCK, 20, 5), 0);
  SEEN(10, 0, "write 15 5");
  SEEN(20, 0, "read 20 5");
  SEEN(25, 0, "write 25 5");
  // Over everything.
  IS(lock(F_RDLCK, 0, 100), 0);
  SEEN(0, 0, "read 0 100");
  IS(lock(F_UNLCK, 0, 1), 0);
  SEEN(0, 0, "read 1 99");
  IS(lock(F_UNLCK, 99, 0), 0);
  SEEN(0, 0, "read 1 98");
  IS(lock(F_RDLCK, 50, 0), 0);
  SEEN(0, 0, "read 1 0");
  IS(lock(F_WRLCK, 30, 0), 0);
  SEEN(0, 0, "read 1 29");
  SEEN(30, 1, "write 30 0");
  IS(lock(F_UNLCK, 0, 0), 0);
  SEEN(0, 0, "free");
}

TEST(places) {
  file = new_file();
  NEED(lseek(file, 4, SEEK_SET));
  IS(lock_at(F_SETLK, file, F_WRLCK, SEEK_CUR, 1, 2), 0);
  SEEN(0, 0, "write 5 2");
  IS(lock_at(F_SETLK, file, F_WRLCK, SEEK_END, -1, 1), 0);
  SEEN(7, 0, "write 9 1");
  IS(lock_at(F_SETLK, file, F_WRLCK, SEEK_SET, 100, -10), 0);
  SEEN(10, 0, "write 90 10");
  FAILS(lock_at(F_SETLK, file, F_WRLCK, SEEK_SET, -1, 1), EINVAL);
  FAILS(lock_at(F_SETLK, file, F_WRLCK, SEEK_SET, 5, -6), EINVAL);
  FAILS(lock_at(F_SETLK, file, F_WRLCK, SEEK_CUR, -5, 1), EINVAL);
  FAILS(lock_at(F_SETLK, file, F_WRLCK, SEEK_SET, LONG_MAX, 2), EOVERFLOW);
  FAILS(lock_at(F_SETLK, file, F_WRLCK, SEEK_END, LONG_MAX, 1), EOVERFLOW);
  IS(lock_at(F_SETLK, file, F_WRLCK, SEEK_SET, LONG_MAX, 1), 0);
  SEEN(200, 0, "write 9223372036854775807 0");
}

TEST(record_errors) {
  struct flock l = {.l_type = F_UNLCK};
  file = new_file();
  int const reader = open("file", O_RDONLY), writer = open("file", O_WRONLY);
  FAILS(lock_at(F_SETLK, file, 9, SEEK_SET, 0, 0), EINVAL);
  FAILS(lock_at(F_SETLK, file, F_WRLCK, 9, 0, 0), EINVAL);
  FAILS(lock_at(F_SETLK, reader, F_WRLCK, SEEK_SET, 0, 0), EBADF);
  FAILS(lock_at(F_SETLK, writer, F_RDLCK, SEEK_SET, 0, 0), EBADF);
  IS(lock_at(F_SETLK, reader, F_RDLCK, SEEK_SET, 0, 0), 0);
  IS(lock_at(F_SETLK, writer, F_WRLCK, SEEK_SET, 0, 0), 0);
  FAILS(fcntl(file, F_GETLK, &l), EINVAL);
  FAILS(fcntl(file, F_SETLK, BAD_POINTER), EFAULT);
  FAILS(fcntl(file, F_GETLK, BAD_POINTER), EFAULT);
  FAILS(lock_at(F_SETLK, closed_descriptor(), F_RDLCK, SEEK_SET, 0, 0), EBADF);
  FAILS(lock_at(F_SETLK, (int)NEED(open("file", O_PATH)), F_UNLCK, SEEK_SET, 0, 0), EBADF);
  FAILS(lock_at(F_OFD_SETLK, reader, F_WRLCK, SEEK_SET, 0, 0), EBADF);
  l = (struct flock){.l_type = F_WRLCK, .l_pid = 1};
  FAILS(fcntl(file, F_OFD_SETLK, &l), EINVAL);
  FAILS(fcntl(file, F_OFD_GETLK, &l), EINVAL);
  int ends[2];
  NEED(pipe(ends));
  IS(lock_at(F_SETLK, ends[1], F_WRLCK, SEEK_SET, 0, 0), 0);
}

TEST(conflicts) {
  file = new_file();
  IS(lock(F_RDLCK, 0, 10), 0);
  IS(lock(F_WRLCK, 10, 10), 0);
  IS(IN_CHILD({
       if (lock(F_RDLCK, 0, 10) != 0) _exit(1);
       if (lock(F_WRLCK, 0, 1) == 0 || errno != EAGAIN) _exit(2);
       if (lock(F_RDLCK, 9, 2) == 0 || errno != EAGAIN) _exit(3);
       if (lock(F_WRLCK, 20, 0) != 0) _exit(4);
       if (lock(F_UNLCK, 0, 0) != 0) _exit(5);
     }),
     0);
  SEEN(0, 10, "read 0 10");
  // The child's are gone with it.
  IS(lock(F_WRLCK, 0, 0), 0);
}

TEST(closing_gives_up) {
  file = new_file();
  int const other = open_again(), twin = dup(file);
  IS(lock(F_WRLCK, 0, 5), 0);
  SEEN(0, 0, "write 0 5");
  close(other);
  SEEN(0, 0, "free");
  IS(lock(F_WRLCK, 0, 5), 0);
  close(twin);
  SEEN(0, 0, "free");
  IS(lock(F_WRLCK, 0, 5), 0);
  IS(dup2(file, open_again()) > 0, 1);
  SEEN(0, 0, "free");
  // Not by a close in another process.
  IS(lock(F_WRLCK, 0, 5), 0);
  IS(IN_CHILD(close(file)), 0);
  SEEN(0, 0, "write 0 5");
}

TEST(released_at_exit) {
  int ready[2], go[2];
  char byte;
  file = new_file();
  NEED(pipe(ready));
  NEED(pipe(go));
  pid_t const child = fork();
  if (child == 0) {
    lock(F_WRLCK, 3, 4);
    (void)!write(ready[1], "x", 1);
    _exit(read(go[0], &byte, 1) == 1 ? 0 : 1);
  }
  NEED(read(ready[0], &byte, 1));
  struct flock l = {.l_type = F_RDLCK};
  IS(fcntl(file, F_GETLK, &l), 0);
  OK(l.l_type == F_WRLCK && l.l_start == 3 && l.l_len == 4 && l.l_pid == child);
  FAILS(lock(F_RDLCK, 0, 0), EAGAIN);
  NEED(write(go[1], "x", 1));
  IS(lock_at(F_SETLKW, file, F_WRLCK, SEEK_SET, 0, 0), 0);
  IS(ktap_status_of(child), 0);
}

TEST(deadlock) {
  int ready[2];
  char byte;
  file = new_file();
  NEED(pipe(ready));
  IS(lock(F_WRLCK, 0, 1), 0);
  pid_t const child = fork();
  if (child == 0) {
    if (lock(F_WRLCK, 1, 1) != 0) _exit(1);
    (void)!write(ready[1], "x", 1);
    // One of the two is told.
    int const result = lock_at(F_SETLKW, file, F_WRLCK, SEEK_SET, 0, 1);
    _exit(result == 0 ? 2 : errno == EDEADLK ? 3 : 4);
  }
  NEED(read(ready[0], &byte, 1));
  int const mine = lock_at(F_SETLKW, file, F_WRLCK, SEEK_SET, 1, 1);
  bool const told = mine == -1 && errno == EDEADLK;
  lock(F_UNLCK, 0, 0);
  int const status = ktap_status_of(child);
  OK(told ? status == EXITED(2) : mine == 0 && status == EXITED(3));
}

TEST(many_ranges) {
  bool good = true;
  file = new_file();
  for (int i = 0; i < 2000; ++i) good &= lock(F_WRLCK, i * 2 * 7919 % 4000, 1) == 0;
  OK(good);
  SEEN(1000, 0, "write 1000 1");
  SEEN(1001, 1, "free");
  for (int i = 0; i < 2000; ++i) good &= lock(F_WRLCK, i * 2 + 1, 1) == 0;
  OK(good);
  SEEN(0, 0, "write 0 4000");
  for (int i = 0; i < 2000; ++i) good &= lock(F_UNLCK, i * 2, 1) == 0;
  OK(good);
  SEEN(0, 0, "write 1 1");
  SEEN(3000, 0, "write 3001 1");
  IS(lock(F_UNLCK, 0, 4000), 0);
  SEEN(0, 0, "free");
}

// Only the one that wants what was given up goes on.
TEST(woken_by_range) {
  int woken[2];
  char byte;
  pid_t children[3];
  file = new_file();
  NEED(pipe(woken));
  IS(lock(F_WRLCK, 0, 30), 0);
  for (int i = 0; i < 3; ++i) {
    children[i] = fork();
    if (children[i] == 0) {
      char const name = (char)('0' + i);
      if (lock_at(F_SETLKW, file, F_WRLCK, SEEK_SET, i * 10, 10) != 0) _exit(1);
      _exit(write(woken[1], &name, 1) == 1 ? 0 : 1);
    }
  }
  IS(lock(F_UNLCK, 10, 10), 0);
  IS(read(woken[0], &byte, 1), 1);
  IS(byte, '1');
  IS(lock(F_RDLCK, 0, 10), 0);
  IS(lock(F_UNLCK, 20, 10), 0);
  IS(read(woken[0], &byte, 1), 1);
  IS(byte, '2');
  IS(lock(F_UNLCK, 0, 0), 0);
  IS(read(woken[0], &byte, 1), 1);
  IS(byte, '0');
  for (int i = 0; i < 3; ++i) IS(ktap_status_of(children[i]), 0);
}

// --- locks of open files --------------------------------------------------------------------
TEST(open_file_locks) {
  file = new_file();
  int const other = open_again(), twin = dup(file);
  IS(open_lock(file, F_WRLCK, 0, 10), 0);
  IS(open_lock(twin, F_WRLCK, 0, 10), 0);
  FAILS(open_lock(other, F_RDLCK, 5, 1), EAGAIN);
  // They are in the way of the process's own, too.
  FAILS(lock(F_RDLCK, 5, 1), EAGAIN);
  IS(lock(F_WRLCK, 20, 1), 0);
  FAILS(open_lock(other, F_WRLCK, 20, 1), EAGAIN);
  struct flock l = {.l_type = F_WRLCK};
  IS(fcntl(other, F_OFD_GETLK, &l), 0);
  OK(l.l_type == F_WRLCK && l.l_start == 0 && l.l_len == 10 && l.l_pid == -1);
  l = (struct flock){.l_type = F_WRLCK, .l_start = 15};
  IS(fcntl(other, F_OFD_GETLK, &l), 0);
  OK(l.l_type == F_WRLCK && l.l_start == 20 && l.l_pid == getpid());
  l = (struct flock){.l_type = F_UNLCK};
  IS(fcntl(file, F_OFD_GETLK, &l), 0);
  OK(l.l_type == F_WRLCK && l.l_start == 0 && l.l_len == 10);
  l = (struct flock){.l_type = F_UNLCK};
  IS(fcntl(other, F_OFD_GETLK, &l), 0);
  IS(l.l_type, F_UNLCK);
  // A close of a twin changes nothing, the last one does.
  close(twin);
  FAILS(open_lock(other, F_RDLCK, 5, 1), EAGAIN);
  IS(IN_CHILD({
       if (open_lock(file, F_WRLCK, 0, 10) != 0) _exit(1);
       if (open_lock(other, F_WRLCK, 0, 10) == 0) _exit(2);
     }),
     0);
  close(file);
  IS(open_lock(other, F_RDLCK, 5, 1), 0);
}

// The lines of /proc/locks about a file, without their numbers.
static char const* lines_of(int fd, char* text, size_t size) {
  static char all[65536];
  struct stat s;
  NEED(fstat(fd, &s));
  char mine[64];
  snprintf(mine, sizeof mine, "%02x:%02x:%lu ", major(s.st_dev), minor(s.st_dev),
           (unsigned long)s.st_ino);
  int const file = (int)NEED(open("/proc/locks", O_RDONLY));
  size_t used = 0;
  for (ssize_t got; (got = read(file, all + used, sizeof all - 1 - used)) > 0;) used += (size_t)got;
  all[used] = 0;
  close(file);
  size_t n = 0;
  for (char* line = strtok(all, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    char const* const at = strstr(line, mine);
    char const* const kind = strchr(line, ' ');
    if (at == NULL || kind == NULL) continue;
    n += (size_t)snprintf(text + n, size - n, "%.*s%s\n", (int)(at - kind - 1), kind + 1,
                          at + strlen(mine));
  }
  text[n] = 0;
  return text;
}

TEST(shown) {
  int const fd = make_file("file", "0123456789");
  char text[4096], wanted[512];
  OK(strcmp(lines_of(fd, text, sizeof text), "") == 0);
  NEED(flock(fd, LOCK_EX));
  snprintf(wanted, sizeof wanted, "FLOCK  ADVISORY  WRITE %d 0 EOF\n", getpid());
  OK(strcmp(lines_of(fd, text, sizeof text), wanted) == 0);
  NEED(flock(fd, LOCK_UN));
  OK(strcmp(lines_of(fd, text, sizeof text), "") == 0);
  struct flock l = {.l_type = F_RDLCK, .l_start = 2, .l_len = 3};
  NEED(fcntl(fd, F_SETLK, &l));
  snprintf(wanted, sizeof wanted, "POSIX  ADVISORY  READ %d 2 4\n", getpid());
  OK(strcmp(lines_of(fd, text, sizeof text), wanted) == 0);
  l.l_type = F_UNLCK;
  NEED(fcntl(fd, F_SETLK, &l));
  struct flock own = {.l_type = F_WRLCK, .l_start = 5};
  NEED(fcntl(fd, F_OFD_SETLK, &own));
  OK(strcmp(lines_of(fd, text, sizeof text), "OFDLCK ADVISORY  WRITE -1 5 EOF\n") == 0);
  // Somebody waits for it.
  pid_t const child = fork();
  if (child == 0) {
    struct flock whole = {.l_type = F_WRLCK};
    _exit(fcntl(fd, F_SETLKW, &whole) == 0 ? 0 : errno);
  }
  snprintf(wanted, sizeof wanted,
           "OFDLCK ADVISORY  WRITE -1 5 EOF\n-> POSIX  ADVISORY  WRITE %d 0 EOF\n", child);
  while (strcmp(lines_of(fd, text, sizeof text), wanted) != 0) usleep(10000);
  own.l_type = F_UNLCK;
  NEED(fcntl(fd, F_OFD_SETLK, &own));
  IS(ktap_status_of(child), 0);
  OK(strcmp(lines_of(fd, text, sizeof text), "") == 0);
}
