// How threads share CPUs, as it is asked for and told: sched_setscheduler(2), sched_setattr(2),
// setpriority(2) of many.
#include "ktap.h"

struct attr {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
  uint32_t util_min, util_max;
  uint64_t more;
};
enum { ATTR_SIZE = 56, OLDEST_SIZE = 48 };
enum { RESET = 1, KEEP_POLICY = 8, KEEP_PARAMS = 16, NOBODYS_PID = 4000000 };

static long set_attr(pid_t pid, struct attr const* a) { return SYS(sched_setattr, pid, a, 0); }
static struct attr attr_of(pid_t pid) {
  struct attr a = {0};
  if (SYS(sched_getattr, pid, &a, ATTR_SIZE, 0) != 0) memset(&a, 0xff, sizeof a);
  return a;
}
static long set(pid_t pid, int policy, int priority) {
  struct sched_param const p = {.sched_priority = priority};
  return SYS(sched_setscheduler, pid, policy, &p);
}
static long set_priority(pid_t pid, int priority) {
  struct sched_param const p = {.sched_priority = priority};
  return SYS(sched_setparam, pid, &p);
}
static int priority_of(pid_t pid) {
  struct sched_param p = {.sched_priority = -1};
  return SYS(sched_getparam, pid, &p) == 0 ? p.sched_priority : -1;
}
static long policy_of(pid_t pid) { return SYS(sched_getscheduler, pid); }
static void limit(int which, rlim_t value) {
  struct rlimit const l = {.rlim_cur = value, .rlim_max = value};
  NEED(setrlimit(which, &l));
}

TEST(asking) {
  IS(policy_of(0), SCHED_OTHER);
  IS(policy_of(getpid()), SCHED_OTHER);
  FAILS(policy_of(-1), EINVAL);
  FAILS(policy_of(NOBODYS_PID), ESRCH);
  IS(priority_of(0), 0);
  struct sched_param p;
  FAILS(SYS(sched_getparam, -1, &p), EINVAL);
  FAILS(SYS(sched_getparam, 0, NULL), EINVAL);
  FAILS(SYS(sched_getparam, NOBODYS_PID, &p), ESRCH);
  FAILS(SYS(sched_getparam, 0, BAD_POINTER), EFAULT);
  FAILS(SYS(sched_getparam, NOBODYS_PID, BAD_POINTER), ESRCH);
  int const fair[] = {SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, 6};
  for (int i = 0; i < 4; ++i) {
    IS(SYS(sched_get_priority_max, fair[i]), 0);
    IS(SYS(sched_get_priority_min, fair[i]), 0);
  }
  for (int policy = SCHED_FIFO; policy <= SCHED_RR; ++policy) {
    IS(SYS(sched_get_priority_max, policy), 99);
    IS(SYS(sched_get_priority_min, policy), 1);
  }
  FAILS(SYS(sched_get_priority_max, 4), EINVAL);
  FAILS(SYS(sched_get_priority_min, 4), EINVAL);
  FAILS(SYS(sched_get_priority_max, -1), EINVAL);
  FAILS(SYS(sched_get_priority_min, 100), EINVAL);
}

TEST(attributes) {
  struct attr a = attr_of(0);
  IS(a.size, ATTR_SIZE);
  IS(a.policy, SCHED_OTHER);
  IS(a.flags, 0);
  IS(a.nice, 0);
  IS(a.priority, 0);
  OK(a.runtime > 0);
  IS(a.deadline, 0);
  IS(a.period, 0);
  FAILS(SYS(sched_getattr, 0, &a, OLDEST_SIZE - 1, 0), EINVAL);
  FAILS(SYS(sched_getattr, 0, &a, 4097, 0), EINVAL);
  FAILS(SYS(sched_getattr, 0, &a, ATTR_SIZE, 1), EINVAL);
  FAILS(SYS(sched_getattr, -1, &a, ATTR_SIZE, 0), EINVAL);
  FAILS(SYS(sched_getattr, 0, NULL, ATTR_SIZE, 0), EINVAL);
  FAILS(SYS(sched_getattr, NOBODYS_PID, &a, ATTR_SIZE, 0), ESRCH);
  FAILS(SYS(sched_getattr, 0, BAD_POINTER, ATTR_SIZE, 0), EFAULT);
  IS(SYS(sched_getattr, 0, &a, OLDEST_SIZE, 0), 0);
  IS(a.size, OLDEST_SIZE);
  IS(SYS(sched_getattr, 0, &a, sizeof a, 0), 0);
  IS(a.size, ATTR_SIZE);
}

TEST(policies) {
  WORKS(setpriority(PRIO_PROCESS, 0, 3));
  IS(set(0, SCHED_FIFO, 10), 0);
  IS(policy_of(0), SCHED_FIFO);
  IS(priority_of(0), 10);
  IS(attr_of(0).priority, 10);
  IS(attr_of(0).nice, 0);
  IS(getpriority(PRIO_PROCESS, 0), 3);
  WORKS(setpriority(PRIO_PROCESS, 0, 4));
  IS(set_priority(0, 99), 0);
  IS(priority_of(0), 99);
  FAILS(set_priority(0, 100), EINVAL);
  FAILS(set_priority(0, 0), EINVAL);
  FAILS(set_priority(0, -1), EINVAL);
  IS(priority_of(0), 99);
  IS(set(0, SCHED_RR, 1), 0);
  IS(policy_of(0), SCHED_RR);
  IS(set(0, SCHED_BATCH, 0), 0);
  IS(policy_of(0), SCHED_BATCH);
  IS(priority_of(0), 0);
  IS(attr_of(0).nice, 4);
  IS(set(0, SCHED_IDLE, 0), 0);
  IS(policy_of(0), SCHED_IDLE);
  IS(getpriority(PRIO_PROCESS, 0), 4);
  IS(set(0, SCHED_OTHER, 0), 0);
  IS(getpriority(PRIO_PROCESS, 0), 4);
  FAILS(set(0, SCHED_OTHER, 1), EINVAL);
  FAILS(set(0, SCHED_FIFO, 0), EINVAL);
  FAILS(set(0, SCHED_FIFO, 100), EINVAL);
  FAILS(set(0, SCHED_RR, -1), EINVAL);
  FAILS(set(0, 4, 0), EINVAL);
  FAILS(set(0, 6, 0), EINVAL);
  FAILS(set(0, -1, 0), EINVAL);
  FAILS(set(-1, SCHED_OTHER, 0), EINVAL);
  FAILS(set(NOBODYS_PID, SCHED_OTHER, 0), ESRCH);
  FAILS(SYS(sched_setscheduler, 0, SCHED_OTHER, NULL), EINVAL);
  FAILS(SYS(sched_setscheduler, 0, SCHED_OTHER, BAD_POINTER), EFAULT);
  FAILS(SYS(sched_setparam, 0, NULL), EINVAL);
  FAILS(SYS(sched_setparam, 0, BAD_POINTER), EFAULT);
  FAILS(SYS(sched_setparam, -1, BAD_POINTER), EINVAL);
  FAILS(SYS(sched_setparam, NOBODYS_PID, BAD_POINTER), EFAULT);
}

TEST(intervals) {
  struct timespec t = {9, 9};
  IS(set(0, SCHED_FIFO, 1), 0);
  IS(SYS(sched_rr_get_interval, 0, &t), 0);
  IS(t.tv_sec, 0);
  IS(t.tv_nsec, 0);
  IS(set(0, SCHED_RR, 1), 0);
  IS(SYS(sched_rr_get_interval, 0, &t), 0);
  IS(t.tv_sec, 0);
  IS(t.tv_nsec, 100000000);
  IS(set(0, SCHED_OTHER, 0), 0);
  IS(SYS(sched_rr_get_interval, 0, &t), 0);
  IS(t.tv_nsec, 0);
  FAILS(SYS(sched_rr_get_interval, -1, &t), EINVAL);
  FAILS(SYS(sched_rr_get_interval, NOBODYS_PID, &t), ESRCH);
  FAILS(SYS(sched_rr_get_interval, 0, BAD_POINTER), EFAULT);
}

TEST(changing_attributes) {
  struct attr a = {.size = ATTR_SIZE, .policy = SCHED_RR, .priority = 7, .flags = RESET};
  IS(set_attr(0, &a), 0);
  IS(policy_of(0), SCHED_RR | SCHED_RESET_ON_FORK);
  IS(attr_of(0).flags, RESET);
  IS(attr_of(0).priority, 7);
  a = (struct attr){.size = ATTR_SIZE, .policy = SCHED_OTHER, .nice = 100};
  IS(set_attr(0, &a), 0);
  IS(policy_of(0), SCHED_OTHER);
  IS(attr_of(0).nice, 19);
  a.nice = -5;
  a.size = OLDEST_SIZE;
  IS(set_attr(0, &a), 0);
  IS(attr_of(0).nice, -5);
  a.size = 0;
  a.nice = -6;
  IS(set_attr(0, &a), 0);
  IS(attr_of(0).nice, -6);
  // Of its own accord how long it runs at a time.
  uint64_t const usual = attr_of(0).runtime;
  a = (struct attr){.size = ATTR_SIZE, .policy = SCHED_OTHER, .runtime = 20000000};
  IS(set_attr(0, &a), 0);
  IS(attr_of(0).runtime, 20000000);
  IS(set(0, SCHED_BATCH, 0), 0);
  IS(attr_of(0).runtime, 20000000);
  a.runtime = 1;
  IS(set_attr(0, &a), 0);
  IS(attr_of(0).runtime, 100000);
  a.runtime = 1000000000;
  IS(set_attr(0, &a), 0);
  IS(attr_of(0).runtime, 100000000);
  struct timespec t;
  IS(SYS(sched_rr_get_interval, 0, &t), 0);
  IS(t.tv_nsec, 100000000);
  a.runtime = 0;
  IS(set_attr(0, &a), 0);
  OK(attr_of(0).runtime == usual);
  // What is kept.
  IS(set(0, SCHED_FIFO, 20), 0);
  a = (struct attr){.size = ATTR_SIZE, .policy = SCHED_OTHER, .priority = 21, .flags = KEEP_POLICY};
  IS(set_attr(0, &a), 0);
  IS(policy_of(0), SCHED_FIFO);
  IS(priority_of(0), 21);
  a = (struct attr){.size = ATTR_SIZE, .policy = SCHED_RR, .priority = 3, .flags = KEEP_PARAMS};
  // The policy is checked, and kept with the rest.
  IS(set_attr(0, &a), 0);
  IS(policy_of(0), SCHED_FIFO);
  IS(priority_of(0), 21);
  a.policy = SCHED_OTHER;
  FAILS(set_attr(0, &a), EINVAL);
  a.policy = SCHED_FIFO;
  a.flags = KEEP_PARAMS | RESET;
  IS(set_attr(0, &a), 0);
  IS(policy_of(0), SCHED_FIFO | SCHED_RESET_ON_FORK);
  a.flags = KEEP_PARAMS | KEEP_POLICY;
  IS(set_attr(0, &a), 0);
  IS(policy_of(0), SCHED_FIFO | SCHED_RESET_ON_FORK);
}

TEST(wrong_attributes) {
  struct attr a = {.size = ATTR_SIZE, .policy = SCHED_OTHER};
  FAILS(SYS(sched_setattr, 0, &a, 1), EINVAL);
  FAILS(SYS(sched_setattr, -1, &a, 0), EINVAL);
  FAILS(SYS(sched_setattr, 0, NULL, 0), EINVAL);
  FAILS(SYS(sched_setattr, NOBODYS_PID, &a, 0), ESRCH);
  FAILS(SYS(sched_setattr, 0, BAD_POINTER, 0), EFAULT);
  a.size = OLDEST_SIZE - 1;
  FAILS(set_attr(0, &a), E2BIG);
  IS(a.size, ATTR_SIZE);
  a.size = 4097;
  FAILS(set_attr(0, &a), E2BIG);
  IS(a.size, ATTR_SIZE);
  a.size = sizeof a;
  IS(set_attr(0, &a), 0);
  a.more = 1;
  FAILS(set_attr(0, &a), E2BIG);
  IS(a.size, ATTR_SIZE);
  a = (struct attr){.size = ATTR_SIZE, .policy = 4};
  FAILS(set_attr(0, &a), EINVAL);
  a.policy = ~0u;
  FAILS(set_attr(0, &a), EINVAL);
  a = (struct attr){.size = ATTR_SIZE, .policy = SCHED_FIFO};
  FAILS(set_attr(0, &a), EINVAL);
  a.priority = 100;
  FAILS(set_attr(0, &a), EINVAL);
  a = (struct attr){.size = ATTR_SIZE, .policy = SCHED_OTHER, .priority = 1};
  FAILS(set_attr(0, &a), EINVAL);
  a = (struct attr){.size = ATTR_SIZE, .policy = SCHED_OTHER, .flags = 1 << 20};
  FAILS(set_attr(0, &a), EINVAL);
  a = (struct attr){.size = OLDEST_SIZE, .policy = SCHED_OTHER, .flags = 0x20};
  FAILS(set_attr(0, &a), EINVAL);
  IS(policy_of(0), SCHED_OTHER);
}

// What a child says of itself, in one number.
static int told_by_child(void) {
  int const status =
      IN_CHILD(_exit((int)policy_of(0) * 64 + priority_of(0) + getpriority(PRIO_PROCESS, 0)));
  return WEXITSTATUS(status);
}

TEST(inheriting) {
  IS(set(0, SCHED_RR, 9), 0);
  IS(told_by_child(), SCHED_RR * 64 + 9);
  IS(set(0, SCHED_RR | SCHED_RESET_ON_FORK, 9), 0);
  IS(told_by_child(), SCHED_OTHER);
  IS(IN_CHILD(_exit(policy_of(0) == SCHED_OTHER && attr_of(0).flags == 0 ? 0 : 1)), 0);
  IS(policy_of(0), SCHED_RR | SCHED_RESET_ON_FORK);
  IS(set(0, SCHED_BATCH, 0), 0);
  WORKS(setpriority(PRIO_PROCESS, 0, 6));
  IS(told_by_child(), SCHED_BATCH * 64 + 6);
  struct attr a = {.size = ATTR_SIZE, .policy = SCHED_BATCH, .nice = 6, .flags = RESET};
  IS(set_attr(0, &a), 0);
  IS(told_by_child(), SCHED_BATCH * 64 + 6);
  a.nice = -6;
  IS(set_attr(0, &a), 0);
  IS(told_by_child(), SCHED_BATCH * 64);
  IS(set(0, SCHED_IDLE, 0), 0);
  IS(IN_CHILD(_exit(policy_of(0) == SCHED_IDLE ? 0 : 1)), 0);
}

TEST(rights) {
  pid_t const root = getpid();
  become_nobody();
  FAILS(set(0, SCHED_FIFO, 1), EPERM);
  FAILS(set(0, SCHED_RR, 1), EPERM);
  FAILS(set(0, SCHED_FIFO, 0), EINVAL);
  FAILS(set(1, SCHED_BATCH, 0), EPERM);
  IS(policy_of(root), SCHED_OTHER);
  IS(set(0, SCHED_BATCH, 0), 0);
  IS(set(0, SCHED_OTHER, 0), 0);
  struct attr a = {.size = ATTR_SIZE, .policy = SCHED_OTHER, .nice = 5};
  IS(set_attr(0, &a), 0);
  a.nice = 4;
  FAILS(set_attr(0, &a), EPERM);
  FAILS(setpriority(PRIO_PROCESS, 0, 4), EACCES);
  IS(set(0, SCHED_OTHER | SCHED_RESET_ON_FORK, 0), 0);
  FAILS(set(0, SCHED_OTHER, 0), EPERM);
  IS(set(0, SCHED_IDLE | SCHED_RESET_ON_FORK, 0), 0);
  FAILS(set(0, SCHED_OTHER | SCHED_RESET_ON_FORK, 0), EPERM);
  IS(policy_of(0), SCHED_IDLE | SCHED_RESET_ON_FORK);
}

TEST(limits) {
  limit(RLIMIT_RTPRIO, 5);
  limit(RLIMIT_NICE, 22);
  become_nobody();
  IS(set(0, SCHED_FIFO, 5), 0);
  FAILS(set(0, SCHED_FIFO, 6), EPERM);
  IS(set(0, SCHED_RR, 2), 0);
  IS(set_priority(0, 5), 0);
  FAILS(set_priority(0, 6), EPERM);
  IS(priority_of(0), 5);
  limit(RLIMIT_RTPRIO, 0);
  IS(set_priority(0, 4), 0);
  FAILS(set_priority(0, 5), EPERM);
  FAILS(set(0, SCHED_FIFO, 1), EPERM);
  IS(set(0, SCHED_OTHER, 0), 0);
  FAILS(set(0, SCHED_RR, 1), EPERM);
  IS(setpriority(PRIO_PROCESS, 0, -2), 0);
  FAILS(setpriority(PRIO_PROCESS, 0, -3), EACCES);
  IS(set(0, SCHED_IDLE, 0), 0);
  IS(set(0, SCHED_OTHER, 0), 0);
}

static pid_t sleeper(uid_t uid, int nice) {
  pid_t const p = fork();
  if (p != 0) return p;
  if (uid != 0 && setresuid(uid, uid, uid) != 0) _exit(1);
  if (nice != 0 && setpriority(PRIO_PROCESS, 0, nice) != 0) _exit(1);
  raise(SIGSTOP);
  _exit(0);
}

static int nice_of(pid_t p) { return getpriority(PRIO_PROCESS, (id_t)p); }
static void end(pid_t p) {
  kill(p, SIGKILL);
  (void)ktap_status_of(p);
}
static void await_stop(pid_t p) {
  int status = 0;
  NEED(waitpid(p, &status, WUNTRACED));
}

TEST(many) {
  enum { USER = 4321 };
  pid_t const a = sleeper(USER, 3), b = sleeper(USER, 7), c = sleeper(0, 1);
  await_stop(a);
  await_stop(b);
  await_stop(c);
  IS(getpriority(PRIO_USER, USER), 3);
  IS(setpriority(PRIO_USER, USER, 9), 0);
  IS(nice_of(a), 9);
  IS(nice_of(b), 9);
  IS(nice_of(c), 1);
  NEED(setpgid(b, b));
  NEED(setpgid(c, b));
  IS(getpriority(PRIO_PGRP, b), 1);
  IS(setpriority(PRIO_PGRP, b, 2), 0);
  IS(nice_of(a), 9);
  IS(nice_of(b), 2);
  IS(nice_of(c), 2);
  FAILS(getpriority(PRIO_PGRP, NOBODYS_PID), ESRCH);
  FAILS(setpriority(PRIO_PGRP, NOBODYS_PID, 0), ESRCH);
  FAILS(getpriority(PRIO_USER, 987654), ESRCH);
  FAILS(setpriority(PRIO_USER, 987654, 0), ESRCH);
  FAILS(getpriority(3, 0), EINVAL);
  FAILS(getpriority(-1, 0), EINVAL);
  FAILS(setpriority(3, 0, 0), EINVAL);
  // Some may be changed, and some may not.
  IS(IN_CHILD({
       bool good = setresuid(USER, USER, USER) == 0;
       good &= setpriority(PRIO_PGRP, b, 11) == -1 && errno == EPERM;
       good &= nice_of(b) == 11 && nice_of(c) == 2;
       good &= setpriority(PRIO_PGRP, b, 10) == -1;
       _exit(good ? 0 : 1);
     }),
     0);
  NEED(setpriority(PRIO_PROCESS, 0, 0));
  IS(getpriority(PRIO_PGRP, 0), getpriority(PRIO_PGRP, getpgrp()));
  end(a);
  end(b);
  end(c);
}

TEST(more_than_the_caller) {
  pid_t const parent = getpid();
  NEED(setresuid(NOBODY, NOBODY, 0));
  IS(IN_CHILD({
       bool good = setresuid(NOBODY, NOBODY, NOBODY) == 0;
       good &= set(parent, SCHED_BATCH, 0) == -1 && errno == EPERM;
       good &= setpriority(PRIO_PROCESS, parent, 10) == -1 && errno == EPERM;
       cpu_set_t all;
       memset(&all, 0xff, sizeof all);
       good &= sched_setaffinity(parent, sizeof all, &all) == -1 && errno == EPERM;
       _exit(good ? 0 : 1);
     }),
     0);
}
