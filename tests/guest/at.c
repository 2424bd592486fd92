// Calls that take a directory's descriptor, and other forms that the C library does not use.
#include "ktap.h"

#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <utime.h>

static int mode_of(char const* path) {
  struct stat s;
  return stat(path, &s) == 0 ? (int)(s.st_mode & 07777) : -1;
}

TEST(making) {
  NEED(mkdir("d", 0755));
  int const d = (int)NEED(open("d", O_RDONLY | O_DIRECTORY));
  int const file = make_file("file", "x");
  WORKS(SYS(mkdirat, d, "sub", 0750));
  IS(mode_of("d/sub"), 0750);
  FAILS(SYS(mkdirat, d, "sub", 0750), EEXIST);
  FAILS(SYS(mkdirat, d, "no/such", 0750), ENOENT);
  FAILS(SYS(mkdirat, file, "sub", 0750), ENOTDIR);
  FAILS(SYS(mkdirat, -1, "sub", 0750), EBADF);
  WORKS(SYS(mknodat, d, "fifo", S_IFIFO | 0640, 0));
  IS(mode_of("d/fifo"), 0640);
  WORKS(SYS(mknodat, d, "file", S_IFREG | 0600, 0));
  WORKS(SYS(mknodat, AT_FDCWD, "null", S_IFCHR | 0666, makedev(1, 3)));
  FAILS(SYS(mknodat, d, "fifo", S_IFIFO | 0640, 0), EEXIST);
  FAILS(SYS(mknodat, d, "dir", S_IFDIR | 0700, 0), EPERM);
  FAILS(SYS(mknodat, -1, "x", S_IFIFO, 0), EBADF);
  IS(IN_CHILD({
       become_nobody();
       _exit(SYS(mknodat, AT_FDCWD, "/tmp/at-null", S_IFCHR | 0666, makedev(1, 3)) == -1 &&
                     errno == EPERM
                 ? 0
                 : 1);
     }),
     0);
}

TEST(linking) {
  NEED(mkdir("d", 0755));
  int const d = (int)NEED(open("d", O_RDONLY | O_DIRECTORY));
  close(make_file("file", "content"));
  WORKS(SYS(linkat, AT_FDCWD, "file", d, "hard", 0));
  FAILS(SYS(linkat, AT_FDCWD, "file", d, "hard", 0), EEXIST);
  FAILS(SYS(linkat, AT_FDCWD, "file", d, "x", 1), EINVAL);
  FAILS(SYS(linkat, AT_FDCWD, "nosuch", d, "x", 0), ENOENT);
  FAILS(SYS(linkat, AT_FDCWD, "d", d, "x", 0), EPERM);
  WORKS(SYS(symlinkat, "../file", d, "soft"));
  FAILS(SYS(symlinkat, "../file", d, "soft"), EEXIST);
  FAILS(SYS(symlinkat, "", d, "empty"), ENOENT);
  FAILS(SYS(symlinkat, "x", -1, "soft"), EBADF);
  char text[32] = {0};
  IS(SYS(readlinkat, d, "soft", text, sizeof text), 7);
  IS(memcmp(text, "../file", 7), 0);
  IS(SYS(readlinkat, d, "soft", text, 3), 3);
  FAILS(SYS(readlinkat, d, "soft", text, 0), EINVAL);
  FAILS(SYS(readlinkat, d, "hard", text, 10), EINVAL);
  FAILS(SYS(readlinkat, d, "nosuch", text, 10), ENOENT);
  // The link itself, or what it points to.
  WORKS(SYS(linkat, d, "soft", d, "soft2", 0));
  IS(SYS(readlinkat, d, "soft2", text, sizeof text), 7);
  WORKS(SYS(linkat, d, "soft", d, "hard2", AT_SYMLINK_FOLLOW));
  struct stat s;
  NEED(stat("file", &s));
  IS(s.st_nlink, 3);
  WORKS(SYS(renameat, d, "hard2", AT_FDCWD, "moved"));
  FAILS(SYS(renameat, d, "hard2", AT_FDCWD, "moved"), ENOENT);
  FAILS(SYS(renameat, -1, "x", d, "y"), EBADF);
  FAILS(SYS(renameat, AT_FDCWD, "d", d, "inside"), EINVAL);
}

TEST(owners_and_access) {
  NEED(mkdir("d", 0755));
  int const d = (int)NEED(open("d", O_RDONLY | O_DIRECTORY));
  close(make_file("d/file", ""));
  NEED(symlink("file", "d/link"));
  WORKS(SYS(fchownat, d, "file", 5, 6, 0));
  struct stat s;
  NEED(stat("d/file", &s));
  IS(s.st_uid, 5);
  IS(s.st_gid, 6);
  WORKS(SYS(fchownat, d, "link", 7, -1, AT_SYMLINK_NOFOLLOW));
  NEED(lstat("d/link", &s));
  IS(s.st_uid, 7);
  IS(s.st_gid, 0);
  WORKS(SYS(fchownat, d, "", 8, 9, AT_EMPTY_PATH));
  NEED(stat("d", &s));
  IS(s.st_uid, 8);
  FAILS(SYS(fchownat, d, "file", 1, 1, 1), EINVAL);
  FAILS(SYS(fchownat, d, "nosuch", 1, 1, 0), ENOENT);
  NEED(chmod("d/file", 0600));
  IS(SYS(faccessat2, d, "file", R_OK | W_OK, 0), 0);
  FAILS(SYS(faccessat2, d, "file", X_OK, 0), EACCES);
  IS(SYS(faccessat2, d, "link", F_OK, AT_SYMLINK_NOFOLLOW), 0);
  IS(SYS(faccessat2, d, "", R_OK, AT_EMPTY_PATH), 0);
  FAILS(SYS(faccessat2, d, "file", 8, 0), EINVAL);
  FAILS(SYS(faccessat2, d, "file", 0, 1), EINVAL);
  FAILS(SYS(faccessat2, d, "nosuch", 0, 0), ENOENT);
  // The real user counts, unless the effective one is asked for.
  IS(IN_CHILD({
       NEED(setresgid(NOBODY, 0, 0));
       NEED(setresuid(NOBODY, 0, 0));
       bool const good = SYS(faccessat2, d, "file", R_OK, 0) == -1 && errno == EACCES &&
                         SYS(faccessat2, d, "file", R_OK, AT_EACCESS) == 0;
       _exit(good ? 0 : 1);
     }),
     0);
}

TEST(times_at_both_ends) {
  struct stat s;
  close(make_file("file", ""));
  struct timespec t[2] = {{-1, 999999999}, {-5, 1}};
  WORKS(utimensat(AT_FDCWD, "file", t, 0));
  NEED(stat("file", &s));
  IS(s.st_atim.tv_sec, -1);
  IS(s.st_atim.tv_nsec, 999999999);
  IS(s.st_mtim.tv_sec, -5);
  IS(s.st_mtim.tv_nsec, 1);
  t[0] = (struct timespec){LONG_MAX, 999999999};
  t[1] = (struct timespec){LONG_MIN, 0};
  WORKS(utimensat(AT_FDCWD, "file", t, 0));
  NEED(stat("file", &s));
  OK(s.st_atim.tv_sec > 9000000000);
  OK(s.st_mtim.tv_sec < -9000000000);
}

TEST(old_times) {
  close(make_file("f", ""));
  struct utimbuf const old = {.actime = 1000, .modtime = 2000};
  WORKS(SYS(utime, "f", &old));
  struct stat s;
  NEED(stat("f", &s));
  IS(s.st_atime, 1000);
  IS(s.st_mtime, 2000);
  WORKS(SYS(utime, "f", NULL));
  NEED(stat("f", &s));
  OK(s.st_mtime > 1000000);
  struct timeval const both[2] = {{3000, 250000}, {4000, 500000}};
  WORKS(SYS(utimes, "f", both));
  NEED(stat("f", &s));
  IS(s.st_atim.tv_nsec, 250000000);
  IS(s.st_mtime, 4000);
  struct timeval const bad[2] = {{0, 1000000}, {0, 0}};
  FAILS(SYS(utimes, "f", bad), EINVAL);
  FAILS(SYS(utimes, "nosuch", NULL), ENOENT);
  FAILS(SYS(utime, "f", BAD_POINTER), EFAULT);
}

TEST(old_entries) {
  struct entry {
    unsigned long inode, next;
    unsigned short size;
    char name[];
  };
  close(make_file("only", ""));
  int const d = (int)NEED(open(".", O_RDONLY | O_DIRECTORY));
  char bytes[512] __attribute__((aligned(8)));
  long const got = SYS(getdents, d, bytes, sizeof bytes);
  OK(got > 0);
  bool found = false;
  int count = 0;
  for (long at = 0; at < got; ++count) {
    struct entry const* const e = (void*)(bytes + at);
    if (strcmp(e->name, "only") == 0) found = bytes[at + e->size - 1] == DT_REG;
    at += e->size;
  }
  OK(found);
  IS(count, 3);
  IS(SYS(getdents, d, bytes, sizeof bytes), 0);
  NEED(lseek(d, 0, SEEK_SET));
  FAILS(SYS(getdents, d, bytes, 8), EINVAL);
  FAILS(SYS(getdents, make_file("f", ""), bytes, sizeof bytes), ENOTDIR);
}

TEST(mounting) {
  NEED(mkdir("m", 0755));
  close(make_file("m/below", ""));
  WORKS(mount("none", "m", "tmpfs", 0, NULL));
  FAILS(access("m/below", F_OK), ENOENT);
  close(make_file("m/above", ""));
  FAILS(umount2("m/above", 0), EINVAL);
  WORKS(umount2("m", 0));
  WORKS(access("m/below", F_OK));
  FAILS(umount2("m", 0), EINVAL);
  FAILS(mount("none", "nosuch", "tmpfs", 0, NULL), ENOENT);
  FAILS(mount("none", "m", "nosuchfs", 0, NULL), ENODEV);
  FAILS(mount("none", "m/below", "tmpfs", 0, NULL), ENOTDIR);
  FAILS(umount2("m", 0x1000), EINVAL);
  IS(IN_CHILD({
       become_nobody();
       _exit(mount("none", "m", "tmpfs", 0, NULL) == -1 && errno == EPERM &&
                     umount2("m", 0) == -1 && errno == EPERM
                 ? 0
                 : 1);
     }),
     0);
}

TEST(other_root) {
  NEED(mkdir("d", 0755));
  close(make_file("d/file", ""));
  close(make_file("outside", ""));
  FAILS(chroot("outside"), ENOTDIR);
  FAILS(chroot("nosuch"), ENOENT);
  IS(IN_CHILD({
       become_nobody();
       _exit(chroot("/") == -1 && errno == EPERM ? 0 : 1);
     }),
     0);
  WORKS(chroot("d"));
  WORKS(access("/file", F_OK));
  WORKS(access("/../file", F_OK));
  // The working directory stays where it was.
  WORKS(access("outside", F_OK));
  NEED(chdir("/"));
  WORKS(access("../file", F_OK));
}

// The calls whose flags the C library makes up itself, or no longer knows.
TEST(modes_by_flags) {
#ifndef SYS_fchmodat2
#  define SYS_fchmodat2 452
#endif
  int const fd = make_file("f", "");
  NEED(symlink("f", "l"));
  int const named = (int)NEED(open("f", O_PATH));
  struct stat s;
  WORKS(SYS(fchmodat2, AT_FDCWD, "l", 0640, 0));
  NEED(stat("f", &s));
  IS(s.st_mode & 0777, 0640);
  FAILS(SYS(fchmodat2, AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
  WORKS(SYS(fchmodat2, AT_FDCWD, "f", 0600, AT_SYMLINK_NOFOLLOW));
  WORKS(SYS(fchmodat2, named, "", 0604, AT_EMPTY_PATH));
  NEED(fstat(fd, &s));
  IS(s.st_mode & 0777, 0604);
  FAILS(SYS(fchmodat2, named, "", 0604, 0), ENOENT);
  FAILS(SYS(fchmodat2, AT_FDCWD, "f", 0604, 0x200), EINVAL);
  FAILS(SYS(fchmodat2, 999, "f", 0604, 0), EBADF);
}

TEST(old_times_at) {
  struct timeval const times[2] = {{.tv_sec = 1000, .tv_usec = 5}, {.tv_sec = 2000, .tv_usec = 7}};
  struct timeval const wrong[2] = {{.tv_sec = 1, .tv_usec = 1000000}, {.tv_sec = 1}};
  int const fd = make_file("f", "");
  int const dir = (int)NEED(open(".", O_RDONLY));
  struct stat s;
  WORKS(SYS(futimesat, dir, "f", times));
  NEED(fstat(fd, &s));
  IS(s.st_atim.tv_sec, 1000);
  IS(s.st_mtim.tv_nsec, 7000);
  WORKS(SYS(futimesat, dir, "f", NULL));
  NEED(fstat(fd, &s));
  OK(s.st_mtim.tv_sec > 2000);
  WORKS(SYS(futimesat, fd, NULL, times));
  NEED(fstat(fd, &s));
  IS(s.st_mtim.tv_sec, 2000);
  FAILS(SYS(futimesat, dir, "f", wrong), EINVAL);
  FAILS(SYS(futimesat, dir, "missing", times), ENOENT);
  FAILS(SYS(futimesat, AT_FDCWD, NULL, times), EFAULT);
  FAILS(SYS(futimesat, 999, NULL, times), EBADF);
}
