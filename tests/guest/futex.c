// Futexes, and what a thread leaves behind: futex(2), get_robust_list(2), rseq(2).
#include "ktap.h"

#include <linux/futex.h>
#include <linux/rseq.h>
#include <pthread.h>
#include <sys/auxv.h>

static long futex(uint32_t* word, int operation, uint32_t value, struct timespec const* time) {
  return SYS(futex, word, operation, value, time, NULL, 0);
}

TEST(futexes) {
  uint32_t word = 5;
  struct timespec const brief = {0, 10000000};
  FAILS(futex(&word, FUTEX_WAIT, 4, NULL), EAGAIN);
  FAILS(futex(&word, FUTEX_WAIT_PRIVATE, 4, NULL), EAGAIN);
  FAILS(futex(&word, FUTEX_WAIT_PRIVATE, 5, &brief), ETIMEDOUT);
  FAILS(futex(&word, FUTEX_WAIT_PRIVATE, 5, &((struct timespec){0, -1})), EINVAL);
  FAILS(futex((uint32_t*)((char*)&word + 1), FUTEX_WAIT, 5, NULL), EINVAL);
  FAILS(futex(BAD_POINTER, FUTEX_WAIT, 5, NULL), EFAULT);
  FAILS(futex(&word, FUTEX_WAIT, 5, BAD_POINTER), EFAULT);
  FAILS(futex(BAD_POINTER, FUTEX_WAKE, 5, NULL), EFAULT);
  IS(futex(BAD_POINTER, FUTEX_WAKE_PRIVATE, 5, NULL), 0);
  FAILS(SYS(futex, BAD_POINTER, FUTEX_REQUEUE, 1, 1, &word, 0), EFAULT);
  FAILS(SYS(futex, &word, FUTEX_REQUEUE, 1, 1, BAD_POINTER, 0), EFAULT);
  uint32_t* const page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  FAILS(futex(page, FUTEX_WAKE, 5, NULL), EFAULT);
  IS(futex(page, FUTEX_WAKE_PRIVATE, 5, NULL), 0);
  FAILS(futex(page, FUTEX_WAIT, 5, NULL), EFAULT);
  FAILS(futex(page, FUTEX_WAIT_PRIVATE, 5, NULL), EAGAIN);
  FAILS(SYS(futex, page, FUTEX_WAKE_OP, 1, 1, page, 0), EFAULT);
  FAILS(SYS(futex, page, FUTEX_REQUEUE, 1, 1, page + 1, 0), EFAULT);
  IS(SYS(futex, page, FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG, 1, 1, page + 1, 0), 0);
  int const fd = open("file", O_RDWR | O_CREAT, 0600);
  NEED(ftruncate(fd, 4096));
  uint32_t* const own = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  uint32_t* const common = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  FAILS(futex(own, FUTEX_WAIT, 5, NULL), EAGAIN);
  FAILS(futex(common, FUTEX_WAIT, 5, NULL), EAGAIN);
  IS(futex(own, FUTEX_WAKE, 5, NULL), 0);
  IS(futex(common, FUTEX_WAKE, 5, NULL), 0);
  FAILS(futex(&word, 100, 5, NULL), ENOSYS);
  IS(futex(&word, FUTEX_WAKE, 1, NULL), 0);
  IS(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL), 0);
}

TEST(futex_between_processes) {
  uint32_t* const word =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t const child = fork();
  if (child == 0) {
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == 0) futex(word, FUTEX_WAIT, 0, NULL);
    _exit(*word == 9 ? 0 : 1);
  }
  // Until it sleeps: only then there is somebody to wake.
  while (futex(word, FUTEX_WAKE, 1, NULL) == 0) sched_yield();
  __atomic_store_n(word, 9, __ATOMIC_SEQ_CST);
  OK(futex(word, FUTEX_WAKE, 1, NULL) >= 0);
  IS(ktap_status_of(child), 0);
}

static uint32_t* shared_words(void) {
  return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static long wake(uint32_t* word, int count) { return futex(word, FUTEX_WAKE, count, NULL); }

// Waits on a word until it is woken, in a process of its own; `counter` counts those that are.
static pid_t sleeper(uint32_t* word, uint32_t* counter) {
  pid_t const child = NEED(fork());
  if (child == 0) {
    while (futex(word, FUTEX_WAIT, 0, NULL) != 0) {}
    __atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST);
    _exit(0);
  }
  return child;
}

// Wakes until somebody was asleep.
static void wake_one_of(uint32_t* word, int count) {
  while (wake(word, count) == 0) sched_yield();
}

TEST(wake_of_none_wakes_one) {
  uint32_t* const w = shared_words();
  pid_t const child = sleeper(&w[0], &w[1]);
  wake_one_of(&w[0], 0);
  waitpid(child, NULL, 0);
  IS(w[1], 1);
  pid_t const other = sleeper(&w[0], &w[1]);
  wake_one_of(&w[0], -5);
  waitpid(other, NULL, 0);
  IS(w[1], 2);
}

TEST(bitsets) {
  uint32_t* const w = shared_words();
  pid_t const child = NEED(fork());
  if (child == 0) {
    while (SYS(futex, &w[0], FUTEX_WAIT_BITSET, 0, NULL, NULL, 6) != 0) {}
    _exit(0);
  }
  IS(SYS(futex, &w[0], FUTEX_WAKE_BITSET, 1, NULL, NULL, 8), 0);
  while (SYS(futex, &w[0], FUTEX_WAKE_BITSET, 1, NULL, NULL, 2) == 0) sched_yield();
  waitpid(child, NULL, 0);
  FAILS(SYS(futex, &w[0], FUTEX_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
  FAILS(SYS(futex, &w[0], FUTEX_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
}

TEST(moving_waiters) {
  uint32_t* const w = shared_words();
  enum { count = 40 };
  pid_t children[count];
  for (int i = 0; i < count; ++i) children[i] = sleeper(&w[0], &w[2]);
  FAILS(SYS(futex, &w[0], FUTEX_CMP_REQUEUE, 1, 1, &w[600], 7), EAGAIN);
  FAILS(SYS(futex, &w[0], FUTEX_CMP_REQUEUE, -1, 1, &w[600], 0), EINVAL);
  FAILS(SYS(futex, &w[0], FUTEX_REQUEUE, 1, -1, &w[600], 0), EINVAL);
  FAILS(SYS(futex, &w[0], FUTEX_REQUEUE, 1, 1, (char*)&w[600] + 1, 0), EINVAL);
  // Nobody is woken until all have moved.
  int moved = 0;
  while (moved < count) moved += SYS(futex, &w[0], FUTEX_CMP_REQUEUE, 0, INT_MAX, &w[600], 0);
  IS(moved, count);
  IS(w[2], 0);
  IS(wake(&w[0], INT_MAX), 0);
  IS(wake(&w[600], 1), 1);
  // One is woken, the others go back.
  IS(SYS(futex, &w[600], FUTEX_REQUEUE, 2, 3, &w[0], 0), 5);
  IS(wake(&w[0], INT_MAX), 3);
  IS(wake(&w[600], INT_MAX), count - 6);
  for (int i = 0; i < count; ++i) waitpid(children[i], NULL, 0);
  IS(w[2], count);
}

TEST(waking_many_and_moving_the_rest) {
  uint32_t* const w = shared_words();
  enum { count = 50, woken = 40 };
  pid_t children[count];
  for (int i = 0; i < count; ++i) children[i] = sleeper(&w[0], &w[2]);
  // Until all of them wait.
  while (SYS(futex, &w[0], FUTEX_CMP_REQUEUE, 0, INT_MAX, &w[0], 0) < count) sched_yield();
  IS(SYS(futex, &w[0], FUTEX_REQUEUE, woken, 3, &w[600], 0), woken + 3);
  IS(wake(&w[600], INT_MAX), 3);
  IS(wake(&w[0], INT_MAX), count - woken - 3);
  for (int i = 0; i < count; ++i) waitpid(children[i], NULL, 0);
  IS(w[2], count);
}

#define WAKE_OP(first, second, op, arg, cmp, cmparg)                                               \
  SYS(futex, first, FUTEX_WAKE_OP, 1, 1, second, FUTEX_OP(op, arg, cmp, cmparg))

TEST(change_and_wake) {
  uint32_t* const w = shared_words();
  IS(WAKE_OP(&w[0], &w[1], FUTEX_OP_SET, 5, FUTEX_OP_CMP_EQ, 0), 0);
  IS(w[1], 5);
  WAKE_OP(&w[0], &w[1], FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 0);
  IS(w[1], 8);
  WAKE_OP(&w[0], &w[1], FUTEX_OP_ADD, -1, FUTEX_OP_CMP_EQ, 0);
  IS(w[1], 7);
  WAKE_OP(&w[0], &w[1], FUTEX_OP_OR, 0x18, FUTEX_OP_CMP_EQ, 0);
  IS(w[1], 0x1f);
  WAKE_OP(&w[0], &w[1], FUTEX_OP_ANDN, 0x0f, FUTEX_OP_CMP_EQ, 0);
  IS(w[1], 0x10);
  WAKE_OP(&w[0], &w[1], FUTEX_OP_XOR, 0x11, FUTEX_OP_CMP_EQ, 0);
  IS(w[1], 1);
  WAKE_OP(&w[0], &w[1], FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT, 9, FUTEX_OP_CMP_EQ, 0);
  IS(w[1], 512);
  FAILS(WAKE_OP(&w[0], &w[1], 5, 1, FUTEX_OP_CMP_EQ, 0), ENOSYS);
  FAILS(WAKE_OP(&w[0], &w[1], FUTEX_OP_SET, 1, 9, 0), ENOSYS);
  FAILS(WAKE_OP(&w[0], BAD_POINTER, FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0), EFAULT);
  FAILS(WAKE_OP(&w[0], (uint32_t*)((char*)w + 1), FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0), EINVAL);
  w[1] = -3;
  w[2] = w[4] = 0;
  pid_t const a = sleeper(&w[2], &w[3]), b = sleeper(&w[4], &w[3]);
  // The comparison with what stood there decides about the second word.
  int woken = 0;
  while (woken == 0) {
    w[4] = -3;
    woken = WAKE_OP(&w[2], &w[4], FUTEX_OP_SET, 0, FUTEX_OP_CMP_GT, -3);
  }
  IS(woken, 1);
  waitpid(a, NULL, 0);
  while (woken != 2) {
    w[4] = -3;
    woken = 1 + WAKE_OP(&w[2], &w[4], FUTEX_OP_SET, 0, FUTEX_OP_CMP_LT, -2);
  }
  waitpid(b, NULL, 0);
  IS(w[3], 2);
}

static void nothing(int signal) { (void)signal; }

TEST(timed_wait_and_signals) {
  uint32_t word = 0;
  // Handlers end a wait that has a time-out, whatever their flags.
  struct sigaction a = {.sa_handler = nothing, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &a, NULL);
  struct timespec const long_time = {50, 0};
  setitimer(ITIMER_REAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
  FAILS(futex(&word, FUTEX_WAIT, 0, &long_time), EINTR);
  setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
  // A stop does not.
  struct timespec const short_time = {0, 200000000};
  pid_t const child = NEED(fork());
  if (child == 0) {
    kill(getpid(), SIGSTOP);
    _exit(futex(&word, FUTEX_WAIT, 0, &short_time) == -1 && errno == ETIMEDOUT ? 0 : 1);
  }
  int status;
  for (int i = 0; i < 10; ++i) {
    NEED(waitpid(child, &status, WUNTRACED));
    if (!WIFSTOPPED(status)) break;
    kill(child, SIGCONT);
    kill(child, SIGSTOP);
  }
  kill(child, SIGCONT);
  if (WIFSTOPPED(status)) waitpid(child, &status, 0);
  IS(status, 0);
}

// --- robust lists -----------------------------------------------------------------------------

struct lock {
  struct robust_list node;
  uint32_t word;
};

static void set_list(struct robust_list_head* head, struct lock* locks, int count) {
  head->futex_offset = offsetof(struct lock, word);
  head->list_op_pending = NULL;
  struct robust_list* last = &head->list;
  for (int i = 0; i < count; ++i) {
    last->next = &locks[i].node;
    last = &locks[i].node;
  }
  last->next = &head->list;
  SYS(set_robust_list, head, sizeof(*head));
}

TEST(list_of_a_thread) {
  struct robust_list_head head, *seen = NULL;
  size_t size = 0;
  FAILS(SYS(set_robust_list, &head, 12), EINVAL);
  IS(SYS(set_robust_list, &head, sizeof(head)), 0);
  IS(SYS(get_robust_list, 0, &seen, &size), 0);
  OK(seen == &head);
  IS(size, sizeof(head));
  IS(SYS(get_robust_list, getpid(), &seen, &size), 0);
  IS(SYS(get_robust_list, getppid(), &seen, &size), 0);
  FAILS(SYS(get_robust_list, 4000000, &seen, &size), ESRCH);
  FAILS(SYS(get_robust_list, 0, BAD_POINTER, &size), EFAULT);
  FAILS(SYS(get_robust_list, 0, &seen, BAD_POINTER), EFAULT);
  SYS(set_robust_list, NULL, sizeof(head));
  become_nobody();
  FAILS(SYS(get_robust_list, 1, &seen, &size), EPERM);
}

TEST(owner_dies) {
  struct lock* const locks = (void*)shared_words();
  pid_t const child = NEED(fork());
  if (child == 0) {
    static struct robust_list_head head;
    set_list(&head, locks, 3);
    locks[0].word = gettid();
    locks[1].word = gettid() | FUTEX_WAITERS;
    locks[2].word = 12345;
    _exit(0);
  }
  waitpid(child, NULL, 0);
  OK(locks[0].word == FUTEX_OWNER_DIED);
  OK(locks[1].word == (FUTEX_OWNER_DIED | FUTEX_WAITERS));
  IS(locks[2].word, 12345);
}

TEST(owner_is_killed) {
  struct lock* const locks = (void*)shared_words();
  pid_t const child = NEED(fork());
  if (child == 0) {
    static struct robust_list_head head;
    set_list(&head, locks, 1);
    __atomic_store_n(&locks[0].word, gettid() | FUTEX_WAITERS, __ATOMIC_SEQ_CST);
    while (true) pause();
  }
  uint32_t held;
  while ((held = __atomic_load_n(&locks[0].word, __ATOMIC_SEQ_CST)) == 0) sched_yield();
  pid_t const waiter = NEED(fork());
  if (waiter == 0) {
    while (__atomic_load_n(&locks[0].word, __ATOMIC_SEQ_CST) == held)
      futex(&locks[0].word, FUTEX_WAIT, held, NULL);
    _exit(locks[0].word == (FUTEX_OWNER_DIED | FUTEX_WAITERS) ? 0 : 1);
  }
  kill(child, SIGKILL);
  int status;
  waitpid(waiter, &status, 0);
  IS(status, 0);
  waitpid(child, NULL, 0);
}

TEST(owner_becomes_another_program) {
  struct lock* const locks = (void*)shared_words();
  pid_t const child = NEED(fork());
  if (child == 0) {
    static struct robust_list_head head;
    set_list(&head, locks, 1);
    locks[0].word = gettid();
    execl(program_invocation_name, "futex", "no such test", NULL);
    _exit(9);
  }
  int status;
  waitpid(child, &status, 0);
  OK(WEXITSTATUS(status) != 9);
  OK(locks[0].word == FUTEX_OWNER_DIED);
}

TEST(operation_in_progress) {
  struct lock* const locks = (void*)shared_words();
  pid_t const child = NEED(fork());
  if (child == 0) {
    static struct robust_list_head head;
    set_list(&head, locks, 0);
    head.list_op_pending = &locks[0].node;
    locks[0].word = gettid();
    _exit(0);
  }
  waitpid(child, NULL, 0);
  OK(locks[0].word == FUTEX_OWNER_DIED);
}

TEST(lists_that_lead_nowhere) {
  struct lock* const locks = (void*)shared_words();
  for (int kind = 0; kind < 4; ++kind) {
    memset(locks, 0, 4096);
    pid_t const child = NEED(fork());
    if (child == 0) {
      static struct robust_list_head head;
      set_list(&head, locks, 2);
      locks[0].word = locks[1].word = gettid();
      // In a circle; to nowhere; off the words; nowhere itself.
      if (kind == 0) locks[1].node.next = &locks[0].node;
      if (kind == 1) locks[0].node.next = BAD_POINTER;
      if (kind == 2) head.futex_offset = 1;
      if (kind == 3) SYS(set_robust_list, BAD_POINTER, sizeof(head));
      _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    IS(status, 0);
    OK((locks[0].word == FUTEX_OWNER_DIED) == (kind <= 1));
    OK((locks[1].word == FUTEX_OWNER_DIED) == (kind == 0));
  }
}

static void* die_with_lock(void* lock) {
  pthread_mutex_lock(lock);
  return NULL;
}

TEST(robust_mutex_of_the_library) {
  pthread_mutex_t lock;
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&lock, &kind);
  pthread_t thread;
  IS(pthread_create(&thread, NULL, die_with_lock, &lock), 0);
  pthread_join(thread, NULL);
  IS(pthread_mutex_lock(&lock), EOWNERDEAD);
  IS(pthread_mutex_consistent(&lock), 0);
  IS(pthread_mutex_unlock(&lock), 0);
  IS(pthread_mutex_lock(&lock), 0);
}

// --- restartable sequences ----------------------------------------------------------------------

#define SIGNATURE 0x53053053

// The C library has registered its own area for the first thread: in a child without one it is
// ours.
static void give_up_library_area(void) {
  // See __rseq_offset; what the library registered can only be found by trying its signature.
  extern ptrdiff_t const __rseq_offset;
  extern unsigned int const __rseq_size;
  if (__rseq_size == 0) return;
  SYS(rseq, (char*)__builtin_thread_pointer() + __rseq_offset, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE);
}

TEST(registering) {
  give_up_library_area();
  static struct rseq area __attribute__((aligned(64)));
  FAILS(SYS(rseq, &area, 16, 0, SIGNATURE), EINVAL);
  FAILS(SYS(rseq, (char*)&area + 8, 32, 0, SIGNATURE), EINVAL);
  FAILS(SYS(rseq, &area, 32, 2, SIGNATURE), EINVAL);
  FAILS(SYS(rseq, 0xffff800000000000UL, 32, 0, SIGNATURE), EFAULT);
  FAILS(SYS(rseq, &area, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE), EINVAL);
  area.cpu_id = RSEQ_CPU_ID_UNINITIALIZED;
  IS(SYS(rseq, &area, 32, 0, SIGNATURE), 0);
  unsigned cpu;
  do {
    SYS(getcpu, &cpu, NULL);
  } while (area.cpu_id != cpu);
  IS(area.cpu_id_start, area.cpu_id);
  FAILS(SYS(rseq, &area, 32, 0, SIGNATURE), EBUSY);
  FAILS(SYS(rseq, &area, 32, 0, 1), EPERM);
  FAILS(SYS(rseq, &area, 64, 0, SIGNATURE), EINVAL);
  FAILS(SYS(rseq, (char*)&area + 64, 32, 0, SIGNATURE), EINVAL);
  FAILS(SYS(rseq, &area, 32, RSEQ_FLAG_UNREGISTER, 1), EPERM);
  FAILS(SYS(rseq, &area, 32, RSEQ_FLAG_UNREGISTER | 2, SIGNATURE), EINVAL);
  IS(SYS(rseq, &area, 32, RSEQ_FLAG_UNREGISTER, SIGNATURE), 0);
  IS((int)area.cpu_id, RSEQ_CPU_ID_UNINITIALIZED);
  IS(area.cpu_id_start, 0);
  OK(getauxval(AT_RSEQ_ALIGN) == 32);
  OK(getauxval(AT_RSEQ_FEATURE_SIZE) == 28);
}

static struct rseq own_area __attribute__((aligned(64)));

// Counts up inside a restartable sequence until the kernel sends it to its abort address.
static void run_sequence(void) {
  __asm__ volatile(
      ".pushsection .data\n"
      ".balign 32\n"
      "9: .long 0, 0\n"
      ".quad 1f, 2f - 1f, 4f\n"
      ".popsection\n"
      "leaq 9b(%%rip), %%rax\n"
      "movq %%rax, %[cs]\n"
      "1: pause\n"
      "jmp 1b\n"
      "2: ud2\n"
      // The signature stands before the abort address, inside an instruction that is never run.
      ".byte 0x0f, 0xb9, 0x3d\n"
      ".long 0x53053053\n"
      "4:\n"
      : [cs] "=m"(own_area.rseq_cs)
      :
      : "rax", "memory");
}

TEST(preempted_sequence) {
  give_up_library_area();
  IS(SYS(rseq, &own_area, 32, 0, SIGNATURE), 0);
  // Others want the CPU as well.
  pid_t children[4];
  for (int i = 0; i < 4; ++i) {
    children[i] = NEED(fork());
    if (children[i] == 0)
      while (true) {}
  }
  run_sequence();
  OK(own_area.rseq_cs == 0);
  for (int i = 0; i < 4; ++i) {
    kill(children[i], SIGKILL);
    waitpid(children[i], NULL, 0);
  }
}

TEST(interrupted_sequence) {
  give_up_library_area();
  IS(SYS(rseq, &own_area, 32, 0, SIGNATURE), 0);
  signal(SIGALRM, nothing);
  setitimer(ITIMER_REAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
  run_sequence();
  OK(own_area.rseq_cs == 0);
}

TEST(sequences_that_make_no_sense) {
  static struct rseq_cs sequence;
  for (int kind = 0; kind < 4; ++kind) {
    pid_t const child = NEED(fork());
    if (child == 0) {
      give_up_library_area();
      SYS(rseq, &own_area, 32, 0, SIGNATURE);
      sequence.start_ip = (uintptr_t)run_sequence;
      sequence.post_commit_offset = 1;
      // No signature there.
      sequence.abort_ip = (uintptr_t)run_sequence + 64;
      if (kind == 1) sequence.version = 1;
      if (kind == 2) sequence.abort_ip = (uintptr_t)run_sequence;
      own_area.rseq_cs = kind == 3 ? 8 : (uintptr_t)&sequence;
      // Off the CPU and on again.
      while (true) usleep(1000);
    }
    int status;
    waitpid(child, &status, 0);
    IS(WTERMSIG(status), SIGSEGV);
  }
}
