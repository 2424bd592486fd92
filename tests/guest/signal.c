// Signals: sending, masks, handlers and their frames, restarting, alternate stacks.
#include "ktap.h"

#include <setjmp.h>
#include <sys/ucontext.h>

static int volatile calls, last_signal, depth, deepest;
static siginfo_t volatile last_info;

static void count(int number) {
  ++calls;
  last_signal = number;
}

static void keep_info(int number, siginfo_t* info, void* context) {
  (void)context;
  count(number);
  last_info = *info;
}

static void catch (int number, void (*handler)(int), int flags) {
  struct sigaction const action = {.sa_handler = handler, .sa_flags = flags};
  NEED(sigaction(number, &action, NULL));
}

static void catch_info(int number) {
  struct sigaction const action = {.sa_sigaction = keep_info, .sa_flags = SA_SIGINFO};
  NEED(sigaction(number, &action, NULL));
}

static sigset_t set_of(int number) {
  sigset_t set;
  sigemptyset(&set);
  if (number) sigaddset(&set, number);
  return set;
}

static void block(int how, int number) {
  sigset_t const set = set_of(number);
  NEED(sigprocmask(how, &set, NULL));
}

static bool is_pending(int number) {
  sigset_t set;
  return sigpending(&set) == 0 && sigismember(&set, number);
}

static bool is_blocked(int number) {
  sigset_t set;
  return sigprocmask(SIG_BLOCK, NULL, &set) == 0 && sigismember(&set, number);
}

TEST(handler_runs) {
  catch (SIGUSR1, count, 0);
  WORKS(kill(getpid(), SIGUSR1));
  IS(calls, 1);
  IS(last_signal, SIGUSR1);
  WORKS(raise(SIGUSR1));
  IS(calls, 2);
  WORKS(SYS(tgkill, getpid(), gettid(), SIGUSR1));
  IS(calls, 3);
}

TEST(sending_errors) {
  FAILS(kill(1 << 22, 0), ESRCH);
  FAILS(kill(getpid(), 65), EINVAL);
  FAILS(kill(getpid(), -1), EINVAL);
  WORKS(kill(getpid(), 0));
  FAILS(SYS(tgkill, getpid(), 1 << 22, 0), ESRCH);
  FAILS(SYS(tgkill, -1, 1, 0), EINVAL);
  FAILS(SYS(tgkill, getpid(), 0, 0), EINVAL);
  FAILS(SYS(tgkill, getppid(), getpid(), 0), ESRCH);
  FAILS(SYS(tgkill, getpid(), getpid(), 65), EINVAL);
  pid_t const parent = getppid();
  become_nobody();
  FAILS(kill(parent, 0), EPERM);
  FAILS(kill(1, SIGTERM), EPERM);
}

TEST(action_errors) {
  struct sigaction action = {.sa_handler = count}, old;
  FAILS(sigaction(SIGKILL, &action, NULL), EINVAL);
  FAILS(sigaction(SIGSTOP, &action, NULL), EINVAL);
  FAILS(sigaction(0, &action, NULL), EINVAL);
  FAILS(sigaction(65, &action, NULL), EINVAL);
  WORKS(sigaction(SIGKILL, NULL, &old));
  FAILS(SYS(rt_sigaction, SIGUSR1, BAD_POINTER, NULL, 8), EFAULT);
  FAILS(SYS(rt_sigaction, SIGUSR1, NULL, NULL, 16), EINVAL);
  WORKS(sigaction(SIGUSR1, &action, &old));
  OK(old.sa_handler == SIG_DFL);
  WORKS(sigaction(SIGUSR1, NULL, &old));
  OK(old.sa_handler == count);
  IS(old.sa_flags & ~0x04000000, 0);
}

TEST(default_actions) {
  NEED(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
  IS(IN_CHILD(raise(SIGTERM)), SIGTERM);
  IS(IN_CHILD(raise(SIGHUP)), SIGHUP);
  IS(IN_CHILD(raise(SIGQUIT)) & 0x7f, SIGQUIT);
  IS(IN_CHILD(raise(SIGUSR2)), SIGUSR2);
  IS(IN_CHILD(raise(SIGRTMIN)), SIGRTMIN);
  IS(IN_CHILD(raise(SIGALRM)), SIGALRM);
  IS(IN_CHILD(raise(SIGCHLD)), 0);
  IS(IN_CHILD(raise(SIGURG)), 0);
  IS(IN_CHILD(raise(SIGWINCH)), 0);
  IS(IN_CHILD(raise(SIGCONT)), 0);
}

TEST(ignoring) {
  signal(SIGTERM, SIG_IGN);
  WORKS(raise(SIGTERM));
  OK(!is_pending(SIGTERM));
  // Ignored while blocked: dropped at once, and again when it becomes ignored.
  block(SIG_BLOCK, SIGUSR1);
  raise(SIGUSR1);
  OK(is_pending(SIGUSR1));
  signal(SIGUSR1, SIG_IGN);
  OK(!is_pending(SIGUSR1));
}

TEST(blocking) {
  catch (SIGUSR1, count, 0);
  block(SIG_BLOCK, SIGUSR1);
  OK(is_blocked(SIGUSR1));
  raise(SIGUSR1);
  raise(SIGUSR1);
  IS(calls, 0);
  OK(is_pending(SIGUSR1));
  block(SIG_UNBLOCK, SIGUSR1);
  IS(calls, 1);
  OK(!is_pending(SIGUSR1));
  block(SIG_SETMASK, SIGUSR2);
  OK(is_blocked(SIGUSR2) && !is_blocked(SIGUSR1));
  block(SIG_BLOCK, SIGKILL);
  block(SIG_BLOCK, SIGSTOP);
  OK(!is_blocked(SIGKILL) && !is_blocked(SIGSTOP));
  sigset_t set = set_of(0);
  FAILS(sigprocmask(99, &set, NULL), EINVAL);
  FAILS(SYS(rt_sigprocmask, SIG_BLOCK, BAD_POINTER, NULL, 8), EFAULT);
  FAILS(SYS(rt_sigprocmask, SIG_BLOCK, &set, NULL, 4), EINVAL);
  FAILS(SYS(rt_sigpending, BAD_POINTER, 8), EFAULT);
  IS(IN_CHILD(_exit(is_blocked(SIGUSR2) ? 0 : 1)), 0);
}

TEST(pending_is_not_inherited) {
  block(SIG_BLOCK, SIGUSR1);
  raise(SIGUSR1);
  IS(IN_CHILD(_exit(is_pending(SIGUSR1) ? 1 : 0)), 0);
  OK(is_pending(SIGUSR1));
}

TEST(realtime_signals_queue) {
  union sigval value = {.sival_int = 0};
  catch_info(SIGRTMIN);
  block(SIG_BLOCK, SIGRTMIN);
  for (value.sival_int = 1; value.sival_int <= 3; ++value.sival_int)
    NEED(sigqueue(getpid(), SIGRTMIN, value));
  block(SIG_UNBLOCK, SIGRTMIN);
  IS(calls, 3);
  IS(last_info.si_value.sival_int, 3);
  IS(last_info.si_code, SI_QUEUE);
}

TEST(information) {
  catch_info(SIGUSR1);
  catch_info(SIGCHLD);
  kill(getpid(), SIGUSR1);
  IS(last_info.si_signo, SIGUSR1);
  IS(last_info.si_code, SI_USER);
  OK(last_info.si_pid == getpid());
  IS(last_info.si_uid, 0);
  SYS(tgkill, getpid(), gettid(), SIGUSR1);
  IS(last_info.si_code, SI_TKILL);
  block(SIG_BLOCK, SIGCHLD);
  pid_t const child = fork();
  if (child == 0) _exit(6);
  IS(ktap_status_of(child), EXITED(6));
  block(SIG_UNBLOCK, SIGCHLD);
  IS(last_info.si_signo, SIGCHLD);
  IS(last_info.si_code, CLD_EXITED);
  OK(last_info.si_pid == child);
  IS(last_info.si_status, 6);
}

static void nest(int number) {
  if (++depth > deepest) deepest = depth;
  if (++calls < 3) raise(number);
  --depth;
}

TEST(own_signal_is_blocked_in_handler) {
  catch (SIGUSR1, nest, 0);
  raise(SIGUSR1);
  IS(calls, 3);
  IS(deepest, 1);
}

TEST(nodefer) {
  catch (SIGUSR1, nest, SA_NODEFER);
  raise(SIGUSR1);
  IS(calls, 3);
  IS(deepest, 3);
}

static void raise_other(int number) {
  count(number);
  if (number == SIGUSR1) raise(SIGUSR2);
  // Comes before this one goes on, unless the mask forbids it.
  depth = last_signal;
}

TEST(nesting_and_handler_mask) {
  catch (SIGUSR1, raise_other, 0);
  catch (SIGUSR2, count, 0);
  raise(SIGUSR1);
  IS(calls, 2);
  IS(depth, SIGUSR2);
  struct sigaction action = {.sa_handler = raise_other, .sa_mask = set_of(SIGUSR2)};
  NEED(sigaction(SIGUSR1, &action, NULL));
  raise(SIGUSR1);
  IS(calls, 4);
  IS(depth, SIGUSR1);
  OK(!is_blocked(SIGUSR1) && !is_blocked(SIGUSR2));
}

TEST(resethand) {
  struct sigaction old;
  catch (SIGUSR1, count, (int)SA_RESETHAND);
  raise(SIGUSR1);
  IS(calls, 1);
  NEED(sigaction(SIGUSR1, NULL, &old));
  OK(old.sa_handler == SIG_DFL);
  IS(IN_CHILD(raise(SIGUSR1)), SIGUSR1);
}

static void start_alarm(void) {
  struct itimerval const soon = {{0, 20000}, {0, 20000}};
  NEED(setitimer(ITIMER_REAL, &soon, NULL));
}

static int feeding[2];
static void feed(int number) {
  count(number);
  (void)!write(feeding[1], "x", 1);
}

TEST(restarting) {
  char byte;
  NEED(pipe(feeding));
  catch (SIGALRM, feed, SA_RESTART);
  start_alarm();
  // The handler writes what the restarted read then finds.
  IS(read(feeding[0], &byte, 1), 1);
  OK(calls >= 1);
  catch (SIGALRM, count, 0);
  while (read(feeding[0], &byte, 1) == 1) {}
  IS(errno, EINTR);
}

TEST(restarting_wait) {
  int status = 0;
  pid_t const child = fork();
  if (child == 0) {
    while (true) pause();
  }
  catch (SIGALRM, count, 0);
  start_alarm();
  FAILS(waitpid(child, &status, 0), EINTR);
  kill(child, SIGKILL);
}

TEST(suspending) {
  catch (SIGUSR1, count, 0);
  block(SIG_BLOCK, SIGUSR1);
  raise(SIGUSR1);
  sigset_t const none = set_of(0);
  FAILS(sigsuspend(&none), EINTR);
  IS(calls, 1);
  OK(is_blocked(SIGUSR1));
  FAILS(SYS(rt_sigsuspend, BAD_POINTER, 8), EFAULT);
  FAILS(SYS(rt_sigsuspend, &none, 4), EINVAL);
}

TEST(pausing_and_alarm) {
  catch (SIGALRM, count, 0);
  start_alarm();
  FAILS(SYS(pause), EINTR);
  OK(calls >= 1);
  struct itimerval const off = {0};
  NEED(setitimer(ITIMER_REAL, &off, NULL));
  IS(alarm(100), 0);
  IS(alarm(50), 100);
  IS(alarm(0), 50);
  IS(alarm(TEST_SECONDS), 0);
}

TEST(waiting_for_signals) {
  siginfo_t info;
  sigset_t const set = set_of(SIGUSR1);
  struct timespec const none = {0, 0};
  block(SIG_BLOCK, SIGUSR1);
  FAILS(sigtimedwait(&set, &info, &none), EAGAIN);
  raise(SIGUSR1);
  IS(sigtimedwait(&set, &info, &none), SIGUSR1);
  IS(info.si_signo, SIGUSR1);
  FAILS(sigtimedwait(&set, &info, &(struct timespec){0, -1}), EINVAL);
}

static char other_stack[65536];
static bool volatile on_other_stack;

static void look_at_stack(int number) {
  char here;
  count(number);
  on_other_stack = &here >= other_stack && &here < other_stack + sizeof other_stack;
}

TEST(alternate_stack) {
  stack_t const stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
  stack_t old;
  WORKS(sigaltstack(NULL, &old));
  IS(old.ss_flags, SS_DISABLE);
  catch (SIGUSR1, look_at_stack, SA_ONSTACK);
  raise(SIGUSR1);
  OK(calls == 1 && !on_other_stack);
  WORKS(sigaltstack(&stack, NULL));
  raise(SIGUSR1);
  OK(calls == 2 && on_other_stack);
  catch (SIGUSR2, look_at_stack, 0);
  raise(SIGUSR2);
  OK(calls == 3 && !on_other_stack);
  WORKS(sigaltstack(NULL, &old));
  OK(old.ss_sp == other_stack && old.ss_size == sizeof other_stack && old.ss_flags == 0);
  FAILS(sigaltstack(&(stack_t){.ss_sp = other_stack, .ss_size = 100}, NULL), ENOMEM);
  FAILS(sigaltstack(&(stack_t){.ss_flags = 77}, NULL), EINVAL);
  FAILS(SYS(sigaltstack, BAD_POINTER, NULL), EFAULT);
}

static void change_stack(int number) {
  stack_t const stack = {.ss_flags = SS_DISABLE};
  count(number);
  depth = sigaltstack(&stack, NULL) == -1 ? errno : 0;
}

TEST(alternate_stack_in_use) {
  stack_t const stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
  NEED(sigaltstack(&stack, NULL));
  catch (SIGUSR1, change_stack, SA_ONSTACK);
  raise(SIGUSR1);
  IS(depth, EPERM);
}

static sigjmp_buf back;
static void jump(int number, siginfo_t* info, void* context) {
  keep_info(number, info, context);
  siglongjmp(back, 1);
}

// Also a way out of an overflowing stack: a handler that jumps.
TEST(faults) {
  struct sigaction const action = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO};
  for (int const* number = (int const[]){SIGSEGV, SIGFPE, SIGILL, SIGTRAP, 0}; *number; ++number)
    NEED(sigaction(*number, &action, NULL));
  int volatile one = 1, zero = 0;
  if (sigsetjmp(back, 1) == 0) *(int volatile*)16 = 1;
  IS(last_signal, SIGSEGV);
  IS(last_info.si_code, SEGV_MAPERR);
  IS(last_info.si_addr, 16);
  if (sigsetjmp(back, 1) == 0) *(char volatile*)(uintptr_t)&faults = 1;
  IS(last_info.si_code, SEGV_ACCERR);
  OK(last_info.si_addr == (void*)&faults);
  if (sigsetjmp(back, 1) == 0) *(int volatile*)0xffff800000000000 = 1;
  IS(last_signal, SIGSEGV);
  IS(last_info.si_code, SEGV_MAPERR);
  if (sigsetjmp(back, 1) == 0) *(int volatile*)0x8000000000000000 = 1;
  IS(last_signal, SIGSEGV);
  IS(last_info.si_code, SI_KERNEL);
  IS(last_info.si_addr, 0);
  if (sigsetjmp(back, 1) == 0) zero = one / zero;
  IS(last_signal, SIGFPE);
  IS(last_info.si_code, FPE_INTDIV);
  if (sigsetjmp(back, 1) == 0) __asm__ volatile("ud2");
  IS(last_signal, SIGILL);
  IS(last_info.si_code, ILL_ILLOPN);
  if (sigsetjmp(back, 1) == 0) __asm__ volatile("int3");
  IS(last_signal, SIGTRAP);
  IS(last_info.si_code, SI_KERNEL);
  if (sigsetjmp(back, 1) == 0) __asm__ volatile("hlt");
  IS(last_signal, SIGSEGV);
}

TEST(blocked_fault_kills) {
  NEED(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
  catch (SIGSEGV, count, 0);
  IS(IN_CHILD({
       block(SIG_BLOCK, SIGSEGV);
       *(int volatile*)16 = 1;
     }),
     SIGSEGV);
}

static void change_registers(int number, siginfo_t* info, void* context) {
  (void)info;
  count(number);
  ucontext_t* const user = context;
  user->uc_mcontext.gregs[REG_R12] = 0x1234;
  sigaddset(&user->uc_sigmask, SIGUSR2);
}

TEST(handler_changes_context) {
  struct sigaction const action = {.sa_sigaction = change_registers, .sa_flags = SA_SIGINFO};
  NEED(sigaction(SIGUSR1, &action, NULL));
  long register r12 __asm__("r12") = 1;
  long result = SYS_kill;
  __asm__ volatile("syscall"
                   : "+a"(result), "+r"(r12)
                   : "D"(getpid()), "S"(SIGUSR1)
                   : "rcx", "r11", "memory");
  long const seen = r12;
  IS(result, 0);
  IS(seen, 0x1234);
  OK(is_blocked(SIGUSR2));
}

static void spoil_vectors(int number) {
  count(number);
  __asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n pcmpeqd %%xmm7, %%xmm7\n pcmpeqd %%xmm15, %%xmm15" ::
                       : "xmm0", "xmm7", "xmm15");
}

TEST(vector_registers_survive) {
  double const in[3] = {1.5, 2.5, 3.5};
  double out[3] = {0};
  long result = SYS_kill;
  catch (SIGUSR1, spoil_vectors, 0);
  __asm__ volatile("movsd (%[in]), %%xmm0\n movsd 8(%[in]), %%xmm7\n movsd 16(%[in]), %%xmm15\n"
                   "syscall\n"
                   "movsd %%xmm0, (%[out])\n movsd %%xmm7, 8(%[out])\n movsd %%xmm15, 16(%[out])"
                   : "+a"(result)
                   : [in] "r"(in), [out] "r"(out), "D"(getpid()), "S"(SIGUSR1)
                   : "rcx", "r11", "xmm0", "xmm7", "xmm15", "memory");
  IS(calls, 1);
  IS(memcmp(in, out, sizeof in), 0);
}

TEST(vector_registers_survive_switches) {
  double const in = 7.25;
  double out = 0;
  long result = SYS_sched_yield;
  pid_t const child = fork();
  if (child == 0) {
    for (int i = 0; i < 2000; ++i) {
      spoil_vectors(0);
      sched_yield();
    }
    _exit(0);
  }
  bool same = true;
  for (int i = 0; i < 2000; ++i) {
    result = SYS_sched_yield;
    __asm__ volatile("movsd %[in], %%xmm7\n syscall\n movsd %%xmm7, %[out]"
                     : "+a"(result), [out] "=m"(out)
                     : [in] "m"(in)
                     : "rcx", "r11", "xmm7", "memory");
    same &= out == in;
  }
  OK(same);
  IS(ktap_status_of(child), 0);
}

TEST(group_gets_signal) {
  NEED(setpgid(0, 0));
  int ends[2];
  NEED(pipe(ends));
  catch (SIGUSR1, count, 0);
  pid_t children[3];
  for (int i = 0; i < 3; ++i)
    if ((children[i] = fork()) == 0) {
      signal(SIGUSR1, SIG_DFL);
      (void)!write(ends[1], "x", 1);
      for (;;) pause();
    }
  char byte;
  for (int i = 0; i < 3; ++i) NEED(read(ends[0], &byte, 1));
  WORKS(kill(0, SIGUSR1));
  IS(calls, 1);
  for (int i = 0; i < 3; ++i) IS(ktap_status_of(children[i]), SIGUSR1);
  WORKS(kill(-getpgrp(), SIGUSR1));
  IS(calls, 2);
  FAILS(kill(-(1 << 22), SIGUSR1), ESRCH);
}

TEST(child_end_can_be_unseen) {
  struct sigaction const action = {.sa_handler = count, .sa_flags = SA_NOCLDWAIT};
  NEED(sigaction(SIGCHLD, &action, NULL));
  int status;
  pid_t const child = fork();
  if (child == 0) _exit(1);
  int result;
  while ((result = waitpid(child, &status, 0)) == -1 && errno == EINTR) {}
  IS(result, -1);
  IS(errno, ECHILD);
  IS(calls, 1);
}

TEST(queueing_signals) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  NEED(sigprocmask(SIG_BLOCK, &set, NULL));
  struct timespec const none = {0, 0};
  siginfo_t info;
  FAILS(SYS(rt_sigtimedwait, &set, &info, &none, 8), EAGAIN);
  FAILS(SYS(rt_sigtimedwait, &set, &info, &none, 4), EINVAL);
  siginfo_t sent = {0};
  sent.si_code = SI_QUEUE;
  sent.si_pid = getpid();
  sent.si_value.sival_int = 42;
  WORKS(SYS(rt_sigqueueinfo, getpid(), SIGUSR1, &sent));
  IS(SYS(rt_sigtimedwait, &set, &info, &none, 8), SIGUSR1);
  IS(info.si_code, SI_QUEUE);
  IS(info.si_value.sival_int, 42);
  sent.si_value.sival_int = 43;
  WORKS(SYS(rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &sent));
  IS(SYS(rt_sigtimedwait, &set, &info, &none, 8), SIGUSR1);
  IS(info.si_value.sival_int, 43);
  FAILS(SYS(rt_tgsigqueueinfo, getpid(), 999999, SIGUSR1, &sent), ESRCH);
  FAILS(SYS(rt_tgsigqueueinfo, getpid(), gettid(), 65, &sent), EINVAL);
  // Only a process itself may claim that the kernel speaks.
  sent.si_code = SI_USER;
  FAILS(SYS(rt_sigqueueinfo, getppid(), SIGUSR1, &sent), EPERM);
  WORKS(SYS(tkill, gettid(), SIGUSR1));
  IS(SYS(rt_sigtimedwait, &set, &info, &none, 8), SIGUSR1);
  IS(info.si_code, SI_TKILL);
  FAILS(SYS(tkill, 0, SIGUSR1), EINVAL);
  FAILS(SYS(tkill, 999999, SIGUSR1), ESRCH);
}

TEST(returns_that_are_none) {
  // There is nothing to go on with, and no frame to come back from.
  FAILS(SYS(restart_syscall), EINTR);
  int const status = IN_CHILD(SYS(rt_sigreturn));
  IS(WTERMSIG(status), SIGSEGV);
}

TEST(selecting_with_a_mask) {
  sigset_t set, all;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  NEED(sigprocmask(SIG_BLOCK, &set, NULL));
  signal(SIGUSR1, SIG_IGN);
  struct {
    sigset_t const* set;
    size_t size;
  } mask = {&all, 8};
  sigfillset(&all);
  struct timespec none = {0, 0};
  IS(SYS(pselect6, 0, NULL, NULL, NULL, &none, &mask), 0);
  mask.size = 4;
  FAILS(SYS(pselect6, 0, NULL, NULL, NULL, &none, &mask), EINVAL);
  none.tv_nsec = 1000000000;
  FAILS(SYS(pselect6, 0, NULL, NULL, NULL, &none, NULL), EINVAL);
  none.tv_nsec = 0;
  fd_set reads;
  FD_ZERO(&reads);
  FD_SET(30, &reads);
  FAILS(SYS(pselect6, 31, &reads, NULL, NULL, &none, NULL), EBADF);
  FAILS(SYS(pselect6, -1, NULL, NULL, NULL, &none, NULL), EINVAL);
}

// A process that is stopped and continued at once runs on, wherever it is at the moment.
TEST(continued_at_once) {
  int there[2], back[2];
  NEED(pipe(there));
  NEED(pipe(back));
  pid_t const child = NEED(fork());
  if (child == 0) {
    char c;
    while (read(there[0], &c, 1) == 1) write(back[1], &c, 1);
    _exit(0);
  }
  int answered = 0;
  for (int i = 0; i < 3000; ++i) {
    char c = 'x';
    NEED(write(there[1], &c, 1));
    NEED(kill(child, SIGSTOP));
    NEED(kill(child, SIGCONT));
    answered += read(back[0], &c, 1) == 1;
  }
  IS(answered, 3000);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

static int queue_up_to(int most, int signal) {
  int queued = 0;
  while (queued < most && sigqueue(getpid(), signal, (union sigval){.sival_int = queued}) == 0)
    ++queued;
  return queued;
}

// What is queued counts for the user, whoever sent it and whichever process it waits for.
TEST(limit_of_queued_signals) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  NEED(setrlimit(RLIMIT_SIGPENDING, &(struct rlimit){10, 10}));
  NEED(setresuid(4250, 4250, 4250));
  IS(queue_up_to(20, SIGRTMIN + 1), 10);
  FAILS(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){}), EAGAIN);
  // kill(2) has no siginfo to lose.
  WORKS(kill(getpid(), SIGRTMIN + 3));
  WORKS(kill(getpid(), SIGUSR1));
  // The old ones are pending in any case.
  WORKS(sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 7}));
  siginfo_t info;
  IS(sigwaitinfo(&(sigset_t){{1UL << (SIGUSR2 - 1)}}, &info), SIGUSR2);
  IS(info.si_code, SI_USER);
  IS(info.si_value.sival_int, 0);
  timer_t timer;
  FAILS(timer_create(CLOCK_MONOTONIC, NULL, &timer), EAGAIN);
  pid_t const child = NEED(fork());
  if (child == 0) _exit(queue_up_to(20, SIGRTMIN + 1));
  IS(ktap_status_of(child), 0);
  for (int i = 0; i < 3; ++i) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN + 1);
    IS(sigwaitinfo(&one, &info), SIGRTMIN + 1);
    IS(info.si_value.sival_int, i);
  }
  // SIGUSR1 and the child's SIGCHLD count as well.
  IS(queue_up_to(20, SIGRTMIN + 2), 1);
}
