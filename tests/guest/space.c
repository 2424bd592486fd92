// What files take of memory: fallocate(2) and holes, in files, in mappings and in what is left.
#include "ktap.h"

#include <linux/falloc.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#define PAGE 4096L

static long blocks(int fd) {
  struct stat s;
  return fstat(fd, &s) < 0 ? -1 : (long)s.st_blocks;
}
static long size_of(int fd) {
  struct stat s;
  return fstat(fd, &s) < 0 ? -1 : (long)s.st_size;
}
static int open_new(char const* path) { return (int)NEED(open(path, O_CREAT | O_RDWR, 0600)); }
static char byte_at(int fd, long offset) {
  char c = 'e';
  NEED(pread(fd, &c, 1, offset));
  return c;
}

// A tmpfs of so many pages.
static void mount_small(char const* path, int pages) {
  char options[64];
  snprintf(options, sizeof options, "size=%d,mode=777", pages * 4096);
  NEED(mkdir(path, 0755));
  NEED(mount("none", path, "tmpfs", 0, options));
}

TEST(refused) {
  int const fd = open_new("f");
  FAILS(fallocate(999, 0, 0, 1), EBADF);
  FAILS(fallocate(fd, 0, -1, 1), EINVAL);
  FAILS(fallocate(fd, 0, 0, 0), EINVAL);
  FAILS(fallocate(fd, 0, 0, -5), EINVAL);
  FAILS(fallocate(fd, 0x4000, 0, 1), EOPNOTSUPP);
  FAILS(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1), EOPNOTSUPP);
  FAILS(fallocate(fd, FALLOC_FL_NO_HIDE_STALE, 0, 1), EOPNOTSUPP);
  FAILS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE), EOPNOTSUPP);
  FAILS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE, 0, PAGE), EOPNOTSUPP);
  FAILS(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, PAGE), EOPNOTSUPP);
  FAILS(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, PAGE), EOPNOTSUPP);
  FAILS(fallocate(fd, FALLOC_FL_UNSHARE_RANGE, 0, PAGE), EOPNOTSUPP);
  FAILS(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE, 0, PAGE), EOPNOTSUPP);
  FAILS(fallocate(fd, 0, LONG_MAX, 1), EFBIG);
  IS(size_of(fd), 0);
  int const reader = (int)NEED(open("f", O_RDONLY));
  FAILS(fallocate(reader, 0, 0, 1), EBADF);
  int const named = (int)NEED(open("f", O_PATH));
  FAILS(fallocate(named, 0, 0, 1), EBADF);
  int pipes[2];
  NEED(pipe(pipes));
  FAILS(fallocate(pipes[1], 0, 0, 1), ESPIPE);
  FAILS(fallocate(pipes[0], 0, 0, 1), EBADF);
  NEED(mkfifo("fifo", 0600));
  int const fifo = (int)NEED(open("fifo", O_RDWR));
  FAILS(fallocate(fifo, 0, 0, 1), ESPIPE);
  FAILS(fallocate(fifo, FALLOC_FL_ZERO_RANGE, 0, 1), ESPIPE);
  int const null = (int)NEED(open("/dev/null", O_RDWR));
  FAILS(fallocate(null, 0, 0, 1), ENODEV);
  FAILS(fallocate(null, 0, LONG_MAX, 1), ENODEV);
  int const proc = (int)NEED(open("/proc/self/comm", O_RDWR));
  FAILS(fallocate(proc, 0, 0, 1), EOPNOTSUPP);
}

TEST(reserved) {
  int const fd = open_new("f");
  WORKS(fallocate(fd, 0, 0, 5 * PAGE + 1));
  IS(size_of(fd), 5 * PAGE + 1);
  IS(blocks(fd), 6 * 8);
  IS(byte_at(fd, 3 * PAGE), 0);
  WORKS(fallocate(fd, 0, 0, PAGE));
  IS(size_of(fd), 5 * PAGE + 1);
  WORKS(fallocate(fd, FALLOC_FL_KEEP_SIZE, 8 * PAGE, 2 * PAGE));
  IS(size_of(fd), 5 * PAGE + 1);
  IS(blocks(fd), 8 * 8);
  char c;
  IS(pread(fd, &c, 1, 8 * PAGE), 0);
  // Growing finds zeros there; cutting takes all of it.
  NEED(ftruncate(fd, 9 * PAGE));
  IS(blocks(fd), 8 * 8);
  IS(byte_at(fd, 8 * PAGE), 0);
  NEED(ftruncate(fd, 9 * PAGE));
  IS(blocks(fd), 7 * 8);
  NEED(ftruncate(fd, 0));
  IS(blocks(fd), 0);
  WORKS(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, PAGE));
  IS(blocks(fd), 8);
  IS(size_of(fd), 0);
  NEED(ftruncate(fd, 0));
  IS(blocks(fd), 0);
}

// What is only reserved is a hole to those who look for data, until it is written or mapped.
TEST(still_a_hole) {
  int const fd = open_new("f");
  WORKS(fallocate(fd, 0, 0, 8 * PAGE));
  FAILS(lseek(fd, 0, SEEK_DATA), ENXIO);
  IS(lseek(fd, 0, SEEK_HOLE), 0);
  IS(byte_at(fd, PAGE), 0);
  FAILS(lseek(fd, 0, SEEK_DATA), ENXIO);
  IS(pwrite(fd, "x", 1, 2 * PAGE + 5), 1);
  IS(lseek(fd, 0, SEEK_DATA), 2 * PAGE);
  IS(lseek(fd, 2 * PAGE, SEEK_HOLE), 3 * PAGE);
  IS(blocks(fd), 8 * 8);
  char* const at = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  OK(at != MAP_FAILED);
  unsigned char in[8];
  NEED(mincore(at, 8 * PAGE, in));
  IS(in[1] & 1, 0);
  IS(in[2] & 1, 1);
  at[5 * PAGE] = 'y';
  IS(lseek(fd, 3 * PAGE, SEEK_DATA), 5 * PAGE);
  IS(blocks(fd), 8 * 8);
  IS(byte_at(fd, 5 * PAGE), 'y');
}

TEST(times_and_watches) {
  int const fd = open_new("f");
  struct timespec const old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
  struct stat s;
  NEED(futimens(fd, old));
  WORKS(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, PAGE));
  NEED(fstat(fd, &s));
  OK(s.st_mtim.tv_sec > 1000);
  NEED(futimens(fd, old));
  WORKS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
  NEED(fstat(fd, &s));
  OK(s.st_mtim.tv_sec > 1000);
  OK(s.st_ctim.tv_sec > 1000);
}

TEST(limits) {
  NEED(signal(SIGXFSZ, SIG_IGN) == SIG_ERR ? -1 : 0);
  struct rlimit const limit = {.rlim_cur = 2 * PAGE, .rlim_max = RLIM_INFINITY};
  NEED(setrlimit(RLIMIT_FSIZE, &limit));
  int const fd = open_new("f");
  FAILS(fallocate(fd, 0, 0, 3 * PAGE), EFBIG);
  IS(size_of(fd), 0);
  FAILS(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 3 * PAGE), EFBIG);
  WORKS(fallocate(fd, 0, 0, 2 * PAGE));
}

// All or nothing, and what is reserved can be written when nothing else can.
TEST(full) {
  mount_small("m", 8);
  int const fd = open_new("m/f");
  FAILS(fallocate(fd, 0, 0, 9 * PAGE), ENOSPC);
  IS(size_of(fd), 0);
  IS(blocks(fd), 0);
  IS(pwrite(fd, "ab", 2, 3 * PAGE), 2);
  FAILS(fallocate(fd, 0, 0, 9 * PAGE), ENOSPC);
  IS(blocks(fd), 8);
  WORKS(fallocate(fd, 0, 0, 6 * PAGE));
  IS(blocks(fd), 6 * 8);
  IS(byte_at(fd, 3 * PAGE), 'a');
  struct statvfs v;
  NEED(statvfs("m", &v));
  IS(v.f_bfree, 2);
  int const other = open_new("m/g");
  WORKS(fallocate(other, FALLOC_FL_KEEP_SIZE, 0, 2 * PAGE));
  static char bytes[6 * 4096];
  memset(bytes, 'z', sizeof bytes);
  IS(pwrite(other, bytes, 3 * PAGE, 0), 2 * PAGE);
  IS(pwrite(fd, bytes, sizeof bytes, 0), (long)sizeof bytes);
  FAILS(pwrite(fd, bytes, 1, 6 * PAGE), ENOSPC);
  WORKS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
  NEED(statvfs("m", &v));
  IS(v.f_bfree, 1);
  IS(pwrite(fd, bytes, 1, 6 * PAGE), 1);
  close(fd);
  close(other);
  NEED(umount("m"));
}

TEST(punched) {
  int const fd = open_new("f");
  static char bytes[5 * 4096];
  memset(bytes, 'a', sizeof bytes);
  NEED(pwrite(fd, bytes, sizeof bytes, 0));
  int const how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  // Inside one page.
  WORKS(fallocate(fd, how, 10, 20));
  IS(byte_at(fd, 9), 'a');
  IS(byte_at(fd, 10), 0);
  IS(byte_at(fd, 29), 0);
  IS(byte_at(fd, 30), 'a');
  IS(blocks(fd), 5 * 8);
  // Across a border, without a whole page.
  WORKS(fallocate(fd, how, PAGE - 2, 4));
  IS(byte_at(fd, PAGE - 3), 'a');
  IS(byte_at(fd, PAGE - 2), 0);
  IS(byte_at(fd, PAGE + 1), 0);
  IS(byte_at(fd, PAGE + 2), 'a');
  IS(blocks(fd), 5 * 8);
  // Whole pages and what is beside them.
  WORKS(fallocate(fd, how, 2 * PAGE - 1, 2 * PAGE + 2));
  IS(byte_at(fd, 2 * PAGE - 2), 'a');
  IS(byte_at(fd, 2 * PAGE - 1), 0);
  IS(byte_at(fd, 3 * PAGE), 0);
  IS(byte_at(fd, 4 * PAGE), 0);
  IS(byte_at(fd, 4 * PAGE + 1), 'a');
  IS(blocks(fd), 3 * 8);
  IS(lseek(fd, 2 * PAGE, SEEK_DATA), 4 * PAGE);
  IS(lseek(fd, 0, SEEK_HOLE), 2 * PAGE);
  IS(size_of(fd), 5 * PAGE);
  // Also far behind the end.
  WORKS(fallocate(fd, how, 4 * PAGE, 100 * PAGE));
  IS(size_of(fd), 5 * PAGE);
  IS(blocks(fd), 2 * 8);
}

// A hole is seen through every shared mapping at once, and is none in a program's own copies.
TEST(punched_under_mappings) {
  int const fd = open_new("f");
  static char bytes[3 * 4096];
  memset(bytes, 'a', sizeof bytes);
  NEED(pwrite(fd, bytes, sizeof bytes, 0));
  char* const shared = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char* const own = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  char* const late = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
  OK(shared != MAP_FAILED && own != MAP_FAILED && late != MAP_FAILED);
  shared[PAGE] = 'b';
  own[2 * PAGE] = 'c';
  IS(own[PAGE], 'b');
  IS(late[0], 'b');
  WORKS(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, 2 * PAGE));
  IS(shared[0], 'a');
  IS(shared[PAGE], 0);
  IS(late[0], 0);
  IS(own[PAGE], 0);
  IS(own[2 * PAGE], 'c');
  IS(shared[2 * PAGE], 0);
  shared[PAGE] = 'd';
  IS(byte_at(fd, PAGE), 'd');
  IS(late[0], 'd');
  // A cut takes a program's own copies too.
  NEED(ftruncate(fd, PAGE));
  NEED(ftruncate(fd, 3 * PAGE));
  IS(own[2 * PAGE], 0);
}

TEST(removed_by_advice) {
  int const fd = open_new("f");
  static char bytes[4 * 4096];
  memset(bytes, 'a', sizeof bytes);
  NEED(pwrite(fd, bytes, sizeof bytes, 0));
  char* const at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  WORKS(madvise(at + PAGE, 2 * PAGE, MADV_REMOVE));
  IS(at[0], 'a');
  IS(at[PAGE], 0);
  IS(at[3 * PAGE], 'a');
  IS(blocks(fd), 3 * 8);
  FAILS(madvise(at + 1, PAGE, MADV_REMOVE), EINVAL);
  NEED(mlock(at, PAGE));
  FAILS(madvise(at, PAGE, MADV_REMOVE), EINVAL);
  NEED(munlock(at, PAGE));
  NEED(munmap(at + PAGE, PAGE));
  FAILS(madvise(at, 4 * PAGE, MADV_REMOVE), ENOMEM);
  // The one that was read as a hole and is not mapped any more.
  IS(blocks(fd), 8);
  int const reader = (int)NEED(open("f", O_RDONLY));
  char* const seen = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);
  FAILS(madvise(seen, PAGE, MADV_REMOVE), EACCES);
  char* const own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  FAILS(madvise(own, PAGE, MADV_REMOVE), EACCES);
  char* const plain = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  FAILS(madvise(plain, PAGE, MADV_REMOVE), EINVAL);
  char* const both =
      mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  both[0] = both[PAGE] = 'q';
  WORKS(madvise(both, PAGE, MADV_REMOVE));
  IS(both[0], 0);
  IS(both[PAGE], 'q');
}

// How much of a file is in memory: cachestat(2).
TEST(counted) {
#ifndef SYS_cachestat
#  define SYS_cachestat 451
#endif
  struct range {
    unsigned long offset, size;
  } range = {0, 0};
  struct counts {
    unsigned long cached, dirty, in_writeback, evicted, recently_evicted;
  } c;
  int const fd = open_new("f");
  NEED(pwrite(fd, "a", 1, 0));
  NEED(pwrite(fd, "b", 1, 5 * PAGE));
  WORKS(SYS(cachestat, fd, &range, &c, 0));
  IS(c.cached, 2);
  IS(c.in_writeback, 0);
  IS(c.evicted, 0);
  range = (struct range){PAGE, 4 * PAGE};
  WORKS(SYS(cachestat, fd, &range, &c, 0));
  IS(c.cached, 0);
  range = (struct range){PAGE, 4 * PAGE + 1};
  WORKS(SYS(cachestat, fd, &range, &c, 0));
  IS(c.cached, 1);
  NEED(fallocate(fd, 0, PAGE, 2 * PAGE));
  WORKS(SYS(cachestat, fd, &range, &c, 0));
  IS(c.cached, 3);
  int pipes[2];
  NEED(pipe(pipes));
  WORKS(SYS(cachestat, pipes[0], &range, &c, 0));
  IS(c.cached, 0);
  FAILS(SYS(cachestat, 999, &range, &c, 0), EBADF);
  FAILS(SYS(cachestat, fd, &range, &c, 1), EINVAL);
  FAILS(SYS(cachestat, fd, BAD_POINTER, &c, 0), EFAULT);
  FAILS(SYS(cachestat, fd, &range, BAD_POINTER, 0), EFAULT);
}
