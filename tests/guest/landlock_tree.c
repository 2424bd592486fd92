// What a sandbox of landlock(7) says of open files, of devices, of files that change their
// directory, and of trees of mounts.
#include "ktap.h"
#include "mounts.h"
#include "sandbox.h"

#include <linux/mount.h>
#include <sys/sysmacros.h>

// --- open files -----------------------------------------------------------------------------

TEST(what_was_open_stays_so) {
  int const file = make_file("file", "some bytes");
  int const folder = (int)NEED(open(".", O_RDONLY));
  int const path = (int)NEED(open("file", O_PATH));
  give_up(ALL_FILES, 0);
  char text[1024];
  IS(read(file, text, 4), 4);
  IS(write(file, "x", 1), 1);
  IS(ftruncate(file, 2), 0);
  OK(SYS(getdents64, folder, text, sizeof text) > 0);
  // A path is no more than that.
  IS(opens("file", O_PATH), 0);
  IS(opens(".", O_PATH | O_DIRECTORY), 0);
  struct stat s;
  IS(fstat(path, &s), 0);
  IS(stat("file", &s), 0);
  IS(chmod("file", 0600), 0);
  IS(access("file", R_OK | W_OK), 0);
  IS(chdir("/"), 0);
  IS(chroot("/"), 0);
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", path);
  IS(opens(link, O_RDONLY), EACCES);
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  IS(opens(link, O_RDONLY), EACCES);
}

TEST(what_is_nowhere_is_free) {
  int pair[2];
  NEED(pipe(pair));
  give_up(ALL_FILES, 0);
  int const memory = (int)WORKS(memfd_create("x", 0));
  IS(ftruncate(memory, 100), 0);
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", memory);
  int const again = (int)WORKS(open(link, O_RDWR));
  IS(ftruncate(again, 10), 0);
  snprintf(link, sizeof link, "/proc/self/fd/%d", pair[0]);
  IS(opens(link, O_RDONLY), 0);
  IS(opens("/proc/self/ns/mnt", O_RDONLY), 0);
}

TEST(truncating) {
  close(make_file("file", "some bytes"));
  close(make_file("free", "some bytes"));
  NEED(mkfifo("fifo", 0600));
  int const before = (int)NEED(open("file", O_RDWR));
  int const ruleset = (int)NEED(ruleset_of(TRUNCATE, 0));
  allow(ruleset, "free", TRUNCATE);
  enforce(ruleset);
  int const file = (int)NEED(open("file", O_RDWR)), other = (int)NEED(open("free", O_RDWR));
  FAILS(ftruncate(file, 1), EACCES);
  FAILS(ftruncate(file, -1), EINVAL);
  FAILS(ftruncate((int)NEED(open("file", O_RDONLY)), 1), EINVAL);
  FAILS(ftruncate((int)NEED(open("fifo", O_RDWR)), 1), EINVAL);
  IS(ftruncate(other, 1), 0);
  IS(ftruncate(before, 5), 0);
  IS(truncate("free", 2), 0);
  FAILS(truncate("file", 2), EACCES);
  FAILS(truncate(".", 2), EISDIR);
  FAILS(truncate("fifo", 2), EINVAL);
  IS(opens("file", O_WRONLY | O_TRUNC), EACCES);
  IS(opens("free", O_WRONLY | O_TRUNC), 0);
  IS(opens("fifo", O_RDWR | O_TRUNC), 0);
  IS(opens("/dev/null", O_WRONLY | O_TRUNC), 0);
  IS(opens("new", O_WRONLY | O_CREAT | O_TRUNC), 0);
  IS(opens("new", O_WRONLY | O_CREAT | O_TRUNC), EACCES);
  // What an open file is for goes with it.
  IS(IN_CHILD(_exit(ftruncate(file, 1) == 0 ? 0 : errno)), EXITED(EACCES));
  FAILS(ftruncate(dup(file), 1), EACCES);
  IS(fallocate(file, 0, 0, 100), 0);
  IS(write(file, "more bytes", 10), 10);
}

TEST(devices) {
  int const before = (int)NEED(open("/dev/null", O_RDWR));
  NEED(mknod("zero", S_IFCHR | 0600, makedev(1, 5)));
  int const ruleset = (int)NEED(ruleset_of(IOCTL_DEV, 0));
  allow(ruleset, "/dev/zero", IOCTL_DEV);
  enforce(ruleset);
  int const null = (int)NEED(open("/dev/null", O_RDWR)),
            zero = (int)NEED(open("/dev/zero", O_RDWR));
  int const other_zero = (int)NEED(open("zero", O_RDWR));
  int const file = make_file("file", "x");
  char room[64];
  int one = 1;
  FAILS(ioctl(null, TCGETS, room), EACCES);
  FAILS(ioctl(null, FIONREAD, room), EACCES);
  FAILS(ioctl(null, 0x12345678, room), EACCES);
  FAILS(ioctl(other_zero, TCGETS, room), EACCES);
  FAILS(ioctl(zero, TCGETS, room), ENOTTY);
  FAILS(ioctl(before, TCGETS, room), ENOTTY);
  FAILS(ioctl(file, TCGETS, room), ENOTTY);
  IS(ioctl(file, FIONREAD, room), 0);
  // These are free.
  IS(ioctl(null, FIOCLEX), 0);
  IS(fcntl(null, F_GETFD), FD_CLOEXEC);
  IS(ioctl(null, FIONCLEX), 0);
  IS(ioctl(null, FIONBIO, &one), 0);
  FAILS(ioctl(null, FIOQSIZE, room), ENOTTY);
  FAILS(ioctl(999, TCGETS, room), EBADF);
}

// --- changing the directory -----------------------------------------------------------------

static void make_two(void) {
  NEED(mkdir("a", 0755));
  NEED(mkdir("b", 0755));
  NEED(mkdir("a/folder", 0755));
  NEED(mkdir("b/folder", 0755));
  close(make_file("a/file", "x"));
  close(make_file("b/file", "y"));
}

static long swap(char const* a, char const* b) {
  return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

TEST(without_saying_so_nothing_moves) {
  make_two();
  give_up_outside(".", READ_FILE, READ_FILE);
  FAILS(rename("a/file", "b/new"), EXDEV);
  FAILS(rename("a/folder", "b/new"), EXDEV);
  FAILS(link("a/file", "b/new"), EXDEV);
  FAILS(swap("a/file", "b/file"), EXDEV);
  FAILS(rename("a/file", "new"), EXDEV);
  IS(rename("a/file", "a/new"), 0);
  IS(link("a/new", "a/other"), 0);
  IS(swap("a/new", "a/folder"), 0);
  // What is wrong with the names is said first.
  FAILS(rename("a/nothing", "b/new"), ENOENT);
  FAILS(rename("a", "a/other/x"), ENOTDIR);
  FAILS(link("b/file", "a/other"), EEXIST);
  FAILS(renameat2(AT_FDCWD, "b/file", AT_FDCWD, "a/other", RENAME_NOREPLACE), EEXIST);
  FAILS(swap("b/file", "a/nothing"), ENOENT);
}

TEST(with_the_right_all_moves) {
  make_two();
  give_up_outside(".", ALL_FILES, ALL_FILES);
  IS(rename("a/file", "b/new"), 0);
  IS(rename("a/folder", "b/new folder"), 0);
  IS(link("b/new", "a/new"), 0);
  IS(swap("a/new", "b/folder"), 0);
  IS(rename("b/file", "new"), 0);
  IS(unlink("new"), 0);
}

static void rules(uint64_t handled, uint64_t in_a, uint64_t in_b) {
  int const ruleset = (int)NEED(ruleset_of(handled, 0));
  allow(ruleset, "a", in_a);
  allow(ruleset, "b", in_b);
  enforce(ruleset);
}

TEST(both_sides_must_allow_it) {
  make_two();
  rules(REFER | READ_FILE, REFER | READ_FILE, READ_FILE);
  FAILS(rename("a/file", "b/new"), EXDEV);
  FAILS(rename("b/file", "a/new"), EXDEV);
  FAILS(link("a/file", "b/new"), EXDEV);
}

TEST(nothing_may_be_gained) {
  make_two();
  rules(REFER | READ_FILE | WRITE_FILE | MAKE_DIR | READ_DIR, REFER | READ_FILE | MAKE_DIR,
        REFER | READ_FILE | WRITE_FILE | MAKE_DIR);
  FAILS(rename("a/file", "b/new"), EXDEV);
  FAILS(link("a/file", "b/new"), EXDEV);
  FAILS(swap("a/file", "b/file"), EXDEV);
  FAILS(swap("b/file", "a/file"), EXDEV);
  FAILS(rename("a/folder", "b/new"), EXDEV);
  IS(rename("b/file", "a/from b"), 0);
  IS(opens("a/from b", O_WRONLY), EACCES);
  IS(rename("b/folder", "a/folder from b"), 0);
  FAILS(rename("a/from b", "b/file"), EXDEV);
}

TEST(what_a_file_has_of_its_own_counts) {
  make_two();
  int const ruleset = (int)NEED(ruleset_of(REFER | READ_FILE | WRITE_FILE, 0));
  allow(ruleset, "a", REFER | READ_FILE);
  allow(ruleset, "a/file", WRITE_FILE);
  allow(ruleset, "b", REFER | READ_FILE | WRITE_FILE);
  close(make_file("a/other", "z"));
  enforce(ruleset);
  FAILS(rename("a/other", "b/other"), EXDEV);
  IS(rename("a/file", "b/new"), 0);
  IS(opens("b/new", O_RDWR), 0);
  IS(rename("b/new", "a/file"), 0);
  IS(opens("a/file", O_RDWR), 0);
}

TEST(rights_of_directories_do_not_count_for_files) {
  make_two();
  rules(REFER | READ_DIR, REFER, REFER | READ_DIR);
  IS(rename("a/file", "b/new"), 0);
  FAILS(rename("a/folder", "b/new folder"), EXDEV);
  IS(rename("b/folder", "a/new folder"), 0);
}

TEST(to_be_kept_out_is_said_first) {
  make_two();
  rules(REFER | MAKE_REG | REMOVE_FILE | MAKE_DIR | READ_FILE, REFER | MAKE_REG | MAKE_DIR,
        REFER | READ_FILE | REMOVE_FILE);
  // Not removed there, not made here.
  FAILS(rename("a/file", "b/new"), EACCES);
  FAILS(link("a/file", "b/new"), EACCES);
  FAILS(rename("a/folder", "b/new"), EACCES);
  FAILS(rename("a/file", "a/new"), EACCES);
  FAILS(unlink("a/file"), EACCES);
  IS(rename("b/file", "a/new"), 0);
}

TEST(what_is_replaced_is_removed) {
  make_two();
  rules(REFER | REMOVE_FILE | REMOVE_DIR, REFER | REMOVE_FILE | REMOVE_DIR, REFER);
  IS(rename("a/file", "b/new"), 0);
  FAILS(rename("b/new", "a/file"), EACCES);
  close(make_file("a/file", "x"));
  FAILS(rename("a/file", "b/file"), EACCES);
  FAILS(rename("a/folder", "b/folder"), EACCES);
  FAILS(swap("a/file", "b/file"), EACCES);
  FAILS(swap("b/file", "b/new"), EACCES);
  FAILS(rename("b/file", "b/new"), EACCES);
}

TEST(layers_and_moves) {
  make_two();
  rules(REFER | READ_FILE, REFER | READ_FILE, REFER | READ_FILE);
  IS(rename("a/file", "b/new"), 0);
  IS(rename("b/new", "a/file"), 0);
  // A layer that does not speak of it forbids it.
  give_up_outside(".", READ_DIR, READ_DIR);
  FAILS(rename("a/file", "b/new"), EXDEV);
  IS(rename("a/file", "a/new"), 0);
}

TEST(where_all_is_given) {
  make_two();
  NEED(mkdir("a/deep", 0755));
  NEED(mkdir("a/deep/deeper", 0755));
  rules(ALL_FILES, ALL_FILES, READ_FILE | REFER);
  IS(rename("a/file", "a/deep/deeper/file"), 0);
  IS(link("a/deep/deeper/file", "a/linked"), 0);
  IS(rename("a/deep/deeper", "a/deeper"), 0);
  FAILS(rename("a/linked", "b/linked"), EACCES);
}

// --- mounts ---------------------------------------------------------------------------------

static void make_mount(char const* path) {
  NEED(mkdir(path, 0755));
  NEED(mount("none", path, "tmpfs", 0, NULL));
}

TEST(rules_go_through_mounts) {
  be_alone();
  NEED(mkdir("outer", 0755));
  NEED(mkdir("outer/inner", 0755));
  close(make_file("outer/inner/file", "hidden"));
  int const ruleset = (int)NEED(ruleset_of(READ_FILE | WRITE_FILE, 0));
  allow(ruleset, "outer", READ_FILE);
  // Of a directory that will be hidden.
  allow(ruleset, "outer/inner", WRITE_FILE);
  NEED(mount("none", "outer/inner", "tmpfs", 0, NULL));
  close(make_file("outer/inner/file", "seen"));
  NEED(mkdir("bound", 0755));
  NEED(mount("outer/inner", "bound", NULL, MS_BIND, NULL));
  enforce(ruleset);
  IS(opens("outer/inner/file", O_RDONLY), 0);
  IS(opens("outer/inner/file", O_WRONLY), EACCES);
  IS(opens("bound/file", O_RDONLY), EACCES);
}

TEST(rules_about_a_mounted_root) {
  be_alone();
  make_mount("one");
  NEED(mkdir("bound", 0755));
  NEED(mount("one", "bound", NULL, MS_BIND, NULL));
  close(make_file("one/file", "x"));
  NEED(mkdir("one/folder", 0755));
  close(make_file("one/folder/file", "x"));
  NEED(mkdir("part", 0755));
  NEED(mount("one/folder", "part", NULL, MS_BIND, NULL));
  give_up_outside("one", READ_FILE, READ_FILE);
  IS(opens("one/file", O_RDONLY), 0);
  IS(opens("bound/file", O_RDONLY), 0);
  // The way up goes through what is mounted, not through the file system.
  IS(opens("part/file", O_RDONLY), EACCES);
}

// A directory that was moved out of what a mount shows.
static int lost_directory(void) {
  be_alone();
  NEED(mkdir("tree", 0755));
  NEED(mkdir("tree/shown", 0755));
  NEED(mkdir("tree/shown/lost", 0755));
  NEED(mkdir("tree/elsewhere", 0755));
  close(make_file("tree/shown/lost/file", "x"));
  NEED(mkdir("mounts", 0755));
  NEED(mkdir("mounts/view", 0755));
  NEED(mount("tree/shown", "mounts/view", NULL, MS_BIND, NULL));
  int const lost = (int)NEED(open("mounts/view/lost", O_PATH));
  NEED(rename("tree/shown/lost", "tree/elsewhere/lost"));
  return lost;
}
static int lost_opens(char const* given) {
  int const lost = lost_directory();
  give_up_outside(given, READ_FILE, READ_FILE);
  int const fd = openat(lost, "file", O_RDONLY);
  return fd < 0 ? errno : 0;
}

TEST(lost_directories) {
  static char const* const places[] = {"tree/elsewhere", "tree", "tree/shown", "mounts"};
  for (int i = 0; i < 4; ++i) {
    char folder[16];
    snprintf(folder, sizeof folder, "%d", i);
    NEED(mkdir(folder, 0755));
    NEED(chdir(folder));
    IS(IN_CHILD(_exit(lost_opens(places[i]))), 0);
    NEED(chdir(".."));
  }
  NEED(mkdir("none", 0755));
  NEED(chdir("none"));
  NEED(mkdir("aside", 0755));
  IS(IN_CHILD(_exit(lost_opens("aside"))), EXITED(EACCES));
}

TEST(what_is_moved_out_of_a_lost_directory) {
  int const lost = lost_directory();
  int const ruleset = (int)NEED(ruleset_of(REFER | READ_FILE | WRITE_FILE, 0));
  allow(ruleset, "tree", REFER | READ_FILE);
  allow(ruleset, "mounts", REFER | READ_FILE | WRITE_FILE);
  enforce(ruleset);
  int const fd = openat(lost, "file", O_RDWR);
  OK(fd >= 0);
  FAILS(renameat(AT_FDCWD, "tree/elsewhere/lost/file", AT_FDCWD, "mounts/view/file"), EXDEV);
  IS(renameat(lost, "file", AT_FDCWD, "mounts/view/file"), 0);
}

TEST(mounts_stay_as_they_are) {
  be_alone();
  make_mount("m");
  NEED(mkdir("m/old", 0755));
  NEED(mkdir("other", 0755));
  int const tree = (int)NEED(SYS(open_tree, AT_FDCWD, "m", OPEN_TREE_CLONE));
  int const picked = (int)NEED(SYS(fspick, AT_FDCWD, "m", 0));
  give_up(READ_FILE, 0);
  FAILS(mount("none", "other", "tmpfs", 0, NULL), EPERM);
  FAILS(mount("none", "other", "nonsense", 0, NULL), EPERM);
  FAILS(mount("none", "nothing", "tmpfs", 0, NULL), ENOENT);
  FAILS(mount("m", "other", NULL, MS_BIND, NULL), EPERM);
  FAILS(mount("m", "other", NULL, MS_MOVE, NULL), EPERM);
  FAILS(mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL), EPERM);
  FAILS(mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), EPERM);
  FAILS(mount(NULL, "m", NULL, MS_SHARED, NULL), EPERM);
  FAILS(umount("m"), EPERM);
  FAILS(umount2("m", MNT_DETACH), EPERM);
  FAILS(umount("other"), EINVAL);
  FAILS(umount("nothing"), ENOENT);
  FAILS(SYS(pivot_root, "m", "m/old"), EPERM);
  FAILS(SYS(pivot_root, "m", "nothing"), ENOENT);
  FAILS(SYS(move_mount, tree, "", AT_FDCWD, "other", MOVE_MOUNT_F_EMPTY_PATH), EPERM);
  FAILS(SYS(move_mount, tree, "", AT_FDCWD, "nothing", MOVE_MOUNT_F_EMPTY_PATH), ENOENT);
  FAILS(SYS(fsconfig, picked, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0), EPERM);
  // What changes no tree that others see.
  WORKS(SYS(open_tree, AT_FDCWD, "m", OPEN_TREE_CLONE));
  int const fs = (int)WORKS(SYS(fsopen, "tmpfs", 0));
  IS(SYS(fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
  WORKS(SYS(fsmount, fs, 0, 0));
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID};
  IS(SYS(mount_setattr, AT_FDCWD, "m", 0, &attr, sizeof attr), 0);
  IS(unshare(CLONE_NEWNS), 0);
}

TEST(who_has_given_up_something_else_mounts) {
  be_alone();
  NEED(mkdir("m", 0755));
  give_up(0, SIGNAL);
  IS(mount("none", "m", "tmpfs", 0, NULL), 0);
  IS(umount("m"), 0);
}

TEST(rules_keep_nothing_busy) {
  be_alone();
  make_mount("m");
  close(make_file("m/file", "x"));
  NEED(mkdir("m/folder", 0755));
  NEED(mkdir("m/folder/empty", 0755));
  int const ruleset = (int)NEED(ruleset_of(READ_FILE, 0));
  allow(ruleset, "m", READ_FILE);
  allow(ruleset, "m/file", READ_FILE);
  allow(ruleset, "m/folder", READ_FILE);
  allow(ruleset, "m/folder/empty", READ_FILE);
  allow(ruleset, "/proc/self", READ_FILE);
  IS(rmdir("m/folder/empty"), 0);
  IS(umount("m"), 0);
  NEED(mount("none", "m", "tmpfs", 0, NULL));
  close(make_file("m/file", "x"));
  IS(IN_CHILD(enforce(ruleset); _exit(opens("m/file", O_RDONLY))), EXITED(EACCES));
  allow(ruleset, "m/file", READ_FILE);
  IS(IN_CHILD(enforce(ruleset); _exit(opens("m/file", O_RDONLY))), 0);
  // The rules go after their file system, and after the name of their file.
  IS(umount("m"), 0);
  close(ruleset);
}

TEST(a_file_system_goes_while_rules_do) {
  be_alone();
  NEED(mkdir("m", 0755));
  for (int round = 0; round < 20; ++round) {
    NEED(mount("none", "m", "tmpfs", 0, NULL));
    int const ruleset = (int)NEED(ruleset_of(READ_FILE, 0));
    for (int i = 0; i < 20; ++i) {
      char name[32];
      snprintf(name, sizeof name, "m/%d", i);
      close(make_file(name, "x"));
      allow(ruleset, name, READ_FILE);
    }
    pid_t const child = fork();
    if (child == 0) {
      enforce(ruleset);
      _exit(0);
    }
    close(ruleset);
    NEED(umount("m"));
    if (ktap_status_of(child) != 0) ktap_give_up("a child");
  }
  OK(rmdir("m") == 0);
}
