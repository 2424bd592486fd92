// Address spaces: brk, mappings and what touching them does.
#include "faults.h"

#include <sys/prctl.h>

#define PAGE 4096
#define READ_WRITE (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

static char* map(size_t pages, int protection, int flags) {
  char* const at = mmap(NULL, pages * PAGE, protection, flags, -1, 0);
  if (at == MAP_FAILED) ktap_give_up("mmap");
  return at;
}

TEST(break_moves) {
  catch_faults();
  char* const start = (char*)SYS(brk, 0);
  OK(start != NULL);
  OK((char*)SYS(brk, start + 3 * PAGE) == start + 3 * PAGE);
  IS(write_at(start + 3 * PAGE - 1), 0);
  IS(start[PAGE], 0);
  OK((char*)SYS(brk, 0) == start + 3 * PAGE);
  start[0] = 7;
  OK((char*)SYS(brk, start + PAGE) == start + PAGE);
  IS(read_at(start + 2 * PAGE), SIGSEGV);
  OK((char*)SYS(brk, start + 3 * PAGE) == start + 3 * PAGE);
  IS(start[2 * PAGE + 100], 0);
  IS(start[0], 7);
  // What cannot be done changes nothing and tells where the end is.
  OK((char*)SYS(brk, 1) == start + 3 * PAGE);
  OK((char*)SYS(brk, 0x7ffffffff000) == start + 3 * PAGE);
}

TEST(anonymous_memory) {
  catch_faults();
  char* const at = map(4, READ_WRITE, ANONYMOUS);
  IS((uintptr_t)at % PAGE, 0);
  IS(at[0] + at[4 * PAGE - 1], 0);
  at[PAGE] = 5;
  WORKS(munmap(at + PAGE, PAGE));
  IS(read_at(at + PAGE), SIGSEGV);
  IS(fault_code, SEGV_MAPERR);
  OK(fault_address == at + PAGE);
  IS(read_at(at), 0);
  IS(read_at(at + 2 * PAGE), 0);
  WORKS(munmap(at, 4 * PAGE));
  WORKS(munmap(at, 4 * PAGE));
  IS(read_at(at), SIGSEGV);
}

TEST(mapping_errors) {
  int const file = make_file("file", "x");
  int const reader = (int)NEED(open("file", O_RDONLY));
  int const writer = (int)NEED(open("file", O_WRONLY));
  int ends[2];
  NEED(pipe(ends));
  FAILS(mmap(NULL, 0, PROT_READ, ANONYMOUS, -1, 0), EINVAL);
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
  FAILS(SYS(mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 1), EINVAL);
  FAILS(mmap((void*)1, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, closed_descriptor(), 0), EBADF);
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, writer, 0), EACCES);
  FAILS(mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, reader, 0), EACCES);
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, ends[0], 0), ENODEV);
  FAILS(mmap(NULL, 1UL << 47, PROT_READ, ANONYMOUS, -1, 0), ENOMEM);
  FAILS(mmap(NULL, (size_t)-1, PROT_READ, ANONYMOUS, -1, 0), ENOMEM);
  WORKS(mmap(NULL, PAGE, READ_WRITE, MAP_PRIVATE, reader, 0));
  FAILS(munmap((void*)1, PAGE), EINVAL);
  FAILS(munmap((void*)PAGE, 0), EINVAL);
  FAILS(munmap((void*)(1UL << 62), PAGE), EINVAL);
}

TEST(fixed_places) {
  catch_faults();
  char* const at = map(4, READ_WRITE, ANONYMOUS);
  memset(at, 1, 4 * PAGE);
  OK(mmap(at + PAGE, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0) == at + PAGE);
  IS(at[PAGE], 0);
  IS(at[0] + at[2 * PAGE], 2);
  FAILS(mmap(at, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
  NEED(munmap(at + PAGE, PAGE));
  OK(mmap(at + PAGE, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == at + PAGE);
  // A hint that is taken is passed over; one that is free is used.
  OK(mmap(at, PAGE, READ_WRITE, ANONYMOUS, -1, 0) != at);
  NEED(munmap(at + PAGE, PAGE));
  OK(mmap(at + PAGE, PAGE, READ_WRITE, ANONYMOUS, -1, 0) == at + PAGE);
}

TEST(protection) {
  catch_faults();
  char* const at = map(3, READ_WRITE, ANONYMOUS);
  at[PAGE] = 9;
  WORKS(mprotect(at + PAGE, PAGE, PROT_READ));
  IS(write_at(at + PAGE), SIGSEGV);
  IS(fault_code, SEGV_ACCERR);
  OK(fault_address == at + PAGE);
  IS(at[PAGE], 9);
  IS(write_at(at), 0);
  IS(write_at(at + 2 * PAGE), 0);
  WORKS(mprotect(at + PAGE, PAGE, PROT_NONE));
  IS(read_at(at + PAGE), SIGSEGV);
  IS(fault_code, SEGV_ACCERR);
  WORKS(mprotect(at, 3 * PAGE, READ_WRITE));
  IS(at[PAGE], 9);
  IS(write_at(at + PAGE), 0);
  FAILS(mprotect(at + 1, PAGE, PROT_READ), EINVAL);
  FAILS(mprotect(at, PAGE, 0x100), EINVAL);
  NEED(munmap(at + PAGE, PAGE));
  FAILS(mprotect(at, 3 * PAGE, PROT_READ), ENOMEM);
  WORKS(mprotect(at, 0, PROT_READ));
  int const file = make_file("file", "x");
  int const reader = (int)NEED(open("file", O_RDONLY));
  char* const shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);
  FAILS(mprotect(shared, PAGE, READ_WRITE), EACCES);
  close(file);
}

TEST(executable_memory) {
  catch_faults();
  char* const at = map(1, READ_WRITE, ANONYMOUS);
  memcpy(at, "\xb8\x2a\x00\x00\x00\xc3", 6);
  int (*const function)(void) = (int (*)(void))(void*)at;
  int number = sigsetjmp(back, 1);
  if (number == 0) function();
  IS(number, SIGSEGV);
  IS(fault_code, SEGV_ACCERR);
  OK(fault_address == at);
  WORKS(mprotect(at, PAGE, PROT_READ | PROT_EXEC));
  IS(function(), 42);
}

TEST(system_calls_see_protection) {
  char* const at = map(1, PROT_READ, ANONYMOUS);
  int const file = make_file("file", "x");
  FAILS(read(file, at, 1), EFAULT);
  IS(write(file, at, 1), 1);
  NEED(mprotect(at, PAGE, PROT_NONE));
  FAILS(write(file, at, 1), EFAULT);
}

TEST(private_after_fork) {
  char* const at = map(2, READ_WRITE, ANONYMOUS);
  at[0] = 1;
  IS(IN_CHILD({
       at[0] += 4;
       at[PAGE] = 1;
       _exit(at[0]);
     }),
     EXITED(5));
  IS(at[0], 1);
  IS(at[PAGE], 0);
  pid_t const child = fork();
  if (child == 0) {
    for (int volatile i = 0; at[0] == 1 && i < 1000; ++i) sched_yield();
    _exit(at[0]);
  }
  at[0] = 2;
  IS(ktap_status_of(child), EXITED(1));
}

TEST(shared_after_fork) {
  char* const at = map(2, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  IS(IN_CHILD({
       at[0] = 3;
       at[PAGE] = 4;
     }),
     0);
  IS(at[0], 3);
  IS(at[PAGE], 4);
}

TEST(file_mappings) {
  catch_faults();
  int const file = make_file("file", "content");
  char* const own = mmap(NULL, 2 * PAGE, READ_WRITE, MAP_PRIVATE, file, 0);
  char* const shared = mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, file, 0);
  char buffer[8] = "";
  OK(own != MAP_FAILED && shared != MAP_FAILED);
  IS(own[7] + own[PAGE - 1], 0);
  own[0] = 'C';
  NEED(pread(file, buffer, 7, 0));
  IS(strcmp(buffer, "content"), 0);
  shared[1] = '0';
  NEED(pread(file, buffer, 7, 0));
  IS(strcmp(buffer, "c0ntent"), 0);
  IS(own[1], 'o');
  IS(IN_CHILD(shared[2] = 'N'), 0);
  IS(shared[2], 'N');
  IS(read_at(own + PAGE), SIGBUS);
  IS(fault_code, BUS_ADRERR);
  WORKS(msync(shared, PAGE, MS_SYNC));
  NEED(ftruncate(file, 0));
  IS(read_at(shared), SIGBUS);
  FAILS(msync(shared + 1, PAGE, MS_SYNC), EINVAL);
}

TEST(offset_of_mapping) {
  int const file = make_file("file", "");
  NEED(ftruncate(file, 3 * PAGE));
  NEED(pwrite(file, "second", 6, PAGE));
  char* const at = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, PAGE);
  OK(at != MAP_FAILED);
  IS(memcmp(at, "second", 6), 0);
  close(file);
  IS(memcmp(at, "second", 6), 0);
}

TEST(remapping) {
  char* const at = map(2, READ_WRITE, ANONYMOUS);
  at[0] = 1, at[PAGE] = 2;
  char* const moved = mremap(at, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
  OK(moved != MAP_FAILED);
  IS(moved[0] + moved[PAGE] + moved[63 * PAGE], 3);
  OK(mremap(moved, 64 * PAGE, PAGE, 0) == moved);
  FAILS(mremap(moved + 1, PAGE, PAGE, 0), EINVAL);
  FAILS(mremap(moved, PAGE, 0, 0), EINVAL);
  FAILS(mremap((void*)PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
}

TEST(advice) {
  char* const at = map(2, READ_WRITE, ANONYMOUS);
  at[0] = 1;
  WORKS(madvise(at, 2 * PAGE, MADV_DONTNEED));
  IS(at[0], 0);
  WORKS(madvise(at, PAGE, MADV_NORMAL));
  FAILS(madvise(at + 1, PAGE, MADV_NORMAL), EINVAL);
  FAILS(madvise(at, PAGE, 9999), EINVAL);
  NEED(munmap(at + PAGE, PAGE));
  FAILS(madvise(at, 2 * PAGE, MADV_DONTNEED), ENOMEM);
}

static int deepen(int levels) {
  char volatile here[PAGE];
  here[0] = (char)levels;
  return levels == 0 ? 0 : deepen(levels - 1) + here[0] * 0;
}

TEST(stack_grows) {
  IS(deepen(1000), 0);
  NEED(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
  IS(IN_CHILD(deepen(1 << 20)), SIGSEGV);
}

TEST(address_space_limit) {
  NEED(setrlimit(RLIMIT_AS, &(struct rlimit){64 << 20, 64 << 20}));
  FAILS(mmap(NULL, 128 << 20, READ_WRITE, ANONYMOUS, -1, 0), ENOMEM);
  WORKS(mmap(NULL, 1 << 20, READ_WRITE, ANONYMOUS, -1, 0));
}

TEST(much_memory) {
  enum { pages = 4096 };
  char* const at = map(pages, READ_WRITE, ANONYMOUS);
  for (int i = 0; i < pages; ++i) at[i * PAGE] = (char)i;
  bool same = true;
  for (int i = 0; i < pages; ++i) same &= at[i * PAGE] == (char)i;
  OK(same);
  WORKS(munmap(at, pages * PAGE));
}

// In the middle of a large area memory comes as several pages at once.
enum { LARGE = 2048, BLOCK = 512, GROUP = 32 };

static char* middle_of(char* large) {
  uintptr_t const block = BLOCK * PAGE;
  return (char*)(((uintptr_t)large + 2 * block - 1) / block * block);
}

static bool are(char const* at, int from, int step, int add) {
  bool same = true;
  for (int i = from; i < GROUP; i += step) same &= at[i * PAGE] == (char)(add < 0 ? 0 : i + add);
  return same;
}

TEST(neighbours_go_their_own_ways) {
  catch_faults();
  char* const large = map(LARGE, READ_WRITE, ANONYMOUS);
  char* const at = middle_of(large);
  at[5 * PAGE] = 1;
  OK(at[4 * PAGE] == 0 && at[6 * PAGE] == 0 && at[16 * PAGE] == 0);
  for (int i = 0; i < GROUP; ++i) at[i * PAGE] = (char)(i + 1);
  // A child writes to every other page and keeps some of the rest.
  IS(IN_CHILD({
       for (int i = 0; i < GROUP; i += 2) at[i * PAGE] = (char)(i + 50);
       munmap(at + 3 * PAGE, PAGE);
       _exit(are(at, 0, 2, 50) && at[5 * PAGE] == 6);
     }),
     EXITED(1));
  OK(are(at, 0, 1, 1));
  pid_t const child = fork();
  if (child == 0) {
    char const* const shown = at;
    for (int volatile i = 0; shown[0] == 1 && i < 1000; ++i) sched_yield();
    _exit(are(at, 0, 1, 1));
  }
  for (int i = 0; i < GROUP; ++i) at[i * PAGE] = (char)(i + 20);
  IS(ktap_status_of(child), EXITED(1));
  OK(are(at, 0, 1, 20));
  for (int i = 1; i < GROUP; i += 2) WORKS(madvise(at + i * PAGE, PAGE, MADV_DONTNEED));
  OK(are(at, 0, 2, 20));
  OK(are(at, 1, 2, -1));
  for (int i = 1; i < GROUP; i += 2) at[i * PAGE] = (char)(i + 20);
  // Some move, some close, some go.
  char* const moved =
      mremap(at + 8 * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, large);
  OK(moved == large);
  IS(moved[0], 28);
  IS(moved[3 * PAGE], 31);
  IS(read_at(at + 8 * PAGE), SIGSEGV);
  IS(at[12 * PAGE], 32);
  NEED(mprotect(at + PAGE, PAGE, PROT_READ));
  IS(write_at(at + PAGE), SIGSEGV);
  IS(at[PAGE], 21);
  IS(write_at(at), 0);
  NEED(munmap(at + 17 * PAGE, PAGE));
  IS(read_at(at + 17 * PAGE), SIGSEGV);
  IS(at[16 * PAGE], 36);
  IS(at[18 * PAGE], 38);
  WORKS(munmap(large, LARGE * PAGE));
}

TEST(populated_in_part) {
  char* const large = map(LARGE, READ_WRITE, ANONYMOUS);
  char* const at = middle_of(large);
  at[7 * PAGE] = 1;
  at[100 * PAGE] = 2;
  NEED(madvise(at + 100 * PAGE, PAGE, MADV_DONTNEED));
  IS(at[200 * PAGE], 0);
  WORKS(mlock(large, LARGE * PAGE));
  static unsigned char shown[LARGE];
  NEED(mincore(large, LARGE * PAGE, shown));
  int resident = 0;
  for (int i = 0; i < LARGE; ++i) resident += shown[i] & 1;
  IS(resident, LARGE);
  IS(at[7 * PAGE], 1);
  IS(at[100 * PAGE], 0);
  // What is locked is the program's own already.
  for (int i = 0; i < LARGE; ++i) large[i * PAGE] = (char)i;
  bool same = true;
  for (int i = 0; i < LARGE; ++i) same &= large[i * PAGE] == (char)i;
  OK(same);
}

static int resident_in_block(char* at) {
  unsigned char shown[BLOCK];
  NEED(mincore(at, BLOCK * PAGE, shown));
  int count = 0;
  for (int i = 0; i < BLOCK; ++i) count += shown[i] & 1;
  return count;
}

TEST(pages_come_singly) {
  char* at = middle_of(map(LARGE, READ_WRITE, ANONYMOUS));
  FAILS(madvise(at + 1, PAGE, MADV_NOHUGEPAGE), EINVAL);
  WORKS(madvise(at, BLOCK * PAGE, MADV_NOHUGEPAGE));
  at[7 * PAGE] = 1;
  IS(resident_in_block(at), 1);
  WORKS(madvise(at, BLOCK * PAGE, MADV_HUGEPAGE));
  at = middle_of(map(LARGE, READ_WRITE, ANONYMOUS | MAP_STACK));
  at[7 * PAGE] = 1;
  IS(resident_in_block(at), 1);
  at = middle_of(map(LARGE, READ_WRITE, ANONYMOUS));
  IS(IN_CHILD({
       prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
       at[7 * PAGE] = 1;
       _exit(resident_in_block(at));
     }),
     EXITED(1));
  // Who gives back all but one gets one more for each that it touches.
  for (int i = 0; i < BLOCK; ++i) at[i * PAGE] = 1;
  WORKS(madvise(at + PAGE, (BLOCK - 1) * PAGE, MADV_DONTNEED));
  at[100 * PAGE] = 1;
  IS(resident_in_block(at), 2);
}
