// Namespaces of processes: CLONE_NEWPID, unshare(2), setns(2), what is seen from where, and the end
// of the first process. pid_namespaces(7).
#include "ktap.h"
#include "mounts.h"

#include <linux/sched.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/un.h>

#define GET_PARENT 0xb702
#define GET_TYPE 0xb703
#define PID_FROM 0x8004b706
#define TGID_FROM 0x8004b707
#define PID_IN 0x8004b708
#define TGID_IN 0x8004b709
#define PIDFD_PID 0xff05

static long new_process(int flags) { return SYS(clone, flags | SIGCHLD, 0, 0, 0, 0); }

// Runs `body` as the first process of a namespace; its exit code.
#define IN_NAMESPACE(...)                                                                          \
  ({                                                                                               \
    pid_t const first_ = (pid_t)new_process(CLONE_NEWPID);                                         \
    if (first_ == 0) {                                                                             \
      __VA_ARGS__;                                                                                 \
      _exit(0);                                                                                    \
    }                                                                                              \
    ktap_status_of(first_);                                                                        \
  })
#define MUST(number, condition)                                                                    \
  if (!(condition)) _exit(number)

static uint64_t number_of(char const* path) {
  struct stat s;
  if (stat(path, &s) != 0) return 0;
  return s.st_ino;
}
static void put_line(char* text, size_t size, char const* path, char const* name) {
  static char all[8192];
  int const file = open(path, O_RDONLY);
  ssize_t const n = read(file, all, sizeof all - 1);
  close(file);
  all[n < 0 ? 0 : n] = 0;
  char* const at = strstr(all, name);
  text[0] = 0;
  if (at == NULL) return;
  *strchr(at, '\n') = 0;
  snprintf(text, size, "%s", at);
}

TEST(numbers) {
  pid_t const outside = getpid();
  IS(IN_NAMESPACE({
       MUST(1, getpid() == 1 && SYS(gettid) == 1);
       MUST(2, getppid() == 0);
       MUST(3, kill(outside, 0) == -1 && errno == ESRCH);
       MUST(4, getsid(0) == 0 && getpgid(0) == 0);
       pid_t const child = fork();
       if (child == 0) _exit(getpid() == 2 && getppid() == 1 ? 7 : 1);
       MUST(5, child == 2);
       int status;
       MUST(6, waitpid(2, &status, 0) == 2 && status == 7 << 8);
       MUST(7, setsid() == 1 && getsid(0) == 1 && getpgid(0) == 1);
       MUST(8, waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
     }),
     0);
  pid_t child = -1;
  pid_t const seen =
      (pid_t)SYS(clone, CLONE_NEWPID | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0,
                 &child, &child, 0);
  if (seen == 0) _exit(child == 1 ? 0 : 1);
  OK(seen > 1 && child == seen);
  siginfo_t info = {.si_signo = 0};
  IS(waitid(P_PID, (id_t)seen, &info, WEXITED), 0);
  OK(info.si_pid == seen && info.si_status == 0);
}

TEST(what_is_wrong) {
  FAILS(SYS(clone, CLONE_NEWPID | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, 0), EINVAL);
  IS(IN_CHILD(become_nobody(); _exit(new_process(CLONE_NEWPID) == -1 ? errno : 0)), EXITED(EPERM));
  IS(IN_CHILD(become_nobody(); _exit(unshare(CLONE_NEWPID) == -1 ? errno : 0)), EXITED(EPERM));
  IS(IN_NAMESPACE(_exit(new_process(CLONE_PARENT) == -1 ? errno : 0)), EXITED(EINVAL));
  // Once only, and no threads any more.
  IS(IN_CHILD({
       MUST(1, unshare(CLONE_NEWPID) == 0);
       MUST(2, unshare(CLONE_NEWPID) == -1 && errno == EINVAL);
       MUST(3, new_process(CLONE_NEWPID) == -1 && errno == EINVAL);
       static char stack[4096];
       MUST(4, SYS(clone, CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, stack + 4096, 0, 0, 0) == -1 &&
                   errno == EINVAL);
     }),
     0);
  // 32 of them, one in the other.
  int depth = 0;
  int const status = IN_CHILD({
    for (;; ++depth) {
      pid_t const child = (pid_t)new_process(CLONE_NEWPID);
      if (child > 0) {
        int s;
        waitpid(child, &s, 0);
        _exit(WEXITSTATUS(s));
      }
      if (child < 0) _exit(errno == ENOSPC ? depth : 255);
    }
  });
  IS(status, EXITED(32));
}

TEST(children_of_another_namespace) {
  IS(IN_CHILD({
       pid_t const me = getpid();
       MUST(1, unshare(CLONE_NEWPID) == 0);
       MUST(2, getpid() == me);
       MUST(3, number_of("/proc/self/ns/pid_for_children") == 0);
       pid_t const first = fork();
       if (first == 0) {
         MUST(10, getpid() == 1 && getppid() == 0);
         pause();
       }
       MUST(4, first > 1 &&
                   number_of("/proc/self/ns/pid_for_children") != number_of("/proc/self/ns/pid"));
       pid_t const second = fork();
       if (second == 0) _exit(getpid());
       int status;
       MUST(5, waitpid(second, &status, 0) == second && status == 2 << 8);
       MUST(6, kill(first, SIGKILL) == 0 && waitpid(first, &status, 0) == first);
       MUST(8, number_of("/proc/self/ns/pid_for_children") != 0);
       // Its first process has ended.
       MUST(7, fork() == -1 && errno == ENOMEM);
     }),
     0);
}

static volatile sig_atomic_t sender = -1;
static void note(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  sender = info->si_pid;
}

// What does not reach the first process from inside does from outside.
TEST(signals) {
  int ready[2], said[2];
  NEED(pipe(ready));
  NEED(pipe(said));
  pid_t const first = (pid_t)new_process(CLONE_NEWPID);
  if (first == 0) {
    struct sigaction const a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &a, NULL);
    MUST(1, kill(1, SIGKILL) == 0 && kill(1, SIGTERM) == 0 && kill(1, SIGSTOP) == 0);
    pid_t const child = fork();
    if (child == 0) _exit(kill(1, SIGKILL) == 0 && kill(1, SIGUSR1) == 0 ? 0 : 1);
    int status;
    while (waitpid(child, &status, 0) < 0) {}
    MUST(2, status == 0 && sender == 2);
    sender = -1;
    MUST(3, write(ready[1], "", 1) == 1);
    while (sender == -1) pause();
    MUST(4, sender == 0 && write(said[1], "", 1) == 1);
    for (;;) pause();
  }
  char c;
  NEED(read(ready[0], &c, 1));
  NEED(kill(first, SIGTERM));
  NEED(kill(first, SIGUSR1));
  IS(read(said[0], &c, 1), 1);
  NEED(kill(first, SIGSTOP));
  int status;
  IS(waitpid(first, &status, WUNTRACED), first);
  OK(WIFSTOPPED(status));
  NEED(kill(first, SIGCONT));
  NEED(kill(first, SIGKILL));
  IS(ktap_status_of(first), SIGKILL);
}

// All others end with the first one, which waits for them.
TEST(the_end) {
  int alive[2];
  NEED(pipe(alive));
  IS(IN_NAMESPACE({
       close(alive[0]);
       for (int i = 0; i < 20; ++i) {
         pid_t const child = fork();
         if (child != 0) continue;
         // Orphans, ones that ignore everything, and ones in namespaces of their own.
         if (i % 4 == 1 && fork() != 0) _exit(0);
         if (i % 4 == 2) {
           for (int s = 1; s < 32; ++s) signal(s, SIG_IGN);
           setsid();
         }
         if (i % 4 == 3 && new_process(CLONE_NEWPID) == 0) fork();
         for (;;) pause();
       }
       _exit(9);
     }),
     EXITED(9));
  close(alive[1]);
  char c;
  // Nobody holds the other end any more.
  IS(read(alive[0], &c, 1), 0);
}

TEST(orphans) {
  NEED(prctl(PR_SET_CHILD_SUBREAPER, 1));
  IS(IN_NAMESPACE({
       pid_t const child = fork();
       if (child == 0) {
         if (fork() == 0) {
           while (getppid() == 2) usleep(1000);
           _exit(getppid() == 1 ? 5 : 6);
         }
         _exit(0);
       }
       int status;
       MUST(1, waitpid(2, &status, 0) == 2 && status == 0);
       MUST(2, waitpid(3, &status, 0) == 3 && status == 5 << 8);
     }),
     0);
  FAILS(waitpid(-1, NULL, 0), ECHILD);
}

TEST(proc) {
  be_alone();
  NEED(mkdir("proc", 0755));
  char outside[64];
  snprintf(outside, sizeof outside, "/proc/%d", getpid());
  IS(IN_NAMESPACE({
       // That of above shows nobody by that number.
       char text[64], wanted[64];
       MUST(1, readlink("/proc/self", text, sizeof text) > 0);
       MUST(2, mount("none", "proc", "proc", 0, NULL) == 0);
       MUST(3, exists("proc/1") && !exists("proc/2"));
       memset(text, 0, sizeof text);
       MUST(4, readlink("proc/self", text, sizeof text) == 1 && text[0] == '1');
       put_line(text, sizeof text, "proc/self/status", "NSpid:");
       MUST(5, strcmp(text, "NSpid:\t1") == 0);
       put_line(text, sizeof text, "proc/self/status", "PPid:");
       MUST(6, strcmp(text, "PPid:\t0") == 0);
       put_line(text, sizeof text, "/proc/self/status", "NSpid:");
       char number[16];
       memset(number, 0, sizeof number);
       MUST(7, readlink("/proc/self", number, sizeof number - 1) > 0);
       snprintf(wanted, sizeof wanted, "NSpid:\t%s\t1", number);
       MUST(8, strcmp(text, wanted) == 0);
       pid_t const child = fork();
       if (child == 0)
         for (;;) pause();
       MUST(9, exists("proc/2/stat") && !exists("proc/3"));
       // A namespace further in does not see this one's proc.
       pid_t const inner = (pid_t)new_process(CLONE_NEWPID);
       if (inner == 0) {
         MUST(20, readlink("proc/self", text, sizeof text) == 1 && text[0] == '3');
         MUST(21, unshare(CLONE_NEWNS) == 0 && mount("none", "proc", "proc", 0, NULL) == 0);
         MUST(22, readlink("proc/self", text, sizeof text) == 1 && text[0] == '1');
         _exit(0);
       }
       int status;
       MUST(10, waitpid(inner, &status, 0) == inner && status == 0);
       MUST(11, umount2("proc", MNT_DETACH) == 0);
     }),
     0);
  // One's own is not there in a namespace further in.
  NEED(mount("none", "proc", "proc", 0, NULL));
  OK(exists("proc/self/stat"));
}

TEST(files) {
  char link[64] = "";
  NEED(readlink("/proc/self/ns/pid", link, sizeof link - 1));
  OK(strncmp(link, "pid:[", 5) == 0);
  int const mine = (int)NEED(open("/proc/self/ns/pid", O_RDONLY));
  IS(ioctl(mine, GET_TYPE), CLONE_NEWPID);
  FAILS(ioctl(mine, GET_PARENT), EPERM);
  IS(ioctl(mine, PID_FROM, getpid()), getpid());
  FAILS(ioctl(mine, PID_FROM, 4000000), ESRCH);
  int ready[2];
  NEED(pipe(ready));
  pid_t const first = (pid_t)new_process(CLONE_NEWPID);
  if (first == 0) {
    if (fork() == 0)
      for (;;) pause();
    (void)!write(ready[1], "", 1);
    for (;;) pause();
  }
  char c, path[64];
  NEED(read(ready[0], &c, 1));
  snprintf(path, sizeof path, "/proc/%d/ns/pid", first);
  int const theirs = (int)NEED(open(path, O_RDONLY));
  int const above = (int)WORKS(ioctl(theirs, GET_PARENT));
  struct stat one, two;
  NEED(fstat(above, &one));
  NEED(fstat(mine, &two));
  OK(one.st_ino == two.st_ino);
  IS(ioctl(theirs, PID_FROM, 1), first);
  IS(ioctl(theirs, TGID_FROM, 1), first);
  IS(ioctl(theirs, PID_IN, first), 1);
  IS(ioctl(theirs, TGID_IN, first), 1);
  FAILS(ioctl(theirs, PID_IN, getpid()), ESRCH);
  FAILS(ioctl(theirs, PID_FROM, 3), ESRCH);
  int const fd = (int)NEED(SYS(pidfd_open, first, 0));
  int const by_pidfd = (int)WORKS(ioctl(fd, PIDFD_PID, 0));
  NEED(fstat(by_pidfd, &one));
  NEED(fstat(theirs, &two));
  OK(one.st_ino == two.st_ino);
  char text[256], wanted[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  put_line(text, sizeof text, path, "NSpid:");
  snprintf(wanted, sizeof wanted, "NSpid:\t%d\t1", first);
  OK(strcmp(text, wanted) == 0);
  // Into it.
  FAILS(setns(theirs, CLONE_NEWNS), EINVAL);
  IS(IN_CHILD({
       MUST(1, setns(theirs, CLONE_NEWPID) == 0);
       pid_t const child = fork();
       if (child == 0) _exit(getpid() == 3 && getppid() == 0 && kill(1, 0) == 0 ? 4 : 1);
       int status;
       MUST(2, waitpid(child, &status, 0) == child && status == 4 << 8);
       // And back.
       MUST(3, setns(mine, 0) == 0 && fork() >= 0);
     }),
     0);
  IS(IN_CHILD(MUST(1, setns(fd, CLONE_NEWPID | CLONE_NEWNS) == 0); pid_t const child = fork();
              if (child == 0) _exit(getpid() == 4 ? 4 : 1); int status; waitpid(child, &status, 0);
              _exit(status == 4 << 8 ? 0 : 2)),
     0);
  // Never out of what one is in.
  int pair[2];
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  IS(IN_NAMESPACE(_exit(setns(mine, CLONE_NEWPID) == -1 ? errno : 0)), EXITED(EINVAL));
  NEED(kill(first, SIGKILL));
  ktap_status_of(first);
  IS(IN_CHILD(MUST(1, setns(theirs, 0) == 0); _exit(fork() == -1 ? errno : 0)), EXITED(ENOMEM));
}

static pid_t sender_of_message(int fd) {
  char c, control[CMSG_SPACE(sizeof(struct ucred))];
  struct iovec v = {&c, 1};
  struct msghdr m = {
      .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(fd, &m, 0) != 1 || m.msg_controllen == 0) return -1;
  struct ucred u;
  memcpy(&u, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof u);
  return u.pid;
}

TEST(credentials) {
  int pair[2], on = 1;
  NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  NEED(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  NEED(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  pid_t const first = (pid_t)new_process(CLONE_NEWPID);
  if (first == 0) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    MUST(1, write(pair[1], "x", 1) == 1);
    MUST(2, sender_of_message(pair[1]) == 0);
    MUST(3, getsockopt(pair[1], SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == 0);
    _exit(0);
  }
  IS(sender_of_message(pair[0]), first);
  NEED(write(pair[0], "y", 1));
  IS(ktap_status_of(first), 0);
}

TEST(locks) {
  int const fd = make_file("file", "");
  struct flock l = {.l_type = F_WRLCK};
  NEED(fcntl(fd, F_SETLK, &l));
  IS(IN_NAMESPACE({
       struct flock seen = {.l_type = F_WRLCK};
       MUST(1, fcntl(fd, F_GETLK, &seen) == 0 && seen.l_type == F_WRLCK && seen.l_pid == 0);
     }),
     0);
}

TEST(kill_all) {
  IS(IN_NAMESPACE({
       pid_t const child = fork();
       if (child == 0)
         for (;;) pause();
       MUST(1, kill(-1, SIGKILL) == 0);
       int status;
       MUST(2, waitpid(child, &status, 0) == child && status == SIGKILL);
     }),
     0);
}

static void* wait_for_ever(void* nothing) {
  for (;;) pause();
  return nothing;
}

// However its threads end, nobody gets out.
TEST(nobody_escapes) {
  NEED(prctl(PR_SET_CHILD_SUBREAPER, 1));
  int failed = 0;
  for (int i = 0; i < 50; ++i) {
    int ready[2];
    NEED(pipe(ready));
    pid_t const first = (pid_t)new_process(CLONE_NEWPID);
    if (first == 0) {
      pthread_t threads[3];
      for (int t = 0; t < 3; ++t) pthread_create(&threads[t], NULL, wait_for_ever, NULL);
      for (int c = 0; c < 5; ++c)
        if (fork() == 0) wait_for_ever(NULL);
      (void)!write(ready[1], "", 1);
      if (i % 2 == 0) _exit(SIGKILL);
      wait_for_ever(NULL);
    }
    char c;
    NEED(read(ready[0], &c, 1));
    if (i % 2 == 1) NEED(kill(first, SIGKILL));
    int const status = ktap_status_of(first);
    failed += status != (i % 2 == 0 ? EXITED(SIGKILL) : SIGKILL);
    close(ready[0]);
    close(ready[1]);
  }
  IS(failed, 0);
  FAILS(waitpid(-1, NULL, WNOHANG), ECHILD);
}

TEST(rebooted) {
  IS(IN_NAMESPACE(reboot(RB_AUTOBOOT)), SIGHUP);
  IS(IN_NAMESPACE(reboot(RB_POWER_OFF)), SIGINT);
  IS(IN_NAMESPACE(if (fork() == 0) reboot(RB_HALT_SYSTEM); for (;;) pause()), SIGINT);
  IS(IN_NAMESPACE(_exit(reboot(RB_ENABLE_CAD) == -1 ? errno : 0)), EXITED(EINVAL));
}

TEST(after_the_end) {
  IS(IN_NAMESPACE({
       int pair[2];
       int on = 1;
       MUST(1, socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
       MUST(2, setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
       pid_t const child = fork();
       if (child == 0) _exit(write(pair[1], "x", 1) == 1 ? 0 : 1);
       int status;
       MUST(3, waitpid(child, &status, 0) == child && status == 0);
       MUST(4, sender_of_message(pair[0]) == child);
     }),
     0);
  pid_t const zombie = fork();
  if (zombie == 0) _exit(0);
  siginfo_t info;
  NEED(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT));
  int const mine = (int)NEED(open("/proc/self/ns/pid", O_RDONLY));
  IS(ioctl(mine, PID_FROM, zombie), zombie);
  IS(ioctl(mine, TGID_FROM, zombie), zombie);
  ktap_status_of(zombie);
  FAILS(ioctl(mine, PID_FROM, zombie), ESRCH);
}

// The proc of a namespace shows those who look from above nothing of themselves.
TEST(proc_from_above) {
  be_alone();
  NEED(mkdir("proc", 0755));
  int ready[2];
  NEED(pipe(ready));
  pid_t const first = (pid_t)new_process(CLONE_NEWPID);
  if (first == 0) {
    if (mount("none", "proc", "proc", 0, NULL) == 0) (void)!write(ready[1], "", 1);
    for (;;) pause();
  }
  char c, text[64];
  NEED(read(ready[0], &c, 1));
  OK(exists("proc/1/stat"));
  FAILS(readlink("proc/self", text, sizeof text), ENOENT);
  FAILS(readlink("proc/thread-self", text, sizeof text), ENOENT);
  FAILS(open("proc/self/stat", O_RDONLY), ENOENT);
  NEED(kill(first, SIGKILL));
  ktap_status_of(first);
  // Nobody is there any more.
  OK(!exists("proc/1"));
  OK(exists("proc/uptime"));
}

// Come and go.
TEST(many) {
  int failed = 0;
  for (int i = 0; i < 200; ++i)
    failed += IN_NAMESPACE({
                if (fork() == 0)
                  for (;;) pause();
                _exit(3);
              }) != EXITED(3);
  IS(failed, 0);
}
