// Mount namespaces as files: /proc/PID/ns/mnt, setns(2), ioctl_nsfs(2), pidfds that lead to them.
#include "ktap.h"
#include "mounts.h"

#include <sys/syscall.h>
#include <sys/vfs.h>

#define GET_PARENT 0xb702
#define GET_TYPE 0xb703
#define GET_OWNER 0xb704
#define GET_ID 0x8008b705
#define GET_INFO 0x8010b70a
#define GET_NEXT 0x8010b70b
#define GET_PREVIOUS 0x8010b70c
#define PIDFD_MNT 0xff03
#ifndef SYS_statmount
#  define SYS_statmount 457
#endif

struct info {
  uint32_t size, mounts;
  uint64_t id;
};

static int own(void) { return (int)NEED(open("/proc/self/ns/mnt", O_RDONLY)); }
static uint64_t number_of(int fd) {
  struct stat s;
  NEED(fstat(fd, &s));
  return s.st_ino;
}
static uint64_t id_of(int fd) {
  uint64_t id = 0;
  NEED(ioctl(fd, GET_ID, &id));
  return id;
}
static char here[PATH_MAX];

// A child in a namespace of its own, where a tmpfs hangs at `at`.
static pid_t make_inhabitant(void) {
  int ready[2];
  NEED(SYS(getcwd, here, sizeof here));
  NEED(mkdir("at", 0755));
  NEED(pipe(ready));
  pid_t const child = fork();
  if (child == 0) {
    be_alone();
    NEED(mount("none", "at", "tmpfs", 0, NULL));
    close(make_file("at/inside", ""));
    NEED(write(ready[1], "", 1));
    for (;;) pause();
  }
  char c;
  NEED(read(ready[0], &c, 1));
  close(ready[0]);
  close(ready[1]);
  return child;
}
static void end(pid_t child) {
  kill(child, SIGKILL);
  ktap_status_of(child);
}
static int namespace_of(pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
  return (int)NEED(open(path, O_RDONLY | O_CLOEXEC));
}

TEST(files) {
  int const fd = own();
  struct stat s, link;
  NEED(fstat(fd, &s));
  IS(s.st_mode, S_IFREG | 0444);
  NEED(lstat("/proc/self/ns/mnt", &link));
  IS(link.st_mode, S_IFLNK | 0777);
  NEED(stat("/proc/self/ns", &link));
  IS(link.st_mode, S_IFDIR | 0511);
  struct statfs f;
  NEED(fstatfs(fd, &f));
  IS(f.f_type, 0x6e736673);
  char text[64] = "", wanted[64], path[64];
  snprintf(wanted, sizeof wanted, "mnt:[%lu]", (unsigned long)s.st_ino);
  NEED(readlink("/proc/self/ns/mnt", text, sizeof text - 1));
  OK(strcmp(text, wanted) == 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  memset(text, 0, sizeof text);
  NEED(readlink(path, text, sizeof text - 1));
  OK(strcmp(text, wanted) == 0);
  IS(number_of(own()), s.st_ino);
  char c;
  FAILS(read(fd, &c, 1), EINVAL);
  FAILS(open("/proc/self/ns/nothing", O_RDONLY), ENOENT);
  FAILS(ioctl(fd, 0xb7ff, 0), ENOTTY);
  IS(ioctl(fd, GET_TYPE), CLONE_NEWNS);
  FAILS(ioctl(fd, GET_PARENT), EINVAL);
  FAILS(ioctl(fd, GET_OWNER, &c), EINVAL);
  uint64_t id = 0;
  IS(ioctl(fd, GET_ID, &id), 0);
  OK(id != 0);
  FAILS(ioctl(fd, GET_ID, BAD_POINTER), EFAULT);
  struct info i = {0};
  IS(ioctl(fd, GET_INFO, &i), 0);
  OK(i.size == 16 && i.mounts > 1 && i.id == id);
  FAILS(ioctl(fd, GET_INFO, 0), EINVAL);
}

TEST(entered) {
  pid_t const child = make_inhabitant();
  int const mine = own(), other = namespace_of(child);
  OK(number_of(mine) != number_of(other));
  OK(id_of(mine) < id_of(other));
  OK(!exists("at/inside"));
  FAILS(setns(other, CLONE_NEWUTS), EINVAL);
  FAILS(setns(other, 0x7fffffff), EINVAL);
  FAILS(setns(closed_descriptor(), 0), EBADF);
  FAILS(setns((int)NEED(open("/", O_RDONLY)), 0), EINVAL);
  IS(IN_CHILD(become_nobody(); _exit(setns(other, 0) == -1 ? errno : 0)), EXITED(EPERM));
  IS(setns(other, 0), 0);
  // The working directory is the root now.
  char now[PATH_MAX];
  NEED(SYS(getcwd, now, sizeof now));
  OK(strcmp(now, "/") == 0);
  NEED(chdir(here));
  OK(exists("at/inside"));
  IS(number_of(own()), number_of(other));
  IS(setns(mine, CLONE_NEWNS), 0);
  NEED(chdir(here));
  OK(!exists("at/inside"));
  end(child);
  // A descriptor keeps it.
  IS(setns(other, CLONE_NEWNS), 0);
  NEED(chdir(here));
  OK(exists("at/inside"));
}

static void* wait_in_thread(void* at) {
  pause();
  return at;
}

TEST(shared_places) {
  int const fd = own();
  char* const stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int const child =
      clone((int (*)(void*))(void*)wait_in_thread, stack + 65536, CLONE_FS | SIGCHLD, NULL);
  FAILS(setns(fd, CLONE_NEWNS), EINVAL);
  end(child);
  IS(setns(fd, CLONE_NEWNS), 0);
}

TEST(by_pidfd) {
  pid_t const child = make_inhabitant();
  int const fd = (int)NEED(SYS(pidfd_open, child, 0));
  FAILS(setns(fd, 0), EINVAL);
  FAILS(setns(fd, 0x40), EINVAL);
  int const other = (int)WORKS(ioctl(fd, PIDFD_MNT, 0));
  IS(fcntl(other, F_GETFD), FD_CLOEXEC);
  IS(number_of(other), number_of(namespace_of(child)));
  FAILS(ioctl(fd, PIDFD_MNT, 1), EINVAL);
  FAILS(ioctl(fd, 0xff20, 0), ENOTTY);
  IS(IN_CHILD(become_nobody(); _exit(ioctl(fd, PIDFD_MNT, 0) == -1 ? errno : 0)), EXITED(EACCES));
  IS(setns(fd, CLONE_NEWNS), 0);
  NEED(chdir(here));
  OK(exists("at/inside"));
  NEED(kill(child, SIGKILL));
  siginfo_t info;
  NEED(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
  FAILS(setns(fd, CLONE_NEWNS), ESRCH);
  FAILS(ioctl(fd, PIDFD_MNT, 0), ESRCH);
  ktap_status_of(child);
  FAILS(setns(fd, CLONE_NEWNS), ESRCH);
  FAILS(ioctl(fd, PIDFD_MNT, 0), ESRCH);
}

TEST(kept_by_a_mount) {
  be_alone();
  NEED(SYS(getcwd, here, sizeof here));
  close(make_file("kept", ""));
  // None holds itself, nor one that is younger.
  FAILS(mount("/proc/self/ns/mnt", "kept", NULL, MS_BIND, NULL), EINVAL);
  pid_t const child = make_inhabitant();
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/ns/mnt", child);
  int const mine = own();
  IS(IN_CHILD(be_alone(); be_alone(); char in[64];
              snprintf(in, sizeof in, "/proc/self/fd/%d", mine);
              _exit(mount(in, "kept", NULL, MS_BIND, NULL) == -1 ? errno : 0)),
     EXITED(EINVAL));
  IS(mount(path, "kept", NULL, MS_BIND, NULL), 0);
  struct stat one, two;
  NEED(stat(path, &one));
  NEED(stat("kept", &two));
  OK(one.st_ino == two.st_ino && one.st_dev == two.st_dev);
  end(child);
  static char text[65536];
  int const file = (int)NEED(open("/proc/self/mountinfo", O_RDONLY));
  size_t size = 0;
  for (ssize_t got; (got = read(file, text + size, sizeof text - 1 - size)) > 0;)
    size += (size_t)got;
  char wanted[PATH_MAX + 64];
  snprintf(wanted, sizeof wanted, "mnt:[%lu] %s/kept ", (unsigned long)one.st_ino, here);
  OK(strstr(text, wanted) != NULL && strstr(text, " - nsfs nsfs rw\n") != NULL);
  int const fd = (int)WORKS(open("kept", O_RDONLY));
  IS(IN_CHILD(if (setns(fd, CLONE_NEWNS) != 0 || chdir(here) != 0) _exit(1);
              _exit(exists("at/inside") ? 0 : 2)),
     0);
  // It does not go to other namespaces.
  IS(IN_CHILD(be_alone(); struct stat s; NEED(stat("kept", &s));
              _exit(s.st_size == 0 && s.st_dev != two.st_dev ? 0 : 1)),
     0);
  close(fd);
  WORKS(umount("kept"));
}

TEST(neighbours) {
  pid_t const child = make_inhabitant();
  int const other = namespace_of(child);
  struct info i = {0};
  // The last one that was made.
  FAILS(ioctl(other, GET_NEXT, &i), ENOENT);
  int const before = (int)WORKS(ioctl(other, GET_PREVIOUS, &i));
  IS(fcntl(before, F_GETFD), FD_CLOEXEC);
  OK(i.id < id_of(other) && i.id == id_of(before));
  int const again = (int)WORKS(ioctl(before, GET_NEXT, &i));
  IS(number_of(again), number_of(other));
  IS(IN_CHILD(become_nobody(); _exit(ioctl(other, GET_PREVIOUS, &i) == -1 ? errno : 0)),
     EXITED(EPERM));
  // statmount(2) of another namespace.
  struct statx s;
  IS(IN_CHILD(NEED(setns(other, 0)); NEED(SYS(statx, AT_FDCWD, "/", 0, 0x4000, &s));
              uint64_t request[4] = {32, s.stx_mnt_id, 2, id_of(other)}; char facts[512];
              NEED(setns(again, 0));
              _exit(SYS(statmount, request, facts, sizeof facts, 0) == -1 ? errno : 0)),
     0);
  end(child);
}

// Nor by another way.
TEST(never_its_own) {
  be_alone();
  NEED(SYS(getcwd, here, sizeof here));
  close(make_file("file", ""));
  pid_t const child = make_inhabitant();
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/ns/mnt", child);
  int const copy = (int)WORKS(SYS(open_tree, AT_FDCWD, path, 1));
  WORKS(SYS(open_tree, AT_FDCWD, path, 1 | 0x8000));
  NEED(setns(namespace_of(child), 0));
  NEED(chdir(here));
  FAILS(SYS(move_mount, copy, "", AT_FDCWD, "file", 4), ELOOP);
  end(child);
}
