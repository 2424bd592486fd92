// Mounts: flags, binding, moving, propagation, namespaces, pivot_root, chroot. See mount(2),
// umount2(2), mount_namespaces(7), pivot_root(2).
#include "ktap.h"

#include <linux/mount.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

// <sys/mount.h> and <linux/mount.h> do not go together.
int mount(char const* source, char const* target, char const* type, unsigned long flags,
          void const* data);
int umount2(char const* target, int flags);
#define umount(target) umount2(target, 0)
#define DETACH 2
#define EXPIRE 4
#define NO_FOLLOW 8

static bool exists(char const* path) {
  struct stat facts;
  return lstat(path, &facts) == 0;
}

static dev_t device_of(char const* path) {
  struct stat facts = {0};
  return stat(path, &facts) == 0 ? facts.st_dev : 0;
}

static unsigned long flags_of(char const* path) {
  struct statvfs facts = {0};
  return statvfs(path, &facts) == 0 ? facts.f_flag : 0;
}

static void make_mount(char const* path) {
  mkdir(path, 0755);
  NEED(mount("none", path, "tmpfs", 0, NULL));
}

TEST(mounting) {
  close(make_file("file", ""));
  NEED(mkdir("at", 0755));
  close(make_file("at/below", ""));
  dev_t const here = device_of(".");
  WORKS(mount("none", "at", "tmpfs", 0, NULL));
  OK(device_of("at") != here);
  OK(device_of("at/..") == here);
  OK(!exists("at/below"));
  close(make_file("at/above", ""));
  WORKS(mount("none", "at", "tmpfs", 0, NULL));
  OK(!exists("at/above"));
  WORKS(umount("at"));
  OK(exists("at/above"));
  WORKS(umount("at"));
  OK(exists("at/below"));
  FAILS(umount("at"), EINVAL);
  FAILS(umount("file"), EINVAL);
  FAILS(umount("missing"), ENOENT);
  FAILS(umount(BAD_POINTER), EFAULT);
  FAILS(umount2("at", 64), EINVAL);
  FAILS(mount("none", "missing", "tmpfs", 0, NULL), ENOENT);
  FAILS(mount("none", "file", "tmpfs", 0, NULL), ENOTDIR);
  FAILS(mount("none", "at", "no-such-type", 0, NULL), ENODEV);
  FAILS(mount("none", "at", NULL, 0, NULL), EINVAL);
  FAILS(mount("none", BAD_POINTER, "tmpfs", 0, NULL), EFAULT);
  FAILS(mount(BAD_POINTER, "at", "tmpfs", 0, NULL), EFAULT);
  FAILS(mount("none", "at", BAD_POINTER, 0, NULL), EFAULT);
}

TEST(without_the_capability) {
  NEED(mkdir("at", 0755));
  become_nobody();
  FAILS(mount("none", "at", "tmpfs", 0, NULL), EPERM);
  FAILS(umount("at"), EPERM);
  FAILS(unshare(CLONE_NEWNS), EPERM);
  FAILS(SYS(pivot_root, "at", "at"), EPERM);
  FAILS(chroot("at"), EPERM);
}

TEST(busy_mounts) {
  make_mount("at");
  int const file = make_file("at/file", "x");
  FAILS(umount("at"), EBUSY);
  close(file);
  make_mount("at/inner");
  FAILS(umount("at"), EBUSY);
  WORKS(umount("at/inner"));
  NEED(chdir("at"));
  FAILS(umount("."), EBUSY);
  NEED(chdir(".."));
  int const path = (int)NEED(open("at", O_PATH));
  FAILS(umount("at"), EBUSY);
  close(path);
  int const mapped = make_file("at/mapped", "x");
  char* const page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, mapped, 0);
  OK(page != MAP_FAILED);
  close(mapped);
  FAILS(umount("at"), EBUSY);
  NEED(munmap(page, 4096));
  WORKS(umount("at"));
  FAILS(rmdir("at/."), EINVAL);
  WORKS(rmdir("at"));
}

TEST(mount_points_stay) {
  make_mount("at");
  close(make_file("file", ""));
  FAILS(rmdir("at"), EBUSY);
  FAILS(rename("at", "other"), EBUSY);
  NEED(mkdir("empty", 0755));
  FAILS(rename("empty", "at"), EBUSY);
  FAILS(rename("file", "at/file"), EXDEV);
  FAILS(link("file", "at/file"), EXDEV);
  close(make_file("covered", ""));
  WORKS(mount("file", "covered", NULL, MS_BIND, NULL));
  FAILS(unlink("covered"), EBUSY);
  WORKS(umount("covered"));
  WORKS(unlink("covered"));
  WORKS(umount("at"));
}

TEST(lazy_unmounting) {
  make_mount("at");
  int const file = make_file("at/file", "still");
  make_mount("at/inner");
  close(make_file("at/inner/deep", ""));
  NEED(chdir("at"));
  WORKS(umount2(".", DETACH));
  NEED(chdir("."));
  OK(exists("file"));
  OK(!exists("inner/deep"));
  char buffer[8] = "";
  IS(pread(file, buffer, 8, 0), 5);
  FAILS(umount2(".", DETACH), EINVAL);
  FAILS(mount("none", "inner", "tmpfs", 0, NULL), ENOENT);
  char path[PATH_MAX];
  WORKS(SYS(getcwd, path, sizeof path));
  IS(strncmp(path, "(unreachable)/", 14), 0);
  close(make_file("new", ""));
  OK(exists("new"));
}

TEST(expiring) {
  make_mount("at");
  FAILS(umount2("at", EXPIRE | DETACH), EINVAL);
  FAILS(umount2("at", EXPIRE), EAGAIN);
  OK(exists("at/."));
  FAILS(umount2("at", EXPIRE), EAGAIN);
  WORKS(umount2("at", EXPIRE));
  FAILS(umount2("at", EXPIRE), EINVAL);
  make_mount("at");
  int const file = make_file("at/file", "");
  FAILS(umount2("at", EXPIRE), EBUSY);
  close(file);
  WORKS(umount("at"));
}

TEST(no_follow_unmount) {
  make_mount("at");
  NEED(symlink("at", "link"));
  FAILS(umount2("link", NO_FOLLOW), EINVAL);
  WORKS(umount2("link", 0));
}

TEST(read_only_mounts) {
  struct timespec const times[2] = {{1, 0}, {1, 0}};
  make_mount("at");
  close(make_file("at/file", "x"));
  NEED(mkdir("at/folder", 0755));
  NEED(mknod("at/null", S_IFCHR | 0666, makedev(1, 3)));
  NEED(symlink("file", "at/link"));
  WORKS(mount(NULL, "at", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  OK((flags_of("at") & ST_RDONLY) != 0);
  FAILS(open("at/file", O_RDWR), EROFS);
  FAILS(open("at/file", O_RDONLY | O_TRUNC), EROFS);
  FAILS(open("at/new", O_RDWR | O_CREAT, 0600), EROFS);
  WORKS(open("at/file", O_RDONLY | O_CREAT, 0600));
  WORKS(open("at/null", O_RDWR));
  FAILS(open("at", O_TMPFILE | O_RDWR, 0600), EROFS);
  FAILS(mkdir("at/new", 0755), EROFS);
  FAILS(mkdir("at/folder", 0755), EEXIST);
  FAILS(rmdir("at/folder"), EROFS);
  FAILS(rmdir("at/missing"), EROFS);
  FAILS(unlink("at/file"), EROFS);
  FAILS(rename("at/file", "at/other"), EROFS);
  FAILS(link("at/file", "at/other"), EROFS);
  FAILS(symlink("x", "at/other"), EROFS);
  FAILS(mknod("at/other", S_IFREG | 0600, 0), EROFS);
  FAILS(chmod("at/file", 0600), EROFS);
  FAILS(chown("at/file", 1, 1), EROFS);
  FAILS(truncate("at/file", 0), EROFS);
  FAILS(utimensat(AT_FDCWD, "at/file", times, 0), EROFS);
  FAILS(access("at/file", W_OK), EROFS);
  WORKS(access("at/null", W_OK));
  WORKS(access("at/file", R_OK));
  WORKS(mount(NULL, "at", NULL, MS_REMOUNT | MS_BIND, NULL));
  int const file = (int)WORKS(open("at/file", O_RDWR));
  FAILS(mount(NULL, "at", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), EBUSY);
  FAILS(mount(NULL, "at", NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY);
  close(file);
  WORKS(mount(NULL, "at", NULL, MS_REMOUNT | MS_RDONLY, NULL));
  FAILS(open("at/file", O_RDWR), EROFS);
  WORKS(mount(NULL, "at", NULL, MS_REMOUNT, NULL));
  WORKS(open("at/file", O_RDONLY));
  FAILS(mount(NULL, "at/folder", NULL, MS_REMOUNT | MS_RDONLY, NULL), EINVAL);
}

TEST(read_only_from_the_start) {
  NEED(mkdir("at", 0755));
  WORKS(mount("none", "at", "tmpfs", MS_RDONLY, NULL));
  FAILS(mkdir("at/x", 0755), EROFS);
  WORKS(mount(NULL, "at", NULL, MS_REMOUNT | MS_BIND, NULL));
  FAILS(mkdir("at/x", 0755), EROFS);
  WORKS(mount(NULL, "at", NULL, MS_REMOUNT, NULL));
  WORKS(mkdir("at/x", 0755));
  WORKS(umount("at"));
}

TEST(flags_of_mounts) {
  NEED(mkdir("at", 0755));
  WORKS(mount("none", "at", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755"));
  IS(flags_of("at") & (ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_RDONLY),
     ST_NOSUID | ST_NODEV | ST_NOEXEC);
  IS(flags_of("at") & ST_RELATIME, ST_RELATIME);
  NEED(mknod("at/null", S_IFCHR | 0666, makedev(1, 3)));
  FAILS(open("at/null", O_RDWR), EACCES);
  WORKS(open("at/null", O_PATH));
  int const program = make_file("at/program", "#!/bin/true\n");
  NEED(fchmod(program, 0755));
  close(program);
  FAILS(execl("at/program", "x", NULL), EACCES);
  FAILS(access("at/program", X_OK), EACCES);
  WORKS(mount(NULL, "at", NULL, MS_REMOUNT | MS_BIND | MS_NOATIME, NULL));
  IS(flags_of("at") & (ST_NOSUID | ST_NODEV | ST_NOEXEC), 0);
  IS(flags_of("at") & (ST_RELATIME | ST_NOATIME), ST_NOATIME);
  WORKS(access("at/program", X_OK));
  WORKS(open("at/null", O_RDWR));
  WORKS(mount(NULL, "at", NULL, MS_REMOUNT | MS_BIND | MS_NODIRATIME | MS_STRICTATIME, NULL));
  IS(flags_of("at") & (ST_RELATIME | ST_NOATIME | ST_NODIRATIME), ST_NODIRATIME);
  WORKS(mount(NULL, "at", NULL, MS_REMOUNT | MS_BIND, NULL));
  IS(flags_of("at") & (ST_RELATIME | ST_NOATIME | ST_NODIRATIME), ST_NODIRATIME);
  NEED(symlink("program", "at/link"));
  WORKS(mount(NULL, "at", NULL, MS_REMOUNT | MS_BIND | MS_NOSYMFOLLOW, NULL));
  FAILS(open("at/link", O_RDONLY), ELOOP);
  char target[16];
  IS(readlink("at/link", target, sizeof target), 7);
}

TEST(access_times) {
  struct stat facts;
  struct timespec const old[2] = {{1000, 0}, {2000, 0}};
  char buffer[8];
  make_mount("at");
  int const file = make_file("at/file", "x");
  NEED(futimens(file, old));
  IS(pread(file, buffer, 1, 0), 1);
  NEED(fstat(file, &facts));
  OK(facts.st_atim.tv_sec > 2000);
  NEED(mount(NULL, "at", NULL, MS_REMOUNT | MS_BIND | MS_NOATIME, NULL));
  NEED(futimens(file, old));
  IS(pread(file, buffer, 1, 0), 1);
  NEED(fstat(file, &facts));
  IS(facts.st_atim.tv_sec, 1000);
}

TEST(binding) {
  NEED(mkdir("from", 0755));
  NEED(mkdir("from/inner", 0755));
  NEED(mkdir("to", 0755));
  close(make_file("from/inner/file", ""));
  make_mount("from/mounted");
  close(make_file("from/mounted/file", ""));
  WORKS(mount("from", "to", NULL, MS_BIND, NULL));
  OK(device_of("from") == device_of("to"));
  OK(exists("to/inner/file"));
  OK(!exists("to/mounted/file"));
  close(make_file("to/new", ""));
  OK(exists("from/new"));
  FAILS(rename("to/new", "from/newer"), EXDEV);
  FAILS(link("to/new", "from/newer"), EXDEV);
  WORKS(umount("to"));
  OK(!exists("to/inner"));
  WORKS(mount("from", "to", NULL, MS_BIND | MS_REC, NULL));
  OK(exists("to/mounted/file"));
  WORKS(mount(NULL, "to", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  FAILS(mkdir("to/x", 0755), EROFS);
  WORKS(mkdir("from/x", 0755));
  FAILS(umount("to"), EBUSY);
  WORKS(umount("to/mounted"));
  WORKS(umount("to"));
  FAILS(mount("from/inner/file", "to/f", NULL, MS_BIND, NULL), ENOENT);
  close(make_file("to/f", ""));
  WORKS(mount("from/inner/file", "to/f", NULL, MS_BIND, NULL));
  WORKS(umount("to/f"));
  FAILS(mount("from/inner/file", "to", NULL, MS_BIND, NULL), ENOTDIR);
  FAILS(mount("from", "to/f", NULL, MS_BIND, NULL), ENOTDIR);
  FAILS(mount("missing", "to", NULL, MS_BIND, NULL), ENOENT);
  FAILS(mount(NULL, "to", NULL, MS_BIND, NULL), EINVAL);
  FAILS(mount("", "to", NULL, MS_BIND, NULL), EINVAL);
}

TEST(moving) {
  make_mount("a");
  NEED(mount(NULL, "a", NULL, MS_PRIVATE, NULL));
  make_mount("a/one");
  NEED(mkdir("a/two", 0755));
  close(make_file("a/one/file", ""));
  make_mount("a/one/inner");
  close(make_file("a/one/inner/deep", ""));
  WORKS(mount("a/one", "a/two", NULL, MS_MOVE, NULL));
  OK(!exists("a/one/file"));
  OK(exists("a/two/file"));
  OK(exists("a/two/inner/deep"));
  FAILS(mount("a/one", "a/two", NULL, MS_MOVE, NULL), EINVAL);
  FAILS(mount("a/two", "a/two/inner", NULL, MS_MOVE, NULL), ELOOP);
  close(make_file("a/file", ""));
  FAILS(mount("a/two", "a/file", NULL, MS_MOVE, NULL), EINVAL);
  FAILS(mount("a/missing", "a/one", NULL, MS_MOVE, NULL), ENOENT);
  FAILS(mount("", "a/one", NULL, MS_MOVE, NULL), EINVAL);
  WORKS(umount("a/two/inner"));
  WORKS(umount("a/two"));
}

TEST(shared_mounts) {
  NEED(unshare(CLONE_NEWNS));
  make_mount("a");
  NEED(mkdir("b", 0755));
  WORKS(mount(NULL, "a", NULL, MS_SHARED, NULL));
  NEED(mkdir("a/m", 0755));
  WORKS(mount("a", "b", NULL, MS_BIND, NULL));
  WORKS(mount("none", "a/m", "tmpfs", 0, NULL));
  close(make_file("a/m/file", ""));
  OK(exists("b/m/file"));
  WORKS(umount("b/m"));
  OK(!exists("a/m/file"));
  WORKS(mount("none", "b/m", "tmpfs", 0, NULL));
  OK(device_of("a/m") == device_of("b/m"));
  make_mount("b/m/n");
  close(make_file("b/m/n/deep", ""));
  OK(exists("a/m/n/deep"));
  FAILS(mount("a/m", "a", NULL, MS_MOVE, NULL), EINVAL);
  WORKS(umount("a/m/n"));
  FAILS(umount("b/m/n"), EINVAL);
  WORKS(umount("b/m"));
  WORKS(umount("b"));
  WORKS(umount("a"));
}

TEST(slave_mounts) {
  NEED(unshare(CLONE_NEWNS));
  make_mount("a");
  NEED(mkdir("b", 0755));
  NEED(mount(NULL, "a", NULL, MS_SHARED, NULL));
  NEED(mkdir("a/m", 0755));
  NEED(mkdir("a/n", 0755));
  NEED(mount("a", "b", NULL, MS_BIND, NULL));
  WORKS(mount(NULL, "b", NULL, MS_SLAVE, NULL));
  NEED(mount("none", "a/m", "tmpfs", 0, NULL));
  OK(device_of("a/m") == device_of("b/m"));
  NEED(mount("none", "b/n", "tmpfs", 0, NULL));
  OK(device_of("a/n") != device_of("b/n"));
  // A slave that is shared passes on what it gets.
  NEED(mkdir("c", 0755));
  WORKS(mount(NULL, "b", NULL, MS_SHARED, NULL));
  NEED(mount("b", "c", NULL, MS_BIND, NULL));
  NEED(mkdir("a/o", 0755));
  NEED(mount("none", "a/o", "tmpfs", 0, NULL));
  OK(device_of("a/o") == device_of("c/o"));
  NEED(mkdir("a/p", 0755));
  NEED(mount("none", "c/p", "tmpfs", 0, NULL));
  OK(device_of("c/p") == device_of("b/p"));
  OK(device_of("c/p") != device_of("a/p"));
  WORKS(umount("a/o"));
  OK(device_of("c/o") == device_of("c"));
}

TEST(private_mounts) {
  NEED(unshare(CLONE_NEWNS));
  make_mount("a");
  NEED(mkdir("b", 0755));
  NEED(mkdir("c", 0755));
  NEED(mount(NULL, "a", NULL, MS_SHARED, NULL));
  NEED(mkdir("a/m", 0755));
  NEED(mount("a", "b", NULL, MS_BIND, NULL));
  WORKS(mount(NULL, "b", NULL, MS_PRIVATE, NULL));
  NEED(mount("none", "a/m", "tmpfs", 0, NULL));
  OK(device_of("b/m") != device_of("a/m"));
  WORKS(mount(NULL, "b", NULL, MS_UNBINDABLE, NULL));
  FAILS(mount("b", "c", NULL, MS_BIND, NULL), EINVAL);
  WORKS(mount(NULL, "b", NULL, MS_PRIVATE, NULL));
  WORKS(mount("b", "c", NULL, MS_BIND, NULL));
  FAILS(mount(NULL, "b", NULL, MS_PRIVATE | MS_SHARED, NULL), EINVAL);
  FAILS(mount(NULL, "b", NULL, MS_PRIVATE | MS_NOEXEC, NULL), EINVAL);
  FAILS(mount(NULL, "b/m", NULL, MS_PRIVATE, NULL), EINVAL);
  FAILS(mount(NULL, "missing", NULL, MS_PRIVATE, NULL), ENOENT);
}

TEST(namespaces_are_apart) {
  NEED(mkdir("at", 0755));
  int const status = IN_CHILD({
    if (unshare(CLONE_NEWNS) != 0) _exit(1);
    if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) != 0 && errno != EINVAL) _exit(2);
    if (mount("none", "at", "tmpfs", 0, NULL) != 0) _exit(3);
    close(make_file("at/file", ""));
    if (!exists("at/file")) _exit(4);
  });
  IS(status, 0);
  OK(!exists("at/file"));
  WORKS(rmdir("at"));
}

TEST(removed_under_another_namespace) {
  int go[2], done[2];
  char byte = 0;
  NEED(mkdir("at", 0755));
  NEED(mkdir("moved", 0755));
  NEED(pipe(go));
  NEED(pipe(done));
  pid_t const child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0) _exit(1);
    if (mount("none", "at", "tmpfs", 0, NULL) != 0) _exit(2);
    close(make_file("at/file", ""));
    if (write(done[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1) _exit(3);
    _exit(exists("at/file") ? 4 : 0);
  }
  IS(read(done[0], &byte, 1), 1);
  WORKS(rmdir("at"));
  IS(write(go[1], &byte, 1), 1);
  IS(ktap_status_of(child), 0);
}

TEST(cloned_namespaces) {
  NEED(mkdir("at", 0755));
  FAILS(SYS(clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
  pid_t const child = (pid_t)SYS(clone, CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    if (mount("none", "at", "tmpfs", 0, NULL) != 0) _exit(1);
    close(make_file("at/file", ""));
    _exit(exists("at/file") ? 0 : 2);
  }
  IS(ktap_status_of(child), 0);
  OK(!exists("at/file"));
}

TEST(unsharing) {
  FAILS(unshare(1 << 3), EINVAL);
  WORKS(unshare(0));
  WORKS(unshare(CLONE_FS));
  WORKS(unshare(CLONE_FILES));
  WORKS(unshare(CLONE_FS | CLONE_FILES));
  // A child that shares, and stops sharing.
  int const here = (int)NEED(open(".", O_RDONLY));
  NEED(mkdir("other", 0755));
  pid_t child = (pid_t)SYS(clone, CLONE_FS | CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    if (unshare(CLONE_FS | CLONE_FILES) != 0) _exit(1);
    if (chdir("other") != 0) _exit(2);
    close(here);
    _exit(0);
  }
  IS(ktap_status_of(child), 0);
  OK(exists("other"));
  WORKS(fchdir(here));
  child = (pid_t)SYS(clone, CLONE_FS | CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    if (chdir("other") != 0) _exit(2);
    close(here);
    _exit(0);
  }
  IS(ktap_status_of(child), 0);
  OK(!exists("other"));
  FAILS(fchdir(here), EBADF);
}

TEST(changing_root) {
  char path[PATH_MAX];
  struct stat facts, others;
  NEED(mkdir("new", 0755));
  NEED(mkdir("new/inner", 0755));
  close(make_file("new/file", ""));
  close(make_file("plain", ""));
  NEED(symlink("/file", "new/link"));
  FAILS(chroot("missing"), ENOENT);
  FAILS(chroot("plain"), ENOTDIR);
  FAILS(chroot(BAD_POINTER), EFAULT);
  int const out = (int)NEED(open(".", O_RDONLY));
  WORKS(chroot("new"));
  WORKS(stat("/file", &facts));
  WORKS(stat("/link", &others));
  OK(facts.st_ino == others.st_ino);
  WORKS(stat("/../../file", &others));
  OK(facts.st_ino == others.st_ino);
  WORKS(SYS(getcwd, path, sizeof path));
  IS(strncmp(path, "(unreachable)", 13), 0);
  WORKS(chdir("/inner"));
  WORKS(SYS(getcwd, path, sizeof path));
  IS(strcmp(path, "/inner"), 0);
  WORKS(chdir("../.."));
  WORKS(SYS(getcwd, path, sizeof path));
  IS(strcmp(path, "/"), 0);
  // A directory outside leads out.
  WORKS(fchdir(out));
  WORKS(stat("plain", &facts));
}

TEST(pivoting) {
  struct stat facts;
  NEED(unshare(CLONE_NEWNS));
  make_mount("root");
  NEED(mount(NULL, "root", NULL, MS_PRIVATE, NULL));
  NEED(chroot("root"));
  NEED(chdir("/"));
  close(make_file("/old-file", ""));
  make_mount("/new");
  NEED(mkdir("/new/old", 0755));
  NEED(mkdir("/plain", 0755));
  close(make_file("/new/new-file", ""));
  FAILS(SYS(pivot_root, "/missing", "/new/old"), ENOENT);
  FAILS(SYS(pivot_root, "/new", "/missing"), ENOENT);
  FAILS(SYS(pivot_root, "/old-file", "/new/old"), ENOTDIR);
  FAILS(SYS(pivot_root, "/plain", "/plain"), EBUSY);
  FAILS(SYS(pivot_root, "/new/old", "/new/old"), EINVAL);
  FAILS(SYS(pivot_root, "/new", "/plain"), EBUSY);
  FAILS(SYS(pivot_root, "/", "/"), EBUSY);
  FAILS(SYS(pivot_root, BAD_POINTER, "/new/old"), EFAULT);
  WORKS(SYS(pivot_root, "/new", "/new/old"));
  WORKS(stat("/new-file", &facts));
  WORKS(stat("/old/old-file", &facts));
  FAILS(stat("/old-file", &facts), ENOENT);
  // The working directory was the old root and moved along.
  WORKS(stat("new-file", &facts));
  WORKS(umount2("/old", DETACH));
  FAILS(stat("/old/old-file", &facts), ENOENT);
}

TEST(mounts_of_children_end) {
  // The mounts of a namespace go with its last process.
  NEED(mkdir("at", 0755));
  for (int i = 0; i < 20; ++i) {
    int const status = IN_CHILD({
      if (unshare(CLONE_NEWNS) != 0) _exit(1);
      if (mount("none", "at", "tmpfs", 0, NULL) != 0) _exit(2);
      int const file = open("at/file", O_RDWR | O_CREAT, 0600);
      if (ftruncate(file, 1 << 20) != 0) _exit(3);
      static char block[1 << 16];
      memset(block, 1, sizeof block);
      for (int n = 0; n < 16; ++n)
        if (write(file, block, sizeof block) != (ssize_t)sizeof block) _exit(4);
    });
    if (status != 0) {
      IS(status, 0);
      return;
    }
  }
  OK(!exists("at/file"));
  WORKS(rmdir("at"));
}

static unsigned long long mount_id(char const* path, unsigned mask,
                                   unsigned long long* attributes) {
  struct statx facts = {0};
  if (statx(AT_FDCWD, path, 0, mask, &facts) != 0 || (facts.stx_mask & mask) != mask) return 0;
  *attributes = facts.stx_attributes;
  return facts.stx_mnt_id;
}

TEST(numbers_of_mounts) {
  unsigned long long attributes = 0;
  make_mount("a");
  NEED(mkdir("a/folder", 0755));
  unsigned long long const id = mount_id("a", STATX_MNT_ID, &attributes);
  OK(id != 0);
  OK((attributes & STATX_ATTR_MOUNT_ROOT) != 0);
  OK(mount_id("a/folder", STATX_MNT_ID, &attributes) == id);
  OK((attributes & STATX_ATTR_MOUNT_ROOT) == 0);
  OK(mount_id(".", STATX_MNT_ID, &attributes) != id);
  unsigned long long const unique = mount_id("a", 0x4000, &attributes);
  OK(unique != 0);
  OK(mount_id("a/folder", 0x4000, &attributes) == unique);
  NEED(umount("a"));
  NEED(mount("none", "a", "tmpfs", 0, NULL));
  OK(mount_id("a", 0x4000, &attributes) != unique);
  // The number is used again, unless a smaller one has become free meanwhile.
  unsigned long long before = id, now;
  while ((now = mount_id("a", STATX_MNT_ID, &attributes)) != before) {
    before = now;
    NEED(umount("a"));
    NEED(mount("none", "a", "tmpfs", 0, NULL));
  }
  OK(now != 0);
}

TEST(options_of_tmpfs) {
  struct stat facts;
  struct statvfs fs;
  NEED(mkdir("at", 0755));
  WORKS(mount("none", "at", "tmpfs", 0, "size=64k,nr_inodes=6,mode=0710,uid=12,gid=34"));
  NEED(stat("at", &facts));
  IS(facts.st_mode, S_IFDIR | 0710);
  IS(facts.st_uid, 12);
  IS(facts.st_gid, 34);
  NEED(statvfs("at", &fs));
  IS(fs.f_blocks, 16);
  IS(fs.f_bfree, 16);
  IS(fs.f_files, 6);
  IS(fs.f_ffree, 5);
  static char block[65536];
  memset(block, 'x', sizeof block);
  int file = (int)NEED(open("at/a", O_RDWR | O_CREAT, 0600));
  IS(write(file, block, 65536), 65536);
  FAILS(write(file, block, 1), ENOSPC);
  NEED(statvfs("at", &fs));
  IS(fs.f_bfree, 0);
  IS(fs.f_ffree, 4);
  int const other = (int)NEED(open("at/b", O_RDWR | O_CREAT, 0600));
  FAILS(write(other, block, 1), ENOSPC);
  WORKS(ftruncate(file, 32768));
  IS(write(other, block, 65536), 32768);
  WORKS(unlink("at/a"));
  FAILS(write(other, block, 1), ENOSPC);
  close(file);
  IS(write(other, block, 4096), 4096);
  NEED(statvfs("at", &fs));
  IS(fs.f_bfree, 7);
  WORKS(mkdir("at/c", 0755));
  WORKS(symlink("x", "at/d"));
  WORKS(link("at/b", "at/e"));
  NEED(statvfs("at", &fs));
  IS(fs.f_ffree, 1);
  WORKS(mknod("at/f", S_IFIFO | 0600, 0));
  FAILS(mkdir("at/g", 0755), ENOSPC);
  FAILS(open("at/g", O_RDWR | O_CREAT, 0600), ENOSPC);
  FAILS(link("at/b", "at/g"), ENOSPC);
  FAILS(symlink("x", "at/g"), ENOSPC);
  WORKS(unlink("at/e"));
  WORKS(mkdir("at/g", 0755));
  FAILS(mount(NULL, "at", NULL, MS_REMOUNT, "size=16k"), EINVAL);
  WORKS(mount(NULL, "at", NULL, MS_REMOUNT, "size=128k,nr_inodes=8"));
  NEED(statvfs("at", &fs));
  IS(fs.f_blocks, 32);
  IS(fs.f_files, 8);
  FAILS(mount(NULL, "at", NULL, MS_REMOUNT, "nonsense"), EINVAL);
  close(other);
  WORKS(umount("at"));
  FAILS(mount("none", "at", "tmpfs", 0, "nonsense=1"), EINVAL);
  FAILS(mount("none", "at", "tmpfs", 0, "size=many"), EINVAL);
  FAILS(mount("none", "at", "tmpfs", 0, "size=1q"), EINVAL);
  FAILS(mount("none", "at", "tmpfs", 0, "mode=9"), EINVAL);
  FAILS(mount("none", "at", "tmpfs", 0, "uid=-1"), EINVAL);
  FAILS(mount("none", "at", "tmpfs", 0, "nr_inodes="), EINVAL);
  WORKS(mount("none", "at", "tmpfs", 0, "nr_blocks=1k,,mode=1777"));
  NEED(statvfs("at", &fs));
  IS(fs.f_blocks, 1024);
  WORKS(umount("at"));
}

TEST(signal_behind_a_full_file_system) {
  NEED(mkdir("at", 0755));
  NEED(mount("none", "at", "tmpfs", 0, "size=8k"));
  int const file = (int)NEED(open("at/a", O_RDWR | O_CREAT, 0600));
  NEED(ftruncate(file, 65536));
  int const status = IN_CHILD({
    char* const bytes = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    for (int i = 0; i < 16; ++i) bytes[4096 * i] = 1;
  });
  OK(WIFSIGNALED(status));
  IS(WTERMSIG(status), SIGBUS);
}

TEST(devices_by_name) {
  NEED(mkdir("one", 0755));
  NEED(mkdir("two", 0755));
  WORKS(mount("none", "one", "devtmpfs", 0, NULL));
  WORKS(mount("none", "two", "devtmpfs", MS_NOSUID, NULL));
  struct stat facts, other;
  struct {
    char const* name;
    mode_t mode;
    dev_t number;
  } const nodes[] = {
      {"one/null", S_IFCHR | 0666, makedev(1, 3)},    {"one/zero", S_IFCHR | 0666, makedev(1, 5)},
      {"one/full", S_IFCHR | 0666, makedev(1, 7)},    {"one/random", S_IFCHR | 0666, makedev(1, 8)},
      {"one/urandom", S_IFCHR | 0666, makedev(1, 9)}, {"one/tty", S_IFCHR | 0666, makedev(5, 0)},
      {"one/console", S_IFCHR | 0600, makedev(5, 1)}, {"one/ttyS0", S_IFCHR | 0600, makedev(4, 64)},
  };
  for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; ++i) {
    IS(stat(nodes[i].name, &facts), 0);
    IS(facts.st_mode, nodes[i].mode);
    IS(facts.st_rdev, nodes[i].number);
    IS(facts.st_uid, 0);
  }
  int const zero = (int)WORKS(open("one/zero", O_RDONLY));
  char byte = 1;
  IS(read(zero, &byte, 1), 1);
  IS(byte, 0);
  FAILS(umount("one"), EBUSY);
  NEED(close(zero));
  // One file system, however often it is mounted.
  IS(stat("one", &facts), 0);
  IS(stat("two", &other), 0);
  OK(facts.st_dev == other.st_dev && facts.st_ino == other.st_ino);
  IS(facts.st_mode, S_IFDIR | 0755);
  WORKS(mkdir("one/made-here", 0700));
  IS(stat("two/made-here", &other), 0);
  WORKS(umount("one"));
  WORKS(umount2("two", DETACH));
  WORKS(mount("none", "one", "devtmpfs", 0, NULL));
  WORKS(rmdir("one/made-here"));
  WORKS(umount2("one", DETACH));
}

// Others walk into the mount, stay there for most of a walk, and out again by ".." or by a link
// that lies in it, while it comes and goes.
TEST(unmounting_under_walks) {
  NEED(mkdir("at", 0755));
  static char dots[601], inside[700], link[700];
  for (int i = 0; i < 300; ++i) memcpy(&dots[2 * i], "./", 2);
  snprintf(inside, sizeof inside, "at/%.500s../at", dots);
  snprintf(link, sizeof link, "../%s", dots);
  pid_t walkers[4];
  for (int i = 0; i < 4; ++i)
    if ((walkers[i] = (pid_t)NEED(fork())) == 0)
      for (struct stat facts;;) stat(i > 0 ? inside : "at/link/at", &facts);
  // Where each turn of a walker takes long, a few rounds must do.
  time_t const enough = time(NULL) + 10;
  int rounds = 0, unmounted = 0;
  for (; rounds < 2000 && time(NULL) < enough; ++rounds) {
    NEED(mount("none", "at", "tmpfs", 0, NULL));
    NEED(symlink(link, "at/link"));
    int result;
    do result = umount2("at", time(NULL) < enough ? 0 : DETACH);
    while (result == -1 && errno == EBUSY);
    unmounted += result == 0;
  }
  IS(unmounted, rounds);
  for (int i = 0; i < 4; ++i) {
    kill(walkers[i], SIGKILL);
    IS(waitpid(walkers[i], NULL, 0), walkers[i]);
  }
}

TEST(namespaces_have_limits) {
  NEED(unshare(CLONE_NEWNS));
  NEED(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  int mounts = 0;
  FILE* const file = fopen("/proc/self/mountinfo", "r");
  for (int c; (c = fgetc(file)) != EOF;) mounts += c == '\n';
  fclose(file);
  NEED(mkdir("a", 0755));
  char most[20];
  snprintf(most, sizeof most, "%d", mounts + 2);
  set_sysctl("fs/mount-max", most);
  WORKS(mount("one", "a", "tmpfs", 0, NULL));
  WORKS(mount("two", "a", "tmpfs", 0, NULL));
  FAILS(mount("three", "a", "tmpfs", 0, NULL), ENOSPC);
  NEED(umount("a"));
  WORKS(mount("three", "a", "tmpfs", 0, NULL));
  set_sysctl("fs/mount-max", "100000");
}
