// What threads share: kcmp(2).
#include "ktap.h"

#include <linux/kcmp.h>
#include <sys/epoll.h>

static long compare(pid_t a, pid_t b, int kind, unsigned long x, unsigned long y) {
  return SYS(kcmp, a, b, kind, x, y);
}
static int ready[2], go[2];

// A child that shares what the flags of clone(2) say, and waits to be killed.
static pid_t make_child(int flags) {
  pid_t const child = (pid_t)SYS(clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    (void)!write(ready[1], "x", 1);
    for (;;) pause();
  }
  char c;
  NEED(read(ready[0], &c, 1));
  return child;
}
static void end(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

TEST(files) {
  NEED(pipe(ready));
  pid_t const me = getpid();
  int const fd = make_file("f", ""), same = (int)NEED(dup(fd));
  int const other = (int)NEED(open("f", O_RDONLY));
  IS(compare(me, me, KCMP_FILE, (unsigned long)fd, (unsigned long)same), 0);
  long const one = compare(me, me, KCMP_FILE, (unsigned long)fd, (unsigned long)other);
  long const two = compare(me, me, KCMP_FILE, (unsigned long)other, (unsigned long)fd);
  OK((one == 1 && two == 2) || (one == 2 && two == 1));
  FAILS(compare(me, me, KCMP_FILE, (unsigned long)fd, 999), EBADF);
  FAILS(compare(me, me, KCMP_FILE, 999, (unsigned long)fd), EBADF);
  pid_t const child = make_child(0);
  IS(compare(me, child, KCMP_FILE, (unsigned long)fd, (unsigned long)fd), 0);
  IS(compare(child, me, KCMP_FILE, (unsigned long)fd, (unsigned long)same), 0);
  OK(compare(me, child, KCMP_FILE, (unsigned long)fd, (unsigned long)other) > 0);
  end(child);
}

TEST(tables) {
  NEED(pipe(ready));
  pid_t const me = getpid();
  static int const kinds[] = {KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND};
  for (int i = 0; i < 4; ++i) IS(compare(me, me, kinds[i], 0, 0), 0);
  pid_t child = make_child(0);
  for (int i = 0; i < 4; ++i) OK(compare(me, child, kinds[i], 0, 0) > 0);
  IS(compare(me, child, KCMP_IO, 0, 0), 0);
  end(child);
  child = make_child(CLONE_FILES);
  IS(compare(me, child, KCMP_FILES, 0, 0), 0);
  OK(compare(me, child, KCMP_FS, 0, 0) > 0);
  end(child);
  child = make_child(CLONE_FS);
  IS(compare(me, child, KCMP_FS, 0, 0), 0);
  OK(compare(me, child, KCMP_VM, 0, 0) > 0);
  end(child);
}

TEST(watched) {
  pid_t const me = getpid();
  int const epoll = (int)NEED(epoll_create1(0));
  NEED(pipe(go));
  struct epoll_event e = {.events = EPOLLIN};
  NEED(epoll_ctl(epoll, EPOLL_CTL_ADD, go[0], &e));
  struct kcmp_epoll_slot slot = {.efd = (unsigned)epoll, .tfd = (unsigned)go[0], .toff = 0};
  unsigned long const at = (unsigned long)&slot;
  IS(compare(me, me, KCMP_EPOLL_TFD, (unsigned long)go[0], at), 0);
  OK(compare(me, me, KCMP_EPOLL_TFD, (unsigned long)go[1], at) > 0);
  slot.toff = 1;
  FAILS(compare(me, me, KCMP_EPOLL_TFD, (unsigned long)go[0], at), ENOENT);
  // The same number, another file: both are watched.
  int const kept = (int)NEED(dup(go[0]));
  int const number = go[0];
  NEED(pipe(ready));
  NEED(dup2(ready[0], number));
  NEED(epoll_ctl(epoll, EPOLL_CTL_ADD, number, &e));
  int found = 0;
  for (slot.toff = 0; slot.toff < 2; ++slot.toff)
    found += compare(me, me, KCMP_EPOLL_TFD, (unsigned long)kept, at) == 0;
  IS(found, 1);
  slot.toff = 2;
  FAILS(compare(me, me, KCMP_EPOLL_TFD, (unsigned long)kept, at), ENOENT);
  slot.efd = (unsigned)kept;
  FAILS(compare(me, me, KCMP_EPOLL_TFD, (unsigned long)kept, at), EINVAL);
  slot.efd = 999;
  FAILS(compare(me, me, KCMP_EPOLL_TFD, (unsigned long)kept, at), EBADF);
  FAILS(compare(me, me, KCMP_EPOLL_TFD, (unsigned long)kept, (unsigned long)BAD_POINTER), EFAULT);
}

TEST(refused) {
  pid_t const me = getpid();
  FAILS(compare(me, me, 8, 0, 0), EINVAL);
  FAILS(compare(me, me, -1, 0, 0), EINVAL);
  FAILS(compare(me, 0x3fffffff, KCMP_VM, 0, 0), ESRCH);
  FAILS(compare(0, me, KCMP_VM, 0, 0), ESRCH);
  NEED(setresuid(NOBODY, NOBODY, NOBODY));
  FAILS(compare(me, 1, KCMP_VM, 0, 0), EPERM);
  FAILS(compare(1, me, 8, 0, 0), EPERM);
}
