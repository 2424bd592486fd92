// Memory runs out: somebody dies, everybody else goes on, and the memory comes back.
#include "ktap.h"

#include <sys/sysinfo.h>

#define PAGE 4096L
#define READ_WRITE (PROT_READ | PROT_WRITE)

static unsigned long free_memory(void) {
  struct sysinfo info;
  NEED(sysinfo(&info));
  return info.freeram * info.mem_unit;
}

// Takes memory until the kernel has something against it.
static void take_all(int flags) {
  for (;;) {
    long const size = 1 << 20;
    char* const at = mmap(NULL, size, READ_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) _exit(2);
    for (long i = 0; i < size; i += PAGE) at[i] = 1;
  }
}

// Memory that other processes gave up may take a while to be free.
static bool comes_back(unsigned long wanted) {
  for (int i = 0; i < 1000; ++i) {
    if (free_memory() >= wanted) return true;
    sched_yield();
    usleep(10000);
  }
  return false;
}

TEST(the_hog_dies) {
  // One who has a little, and must not die.
  int ends[2];
  NEED(pipe(ends));
  pid_t const canary = fork();
  if (canary == 0) {
    char byte;
    close(ends[1]);
    _exit(read(ends[0], &byte, 1) == 0 ? 7 : 8);
  }
  close(ends[0]);
  unsigned long const before = free_memory();
  for (int i = 0; i < 3; ++i) {
    pid_t const hog = fork();
    if (hog == 0) {
      close(ends[1]);
      take_all(MAP_PRIVATE);
    }
    IS(ktap_status_of(hog), SIGKILL);
  }
  OK(comes_back(before - before / 8));
  close(ends[1]);
  IS(ktap_status_of(canary), EXITED(7));
}

TEST(the_hog_among_others_dies) {
  // Three who have a part each, and one who takes everything.
  int ends[2];
  NEED(pipe(ends));
  pid_t others[3];
  unsigned long const part = free_memory() / 16;
  for (int i = 0; i < 3; ++i) {
    others[i] = fork();
    if (others[i] == 0) {
      char byte;
      close(ends[1]);
      char* const at = mmap(NULL, part, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (at == MAP_FAILED) _exit(1);
      for (unsigned long j = 0; j < part; j += PAGE) at[j] = (char)(j / PAGE);
      if (read(ends[0], &byte, 1) != 0) _exit(2);
      for (unsigned long j = 0; j < part; j += PAGE)
        if (at[j] != (char)(j / PAGE)) _exit(3);
      _exit(4);
    }
  }
  pid_t const hog = fork();
  if (hog == 0) {
    close(ends[1]);
    take_all(MAP_PRIVATE);
  }
  IS(ktap_status_of(hog), SIGKILL);
  close(ends[1]);
  for (int i = 0; i < 3; ++i) IS(ktap_status_of(others[i]), EXITED(4));
}

static int take_all_too(void* unused) {
  (void)unused;
  take_all(MAP_PRIVATE);
  return 0;
}

TEST(threads_of_the_hog_die_with_it) {
  // Two processes that share one space.
  static char stack[16 * PAGE];
  unsigned long const before = free_memory();
  pid_t const hog = fork();
  if (hog == 0) {
    if (clone(take_all_too, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL) < 0) _exit(1);
    take_all(MAP_PRIVATE);
  }
  IS(ktap_status_of(hog), SIGKILL);
  OK(comes_back(before - before / 8));
}

TEST(system_calls_of_the_hog_end) {
  // A read into more memory than there is.
  pid_t const hog = fork();
  if (hog == 0) {
    int const zero = open("/dev/zero", O_RDONLY);
    unsigned long const size = 1UL << 32;
    char* const at =
        mmap(NULL, size, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) _exit(1);
    for (unsigned long done = 0; done < size;) {
      ssize_t const n = read(zero, at + done, size - done);
      if (n <= 0) _exit(2);
      done += (unsigned long)n;
    }
    _exit(3);
  }
  IS(ktap_status_of(hog), SIGKILL);
}
