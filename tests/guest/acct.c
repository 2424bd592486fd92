// Records of processes that end: acct(2), acct(5).
#include "ktap.h"

#include "mounts.h"

#include <linux/acct.h>
#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#define RECORD ((long)sizeof(struct acct_v3))

static int account(char const* path) { return (int)SYS(acct, path); }

// How many records of a process there are, and the last one of them.
static int records_of(char const* path, pid_t process, struct acct_v3* last) {
  struct acct_v3 r;
  int count = 0;
  int const file = (int)NEED(open(path, O_RDONLY));
  while (read(file, &r, sizeof r) == RECORD)
    if (r.ac_pid == (unsigned)process) {
      ++count;
      *last = r;
    }
  close(file);
  return count;
}

// What the one record of a child says.
static struct acct_v3 record_of(pid_t child) {
  struct acct_v3 r = {0};
  int status;
  NEED(waitpid(child, &status, 0));
  int const count = records_of("log", child, &r);
  if (count != 1) {
    printf("# %d records\n", count);
    r = (struct acct_v3){.ac_exitcode = 0xdead};
  }
  return r;
}

static long size_of(char const* path) {
  struct stat s;
  return stat(path, &s) == 0 ? (long)s.st_size : -1;
}

// Without what says that a process made use of being root, which depends on every call it made.
static int flags_of(struct acct_v3 const* r) { return r->ac_flag & ~ASU; }

static unsigned long value_of(comp_t c) { return (c & 0x1fffUL) << 3 * (c >> 13); }

// A file system of one's own, with a file that takes the records.
static void go_to_tmpfs(char const* options) {
  be_alone();
  NEED(mkdir("m", 0755));
  NEED(mount("none", "m", "tmpfs", 0, options));
  NEED(chdir("m"));
  close(make_file("log", ""));
}

static pid_t child_that_ends(int code) {
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) _exit(code);
  return child;
}

static void burn(long ms) {
  struct timespec t;
  do {
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  } while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms);
}

TEST(record) {
  go_to_tmpfs(NULL);
  char name[16] = {0};
  NEED(prctl(PR_GET_NAME, name));
  time_t const before = time(NULL);
  WORKS(account("log"));
  struct acct_v3 r = record_of(child_that_ends(3));
  IS(r.ac_version, 3);
  IS(flags_of(&r), AFORK);
  IS(r.ac_exitcode, 0x300);
  IS(r.ac_ppid, getpid());
  IS(r.ac_uid, 0);
  IS(r.ac_gid, 0);
  IS(r.ac_io, 0);
  IS(r.ac_rw, 0);
  IS(r.ac_majflt, 0);
  IS(r.ac_swaps, 0);
  OK(r.ac_minflt > 0);
  OK(value_of(r.ac_mem) > 100);
  OK(strncmp(r.ac_comm, name, sizeof r.ac_comm) == 0);
  OK(r.ac_btime + 2 >= before && r.ac_btime <= time(NULL) + 1);
  OK(r.ac_etime >= 0 && r.ac_etime < 100 * TEST_SECONDS);
  IS(size_of("log") % RECORD, 0);

  pid_t child = (pid_t)NEED(fork());
  if (child == 0) {
    NEED(prctl(PR_SET_NAME, "a name of its own"));
    mmap(NULL, 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    become_nobody();
    burn(200);
    raise(SIGKILL);
  }
  r = record_of(child);
  IS(flags_of(&r), AFORK | AXSIG);
  IS(r.ac_exitcode, SIGKILL);
  IS(r.ac_uid, NOBODY);
  IS(r.ac_gid, NOBODY);
  IS(strcmp(r.ac_comm, "a name of its o"), 0);
  OK(value_of(r.ac_mem) >= 64 << 10 && value_of(r.ac_mem) < 80 << 10);
  // In hundredths of a second.
  OK(value_of(r.ac_utime) + value_of(r.ac_stime) >= 10);
  OK(value_of(r.ac_utime) + value_of(r.ac_stime) <= 40);
  OK(r.ac_etime >= 15);

  char self[PATH_MAX] = {0};
  NEED(readlink("/proc/self/exe", self, sizeof self - 1));
  NEED(symlink(self, "another"));
  child = (pid_t)NEED(fork());
  if (child == 0) {
    NEED(dup2((int)NEED(open("/dev/null", O_WRONLY)), 1));
    NEED(execl("./another", "another", "no test", NULL));
  }
  r = record_of(child);
  IS(flags_of(&r), 0);
  IS(r.ac_exitcode, 0);
  IS(strcmp(r.ac_comm, "another"), 0);
  WORKS(account(NULL));
}

// It is there before files are closed.
TEST(order) {
  go_to_tmpfs(NULL);
  WORKS(account("log"));
  int ends[2];
  NEED(pipe(ends));
  pid_t const child = child_that_ends(0);
  close(ends[1]);
  char byte;
  IS(read(ends[0], &byte, 1), 0);
  struct acct_v3 r;
  IS(records_of("log", child, &r), 1);
  NEED(waitpid(child, NULL, 0));
  WORKS(account(NULL));
}

static int leader_is_there = 1;

static int outlive_leader(void* unused) {
  (void)unused;
  for (int seen; (seen = *(int volatile*)&leader_is_there) != 0;)
    SYS(futex, &leader_is_there, FUTEX_WAIT, seen, NULL, NULL, 0);
  SYS(exit_group, 7);
  return 0;
}
static int end_all(void* unused) {
  (void)unused;
  SYS(exit_group, 6);
  return 0;
}

static void start_thread(int (*body)(void*)) {
  static char stack[65536];
  NEED(clone(body, stack + sizeof stack,
             CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
             NULL));
}

TEST(threads) {
  go_to_tmpfs(NULL);
  WORKS(account("log"));
  // What counts is how the first thread ended.
  pid_t child = (pid_t)NEED(fork());
  if (child == 0) {
    SYS(set_tid_address, &leader_is_there);
    start_thread(outlive_leader);
    SYS(exit, 5);
  }
  struct acct_v3 r = record_of(child);
  IS(r.ac_exitcode, 0x500);
  IS(flags_of(&r), AFORK);
  // Those that are ended by another one count as killed.
  child = (pid_t)NEED(fork());
  if (child == 0) {
    start_thread(end_all);
    for (;;) pause();
  }
  r = record_of(child);
  IS(r.ac_exitcode, 0x600);
  IS(flags_of(&r), AFORK | AXSIG);
  WORKS(account(NULL));
}

// Who switches it off is recorded as well.
TEST(switching) {
  go_to_tmpfs(NULL);
  close(make_file("other", "x"));
  WORKS(account(NULL));
  WORKS(account("log"));
  struct acct_v3 r;
  IS(records_of("log", getpid(), &r), 0);
  (void)record_of(child_that_ends(0));
  WORKS(account("other"));
  IS(records_of("log", getpid(), &r), 1);
  IS(flags_of(&r), 0);
  IS(r.ac_exitcode, 0);
  IS(r.ac_utime, 0);
  IS(r.ac_ppid, getppid());
  long const size = size_of("log");
  NEED(waitpid(child_that_ends(0), NULL, 0));
  IS(size_of("log"), size);
  // It is written behind what is there.
  OK(size_of("other") % RECORD == 1 && size_of("other") > RECORD);
  WORKS(account(NULL));
  long const other_size = size_of("other");
  NEED(waitpid(child_that_ends(0), NULL, 0));
  IS(size_of("other"), other_size);
  WORKS(account(NULL));
  IS(size_of("other"), other_size);
  // A limit of size does not count.
  NEED(signal(SIGXFSZ, SIG_IGN) == SIG_ERR ? -1 : 0);
  struct rlimit const none = {0, RLIM_INFINITY};
  NEED(setrlimit(RLIMIT_FSIZE, &none));
  WORKS(account("log"));
  IS(record_of(child_that_ends(4)).ac_exitcode, 0x400);
  WORKS(account(NULL));
}

static bool says(char const* path, char const* text) {
  char have[64] = {0};
  int const file = (int)NEED(open(path, O_RDONLY));
  NEED(read(file, have, sizeof have - 1));
  close(file);
  return strcmp(have, text) == 0;
}

static bool takes(char const* text) {
  int const file = (int)NEED(open("/proc/sys/kernel/acct", O_WRONLY));
  bool const good = write(file, text, strlen(text)) == (ssize_t)strlen(text);
  int const error = errno;
  close(file);
  errno = error;
  return good;
}

TEST(space) {
  OK(says("/proc/sys/kernel/acct", "4\t2\t30\n"));
  OK(takes("5"));
  OK(says("/proc/sys/kernel/acct", "5\t2\t30\n"));
  OK(!takes("x") && errno == EINVAL);
  OK(takes("4 2 0\n"));
  OK(says("/proc/sys/kernel/acct", "4\t2\t0\n"));
  go_to_tmpfs("size=1m");
  WORKS(account("log"));
  (void)record_of(child_that_ends(0));
  struct statfs s;
  NEED(statfs(".", &s));
  int const much = (int)NEED(open("much", O_RDWR | O_CREAT, 0600));
  NEED(fallocate(much, 0, 0, (off_t)(s.f_bavail - 3) * 4096));
  long const size = size_of("log");
  NEED(waitpid(child_that_ends(0), NULL, 0));
  IS(size_of("log"), size);
  // Between the two bounds it stays as it is.
  NEED(ftruncate(much, (off_t)(s.f_bavail - 8) * 4096));
  NEED(waitpid(child_that_ends(0), NULL, 0));
  IS(size_of("log"), size);
  NEED(ftruncate(much, 0));
  IS(record_of(child_that_ends(2)).ac_exitcode, 0x200);
  WORKS(account(NULL));
  OK(takes("4 2 30"));
}

// It is in nobody's way.
TEST(unmounting) {
  go_to_tmpfs(NULL);
  NEED(mkdir("inner", 0755));
  NEED(mkdir("again", 0755));
  NEED(mount("none", "inner", "tmpfs", 0, NULL));
  NEED(mount("inner", "again", NULL, MS_BIND, NULL));
  close(make_file("inner/log", ""));
  WORKS(account("inner/log"));
  NEED(waitpid(child_that_ends(0), NULL, 0));
  OK(size_of("again/log") >= RECORD);
  WORKS(umount("inner"));
  struct acct_v3 r;
  IS(records_of("again/log", getpid(), &r), 1);
  long size = size_of("again/log");
  NEED(waitpid(child_that_ends(0), NULL, 0));
  IS(size_of("again/log"), size);
  WORKS(account(NULL));
  IS(size_of("again/log"), size);
  // Nor in that of who wants that nobody writes.
  WORKS(account("again/log"));
  WORKS(mount("none", "again", NULL, MS_REMOUNT | MS_RDONLY, NULL));
  IS(records_of("again/log", getpid(), &r), 2);
  size = size_of("again/log");
  NEED(waitpid(child_that_ends(0), NULL, 0));
  IS(size_of("again/log"), size);
  WORKS(umount("again"));
}

TEST(refused) {
  go_to_tmpfs(NULL);
  NEED(mkdir("dir", 0755));
  NEED(symlink("loop", "loop"));
  NEED(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
  NEED(mkfifo("fifo", 0600));
  FAILS(account("nosuch"), ENOENT);
  FAILS(account(""), ENOENT);
  FAILS(account("log/x"), ENOTDIR);
  FAILS(account("dir"), EISDIR);
  FAILS(account("loop"), ELOOP);
  FAILS(account("null"), EACCES);
  int const fifo = (int)NEED(open("fifo", O_RDWR));
  FAILS(account("fifo"), EACCES);
  close(fifo);
  FAILS(account(BAD_POINTER), EFAULT);
  char* const page = page_before_nothing();
  memset(page, 'a', 4096);
  FAILS(account(page), ENAMETOOLONG);
  FAILS(account("/proc/self/comm"), EINVAL);
  char place[64];
  snprintf(place, sizeof place, "/proc/self/fd/%ld", (long)NEED(memfd_create("memory", 0)));
  FAILS(account(place), EINVAL);
  NEED(chmod("log", 0));
  WORKS(account("log"));
  WORKS(account(NULL));
  NEED(mount("dir", "dir", NULL, MS_BIND, NULL));
  close(make_file("dir/log", ""));
  NEED(mount("none", "dir", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  FAILS(account("dir/log"), EROFS);
  NEED(umount("dir"));
  IS(IN_CHILD({
       become_nobody();
       int bad = 0;
       if (account("log") != -1 || errno != EPERM) bad |= 1;
       if (account(NULL) != -1 || errno != EPERM) bad |= 2;
       if (account(BAD_POINTER) != -1 || errno != EPERM) bad |= 4;
       _exit(bad);
     }),
     0);
  // Rights of files count for those who may account but not read everything.
  IS(IN_CHILD({
       struct {
         unsigned version;
         int pid;
       } header = {0x20080522, 0};
       unsigned sets[2][3] = {{1 << 20, 1 << 20, 0}, {0, 0, 0}};
       NEED(SYS(capset, &header, sets));
       NEED(chmod("log", 0));
       NEED(account("log") == -1 && errno == EACCES ? 0 : -1);
     }),
     0);
}

// Those further in are recorded outside as well, by the numbers they have there.
TEST(namespaces) {
  go_to_tmpfs(NULL);
  close(make_file("inner", ""));
  WORKS(account("log"));
  int ends[2];
  NEED(pipe(ends));
  NEED(unshare(CLONE_NEWPID));
  pid_t const first = (pid_t)NEED(fork());
  if (first == 0) {
    NEED(account("inner"));
    pid_t const child = child_that_ends(1);
    NEED(waitpid(child, NULL, 0));
    _exit(child == 2 ? 9 : 8);
  }
  struct acct_v3 r = record_of(first);
  IS(r.ac_exitcode, 0x900);
  IS(r.ac_ppid, getpid());
  IS(records_of("inner", 2, &r), 1);
  IS(r.ac_ppid, 1);
  IS(r.ac_exitcode, 0x100);
  // Its end, and that of the namespace.
  IS(records_of("inner", 1, &r), 2);
  IS(r.ac_ppid, 0);
  IS(r.ac_exitcode, 0x900);
  IS(size_of("inner"), 3 * RECORD);
  WORKS(account(NULL));
}
