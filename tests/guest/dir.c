// Names: folders, links, renaming, permissions, attributes.
#include "ktap.h"

#include <sys/statfs.h>
#include <sys/sysmacros.h>

static ino_t inode_of(char const* path) {
  struct stat facts = {0};
  return lstat(path, &facts) == 0 ? facts.st_ino : 0;
}

static mode_t mode_of(char const* path) {
  struct stat facts = {0};
  return lstat(path, &facts) == 0 ? facts.st_mode : 0;
}

static nlink_t links_of(char const* path) {
  struct stat facts = {0};
  return lstat(path, &facts) == 0 ? facts.st_nlink : 0;
}

TEST(make_and_remove_folders) {
  WORKS(mkdir("folder", 0777));
  IS(mode_of("folder"), S_IFDIR | 0755);
  WORKS(mkdir("folder/inner", 0700));
  IS(mode_of("folder/inner"), S_IFDIR | 0700);
  FAILS(mkdir("folder", 0777), EEXIST);
  FAILS(mkdir("missing/folder", 0777), ENOENT);
  FAILS(mkdir("", 0777), ENOENT);
  FAILS(mkdir("/", 0777), EEXIST);
  FAILS(mkdir(BAD_POINTER, 0777), EFAULT);
  FAILS(rmdir("folder"), ENOTEMPTY);
  FAILS(rmdir("missing"), ENOENT);
  FAILS(rmdir("folder/inner/."), EINVAL);
  FAILS(rmdir("folder/inner/.."), ENOTEMPTY);
  WORKS(rmdir("folder/inner"));
  WORKS(rmdir("folder/"));
  FAILS(rmdir("folder"), ENOENT);
  close(make_file("file", ""));
  FAILS(rmdir("file"), ENOTDIR);
  FAILS(mkdir("file/folder", 0777), ENOTDIR);
  FAILS(mkdir("file", 0777), EEXIST);
  FAILS(rmdir("/"), EBUSY);
}

TEST(folder_without_permission) {
  NEED(mkdir("closed", 0700));
  NEED(mkdir("closed/inner", 0777));
  NEED(mkdir("sticky", 01777));
  NEED(chmod("sticky", 01777));
  close(make_file("sticky/file", ""));
  become_nobody();
  FAILS(mkdir("new", 0777), EACCES);
  FAILS(rmdir("closed"), EACCES);
  FAILS(chdir("closed/inner"), EACCES);
  FAILS(unlink("closed/x"), EACCES);
  FAILS(unlink("sticky/file"), EPERM);
  FAILS(rename("sticky/file", "sticky/other"), EPERM);
  WORKS(mkdir("sticky/own", 0777));
  WORKS(rmdir("sticky/own"));
}

TEST(working_directory) {
  char before[PATH_MAX], path[PATH_MAX];
  WORKS(SYS(getcwd, before, sizeof before));
  IS(before[0], '/');
  IS(SYS(getcwd, before, sizeof before), strlen(before) + 1);
  NEED(mkdir("folder", 0755));
  int const here = (int)NEED(open(".", O_RDONLY));
  WORKS(chdir("folder"));
  WORKS(SYS(getcwd, path, sizeof path));
  IS(strcmp(path + strlen(before), "/folder"), 0);
  FAILS(SYS(getcwd, path, 3), ERANGE);
  FAILS(SYS(getcwd, BAD_POINTER, 4096), EFAULT);
  WORKS(chdir(".."));
  WORKS(SYS(getcwd, path, sizeof path));
  IS(strcmp(path, before), 0);
  WORKS(chdir("/"));
  IS(SYS(getcwd, path, sizeof path), 2);
  WORKS(chdir("/.."));
  IS(SYS(getcwd, path, sizeof path), 2);
  WORKS(fchdir(here));
  WORKS(SYS(getcwd, path, sizeof path));
  IS(strcmp(path, before), 0);
  int const file = make_file("file", "");
  FAILS(chdir("file"), ENOTDIR);
  FAILS(chdir("missing"), ENOENT);
  FAILS(chdir(BAD_POINTER), EFAULT);
  FAILS(fchdir(file), ENOTDIR);
  FAILS(fchdir(closed_descriptor()), EBADF);
}

TEST(working_directory_removed) {
  char path[PATH_MAX];
  NEED(mkdir("folder", 0755));
  NEED(chdir("folder"));
  NEED(rmdir("../folder"));
  FAILS(SYS(getcwd, path, sizeof path), ENOENT);
  FAILS(open("file", O_RDWR | O_CREAT, 0600), ENOENT);
  FAILS(mkdir("folder", 0755), ENOENT);
  WORKS(chdir(".."));
}

TEST(unlinking) {
  close(make_file("file", "x"));
  NEED(mkdir("folder", 0755));
  WORKS(unlink("file"));
  FAILS(unlink("file"), ENOENT);
  FAILS(unlink("folder"), EISDIR);
  FAILS(unlink(""), ENOENT);
  FAILS(unlink(BAD_POINTER), EFAULT);
  close(make_file("file", "x"));
  FAILS(unlink("file/below"), ENOTDIR);
  FAILS(unlink("file/"), ENOTDIR);
  int const folder = (int)NEED(open(".", O_RDONLY));
  WORKS(unlinkat(folder, "file", 0));
  WORKS(unlinkat(folder, "folder", AT_REMOVEDIR));
  FAILS(unlinkat(folder, "folder", 0x10000), EINVAL);
  FAILS(unlinkat(closed_descriptor(), "file", 0), EBADF);
}

TEST(hard_links) {
  close(make_file("one", "content"));
  NEED(mkdir("folder", 0755));
  NEED(symlink("one", "symbolic"));
  WORKS(link("one", "two"));
  OK(inode_of("one") == inode_of("two"));
  IS(links_of("one"), 2);
  WORKS(unlink("one"));
  IS(links_of("two"), 1);
  FAILS(link("one", "three"), ENOENT);
  FAILS(link("two", "folder"), EEXIST);
  FAILS(link("folder", "other"), EPERM);
  FAILS(link("two", "missing/three"), ENOENT);
  FAILS(link("two", "two/three"), ENOTDIR);
  FAILS(link(BAD_POINTER, "three"), EFAULT);
  WORKS(link("symbolic", "symbolic2"));
  OK(S_ISLNK(mode_of("symbolic2")));
}

TEST(symbolic_links) {
  char target[16] = "";
  WORKS(symlink("target", "link"));
  OK(S_ISLNK(mode_of("link")));
  IS(readlink("link", target, sizeof target), 6);
  OK(memcmp(target, "target\0", 7) == 0);
  IS(readlink("link", target, 3), 3);
  FAILS(readlink("link", target, 0), EINVAL);
  FAILS(readlink("missing", target, 16), ENOENT);
  FAILS(readlink(".", target, 16), EINVAL);
  FAILS(readlink("link", BAD_POINTER, 16), EFAULT);
  FAILS(symlink("other", "link"), EEXIST);
  FAILS(symlink("", "empty"), ENOENT);
  FAILS(symlink("x", "missing/link"), ENOENT);
  FAILS(symlink(BAD_POINTER, "bad"), EFAULT);
  FAILS(open("link", O_RDONLY), ENOENT);
  FAILS(open("link", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  WORKS(open("link", O_RDWR | O_CREAT, 0600));
  OK(S_ISREG(mode_of("target")));
  WORKS(symlink(".", "here"));
  OK(inode_of("here/here/here/target") == inode_of("target"));
}

TEST(chains_of_links) {
  char from[16], to[16];
  close(make_file("0", "x"));
  for (int i = 1; i <= 41; ++i) {
    snprintf(from, sizeof from, "%d", i - 1);
    snprintf(to, sizeof to, "%d", i);
    NEED(symlink(from, to));
  }
  WORKS(open("40", O_RDONLY));
  FAILS(open("41", O_RDONLY), ELOOP);
}

TEST(renaming_files) {
  close(make_file("a", "content of a"));
  close(make_file("b", "b"));
  ino_t const inode = inode_of("a");
  WORKS(rename("a", "c"));
  OK(inode_of("a") == 0 && inode_of("c") == inode);
  WORKS(rename("c", "b"));
  OK(inode_of("c") == 0 && inode_of("b") == inode);
  WORKS(rename("b", "b"));
  NEED(link("b", "same"));
  WORKS(rename("b", "same"));
  OK(inode_of("b") == inode && inode_of("same") == inode);
  FAILS(rename("missing", "x"), ENOENT);
  FAILS(rename("b", "missing/x"), ENOENT);
  FAILS(rename("b", "same/x"), ENOTDIR);
  FAILS(rename(BAD_POINTER, "x"), EFAULT);
  FAILS(rename("b", ""), ENOENT);
}

TEST(renaming_folders) {
  NEED(mkdir("full", 0755));
  NEED(mkdir("empty", 0755));
  close(make_file("full/file", ""));
  close(make_file("file", ""));
  FAILS(rename("full", "file"), ENOTDIR);
  FAILS(rename("file", "full"), EISDIR);
  FAILS(rename("empty", "full"), ENOTEMPTY);
  FAILS(rename("full", "full/inner"), EINVAL);
  FAILS(rename("full/file", "full"), ENOTEMPTY);
  FAILS(rename(".", "x"), EBUSY);
  FAILS(rename("full", ".."), EBUSY);
  WORKS(rename("full", "empty"));
  OK(inode_of("empty/file") != 0);
  NEED(mkdir("parent", 0755));
  IS(links_of("parent"), 2);
  WORKS(rename("empty", "parent/moved"));
  IS(links_of("parent"), 3);
  OK(inode_of("parent/moved/..") == inode_of("parent"));
}

TEST(renaming_with_flags) {
  close(make_file("a", ""));
  close(make_file("b", ""));
  ino_t const a = inode_of("a"), b = inode_of("b");
  FAILS(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST);
  WORKS(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
  OK(inode_of("a") == b && inode_of("b") == a);
  FAILS(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_EXCHANGE), ENOENT);
  FAILS(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", 1 << 20), EINVAL);
  WORKS(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE));
}

TEST(modes) {
  int const file = make_file("file", "");
  NEED(symlink("file", "link"));
  WORKS(chmod("file", 04751));
  IS(mode_of("file"), S_IFREG | 04751);
  WORKS(fchmod(file, 0600));
  IS(mode_of("file"), S_IFREG | 0600);
  WORKS(chmod("link", 0640));
  IS(mode_of("file"), S_IFREG | 0640);
  WORKS(fchmodat(AT_FDCWD, "file", 0444, 0));
  IS(mode_of("file"), S_IFREG | 0444);
  FAILS(chmod("missing", 0600), ENOENT);
  FAILS(chmod("file/x", 0600), ENOTDIR);
  FAILS(chmod(BAD_POINTER, 0600), EFAULT);
  FAILS(fchmod(closed_descriptor(), 0600), EBADF);
  become_nobody();
  FAILS(chmod("file", 0777), EPERM);
  FAILS(fchmod(file, 0777), EPERM);
}

TEST(masks) {
  IS(umask(027), 022);
  IS(umask(07777), 027);
  IS(umask(0), 0777);
  close(make_file("file", ""));
  IS(mode_of("file"), S_IFREG | 0644);
  umask(077);
  NEED(mkdir("folder", 0777));
  IS(mode_of("folder"), S_IFDIR | 0700);
}

TEST(owners) {
  struct stat facts;
  int const file = make_file("file", "");
  NEED(symlink("file", "link"));
  NEED(chmod("file", 06777));
  WORKS(chown("file", 1000, 2000));
  WORKS(stat("file", &facts));
  IS(facts.st_uid, 1000);
  IS(facts.st_gid, 2000);
  IS(facts.st_mode, S_IFREG | 0777);
  WORKS(fchown(file, (uid_t)-1, 3000));
  WORKS(stat("file", &facts));
  IS(facts.st_uid, 1000);
  IS(facts.st_gid, 3000);
  WORKS(lchown("link", 5, 6));
  WORKS(lstat("link", &facts));
  IS(facts.st_uid, 5);
  WORKS(stat("link", &facts));
  IS(facts.st_uid, 1000);
  FAILS(chown("missing", 1, 1), ENOENT);
  FAILS(fchown(closed_descriptor(), 1, 1), EBADF);
  FAILS(chown(BAD_POINTER, 1, 1), EFAULT);
  become_nobody();
  FAILS(chown("file", NOBODY, NOBODY), EPERM);
}

TEST(access_checks) {
  close(make_file("file", ""));
  NEED(chmod("file", 0640));
  close(make_file("program", ""));
  NEED(chmod("program", 0755));
  IS(access("file", F_OK), 0);
  IS(access("file", R_OK | W_OK), 0);
  FAILS(access("file", X_OK), EACCES);
  IS(access("program", X_OK), 0);
  FAILS(access("missing", F_OK), ENOENT);
  FAILS(access("file", 8), EINVAL);
  FAILS(access(BAD_POINTER, F_OK), EFAULT);
  FAILS(access("file/x", F_OK), ENOTDIR);
  IS(SYS(faccessat, AT_FDCWD, "file", R_OK), 0);
  FAILS(SYS(faccessat, closed_descriptor(), "file", R_OK), EBADF);
  // The real user counts, not the effective one.
  NEED(chmod("file", 0600));
  NEED(setresuid(NOBODY, -1, -1));
  FAILS(access("file", R_OK), EACCES);
  IS(faccessat(AT_FDCWD, "file", R_OK, AT_EACCESS), 0);
  IS(access("file", F_OK), 0);
}

TEST(facts_about_files) {
  struct stat facts, others;
  int ends[2];
  int const file = make_file("file", "12345");
  NEED(symlink("file", "link"));
  IS(SYS(stat, "file", &facts), 0);
  IS(facts.st_size, 5);
  IS(facts.st_uid, 0);
  OK(facts.st_blksize >= 512);
  IS(SYS(fstat, file, &others), 0);
  OK(facts.st_ino == others.st_ino && facts.st_dev == others.st_dev);
  IS(SYS(lstat, "link", &others), 0);
  IS(others.st_size, 4);
  IS(others.st_mode, S_IFLNK | 0777);
  IS(SYS(newfstatat, AT_FDCWD, "link", &others, 0), 0);
  OK(others.st_ino == facts.st_ino);
  IS(SYS(newfstatat, AT_FDCWD, "link", &others, AT_SYMLINK_NOFOLLOW), 0);
  OK(others.st_ino != facts.st_ino);
  IS(SYS(newfstatat, file, "", &others, AT_EMPTY_PATH), 0);
  OK(others.st_ino == facts.st_ino);
  FAILS(SYS(newfstatat, file, "", &others, 0), ENOENT);
  FAILS(SYS(newfstatat, AT_FDCWD, "file", &others, 0x80), EINVAL);
  FAILS(SYS(stat, "missing", &facts), ENOENT);
  FAILS(SYS(stat, "file", BAD_POINTER), EFAULT);
  FAILS(SYS(stat, BAD_POINTER, &facts), EFAULT);
  FAILS(SYS(fstat, closed_descriptor(), &facts), EBADF);
  NEED(pipe(ends));
  IS(fstat(ends[0], &facts), 0);
  OK(S_ISFIFO(facts.st_mode));
  WORKS(stat("/", &facts));
  WORKS(stat("/..", &others));
  OK(facts.st_ino == others.st_ino);
}

TEST(extended_facts) {
  struct statx facts;
  close(make_file("file", "123"));
  WORKS(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &facts));
  IS(facts.stx_size, 3);
  IS(facts.stx_mode, S_IFREG | 0644);
  IS(facts.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
  FAILS(statx(AT_FDCWD, "missing", 0, STATX_BASIC_STATS, &facts), ENOENT);
  FAILS(statx(AT_FDCWD, "file", 0, 0x80000000U, &facts), EINVAL);
}

struct entry {
  uint64_t inode;
  int64_t offset;
  uint16_t size;
  uint8_t type;
  char name[];
};

static int count_entries(int folder, size_t buffer_size, char const* name, int* type) {
  char buffer[4096] __attribute__((aligned(8)));
  int count = 0;
  for (long got; (got = SYS(getdents64, folder, buffer, buffer_size)) > 0;)
    for (long at = 0; at < got; ++count) {
      struct entry const* const entry = (void*)(buffer + at);
      if (strcmp(entry->name, name) == 0) *type = entry->type;
      at += entry->size;
    }
  return count;
}

TEST(entries) {
  int type = -1;
  NEED(mkdir("folder", 0755));
  int const folder = (int)NEED(open("folder", O_RDONLY | O_DIRECTORY));
  IS(count_entries(folder, 4096, "..", &type), 2);
  IS(type, DT_DIR);
  for (int i = 0; i < 300; ++i) {
    char name[32];
    snprintf(name, sizeof name, "folder/file-%d", i);
    close(make_file(name, ""));
  }
  NEED(symlink("x", "folder/link"));
  IS(lseek(folder, 0, SEEK_SET), 0);
  IS(count_entries(folder, 4096, "link", &type), 303);
  IS(type, DT_LNK);
  IS(lseek(folder, 0, SEEK_SET), 0);
  IS(count_entries(folder, 64, "file-299", &type), 303);
  IS(type, DT_REG);
  IS(SYS(getdents64, folder, (char[64]){0}, 64), 0);
  lseek(folder, 0, SEEK_SET);
  FAILS(SYS(getdents64, folder, (char[4]){0}, 4), EINVAL);
  FAILS(SYS(getdents64, folder, BAD_POINTER, 4096), EFAULT);
  FAILS(SYS(getdents64, make_file("file", ""), (char[64]){0}, 64), ENOTDIR);
  FAILS(SYS(getdents64, closed_descriptor(), (char[64]){0}, 64), EBADF);
}

/// The names in a directory, in their order, each with a comma behind it.
static char const* names_in(char const* path) {
  static char all[512];
  all[0] = 0;
  DIR* const folder = opendir(path);
  for (struct dirent* e; folder && (e = readdir(folder));) {
    if (e->d_name[0] == '.') continue;
    strcat(strcat(all, e->d_name), ",");
  }
  if (folder) closedir(folder);
  return all;
}

static long size_of(char const* path) {
  struct stat facts;
  NEED(stat(path, &facts));
  return facts.st_size;
}

TEST(order_and_size) {
  NEED(mkdir("folder", 0755));
  NEED(mkdir("other", 0755));
  IS(size_of("folder"), 40);
  close(make_file("folder/a", ""));
  close(make_file("folder/b", ""));
  NEED(mkdir("folder/c", 0755));
  IS(size_of("folder"), 100);
  OK(strcmp(names_in("folder"), "c,b,a,") == 0);
  // What gets another name is a new entry.
  WORKS(rename("folder/b", "folder/z"));
  OK(strcmp(names_in("folder"), "z,c,a,") == 0);
  close(make_file("other/b", ""));
  close(make_file("other/d", ""));
  WORKS(rename("folder/a", "other/a"));
  OK(strcmp(names_in("other"), "a,d,b,") == 0);
  IS(size_of("folder"), 80);
  IS(size_of("other"), 100);
  WORKS(unlink("other/d"));
  WORKS(rmdir("folder/c"));
  IS(size_of("folder"), 60);
  OK(strcmp(names_in("other"), "a,b,") == 0);
}

TEST(what_is_made_during_a_walk) {
  NEED(mkdir("folder", 0755));
  for (char name[] = "folder/a"; name[7] <= 'e'; ++name[7]) close(make_file(name, ""));
  DIR* const folder = opendir("folder");
  struct dirent* e;
  char seen[16] = "";
  long place = -1;
  while ((e = readdir(folder))) {
    if (e->d_name[0] == '.') continue;
    strcat(seen, e->d_name);
    if (e->d_name[0] != 'c') continue;
    place = telldir(folder);
    close(make_file("folder/n", ""));
    WORKS(unlink("folder/a"));
  }
  // What is gone may have been read before it went.
  OK(strcmp(seen, "edcba") == 0 || strcmp(seen, "edcb") == 0);
  seekdir(folder, place);
  e = readdir(folder);
  OK(e && strcmp(e->d_name, "b") == 0);
  OK(!readdir(folder));
  rewinddir(folder);
  e = readdir(folder);
  while (e && e->d_name[0] == '.') e = readdir(folder);
  OK(e && strcmp(e->d_name, "n") == 0);
  closedir(folder);
}

TEST(special_files) {
  struct stat facts;
  WORKS(mknod("fifo", S_IFIFO | 0644, 0));
  IS(mode_of("fifo"), S_IFIFO | 0644);
  WORKS(mknod("null", S_IFCHR | 0600, makedev(1, 3)));
  WORKS(stat("null", &facts));
  IS(facts.st_rdev, 0x103);
  IS(write((int)WORKS(open("null", O_WRONLY)), "x", 1), 1);
  WORKS(mknod("plain", S_IFREG | 0600, 0));
  IS(mode_of("plain"), S_IFREG | 0600);
  WORKS(mknod("disk", S_IFBLK | 0600, makedev(240, 0)));
  FAILS(mknod("fifo", S_IFIFO | 0644, 0), EEXIST);
  FAILS(mknod("missing/x", S_IFIFO | 0644, 0), ENOENT);
  FAILS(mknod("folder", S_IFDIR | 0755, 0), EPERM);
  FAILS(mknod("odd", 0170000, 0), EINVAL);
  FAILS(mknod(BAD_POINTER, S_IFIFO, 0), EFAULT);
  WORKS(mknod("nothing", S_IFCHR | 0600, makedev(240, 77)));
  FAILS(open("nothing", O_RDONLY), ENXIO);
  NEED(chmod(".", 0777));
  become_nobody();
  FAILS(mknod("own", S_IFCHR | 0600, makedev(1, 3)), EPERM);
  WORKS(mknod("own", S_IFIFO | 0600, 0));
}

TEST(named_pipe) {
  char buffer[8] = "";
  NEED(mknod("fifo", S_IFIFO | 0600, 0));
  FAILS(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
  int const reader = (int)WORKS(open("fifo", O_RDONLY | O_NONBLOCK));
  int const writer = (int)WORKS(open("fifo", O_WRONLY));
  FAILS(read(reader, buffer, 8), EAGAIN);
  IS(write(writer, "abc", 3), 3);
  IS(read(reader, buffer, 8), 3);
  close(writer);
  IS(read(reader, buffer, 8), 0);
}

TEST(times_of_files) {
  struct timespec const times[2] = {{1000, 5}, {2000, 7}};
  struct timespec const left_out[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  struct timespec const wrong[2] = {{0, 1000000000}, {0, 0}};
  struct stat facts;
  int const file = make_file("file", "x");
  time_t const before = time(NULL);
  WORKS(utimensat(AT_FDCWD, "file", times, 0));
  WORKS(stat("file", &facts));
  IS(facts.st_atim.tv_sec, 1000);
  IS(facts.st_atim.tv_nsec, 5);
  IS(facts.st_mtim.tv_sec, 2000);
  IS(facts.st_mtim.tv_nsec, 7);
  WORKS(futimens(file, left_out));
  WORKS(stat("file", &facts));
  IS(facts.st_atim.tv_sec, 1000);
  OK(facts.st_mtim.tv_sec >= before - 1);
  WORKS(utimensat(AT_FDCWD, "file", NULL, 0));
  WORKS(stat("file", &facts));
  OK(facts.st_atim.tv_sec >= before - 1);
  FAILS(utimensat(AT_FDCWD, "file", wrong, 0), EINVAL);
  FAILS(utimensat(AT_FDCWD, "missing", times, 0), ENOENT);
  FAILS(utimensat(AT_FDCWD, "file", times, 0x80), EINVAL);
  FAILS(utimensat(AT_FDCWD, "file", BAD_POINTER, 0), EFAULT);
  FAILS(futimens(closed_descriptor(), times), EBADF);
  become_nobody();
  FAILS(utimensat(AT_FDCWD, "file", times, 0), EPERM);
  FAILS(utimensat(AT_FDCWD, "file", NULL, 0), EACCES);
}

TEST(file_system_facts) {
  struct statfs facts;
  int const file = make_file("file", "");
  WORKS(statfs(".", &facts));
  OK(facts.f_bsize >= 512);
  IS(facts.f_namelen, 255);
  WORKS(fstatfs(file, &facts));
  IS(facts.f_namelen, 255);
  FAILS(statfs("missing", &facts), ENOENT);
  FAILS(statfs("file/x", &facts), ENOTDIR);
  FAILS(statfs(".", BAD_POINTER), EFAULT);
  FAILS(fstatfs(closed_descriptor(), &facts), EBADF);
}

TEST(path_walks) {
  NEED(mkdir("a", 0755));
  NEED(mkdir("a/b", 0755));
  close(make_file("a/b/file", ""));
  ino_t const inode = inode_of("a/b/file");
  OK(inode_of("./a//b/./file") == inode);
  OK(inode_of("a/b/../b/file") == inode);
  OK(inode_of("a/../a/b/../../a/b/file") == inode);
  NEED(symlink("a/b", "link"));
  OK(inode_of("link/file") == inode);
  OK(inode_of("link/../b/file") == inode);
  OK(inode_of("a/missing/../b/file") == 0);
  OK(inode_of("a/b/file/..") == 0);
  IS(errno, ENOTDIR);
}
