// Calls with a little to each: ustat(2), sysfs(2), vhangup(2), lsm_list_modules(2) and its kin,
// mseal(2), pkey_mprotect(2), map_shadow_stack(2).
#include "ktap.h"

// Newer than the C library.
#ifndef SYS_lsm_get_self_attr
#  define SYS_lsm_get_self_attr 459
#endif
#ifndef SYS_lsm_set_self_attr
#  define SYS_lsm_set_self_attr 460
#endif
#ifndef SYS_lsm_list_modules
#  define SYS_lsm_list_modules 461
#endif
#ifndef SYS_mseal
#  define SYS_mseal 462
#endif
#ifndef SYS_map_shadow_stack
#  define SYS_map_shadow_stack 453
#endif
enum { LSM_ID_CAPABILITY = 100, LSM_ATTR_CURRENT = 100 };
struct lsm_ctx {
  uint64_t id, flags, len, ctx_len;
};

TEST(old_statistics) {
  struct {
    int free_blocks;
    unsigned long free_inodes;
    char name[6], pack[6];
  } u;
  struct stat s;
  NEED(stat("/tmp", &s));
  memset(&u, 0xff, sizeof u);
  IS(SYS(ustat, s.st_dev, &u), 0);
  OK(u.free_blocks > 0 && u.free_inodes > 0 && u.name[0] == 0 && u.pack[0] == 0);
  FAILS(SYS(ustat, 0xfffff, &u), EINVAL);
  FAILS(SYS(ustat, s.st_dev, BAD_POINTER), EFAULT);
}

TEST(kinds_of_file_systems) {
  long const count = SYS(sysfs, 3, 0, 0);
  OK(count > 3);
  long const tmpfs = SYS(sysfs, 1, "tmpfs", 0);
  OK(tmpfs >= 0 && tmpfs < count);
  char name[64];
  IS(SYS(sysfs, 2, tmpfs, name), 0);
  OK(strcmp(name, "tmpfs") == 0);
  FAILS(SYS(sysfs, 1, "nothing", 0), EINVAL);
  FAILS(SYS(sysfs, 1, BAD_POINTER, 0), EFAULT);
  FAILS(SYS(sysfs, 2, count, name), EINVAL);
  FAILS(SYS(sysfs, 2, 0, BAD_POINTER), EFAULT);
  FAILS(SYS(sysfs, 4, 0, 0), EINVAL);
}

TEST(hang_up) {
  IS(IN_CHILD(become_nobody(); _exit(SYS(vhangup) == -1 ? errno : 0)), EXITED(EPERM));
  // Without a terminal there is nothing to do.
  IS(IN_CHILD(setsid(); _exit(SYS(vhangup) == 0 ? 0 : errno)), 0);
  int const master = (int)NEED(open("/dev/ptmx", O_RDWR | O_NOCTTY));
  int zero = 0, number = 0;
  NEED(ioctl(master, TIOCSPTLCK, &zero));
  NEED(ioctl(master, TIOCGPTN, &number));
  char path[32];
  snprintf(path, sizeof path, "/dev/pts/%d", number);
  int const status = IN_CHILD({
    signal(SIGHUP, SIG_IGN);
    setsid();
    int const terminal = open(path, O_RDWR);
    if (SYS(vhangup) != 0) _exit(1);
    char c;
    if (read(terminal, &c, 1) != 0) _exit(2);
    if (write(terminal, "x", 1) != -1 || errno != EIO) _exit(3);
    if (open("/dev/tty", O_RDWR) != -1 || errno != ENXIO) _exit(4);
  });
  IS(status, 0);
}

TEST(security_modules) {
  uint64_t ids[32];
  uint32_t size = sizeof ids;
  long const count = SYS(lsm_list_modules, ids, &size, 0);
  OK(count >= 1 && size == count * 8);
  bool has_capability = false;
  for (long i = 0; i < count; ++i) has_capability = has_capability || ids[i] == LSM_ID_CAPABILITY;
  OK(has_capability);
  FAILS(SYS(lsm_list_modules, ids, &size, 1), EINVAL);
  FAILS(SYS(lsm_list_modules, ids, BAD_POINTER, 0), EFAULT);
  uint32_t less = 4;
  FAILS(SYS(lsm_list_modules, ids, &less, 0), E2BIG);
  OK(less == size);
  char buffer[512];
  size = sizeof buffer;
  FAILS(SYS(lsm_get_self_attr, 0, buffer, &size, 0), EINVAL);
  FAILS(SYS(lsm_get_self_attr, LSM_ATTR_CURRENT, buffer, NULL, 0), EINVAL);
  FAILS(SYS(lsm_get_self_attr, LSM_ATTR_CURRENT, buffer, BAD_POINTER, 0), EFAULT);
  FAILS(SYS(lsm_get_self_attr, LSM_ATTR_CURRENT, buffer, &size, 2), EINVAL);
  struct lsm_ctx ctx = {.id = LSM_ID_CAPABILITY, .len = sizeof ctx};
  FAILS(SYS(lsm_set_self_attr, LSM_ATTR_CURRENT, &ctx, sizeof ctx, 0), EOPNOTSUPP);
  FAILS(SYS(lsm_set_self_attr, LSM_ATTR_CURRENT, &ctx, sizeof ctx, 1), EINVAL);
  FAILS(SYS(lsm_set_self_attr, LSM_ATTR_CURRENT, &ctx, 31, 0), EINVAL);
  FAILS(SYS(lsm_set_self_attr, LSM_ATTR_CURRENT, &ctx, 5000, 0), E2BIG);
  FAILS(SYS(lsm_set_self_attr, LSM_ATTR_CURRENT, BAD_POINTER, sizeof ctx, 0), EFAULT);
  ctx.ctx_len = 1;
  FAILS(SYS(lsm_set_self_attr, LSM_ATTR_CURRENT, &ctx, sizeof ctx, 0), EINVAL);
}

static char* map(size_t pages, int rights) {
  char* const at = mmap(NULL, pages * 4096, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) ktap_give_up("pages");
  return at;
}
static long seal(void* at, size_t size) { return SYS(mseal, at, size, 0); }

TEST(sealed) {
  char* const at = map(8, PROT_READ | PROT_WRITE);
  IS(seal(at, 0), 0);
  FAILS(SYS(mseal, at, 4096, 1), EINVAL);
  FAILS(seal(at + 1, 4096), EINVAL);
  FAILS(seal(at, ~0UL), EINVAL);
  char* const hole = map(3, PROT_READ);
  NEED(munmap(hole + 4096, 4096));
  FAILS(seal(hole, 3 * 4096), ENOMEM);
  WORKS(mprotect(hole, 4096, PROT_NONE));
  IS(seal(at + 4096, 2 * 4096), 0);
  IS(seal(at + 4096, 4096), 0);
  FAILS(munmap(at + 4096, 4096), EPERM);
  FAILS(munmap(at, 8 * 4096), EPERM);
  at[0] = 1;
  FAILS(mprotect(at + 2 * 4096, 4096, PROT_READ), EPERM);
  FAILS(SYS(pkey_mprotect, at + 2 * 4096, 4096, PROT_READ, -1), EPERM);
  FAILS((long)mremap(at + 4096, 4096, 2 * 4096, MREMAP_MAYMOVE), EPERM);
  FAILS((long)mremap(at + 4 * 4096, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, at + 4096), EPERM);
  FAILS((long)mmap(at, 4 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EPERM);
  at[4096] = 2;
  // What may be written may be thrown away.
  WORKS(madvise(at + 4096, 4096, MADV_DONTNEED));
  IS(at[4096], 0);
  WORKS(munmap(at, 4096));
  WORKS(munmap(at + 3 * 4096, 5 * 4096));
  IS(IN_CHILD(_exit(munmap(at + 4096, 4096) == -1 ? errno : 0)), EXITED(EPERM));
}

TEST(sealed_constants) {
  char* const at = map(2, PROT_READ | PROT_WRITE);
  at[0] = 7;
  NEED(mprotect(at, 4096, PROT_READ));
  IS(seal(at, 4096), 0);
  FAILS(madvise(at, 4096, MADV_DONTNEED), EPERM);
  FAILS(madvise(at, 4096, MADV_FREE), EPERM);
  FAILS(madvise(at, 4096, MADV_DONTFORK), EPERM);
  FAILS(madvise(at, 4096, MADV_WIPEONFORK), EPERM);
  WORKS(madvise(at, 4096, MADV_DONTDUMP));
  IS(at[0], 7);
}

TEST(keys) {
  char* const at = map(1, PROT_READ);
  WORKS(SYS(pkey_mprotect, at, 4096, PROT_READ | PROT_WRITE, -1));
  at[0] = 1;
  FAILS(SYS(pkey_mprotect, at, 4096, PROT_READ, 15), EINVAL);
  FAILS(SYS(pkey_mprotect, at, 4096, PROT_READ, -2), EINVAL);
  FAILS(SYS(pkey_alloc, 1, 0), EINVAL);
  FAILS(SYS(pkey_alloc, 0, 4), EINVAL);
  FAILS(SYS(pkey_free, 15), EINVAL);
  FAILS(SYS(pkey_free, -1), EINVAL);
}

TEST(shadow_stacks) { FAILS(SYS(map_shadow_stack, 0, 4096, 0), EOPNOTSUPP); }
