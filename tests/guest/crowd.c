// Many threads and many signals at once.
#include "ktap.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum { THREADS = 200 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static __thread long own;
static long sum;
static int turn;

static void* count_up(void* number) {
  own = (long)number;
  for (int i = 0; i < 100; ++i) {
    pthread_mutex_lock(&lock);
    ++sum;
    pthread_mutex_unlock(&lock);
  }
  return (void*)(own == (long)number ? own : -1);
}

TEST(mutex_of_200_threads) {
  pthread_t threads[THREADS];
  for (long i = 0; i < THREADS; ++i) NEED(-pthread_create(&threads[i], NULL, count_up, (void*)i));
  bool good = true;
  for (long i = 0; i < THREADS; ++i) {
    void* result;
    pthread_join(threads[i], &result);
    good &= (long)result == i;
  }
  OK(good);
  IS(sum, 100 * THREADS);
}

// Each waits for its turn; all are woken each time.
static void* take_turn(void* number) {
  pthread_mutex_lock(&lock);
  while (turn != (int)(long)number) pthread_cond_wait(&changed, &lock);
  ++turn;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  return NULL;
}

TEST(turns_of_200_threads) {
  pthread_t threads[THREADS];
  for (long i = THREADS - 1; i >= 0; --i)
    NEED(-pthread_create(&threads[i], NULL, take_turn, (void*)i));
  for (int i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
  IS(turn, THREADS);
}

static atomic_int passed;
static void* pass(void* unused) {
  (void)unused;
  for (int i = 0; i < 10; ++i) {
    pthread_barrier_wait(&barrier);
    ++passed;
    pthread_barrier_wait(&barrier);
    if (passed != (i + 1) * THREADS) return (void*)1;
    pthread_barrier_wait(&barrier);
  }
  return NULL;
}

TEST(barrier_of_200_threads) {
  pthread_t threads[THREADS];
  pthread_barrier_init(&barrier, NULL, THREADS);
  for (int i = 0; i < THREADS; ++i) NEED(-pthread_create(&threads[i], NULL, pass, NULL));
  bool good = true;
  for (int i = 0; i < THREADS; ++i) {
    void* bad;
    pthread_join(threads[i], &bad);
    good &= bad == NULL;
  }
  OK(good);
}

static void* wait_for_ever(void* semaphore) {
  while (true) sem_wait(semaphore);
  return NULL;
}

TEST(cancelling_200_threads) {
  pthread_t threads[THREADS];
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  for (int i = 0; i < THREADS; ++i)
    NEED(-pthread_create(&threads[i], NULL, wait_for_ever, &semaphore));
  for (int i = 0; i < THREADS; ++i) pthread_cancel(threads[i]);
  bool good = true;
  for (int i = 0; i < THREADS; ++i) {
    void* result;
    pthread_join(threads[i], &result);
    good &= result == PTHREAD_CANCELED;
  }
  OK(good);
}

// One that execs or exits ends all others.
TEST(exit_among_200_threads) {
  pid_t const child = NEED(fork());
  if (child == 0) {
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    pthread_t thread;
    for (int i = 0; i < THREADS; ++i) pthread_create(&thread, NULL, wait_for_ever, &semaphore);
    _exit(7);
  }
  IS(ktap_status_of(child), EXITED(7));
  pid_t const other = NEED(fork());
  if (other == 0) {
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    pthread_t thread;
    for (int i = 0; i < THREADS; ++i) pthread_create(&thread, NULL, wait_for_ever, &semaphore);
    execl(program_invocation_name, "crowd", "no such test", NULL);
    _exit(9);
  }
  OK(ktap_status_of(other) != EXITED(9));
}

// --- signals ---------------------------------------------------------------------------------

enum { SENDERS = 20, SIGNALS = 300 };

static atomic_int heard, plain_heard;
static void hear(int signal, siginfo_t* info, void* context) {
  (void)context;
  if (signal == SIGRTMIN + 2 && info->si_value.sival_int == 42) ++heard;
  if (signal == SIGUSR1) ++plain_heard;
}

static void listen_to(int signal) {
  struct sigaction const a = {.sa_sigaction = hear, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(signal, &a, NULL);
}

static void* send_to_process(void* unused) {
  (void)unused;
  for (int i = 0; i < SIGNALS; ++i) {
    while (sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = 42}) == -1) sched_yield();
    kill(getpid(), SIGUSR1);
  }
  return NULL;
}

// Real-time signals are counted one by one, whoever takes them.
TEST(storm_among_threads) {
  listen_to(SIGRTMIN + 2);
  listen_to(SIGUSR1);
  pthread_t threads[SENDERS];
  for (int i = 0; i < SENDERS; ++i) NEED(-pthread_create(&threads[i], NULL, send_to_process, NULL));
  for (int i = 0; i < SENDERS; ++i) pthread_join(threads[i], NULL);
  while (heard < SENDERS * SIGNALS) sched_yield();
  IS(heard, SENDERS * SIGNALS);
  OK(plain_heard >= 1 && plain_heard <= SENDERS * SIGNALS);
}

TEST(storm_among_processes) {
  listen_to(SIGRTMIN + 2);
  listen_to(SIGUSR1);
  pid_t const target = getpid();
  pid_t children[SENDERS];
  for (int i = 0; i < SENDERS; ++i) {
    children[i] = NEED(fork());
    if (children[i] == 0) {
      for (int n = 0; n < SIGNALS; ++n) {
        while (sigqueue(target, SIGRTMIN + 2, (union sigval){.sival_int = 42}) == -1) sched_yield();
        kill(target, SIGUSR1);
        // Stopped and continued as well, by its neighbours.
        if (i > 0 && n % 50 == 0) kill(getpid(), SIGSTOP);
      }
      _exit(0);
    }
  }
  int ended = 0;
  while (ended < SENDERS) {
    int status;
    pid_t const child = waitpid(-1, &status, WUNTRACED);
    if (child == -1) continue;
    if (WIFSTOPPED(status))
      kill(child, SIGCONT);
    else
      ++ended;
  }
  while (heard < SENDERS * SIGNALS) sched_yield();
  IS(heard, SENDERS * SIGNALS);
}

static atomic_int nested;
static void disturb(int signal) {
  (void)signal;
  ++nested;
}

// System calls that are cut short all the time do their work all the same.
TEST(work_in_a_storm) {
  struct sigaction const a = {.sa_handler = disturb, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &a, NULL);
  setitimer(ITIMER_REAL, &(struct itimerval){{0, 200}, {0, 200}}, NULL);
  int ends[2];
  NEED(pipe(ends));
  pid_t const child = NEED(fork());
  if (child == 0) {
    close(ends[0]);
    for (int i = 0; i < 20000; ++i)
      if (write(ends[1], &i, sizeof i) != sizeof i) _exit(1);
    _exit(0);
  }
  close(ends[1]);
  int i, expected = 0;
  ssize_t got;
  while ((got = read(ends[0], &i, sizeof i)) == sizeof i && i == expected) ++expected;
  setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
  IS(got, 0);
  IS(expected, 20000);
  IS(ktap_status_of(child), 0);
  OK(nested > 0);
}

// The thread sets its mask, which blocks nothing that is sent, and then stays out of the kernel.
static atomic_long round_wanted, round_heard;
static atomic_bool rounds_are_over;
static void hear_round(int signal) {
  (void)signal;
  round_heard = round_wanted;
}

static void* set_mask_and_spin(void* unused) {
  (void)unused;
  sigset_t none;
  sigemptyset(&none);
  long round = 0;
  while (!rounds_are_over) {
    if (round_wanted == round) continue;
    round = round_wanted;
    for (int volatile i = 0; i < round * 7 % 512; ++i) continue;
    SYS(rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
    while (round_heard < round) continue;
  }
  return NULL;
}

// Each change of the table interrupts every CPU that runs the program, wherever it is.
static void* interrupt_all(void* unused) {
  (void)unused;
  char volatile* const at =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  while (!rounds_are_over) {
    *at = 1;
    madvise((void*)at, 4096, MADV_DONTNEED);
  }
  return NULL;
}

// A signal is not lost that comes while its thread asks the kernel for something else.
TEST(signal_while_the_mask_is_set) {
  struct sigaction const a = {.sa_handler = hear_round, .sa_flags = SA_RESTART};
  sigaction(SIGUSR2, &a, NULL);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR2);
  pthread_t thread, other;
  NEED(-pthread_create(&thread, NULL, set_mask_and_spin, NULL));
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  NEED(-pthread_create(&other, NULL, interrupt_all, NULL));
  // Where each turn of a thread takes long, a few rounds must do.
  time_t const enough = time(NULL) + 10;
  while (round_wanted < 100000 && time(NULL) < enough) {
    long const round = ++round_wanted;
    for (int volatile i = 0; i < round % 256; ++i) continue;
    pthread_kill(thread, SIGUSR2);
    while (round_heard != round) sched_yield();
  }
  rounds_are_over = true;
  pthread_join(thread, NULL);
  pthread_join(other, NULL);
  IS(round_heard, round_wanted);
}

static atomic_int short_lived;
static void* end_at_once(void* unused) {
  (void)unused;
  short_lived = gettid();
  return NULL;
}

// A thread may end while a signal is on its way to it.
TEST(signals_to_threads_that_end) {
  signal(SIGUSR1, disturb);
  int rounds = 0;
  time_t const enough = time(NULL) + 10;
  for (; rounds < 3000 && time(NULL) < enough; ++rounds) {
    short_lived = 0;
    pthread_t thread;
    NEED(-pthread_create(&thread, NULL, end_at_once, NULL));
    while (short_lived == 0) continue;
    while (SYS(tgkill, getpid(), short_lived, SIGUSR1) == 0) continue;
    if (errno != ESRCH) break;
    pthread_join(thread, NULL);
  }
  IS(errno, ESRCH);
  OK(rounds > 10);
}

// A descriptor is looked at while others close it and open other files under its number.
enum { LOOKED_AT = 100, LOOKERS = 3 };
static atomic_bool looks_are_over;
static atomic_int wrong_errors;

static void* look_at_descriptor(void* unused) {
  (void)unused;
  while (!looks_are_over) {
    int const flags = fcntl(LOOKED_AT, F_GETFL);
    if (flags == -1 && errno != EBADF) ++wrong_errors;
  }
  return NULL;
}

TEST(descriptors_that_come_and_go) {
  pthread_t threads[LOOKERS];
  for (int i = 0; i < LOOKERS; ++i)
    NEED(-pthread_create(&threads[i], NULL, look_at_descriptor, NULL));
  int made = 0;
  time_t const enough = time(NULL) + 10;
  for (; made < 20000 && time(NULL) < enough; ++made) {
    int ends[2];
    if (made % 2 != 0) {
      ends[0] = ends[1] = open("/dev/null", O_RDONLY);
    } else if (pipe(ends) != 0) {
      break;
    }
    if (ends[0] < 0 || dup2(ends[0], LOOKED_AT) != LOOKED_AT) break;
    close(ends[0]);
    if (ends[1] != ends[0]) close(ends[1]);
    if (close(LOOKED_AT) != 0) break;
  }
  looks_are_over = true;
  for (int i = 0; i < LOOKERS; ++i) pthread_join(threads[i], NULL);
  OK(made > 100);
  IS(wrong_errors, 0);
}
