// Page faults against everything that changes an address space meanwhile.
//
//   race THREADS NAME=ROUNDS...
//
// Each race prints `race: NAME: ok, ROUNDS rounds` or what it found. So many threads run beside the
// one that changes the address space; what they see must be explained by some order of what they
// did.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096L
#define READ_WRITE (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

static long rounds;
static char const* current;
static char const* self_path;

_Noreturn static void fail(char const* what, long detail) {
  printf("race: %s: FAILED, %s (%ld, %s)\n", current, what, detail, strerrorname_np(errno));
  fflush(stdout);
  _exit(1);
}

#define CHECK(condition, detail)                                                                   \
  do {                                                                                             \
    if (!(condition)) fail(#condition, (long)(detail));                                            \
  } while (0)

// --- faults that are expected -----------------------------------------------------------------
static _Thread_local sigjmp_buf back;
static _Thread_local bool volatile expects_fault;

static void on_fault(int number, siginfo_t* info, void* context) {
  (void)context;
  if (!expects_fault) fail("an unexpected fault", (long)info->si_addr);
  expects_fault = false;
  siglongjmp(back, number);
}

// Runs `body`, which may fault; gives the signal or 0.
#define TRYING(body)                                                                               \
  ({                                                                                               \
    int const number_ = sigsetjmp(back, 1);                                                        \
    if (number_ == 0) {                                                                            \
      expects_fault = true;                                                                        \
      body;                                                                                        \
      expects_fault = false;                                                                       \
    }                                                                                              \
    number_;                                                                                       \
  })

// --- threads ----------------------------------------------------------------------------------
enum { most_workers = 3 };
static int workers;
static pthread_t threads[most_workers];
static atomic_bool stop;

static void start(void* (*function)(void*)) {
  atomic_store(&stop, false);
  for (long i = 0; i < workers; ++i)
    if (pthread_create(&threads[i], NULL, function, (void*)i) != 0) fail("pthread_create", i);
}

static void end(void) {
  atomic_store(&stop, true);
  for (int i = 0; i < workers; ++i) pthread_join(threads[i], NULL);
}

static char* map(long pages, int protection, int flags, int file) {
  char* const at = mmap(NULL, (size_t)(pages * PAGE), protection, flags, file, 0);
  if (at == MAP_FAILED) fail("mmap", pages);
  return at;
}

// In the middle of a large area, where pages come several at a time, and the next place begins
// where the next group does.
enum { block = 512, group = 16 };
static char* large;
static char* map_large(void) {
  large = map(4 * block, READ_WRITE, ANONYMOUS, -1);
  return (char*)(((uintptr_t)large + 2 * block * PAGE - 1) / (block * PAGE) * (block * PAGE));
}
static void unmap_large(void) { munmap(large, 4 * block * PAGE); }

// --- munmap -----------------------------------------------------------------------------------
enum { places = 8 };
static char* _Atomic place;

// Fresh memory is zero, and what a thread has written to it stays as long as it is mapped.
static void* touch_places(void* number) {
  for (unsigned i = 0; !atomic_load(&stop); ++i) {
    char* const at = place + (i % places) * PAGE + (long)number * 16;
    (void)TRYING({
      char const before = *(char volatile*)at;
      if (before != 0 && before != 1 + (char)(long)number) fail("somebody else's byte", before);
      *(char volatile*)at = 1 + (char)(long)number;
    });
  }
  return NULL;
}

static void race_munmap(void) {
  char* const at = map(places, PROT_NONE, ANONYMOUS, -1);
  place = at;
  start(touch_places);
  for (long i = 0; i < rounds; ++i) {
    long const from = i % places, pages = 1 + i / places % (places - from);
    CHECK(mmap(at + from * PAGE, (size_t)(pages * PAGE), READ_WRITE, ANONYMOUS | MAP_FIXED, -1,
               0) == at + from * PAGE,
          i);
    if (i % 3 == 0) at[from * PAGE + 100] = 7;
    if (i % 3 == 0) CHECK(at[from * PAGE + 100] == 7, i);
    CHECK(munmap(at + (i * 5 % places) * PAGE, PAGE) == 0, i);
  }
  end();
  munmap(at, places * PAGE);
}

// --- mprotect ---------------------------------------------------------------------------------
static _Atomic uint64_t written[most_workers];

// No write that went through is lost.
static void* count_up(void* number) {
  uint64_t done = 0;
  while (!atomic_load(&stop)) {
    uint64_t volatile* const at =
        (uint64_t volatile*)(void*)(place + (done % places) * PAGE + (long)number * 64);
    if (TRYING(*at = *at + 1) == 0) ++done;
  }
  written[(long)number] = done;
  return NULL;
}

static void race_mprotect(void) {
  char* const at = map(places, READ_WRITE, ANONYMOUS, -1);
  place = at;
  start(count_up);
  for (long i = 0; i < rounds; ++i) {
    static int const kinds[] = {PROT_READ, READ_WRITE, PROT_NONE, READ_WRITE};
    CHECK(mprotect(at + (i % 3) * PAGE, (size_t)((1 + i % 5) * PAGE), kinds[i % 4]) == 0, i);
  }
  CHECK(mprotect(at, places * PAGE, READ_WRITE) == 0, 0);
  end();
  for (long t = 0; t < workers; ++t) {
    uint64_t sum = 0;
    for (long i = 0; i < places; ++i) sum += *(uint64_t*)(void*)(at + i * PAGE + t * 64);
    CHECK(sum == written[t], (long)(sum - written[t]));
  }
  munmap(at, places * PAGE);
}

// --- fork -------------------------------------------------------------------------------------
// Two counters of each thread on two pages: the first one is never behind, nor far ahead.
static void* count_in_pairs(void* number) {
  uint64_t done = 0;
  uint64_t volatile* const first = (uint64_t volatile*)(void*)(place + (long)number * 64);
  uint64_t volatile* const second =
      (uint64_t volatile*)(void*)(place + PAGE * (1 + (long)number) + (long)number * 64);
  while (!atomic_load(&stop)) {
    *first = ++done;
    *second = done;
  }
  written[(long)number] = done;
  return NULL;
}

static void fork_with(char* at) {
  place = at;
  start(count_in_pairs);
  for (long i = 0; i < rounds; ++i) {
    pid_t const child = fork();
    CHECK(child >= 0, i);
    if (child == 0) {
      for (long t = 0; t < workers; ++t) {
        uint64_t const first = *(uint64_t*)(void*)(at + t * 64);
        uint64_t const second = *(uint64_t*)(void*)(at + PAGE * (1 + t) + t * 64);
        if (first != second && first != second + 1) _exit(1);
        *(uint64_t*)(void*)(at + t * 64) = 1;
      }
      _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child, i);
    CHECK(status == 0, i);
  }
  end();
  for (long t = 0; t < workers; ++t) {
    CHECK(*(uint64_t*)(void*)(at + t * 64) == written[t], t);
    CHECK(*(uint64_t*)(void*)(at + PAGE * (1 + t) + t * 64) == written[t], t);
  }
}

static void race_fork(void) {
  char* const at = map(places, READ_WRITE, ANONYMOUS, -1);
  fork_with(at);
  munmap(at, places * PAGE);
}

static void race_fork_large(void) {
  fork_with(map_large() + (group - 2) * PAGE);
  unmap_large();
}

// --- exec -------------------------------------------------------------------------------------
static void* fault_for_ever(void* number) {
  enum { pages = 4 * block };
  char* const at = map(pages, READ_WRITE, ANONYMOUS, -1);
  for (long i = 0;; ++i) {
    at[(i % pages) * PAGE + (long)number] = 1;
    if (i % pages == pages - 1) madvise(at, pages * PAGE, MADV_DONTNEED);
  }
}

static void race_exec(void) {
  for (long i = 0; i < rounds; ++i) {
    pid_t const child = fork();
    CHECK(child >= 0, i);
    if (child == 0) {
      start(fault_for_ever);
      execl(self_path, "race", "--nothing", NULL);
      _exit(1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child, i);
    CHECK(status == 0, i);
  }
}

// --- madvise ----------------------------------------------------------------------------------
// What is thrown away is zero, and nothing else comes in its place.
static void race_discard(void) {
  char* const at = map(places, READ_WRITE, ANONYMOUS, -1);
  place = at;
  start(touch_places);
  for (long i = 0; i < rounds; ++i)
    CHECK(madvise(at + (i % places) * PAGE, PAGE, MADV_DONTNEED) == 0, i);
  end();
  munmap(at, places * PAGE);
}

static void race_discard_large(void) {
  char* const at = map_large() + (group - places / 2) * PAGE;
  place = at;
  start(touch_places);
  for (long i = 0; i < rounds; ++i) {
    // One page, one group, or parts of two.
    static long const sizes[] = {1, group, 1, places};
    long const pages = sizes[i % 4];
    char* const from = pages == group ? at - (group - places / 2) * PAGE : at;
    long const step = pages == 1 ? i / 2 % places : pages == group ? i / 4 % 2 * group : 0;
    CHECK(madvise(from + step * PAGE, (size_t)(pages * PAGE), MADV_DONTNEED) == 0, i);
  }
  end();
  unmap_large();
}

// --- mremap -----------------------------------------------------------------------------------
static void race_mremap(void) {
  char* const a = map(2 * places, READ_WRITE, ANONYMOUS, -1);
  char* const b = a + places * PAGE;
  CHECK(munmap(b, places * PAGE) == 0, 0);
  place = a;
  start(count_up);
  for (long i = 0; i < rounds; ++i) {
    char* const from = i % 2 == 0 ? a : b;
    char* const to = i % 2 == 0 ? b : a;
    CHECK(mremap(from, places * PAGE, places * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to, i);
    if (i % 16 == 0) sched_yield();
  }
  end();
  char* const at = rounds % 2 == 0 ? a : b;
  for (long t = 0; t < workers; ++t) {
    uint64_t sum = 0;
    for (long i = 0; i < places; ++i) sum += *(uint64_t*)(void*)(at + i * PAGE + t * 64);
    CHECK(sum == written[t], (long)(sum - written[t]));
  }
  munmap(at, places * PAGE);
}

// --- truncation -------------------------------------------------------------------------------
static int file;
static atomic_long generation;

// A page of the file shows what was written to it since it was last cut off, or nothing. One byte:
// more may be seen half written.
static void* look_at_file(void* number) {
  (void)number;
  while (!atomic_load(&stop)) {
    long const before = atomic_load(&generation);
    unsigned char seen = 0;
    if (TRYING(seen = *(unsigned char volatile*)(place + PAGE)) != 0) continue;
    long const after = atomic_load(&generation);
    if (seen == 0) continue;
    bool fresh = after - before > 200;
    for (long i = before - 1; i <= after + 1; ++i) fresh |= (unsigned char)i == seen;
    if (!fresh) fail("an old page", seen - (before & 0xff));
  }
  return NULL;
}

static void race_truncate(void) {
  file = open("race.file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(file >= 0, 0);
  place = map(2, READ_WRITE, MAP_SHARED, file);
  start(look_at_file);
  for (long i = 1; i <= rounds; ++i) {
    unsigned char const byte = (unsigned char)i;
    atomic_store(&generation, i);
    CHECK(ftruncate(file, 2 * PAGE) == 0, i);
    CHECK(pwrite(file, &byte, 1, PAGE) == 1, i);
    CHECK(ftruncate(file, PAGE) == 0, i);
  }
  end();
  munmap(place, 2 * PAGE);
  close(file);
  unlink("race.file");
}

// --- system calls -----------------------------------------------------------------------------
// The kernel reads and writes what a program takes away meanwhile: EFAULT, or all is well.
static int ends[2];
static void* drain_pipe(void* number) {
  char* const own = place + (2 + (long)number) * PAGE;
  while (!atomic_load(&stop)) {
    ssize_t const n = read(ends[0], own, 512);
    if (n < 0 && errno != EFAULT && errno != EAGAIN) fail("read", errno);
    if (n > 0)
      (void)TRYING(for (ssize_t i = 0; i < n; ++i) {
        char const c = ((char volatile*)own)[i];
        if (c != 'x' && c != 0) fail("a strange byte", c);
      });
  }
  return NULL;
}

static void race_copies(void) {
  CHECK(pipe2(ends, O_NONBLOCK) == 0, 0);
  char* const at = map(places, READ_WRITE, ANONYMOUS, -1);
  place = at;
  memset(at, 'x', PAGE);
  start(drain_pipe);
  for (long i = 0; i < rounds; ++i) {
    ssize_t const n = write(ends[1], at, 256);
    CHECK(n > 0 || errno == EAGAIN, i);
    char* const theirs = at + (2 + i % workers) * PAGE;
    CHECK(munmap(theirs, PAGE) == 0, i);
    CHECK(mmap(theirs, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0) == theirs, i);
  }
  end();
  munmap(at, places * PAGE);
  close(ends[0]);
  close(ends[1]);
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--nothing") == 0) return 0;
  static struct {
    char const* name;
    void (*run)(void);
  } const races[] = {
      {"munmap", race_munmap},
      {"mprotect", race_mprotect},
      {"fork", race_fork},
      {"exec", race_exec},
      {"discard", race_discard},
      {"mremap", race_mremap},
      {"truncate", race_truncate},
      {"copies", race_copies},
      {"fork_large", race_fork_large},
      {"discard_large", race_discard_large},
  };
  self_path = argv[0];
  struct sigaction const action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  if (argc < 3 || (workers = atoi(argv[1])) < 1 || workers > most_workers) return 2;
  for (int j = 2; j < argc; ++j) {
    char* const rest = strchr(argv[j], '=');
    if (rest == NULL || (rounds = strtol(rest + 1, NULL, 10)) <= 0) return 2;
    *rest = '\0';
    for (size_t i = 0; i < sizeof races / sizeof races[0]; ++i) {
      if (strcmp(argv[j], races[i].name) != 0) continue;
      current = races[i].name;
      races[i].run();
      printf("race: %s: ok, %ld rounds\n", current, rounds);
      fflush(stdout);
    }
  }
  return 0;
}
