// Processes: identities, birth, programs, ends and waiting for them, groups and sessions.
#include "ktap.h"

#include <linux/sched.h>
#include <sys/prctl.h>

extern char** environ;

static void do_nothing(int number) { (void)number; }

TEST(identities) {
  OK(getpid() > 0);
  OK(SYS(getpid) == getpid());
  OK(SYS(gettid) == getpid());
  OK(getppid() > 0);
  IS(SYS(getuid), 0);
  IS(SYS(geteuid), 0);
  IS(SYS(getgid), 0);
  IS(SYS(getegid), 0);
  pid_t const parent = getpid();
  IS(IN_CHILD(_exit(getppid() == parent && getpid() != parent ? 0 : 1)), 0);
}

TEST(forking) {
  static int value = 1;
  int const file = make_file("file", "");
  pid_t const child = (pid_t)SYS(fork);
  if (child == 0) {
    value = 2;
    close(file);
    chdir("/");
    umask(0);
    _exit(42);
  }
  OK(child > 0);
  int status = 0;
  IS(waitpid(child, &status, 0) == child, 1);
  IS(status, EXITED(42));
  IS(value, 1);
  IS(umask(022), 022);
  WORKS(close(file));
  WORKS(access("file", F_OK));
}

TEST(vforking) {
  static int volatile value = 1;
  pid_t const child = vfork();
  if (child == 0) {
    value = 2;
    _exit(7);
  }
  // The memory is shared, and the parent waits.
  IS(value, 2);
  IS(ktap_status_of(child), EXITED(7));
}

static int set_and_end(void* value) {
  *(int volatile*)value = 5;
  return 9;
}

TEST(cloning) {
  static char stack[65536] __attribute__((aligned(16)));
  int volatile value = 1;
  int status = 0;
  pid_t child = clone(set_and_end, stack + sizeof stack, SIGCHLD, (void*)&value);
  OK(child > 0);
  IS(ktap_status_of(child), EXITED(9));
  IS(value, 1);
  child = clone(set_and_end, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, (void*)&value);
  IS(value, 5);
  IS(ktap_status_of(child), EXITED(9));
  // Without a signal for its end it is only waited for if asked by name.
  child = clone(set_and_end, stack + sizeof stack, 0, (void*)&value);
  FAILS(waitpid(-1, &status, 0), ECHILD);
  OK(waitpid(child, &status, __WCLONE) == child);
  FAILS(SYS(clone, CLONE_THREAD, 0, 0, 0, 0), EINVAL);
  FAILS(SYS(clone, CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
  FAILS(SYS(clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0), EINVAL);
}

TEST(clone_shares_files) {
  int const file = make_file("file", "");
  int status = 0;
  pid_t const child = (pid_t)SYS(clone, CLONE_FILES | CLONE_FS | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    close(file);
    chdir("/tmp");
    _exit(0);
  }
  OK(waitpid(child, &status, 0) == child);
  FAILS(fcntl(file, F_GETFD), EBADF);
  char path[PATH_MAX];
  IS(strcmp(getcwd(path, sizeof path), "/tmp"), 0);
}

TEST(clone_tells_numbers) {
  pid_t parent_copy = 0;
  pid_t* const shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t const child = (pid_t)SYS(clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0,
                                 &parent_copy, shared, 0);
  if (child == 0) _exit(*shared == getpid() ? 0 : 1);
  OK(parent_copy == child);
  IS(ktap_status_of(child), 0);
}

TEST(executing) {
  char* const arguments[] = {"true", NULL};
  FAILS(execve("missing", arguments, environ), ENOENT);
  FAILS(execve("", arguments, environ), ENOENT);
  FAILS(execve("/", arguments, environ), EACCES);
  close(make_file("plain", "#!/bin/sh\n"));
  FAILS(execve("plain", arguments, environ), EACCES);
  FAILS(execve("plain/x", arguments, environ), ENOTDIR);
  NEED(chmod("plain", 0755));
  close(make_file("empty", ""));
  NEED(chmod("empty", 0755));
  FAILS(execve("empty", arguments, environ), ENOEXEC);
  close(make_file("nonsense", "this is no program at all, whatever its mode says"));
  NEED(chmod("nonsense", 0755));
  FAILS(execve("nonsense", arguments, environ), ENOEXEC);
  close(make_file("orphan", "#!/no/such/interpreter\n"));
  NEED(chmod("orphan", 0755));
  FAILS(execve("orphan", arguments, environ), ENOENT);
  FAILS(execve(BAD_POINTER, arguments, environ), EFAULT);
  FAILS(execve("/bin/busybox", BAD_POINTER, environ), EFAULT);
}

// Runs a program with its output in a pipe.
static int run_program(char const* path, char* const arguments[], char* const variables[],
                       char* output, size_t size) {
  int ends[2];
  NEED(pipe(ends));
  pid_t const child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    close(ends[0]);
    close(ends[1]);
    execve(path, arguments, variables);
    _exit(99);
  }
  close(ends[1]);
  size_t at = 0;
  for (ssize_t got; (got = read(ends[0], output + at, size - 1 - at)) > 0;) at += (size_t)got;
  output[at] = 0;
  close(ends[0]);
  return ktap_status_of(child);
}

TEST(program_sees_arguments) {
  char output[256];
  char* const arguments[] = {"printf", "%s|%s\n", "a b", "", NULL};
  char* const variables[] = {"ONE=1", "TWO=two", NULL};
  char* const env[] = {"env", NULL};
  IS(run_program("/bin/busybox", arguments, variables, output, sizeof output), 0);
  IS(strcmp(output, "a b|\n"), 0);
  IS(run_program("/bin/busybox", env, variables, output, sizeof output), 0);
  IS(strcmp(output, "ONE=1\nTWO=two\n"), 0);
}

TEST(script) {
  char output[256];
  char* const arguments[] = {"ignored", "more", NULL};
  close(make_file("script", "#! /bin/echo  word other \nnever read\n"));
  NEED(chmod("script", 0755));
  IS(run_program("./script", arguments, environ, output, sizeof output), 0);
  IS(strcmp(output, "word other ./script more\n"), 0);
}

// Handlers go, ignored signals and the mask stay: a shell that sends itself three signals tells.
TEST(executing_changes_little) {
  char output[512];
  char* const arguments[] = {"sh", "-c", "kill -USR1 $$; kill -TERM $$; echo alive; kill -USR2 $$",
                             NULL};
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, do_nothing);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  NEED(sigprocmask(SIG_BLOCK, &mask, NULL));
  IS(run_program("/bin/busybox", arguments, environ, output, sizeof output), SIGUSR2);
  IS(strcmp(output, "alive\n"), 0);
}

TEST(close_on_exec) {
  char output[64];
  int const kept = (int)NEED(open("/dev/null", O_RDONLY));
  int const closed = (int)NEED(open("/dev/null", O_RDONLY | O_CLOEXEC));
  NEED(dup2(kept, 50));
  NEED(dup3(closed, 51, O_CLOEXEC));
  char* const arguments[] = {
      "sh", "-c", "(: <&50) 2>/dev/null && echo open; (: <&51) 2>/dev/null || echo shut", NULL};
  IS(run_program("/bin/busybox", arguments, environ, output, sizeof output), 0);
  IS(strcmp(output, "open\nshut\n"), 0);
}

TEST(large_arguments) {
  char output[64];
  enum { count = 1000, size = 100 };
  static char* arguments[count + 5] = {"sh", "-c", "echo $#", "x"};
  for (int i = 0; i < count; ++i) {
    arguments[4 + i] = malloc(size);
    memset(arguments[4 + i], 'a', size);
    arguments[4 + i][size - 1] = 0;
  }
  IS(run_program("/bin/busybox", arguments, environ, output, sizeof output), 0);
  IS(strcmp(output, "1000\n"), 0);
  char* const huge = malloc(132000);
  memset(huge, 'a', 131999);
  huge[131999] = 0;
  char* const too_large[] = {"true", huge, NULL};
  FAILS(execve("/bin/busybox", too_large, environ), E2BIG);
}

TEST(waiting) {
  int status;
  FAILS(waitpid(-1, &status, 0), ECHILD);
  FAILS(waitpid(1 << 22, &status, 0), ECHILD);
  FAILS(waitpid(getpid(), &status, 0), ECHILD);
  FAILS(waitpid(-1, &status, 0x100), EINVAL);
  int ends[2];
  NEED(pipe(ends));
  pid_t const child = fork();
  if (child == 0) {
    char byte;
    _exit((int)read(ends[0], &byte, 1) + 2);
  }
  IS(waitpid(child, &status, WNOHANG), 0);
  FAILS(waitpid(-getpgrp() - 1000, &status, WNOHANG), ECHILD);
  NEED(write(ends[1], "x", 1));
  struct rusage usage = {0};
  OK(SYS(wait4, child, &status, 0, &usage) == child);
  IS(status, EXITED(3));
  OK(usage.ru_utime.tv_sec >= 0);
  FAILS(waitpid(child, &status, 0), ECHILD);
  pid_t const last = fork();
  if (last == 0) _exit(0);
  siginfo_t info;
  NEED(waitid(P_PID, (id_t)last, &info, WEXITED | WNOWAIT));
  FAILS(waitpid(last, BAD_POINTER, 0), EFAULT);
}

TEST(waiting_by_id) {
  siginfo_t info;
  pid_t const child = fork();
  if (child == 0) _exit(5);
  IS(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
  OK(info.si_pid == child);
  IS(info.si_signo, SIGCHLD);
  IS(info.si_code, CLD_EXITED);
  IS(info.si_status, 5);
  IS(waitid(P_ALL, 0, &info, WEXITED), 0);
  FAILS(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
  FAILS(waitid(P_PID, (id_t)child, &info, 0), EINVAL);
  FAILS(waitid(99, 0, &info, WEXITED), EINVAL);
  pid_t const killed = fork();
  if (killed == 0)
    for (;;) pause();
  info.si_pid = 77;
  IS(waitid(P_PID, (id_t)killed, &info, WEXITED | WNOHANG), 0);
  IS(info.si_pid, 0);
  NEED(kill(killed, SIGKILL));
  IS(waitid(P_PGID, 0, &info, WEXITED), 0);
  IS(info.si_code, CLD_KILLED);
  IS(info.si_status, SIGKILL);
}

TEST(stopping_and_continuing) {
  int status;
  pid_t const child = fork();
  if (child == 0)
    for (;;) pause();
  NEED(kill(child, SIGSTOP));
  OK(waitpid(child, &status, WUNTRACED) == child);
  OK(WIFSTOPPED(status));
  IS(WSTOPSIG(status), SIGSTOP);
  IS(waitpid(child, &status, WUNTRACED | WNOHANG), 0);
  NEED(kill(child, SIGCONT));
  OK(waitpid(child, &status, WCONTINUED) == child);
  OK(WIFCONTINUED(status));
  NEED(kill(child, SIGTERM));
  OK(waitpid(child, &status, 0) == child);
  IS(status, SIGTERM);
}

TEST(orphan) {
  int ends[2];
  pid_t numbers[2];
  NEED(pipe(ends));
  NEED(IN_CHILD({
    pid_t const middle = getpid();
    if (fork() == 0) {
      // Until the parent is gone.
      while (getppid() == middle) sched_yield();
      pid_t const found[2] = {middle, getppid()};
      (void)!write(ends[1], found, sizeof found);
    }
  }));
  IS(read(ends[0], numbers, sizeof numbers), sizeof numbers);
  IS(numbers[1], 1);
}

TEST(ignored_children_vanish) {
  int status;
  signal(SIGCHLD, SIG_IGN);
  pid_t const child = fork();
  if (child == 0) _exit(1);
  FAILS(waitpid(child, &status, 0), ECHILD);
}

TEST(endings) {
  IS(IN_CHILD(_exit(0x1234)), EXITED(0x34));
  IS(IN_CHILD(SYS(exit_group, 3)), EXITED(3));
  IS(IN_CHILD(SYS(exit, 4)), EXITED(4));
  IS(IN_CHILD(raise(SIGKILL)), SIGKILL);
  NEED(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
  IS(IN_CHILD(abort()) & 0x7f, SIGABRT);
  IS(IN_CHILD(*(int volatile*)8 = 1) & 0x7f, SIGSEGV);
  IS(IN_CHILD(__asm__ volatile("ud2")) & 0x7f, SIGILL);
}

TEST(groups) {
  OK(SYS(getpgid, 0) == getpgrp());
  OK(SYS(getpgrp) == getpgrp());
  WORKS(setpgid(0, 0));
  OK(getpgrp() == getpid());
  FAILS(getpgid(1 << 22), ESRCH);
  FAILS(setpgid(0, -1), EINVAL);
  FAILS(setpgid(1 << 22, 0), ESRCH);
  FAILS(setpgid(0, 1 << 22), EPERM);
  int ends[2];
  NEED(pipe(ends));
  pid_t const child = fork();
  if (child == 0) _exit(read(ends[0], (char[1]){0}, 1) == 1 ? 0 : 1);
  WORKS(setpgid(child, child));
  OK(getpgid(child) == child);
  WORKS(setpgid(child, getpgrp()));
  NEED(write(ends[1], "x", 1));
  IS(ktap_status_of(child), 0);
  char* const arguments[] = {"cat", NULL};
  int closing[2], input[2];
  NEED(pipe2(closing, O_CLOEXEC));
  NEED(pipe(input));
  pid_t const program = fork();
  if (program == 0) {
    dup2(input[0], 0);
    close(input[1]);
    execve("/bin/busybox", arguments, environ);
  }
  close(closing[1]);
  // The end of the file says that it has executed.
  NEED(read(closing[0], (char[1]){0}, 1));
  FAILS(setpgid(program, program), EACCES);
  close(input[1]);
  IS(ktap_status_of(program), 0);
}

TEST(sessions) {
  OK(SYS(getsid, 0) == getsid(getpid()));
  FAILS(getsid(1 << 22), ESRCH);
  WORKS(setsid());
  OK(getsid(0) == getpid());
  OK(getpgrp() == getpid());
  FAILS(setsid(), EPERM);
  FAILS(setpgid(0, 0), EPERM);
  IS(IN_CHILD(_exit(setsid() == getpid() ? 0 : 1)), 0);
  pid_t const child = fork();
  if (child == 0) {
    setsid();
    for (;;) pause();
  }
  while (getsid(child) != child) sched_yield();
  FAILS(setpgid(child, child), EPERM);
  NEED(kill(child, SIGKILL));
}

TEST(threads_share) {
  enum { size = 65536 };
  static char stack[size] __attribute__((aligned(16)));
  static int volatile seen, number;
  int const flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                    CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
  number = 1;
  int const thread = clone(set_and_end, stack + size, flags, (void*)&seen, &number, NULL, &number);
  OK(thread > 0 && thread != getpid());
  while (number != 0) sched_yield();
  IS(seen, 5);
  FAILS(waitpid(thread, NULL, __WALL), ECHILD);
}

TEST(names_and_death_signal) {
  char name[16] = "";
  int number = -1;
  WORKS(prctl(PR_SET_NAME, "a name that is too long"));
  WORKS(prctl(PR_GET_NAME, name));
  IS(strcmp(name, "a name that is "), 0);
  FAILS(prctl(PR_SET_NAME, BAD_POINTER), EFAULT);
  WORKS(prctl(PR_GET_PDEATHSIG, &number));
  IS(number, 0);
  WORKS(prctl(PR_SET_PDEATHSIG, SIGTERM));
  WORKS(prctl(PR_GET_PDEATHSIG, &number));
  IS(number, SIGTERM);
  FAILS(prctl(PR_SET_PDEATHSIG, 100), EINVAL);
  FAILS(prctl(12345, 0, 0, 0, 0), EINVAL);
  IS(IN_CHILD({
       prctl(PR_GET_PDEATHSIG, &number);
       _exit(number);
     }),
     0);
  IS(prctl(PR_GET_DUMPABLE), 1);
}

TEST(priorities) {
  IS(SYS(getpriority, PRIO_PROCESS, 0), 20);
  WORKS(setpriority(PRIO_PROCESS, 0, 5));
  IS(SYS(getpriority, PRIO_PROCESS, 0), 15);
  IS(IN_CHILD(_exit(getpriority(PRIO_PROCESS, 0) == 5 ? 0 : 1)), 0);
  WORKS(setpriority(PRIO_PROCESS, getpid(), 100));
  IS(SYS(getpriority, PRIO_PROCESS, getpid()), 1);
  WORKS(setpriority(PRIO_PROCESS, 0, -100));
  IS(SYS(getpriority, PRIO_PROCESS, 0), 40);
  WORKS(setpriority(PRIO_PROCESS, 0, 0));
  FAILS(setpriority(9, 0, 0), EINVAL);
  FAILS(getpriority(9, 0), EINVAL);
  FAILS(setpriority(PRIO_PROCESS, 999999, 0), ESRCH);
  pid_t const root = getpid();
  IS(IN_CHILD({
       become_nobody();
       bool good = setpriority(PRIO_PROCESS, 0, 3) == 0;
       good &= setpriority(PRIO_PROCESS, 0, 2) == -1 && errno == EACCES;
       good &= setpriority(PRIO_PROCESS, root, 3) == -1 && errno == EPERM;
       good &= getpriority(PRIO_PROCESS, root) == 0;
       _exit(good ? 0 : 1);
     }),
     0);
}

TEST(cloning_by_structure) {
  struct clone_args args = {.exit_signal = SIGCHLD};
  pid_t child = (pid_t)SYS(clone3, &args, sizeof args);
  if (child == 0) _exit(3);
  OK(child > 0);
  IS(ktap_status_of(child), EXITED(3));
  pid_t number = 0;
  args = (struct clone_args){
      .flags = CLONE_PARENT_SETTID, .parent_tid = (uintptr_t)&number, .exit_signal = SIGCHLD};
  child = (pid_t)SYS(clone3, &args, CLONE_ARGS_SIZE_VER0);
  if (child == 0) _exit(0);
  OK(number == child);
  IS(ktap_status_of(child), 0);
  FAILS(SYS(clone3, &args, 63), EINVAL);
  FAILS(SYS(clone3, &args, 1 << 20), E2BIG);
  FAILS(SYS(clone3, BAD_POINTER, sizeof args), EFAULT);
  struct clone_args unknown = {.flags = 1UL << 60, .exit_signal = SIGCHLD};
  FAILS(SYS(clone3, &unknown, sizeof unknown), EINVAL);
  args = (struct clone_args){.exit_signal = 65};
  FAILS(SYS(clone3, &args, sizeof args), EINVAL);
  args = (struct clone_args){.stack_size = 4096};
  FAILS(SYS(clone3, &args, sizeof args), EINVAL);
  args = (struct clone_args){.flags = CLONE_THREAD};
  FAILS(SYS(clone3, &args, sizeof args), EINVAL);
}

TEST(executing_descriptors) {
  char* const yes[] = {"true", NULL};
  int const program = (int)NEED(open("/bin/busybox", O_PATH));
  IS(IN_CHILD(SYS(execveat, program, "", yes, environ, AT_EMPTY_PATH); _exit(99)), 0);
  int const folder = (int)NEED(open("/bin", O_PATH | O_DIRECTORY));
  IS(IN_CHILD(SYS(execveat, folder, "busybox", yes, environ, 0); _exit(99)), 0);
  FAILS(SYS(execveat, folder, "nosuch", yes, environ, 0), ENOENT);
  FAILS(SYS(execveat, program, "", yes, environ, 0), ENOENT);
  FAILS(SYS(execveat, folder, "", yes, environ, AT_EMPTY_PATH), EACCES);
  FAILS(SYS(execveat, folder, "busybox", yes, environ, 1), EINVAL);
  FAILS(SYS(execveat, -1, "busybox", yes, environ, 0), EBADF);
  NEED(symlink("/bin/busybox", "link"));
  FAILS(SYS(execveat, AT_FDCWD, "link", yes, environ, AT_SYMLINK_NOFOLLOW), ELOOP);
}

TEST(ids_of_files_and_groups) {
  NEED(chmod(".", 0777));
  IS(SYS(setfsuid, 1000), 0);
  IS(SYS(setfsuid, -1), 1000);
  IS(SYS(setfsgid, 1001), 0);
  IS(SYS(setfsgid, -1), 1001);
  struct stat s;
  // Root's rights over files go with the id, and come back with it.
  FAILS(chmod(".", 0700), EPERM);
  close(make_file("f", ""));
  NEED(stat("f", &s));
  IS(s.st_uid, 1000);
  IS(s.st_gid, 1001);
  IS(SYS(setfsuid, 0), 1000);
  WORKS(chmod(".", 0700));
  WORKS(SYS(setregid, 5, 6));
  IS(getgid(), 5);
  IS(getegid(), 6);
  IS(SYS(setfsgid, -1), 6);
  IS(IN_CHILD({
       NEED(setresuid(NOBODY, NOBODY, NOBODY));
       bool const good = SYS(setregid, 7, -1) == -1 && errno == EPERM && SYS(setregid, 6, 5) == 0;
       _exit(good ? 0 : 1);
     }),
     0);
}

static void become(uid_t user) {
  // No rights left that would lift the limit.
  NEED(setresuid(user, user, user));
}

static pid_t sleeper(void) {
  pid_t const child = fork();
  if (child == 0)
    while (true) pause();
  return child;
}

static void end(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

static int errno_of_thread(void) {
  // Its only task is to be refused.
  static char stack[4096] __attribute__((aligned(16)));
  int const flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
  return SYS(clone, flags, stack + sizeof stack, NULL, NULL, 0) == -1 ? errno : 0;
}

TEST(limit_of_threads) {
  struct rlimit const none = {0, RLIM_INFINITY}, three = {3, 3};
  // Root's are not limited.
  NEED(setrlimit(RLIMIT_NPROC, &none));
  pid_t child = (pid_t)WORKS(sleeper());
  end(child);
  NEED(setrlimit(RLIMIT_NPROC, &three));
  become(4242);
  pid_t const first = (pid_t)WORKS(sleeper());
  pid_t const second = (pid_t)WORKS(sleeper());
  FAILS(sleeper(), EAGAIN);
  IS(errno_of_thread(), EAGAIN);
  // Until somebody has waited for it, it counts.
  kill(first, SIGKILL);
  siginfo_t info;
  IS(waitid(P_PID, (id_t)first, &info, WEXITED | WNOWAIT), 0);
  FAILS(sleeper(), EAGAIN);
  IS(waitpid(first, NULL, 0), first);
  child = (pid_t)WORKS(sleeper());
  FAILS(sleeper(), EAGAIN);
  end(child);
  end(second);
}

static int errno_of_exec_as(uid_t user, rlim_t limit, rlim_t later) {
  int const status = IN_CHILD({
    setrlimit(RLIMIT_NPROC, &(struct rlimit){limit, RLIM_INFINITY});
    become(user);
    setrlimit(RLIMIT_NPROC, &(struct rlimit){later, RLIM_INFINITY});
    execve("/nothing", (char*[]){"nothing", NULL}, NULL);
    _exit(errno);
  });
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(limit_of_threads_at_exec) {
  IS(errno_of_exec_as(4243, 0, 0), ENOENT);
  pid_t const other = fork();
  if (other == 0) {
    become(4243);
    kill(getpid(), SIGSTOP);
  }
  IS(waitpid(other, NULL, WUNTRACED), other);
  IS(errno_of_exec_as(4243, 0, 0), EAGAIN);
  IS(errno_of_exec_as(4243, 0, 1), EAGAIN);
  IS(errno_of_exec_as(4243, 0, 2), ENOENT);
  IS(errno_of_exec_as(4243, 1, 0), ENOENT);
  IS(errno_of_exec_as(0, 0, 0), ENOENT);
  IS(errno_of_exec_as(4244, 0, 0), ENOENT);
  end(other);
}

TEST(there_are_only_so_many) {
  char text[100] = "";
  int const load = (int)NEED(open("/proc/loadavg", O_RDONLY));
  NEED(read(load, text, sizeof text - 1));
  long const threads = atol(strchr(text, '/') + 1);
  int const limit = (int)NEED(open("/proc/sys/kernel/threads-max", O_RDWR));
  char before[20] = "";
  NEED(read(limit, before, sizeof before - 1));
  OK(atol(before) > threads);
  snprintf(text, sizeof text, "%ld", threads + 5 > 20 ? threads + 5 : 20);
  set_sysctl("kernel/threads-max", text);
  enum { MOST = 100 };
  pid_t children[MOST];
  int count = 0, error = 0;
  for (; count < MOST; ++count) {
    children[count] = fork();
    if (children[count] < 0) {
      error = errno;
      break;
    }
    if (children[count] == 0)
      for (;;) pause();
  }
  set_sysctl("kernel/threads-max", before);
  // Not even root has more; others come and go meanwhile.
  IS(error, EAGAIN);
  OK(count > 0 && count < 40);
  for (int i = 0; i < count; ++i) {
    kill(children[i], SIGKILL);
    ktap_status_of(children[i]);
  }
}
