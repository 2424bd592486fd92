// Whom a process in a sandbox of landlock(7) still reaches: by looking into it, by signals, and by
// sockets with names that are no files.
#include "ktap.h"
#include "sandbox.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

// --- a process on the other side ------------------------------------------------------------

// It lives until the writing end is closed.
struct other {
  pid_t pid;
  int hold;
};

static int value = 42;
static int holds[16], hold_count;

static struct other start(void (*before)(void)) {
  int hold[2], ready[2];
  NEED(pipe2(hold, O_CLOEXEC));
  NEED(pipe2(ready, O_CLOEXEC));
  pid_t const pid = (pid_t)NEED(fork());
  if (pid == 0) {
    close(hold[1]);
    // Nor keeps it those that were started before.
    while (hold_count > 0) close(holds[--hold_count]);
    if (before != NULL) before();
    char byte;
    (void)!write(ready[1], "", 1);
    (void)!read(hold[0], &byte, 1);
    _exit(0);
  }
  close(hold[0]);
  close(ready[1]);
  char byte;
  NEED(read(ready[0], &byte, 1));
  close(ready[0]);
  holds[hold_count++] = hold[1];
  return (struct other){pid, hold[1]};
}
static void stop(struct other o) {
  close(o.hold);
  ktap_status_of(o.pid);
}

static void nothing(void) {}
static void give_up_reading(void) { give_up(READ_FILE, 0); }
static void give_up_signals(void) { give_up(0, SIGNAL); }
static void give_up_sockets(void) { give_up(0, ABSTRACT_SOCKET); }
static void give_up_reading_twice(void) {
  give_up_reading();
  give_up_reading();
}

// --- looking into another one ---------------------------------------------------------------

static int looks(pid_t pid) {
  int got = 0;
  struct iovec const mine = {&got, sizeof got}, theirs = {&value, sizeof value};
  ssize_t const n = process_vm_readv(pid, &mine, 1, &theirs, 1, 0);
  if (n < 0) return errno;
  return n == sizeof got && got == 42 ? 0 : EIO;
}
static int reads_of(pid_t pid, char const* what) {
  char path[64], text[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, what);
  return readlink(path, text, sizeof text) < 0 ? errno : 0;
}

TEST(looking_in) {
  struct other const outside = start(nothing), inside = start(give_up_reading);
  int const pidfd = (int)NEED(SYS(pidfd_open, outside.pid, 0));
  // From outside everything is seen.
  IS(looks(outside.pid), 0);
  IS(looks(inside.pid), 0);
  give_up(MAKE_SYM, 0);
  IS(looks(getpid()), 0);
  IS(looks(outside.pid), EPERM);
  IS(looks(inside.pid), EPERM);
  IS(reads_of(getpid(), "exe"), 0);
  IS(reads_of(outside.pid, "exe"), EACCES);
  IS(reads_of(outside.pid, "ns/mnt"), EACCES);
  FAILS(SYS(pidfd_getfd, pidfd, 0, 0), EPERM);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/environ", outside.pid);
  IS(opens(path, O_RDONLY), EACCES);
  snprintf(path, sizeof path, "/proc/%d/stat", outside.pid);
  IS(opens(path, O_RDONLY), 0);
  struct other const child = start(nothing), deeper = start(give_up_reading),
                     deepest = start(give_up_reading_twice);
  IS(looks(child.pid), 0);
  IS(looks(deeper.pid), 0);
  IS(looks(deepest.pid), 0);
  // One who has given up more sees those no more.
  give_up(MAKE_SYM, 0);
  IS(looks(child.pid), EPERM);
  IS(looks(deeper.pid), EPERM);
  IS(looks(getpid()), 0);
  stop(child);
  stop(deeper);
  stop(deepest);
  stop(outside);
  stop(inside);
}

// --- signals --------------------------------------------------------------------------------

static int signals(pid_t pid) { return kill(pid, 0) == 0 ? 0 : errno; }

static void* signal_the_first(void* result) {
  // This thread only.
  give_up(0, SIGNAL);
  *(int*)result = SYS(tgkill, getpid(), getpid(), 0) == 0 && kill(getpid(), 0) == 0 ? 0 : errno;
  return NULL;
}

TEST(signals_stay_inside) {
  struct other const outside = start(nothing), inside = start(give_up_signals);
  int const pidfd = (int)NEED(SYS(pidfd_open, outside.pid, 0));
  IS(signals(inside.pid), 0);
  pid_t const parent = getppid();
  give_up(0, SIGNAL);
  IS(signals(getpid()), 0);
  IS(signals(outside.pid), EPERM);
  IS(signals(inside.pid), EPERM);
  IS(signals(parent), EPERM);
  FAILS(kill(outside.pid, SIGKILL), EPERM);
  FAILS(kill(outside.pid, SIGCONT), EPERM);
  FAILS(SYS(tkill, outside.pid, 0), EPERM);
  FAILS(SYS(tgkill, outside.pid, outside.pid, 0), EPERM);
  FAILS(SYS(pidfd_send_signal, pidfd, 0, NULL, 0), EPERM);
  siginfo_t info = {.si_code = SI_QUEUE};
  FAILS(SYS(rt_sigqueueinfo, outside.pid, SIGUSR1, &info), EPERM);
  FAILS(kill(outside.pid, 100), EINVAL);
  FAILS(kill(0x7fffffff, 0), ESRCH);
  struct other const child = start(nothing), deeper = start(give_up_signals);
  IS(signals(child.pid), 0);
  IS(signals(deeper.pid), 0);
  IS(kill(deeper.pid, SIGKILL), 0);
  IS(WTERMSIG(ktap_status_of(deeper.pid)), SIGKILL);
  stop(child);
  stop(outside);
  stop(inside);
}

TEST(signals_to_groups) {
  NEED(setpgid(0, 0));
  struct other const outside = start(nothing);
  // One that may be reached is enough.
  IS(IN_CHILD(give_up(0, SIGNAL); _exit(kill(0, 0) == 0 ? 0 : errno)), 0);
  NEED(setpgid(outside.pid, outside.pid));
  IS(IN_CHILD(give_up(0, SIGNAL); _exit(kill(-outside.pid, 0) == 0 ? 0 : errno)), EXITED(EPERM));
  stop(outside);
}

TEST(the_dead_are_out_of_reach_too) {
  pid_t const dead = (pid_t)NEED(fork());
  if (dead == 0) _exit(0);
  siginfo_t info;
  NEED(waitid(P_PID, (id_t)dead, &info, WEXITED | WNOWAIT));
  IS(IN_CHILD(_exit(signals(dead))), 0);
  IS(IN_CHILD(give_up(0, SIGNAL); _exit(signals(dead))), EXITED(EPERM));
  IS(IN_CHILD(give_up(READ_FILE, 0); _exit(signals(dead))), 0);
  ktap_status_of(dead);
}

TEST(threads_always_reach_each_other) {
  int result = -1;
  pthread_t thread;
  IS(pthread_create(&thread, NULL, signal_the_first, &result), 0);
  pthread_join(thread, NULL);
  IS(result, 0);
  // The others of the process have given up nothing.
  IS(signals(getppid()), 0);
}

TEST(only_what_was_given_up) {
  struct other const outside = start(nothing);
  give_up(READ_FILE, ABSTRACT_SOCKET);
  IS(signals(outside.pid), 0);
  give_up(0, SIGNAL);
  IS(signals(outside.pid), EPERM);
  // A further layer without it changes nothing.
  give_up(READ_DIR, 0);
  IS(signals(outside.pid), EPERM);
  struct other const child = start(nothing);
  IS(signals(child.pid), 0);
  stop(child);
  stop(outside);
}

TEST(a_layer_below_does_not_matter) {
  // Both are in this one; the next one is the child's alone.
  give_up(0, SIGNAL);
  struct other const beside = start(nothing);
  IS(IN_CHILD(_exit(signals(beside.pid))), 0);
  IS(IN_CHILD(give_up(READ_FILE, 0); _exit(signals(beside.pid))), 0);
  IS(IN_CHILD(give_up(0, SIGNAL); _exit(signals(beside.pid))), EXITED(EPERM));
  stop(beside);
}

// --- sockets --------------------------------------------------------------------------------

static socklen_t name_of(struct sockaddr_un* a, char const* name) {
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  // '@' stands for the zero of a name that is no file; the folder makes it this TEST's own.
  int const size =
      name[0] == '@'
          ? snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "%s.%d", name + 1, getpgrp()) + 1
          : snprintf(a->sun_path, sizeof a->sun_path, "%s", name) + 1;
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)size);
}
static int bound(char const* name, int type) {
  struct sockaddr_un a;
  socklen_t const size = name_of(&a, name);
  int const fd = (int)NEED(socket(AF_UNIX, type, 0));
  NEED(bind(fd, (struct sockaddr*)&a, size));
  if (type != SOCK_DGRAM) NEED(listen(fd, 10));
  return fd;
}
static int connect_fd(int fd, char const* name) {
  struct sockaddr_un a;
  socklen_t const size = name_of(&a, name);
  return connect(fd, (struct sockaddr*)&a, size) == 0 ? 0 : errno;
}
static int connects(char const* name, int type) {
  int const fd = (int)NEED(socket(AF_UNIX, type, 0));
  int const r = connect_fd(fd, name);
  close(fd);
  return r;
}
static int sends(int fd, char const* name) {
  struct sockaddr_un a;
  socklen_t const size = name_of(&a, name);
  return sendto(fd, "x", 1, 0, (struct sockaddr*)&a, size) == 1 ? 0 : errno;
}

static void listen_inside(void) {
  bound("@stream", SOCK_STREAM);
  bound("@datagrams", SOCK_DGRAM);
}
static void listen_deeper(void) {
  give_up_sockets();
  bound("@deeper", SOCK_STREAM);
}

TEST(names_that_are_no_files) {
  NEED(setpgid(0, 0));
  bound("@outside stream", SOCK_STREAM);
  bound("@outside packets", SOCK_SEQPACKET);
  bound("@outside datagrams", SOCK_DGRAM);
  bound("stream", SOCK_STREAM);
  bound("datagrams", SOCK_DGRAM);
  int const connected = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  IS(connect_fd(connected, "@outside datagrams"), 0);
  int pair[2];
  NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
  give_up_sockets();
  IS(connects("@outside stream", SOCK_STREAM), EPERM);
  IS(connects("@outside packets", SOCK_SEQPACKET), EPERM);
  IS(connects("@outside datagrams", SOCK_DGRAM), EPERM);
  int const fd = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  IS(sends(fd, "@outside datagrams"), EPERM);
  FAILS(send(fd, "x", 1, 0), ENOTCONN);
  // What is connected stays so.
  IS(send(connected, "x", 1, 0), 1);
  IS(sends(connected, "@outside datagrams"), 0);
  IS(connect_fd(connected, "@outside datagrams"), 0);
  IS(send(pair[0], "x", 1, 0), 1);
  // Files are no names of this kind.
  IS(connects("stream", SOCK_STREAM), 0);
  IS(connects("datagrams", SOCK_DGRAM), 0);
  IS(sends(fd, "datagrams"), 0);
  // What is wrong otherwise is said first.
  IS(connects("@nobody", SOCK_STREAM), ECONNREFUSED);
  IS(sends(fd, "@nobody"), ECONNREFUSED);
  // Inside everybody is reached.
  struct other const child = start(listen_inside), deeper = start(listen_deeper);
  IS(connects("@stream", SOCK_STREAM), 0);
  IS(connects("@datagrams", SOCK_DGRAM), 0);
  IS(sends(fd, "@datagrams"), 0);
  IS(connects("@deeper", SOCK_STREAM), 0);
  give_up_sockets();
  IS(connects("@stream", SOCK_STREAM), EPERM);
  IS(connects("@deeper", SOCK_STREAM), EPERM);
  stop(child);
  stop(deeper);
}

TEST(the_opener_counts) {
  NEED(setpgid(0, 0));
  // Whose the socket is was decided when it was made.
  int const early = (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0));
  give_up_sockets();
  struct sockaddr_un a;
  socklen_t const size = name_of(&a, "@early");
  NEED(bind(early, (struct sockaddr*)&a, size));
  NEED(listen(early, 1));
  IS(connects("@early", SOCK_STREAM), EPERM);
  bound("@late", SOCK_STREAM);
  IS(connects("@late", SOCK_STREAM), 0);
}

TEST(names_given_by_the_kernel) {
  int const outside = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  sa_family_t const family = AF_UNIX;
  NEED(bind(outside, (struct sockaddr const*)&family, sizeof family));
  struct sockaddr_un a;
  socklen_t size = sizeof a;
  NEED(getsockname(outside, (struct sockaddr*)&a, &size));
  give_up_sockets();
  int const fd = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
  FAILS(connect(fd, (struct sockaddr*)&a, size), EPERM);
  FAILS(sendto(fd, "x", 1, 0, (struct sockaddr*)&a, size), EPERM);
}

TEST(sockets_and_other_scopes) {
  NEED(setpgid(0, 0));
  bound("@outside", SOCK_STREAM);
  give_up(READ_FILE, SIGNAL);
  IS(connects("@outside", SOCK_STREAM), 0);
  give_up(READ_FILE, ABSTRACT_SOCKET | SIGNAL);
  IS(connects("@outside", SOCK_STREAM), EPERM);
}
