// Extended attributes: names with values on files, their namespaces, limits and rights.
#include "ktap.h"

#include <sys/xattr.h>

static char bytes[XATTR_SIZE_MAX + 2];

TEST(values) {
  int const file = make_file("f", "x");
  WORKS(setxattr("f", "user.one", "value", 5, 0));
  IS(getxattr("f", "user.one", NULL, 0), 5);
  IS(getxattr("f", "user.one", bytes, sizeof bytes), 5);
  IS(memcmp(bytes, "value", 5), 0);
  FAILS(getxattr("f", "user.one", bytes, 4), ERANGE);
  FAILS(getxattr("f", "user.two", bytes, 4), ENODATA);
  WORKS(setxattr("f", "user.one", "other value", 11, 0));
  IS(fgetxattr(file, "user.one", bytes, sizeof bytes), 11);
  WORKS(fsetxattr(file, "user.empty", "", 0, 0));
  IS(getxattr("f", "user.empty", bytes, 10), 0);
  WORKS(removexattr("f", "user.one"));
  FAILS(removexattr("f", "user.one"), ENODATA);
  FAILS(fremovexattr(file, "user.one"), ENODATA);
  WORKS(fremovexattr(file, "user.empty"));
  IS(listxattr("f", NULL, 0), 0);
}

TEST(flags) {
  make_file("f", "");
  FAILS(setxattr("f", "user.a", "1", 1, XATTR_REPLACE), ENODATA);
  WORKS(setxattr("f", "user.a", "1", 1, XATTR_CREATE));
  FAILS(setxattr("f", "user.a", "2", 1, XATTR_CREATE), EEXIST);
  WORKS(setxattr("f", "user.a", "3", 1, XATTR_REPLACE));
  IS(getxattr("f", "user.a", bytes, 1), 1);
  IS(bytes[0], '3');
  FAILS(setxattr("f", "user.a", "2", 1, 4), EINVAL);
}

TEST(names) {
  make_file("f", "");
  char name[300];
  memset(name, 'n', sizeof name);
  memcpy(name, "user.", 5);
  name[255] = '\0';
  WORKS(setxattr("f", name, "1", 1, 0));
  IS(listxattr("f", bytes, sizeof bytes), 256);
  name[255] = 'n';
  name[256] = '\0';
  FAILS(setxattr("f", name, "1", 1, 0), ERANGE);
  FAILS(setxattr("f", "", "1", 1, 0), ERANGE);
  FAILS(setxattr("f", "user.", "1", 1, 0), EINVAL);
  FAILS(getxattr("f", "user.", bytes, 1), EINVAL);
  FAILS(setxattr("f", "nonsense", "1", 1, 0), EOPNOTSUPP);
  FAILS(setxattr("f", "other.space", "1", 1, 0), EOPNOTSUPP);
  FAILS(getxattr("f", "other.space", bytes, 1), EOPNOTSUPP);
  FAILS(removexattr("f", "other.space"), EOPNOTSUPP);
}

TEST(sizes) {
  make_file("f", "");
  memset(bytes, 'v', sizeof bytes);
  FAILS(setxattr("f", "trusted.big", bytes, XATTR_SIZE_MAX + 1, 0), E2BIG);
  WORKS(setxattr("f", "trusted.big", bytes, XATTR_SIZE_MAX, 0));
  IS(getxattr("f", "trusted.big", NULL, 0), XATTR_SIZE_MAX);
  memset(bytes, 0, sizeof bytes);
  IS(getxattr("f", "trusted.big", bytes, sizeof bytes), XATTR_SIZE_MAX);
  IS(bytes[XATTR_SIZE_MAX - 1], 'v');
  IS(bytes[XATTR_SIZE_MAX], 0);
  FAILS(SYS(setxattr, "f", "user.x", BAD_POINTER, 5, 0), EFAULT);
  FAILS(SYS(setxattr, "f", BAD_POINTER, "v", 1, 0), EFAULT);
  FAILS(SYS(getxattr, "f", "trusted.big", BAD_POINTER, XATTR_SIZE_MAX), EFAULT);
}

TEST(listing) {
  int const file = make_file("f", "");
  NEED(setxattr("f", "user.b", "1", 1, 0));
  NEED(setxattr("f", "user.a", "1", 1, 0));
  NEED(setxattr("f", "trusted.t", "1", 1, 0));
  IS(listxattr("f", NULL, 0), 24);
  IS(listxattr("f", bytes, 24), 24);
  IS(memcmp(bytes, "user.b\0user.a\0trusted.t", 24), 0);
  FAILS(listxattr("f", bytes, 23), ERANGE);
  IS(flistxattr(file, bytes, sizeof bytes), 24);
  IS(llistxattr("f", bytes, sizeof bytes), 24);
  FAILS(SYS(listxattr, "f", BAD_POINTER, 100), EFAULT);
  // What only root may see is not even named to others.
  IS(IN_CHILD(
         _exit(setresuid(NOBODY, NOBODY, NOBODY) == 0 && listxattr("f", bytes, 100) == 14 ? 0 : 1)),
     0);
}

TEST(kinds) {
  NEED(mkdir("d", 0755));
  NEED(symlink("target", "l"));
  NEED(mkfifo("p", 0644));
  WORKS(setxattr("d", "user.x", "1", 1, 0));
  FAILS(lsetxattr("l", "user.x", "1", 1, 0), EPERM);
  FAILS(lgetxattr("l", "user.x", bytes, 1), ENODATA);
  FAILS(lremovexattr("l", "user.x"), EPERM);
  WORKS(lsetxattr("l", "trusted.x", "1", 1, 0));
  IS(lgetxattr("l", "trusted.x", bytes, 1), 1);
  WORKS(lremovexattr("l", "trusted.x"));
  FAILS(setxattr("p", "user.x", "1", 1, 0), EPERM);
  FAILS(getxattr("l", "user.x", bytes, 1), ENOENT);
  FAILS(getxattr("nosuch", "user.x", bytes, 1), ENOENT);
  FAILS(fgetxattr(-1, "user.x", bytes, 1), EBADF);
  int const path = (int)NEED(open("d", O_PATH));
  FAILS(fgetxattr(path, "user.x", bytes, 1), EBADF);
  NEED(rename("d", "e"));
  IS(getxattr("e", "user.x", bytes, 1), 1);
}

static int as_nobody(int (*action)(void)) {
  return IN_CHILD({
    if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)) _exit(99);
    _exit(action());
  });
}
static int set_user(void) { return setxattr("f", "user.x", "1", 1, 0) ? errno : 0; }
static int get_user(void) { return getxattr("f", "user.a", bytes, 1) < 0 ? errno : 0; }
static int set_trusted(void) { return setxattr("f", "trusted.x", "1", 1, 0) ? errno : 0; }
static int get_trusted(void) { return getxattr("f", "trusted.t", bytes, 1) < 0 ? errno : 0; }
static int set_security(void) { return setxattr("f", "security.x", "1", 1, 0) ? errno : 0; }
static int set_sticky(void) { return setxattr("d", "user.x", "1", 1, 0) ? errno : 0; }

TEST(rights) {
  make_file("f", "");
  NEED(chmod(".", 0755));
  NEED(setxattr("f", "user.a", "1", 1, 0));
  NEED(setxattr("f", "trusted.t", "1", 1, 0));
  NEED(mkdir("d", 0777));
  NEED(chmod("d", 01777));
  IS(as_nobody(set_user), EXITED(EACCES));
  IS(as_nobody(get_user), 0);
  IS(as_nobody(set_trusted), EXITED(EPERM));
  IS(as_nobody(get_trusted), EXITED(ENODATA));
  IS(as_nobody(set_security), EXITED(EPERM));
  IS(as_nobody(set_sticky), EXITED(EPERM));
  NEED(chmod("f", 0600));
  IS(as_nobody(get_user), EXITED(EACCES));
  NEED(chmod("f", 0666));
  IS(as_nobody(set_user), 0);
}

TEST(times) {
  make_file("f", "");
  struct timespec const long_ago[2] = {{1000, 0}, {1000, 0}};
  NEED(utimensat(AT_FDCWD, "f", long_ago, 0));
  struct stat before, after;
  NEED(stat("f", &before));
  NEED(setxattr("f", "user.x", "1", 1, 0));
  NEED(stat("f", &after));
  IS(after.st_mtime, 1000);
  OK(after.st_ctim.tv_sec > before.st_ctim.tv_sec ||
     after.st_ctim.tv_nsec >= before.st_ctim.tv_nsec);
}
