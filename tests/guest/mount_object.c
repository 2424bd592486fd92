// Mounts and file systems as descriptors: fsopen(2), fsconfig(2), fsmount(2), fspick(2),
// open_tree(2), move_mount(2), mount_setattr(2).
#include "ktap.h"
#include "mounts.h"

#include <linux/mount.h>
#include <sys/statvfs.h>

#ifndef FSCONFIG_CMD_CREATE_EXCL
#  define FSCONFIG_CMD_CREATE_EXCL 8
#endif
#define BENEATH 0x200
#define SET_GROUP 0x100
#define RECURSIVE 0x8000

static int fs_open(char const* type) { return (int)SYS(fsopen, type, FSOPEN_CLOEXEC); }
static long set(int fs, char const* key, char const* value) {
  return SYS(fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0);
}
static long set_flag(int fs, char const* key) {
  return SYS(fsconfig, fs, FSCONFIG_SET_FLAG, key, NULL, 0);
}
static long command(int fs, int what) { return SYS(fsconfig, fs, what, NULL, NULL, 0); }
static int fs_mount(int fs, unsigned attributes) {
  return (int)SYS(fsmount, fs, FSMOUNT_CLOEXEC, attributes);
}
static int tree(char const* path, unsigned flags) {
  return (int)SYS(open_tree, AT_FDCWD, path, flags);
}
static long move_to(int mount, char const* path) {
  return SYS(move_mount, mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}
static long set_attributes(char const* path, unsigned flags, uint64_t on, uint64_t off,
                           uint64_t propagation) {
  struct mount_attr attr = {.attr_set = on, .attr_clr = off, .propagation = propagation};
  return SYS(mount_setattr, AT_FDCWD, path, flags, &attr, sizeof attr);
}

static void make_mount(char const* path) {
  NEED(mkdir(path, 0755));
  NEED(mount("none", path, "tmpfs", 0, NULL));
}
static unsigned long flags_of(char const* path) {
  struct statvfs s;
  NEED(statvfs(path, &s));
  return s.f_flag;
}
// The line of mountinfo for a mount at a place in the working directory, from the mount's options
// on.
static char const* line_of(char const* place) {
  static char text[65536];
  int const file = (int)NEED(open("/proc/self/mountinfo", O_RDONLY));
  size_t size = 0;
  for (ssize_t got; (got = read(file, text + size, sizeof text - 1 - size)) > 0;)
    size += (size_t)got;
  text[size] = 0;
  close(file);
  char here[PATH_MAX], whole[PATH_MAX + 64];
  NEED(SYS(getcwd, here, sizeof here));
  snprintf(whole, sizeof whole, " %s/%s ", here, place);
  char* const at = strstr(text, whole);
  if (at == NULL) return "";
  char* const line_end = strchr(at, '\n');
  if (line_end != NULL) *line_end = 0;
  return at + strlen(whole);
}
static char const* message(int fs) {
  static char text[256];
  ssize_t const n = read(fs, text, sizeof text - 1);
  if (n < 0) return strerrorname_np(errno);
  text[n] = 0;
  return text;
}

TEST(step_by_step) {
  be_alone();
  NEED(mkdir("at", 0755));
  int const fs = (int)WORKS(fs_open("tmpfs"));
  IS(fcntl(fs, F_GETFD), FD_CLOEXEC);
  IS(fcntl(fs, F_GETFL), O_RDWR);
  OK(strcmp(message(fs), "ENODATA") == 0);
  IS(set(fs, "source", "what it is"), 0);
  FAILS(set(fs, "source", "again"), EINVAL);
  IS(set(fs, "size", "1m"), 0);
  IS(set(fs, "mode", "711"), 0);
  IS(set_flag(fs, "ro"), 0);
  FAILS(fs_mount(fs, 0), EINVAL);
  IS(command(fs, FSCONFIG_CMD_CREATE), 0);
  FAILS(command(fs, FSCONFIG_CMD_CREATE), EBUSY);
  FAILS(command(fs, FSCONFIG_CMD_RECONFIGURE), EBUSY);
  FAILS(set(fs, "size", "2m"), EBUSY);
  int const mount = (int)WORKS(fs_mount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  IS(fcntl(mount, F_GETFD), FD_CLOEXEC);
  IS(fcntl(mount, F_GETFL), O_PATH);
  FAILS(fs_mount(fs, 0), EBUSY);
  OK(strcmp(line_of("at"), "") == 0);
  IS(move_to(mount, "at"), 0);
  OK(strcmp(line_of("at"), "rw,nosuid,nodev,relatime - tmpfs what\\040it\\040is "
                           "ro,size=1024k,mode=711,inode64") == 0);
  struct stat s;
  NEED(stat("at", &s));
  IS(s.st_mode & 07777, 0711);
  // Anew, through the same descriptor.
  IS(set_flag(fs, "rw"), 0);
  IS(set(fs, "size", "2m"), 0);
  IS(command(fs, FSCONFIG_CMD_RECONFIGURE), 0);
  close(make_file("at/file", "x"));
  FAILS(move_to(mount, "at"), ELOOP);
  close(mount);
  close(fs);
  WORKS(umount("at"));
}

TEST(what_is_wrong) {
  be_alone();
  FAILS(fs_open("nothing"), ENODEV);
  FAILS(SYS(fsopen, BAD_POINTER, 0), EFAULT);
  FAILS(SYS(fsopen, "tmpfs", 2), EINVAL);
  int const fs = (int)NEED(fs_open("tmpfs"));
  FAILS(set(fs, "nonsense", "x"), EINVAL);
  OK(strcmp(message(fs), "e tmpfs: Unknown parameter 'nonsense'\n") == 0);
  FAILS(set(fs, "mode", "rwx"), EINVAL);
  OK(strcmp(message(fs), "e tmpfs: Bad value for 'mode'\n") == 0);
  FAILS(set_flag(fs, "nonsense"), EINVAL);
  char few[8];
  FAILS(read(fs, few, sizeof few), EMSGSIZE);
  OK(strcmp(message(fs), "e tmpfs: Unknown parameter 'nonsense'\n") == 0);
  OK(strcmp(message(fs), "ENODATA") == 0);
  IS(set(fs, "source", "a"), 0);
  FAILS(set(fs, "source", "b"), EINVAL);
  OK(strcmp(message(fs), "e Multiple sources\n") == 0);
  FAILS(set(fs, "inode64", "x"), EINVAL);
  OK(strcmp(message(fs), "e tmpfs: Unexpected value for 'inode64'\n") == 0);
  FAILS(SYS(fsconfig, fs, FSCONFIG_SET_STRING, NULL, "x", 0), EINVAL);
  FAILS(SYS(fsconfig, fs, FSCONFIG_SET_STRING, "size", NULL, 0), EINVAL);
  FAILS(SYS(fsconfig, fs, FSCONFIG_SET_STRING, "size", "1", 1), EINVAL);
  FAILS(SYS(fsconfig, fs, FSCONFIG_SET_FLAG, "ro", "x", 0), EINVAL);
  FAILS(SYS(fsconfig, fs, FSCONFIG_SET_FLAG, BAD_POINTER, NULL, 0), EFAULT);
  FAILS(SYS(fsconfig, fs, FSCONFIG_SET_BINARY, "size", "x", 0), EINVAL);
  FAILS(SYS(fsconfig, fs, FSCONFIG_SET_BINARY, "size", "x", 1), EINVAL);
  FAILS(SYS(fsconfig, fs, FSCONFIG_SET_PATH, "size", "/", AT_FDCWD), EINVAL);
  FAILS(SYS(fsconfig, fs, FSCONFIG_SET_PATH, "size", "", AT_FDCWD), ENOENT);
  FAILS(SYS(fsconfig, fs, FSCONFIG_SET_FD, "size", NULL, fs), EINVAL);
  FAILS(SYS(fsconfig, fs, FSCONFIG_SET_FD, "size", NULL, closed_descriptor()), EBADF);
  FAILS(SYS(fsconfig, fs, FSCONFIG_CMD_CREATE, "x", NULL, 0), EINVAL);
  FAILS(SYS(fsconfig, fs, 99, NULL, NULL, 0), EOPNOTSUPP);
  FAILS(command(-1, FSCONFIG_CMD_CREATE), EINVAL);
  FAILS(command(closed_descriptor(), FSCONFIG_CMD_CREATE), EBADF);
  FAILS(command((int)NEED(open("/", O_RDONLY)), FSCONFIG_CMD_CREATE), EINVAL);
  char longest[300];
  memset(longest, 'x', sizeof longest - 1);
  longest[299] = 0;
  FAILS(set(fs, "source", longest), EINVAL);
  FAILS(fs_mount((int)NEED(open("/", O_RDONLY)), 0), EINVAL);
  FAILS(fs_mount(closed_descriptor(), 0), EBADF);
  FAILS(SYS(fsmount, fs, 2, 0), EINVAL);
  FAILS(fs_mount(fs, MOUNT_ATTR__ATIME), EINVAL);
  FAILS(fs_mount(fs, MOUNT_ATTR_IDMAP), EINVAL);
  // A kind that all mounts share.
  int const proc = (int)NEED(fs_open("proc"));
  IS(command(proc, FSCONFIG_CMD_CREATE), 0);
  int const view = (int)WORKS(fs_mount(proc, 0));
  OK(openat(view, "self/stat", O_RDONLY) >= 0);
  IS(IN_CHILD(become_nobody(); _exit(fs_open("tmpfs") == -1 ? errno : 0)), EXITED(EPERM));
  IS(IN_CHILD(become_nobody(); _exit(tree("/", OPEN_TREE_CLONE) == -1 ? errno : 0)), EXITED(EPERM));
  IS(IN_CHILD(become_nobody(); _exit(set_attributes("/", 0, 1, 0, 0) == -1 ? errno : 0)),
     EXITED(EPERM));
}

TEST(without_a_place) {
  be_alone();
  int const fs = (int)NEED(fs_open("tmpfs"));
  NEED(command(fs, FSCONFIG_CMD_CREATE));
  int const mount = (int)NEED(fs_mount(fs, 0));
  // It can be used where it is.
  int const file = (int)WORKS(openat(mount, "file", O_RDWR | O_CREAT, 0600));
  WORKS(write(file, "x", 1));
  WORKS(mkdirat(mount, "inner", 0755));
  NEED(fchdir(mount));
  OK(exists("inner"));
  char path[PATH_MAX];
  WORKS(SYS(getcwd, path, sizeof path));
  FAILS(umount2(".", MNT_DETACH), EINVAL);
  close(mount);
  close(fs);
  // Its last descriptor has gone; what is used of it goes on.
  OK(exists("inner"));
  WORKS(write(file, "y", 1));
}

TEST(picked) {
  be_alone();
  make_mount("at");
  NEED(mkdir("at/inner", 0755));
  FAILS(SYS(fspick, AT_FDCWD, "at/inner", 0), EINVAL);
  FAILS(SYS(fspick, AT_FDCWD, "nothing", 0), ENOENT);
  FAILS(SYS(fspick, AT_FDCWD, "at", 16), EINVAL);
  int const fs = (int)WORKS(SYS(fspick, AT_FDCWD, "at", FSPICK_CLOEXEC));
  IS(fcntl(fs, F_GETFD), FD_CLOEXEC);
  FAILS(command(fs, FSCONFIG_CMD_CREATE), EBUSY);
  FAILS(fs_mount(fs, 0), EBUSY);
  int const file = make_file("at/file", "x");
  IS(set_flag(fs, "ro"), 0);
  FAILS(command(fs, FSCONFIG_CMD_RECONFIGURE), EBUSY);
  close(file);
  FAILS(set_flag(fs, "ro"), EBUSY);
  int const again = (int)NEED(SYS(fspick, AT_FDCWD, "at", 0));
  IS(set_flag(again, "ro"), 0);
  IS(command(again, FSCONFIG_CMD_RECONFIGURE), 0);
  FAILS(open("at/file", O_WRONLY), EROFS);
  IS(set_flag(again, "rw"), 0);
  IS(command(again, FSCONFIG_CMD_RECONFIGURE), 0);
  WORKS(open("at/file", O_WRONLY));
  // It does not keep the mount.
  NEED(mkdir("other", 0755));
  NEED(mount("none", "other", "tmpfs", 0, NULL));
  int const other = (int)NEED(SYS(fspick, AT_FDCWD, "other", 0));
  WORKS(umount("other"));
  IS(set(other, "size", "1m"), 0);
  IS(command(other, FSCONFIG_CMD_RECONFIGURE), 0);
}

TEST(trees) {
  be_alone();
  make_mount("a");
  make_mount("a/b");
  close(make_file("a/b/file", ""));
  NEED(mkdir("to", 0755));
  FAILS(tree("a", 2), EINVAL);
  FAILS(tree("a", RECURSIVE), EINVAL);
  int const plain = (int)WORKS(tree("a", OPEN_TREE_CLOEXEC));
  IS(fcntl(plain, F_GETFL), O_PATH);
  IS(fcntl(plain, F_GETFD), FD_CLOEXEC);
  int const one = (int)WORKS(tree("a", OPEN_TREE_CLONE));
  FAILS(faccessat(one, "b/file", F_OK, 0), ENOENT);
  int const all = (int)WORKS(tree("a", OPEN_TREE_CLONE | RECURSIVE));
  IS(faccessat(all, "b/file", F_OK, 0), 0);
  IS(move_to(all, "to"), 0);
  OK(exists("to/b/file"));
  // A part of one.
  NEED(mkdir("a/part", 0755));
  close(make_file("a/part/x", ""));
  int const part = (int)WORKS(tree("a/part", OPEN_TREE_CLONE));
  NEED(mkdir("there", 0755));
  IS(move_to(part, "there"), 0);
  OK(exists("there/x"));
  // Not onto a file, nor below what is not its top.
  close(make_file("file", ""));
  int const more = (int)NEED(tree("a", OPEN_TREE_CLONE));
  FAILS(move_to(more, "file"), EINVAL);
  FAILS(SYS(move_mount, more, "part", AT_FDCWD, "there", 0), EINVAL);
  FAILS(SYS(move_mount, more, "", AT_FDCWD, "there", 8), EINVAL);
  FAILS(SYS(move_mount, more, "", AT_FDCWD, "there", 4 | BENEATH | SET_GROUP), EINVAL);
  close(more);
  // From place to place.
  NEED(mkdir("new", 0755));
  IS(SYS(move_mount, AT_FDCWD, "there", AT_FDCWD, "new", 0), 0);
  OK(exists("new/x") && !exists("there/x"));
  WORKS(umount2("to", MNT_DETACH));
  NEED(mount("none", "a", NULL, MS_UNBINDABLE, NULL));
  FAILS(tree("a", OPEN_TREE_CLONE), EINVAL);
}

TEST(copies_go) {
  be_alone();
  make_mount("a");
  struct stat s;
  int const copy = (int)NEED(tree("a", OPEN_TREE_CLONE));
  WORKS(umount("a"));
  NEED(fstat(copy, &s));
  OK(S_ISDIR(s.st_mode));
  WORKS(mkdirat(copy, "x", 0755));
  close(copy);
}

TEST(beneath) {
  be_alone();
  make_mount("at");
  close(make_file("at/upper", ""));
  int const fs = (int)NEED(fs_open("tmpfs"));
  NEED(command(fs, FSCONFIG_CMD_CREATE));
  int const mount = (int)NEED(fs_mount(fs, 0));
  close((int)NEED(openat(mount, "lower", O_CREAT | O_WRONLY, 0600)));
  FAILS(SYS(move_mount, mount, "", AT_FDCWD, "/", 4 | BENEATH), EINVAL);
  FAILS(SYS(move_mount, mount, "", AT_FDCWD, "at/upper", 4 | BENEATH), EINVAL);
  IS(SYS(move_mount, mount, "", AT_FDCWD, "at", 4 | BENEATH), 0);
  OK(exists("at/upper") && !exists("at/lower"));
  WORKS(umount("at"));
  OK(exists("at/lower"));
}

TEST(groups) {
  be_alone();
  make_mount("a");
  NEED(mkdir("a/inner", 0755));
  NEED(mount("none", "a", NULL, MS_SHARED, NULL));
  NEED(mkdir("b", 0755));
  NEED(mount("a", "b", NULL, MS_BIND, NULL));
  NEED(mount("none", "b", NULL, MS_PRIVATE, NULL));
  FAILS(SYS(move_mount, AT_FDCWD, "b", AT_FDCWD, "a", SET_GROUP), EINVAL);
  make_mount("c");
  FAILS(SYS(move_mount, AT_FDCWD, "a", AT_FDCWD, "c", SET_GROUP), EINVAL);
  IS(SYS(move_mount, AT_FDCWD, "a", AT_FDCWD, "b", SET_GROUP), 0);
  FAILS(SYS(move_mount, AT_FDCWD, "a", AT_FDCWD, "b", SET_GROUP), EINVAL);
  NEED(mount("none", "a/inner", "tmpfs", 0, NULL));
  close(make_file("a/inner/file", ""));
  OK(exists("b/inner/file"));
  // A copied tree is a peer, too.
  int const copy = (int)NEED(tree("a", OPEN_TREE_CLONE));
  NEED(mkdir("d", 0755));
  IS(move_to(copy, "d"), 0);
  OK(!exists("d/inner/file"));
  NEED(umount("a/inner"));
  NEED(mount("none", "a/inner", "tmpfs", 0, NULL));
  close(make_file("a/inner/other", ""));
  OK(exists("d/inner/other"));
}

TEST(attributes) {
  be_alone();
  make_mount("a");
  make_mount("a/b");
  IS(set_attributes("a", 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0, 0), 0);
  IS(flags_of("a") & (ST_NOSUID | ST_NOEXEC | ST_NODEV), ST_NOSUID | ST_NOEXEC);
  IS(flags_of("a/b") & (ST_NOSUID | ST_NOEXEC), 0);
  IS(set_attributes("a", RECURSIVE, MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOEXEC, 0), 0);
  IS(flags_of("a") & (ST_NOSUID | ST_NOEXEC | ST_RDONLY), ST_NOSUID | ST_RDONLY);
  IS(flags_of("a/b") & ST_RDONLY, ST_RDONLY);
  FAILS(open("a/b/file", O_CREAT | O_WRONLY, 0600), EROFS);
  IS(set_attributes("a", RECURSIVE, 0, MOUNT_ATTR_RDONLY, 0), 0);
  int const file = make_file("a/b/file", "x");
  FAILS(set_attributes("a", RECURSIVE, MOUNT_ATTR_RDONLY, 0, 0), EBUSY);
  // All or nothing.
  IS(flags_of("a") & ST_RDONLY, 0);
  close(file);
  FAILS(set_attributes("a", 0, MOUNT_ATTR_NOATIME, 0, 0), EINVAL);
  FAILS(set_attributes("a", 0, 0, MOUNT_ATTR_NOATIME, 0), EINVAL);
  IS(set_attributes("a", 0, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, 0), 0);
  IS(flags_of("a") & (ST_NOATIME | ST_RELATIME), ST_NOATIME);
  IS(set_attributes("a", 0, MOUNT_ATTR_STRICTATIME | MOUNT_ATTR_NODIRATIME, MOUNT_ATTR__ATIME, 0),
     0);
  IS(flags_of("a") & (ST_NOATIME | ST_RELATIME | ST_NODIRATIME), ST_NODIRATIME);
  IS(set_attributes("a", 0, 0, MOUNT_ATTR__ATIME, 0), 0);
  IS(flags_of("a") & (ST_NOATIME | ST_RELATIME), ST_RELATIME);
  IS(set_attributes("a", RECURSIVE, 0, 0, MS_SHARED), 0);
  OK(strstr(line_of("a/b"), " shared:") != NULL);
  IS(set_attributes("a", 0, 0, 0, MS_PRIVATE), 0);
  OK(strstr(line_of("a"), " shared:") == NULL);
  FAILS(set_attributes("a", 0, 0, 0, MS_SHARED | MS_PRIVATE), EINVAL);
  FAILS(set_attributes("a", 0, 0, 0, MS_REC), EINVAL);
  FAILS(set_attributes("a", 0, 1 << 30, 0, 0), EINVAL);
  FAILS(set_attributes("a", 2, 1, 0, 0), EINVAL);
  FAILS(set_attributes("a/b/file", 0, MOUNT_ATTR_NODEV, 0, 0), EINVAL);
  FAILS(set_attributes("nothing", 0, MOUNT_ATTR_NODEV, 0, 0), ENOENT);
  FAILS(set_attributes("nothing", 0, MOUNT_ATTR_IDMAP, 0, 0), EINVAL);
  IS(set_attributes("nothing", 0, 0, 0, 0), 0);
  struct mount_attr attr = {.attr_set = 0};
  FAILS(SYS(mount_setattr, AT_FDCWD, "a", 0, &attr, 31), EINVAL);
  FAILS(SYS(mount_setattr, AT_FDCWD, "a", 0, &attr, 5000), E2BIG);
  FAILS(SYS(mount_setattr, AT_FDCWD, "a", 0, BAD_POINTER, 32), EFAULT);
  // Of what hangs nowhere.
  int const copy = (int)NEED(tree("a", OPEN_TREE_CLONE));
  attr.attr_set = MOUNT_ATTR_RDONLY;
  IS(SYS(mount_setattr, copy, "", AT_EMPTY_PATH, &attr, sizeof attr), 0);
  FAILS(mkdirat(copy, "x", 0755), EROFS);
}

// Copies that go unmount nothing but themselves.
TEST(originals_stay) {
  be_alone();
  make_mount("a");
  NEED(mount("none", "a", NULL, MS_SHARED, NULL));
  make_mount("a/b");
  close(make_file("a/b/file", ""));
  int const copy = (int)NEED(tree("a", OPEN_TREE_CLONE | RECURSIVE));
  IS(faccessat(copy, "b/file", F_OK, 0), 0);
  close(copy);
  OK(exists("a/b/file"));
  IS(IN_CHILD(NEED(unshare(CLONE_NEWNS))), 0);
  OK(exists("a/b/file"));
}

// A tree that hangs nowhere does not hear of what is mounted, nor of itself.
TEST(deaf) {
  be_alone();
  make_mount("a");
  NEED(mkdir("a/sub", 0755));
  close(make_file("a/mark", ""));
  NEED(mount("none", "a", NULL, MS_SHARED, NULL));
  int const held = (int)NEED(tree("a", OPEN_TREE_CLONE));
  int const copy = (int)NEED(tree("a", OPEN_TREE_CLONE));
  IS(move_to(copy, "a/sub"), 0);
  OK(exists("a/sub/mark") && !exists("a/sub/sub/mark"));
  OK(faccessat(held, "sub/mark", F_OK, 0) == -1);
}

TEST(what_mount_says) {
  be_alone();
  NEED(mkdir("at", 0755));
  NEED(mount("its source", "at", "ramfs", 0, "nonsense,mode=700"));
  OK(strcmp(line_of("at"), "rw,relatime - ramfs its\\040source rw,mode=700") == 0);
  WORKS(umount("at"));
  FAILS(mount("none", "at", "ramfs", 0, "mode=x"), EINVAL);
  FAILS(mount("none", "at", "tmpfs", 0, "nonsense"), EINVAL);
  FAILS(mount("none", "at", "sysfs", 0, "nonsense"), EINVAL);
  FAILS(mount("none", "at", "proc", 0, "nonsense"), EINVAL);
  // For one of those who share it.
  NEED(mount("none", "at", "sysfs", MS_RDONLY, NULL));
  IS(flags_of("at") & ST_RDONLY, ST_RDONLY);
  IS(flags_of("/sys") & ST_RDONLY, 0);
  WORKS(umount("at"));
  NEED(mount("none", "at", "tmpfs", 0, "size=2m"));
  int const file = make_file("at/file", "x");
  FAILS(mount("none", "at", NULL, MS_REMOUNT | MS_RDONLY, "size=1m"), EBUSY);
  OK(strstr(line_of("at"), "size=2048k") != NULL);
  close(file);
  WORKS(mount("none", "at", NULL, MS_REMOUNT | MS_RDONLY, "size=1m"));
  OK(strstr(line_of("at"), "size=1024k") != NULL);
}

TEST(again_and_again) {
  be_alone();
  int const fs = (int)NEED(fs_open("tmpfs"));
  bool all = true;
  for (int i = 0; i < 20000; ++i) all = all && set(fs, "size", i % 2 ? "1m" : "2m") == 0;
  OK(all);
  IS(command(fs, FSCONFIG_CMD_CREATE), 0);
}
