// The memory of another process: process_vm_readv, process_vm_writev.
#include "ktap.h"

#include <sys/prctl.h>

#define PAGE 4096L
#define READ_WRITE (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

static char* map(long pages) {
  char* const at = mmap(NULL, (size_t)(pages * PAGE), READ_WRITE, ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) ktap_give_up("mmap");
  return at;
}

// A process that waits until it is told to go on, by the end of a pipe.
static int gate[2];
static pid_t start_waiting(void (*then)(void)) {
  NEED(pipe(gate));
  pid_t const child = fork();
  if (child == 0) {
    char byte;
    close(gate[1]);
    (void)!read(gate[0], &byte, 1);
    then();
    _exit(0);
  }
  close(gate[0]);
  return child;
}
static void nothing(void) {}

static struct iovec range(void* at, size_t size) { return (struct iovec){at, size}; }
static ssize_t peek(pid_t pid, void* own, void* theirs, size_t size) {
  struct iovec const a = range(own, size), b = range(theirs, size);
  return process_vm_readv(pid, &a, 1, &b, 1, 0);
}
static ssize_t poke(pid_t pid, void* own, void* theirs, size_t size) {
  struct iovec const a = range(own, size), b = range(theirs, size);
  return process_vm_writev(pid, &a, 1, &b, 1, 0);
}

static char* place;
static void exit_with_place(void) { _exit(place[0] + place[PAGE]); }

TEST(reading_and_writing) {
  char* const at = place = map(4);
  memset(at, 'a', PAGE);
  pid_t const child = start_waiting(exit_with_place);
  at[0] = 'z';
  char buffer[2 * PAGE];
  IS(peek(child, buffer, at, 10), 10);
  IS(buffer[0], 'a');
  // A page that was never there reads as zeros.
  IS(peek(child, buffer, at + 2 * PAGE, 10), 10);
  IS(buffer[9], 0);
  buffer[0] = 3;
  IS(poke(child, buffer, at, 1), 1);
  buffer[0] = 4;
  IS(poke(child, buffer, at + PAGE, 1), 1);
  // Ours is another one.
  IS(at[0], 'z');
  close(gate[1]);
  IS(ktap_status_of(child), EXITED(7));
}

TEST(partly) {
  char* const at = map(2);
  memset(at, 'x', 2 * PAGE);
  pid_t const child = start_waiting(nothing);
  NEED(munmap(at + PAGE, PAGE));
  static char buffer[2 * PAGE];
  // As far as their memory goes; ours as well.
  IS(peek(child, buffer, at, 2 * PAGE), 2 * PAGE);
  IS(peek(child, at + PAGE - 4, at, 8), 4);
  FAILS(peek(child, at + PAGE, at, 8), EFAULT);
  IS(poke(getpid(), buffer, at + PAGE - 4, 8), 4);
  FAILS(poke(getpid(), buffer, at + PAGE, 8), EFAULT);
  NEED(mprotect(at, PAGE, PROT_READ));
  FAILS(poke(getpid(), buffer, at, 8), EFAULT);
  IS(peek(getpid(), buffer, at, 8), 8);
  NEED(mprotect(at, PAGE, PROT_NONE));
  FAILS(peek(getpid(), buffer, at, 8), EFAULT);
  FAILS(peek(child, buffer, (void*)-PAGE, 8), EFAULT);
  close(gate[1]);
  ktap_status_of(child);
}

TEST(vectors) {
  char* const at = map(1);
  memcpy(at, "0123456789", 10);
  char buffer[16] = "";
  struct iovec const own[] = {range(buffer, 3), range(buffer + 8, 4)};
  struct iovec const theirs[] = {range(at + 1, 2), range(at, 0), range(at + 5, 5)};
  IS(process_vm_readv(getpid(), own, 2, theirs, 3, 0), 7);
  IS(memcmp(buffer, "125", 3), 0);
  IS(memcmp(buffer + 8, "6789", 4), 0);
  IS(process_vm_readv(getpid(), own, 2, theirs, 1, 0), 2);
  IS(process_vm_readv(getpid(), own, 0, theirs, 3, 0), 0);
  IS(process_vm_readv(getpid(), own, 2, theirs + 1, 1, 0), 0);
  FAILS(process_vm_readv(getpid(), own, 2, theirs, 3, 1), EINVAL);
  FAILS(process_vm_readv(getpid(), own, 1025, theirs, 3, 0), EINVAL);
  FAILS(process_vm_readv(getpid(), own, 2, theirs, 1025, 0), EINVAL);
  FAILS(process_vm_readv(getpid(), BAD_POINTER, 2, theirs, 3, 0), EFAULT);
  FAILS(process_vm_readv(getpid(), own, 2, BAD_POINTER, 3, 0), EFAULT);
  FAILS(process_vm_readv(0x3fffff, own, 2, theirs, 3, 0), ESRCH);
  FAILS(process_vm_writev(0, own, 2, theirs, 3, 0), ESRCH);
}

TEST(rights) {
  char* const at = map(1);
  at[0] = 1;
  char byte;
  pid_t const roots = start_waiting(nothing);
  int const open_gate = gate[1];
  IS(IN_CHILD({
       become_nobody();
       _exit(peek(roots, &byte, at, 1) == -1 ? errno : 0);
     }),
     EXITED(EPERM));
  close(open_gate);
  ktap_status_of(roots);
  become_nobody();
  NEED(prctl(PR_SET_DUMPABLE, 1));
  pid_t const own = start_waiting(nothing);
  IS(peek(own, &byte, at, 1), 1);
  IS(peek(getpid(), &byte, at, 1), 1);
  close(gate[1]);
  ktap_status_of(own);
}
