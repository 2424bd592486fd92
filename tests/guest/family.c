// Parents and children: what an end is told to whom, orphans, and jobs that are left alone.
#include "ktap.h"

#include <linux/sched.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static sigset_t one_signal(int number) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  return set;
}

/// The next of a blocked signal, within half a minute.
static int take(int number, siginfo_t* info) {
  sigset_t const set = one_signal(number);
  return sigtimedwait(&set, info, &(struct timespec){.tv_sec = 30});
}

static void block(int number) {
  sigset_t const set = one_signal(number);
  NEED(sigprocmask(SIG_BLOCK, &set, NULL));
}

static void wait_for_byte(int const* ends) {
  char byte;
  (void)!read(ends[0], &byte, 1);
}
static void tell(int const* ends) { (void)!write(ends[1], "", 1); }

static void burn(long ms) {
  struct timespec t;
  do {
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  } while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms);
}

static long spent_by_children(void) {
  struct rusage u;
  NEED(getrusage(RUSAGE_CHILDREN, &u));
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
         u.ru_stime.tv_usec;
}

TEST(only_who_is_waited_for_counts) {
  int status;
  signal(SIGCHLD, SIG_IGN);
  pid_t child = fork();
  if (child == 0) burn(30), _exit(0);
  FAILS(waitpid(child, &status, 0), ECHILD);
  IS(spent_by_children(), 0);
  signal(SIGCHLD, SIG_DFL);
  child = fork();
  if (child == 0) burn(30), _exit(0);
  OK(waitpid(child, &status, 0) == child);
  OK(spent_by_children() > 0);
}

/// A child that ends before its parent does, without having been waited for. Both numbers.
static void leave_a_zombie(pid_t numbers[2]) {
  int ends[2];
  NEED(pipe(ends));
  numbers[0] = fork();
  if (numbers[0] == 0) {
    numbers[1] = fork();
    if (numbers[1] == 0) _exit(3);
    siginfo_t info;
    waitid(P_PID, (id_t)numbers[1], &info, WEXITED | WNOWAIT);
    (void)!write(ends[1], &numbers[1], sizeof numbers[1]);
    _exit(4);
  }
  IS(read(ends[0], &numbers[1], sizeof numbers[1]), sizeof numbers[1]);
}

TEST(zombies_are_told_to_who_takes_them_over) {
  pid_t numbers[2];
  siginfo_t info;
  int status;
  WORKS(prctl(PR_SET_CHILD_SUBREAPER, 1));
  block(SIGCHLD);
  leave_a_zombie(numbers);
  WORKS(waitid(P_PID, (id_t)numbers[0], &info, WEXITED | WNOWAIT));
  // The child's end comes after that of the one it left behind, and is told once both are pending.
  IS(take(SIGCHLD, &info), SIGCHLD);
  OK(info.si_pid == numbers[1]);
  IS(info.si_status, 3);
  IS(info.si_code, CLD_EXITED);
  OK(waitpid(numbers[1], &status, 0) == numbers[1]);
  IS(status, EXITED(3));
  OK(waitpid(numbers[0], &status, 0) == numbers[0]);
  IS(status, EXITED(4));
}

TEST(zombies_nobody_wants_vanish) {
  pid_t numbers[2];
  int status;
  WORKS(prctl(PR_SET_CHILD_SUBREAPER, 1));
  signal(SIGCHLD, SIG_IGN);
  leave_a_zombie(numbers);
  FAILS(waitpid(-1, &status, 0), ECHILD);
  // That it is nobody's child any more may show before its number is free.
  for (int i = 0; i < 2; ++i)
    while (kill(numbers[i], 0) == 0) sched_yield();
  FAILS(kill(numbers[0], 0), ESRCH);
  FAILS(kill(numbers[1], 0), ESRCH);
}

TEST(signal_at_the_end_of_the_parent) {
  int ready[2], result[2];
  NEED(pipe(ready));
  NEED(pipe(result));
  pid_t const parent = fork();
  if (parent == 0) {
    if (fork() == 0) {
      siginfo_t info;
      block(SIGUSR1);
      prctl(PR_SET_PDEATHSIG, SIGUSR1);
      tell(ready);
      int const got = take(SIGUSR1, &info);
      int const answer[4] = {got, info.si_code, info.si_pid, getppid()};
      (void)!write(result[1], answer, sizeof answer);
      _exit(0);
    }
    wait_for_byte(ready);
    _exit(0);
  }
  int answer[4] = {0};
  IS(read(result[0], answer, sizeof answer), sizeof answer);
  IS(answer[0], SIGUSR1);
  IS(answer[1], SI_USER);
  OK(answer[2] == parent);
  IS(answer[3], 1);
}

static int child_is_ready[2], made_by_thread[2], thread_may_end[2];
static pid_t child_of_thread;

static void* fork_in_thread(void* unused) {
  child_of_thread = fork();
  if (child_of_thread == 0) {
    block(SIGUSR1);
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    tell(child_is_ready);
    siginfo_t info;
    _exit(take(SIGUSR1, &info) == SIGUSR1 ? 5 : 6);
  }
  wait_for_byte(child_is_ready);
  tell(made_by_thread);
  wait_for_byte(thread_may_end);
  return unused;
}

TEST(children_of_a_thread) {
  pthread_t thread;
  int status;
  NEED(pipe(child_is_ready));
  NEED(pipe(made_by_thread));
  NEED(pipe(thread_may_end));
  NEED(pthread_create(&thread, NULL, fork_in_thread, NULL));
  char byte;
  IS(read(made_by_thread[0], &byte, 1), 1);
  FAILS(waitpid(child_of_thread, &status, __WNOTHREAD | WNOHANG), ECHILD);
  IS(waitpid(child_of_thread, &status, WNOHANG), 0);
  tell(thread_may_end);
  NEED(pthread_join(thread, NULL));
  // The end of the thread is the end of the parent as far as the signal goes.
  OK(waitpid(child_of_thread, &status, 0) == child_of_thread);
  IS(status, EXITED(5));
}

TEST(children_that_go_on_are_told) {
  siginfo_t info;
  int status;
  block(SIGCHLD);
  pid_t const child = fork();
  if (child == 0)
    for (;;) pause();
  WORKS(kill(child, SIGSTOP));
  IS(take(SIGCHLD, &info), SIGCHLD);
  IS(info.si_code, CLD_STOPPED);
  IS(info.si_status, SIGSTOP);
  WORKS(kill(child, SIGCONT));
  IS(take(SIGCHLD, &info), SIGCHLD);
  IS(info.si_code, CLD_CONTINUED);
  IS(info.si_status, SIGCONT);
  OK(info.si_pid == child);
  OK(waitpid(child, &status, WCONTINUED) == child);
  OK(WIFCONTINUED(status));
  WORKS(kill(child, SIGKILL));
  IS(take(SIGCHLD, &info), SIGCHLD);
  IS(info.si_code, CLD_KILLED);
}

static int told[2];
static void note(int number) {
  unsigned char const byte = (unsigned char)number;
  (void)!write(told[1], &byte, 1);
}

TEST(stopped_jobs_left_alone_are_hung_up) {
  unsigned char got[2] = {0};
  NEED(pipe(told));
  pid_t const shell = fork();
  if (shell == 0) {
    setsid();
    signal(SIGHUP, note);
    signal(SIGCONT, note);
    pid_t const job = fork();
    if (job == 0) {
      setpgid(0, 0);
      raise(SIGSTOP);
      for (;;) pause();
    }
    int status;
    waitpid(job, &status, WUNTRACED);
    signal(SIGHUP, SIG_IGN);
    signal(SIGCONT, SIG_DFL);
    _exit(0);
  }
  int status;
  OK(waitpid(shell, &status, 0) == shell);
  IS(status, 0);
  while (read(told[0], got, 1) != 1) continue;
  while (read(told[0], got + 1, 1) != 1) continue;
  // Which of the two handlers runs first is not told.
  IS(got[0] + got[1], SIGHUP + SIGCONT);
}

TEST(stopping_where_nobody_could_continue_it) {
  int status;
  pid_t const child = fork();
  if (child == 0) {
    setsid();
    raise(SIGTSTP);
    raise(SIGTTIN);
    raise(SIGTTOU);
    _exit(7);
  }
  OK(waitpid(child, &status, WUNTRACED) == child);
  IS(status, EXITED(7));
}

TEST(a_signal_that_does_not_exist) {
  int status;
  pid_t const child = (pid_t)SYS(clone, 200, NULL, NULL, NULL, 0);
  if (child == 0) _exit(3);
  OK(child > 0);
  FAILS(waitpid(child, &status, 0), ECHILD);
  OK(waitpid(child, &status, __WALL) == child);
  IS(status, EXITED(3));
}

TEST(a_stop_is_forgotten_when_the_end_comes) {
  siginfo_t info;
  int status;
  pid_t const child = fork();
  if (child == 0)
    for (;;) pause();
  WORKS(kill(child, SIGSTOP));
  WORKS(waitid(P_PID, (id_t)child, &info, WSTOPPED | WNOWAIT));
  WORKS(kill(child, SIGKILL));
  OK(waitpid(child, &status, WUNTRACED | WCONTINUED) == child);
  IS(status, SIGKILL);
}

TEST(whose_child_has_stopped) {
  siginfo_t info;
  pid_t const child = fork();
  if (child == 0) {
    if (setuid(NOBODY) != 0) _exit(1);
    raise(SIGSTOP);
    _exit(0);
  }
  WORKS(waitid(P_PID, (id_t)child, &info, WSTOPPED));
  IS(info.si_uid, NOBODY);
  IS(info.si_status, SIGSTOP);
  WORKS(kill(child, SIGCONT));
  WORKS(waitid(P_PID, (id_t)child, &info, WEXITED));
  IS(info.si_uid, NOBODY);
}

TEST(only_blocked_signals_are_waited_for) {
  siginfo_t info;
  sigset_t const set = one_signal(SIGCHLD);
  pid_t const child = fork();
  if (child == 0) _exit(0);
  // Not blocked and ignored by default, it never arrives.
  FAILS(sigtimedwait(&set, &info, &(struct timespec){.tv_nsec = 200000000}), EAGAIN);
  IS(IN_CHILD({
       sigset_t const end = one_signal(SIGTERM);
       if (fork() == 0) {
         usleep(50000);
         kill(getppid(), SIGTERM);
         _exit(0);
       }
       sigtimedwait(&end, &info, &(struct timespec){.tv_sec = 30});
     }),
     SIGTERM);
}

TEST(to_all_that_one_may_signal) {
  IS(IN_CHILD({
       NEED(setuid(NOBODY));
       _exit(kill(-1, 0) == 0 ? 0 : errno);
     }),
     0);
}

static int count_sigurg;
static void count(int number) {
  (void)number;
  ++count_sigurg;
}

TEST(siblings_end_as_their_sibling_would) {
  int status;
  signal(SIGURG, count);
  // A child that makes a sibling: it ends with the child's own signal, not with the one it asks
  // for.
  pid_t const child = fork();
  if (child == 0) {
    pid_t const sibling = (pid_t)SYS(clone, CLONE_PARENT | SIGURG, NULL, NULL, NULL, 0);
    if (sibling == 0) _exit(5);
    _exit(sibling > 0 ? 4 : 1);
  }
  OK(waitpid(child, &status, 0) == child);
  IS(status, EXITED(4));
  OK(waitpid(-1, &status, 0) > 0);
  IS(status, EXITED(5));
  IS(count_sigurg, 0);
  struct clone_args args = {.flags = CLONE_PARENT, .exit_signal = SIGCHLD};
  FAILS(SYS(clone3, &args, sizeof args), EINVAL);
}

TEST(who_becomes_another_program_ends_as_usual) {
  int status;
  static char const* const program[] = {"/proc/self/exe", "--end", NULL};
  pid_t const child = (pid_t)SYS(clone, CLONE_VFORK, NULL, NULL, NULL, 0);
  if (child == 0) {
    execv(program[0], (char**)program);
    _exit(1);
  }
  OK(child > 0);
  OK(waitpid(child, &status, 0) == child);
}

TEST(groups_of_children_that_go_meanwhile) {
  signal(SIGCHLD, SIG_IGN);
  for (int i = 0; i < 3000; ++i) {
    pid_t const child = fork();
    if (child == 0) _exit(0);
    setpgid(child, 0);
  }
  FAILS(setpgid(1 << 22, 0), ESRCH);
}
