// Capabilities of program files: what setxattr(2) takes, what they do at execve(2), and what they
// do not survive. See capabilities(7).
#include <linux/capability.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

#include "ktap.h"

#define NAME "security.capability"
#define BIT(cap) (1ULL << (cap))
#define ALL 0x1ffffffffffULL
#define EFFECTIVE VFS_CAP_FLAGS_EFFECTIVE
#define REPORT "REPORT_CAPS"

struct report {
  uint64_t effective, permitted, ambient;
  int euid, is_secure, is_dumpable;
};

// The program under test is a copy of this one.
__attribute__((constructor)) static void report_caps(void) {
  if (getenv(REPORT) == NULL && !getauxval(AT_SECURE)) return;
  if (fcntl(9, F_GETFD) < 0) return;
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {0};
  struct report r = {0};
  if (SYS(capget, &header, data) != 0) _exit(2);
  r.effective = (uint64_t)data[1].effective << 32 | data[0].effective;
  r.permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
  for (int cap = 0; cap <= CAP_LAST_CAP; ++cap)
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1) r.ambient |= BIT(cap);
  r.euid = (int)geteuid();
  r.is_secure = getauxval(AT_SECURE) != 0;
  r.is_dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
  _exit(write(9, &r, sizeof r) == sizeof r ? 0 : 3);
}

static int set_inheritable(uint64_t inheritable) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {0};
  NEED(SYS(capget, &header, data));
  data[0].inheritable = (uint32_t)inheritable;
  data[1].inheritable = (uint32_t)(inheritable >> 32);
  return SYS(capset, &header, data);
}

static void make_program(char const* path) {
  NEED(chmod(".", 0755));
  int const from = (int)NEED(open("/proc/self/exe", O_RDONLY));
  int const to = (int)NEED(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755));
  struct stat s;
  NEED(fstat(from, &s));
  for (off_t done = 0; done < s.st_size;) done += NEED(sendfile(to, from, NULL, s.st_size));
  close(to);
  close(from);
}

static int give(char const* path, uint64_t permitted, uint64_t inheritable, unsigned flags) {
  struct vfs_cap_data const v = {VFS_CAP_REVISION_2 | flags,
                                 {{(uint32_t)permitted, (uint32_t)inheritable},
                                  {(uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)}}};
  return setxattr(path, NAME, &v, sizeof v, 0);
}

enum {
  AS_ROOT,
  AS_NOBODY = 1,
  NO_NEW_PRIVS = 2,
  INHERITS_KILL = 4,
  BOUNDED = 8,
  AMBIENT_KILL = 16
};

// What the program finds; its exit code is the errno if it does not start.
static struct report run(char const* path, int how, int* status) {
  struct report r = {0};
  int ends[2];
  NEED(pipe(ends));
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) {
    NEED(dup2(ends[1], 9));
    if (how & BOUNDED) NEED(prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0));
    if (how & INHERITS_KILL) NEED(set_inheritable(BIT(CAP_KILL)));
    if (how & AMBIENT_KILL) {
      NEED(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
      NEED(SYS(setresgid, NOBODY, NOBODY, NOBODY));
      NEED(SYS(setresuid, NOBODY, NOBODY, NOBODY));
      NEED(set_inheritable(BIT(CAP_KILL)));
      NEED(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
    } else if (how & AS_NOBODY) {
      become_nobody();
    }
    if (how & NO_NEW_PRIVS) NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    execve(path, (char*[]){(char*)path, NULL}, (char*[]){REPORT "=1", NULL});
    _exit(errno);
  }
  close(ends[1]);
  if (read(ends[0], &r, sizeof r) != sizeof r) r.euid = -1;
  close(ends[0]);
  *status = ktap_status_of(child);
  return r;
}

static bool has_caps(char const* path) { return getxattr(path, NAME, NULL, 0) > 0; }

TEST(values) {
  struct vfs_ns_cap_data v = {VFS_CAP_REVISION_3, {{1, 2}, {3, 4}}, 0}, got = {0};
  close(make_file("file", "x"));
  FAILS(getxattr("file", NAME, &got, sizeof got), ENODATA);
  WORKS(setxattr("file", NAME, &v, XATTR_CAPS_SZ_3, 0));
  // In the form that needs no namespace.
  IS(getxattr("file", NAME, &got, sizeof got), XATTR_CAPS_SZ_2);
  IS(got.magic_etc, VFS_CAP_REVISION_2);
  IS(got.data[1].inheritable, 4);
  IS(getxattr("file", NAME, NULL, 0), XATTR_CAPS_SZ_2);
  FAILS(getxattr("file", NAME, &got, 10), ERANGE);
  v.rootid = 1000;
  WORKS(setxattr("file", NAME, &v, XATTR_CAPS_SZ_3, XATTR_REPLACE));
  IS(getxattr("file", NAME, &got, sizeof got), XATTR_CAPS_SZ_3);
  IS(got.rootid, 1000);
  FAILS(setxattr("file", NAME, &v, XATTR_CAPS_SZ_2, 0), EINVAL);
  FAILS(setxattr("file", NAME, &v, 2, 0), EINVAL);
  v.magic_etc = VFS_CAP_REVISION_2 | EFFECTIVE;
  FAILS(setxattr("file", NAME, &v, XATTR_CAPS_SZ_3, 0), EINVAL);
  WORKS(setxattr("file", NAME, &v, XATTR_CAPS_SZ_2, 0));
  v.magic_etc = VFS_CAP_REVISION_1;
  FAILS(setxattr("file", NAME, &v, XATTR_CAPS_SZ_1, 0), EINVAL);
  v.magic_etc = VFS_CAP_REVISION_2 | 2;
  FAILS(setxattr("file", NAME, &v, XATTR_CAPS_SZ_2, 0), EINVAL);
  v.magic_etc = 0x9000000;
  FAILS(setxattr("file", NAME, &v, XATTR_CAPS_SZ_3, 0), EINVAL);
  NEED(chown("file", NOBODY, NOBODY));
  NEED(give("file", 1, 0, 0));
  NEED(chmod(".", 0755));
  become_nobody();
  IS(getxattr("file", NAME, &got, sizeof got), XATTR_CAPS_SZ_2);
  FAILS(give("file", 0, 0, 0), EPERM);
  FAILS(removexattr("file", NAME), EPERM);
}

TEST(what_a_program_gets) {
  int status;
  make_program("program");
  struct report r = run("./program", AS_NOBODY, &status);
  IS(status, 0);
  IS(r.permitted, 0);
  IS(r.is_secure, 0);
  IS(r.is_dumpable, 1);
  NEED(give("program", BIT(CAP_CHOWN) | BIT(CAP_CHECKPOINT_RESTORE), BIT(CAP_KILL), EFFECTIVE));
  r = run("./program", AS_NOBODY, &status);
  IS(status, 0);
  IS(r.permitted, BIT(CAP_CHOWN) | BIT(CAP_CHECKPOINT_RESTORE));
  IS(r.effective, r.permitted);
  IS(r.euid, NOBODY);
  IS(r.is_secure, 1);
  IS(r.is_dumpable, 0);
  r = run("./program", AS_NOBODY | INHERITS_KILL, &status);
  IS(r.permitted, BIT(CAP_CHOWN) | BIT(CAP_CHECKPOINT_RESTORE) | BIT(CAP_KILL));
  // Root has everything as it is.
  r = run("./program", AS_ROOT, &status);
  IS(r.permitted, ALL);
  IS(r.is_secure, 0);
  IS(r.is_dumpable, 1);
}

TEST(not_in_force_at_once) {
  int status;
  make_program("program");
  NEED(give("program", BIT(CAP_CHOWN), 0, 0));
  struct report r = run("./program", AS_NOBODY, &status);
  IS(status, 0);
  IS(r.permitted, BIT(CAP_CHOWN));
  IS(r.effective, 0);
  IS(r.is_secure, 1);
  // No more than the bounding set lets through.
  r = run("./program", AS_NOBODY | BOUNDED, &status);
  IS(status, 0);
  IS(r.permitted, 0);
  NEED(give("program", BIT(CAP_CHOWN) | BIT(CAP_KILL), 0, EFFECTIVE));
  run("./program", AS_NOBODY | BOUNDED, &status);
  IS(status, EXITED(EPERM));
}

TEST(nothing_new_where_nothing_may_be) {
  int status;
  make_program("program");
  NEED(give("program", BIT(CAP_CHOWN), 0, EFFECTIVE));
  struct report r = run("./program", AS_NOBODY | NO_NEW_PRIVS, &status);
  IS(status, 0);
  IS(r.permitted, 0);
  IS(r.effective, 0);
  NEED(mkdir("nosuid", 0755));
  NEED(mount("none", "nosuid", "tmpfs", MS_NOSUID, NULL));
  make_program("nosuid/program");
  NEED(give("nosuid/program", BIT(CAP_CHOWN), 0, EFFECTIVE));
  r = run("nosuid/program", AS_NOBODY, &status);
  IS(status, 0);
  IS(r.permitted, 0);
  IS(r.is_secure, 0);
  NEED(umount("nosuid"));
  // Root without capabilities, and without hope of any.
  NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct const none[2] = {0};
  NEED(SYS(capset, &header, none));
  r = run("./program", AS_ROOT, &status);
  IS(status, 0);
  IS(r.permitted, 0);
}

TEST(with_owners_and_ambient_sets) {
  int status;
  make_program("program");
  struct report r = run("./program", AMBIENT_KILL, &status);
  IS(status, 0);
  IS(r.ambient, BIT(CAP_KILL));
  IS(r.effective, BIT(CAP_KILL));
  NEED(give("program", BIT(CAP_CHOWN), 0, EFFECTIVE));
  r = run("./program", AMBIENT_KILL, &status);
  IS(r.ambient, 0);
  IS(r.permitted, BIT(CAP_CHOWN));
  // Set-user-ID root with capabilities has these alone.
  NEED(chmod("program", 04755));
  r = run("./program", AS_NOBODY, &status);
  IS(status, 0);
  IS(r.euid, 0);
  IS(r.permitted, BIT(CAP_CHOWN));
  NEED(removexattr("program", NAME));
  r = run("./program", AS_NOBODY, &status);
  IS(r.euid, 0);
  IS(r.permitted, ALL);
}

TEST(what_they_do_not_survive) {
  int const file = make_file("file", "some bytes");
  NEED(give("file", 1, 0, 0));
  OK(has_caps("file"));
  NEED(chmod("file", 0700));
  OK(has_caps("file"));
  IS(write(file, "x", 1), 1);
  OK(!has_caps("file"));
  NEED(give("file", 1, 0, 0));
  IS(pwrite(file, "x", 1, 3), 1);
  OK(!has_caps("file"));
  NEED(give("file", 1, 0, 0));
  NEED(ftruncate(file, 3));
  OK(!has_caps("file"));
  NEED(give("file", 1, 0, 0));
  close((int)NEED(open("file", O_WRONLY | O_TRUNC)));
  OK(!has_caps("file"));
  NEED(give("file", 1, 0, 0));
  NEED(chown("file", 1000, -1));
  OK(!has_caps("file"));
  NEED(give("file", 1, 0, 0));
  NEED(fallocate(file, 0, 0, 100));
  OK(!has_caps("file"));
  // Nobody's chown(2) that changes nothing, where there is something to lose.
  NEED(give("file", 1, 0, 0));
  NEED(chmod("file", 04755));
  NEED(chmod(".", 0755));
  NEED(give("file", 1, 0, 0));
  int const status = IN_CHILD(become_nobody(); _exit(chown("file", -1, -1) == 0 ? 0 : errno));
  IS(status, EXITED(EPERM));
  OK(has_caps("file"));
  NEED(chown("file", -1, -1));
  OK(!has_caps("file"));
  struct stat s;
  NEED(stat("file", &s));
  IS(s.st_mode & 07777, 0755);
  NEED(give("file", 1, 0, 0));
  NEED(rename("file", "other"));
  OK(has_caps("other"));
}
