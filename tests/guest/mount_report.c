// Mounts by their numbers: statmount(2), listmount(2).
#include "ktap.h"
#include "mounts.h"

#include <linux/stat.h>
#include <sys/sysmacros.h>

// Newer than the C library.
#ifndef SYS_statmount
#  define SYS_statmount 457
#endif
#ifndef SYS_listmount
#  define SYS_listmount 458
#endif

struct request {
  uint32_t size, fd;
  uint64_t id, param, space;
};
struct facts {
  uint32_t size, options;
  uint64_t mask;
  uint32_t major, minor;
  uint64_t magic;
  uint32_t super_flags, type;
  uint64_t id, parent;
  uint32_t old_id, old_parent;
  uint64_t attributes, propagation, peers, master, from;
  uint32_t root, point;
  uint64_t space, spare[49];
  char text[1024];
};
enum { SUPER = 1, MOUNT = 2, FROM = 4, ROOT = 8, POINT = 16, TYPE = 32, SPACE = 64, OPTIONS = 128 };
#define ROOT_ID (~0UL)
#define FIRST (1UL << 31)
#define REVERSE 1

static long report(uint64_t id, uint64_t mask, void* to, size_t size) {
  struct request r = {.size = sizeof r, .id = id, .param = mask};
  return SYS(statmount, &r, to, size, 0);
}
static long list(uint64_t id, uint64_t after, uint64_t* to, size_t count, unsigned flags) {
  struct request r = {.size = sizeof r, .id = id, .param = after};
  return SYS(listmount, &r, to, count, flags);
}
static uint64_t id_of(char const* path) {
  struct statx s;
  NEED(SYS(statx, AT_FDCWD, path, 0, 0x4000 /* STATX_MNT_ID_UNIQUE */, &s));
  return s.stx_mnt_id;
}
static void make_mount(char const* path) {
  NEED(mkdir(path, 0755));
  NEED(mount("what it is", path, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m"));
}

TEST(one) {
  be_alone();
  make_mount("at");
  NEED(mkdir("at/a b", 0755));
  NEED(mkdir("to", 0755));
  NEED(mount("at/a b", "to", NULL, MS_BIND, NULL));
  NEED(mount("none", "at", NULL, MS_SHARED, NULL));
  uint64_t const id = id_of("at");
  OK(id > FIRST);
  static struct facts f;
  char here[PATH_MAX], wanted[PATH_MAX + 8];
  NEED(SYS(getcwd, here, sizeof here));
  IS(report(id, SUPER | MOUNT | FROM | ROOT | POINT | TYPE | SPACE | OPTIONS, &f, sizeof f), 0);
  IS(f.mask, 255);
  struct stat s;
  NEED(stat("at", &s));
  OK(f.major == major(s.st_dev) && f.minor == minor(s.st_dev));
  IS(f.magic, 0x01021994);
  IS(f.super_flags, 0);
  OK(f.id == id && f.parent == id_of("."));
  OK(f.old_id != 0 && f.old_parent != f.old_id);
  IS(f.attributes, 6);
  IS(f.propagation, MS_SHARED);
  OK(f.peers != 0);
  IS(f.master, 0);
  IS(f.from, 0);
  OK(f.space != 0);
  OK(strcmp(f.text + f.type, "tmpfs") == 0);
  OK(strcmp(f.text + f.root, "/") == 0);
  snprintf(wanted, sizeof wanted, "%s/at", here);
  OK(strcmp(f.text + f.point, wanted) == 0);
  OK(strcmp(f.text + f.options, "size=1024k,inode64") == 0);
  IS(f.text[0], 0);
  // Only what is asked for.
  memset(&f, 0xff, sizeof f);
  IS(report(id_of("to"), ROOT, &f, sizeof f), 0);
  IS(f.mask, ROOT);
  IS(f.id, 0);
  IS(f.size, 512 + 1 + 5);
  OK(strcmp(f.text + f.root, "/a b") == 0);
  memset(&f, 0xff, sizeof f);
  IS(report(id, MOUNT, &f, 64), 0);
  IS(f.size, 64);
  OK(f.id == id && f.space == ~0UL);
  FAILS(report(id, TYPE, &f, 512), EOVERFLOW);
  FAILS(report(id, TYPE, &f, 518), EOVERFLOW);
  IS(report(id, TYPE, &f, 519), 0);
}

TEST(what_is_wrong) {
  static struct facts f;
  uint64_t const id = id_of("/");
  FAILS(report(0, MOUNT, &f, sizeof f), EINVAL);
  FAILS(report(FIRST, MOUNT, &f, sizeof f), EINVAL);
  FAILS(report(1UL << 60, MOUNT, &f, sizeof f), ENOENT);
  FAILS(report(id, MOUNT, BAD_POINTER, sizeof f), EFAULT);
  struct request r = {.size = 23, .id = id, .param = MOUNT};
  FAILS(SYS(statmount, &r, &f, sizeof f, 0), EINVAL);
  r.size = 5000;
  FAILS(SYS(statmount, &r, &f, sizeof f, 0), E2BIG);
  r.size = sizeof r;
  FAILS(SYS(statmount, &r, &f, sizeof f, 1), EINVAL);
  FAILS(SYS(statmount, BAD_POINTER, &f, sizeof f, 0), EFAULT);
  r.size = 24;
  IS(SYS(statmount, &r, &f, sizeof f, 0), 0);
  r.size = sizeof r;
  r.space = 1UL << 60;
  FAILS(SYS(statmount, &r, &f, sizeof f, 0), ENOENT);
  uint64_t ids[4];
  FAILS(list(0, 0, ids, 4, 0), EINVAL);
  FAILS(list(ROOT_ID, 1, ids, 4, 0), EINVAL);
  FAILS(list(ROOT_ID, 0, ids, 4, 2), EINVAL);
  FAILS(list(ROOT_ID, 0, ids, 1000001, 0), EOVERFLOW);
  FAILS(list(ROOT_ID, 0, BAD_POINTER, 4, 0), EFAULT);
  FAILS(list(1UL << 60, 0, ids, 4, 0), ENOENT);
}

TEST(several) {
  be_alone();
  make_mount("a");
  make_mount("a/b");
  make_mount("a/c");
  make_mount("a/b/d");
  uint64_t ids[256];
  uint64_t const a = id_of("a"), b = id_of("a/b"), c = id_of("a/c"), d = id_of("a/b/d");
  IS(list(a, 0, ids, 256, 0), 3);
  OK(ids[0] == b && ids[1] == c && ids[2] == d);
  IS(list(a, 0, ids, 256, REVERSE), 3);
  OK(ids[0] == d && ids[1] == c && ids[2] == b);
  IS(list(a, 0, ids, 2, 0), 2);
  IS(list(a, ids[1], ids, 2, 0), 1);
  OK(ids[0] == d);
  IS(list(a, c, ids, 256, REVERSE), 1);
  OK(ids[0] == b);
  IS(list(a, ~0UL, ids, 256, 0), 0);
  IS(list(a, 0, ids, 0, 0), 0);
  // More room than the kernel would give at once.
  IS(list(a, 0, ids, 1000000, 0), 3);
  IS(list(b, 0, ids, 256, 0), 1);
  long const all = list(ROOT_ID, 0, ids, 256, 0);
  OK(all >= 5);
  bool sorted = true, has_d = false;
  for (long i = 0; i < all; ++i) {
    sorted = sorted && (i == 0 || ids[i - 1] < ids[i]);
    has_d = has_d || ids[i] == d;
  }
  OK(sorted && has_d);
  // What is not below the root is not to be seen by everybody.
  NEED(chroot("a/b"));
  IS(IN_CHILD(become_nobody(); static struct facts f;
              _exit(report(c, MOUNT, &f, sizeof f) == -1 ? errno : 0)),
     EXITED(EPERM));
  IS(IN_CHILD(become_nobody(); static struct facts f;
              _exit(report(d, MOUNT, &f, sizeof f) == -1 ? errno : 0)),
     0);
  IS(IN_CHILD(become_nobody(); _exit(list(a, 0, ids, 4, 0) == -1 ? errno : 0)), EXITED(EPERM));
  IS(list(ROOT_ID, 0, ids, 256, 0), 2);
}

TEST(propagation) {
  be_alone();
  make_mount("a");
  NEED(mount("none", "a", NULL, MS_SHARED, NULL));
  NEED(mkdir("b", 0755));
  NEED(mount("a", "b", NULL, MS_BIND, NULL));
  NEED(mount("none", "b", NULL, MS_SLAVE, NULL));
  static struct facts f;
  IS(report(id_of("a"), MOUNT, &f, sizeof f), 0);
  uint64_t const peers = f.peers;
  IS(report(id_of("b"), MOUNT | FROM, &f, sizeof f), 0);
  IS(f.propagation, MS_SLAVE);
  OK(f.peers == 0 && f.master == peers && f.from == peers);
  NEED(mount("none", "b", NULL, MS_SHARED, NULL));
  NEED(mkdir("c", 0755));
  NEED(mount("b", "c", NULL, MS_BIND, NULL));
  NEED(mount("none", "c", NULL, MS_SLAVE, NULL));
  NEED(umount("b"));
  IS(report(id_of("c"), MOUNT | FROM, &f, sizeof f), 0);
  OK(f.from == peers);
}
