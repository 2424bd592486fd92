// vm.overcommit_memory=2: nothing is promised that could not be kept.
#include "ktap.h"

#include <sys/sysinfo.h>

#define PAGE 4096UL
#define READ_WRITE (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

// Parts of the memory there is, in percent. Half of it may be promised.
static unsigned long part(unsigned long percent) {
  struct sysinfo info;
  NEED(sysinfo(&info));
  return info.totalram / 100 * percent * info.mem_unit / PAGE * PAGE;
}

static void* map(unsigned long size, int protection, int flags) {
  return mmap(NULL, size, protection, flags, -1, 0);
}

TEST(promises) {
  FAILS(map(part(60), READ_WRITE, ANONYMOUS), ENOMEM);
  FAILS(map(part(60), READ_WRITE, ANONYMOUS | MAP_NORESERVE), ENOMEM);
  FAILS(map(part(60), READ_WRITE, MAP_SHARED | MAP_ANONYMOUS), ENOMEM);
  WORKS(map(part(300), PROT_READ, ANONYMOUS));
  WORKS(map(part(300), PROT_NONE, ANONYMOUS));
  char* const at = map(part(60), PROT_READ, ANONYMOUS);
  OK(at != MAP_FAILED);
  FAILS(mprotect(at, part(60), READ_WRITE), ENOMEM);
  WORKS(mprotect(at, part(1), READ_WRITE));
}

TEST(promises_add_up) {
  char* const one = map(part(30), READ_WRITE, ANONYMOUS);
  OK(one != MAP_FAILED);
  FAILS(map(part(30), READ_WRITE, ANONYMOUS), ENOMEM);
  FAILS(map(part(30), READ_WRITE, MAP_SHARED | MAP_ANONYMOUS), ENOMEM);
  // What is given up can be promised again.
  WORKS(munmap(one, part(20)));
  char* const two = map(part(25), READ_WRITE, ANONYMOUS);
  OK(two != MAP_FAILED);
  WORKS(munmap(two, part(25)));
  char* const shared = map(part(25), READ_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  OK(shared != MAP_FAILED);
  FAILS(map(part(25), READ_WRITE, ANONYMOUS), ENOMEM);
  WORKS(munmap(shared, part(25)));
  OK(map(part(25), READ_WRITE, ANONYMOUS) != MAP_FAILED);
}

TEST(forks_promise_too) {
  char* const at = map(part(30), READ_WRITE, ANONYMOUS);
  OK(at != MAP_FAILED);
  FAILS(fork(), ENOMEM);
  WORKS(madvise(at, part(20), MADV_DONTFORK));
  IS(IN_CHILD(_exit(0)), 0);
  WORKS(munmap(at, part(30)));
  IS(IN_CHILD(_exit(0)), 0);
  IS(IN_CHILD(_exit(map(part(30), READ_WRITE, ANONYMOUS) == MAP_FAILED)), 0);
  OK(map(part(30), READ_WRITE, ANONYMOUS) != MAP_FAILED);
}

TEST(heap_and_moves) {
  char* const heap = (char*)SYS(brk, 0);
  OK((char*)SYS(brk, heap + part(60)) == heap);
  OK((char*)SYS(brk, heap + part(5)) == heap + part(5));
  OK((char*)SYS(brk, heap) == heap);
  char* const at = map(part(20), READ_WRITE, ANONYMOUS);
  OK(at != MAP_FAILED);
  FAILS(mremap(at, part(20), part(60), MREMAP_MAYMOVE), ENOMEM);
  OK(mremap(at, part(20), part(22), MREMAP_MAYMOVE) != MAP_FAILED);
}
