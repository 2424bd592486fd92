// Descriptors that stand for processes: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2),
// CLONE_PIDFD, waitid(2) with P_PIDFD, process_madvise(2), process_mrelease(2).
#include "ktap.h"

#include <linux/kcmp.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#ifndef P_PIDFD
#  define P_PIDFD 3
#endif
#define PIDFD_THREAD O_EXCL
#define TO_THREAD 1
#define TO_PROCESS 2
#define TO_PROCESS_GROUP 4

static int open_pid(pid_t pid, unsigned flags) { return (int)SYS(pidfd_open, pid, flags); }
static long send_to(int fd, int signal, siginfo_t const* info, unsigned flags) {
  return SYS(pidfd_send_signal, fd, signal, info, flags);
}
static long get_from(int fd, int number) { return SYS(pidfd_getfd, fd, number, 0); }
static long clone_with(struct clone_args* args) { return SYS(clone3, args, sizeof *args); }
static int events_of(int fd, int timeout_ms) {
  struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDNORM};
  NEED(poll(&p, 1, timeout_ms));
  return p.revents;
}
#define ENDED (POLLIN | POLLRDNORM)
#define GONE (POLLIN | POLLRDNORM | POLLHUP)

// Threads, and processes that nobody waits for, may be seen between their end and when they are
// gone.
static int last_events_of(int fd) {
  int events = 0;
  while ((events & POLLHUP) == 0) events = events_of(fd, -1);
  return events;
}

// What Linux does since 6.13 to 7.1.
static bool is_newer(void) {
  struct utsname name;
  int major = 0, minor = 0;
  NEED(uname(&name));
  sscanf(name.release, "%d.%d", &major, &minor);
  return major > 7 || (major == 7 && minor >= 1);
}

// A child that waits to be killed.
static pid_t make_sleeper(void) {
  pid_t const child = fork();
  if (child == 0)
    for (;;) pause();
  return (pid_t)NEED(child);
}
static void end(pid_t child) {
  kill(child, SIGKILL);
  ktap_status_of(child);
}

TEST(open_it) {
  FAILS(open_pid(0, 0), EINVAL);
  FAILS(open_pid(-1, 0), EINVAL);
  FAILS(open_pid(getpid(), 1), EINVAL);
  FAILS(open_pid(getpid(), O_CLOEXEC), EINVAL);
  FAILS(open_pid(4000000, 0), ESRCH);
  pid_t const child = make_sleeper();
  int const fd = (int)WORKS(open_pid(child, 0));
  IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
  IS(fcntl(fd, F_GETFL), O_RDWR);
  int const other = (int)WORKS(open_pid(child, O_NONBLOCK | PIDFD_THREAD));
  IS(fcntl(other, F_GETFL), O_RDWR | O_NONBLOCK | O_EXCL);
  struct stat one, two, mine;
  NEED(fstat(fd, &one));
  NEED(fstat(other, &two));
  NEED(fstat((int)NEED(open_pid(getpid(), 0)), &mine));
  OK(one.st_ino == two.st_ino && one.st_ino != mine.st_ino);
  IS(one.st_mode, 0700);
  char link[64] = "";
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  IS(readlink(path, link, sizeof link), 18);
  OK(strcmp(link, "anon_inode:[pidfd]") == 0);
  char c = 0;
  FAILS(read(fd, &c, 1), EINVAL);
  FAILS(write(fd, &c, 1), EINVAL);
  FAILS(lseek(fd, 0, SEEK_CUR), ESPIPE);
  end(child);
  FAILS(open_pid(child, 0), ESRCH);
}

TEST(polled) {
  pid_t const child = make_sleeper();
  int const fd = (int)NEED(open_pid(child, 0));
  IS(events_of(fd, 0), 0);
  int const epoll = (int)NEED(epoll_create1(0));
  struct epoll_event e = {.events = EPOLLIN | EPOLLET};
  NEED(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e));
  IS(epoll_wait(epoll, &e, 1, 0), 0);
  NEED(kill(child, SIGKILL));
  IS(events_of(fd, -1), ENDED);
  IS(epoll_wait(epoll, &e, 1, -1), 1);
  IS(e.events, EPOLLIN);
  // Still there as long as nobody waited for it.
  IS(events_of(fd, 0), ENDED);
  IS(send_to(fd, 0, NULL, 0), 0);
  IS(IN_CHILD(become_nobody(); _exit(kill(child, 0) == -1 ? errno : 0)), EXITED(EPERM));
  FAILS(get_from(fd, 0), ESRCH);
  int const again = (int)WORKS(open_pid(child, 0));
  IS(ktap_status_of(child), SIGKILL);
  IS(epoll_wait(epoll, &e, 1, -1), 1);
  IS(e.events, EPOLLIN | EPOLLHUP);
  IS(events_of(fd, 0), GONE);
  IS(events_of(again, 0), GONE);
  FAILS(send_to(fd, 0, NULL, 0), ESRCH);
  FAILS(get_from(fd, 0), ESRCH);
}

// A process that waits with poll(2) for nothing but the end of what it cannot wait for.
TEST(polled_by_others) {
  int to_watcher[2];
  NEED(pipe(to_watcher));
  pid_t const child = make_sleeper();
  int const fd = (int)NEED(open_pid(child, 0));
  pid_t const watcher = fork();
  if (watcher == 0) {
    struct pollfd p = {.fd = fd};
    if (write(to_watcher[1], "", 1) != 1 || poll(&p, 1, -1) != 1) _exit(1);
    _exit(p.revents);
  }
  char c;
  NEED(read(to_watcher[0], &c, 1));
  usleep(20000);
  NEED(kill(child, SIGKILL));
  siginfo_t info;
  NEED(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOWAIT));
  usleep(20000);
  IS(waitpid(watcher, NULL, WNOHANG), 0);
  IS(ktap_status_of(child), SIGKILL);
  IS(ktap_status_of(watcher), EXITED(POLLHUP));
}

// SIGCHLD is ignored: the child is never a zombie.
TEST(polled_unwanted) {
  signal(SIGCHLD, SIG_IGN);
  pid_t const child = make_sleeper();
  int const fd = (int)NEED(open_pid(child, 0));
  NEED(kill(child, SIGKILL));
  int const first = events_of(fd, -1);
  OK((first & POLLIN) != 0);
  IS(last_events_of(fd), GONE);
  FAILS(waitpid(child, NULL, 0), ECHILD);
}

static int go[2];
static void* read_in_thread(void* at) {
  char c;
  *(_Atomic pid_t*)at = gettid();
  (void)!read(go[0], &c, 1);
  return NULL;
}

TEST(threads) {
  NEED(pipe(go));
  _Atomic pid_t tid = 0;
  pthread_t thread;
  NEED(pthread_create(&thread, NULL, read_in_thread, (void*)&tid));
  while (tid == 0) sched_yield();
  FAILS(open_pid(tid, 0), is_newer() ? ENOENT : EINVAL);
  int const fd = (int)WORKS(open_pid(tid, PIDFD_THREAD));
  int const process = (int)NEED(open_pid(getpid(), 0));
  IS(events_of(fd, 0), 0);
  IS(send_to(fd, 0, NULL, 0), 0);
  siginfo_t info = {.si_signo = 0};
  FAILS(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
  NEED(write(go[1], "", 1));
  IS(last_events_of(fd), GONE);
  pthread_join(thread, NULL);
  FAILS(send_to(fd, 0, NULL, 0), ESRCH);
  IS(events_of(process, 0), 0);
}

// The first thread ends, and the process goes on.
TEST(without_first_thread) {
  NEED(pipe(go));
  pid_t const child = fork();
  if (child == 0) {
    pthread_t thread;
    static _Atomic pid_t tid;
    pthread_create(&thread, NULL, read_in_thread, (void*)&tid);
    SYS(exit, 3);
  }
  int const fd = (int)NEED(open_pid(child, 0));
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", child);
  do {
    int const stat = (int)NEED(open(path, O_RDONLY));
    text[NEED(read(stat, text, sizeof text - 1))] = 0;
    close(stat);
  } while (strstr(text, ") Z") == NULL && strstr(text, ") S") == NULL);
  IS(events_of(fd, 100), 0);
  IS(send_to(fd, 0, NULL, 0), 0);
  IS(send_to(fd, 0, NULL, TO_THREAD), 0);
  for (unsigned to = 0; to <= TO_THREAD; ++to)
    IS(IN_CHILD(become_nobody(); _exit(send_to(fd, 0, NULL, to) == -1 ? errno : 0)), EXITED(EPERM));
  IS(send_to(fd, SIGKILL, NULL, 0), 0);
  IS(events_of(fd, -1), ENDED);
  IS(ktap_status_of(child), SIGKILL);
  IS(events_of(fd, -1), GONE);
}

static void* exec_in_thread(void* argument) {
  *(_Atomic pid_t*)argument = gettid();
  char c;
  (void)!read(go[0], &c, 1);
  execl("/proc/self/exe", "exe", "nothing at all", NULL);
  return NULL;
}

// Another thread becomes the program, and takes the number of the process over.
TEST(exec_by_another_thread) {
  NEED(pipe2(go, O_CLOEXEC));
  _Atomic pid_t* const tid =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t const child = fork();
  if (child == 0) {
    dup2((int)NEED(open("/dev/null", O_WRONLY)), 1);
    pthread_t thread;
    pthread_create(&thread, NULL, exec_in_thread, (void*)tid);
    for (;;) pause();
  }
  while (*tid == 0) sched_yield();
  int const process = (int)NEED(open_pid(child, 0));
  int const thread = (int)NEED(open_pid(*tid, PIDFD_THREAD));
  NEED(write(go[1], "", 1));
  IS(last_events_of(thread), GONE);
  IS(events_of(process, -1), ENDED);
  IS(ktap_status_of(child), 0);
}

static volatile sig_atomic_t seen_signal, seen_code, seen_pid, seen_value;
static void note(int signal, siginfo_t* info, void* context) {
  (void)context;
  seen_signal = signal;
  seen_code = info->si_code;
  seen_pid = info->si_pid;
  seen_value = info->si_int;
}
static void catch_it(int signal) {
  struct sigaction const a = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
  NEED(sigaction(signal, &a, NULL));
}

TEST(signals) {
  catch_it(SIGUSR1);
  int const me = (int)NEED(open_pid(getpid(), 0));
  IS(send_to(me, SIGUSR1, NULL, 0), 0);
  IS(seen_signal, SIGUSR1);
  IS(seen_code, SI_USER);
  IS(seen_pid, getpid());
  IS(send_to(me, SIGUSR1, NULL, TO_THREAD), 0);
  IS(seen_code, SI_TKILL);
  IS(send_to(me, SIGUSR1, NULL, TO_PROCESS), 0);
  IS(seen_code, SI_USER);
  NEED(setpgid(0, 0));
  IS(send_to(me, SIGUSR1, NULL, TO_PROCESS_GROUP), 0);
  int const thread = (int)NEED(open_pid(getpid(), PIDFD_THREAD));
  IS(send_to(thread, SIGUSR1, NULL, 0), 0);
  IS(seen_code, SI_TKILL);
  FAILS(send_to(me, SIGUSR1, NULL, 8), EINVAL);
  FAILS(send_to(me, SIGUSR1, NULL, TO_THREAD | TO_PROCESS), EINVAL);
  FAILS(send_to(me, 65, NULL, 0), EINVAL);
  FAILS(send_to(closed_descriptor(), 0, NULL, 0), EBADF);
  FAILS(send_to((int)NEED(open("/", O_RDONLY)), 0, NULL, 0), EBADF);
  FAILS(send_to((int)NEED(open("/proc/self", O_PATH)), 0, NULL, 0), EBADF);
  siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
  info.si_pid = 77;
  info.si_int = 78;
  IS(send_to(me, SIGUSR1, &info, 0), 0);
  IS(seen_code, SI_QUEUE);
  IS(seen_pid, 77);
  IS(seen_value, 78);
  info.si_code = SI_USER;
  IS(send_to(me, SIGUSR1, &info, 0), 0);
  FAILS(send_to(me, SIGUSR2, &info, 0), EINVAL);
  FAILS(send_to(me, SIGUSR1, BAD_POINTER, 0), EFAULT);
}

TEST(signals_to_others) {
  pid_t const child = make_sleeper();
  int const fd = (int)NEED(open_pid(child, 0));
  FAILS(send_to(fd, 0, NULL, TO_PROCESS_GROUP), ESRCH);
  siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_USER};
  FAILS(send_to(fd, SIGUSR1, &info, 0), EPERM);
  info.si_code = SI_TKILL;
  FAILS(send_to(fd, SIGUSR1, &info, 0), EPERM);
  IS(IN_CHILD(become_nobody(); _exit(send_to(fd, 0, NULL, 0) == -1 ? errno : 0)), EXITED(EPERM));
  char path[32];
  snprintf(path, sizeof path, "/proc/%d", child);
  int const directory = (int)NEED(open(path, O_RDONLY));
  IS(send_to(directory, 0, NULL, 0), 0);
  strcat(path, "/task");
  FAILS(send_to((int)NEED(open(path, O_RDONLY)), 0, NULL, 0), EBADF);
  IS(send_to(fd, SIGTERM, NULL, TO_THREAD), 0);
  IS(ktap_status_of(child), SIGTERM);
  FAILS(send_to(directory, 0, NULL, 0), ESRCH);
}

TEST(files_of_others) {
  int const number = 77;
  pid_t const child = make_sleeper();
  end(child);
  int ready[2];
  NEED(pipe(ready));
  pid_t const owner = fork();
  if (owner == 0) {
    dup2((int)NEED(open("/dev/zero", O_RDONLY)), number);
    NEED(write(ready[1], "", 1));
    for (;;) pause();
  }
  char c;
  NEED(read(ready[0], &c, 1));
  int const fd = (int)NEED(open_pid(owner, 0));
  int const got = (int)WORKS(get_from(fd, number));
  IS(fcntl(got, F_GETFD), FD_CLOEXEC);
  IS(SYS(kcmp, getpid(), owner, KCMP_FILE, got, number), 0);
  FAILS(get_from(fd, 78), EBADF);
  FAILS(get_from(fd, -1), EBADF);
  FAILS(SYS(pidfd_getfd, fd, number, 1), EINVAL);
  FAILS(get_from(got, 0), EBADF);
  FAILS(get_from(closed_descriptor(), 0), EBADF);
  FAILS(get_from((int)NEED(open("/proc/self", O_RDONLY)), 0), EBADF);
  IS(IN_CHILD(become_nobody(); _exit(get_from(fd, number) == -1 ? errno : 0)), EXITED(EPERM));
  end(owner);
}

TEST(made_by_clone) {
  int fd = -1;
  pid_t child = (pid_t)SYS(clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0);
  if (child == 0) {
    // It is its parent's alone.
    _exit(fcntl(fd, F_GETFD) == -1 && errno == EBADF ? 5 : 1);
  }
  OK(child > 0 && fd >= 0);
  IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
  IS(fcntl(fd, F_GETFL), O_RDWR);
  siginfo_t info = {.si_signo = 0};
  IS(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), 0);
  IS(info.si_pid, child);
  IS(info.si_status, 5);
  IS(events_of(fd, 0), GONE);
  struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&fd, .exit_signal = SIGCHLD};
  child = (pid_t)clone_with(&args);
  if (child == 0) _exit(6);
  IS(ktap_status_of(child), EXITED(6));
  IS(events_of(fd, 0), GONE);
}

TEST(not_made_by_clone) {
  int fd = -1;
  FAILS(SYS(clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &fd, 0, 0), EINVAL);
  FAILS(SYS(clone, CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, 0, &fd, 0, 0), EINVAL);
  struct clone_args args = {.flags = CLONE_PIDFD | CLONE_PARENT_SETTID,
                            .pidfd = (uintptr_t)&fd,
                            .parent_tid = (uintptr_t)&fd,
                            .exit_signal = SIGCHLD};
  FAILS(clone_with(&args), EINVAL);
  args.flags = CLONE_PIDFD;
  args.pidfd = (uintptr_t)BAD_POINTER;
  FAILS(clone_with(&args), EFAULT);
  FAILS(waitpid(-1, NULL, 0), ECHILD);
  int const last = (int)NEED(dup(0));
  close(last);
  struct rlimit few = {.rlim_cur = (rlim_t)last, .rlim_max = (rlim_t)last};
  NEED(setrlimit(RLIMIT_NOFILE, &few));
  args.pidfd = (uintptr_t)&fd;
  FAILS(clone_with(&args), EMFILE);
  FAILS(open_pid(getpid(), 0), EMFILE);
  FAILS(waitpid(-1, NULL, 0), ECHILD);
}

static int run_clone_thread(void* at) {
  (void)!read(go[0], at, 1);
  return 0;
}
TEST(thread_made_by_clone) {
  NEED(pipe(go));
  static char stack[65536] __attribute__((aligned(16)));
  int fd = -1;
  char c;
  int const tid = clone(run_clone_thread, stack + sizeof stack,
                        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                            CLONE_SYSVSEM | CLONE_PIDFD,
                        &c, &fd, NULL, NULL);
  OK(tid > 0 && fd >= 0);
  IS(fcntl(fd, F_GETFL), O_RDWR | O_EXCL);
  IS(events_of(fd, 0), 0);
  NEED(write(go[1], "", 1));
  IS(last_events_of(fd), GONE);
}

TEST(waited_for) {
  siginfo_t info = {.si_signo = 0};
  FAILS(waitid(P_PIDFD, (id_t)-1, &info, WEXITED), EINVAL);
  FAILS(waitid(P_PIDFD, (id_t)closed_descriptor(), &info, WEXITED), EBADF);
  FAILS(waitid(P_PIDFD, (id_t)NEED(open("/", O_RDONLY)), &info, WEXITED), EBADF);
  FAILS(waitid(P_PIDFD, (id_t)NEED(open_pid(getpid(), 0)), &info, WEXITED), ECHILD);
  pid_t const child = make_sleeper(), other = make_sleeper();
  int const fd = (int)NEED(open_pid(child, 0));
  FAILS(waitid(P_PIDFD, (id_t)fd, &info, 0), EINVAL);
  IS(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG), 0);
  IS(info.si_pid, 0);
  NEED(fcntl(fd, F_SETFL, O_NONBLOCK));
  FAILS(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), EAGAIN);
  IS(waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG), 0);
  NEED(kill(other, SIGKILL));
  NEED(waitid(P_PID, (id_t)other, &info, WEXITED | WNOWAIT));
  FAILS(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), EAGAIN);
  NEED(kill(child, SIGSTOP));
  NEED(fcntl(fd, F_SETFL, 0));
  IS(waitid(P_PIDFD, (id_t)fd, &info, WSTOPPED), 0);
  IS(info.si_code, CLD_STOPPED);
  IS(info.si_pid, child);
  NEED(kill(child, SIGKILL));
  IS(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), 0);
  IS(info.si_code, CLD_KILLED);
  FAILS(waitid(P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
  ktap_status_of(other);
}

static void read_info(int fd, char* text, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  int const info = (int)NEED(open(path, O_RDONLY));
  text[NEED(read(info, text, size - 1))] = 0;
  close(info);
}

TEST(shown) {
  pid_t const child = make_sleeper();
  int const fd = (int)NEED(open_pid(child, 0));
  char text[512], wanted[64];
  read_info(fd, text, sizeof text);
  snprintf(wanted, sizeof wanted, "Pid:\t%d\nNSpid:\t%d\n", child, child);
  OK(strstr(text, wanted) != NULL);
  OK(strstr(text, "flags:\t02000002\n") != NULL);
  NEED(kill(child, SIGKILL));
  NEED(waitid(P_PIDFD, (id_t)fd, NULL, WEXITED | WNOWAIT));
  read_info(fd, text, sizeof text);
  OK(strstr(text, wanted) != NULL);
  ktap_status_of(child);
  read_info(fd, text, sizeof text);
  OK(strstr(text, "Pid:\t-1\nNSpid:\t-1\n") != NULL);
}

TEST(advice_for_others) {
  char* const area = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t const child = make_sleeper();
  int const fd = (int)NEED(open_pid(child, 0));
  struct iovec ranges[2] = {{area, 4096}, {area + 4096, 4096}};
  IS(SYS(process_madvise, fd, ranges, 2, MADV_COLD, 0), 8192);
  IS(SYS(process_madvise, fd, ranges, 2, MADV_WILLNEED, 0), 8192);
  FAILS(SYS(process_madvise, fd, ranges, 2, MADV_DONTNEED, 0), EINVAL);
  FAILS(SYS(process_madvise, fd, ranges, 2, MADV_COLD, 1), EINVAL);
  FAILS(SYS(process_madvise, fd, BAD_POINTER, 2, MADV_COLD, 0), EFAULT);
  FAILS(SYS(process_madvise, closed_descriptor(), ranges, 2, MADV_COLD, 0), EBADF);
  ranges[0].iov_base = (char*)area + 1;
  FAILS(SYS(process_madvise, fd, ranges, 2, MADV_COLD, 0), EINVAL);
  ranges[0].iov_base = area;
  NEED(munmap(area, 8192));
  end(child);
  FAILS(SYS(process_madvise, fd, ranges, 2, MADV_COLD, 0), ESRCH);
}

TEST(memory_of_the_dying) {
  pid_t const child = make_sleeper();
  int const fd = (int)NEED(open_pid(child, 0));
  FAILS(SYS(process_mrelease, fd, 1), EINVAL);
  FAILS(SYS(process_mrelease, fd, 0), EINVAL);
  FAILS(SYS(process_mrelease, closed_descriptor(), 0), EBADF);
  NEED(kill(child, SIGSTOP));
  NEED(waitid(P_PIDFD, (id_t)fd, NULL, WSTOPPED));
  NEED(kill(child, SIGKILL));
  long const released = SYS(process_mrelease, fd, 0);
  OK(released == 0 || errno == ESRCH);
  IS(ktap_status_of(child), SIGKILL);
  FAILS(SYS(process_mrelease, fd, 0), ESRCH);
}

// Whatever it is doing just then.
TEST(memory_of_many_dying) {
  int failed = 0;
  for (int i = 0; i < 300; ++i) {
    pid_t const child = fork();
    if (child == 0)
      for (;;) munmap(mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 65536);
    int const fd = (int)NEED(open_pid(child, 0));
    NEED(kill(child, SIGKILL));
    failed += SYS(process_mrelease, fd, 0) != 0 && errno != ESRCH;
    failed += ktap_status_of(child) != SIGKILL;
    close(fd);
  }
  IS(failed, 0);
}
