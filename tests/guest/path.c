// Path resolution: openat2's limits, O_PATH, O_TMPFILE, links, slashes, long names. See
// path_resolution(7), openat2(2).
#include "ktap.h"

#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static long open_how(int dir, char const* path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
  return SYS(openat2, dir, path, &how, sizeof how);
}

static ino_t inode_of(char const* path) {
  struct stat facts = {0};
  return stat(path, &facts) == 0 ? facts.st_ino : 0;
}

static ino_t inode_behind(long fd) {
  struct stat facts = {0};
  return fstat((int)fd, &facts) == 0 ? facts.st_ino : 0;
}

static void make_tree(void) {
  NEED(mkdir("top", 0755));
  NEED(mkdir("top/inner", 0755));
  close(make_file("top/file", "content"));
  close(make_file("outside", ""));
  NEED(symlink("inner", "top/link"));
  NEED(symlink("../outside", "top/escape"));
  NEED(symlink("/outside", "top/absolute"));
  NEED(symlink("/", "top/root"));
}

TEST(openat2_arguments) {
  struct open_how how = {.flags = O_RDONLY};
  struct {
    struct open_how how;
    uint64_t more;
  } large = {{.flags = O_RDONLY}, 0};
  make_tree();
  WORKS(SYS(openat2, AT_FDCWD, "top/file", &how, sizeof how));
  FAILS(SYS(openat2, AT_FDCWD, "top/file", &how, sizeof how - 1), EINVAL);
  FAILS(SYS(openat2, AT_FDCWD, "top/file", &how, 0), EINVAL);
  WORKS(SYS(openat2, AT_FDCWD, "top/file", &large, sizeof large));
  large.more = 1;
  FAILS(SYS(openat2, AT_FDCWD, "top/file", &large, sizeof large), E2BIG);
  FAILS(SYS(openat2, AT_FDCWD, "top/file", &large, 8192), E2BIG);
  FAILS(SYS(openat2, AT_FDCWD, "top/file", BAD_POINTER, sizeof how), EFAULT);
  FAILS(SYS(openat2, AT_FDCWD, BAD_POINTER, &how, sizeof how), EFAULT);
  FAILS(open_how(AT_FDCWD, "top/file", 1ULL << 40, 0, 0), EINVAL);
  FAILS(open_how(AT_FDCWD, "top/file", O_RDONLY, 0, 1 << 20), EINVAL);
  FAILS(open_how(AT_FDCWD, "top/file", O_RDONLY, 0644, 0), EINVAL);
  FAILS(open_how(AT_FDCWD, "top/new", O_CREAT | O_RDWR, 010000, 0), EINVAL);
  FAILS(open_how(AT_FDCWD, "top/file", O_PATH | O_RDWR, 0, 0), EINVAL);
  FAILS(open_how(AT_FDCWD, "top", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT), EINVAL);
  WORKS(open_how(AT_FDCWD, "top/new", O_CREAT | O_RDWR, 0600, 0));
  FAILS(open_how(closed_descriptor(), "top", O_RDONLY, 0, 0), EBADF);
  FAILS(open_how(AT_FDCWD, "", O_RDONLY, 0, 0), ENOENT);
}

TEST(resolve_beneath) {
  make_tree();
  int const top = (int)NEED(open("top", O_PATH));
  uint64_t const how = RESOLVE_BENEATH;
  WORKS(open_how(top, "file", O_RDONLY, 0, how));
  WORKS(open_how(top, "inner/../file", O_RDONLY, 0, how));
  WORKS(open_how(top, "link", O_RDONLY, 0, how));
  WORKS(open_how(top, ".", O_RDONLY, 0, how));
  FAILS(open_how(top, "..", O_RDONLY, 0, how), EXDEV);
  FAILS(open_how(top, "../outside", O_RDONLY, 0, how), EXDEV);
  FAILS(open_how(top, "../top/file", O_RDONLY, 0, how), EXDEV);
  FAILS(open_how(top, "inner/../../top/file", O_RDONLY, 0, how), EXDEV);
  FAILS(open_how(top, "/", O_RDONLY, 0, how), EXDEV);
  FAILS(open_how(top, "escape", O_RDONLY, 0, how), EXDEV);
  FAILS(open_how(top, "absolute", O_RDONLY, 0, how), EXDEV);
  FAILS(open_how(top, "missing", O_RDONLY, 0, how), ENOENT);
  WORKS(open_how(top, "new", O_RDWR | O_CREAT, 0600, how));
  FAILS(open_how(top, "../new", O_RDWR | O_CREAT, 0600, how), EXDEV);
  FAILS(open_how(AT_FDCWD, "/", O_RDONLY, 0, how), EXDEV);
}

TEST(resolve_in_root) {
  make_tree();
  int const top = (int)NEED(open("top", O_PATH));
  uint64_t const how = RESOLVE_IN_ROOT;
  ino_t const top_inode = inode_of("top"), file = inode_of("top/file");
  OK(inode_behind(open_how(top, "/", O_RDONLY, 0, how)) == top_inode);
  OK(inode_behind(open_how(top, "..", O_RDONLY, 0, how)) == top_inode);
  OK(inode_behind(open_how(top, "../../file", O_RDONLY, 0, how)) == file);
  OK(inode_behind(open_how(top, "/file", O_RDONLY, 0, how)) == file);
  OK(inode_behind(open_how(top, "root/file", O_RDONLY, 0, how)) == file);
  OK(inode_behind(open_how(top, "/root/root/inner/../../../file", O_RDONLY, 0, how)) == file);
  FAILS(open_how(top, "escape", O_RDONLY, 0, how), ENOENT);
  FAILS(open_how(top, "absolute", O_RDONLY, 0, how), ENOENT);
  close(make_file("top/outside", ""));
  OK(inode_behind(open_how(top, "absolute", O_RDONLY, 0, how)) == inode_of("top/outside"));
  OK(inode_behind(open_how(top, "escape", O_RDONLY, 0, how)) == inode_of("top/outside"));
}

TEST(resolve_no_links) {
  make_tree();
  WORKS(open_how(AT_FDCWD, "top/file", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
  FAILS(open_how(AT_FDCWD, "top/link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
  FAILS(open_how(AT_FDCWD, "top/link/../file", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
  WORKS(open_how(AT_FDCWD, "top/link", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS));
  FAILS(open_how(AT_FDCWD, "top/link/", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS), ELOOP);
  WORKS(open_how(AT_FDCWD, "top/link", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
}

TEST(resolve_cached) {
  make_tree();
  WORKS(inode_of("top/file"));
  WORKS(open_how(AT_FDCWD, "top/file", O_RDONLY, 0, RESOLVE_CACHED));
  FAILS(open_how(AT_FDCWD, "top/file", O_RDWR | O_TRUNC, 0, RESOLVE_CACHED), EAGAIN);
  FAILS(open_how(AT_FDCWD, "top/new", O_RDWR | O_CREAT, 0600, RESOLVE_CACHED), EAGAIN);
  FAILS(open_how(AT_FDCWD, "top", O_RDWR | O_TMPFILE, 0600, RESOLVE_CACHED), EAGAIN);
}

TEST(resolve_no_xdev) {
  make_tree();
  NEED(mount("none", "top/inner", "tmpfs", 0, NULL));
  close(make_file("top/inner/there", ""));
  NEED(symlink("/tmp", "top/inner/away"));
  int const top = (int)NEED(open("top", O_PATH));
  int const inner = (int)NEED(open("top/inner", O_PATH));
  uint64_t const how = RESOLVE_NO_XDEV;
  WORKS(open_how(top, "file", O_RDONLY, 0, how));
  FAILS(open_how(top, "inner", O_RDONLY, 0, how), EXDEV);
  FAILS(open_how(top, "inner/there", O_RDONLY, 0, how), EXDEV);
  WORKS(open_how(inner, "there", O_RDONLY, 0, how));
  FAILS(open_how(inner, "..", O_RDONLY, 0, how), EXDEV);
  FAILS(open_how(inner, "away", O_RDONLY, 0, how), EXDEV);
  WORKS(open_how(inner, ".", O_RDONLY, 0, how));
}

TEST(path_descriptors) {
  char buffer[16];
  struct stat facts;
  struct statfs fs;
  make_tree();
  int const file = (int)WORKS(open("top/file", O_PATH));
  FAILS(read(file, buffer, 1), EBADF);
  FAILS(write(file, buffer, 1), EBADF);
  FAILS(lseek(file, 0, SEEK_SET), EBADF);
  FAILS(ftruncate(file, 0), EBADF);
  FAILS(fchmod(file, 0600), EBADF);
  FAILS(fchown(file, 0, 0), EBADF);
  FAILS(ioctl(file, FIONREAD, buffer), EBADF);
  FAILS(fsync(file), EBADF);
  OK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED && errno == EBADF);
  WORKS(fstat(file, &facts));
  IS(facts.st_size, 7);
  WORKS(fstatfs(file, &fs));
  IS(fcntl(file, F_GETFL), O_PATH);
  WORKS(fcntl(file, F_GETFD));
  int const twin = (int)WORKS(dup(file));
  OK(inode_behind(twin) == facts.st_ino);
  FAILS(openat(file, "x", O_RDONLY), ENOTDIR);
  FAILS(fchdir(file), ENOTDIR);
  int const top = (int)WORKS(open("top", O_PATH));
  WORKS(openat(top, "file", O_RDONLY));
  FAILS(SYS(getdents64, top, buffer, sizeof buffer), EBADF);
  int const link = (int)WORKS(open("top/link", O_PATH | O_NOFOLLOW));
  WORKS(fstat(link, &facts));
  OK(S_ISLNK(facts.st_mode));
  IS(readlinkat(link, "", buffer, sizeof buffer), 5);
  FAILS(readlinkat(file, "", buffer, sizeof buffer), ENOENT);
  FAILS(open("top/link", O_RDONLY | O_NOFOLLOW), ELOOP);
  FAILS(open("top/missing", O_PATH), ENOENT);
  NEED(chmod("top/file", 0));
  NEED(chmod("top", 0711));
  become_nobody();
  WORKS(open("top/file", O_PATH));
  FAILS(open("top/file", O_RDONLY), EACCES);
  WORKS(fchdir(top));
}

TEST(empty_paths) {
  struct stat facts, others;
  make_tree();
  int const file = (int)NEED(open("top/file", O_RDWR));
  NEED(fstat(file, &facts));
  WORKS(fstatat(file, "", &others, AT_EMPTY_PATH));
  OK(facts.st_ino == others.st_ino);
  WORKS(fstatat(AT_FDCWD, "", &others, AT_EMPTY_PATH));
  OK(others.st_ino == inode_of("."));
  FAILS(fstatat(file, "", &others, 0), ENOENT);
  WORKS(fchownat(file, "", 7, 8, AT_EMPTY_PATH));
  NEED(fstat(file, &others));
  IS(others.st_uid, 7);
  FAILS(fchownat(file, "", 7, 8, 0), ENOENT);
  WORKS(linkat(file, "", AT_FDCWD, "twin", AT_EMPTY_PATH));
  OK(inode_of("twin") == facts.st_ino);
  FAILS(linkat(file, "", AT_FDCWD, "other", 0), ENOENT);
  IS(SYS(faccessat2, file, "", R_OK, AT_EMPTY_PATH), 0);
  FAILS(SYS(faccessat2, file, "", R_OK, 0x8000), EINVAL);
  FAILS(SYS(openat, file, "", O_RDONLY), ENOENT);
}

TEST(unnamed_files) {
  struct stat facts;
  char buffer[8] = "";
  NEED(mkdir("folder", 0755));
  int const file = (int)WORKS(open("folder", O_TMPFILE | O_RDWR, 0640));
  WORKS(fstat(file, &facts));
  IS(facts.st_nlink, 0);
  IS(facts.st_mode, S_IFREG | 0640);
  IS(write(file, "abc", 3), 3);
  IS(pread(file, buffer, 8, 0), 3);
  WORKS(rmdir("folder"));
  NEED(mkdir("folder", 0755));
  int const other = (int)WORKS(open("folder", O_TMPFILE | O_RDWR, 0640));
  IS(write(other, "abc", 3), 3);
  WORKS(linkat(other, "", AT_FDCWD, "folder/name", AT_EMPTY_PATH));
  WORKS(stat("folder/name", &facts));
  IS(facts.st_nlink, 1);
  IS(facts.st_size, 3);
  int const bound = (int)WORKS(open("folder", O_TMPFILE | O_EXCL | O_WRONLY, 0600));
  FAILS(linkat(bound, "", AT_FDCWD, "folder/never", AT_EMPTY_PATH), ENOENT);
  FAILS(open("folder", O_TMPFILE | O_RDONLY, 0600), EINVAL);
  FAILS(open("folder/name", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
  FAILS(open("missing", O_TMPFILE | O_RDWR, 0600), ENOENT);
  FAILS(open("folder", O_RDWR), EISDIR);
  FAILS(open("folder", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0600), EINVAL);
  FAILS(open("folder", O_TMPFILE | O_CREAT | O_RDWR, 0600), EINVAL);
  NEED(unlink("folder/name"));
  FAILS(linkat(other, "", AT_FDCWD, "folder/again", AT_EMPTY_PATH), ENOENT);
  become_nobody();
  FAILS(open("folder", O_TMPFILE | O_RDWR, 0600), EACCES);
}

TEST(slashes) {
  struct stat facts;
  make_tree();
  WORKS(stat("top/", &facts));
  WORKS(stat("top//inner///", &facts));
  WORKS(stat("top/./inner/.", &facts));
  FAILS(stat("top/file/", &facts), ENOTDIR);
  FAILS(stat("top/file/.", &facts), ENOTDIR);
  FAILS(stat("top/file/..", &facts), ENOTDIR);
  FAILS(stat("top/missing/", &facts), ENOENT);
  FAILS(stat("top/missing/..", &facts), ENOENT);
  WORKS(lstat("top/link/", &facts));
  OK(S_ISDIR(facts.st_mode));
  WORKS(lstat("top/link", &facts));
  OK(S_ISLNK(facts.st_mode));
  WORKS(stat("////", &facts));
  FAILS(open("top/new/", O_RDWR | O_CREAT, 0600), EISDIR);
  FAILS(open("top/", O_RDWR | O_CREAT, 0600), EISDIR);
  FAILS(open("top/file", O_RDONLY | O_DIRECTORY), ENOTDIR);
  FAILS(open("top/new", O_RDONLY | O_DIRECTORY | O_CREAT, 0600), EINVAL);
  FAILS(symlink("x", "top/new/"), ENOENT);
  FAILS(link("top/file", "top/new/"), ENOENT);
  FAILS(mknod("top/new/", S_IFREG | 0600, 0), ENOENT);
  WORKS(mkdir("top/new/", 0755));
  FAILS(mkdir("top/new/.", 0755), EEXIST);
  FAILS(mkdir("top/none/.", 0755), ENOENT);
  FAILS(unlink("top/new/"), EISDIR);
  FAILS(unlink("top/link/"), ENOTDIR);
  FAILS(unlink("top/."), EISDIR);
  FAILS(rmdir("top/link"), ENOTDIR);
  FAILS(rename("top/file", "top/other/"), ENOTDIR);
  FAILS(rename("top/file/", "top/other"), ENOTDIR);
  WORKS(rename("top/new/", "top/newer/"));
  WORKS(rmdir("top/newer/"));
}

TEST(long_names) {
  char name[260];
  static char path[PATH_MAX + 2];
  struct stat facts;
  memset(name, 'n', sizeof name);
  name[255] = 0;
  close(make_file(name, ""));
  WORKS(stat(name, &facts));
  WORKS(unlink(name));
  name[255] = 'n';
  name[256] = 0;
  FAILS(stat(name, &facts), ENAMETOOLONG);
  FAILS(open(name, O_RDWR | O_CREAT, 0600), ENAMETOOLONG);
  FAILS(mkdir(name, 0755), ENAMETOOLONG);
  FAILS(unlink(name), ENAMETOOLONG);
  FAILS(symlink("x", name), ENAMETOOLONG);
  close(make_file("x", ""));
  FAILS(rename("x", name), ENAMETOOLONG);
  for (int i = 0; i < PATH_MAX + 1; ++i) path[i] = i % 2 ? '/' : '.';
  path[PATH_MAX - 1] = 0;
  WORKS(stat(path, &facts));
  path[PATH_MAX - 1] = '.';
  path[PATH_MAX] = 0;
  FAILS(stat(path, &facts), ENAMETOOLONG);
  FAILS(chdir(path), ENAMETOOLONG);
  FAILS(symlink(path, "link"), ENAMETOOLONG);
  FAILS(truncate(path, 0), ENAMETOOLONG);
}

TEST(loops) {
  struct stat facts;
  NEED(symlink("b", "a"));
  NEED(symlink("a", "b"));
  NEED(symlink("self/x", "self"));
  FAILS(stat("a", &facts), ELOOP);
  FAILS(stat("self", &facts), ELOOP);
  WORKS(lstat("a", &facts));
  FAILS(open("a", O_RDWR | O_CREAT, 0600), ELOOP);
  FAILS(chdir("a"), ELOOP);
  FAILS(truncate("a", 0), ELOOP);
  FAILS(unlink("a/x"), ELOOP);
  WORKS(unlink("a"));
}

TEST(links_in_the_middle) {
  char from[16], to[16];
  struct stat facts;
  NEED(mkdir("d", 0755));
  close(make_file("d/file", ""));
  NEED(symlink("d", "l0"));
  for (int i = 1; i <= 40; ++i) {
    snprintf(from, sizeof from, "l%d", i - 1);
    snprintf(to, sizeof to, "l%d", i);
    NEED(symlink(from, to));
  }
  WORKS(stat("l39/file", &facts));
  FAILS(stat("l40/file", &facts), ELOOP);
  NEED(symlink("l9/../l9/../l9/file", "steps"));
  WORKS(stat("steps", &facts));
  NEED(symlink("l9/../l9/../l9/../l9/file", "more"));
  FAILS(stat("more", &facts), ELOOP);
  // Links inside the targets of links.
  NEED(symlink("d/.", "in1"));
  NEED(symlink("in1/.", "in2"));
  NEED(symlink("in2/.", "in3"));
  NEED(symlink("in3/.", "in4"));
  WORKS(stat("in4/file", &facts));
  WORKS(stat("in4/../in4/../in4/file", &facts));
}

TEST(links_to_make) {
  struct stat facts;
  NEED(mkdir("d", 0755));
  NEED(symlink("d/new", "link"));
  int const file = (int)WORKS(open("link", O_RDWR | O_CREAT, 0600));
  OK(inode_behind(file) == inode_of("d/new"));
  NEED(symlink("missing/new", "nowhere"));
  FAILS(open("nowhere", O_RDWR | O_CREAT, 0600), ENOENT);
  FAILS(mkdir("link", 0755), EEXIST);
  FAILS(mknod("nowhere", S_IFREG | 0600, 0), EEXIST);
  NEED(symlink("d/other/", "slash"));
  FAILS(open("slash", O_RDWR | O_CREAT, 0600), EISDIR);
  NEED(symlink("d", "dir"));
  FAILS(open("dir", O_RDWR | O_CREAT, 0600), EISDIR);
  WORKS(rename("link", "moved"));
  WORKS(lstat("moved", &facts));
  OK(S_ISLNK(facts.st_mode));
}

TEST(search_permission) {
  struct stat facts;
  NEED(mkdir("a", 0755));
  NEED(mkdir("a/b", 0755));
  close(make_file("a/b/file", ""));
  NEED(chmod("a", 0644));
  become_nobody();
  FAILS(stat("a/b/file", &facts), EACCES);
  FAILS(stat("a/.", &facts), EACCES);
  FAILS(stat("a/..", &facts), EACCES);
  FAILS(stat("a/missing", &facts), EACCES);
  WORKS(stat("a", &facts));
  FAILS(chdir("a"), EACCES);
  FAILS(open("a/new", O_RDWR | O_CREAT, 0600), EACCES);
}

TEST(set_gid_folders) {
  struct stat facts;
  NEED(mkdir("folder", 0755));
  NEED(chown("folder", 0, 500));
  NEED(chmod("folder", 02777));
  NEED(mkdir("folder/inner", 0755));
  NEED(stat("folder/inner", &facts));
  IS(facts.st_gid, 500);
  IS(facts.st_mode, S_IFDIR | 02755);
  close(make_file("folder/file", ""));
  NEED(stat("folder/file", &facts));
  IS(facts.st_gid, 500);
  become_nobody();
  umask(0);
  close((int)NEED(open("folder/program", O_RDWR | O_CREAT, 02775)));
  NEED(stat("folder/program", &facts));
  IS(facts.st_mode, S_IFREG | 0775);
}

TEST(long_directories) {
  // So deep that the path is longer than what one call takes.
  static char name[201], path[PATH_MAX];
  memset(name, 'd', 200);
  NEED(SYS(getcwd, path, sizeof path));
  int depth = 0;
  for (; depth < 25; ++depth) {
    NEED(mkdir(name, 0755));
    NEED(chdir(name));
  }
  FAILS(SYS(getcwd, path, sizeof path), ENAMETOOLONG);
  close(make_file("file", ""));
  WORKS(unlink("file"));
  for (; depth > 0; --depth) {
    NEED(chdir(".."));
    NEED(rmdir(name));
  }
  WORKS(SYS(getcwd, path, sizeof path));
}

TEST(many_names) {
  // A directory far larger than a cache line of anything.
  char name[32];
  int found = 0, missing = 0;
  struct stat facts;
  for (int i = 0; i < 3000; ++i) {
    snprintf(name, sizeof name, "name-%d", i);
    NEED(mknod(name, S_IFREG | 0600, 0));
  }
  for (int i = 0; i < 6000; ++i) {
    snprintf(name, sizeof name, "name-%d", i);
    if (stat(name, &facts) == 0)
      ++found;
    else
      missing += errno == ENOENT;
  }
  IS(found, 3000);
  IS(missing, 3000);
  for (int i = 0; i < 3000; ++i) {
    snprintf(name, sizeof name, "name-%d", i);
    NEED(unlink(name));
  }
  FAILS(stat("name-7", &facts), ENOENT);
}
