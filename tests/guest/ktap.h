// Purpose: a test program for a guest. Each TEST runs in a process and a folder of its own; each
// check prints one line of KTAP whose text is the check itself, so that the output is the same on
// every kernel that behaves the same.
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Seconds that one TEST may take on a slow and busy machine.
#define TEST_SECONDS 60
#define MOST_TESTS 100

// A pointer that no process may use.
#define BAD_POINTER ((void*)8)
// No user of the guest, and its group.
#define NOBODY 65534

// A system call itself, where the C library's function of that name makes another one.
#define SYS(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

// --- checks ---------------------------------------------------------------------------------
// The expressions that follow are evaluated once.
#define OK(condition) ktap_check((condition), #condition, "")
#define IS(expression, value)                                                                      \
  ({                                                                                               \
    long const got_ = (long)(expression), want_ = (long)(value);                                   \
    ktap_check(got_ == want_, #expression " is " #value, "got %ld, not %ld, %s", got_, want_,      \
               ktap_errno(got_));                                                                  \
  })
#define WORKS(expression)                                                                          \
  ({                                                                                               \
    long const got_ = (long)(expression);                                                          \
    ktap_check(got_ != -1, #expression " works", "%s", ktap_errno(got_));                          \
    got_;                                                                                          \
  })
#define FAILS(expression, error)                                                                   \
  ({                                                                                               \
    errno = 0;                                                                                     \
    long const got_ = (long)(expression);                                                          \
    ktap_check(got_ == -1 && errno == (error), #expression " fails: " #error, "got %ld, %s", got_, \
               ktap_errno(got_));                                                                  \
  })
// What is needed only to come to the point; its failure ends the TEST.
#define NEED(expression)                                                                           \
  ({                                                                                               \
    long const got_ = (long)(expression);                                                          \
    if (got_ == -1) ktap_give_up(#expression);                                                     \
    got_;                                                                                          \
  })

static int ktap_count_pipe[2];
static int ktap_number;  // of the last check
static char const* ktap_test_name;

static inline char const* ktap_errno(long result) {
  return result == -1 ? strerrorname_np(errno) : "";
}

__attribute__((format(printf, 3, 4))) static inline bool ktap_check(bool good, char const* name,
                                                                    char const* format, ...) {
  char details[200];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(details, sizeof details, format, arguments);
  va_end(arguments);
  printf("%s %d - %s: %s\n", good ? "ok" : "not ok", ++ktap_number, ktap_test_name, name);
  if (!good && details[0]) printf("# %s\n", details);
  fflush(stdout);
  if (write(ktap_count_pipe[1], "", 1) != 1) _exit(1);
  return good;
}

static inline void ktap_give_up(char const* what) {
  ktap_check(false, what, "%s", strerrorname_np(errno));
  _exit(0);
}

// --- other processes ------------------------------------------------------------------------
// Runs `body` in a child and gives waitpid's status. The child says what it found by its exit code.
#define IN_CHILD(...)                                                                              \
  ({                                                                                               \
    pid_t const child_ = fork();                                                                   \
    if (child_ == 0) {                                                                             \
      __VA_ARGS__;                                                                                 \
      _exit(0);                                                                                    \
    }                                                                                              \
    ktap_status_of(child_);                                                                        \
  })

static inline int ktap_status_of(pid_t child) {
  int status = -1;
  if (child > 0)
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return status;
}

#define EXITED(code) ((code) << 8)

// --- the program ----------------------------------------------------------------------------
struct ktap_test {
  char const* name;
  void (*run)(void);
};
static struct ktap_test ktap_tests[MOST_TESTS];
static int ktap_test_count;

#define TEST(name)                                                                                 \
  static void name(void);                                                                          \
  __attribute__((constructor)) static void register_##name(void) {                                 \
    ktap_tests[ktap_test_count++] = (struct ktap_test){#name, name};                               \
  }                                                                                                \
  static void name(void)

static inline void ktap_run_child(struct ktap_test const* test) {
  char folder[64];
  snprintf(folder, sizeof folder, "/tmp/%s.%d", test->name, getpid());
  if (mkdir(folder, 0755) != 0 || chdir(folder) != 0) {
    printf("# no folder %s: %s\n", folder, strerrorname_np(errno));
    _exit(1);
  }
  alarm(TEST_SECONDS);
  test->run();
  _exit(0);
}

static inline void ktap_run(struct ktap_test const* test) {
  ktap_test_name = test->name;
  fflush(stdout);
  pid_t const child = fork();
  if (child == 0) ktap_run_child(test);
  int const status = ktap_status_of(child);
  char bytes[512];
  for (ssize_t got; (got = read(ktap_count_pipe[0], bytes, sizeof bytes)) > 0;)
    ktap_number += (int)got;
  if (status == 0) return;
  printf("not ok %d - %s: ends well\n# status %#x\n", ++ktap_number, test->name, (unsigned)status);
}

// All of them, or those named.
int main(int argc, char** argv) {
  umask(022);
  if (pipe2(ktap_count_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return 1;
  puts("KTAP version 1");
  for (int i = 0; i < ktap_test_count; ++i) {
    bool wanted = argc < 2;
    for (int j = 1; j < argc; ++j) wanted |= strcmp(argv[j], ktap_tests[i].name) == 0;
    if (wanted) ktap_run(&ktap_tests[i]);
  }
  printf("1..%d\n", ktap_number);
  return 0;
}

// --- small helpers --------------------------------------------------------------------------
static inline int make_file(char const* path, char const* content) {
  int const file = (int)NEED(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));
  NEED(write(file, content, strlen(content)));
  NEED(lseek(file, 0, SEEK_SET));
  return file;
}

static inline int closed_descriptor(void) {
  int const file = (int)NEED(open("/", O_RDONLY));
  close(file);
  return file;
}

// A variable of the whole guest: other TESTs come after this one.
static inline void set_sysctl(char const* name, char const* value) {
  char path[128];
  snprintf(path, sizeof path, "/proc/sys/%s", name);
  int const file = (int)NEED(open(path, O_WRONLY));
  NEED(write(file, value, strlen(value)));
  close(file);
}

// No longer root, for this process.
static inline void become_nobody(void) {
  NEED(setgroups(0, NULL));
  NEED(setresgid(NOBODY, NOBODY, NOBODY));
  NEED(setresuid(NOBODY, NOBODY, NOBODY));
}

// A mapping whose end is the end of what may be touched: pointers into it find overruns.
static inline char* page_before_nothing(void) {
  char* const pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) ktap_give_up("two pages");
  NEED(munmap(pages + 4096, 4096));
  return pages;
}

static inline int64_t now_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}
