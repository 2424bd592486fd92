// Address spaces: what the calls do to parts of areas, and what limits and advice mean.
#include "faults.h"

#include <pthread.h>

#define PAGE 4096L
#define READ_WRITE (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
#define SHARED (MAP_SHARED | MAP_ANONYMOUS)

static char* map(long pages, int protection, int flags) {
  char* const at = mmap(NULL, (size_t)(pages * PAGE), protection, flags, -1, 0);
  if (at == MAP_FAILED) ktap_give_up("mmap");
  return at;
}

// A range where nothing is, with nothing around it for a while.
static char* free_range(long pages) {
  char* const at = map(pages + 512, PROT_NONE, ANONYMOUS);
  NEED(munmap(at, (size_t)((pages + 512) * PAGE)));
  return at + 256 * PAGE;
}

static char* map_at(char* at, long pages, int protection, int flags) {
  char* const got =
      mmap(at, (size_t)(pages * PAGE), protection, flags | MAP_FIXED_NOREPLACE, -1, 0);
  if (got != at) ktap_give_up("mmap at a fixed place");
  return at;
}

static void limit(int which, rlim_t to) { NEED(setrlimit(which, &(struct rlimit){to, to})); }

static unsigned char residency(char* at) {
  unsigned char v = 77;
  NEED(mincore(at, PAGE, &v));
  return v;
}

// --- mmap ------------------------------------------------------------------------------------

TEST(order_of_mapping_errors) {
  int const writer = (int)NEED(open("file", O_WRONLY | O_CREAT, 0644));
  int const path = (int)NEED(open("file", O_PATH));
  int const closed = closed_descriptor();
  FAILS(SYS(mmap, NULL, 0, PROT_READ, MAP_PRIVATE, closed, 1), EINVAL);
  FAILS(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, closed, 0), EBADF);
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, path, 0), EBADF);
  FAILS(mmap(NULL, PAGE, PROT_READ, 0, closed, 0), EBADF);
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS | MAP_TYPE, -1, 0), EINVAL);
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, writer, 0), EACCES);
  FAILS(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, writer, 0), EACCES);
  FAILS(SYS(mmap, NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, writer, -PAGE), EOVERFLOW);
  FAILS(mmap(NULL, (size_t)-PAGE, PROT_READ, ANONYMOUS, -1, 0), ENOMEM);
  FAILS(mmap((void*)(PAGE + 1), PAGE, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
  FAILS(mmap((void*)(1UL << 56), PAGE, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0), ENOMEM);
  FAILS(mmap(NULL, PAGE, PROT_READ, SHARED | MAP_GROWSDOWN, -1, 0), EINVAL);
  int const file = (int)NEED(open("file", O_RDWR));
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, file, 0), EINVAL);
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, file, 0), EOPNOTSUPP);
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | (1 << 25), file, 0), EOPNOTSUPP);
  WORKS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, file, 0));
  int const directory = (int)NEED(open("/", O_RDONLY));
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, directory, 0), ENODEV);
  WORKS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_DENYWRITE | MAP_EXECUTABLE, file, 0));
}

TEST(hints) {
  char* const at = free_range(16);
  OK(mmap(at, PAGE, PROT_READ, ANONYMOUS, -1, 0) == at);
  OK(mmap(at + 2 * PAGE + 1, PAGE, PROT_READ, ANONYMOUS, -1, 0) == at + 2 * PAGE);
  // Partly taken: somewhere else.
  char* const other = mmap(at - PAGE, 2 * PAGE, PROT_READ, ANONYMOUS, -1, 0);
  OK(other != MAP_FAILED && other != at - PAGE);
  char* const low = mmap(NULL, 16 * PAGE, PROT_READ, ANONYMOUS | MAP_32BIT, -1, 0);
  OK((unsigned long)low < 1UL << 31);
  OK(mmap((void*)(1UL << 56), PAGE, PROT_READ, ANONYMOUS, -1, 0) != MAP_FAILED);
  become_nobody();
  OK((unsigned long)mmap((void*)PAGE, PAGE, PROT_READ, ANONYMOUS, -1, 0) >= 65536);
  FAILS(mmap((void*)PAGE, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0), EPERM);
  char* const lowest = (char*)65536 + 4 * PAGE;
  OK(mmap(lowest, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == lowest);
}

TEST(areas_join_and_part) {
  catch_faults();
  char* const at = free_range(64);
  // One after the other, then out of the middle: what stays keeps its content.
  for (int i = 0; i < 32; ++i) {
    map_at(at + i * PAGE, 1, READ_WRITE, ANONYMOUS);
    at[i * PAGE] = (char)(i + 1);
  }
  for (int i = 1; i < 32; i += 2) NEED(munmap(at + i * PAGE, PAGE));
  bool right = true;
  for (int i = 0; i < 32; i += 2) right &= at[i * PAGE] == i + 1;
  OK(right);
  IS(read_at(at + PAGE), SIGSEGV);
  IS(read_at(at + 31 * PAGE), SIGSEGV);
  for (int i = 1; i < 32; i += 2) map_at(at + i * PAGE, 1, READ_WRITE, ANONYMOUS);
  WORKS(mprotect(at, 32 * PAGE, PROT_READ));
  IS(write_at(at + 30 * PAGE), SIGSEGV);
  IS(at[30 * PAGE] + at[31 * PAGE], 31);
  WORKS(munmap(at - 10 * PAGE, 100 * PAGE));
  IS(read_at(at), SIGSEGV);
}

TEST(partial_protection) {
  catch_faults();
  char* const at = free_range(8);
  map_at(at, 2, READ_WRITE, ANONYMOUS);
  map_at(at + 3 * PAGE, 2, READ_WRITE, ANONYMOUS);
  at[0] = at[3 * PAGE] = 1;
  // What lies before the hole is changed.
  FAILS(mprotect(at, 5 * PAGE, PROT_READ), ENOMEM);
  IS(write_at(at), SIGSEGV);
  IS(write_at(at + 3 * PAGE), 0);
  FAILS(mprotect(at + 2 * PAGE, 2 * PAGE, PROT_READ), ENOMEM);
  IS(write_at(at + 3 * PAGE), 0);
  FAILS(mprotect(at, (size_t)-PAGE, PROT_READ), ENOMEM);
  FAILS(mprotect(at, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP), EINVAL);
  FAILS(mprotect(at, PAGE, PROT_READ | PROT_GROWSDOWN), EINVAL);
  FAILS(mprotect(at, PAGE, PROT_READ | PROT_GROWSUP), EINVAL);
  FAILS(mprotect((void*)(1UL << 62), PAGE, PROT_READ), ENOMEM);
  WORKS(mprotect(at, PAGE, PROT_READ | 8));
  // Nothing, and back again: the content is still there.
  WORKS(mprotect(at, PAGE, PROT_NONE));
  IS(read_at(at), SIGSEGV);
  IS(fault_code, SEGV_ACCERR);
  WORKS(mprotect(at, PAGE, PROT_WRITE));
  IS(read_at(at), 0);
  IS(at[0], 1);
}

TEST(closed_pages_are_closed_for_the_kernel_too) {
  int const file = make_file("file", "");
  char* const at = map(2, READ_WRITE, ANONYMOUS);
  memset(at, 'x', 2 * PAGE);
  NEED(mprotect(at, PAGE, PROT_NONE));
  FAILS(write(file, at, 1), EFAULT);
  IS(write(file, at + PAGE, 1), 1);
  FAILS(pread(file, at, 1, 0), EFAULT);
  IS(IN_CHILD(_exit(write(file, at, 1) == -1 && errno == EFAULT ? 0 : 1)), 0);
  IS(residency(at), 1);
  char* const moved = mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, free_range(2));
  FAILS(write(file, moved, 1), EFAULT);
  IS(at[PAGE], 'x');
  NEED(mprotect(moved, PAGE, PROT_READ));
  IS(moved[0], 'x');
  IS(moved[PAGE - 1], 'x');
}

TEST(protection_of_files) {
  catch_faults();
  make_file("file", "content");
  int const reader = (int)NEED(open("file", O_RDONLY));
  int const both = (int)NEED(open("file", O_RDWR));
  char* const a = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);
  char* const b = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, both, 0);
  char* const c = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, reader, 0);
  OK(a != MAP_FAILED && b != MAP_FAILED && c != MAP_FAILED);
  FAILS(mprotect(a, PAGE, READ_WRITE), EACCES);
  WORKS(mprotect(b, PAGE, READ_WRITE));
  WORKS(mprotect(c, PAGE, READ_WRITE));
  b[0] = 'C';
  IS(a[0], 'C');
  c[1] = 'X';
  IS(a[1], 'o');
  IS(c[0], 'C');
  WORKS(mprotect(c, PAGE, PROT_READ));
  IS(c[1], 'X');
  IS(write_at(c), SIGSEGV);
  WORKS(mprotect(a, PAGE, PROT_READ | PROT_EXEC));
  WORKS(mprotect(a, PAGE, PROT_NONE));
  IS(read_at(a), SIGSEGV);
  WORKS(mprotect(a, PAGE, PROT_READ));
  IS(a[0], 'C');
}

TEST(growing_down) {
  catch_faults();
  char* const at = free_range(600);
  char* const stack = at + 500 * PAGE;
  char* const got = mmap(stack, 2 * PAGE, READ_WRITE, ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
  OK(got == stack);
  IS(write_at(stack - 1), 0);
  IS(write_at(stack - 20 * PAGE), 0);
  IS(stack[-10 * PAGE], 0);
  WORKS(mprotect(stack - 5 * PAGE, 5 * PAGE, PROT_READ | PROT_GROWSDOWN));
  IS(write_at(stack - 20 * PAGE), SIGSEGV);
  IS(write_at(stack), 0);
  // A neighbour keeps it away by 256 pages.
  char* const down = at + 400 * PAGE;
  NEED(munmap(at, 600 * PAGE));
  OK(mmap(down, PAGE, READ_WRITE, ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0) == down);
  map_at(down - 300 * PAGE, 1, READ_WRITE, ANONYMOUS);
  IS(write_at(down - 40 * PAGE), 0);
  IS(write_at(down - 50 * PAGE), SIGSEGV);
}

// --- mremap ----------------------------------------------------------------------------------

TEST(remap_errors) {
  char* const at = free_range(16);
  map_at(at, 2, READ_WRITE, ANONYMOUS);
  map_at(at + 3 * PAGE, 2, READ_WRITE, ANONYMOUS);
  FAILS(mremap(at, PAGE, PAGE, 8), EINVAL);
  FAILS(mremap(at, PAGE, PAGE, MREMAP_FIXED, at + 8 * PAGE), EINVAL);
  FAILS(mremap(at, PAGE, PAGE, MREMAP_DONTUNMAP, at + 8 * PAGE), EINVAL);
  FAILS(mremap(at, PAGE, 2 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, NULL), EINVAL);
  FAILS(mremap(at, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, at + 1), EINVAL);
  FAILS(mremap(at, 2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, at + PAGE), EINVAL);
  FAILS(mremap(at, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, (void*)(1UL << 56)), EINVAL);
  FAILS(mremap(at, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE), EFAULT);
  FAILS(mremap(at + 2 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
  FAILS(mremap(at, 2 * PAGE, 4 * PAGE, 0), ENOMEM);
  FAILS(mremap(at, 2 * PAGE, (size_t)-1 / 2, MREMAP_MAYMOVE), ENOMEM);
  FAILS(mremap(at, 0, PAGE, MREMAP_MAYMOVE), EINVAL);
}

TEST(remap_in_place) {
  catch_faults();
  char* const at = free_range(16);
  map_at(at, 4, READ_WRITE, ANONYMOUS);
  at[0] = 1, at[3 * PAGE] = 4;
  OK(mremap(at, 4 * PAGE, 2 * PAGE, 0) == at);
  IS(read_at(at + 2 * PAGE), SIGSEGV);
  OK(mremap(at, 2 * PAGE, 4 * PAGE, 0) == at);
  IS(at[3 * PAGE], 0);
  IS(at[0], 1);
  // The middle of an area cannot grow in place.
  FAILS(mremap(at, PAGE, 2 * PAGE, 0), ENOMEM);
  at[PAGE] = 2;
  char* const moved = mremap(at + PAGE, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
  OK(moved != MAP_FAILED && moved != at + PAGE);
  IS(moved[0], 2);
  IS(read_at(at + PAGE), SIGSEGV);
  IS(at[0], 1);
}

TEST(remap_to_a_place) {
  catch_faults();
  char* const at = free_range(64);
  map_at(at, 4, READ_WRITE, ANONYMOUS);
  map_at(at + 10 * PAGE, 4, READ_WRITE, ANONYMOUS);
  for (int i = 0; i < 4; ++i) at[i * PAGE] = (char)(i + 1);
  at[10 * PAGE] = 77;
  OK(mremap(at, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + 10 * PAGE) ==
     at + 10 * PAGE);
  IS(at[10 * PAGE] + at[13 * PAGE], 5);
  IS(read_at(at), SIGSEGV);
  // Smaller than before: the rest is unmapped.
  OK(mremap(at + 10 * PAGE, 4 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + 30 * PAGE) ==
     at + 30 * PAGE);
  IS(at[31 * PAGE], 2);
  IS(read_at(at + 12 * PAGE), SIGSEGV);
  IS(read_at(at + 32 * PAGE), SIGSEGV);
  // Larger: what is new is zero.
  OK(mremap(at + 30 * PAGE, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
  IS(at[PAGE] + at[7 * PAGE], 2);
}

TEST(remap_and_keep) {
  char* const at = free_range(16);
  map_at(at, 4, READ_WRITE, ANONYMOUS);
  at[0] = 1, at[PAGE] = 2;
  char* const moved = mremap(at, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
  OK(moved != MAP_FAILED && moved != at);
  IS(moved[0] + moved[PAGE], 3);
  IS(at[0] + at[PAGE], 0);
  at[0] = 9;
  IS(moved[0], 1);
}

TEST(second_view) {
  char* const at = map(2, READ_WRITE, SHARED);
  at[PAGE] = 5;
  char* const view = mremap(at, 0, 2 * PAGE, MREMAP_MAYMOVE);
  OK(view != MAP_FAILED && view != at);
  IS(view[PAGE], 5);
  view[0] = 6;
  IS(at[0], 6);
  // Behind the end of the object is nothing.
  catch_faults();
  char* const more = mremap(view, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
  OK(more != MAP_FAILED);
  IS(more[PAGE], 5);
  IS(read_at(more + 2 * PAGE), SIGBUS);
  IS(fault_code, BUS_ADRERR);
}

TEST(guards_at_the_lower_end) {
  // The guard of a stack that stands low begins below all addresses.
  char* const low = (char*)0x20000;
  OK(mmap(low, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
     low);
  char* const stack = (char*)0x40000;
  OK(mmap(stack, 4096, PROT_READ | PROT_WRITE,
          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0) == stack);
  *stack = 's';
  OK(mremap(low, 4096, 0x40000, 0) == MAP_FAILED);
  IS(errno, ENOMEM);
  char* const moved = mremap(low, 4096, 0x40000, MREMAP_MAYMOVE);
  OK(moved != MAP_FAILED && moved != low);
  char* const other = mmap(low, 0x40000, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  OK(other != MAP_FAILED && other != low);
  IS(*stack, 's');
}

TEST(a_huge_move) {
  // Of what is empty nothing is looked at page by page.
  size_t const huge = (size_t)1 << 44;
  int const how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  char* const at = mmap(NULL, huge, PROT_READ | PROT_WRITE, how, -1, 0);
  char* const to = mmap(NULL, huge, PROT_NONE, how, -1, 0);
  OK(at != MAP_FAILED && to != MAP_FAILED);
  at[0] = 'a';
  at[huge / 2 + 5 * 4096] = 'b';
  at[huge - 4096] = 'c';
  OK(mremap(at, huge, huge, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
  IS(to[0], 'a');
  IS(to[huge / 2 + 5 * 4096], 'b');
  IS(to[huge - 4096], 'c');
  // To another place within the last tables.
  OK(mremap(to, huge, huge, MREMAP_MAYMOVE | MREMAP_FIXED, at + 17 * 4096) == at + 17 * 4096);
  IS(at[17 * 4096], 'a');
  IS(at[huge / 2 + 22 * 4096], 'b');
  IS(at[huge + 16 * 4096], 'c');
  NEED(munmap(at + 17 * 4096, huge));
}

TEST(pages_out_of_order) {
  int const file = make_file("four", "");
  for (int i = 0; i < 4; ++i) NEED(pwrite(file, &"abcd"[i], 1, i * 4096));
  NEED(ftruncate(file, 4 * 4096));
  char* const at =
      (char*)NEED((long)mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  IS(SYS(remap_file_pages, at, 4096, 0, 3, 0), 0);
  IS(at[0], 'd');
  IS(SYS(remap_file_pages, at + 3 * 4096, 4096, 0, 0, MAP_NONBLOCK), 0);
  IS(at[3 * 4096], 'a');
  IS(at[4096], 'b');
  at[0] = 'x';
  char byte;
  IS(pread(file, &byte, 1, 3 * 4096), 1);
  IS(byte, 'x');
  // All areas of the file, and the address within a page does not count.
  IS(SYS(remap_file_pages, at + 5, 4 * 4096 + 7, 0, 0, 0), 0);
  IS(at[3 * 4096], 'x');
  FAILS(SYS(remap_file_pages, at, 4096, PROT_READ, 0, 0), EINVAL);
  FAILS(SYS(remap_file_pages, at, 4095, 0, 0, 0), EINVAL);
  FAILS(SYS(remap_file_pages, at, -4096L, 0, 0, 0), EINVAL);
  FAILS(SYS(remap_file_pages, at, 4096, 0, -1L, 0), EINVAL);
  NEED(munmap(at + 4096, 4096));
  FAILS(SYS(remap_file_pages, at, 3 * 4096, 0, 0, 0), EINVAL);
  FAILS(SYS(remap_file_pages, at + 4096, 4096, 0, 0, 0), EINVAL);
  FAILS(SYS(remap_file_pages, page_before_nothing(), 4096, 0, 0, 0), EINVAL);
}

TEST(remap_across_forks) {
  char* const at = map(64, READ_WRITE, ANONYMOUS);
  for (int i = 0; i < 64; ++i) at[i * PAGE] = (char)i;
  IS(IN_CHILD({
       char* const moved = mremap(at, 64 * PAGE, 128 * PAGE, MREMAP_MAYMOVE);
       bool right = moved != MAP_FAILED;
       for (int i = 0; i < 64; ++i) right &= moved[i * PAGE]++ == i;
       for (int i = 0; i < 64; ++i) right &= moved[i * PAGE] == i + 1;
       _exit(right ? 0 : 1);
     }),
     0);
  bool same = true;
  for (int i = 0; i < 64; ++i) same &= at[i * PAGE] == i;
  OK(same);
}

// --- advice ----------------------------------------------------------------------------------

TEST(discarding) {
  int const file = make_file("file", "content");
  char* const own = mmap(NULL, PAGE, READ_WRITE, MAP_PRIVATE, file, 0);
  own[0] = 'X';
  WORKS(madvise(own, PAGE, MADV_DONTNEED));
  IS(own[0], 'c');
  char* const shared = mmap(NULL, PAGE, READ_WRITE, MAP_SHARED, file, 0);
  shared[0] = 'S';
  WORKS(madvise(shared, PAGE, MADV_DONTNEED));
  IS(shared[0], 'S');
  FAILS(madvise(own, PAGE, MADV_FREE), EINVAL);
  char* const at = free_range(8);
  map_at(at, 2, READ_WRITE, ANONYMOUS);
  map_at(at + 3 * PAGE, 1, READ_WRITE, ANONYMOUS);
  at[0] = at[3 * PAGE] = 1;
  // Holes are told of, but everything is done.
  FAILS(madvise(at, 4 * PAGE, MADV_DONTNEED), ENOMEM);
  IS(at[0] + at[3 * PAGE], 0);
  WORKS(madvise(at, 0, MADV_DONTNEED));
  FAILS(madvise(at, (size_t)-PAGE, MADV_DONTNEED), EINVAL);
  FAILS(madvise(at + 1, 0, MADV_DONTNEED), EINVAL);
  WORKS(madvise(at, PAGE, MADV_FREE));
  WORKS(madvise(at, PAGE, MADV_WILLNEED));
  WORKS(madvise(at, PAGE, MADV_SEQUENTIAL));
  WORKS(madvise(at, PAGE, MADV_RANDOM));
  FAILS(madvise(at + 2 * PAGE, PAGE, MADV_NORMAL), ENOMEM);
  WORKS(mlock(at, PAGE));
  FAILS(madvise(at, PAGE, MADV_DONTNEED), EINVAL);
  at[0] = 4;
  WORKS(madvise(at, PAGE, MADV_DONTNEED_LOCKED));
  IS(at[0], 0);
}

TEST(advice_for_forks) {
  catch_faults();
  char* const at = map(3, READ_WRITE, ANONYMOUS);
  at[0] = at[PAGE] = at[2 * PAGE] = 1;
  WORKS(madvise(at, PAGE, MADV_DONTFORK));
  WORKS(madvise(at + PAGE, PAGE, MADV_WIPEONFORK));
  IS(IN_CHILD(_exit(read_at(at))), EXITED(SIGSEGV));
  IS(IN_CHILD(_exit(at[PAGE])), 0);
  IS(IN_CHILD(_exit(at[2 * PAGE])), EXITED(1));
  IS(at[0] + at[PAGE], 2);
  WORKS(madvise(at, PAGE, MADV_DOFORK));
  WORKS(madvise(at + PAGE, PAGE, MADV_KEEPONFORK));
  IS(IN_CHILD(_exit(at[0] + at[PAGE])), EXITED(2));
  char* const shared = map(1, READ_WRITE, SHARED);
  FAILS(madvise(shared, PAGE, MADV_WIPEONFORK), EINVAL);
  WORKS(madvise(at, PAGE, MADV_DONTDUMP));
  WORKS(madvise(at, PAGE, MADV_DODUMP));
}

TEST(populating) {
  char* const at = map(8, READ_WRITE, ANONYMOUS);
  IS(residency(at), 0);
  WORKS(madvise(at, 4 * PAGE, MADV_POPULATE_WRITE));
  IS(residency(at) + residency(at + 3 * PAGE), 2);
  IS(residency(at + 4 * PAGE), 0);
  WORKS(madvise(at + 4 * PAGE, PAGE, MADV_POPULATE_READ));
  IS(residency(at + 4 * PAGE), 1);
  NEED(mprotect(at + 5 * PAGE, PAGE, PROT_READ));
  FAILS(madvise(at + 5 * PAGE, PAGE, MADV_POPULATE_WRITE), EINVAL);
  NEED(munmap(at + 6 * PAGE, PAGE));
  FAILS(madvise(at, 8 * PAGE, MADV_POPULATE_READ), ENOMEM);
  int const file = make_file("file", "x");
  char* const beyond = mmap(NULL, 2 * PAGE, READ_WRITE, MAP_SHARED, file, 0);
  FAILS(madvise(beyond, 2 * PAGE, MADV_POPULATE_READ), EFAULT);
  char* const filled = mmap(NULL, 4 * PAGE, READ_WRITE, ANONYMOUS | MAP_POPULATE, -1, 0);
  IS(residency(filled) + residency(filled + 3 * PAGE), 2);
}

TEST(residency_errors) {
  char* const at = free_range(8);
  map_at(at, 2, READ_WRITE, ANONYMOUS);
  unsigned char v[8];
  FAILS(mincore(at + 1, PAGE, v), EINVAL);
  FAILS(mincore(at, 3 * PAGE, v), ENOMEM);
  FAILS(mincore(at, PAGE, BAD_POINTER), EFAULT);
  FAILS(mincore((void*)(1UL << 62), PAGE, v), ENOMEM);
  WORKS(mincore(at, 0, v));
  at[PAGE] = 1;
  WORKS(mincore(at, 2 * PAGE, v));
  IS(v[0] * 2 + v[1], 1);
  int const file = make_file("file", "x");
  char* const mapped = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
  IS(residency(mapped), 1);
}

TEST(synchronising) {
  char* const at = free_range(8);
  map_at(at, 1, READ_WRITE, ANONYMOUS);
  map_at(at + 2 * PAGE, 1, READ_WRITE, ANONYMOUS);
  WORKS(msync(at, PAGE, MS_ASYNC));
  FAILS(msync(at, 3 * PAGE, MS_SYNC), ENOMEM);
  FAILS(msync(at + 1, PAGE, MS_SYNC), EINVAL);
  FAILS(msync(at, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
  FAILS(msync(at, PAGE, 64), EINVAL);
  WORKS(msync(at, 0, MS_SYNC));
  NEED(mlock(at, PAGE));
  FAILS(msync(at, PAGE, MS_INVALIDATE), EBUSY);
  WORKS(msync(at, PAGE, MS_SYNC));
}

// --- locked memory ---------------------------------------------------------------------------

TEST(locking) {
  char* const at = map(8, READ_WRITE, ANONYMOUS);
  WORKS(mlock(at + 100, PAGE));
  IS(residency(at) + residency(at + PAGE), 2);
  IS(residency(at + 2 * PAGE), 0);
  WORKS(munlock(at, 8 * PAGE));
  WORKS(SYS(mlock2, at + 4 * PAGE, PAGE, MLOCK_ONFAULT));
  IS(residency(at + 4 * PAGE), 0);
  FAILS(SYS(mlock2, at, PAGE, 2), EINVAL);
  FAILS(mlock(at, (size_t)-PAGE), EINVAL);
  // Its end wraps around to its start.
  WORKS(mlock(at, (size_t)-1));
  NEED(munmap(at + 6 * PAGE, PAGE));
  FAILS(mlock(at, 8 * PAGE), ENOMEM);
  FAILS(munlock(at, 8 * PAGE), ENOMEM);
  WORKS(mlock(at, 0));
  char* const none = map(1, PROT_NONE, ANONYMOUS);
  FAILS(mlock(none, PAGE), ENOMEM);
}

TEST(limit_of_locked_memory) {
  char* const at = map(16, READ_WRITE, ANONYMOUS);
  limit(RLIMIT_MEMLOCK, 4 * PAGE);
  WORKS(mlock(at, 16 * PAGE));
  WORKS(munlock(at, 16 * PAGE));
  become_nobody();
  WORKS(mlock(at, 4 * PAGE));
  WORKS(mlock(at, 4 * PAGE));
  FAILS(mlock(at, 5 * PAGE), ENOMEM);
  FAILS(mmap(NULL, PAGE, PROT_READ, ANONYMOUS | MAP_LOCKED, -1, 0), EAGAIN);
  WORKS(munlock(at, 2 * PAGE));
  char* const two = mmap(NULL, 2 * PAGE, PROT_READ, ANONYMOUS | MAP_LOCKED, -1, 0);
  OK(two != MAP_FAILED);
  FAILS(mremap(two, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE), EAGAIN);
  WORKS(munmap(two, 2 * PAGE));
  limit(RLIMIT_MEMLOCK, 0);
  FAILS(mlock(at + 4 * PAGE, PAGE), EPERM);
  FAILS(mmap(NULL, PAGE, PROT_READ, ANONYMOUS | MAP_LOCKED, -1, 0), EPERM);
  FAILS(mlockall(MCL_CURRENT), EPERM);
  WORKS(munlock(at, 4 * PAGE));
}

TEST(locking_all) {
  FAILS(mlockall(0), EINVAL);
  FAILS(mlockall(MCL_ONFAULT), EINVAL);
  FAILS(mlockall(64), EINVAL);
  char* const before = map(2, READ_WRITE, ANONYMOUS);
  IS(residency(before), 0);
  WORKS(mlockall(MCL_CURRENT));
  IS(residency(before), 1);
  char* const later = map(1, READ_WRITE, ANONYMOUS);
  IS(residency(later), 0);
  WORKS(mlockall(MCL_FUTURE));
  char* const locked = map(1, READ_WRITE, ANONYMOUS);
  IS(residency(locked), 1);
  char* const heap = (char*)SYS(brk, 0);
  OK((char*)SYS(brk, heap + 4 * PAGE) == heap + 4 * PAGE);
  IS(residency((char*)(((unsigned long)heap + 2 * PAGE) & -(unsigned long)PAGE)), 1);
  FAILS(madvise(locked, PAGE, MADV_DONTNEED), EINVAL);
  // A child starts without.
  IS(IN_CHILD(_exit(madvise(locked, PAGE, MADV_DONTNEED) == 0 ? 0 : 1)), 0);
  WORKS(munlockall());
  WORKS(madvise(locked, PAGE, MADV_DONTNEED));
  IS(residency(map(1, READ_WRITE, ANONYMOUS)), 0);
  WORKS(mlockall(MCL_FUTURE | MCL_ONFAULT));
  IS(residency(map(1, READ_WRITE, ANONYMOUS)), 0);
}

// --- limits ----------------------------------------------------------------------------------

TEST(limit_of_data) {
  char* const at = map(64, PROT_READ, ANONYMOUS);
  limit(RLIMIT_DATA, 1 << 20);
  FAILS(mmap(NULL, 8 << 20, READ_WRITE, ANONYMOUS, -1, 0), ENOMEM);
  // What is not writable, or not the process's own, does not count.
  WORKS(mmap(NULL, 8 << 20, PROT_READ, ANONYMOUS, -1, 0));
  WORKS(mmap(NULL, 8 << 20, READ_WRITE, SHARED, -1, 0));
  char* const heap = (char*)SYS(brk, 0);
  OK((char*)SYS(brk, heap + (8 << 20)) == heap);
  WORKS(mprotect(at, PAGE, READ_WRITE));
  char* const more = map(2048, PROT_READ, ANONYMOUS);
  FAILS(mprotect(more, 2048 * PAGE, READ_WRITE), ENOMEM);
}

TEST(limit_of_addresses) {
  char* const at = map(64, READ_WRITE, ANONYMOUS);
  limit(RLIMIT_AS, 32 << 20);
  FAILS(mremap(at, 64 * PAGE, 64 << 20, MREMAP_MAYMOVE), ENOMEM);
  char* const heap = (char*)SYS(brk, 0);
  OK((char*)SYS(brk, heap + (64 << 20)) == heap);
  // What is replaced makes room.
  char* const big = mmap(NULL, 16 << 20, READ_WRITE, ANONYMOUS, -1, 0);
  OK(big != MAP_FAILED);
  OK(mmap(big, 16 << 20, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0) == big);
  FAILS(mmap(NULL, 24 << 20, READ_WRITE, ANONYMOUS, -1, 0), ENOMEM);
}

TEST(limit_of_areas) {
  // Every second page: as many areas as pages, until there are too many.
  long const pages = 140000;
  char* const at = mmap(NULL, (size_t)(pages * PAGE), PROT_READ, ANONYMOUS | MAP_NORESERVE, -1, 0);
  OK(at != MAP_FAILED);
  long done = 0;
  while (done < pages && mprotect(at + done * PAGE, PAGE, PROT_NONE) == 0) done += 2;
  IS(errno, ENOMEM);
  OK(done > 60000 && done < 66000);
  WORKS(mmap(NULL, PAGE, PROT_EXEC, ANONYMOUS, -1, 0));
  FAILS(mmap(NULL, PAGE, PROT_WRITE, ANONYMOUS, -1, 0), ENOMEM);
  // Cutting a hole would make one more; taking an end away does not.
  FAILS(munmap(at + (done + 10) * PAGE, PAGE), ENOMEM);
  WORKS(munmap(at + (pages - 1) * PAGE, PAGE));
  WORKS(munmap(at, (size_t)(pages * PAGE)));
  WORKS(mmap(NULL, PAGE, PROT_EXEC, ANONYMOUS, -1, 0));
}

TEST(more_than_there_is) {
  struct sysinfo {
    long uptime;
    unsigned long loads[3], total;
  };
  char memory[256];
  NEED(SYS(sysinfo, memory));
  unsigned long const total = ((struct sysinfo*)memory)->total;
  FAILS(mmap(NULL, total * 4, READ_WRITE, ANONYMOUS, -1, 0), ENOMEM);
  WORKS(mmap(NULL, total * 4, READ_WRITE, ANONYMOUS | MAP_NORESERVE, -1, 0));
  WORKS(mmap(NULL, total * 4, PROT_READ, ANONYMOUS, -1, 0));
  FAILS(mmap(NULL, total * 4, READ_WRITE, SHARED, -1, 0), ENOMEM);
  // Promises are cheap as long as each one could be kept.
  WORKS(mmap(NULL, total / 2, READ_WRITE, ANONYMOUS, -1, 0));
  WORKS(mmap(NULL, total / 2, READ_WRITE, ANONYMOUS, -1, 0));
  WORKS(mmap(NULL, total / 2, READ_WRITE, ANONYMOUS, -1, 0));
}

// --- copying ---------------------------------------------------------------------------------

TEST(generations) {
  char* const at = map(16, READ_WRITE, ANONYMOUS);
  for (int i = 0; i < 16; ++i) at[i * PAGE] = 1;
  int const status = IN_CHILD({
    for (int i = 0; i < 16; i += 2) at[i * PAGE] += 1;
    int const inner = IN_CHILD({
      for (int i = 0; i < 16; ++i) at[i * PAGE] += 10;
      for (int i = 0; i < 16; ++i)
        if (at[i * PAGE] != (i % 2 == 0 ? 12 : 11)) _exit(1);
    });
    for (int i = 0; i < 16; ++i)
      if (at[i * PAGE] != (i % 2 == 0 ? 2 : 1)) _exit(2);
    _exit(inner == 0 ? 0 : 3);
  });
  IS(status, 0);
  bool same = true;
  for (int i = 0; i < 16; ++i) same &= at[i * PAGE] == 1;
  OK(same);
}

TEST(private_pages_of_files) {
  catch_faults();
  int const file = make_file("file", "");
  NEED(ftruncate(file, 4 * PAGE));
  char* const own = mmap(NULL, 4 * PAGE, READ_WRITE, MAP_PRIVATE, file, 0);
  own[0] = own[2 * PAGE] = 1;
  NEED(pwrite(file, "new", 3, 0));
  NEED(pwrite(file, "new", 3, PAGE));
  IS(own[0], 1);
  IS(own[PAGE], 'n');
  IS(IN_CHILD({
       own[0] += 5;
       _exit(own[0] + own[2 * PAGE]);
     }),
     EXITED(7));
  // What lies behind a new end is gone, private copies too.
  NEED(ftruncate(file, PAGE));
  IS(read_at(own + 2 * PAGE), SIGBUS);
  IS(own[0], 1);
  NEED(ftruncate(file, 4 * PAGE));
  IS(own[2 * PAGE], 0);
}

TEST(system_calls_and_missing_pages) {
  int const file = make_file("file", "0123456789");
  char* const at = map(2, READ_WRITE, ANONYMOUS);
  NEED(munmap(at + PAGE, PAGE));
  // As far as it goes.
  NEED(ftruncate(file, 2 * PAGE));
  IS(pread(file, at + PAGE - 4, 8, 0), 4);
  IS(memcmp(at + PAGE - 4, "0123", 4), 0);
  IS(pwrite(file, at + PAGE - 4, 8, 0), 4);
  FAILS(pread(file, at + PAGE, 8, 0), EFAULT);
  int ends[2];
  NEED(pipe(ends));
  FAILS(pipe((int*)(void*)(at + PAGE)), EFAULT);
  NEED(write(ends[1], "abc", 3));
  FAILS(read(ends[0], at + PAGE, 3), EFAULT);
  IS(read(ends[0], at, 3), 3);
  // A page that is not there yet, and one that another process has too.
  char* const fresh = map(1, READ_WRITE, ANONYMOUS);
  IS(pread(file, fresh, 4, 0), 4);
  IS(IN_CHILD(_exit(pread(file, fresh, 4, 4) == 4 && memcmp(fresh, "4567", 4) == 0 ? 0 : 1)), 0);
  IS(memcmp(fresh, "0123", 4), 0);
}

static char* volatile shared_place;
static void* touch(void* count) {
  for (long i = 0; i < (long)count; ++i) shared_place[i * PAGE] = 1;
  return NULL;
}

TEST(threads_share_faults) {
  long const pages = 512;
  shared_place = map(pages, READ_WRITE, ANONYMOUS);
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) NEED(-pthread_create(&threads[i], NULL, touch, (void*)pages));
  for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  long sum = 0;
  for (long i = 0; i < pages; ++i) sum += shared_place[i * PAGE];
  IS(sum, pages);
}

// --- random places ---------------------------------------------------------------------------

struct places {
  unsigned long stack, mapping, heap;
};

// This program, executed to tell where its things lie.
__attribute__((constructor)) static void tell_places(void) {
  if (getenv("TELL_PLACES") == NULL) return;
  struct places const p = {
      (unsigned long)__builtin_frame_address(0),
      (unsigned long)mmap(NULL, PAGE, PROT_READ, ANONYMOUS, -1, 0),
      (unsigned long)SYS(brk, 0),
  };
  _exit(write(1, &p, sizeof p) == sizeof p ? 0 : 1);
}

static struct places ask_places(void) {
  int ends[2];
  NEED(pipe(ends));
  pid_t const child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    char* const arguments[] = {program_invocation_name, NULL};
    char* const environment[] = {"TELL_PLACES=1", NULL};
    execve(program_invocation_name, arguments, environment);
    _exit(127);
  }
  close(ends[1]);
  struct places p = {0, 0, 0};
  if (read(ends[0], &p, sizeof p) != sizeof p) ktap_give_up("places");
  close(ends[0]);
  ktap_status_of(child);
  return p;
}

// Bits from `low` on, `count` of them.
static unsigned long bits(int low, int count) { return ((1UL << count) - 1) << low; }

TEST(places_are_random) {
  struct places const first = ask_places();
  struct places vary = {0, 0, 0};
  for (int i = 0; i < 64; ++i) {
    struct places const p = ask_places();
    vary.stack |= p.stack ^ first.stack;
    vary.mapping |= p.mapping ^ first.mapping;
    vary.heap |= p.heap ^ first.heap;
  }
  // In 64 runs each random bit has been seen both ways.
  IS(vary.stack & bits(4, 30), bits(4, 30));
  IS(vary.stack >> 36, 0);
  IS(vary.mapping & bits(12, 28), bits(12, 28));
  IS(vary.mapping >> 43, 0);
  IS(vary.heap & bits(12, 18), bits(12, 18));
  IS(vary.heap >> 32, 0);
}
