// What root's power is split into: capget(2), capset(2) and prctl(2).
#include "ktap.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>

#define ALL 0x1ffffffffffULL
#define BIT(cap) (1ULL << (cap))
#define NO_CAP 64

struct sets {
  uint64_t effective, permitted, inheritable;
};

static int get(struct sets* s) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {0};
  int const r = SYS(capget, &header, data);
  s->effective = (uint64_t)data[1].effective << 32 | data[0].effective;
  s->permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
  s->inheritable = (uint64_t)data[1].inheritable << 32 | data[0].inheritable;
  return r;
}

static int set(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct const data[2] = {
      {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
      {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)}};
  return SYS(capset, &header, data);
}

TEST(root_has_all) {
  struct sets s;
  IS(get(&s), 0);
  OK(s.effective == ALL);
  OK(s.permitted == ALL);
  OK(s.inheritable == 0);
}

TEST(versions) {
  struct __user_cap_data_struct data[2];
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_1, 0};
  data[1].effective = 5;
  IS(SYS(capget, &header, data), 0);
  OK(data[0].effective == 0xffffffff);
  IS(data[1].effective, 5);
  header.version = _LINUX_CAPABILITY_VERSION_2;
  IS(SYS(capget, &header, data), 0);
  OK(data[1].effective == ALL >> 32);
  header.version = 0;
  FAILS(SYS(capget, &header, data), EINVAL);
  IS(header.version, _LINUX_CAPABILITY_VERSION_3);
  header.version = 1;
  IS(SYS(capget, &header, NULL), 0);
  IS(header.version, _LINUX_CAPABILITY_VERSION_3);
  IS(SYS(capget, &header, NULL), 0);
  header.version = 2;
  FAILS(SYS(capset, &header, data), EINVAL);
  IS(header.version, _LINUX_CAPABILITY_VERSION_3);
}

TEST(bad_arguments) {
  struct __user_cap_data_struct data[2] = {0};
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  FAILS(SYS(capget, BAD_POINTER, data), EFAULT);
  FAILS(SYS(capget, NULL, NULL), EFAULT);
  FAILS(SYS(capget, &header, BAD_POINTER), EFAULT);
  FAILS(SYS(capset, &header, BAD_POINTER), EFAULT);
  FAILS(SYS(capset, BAD_POINTER, data), EFAULT);
  header.pid = -1;
  FAILS(SYS(capget, &header, data), EINVAL);
  FAILS(SYS(capset, &header, data), EPERM);
  header.pid = 4000000;
  FAILS(SYS(capget, &header, data), ESRCH);
  FAILS(SYS(capset, &header, data), EPERM);
  header.pid = getppid();
  IS(SYS(capget, &header, data), 0);
  FAILS(SYS(capset, &header, data), EPERM);
  header.pid = getpid();
  IS(SYS(capget, &header, data), 0);
  IS(SYS(capset, &header, data), 0);
}

TEST(sets_only_shrink) {
  IS(set(ALL, ALL, BIT(CAP_CHOWN)), 0);
  FAILS(set(ALL, ALL & ~BIT(CAP_KILL), 0), EPERM);
  IS(set(ALL & ~BIT(CAP_KILL), ALL & ~BIT(CAP_KILL), 0), 0);
  FAILS(set(ALL, ALL, 0), EPERM);
  struct sets s;
  get(&s);
  OK(s.permitted == (ALL & ~BIT(CAP_KILL)));
  // Raised again from what is permitted.
  IS(set(0, BIT(CAP_CHOWN), 0), 0);
  IS(set(BIT(CAP_CHOWN), BIT(CAP_CHOWN), 0), 0);
  // Without CAP_SETPCAP only what is permitted may be inherited.
  FAILS(set(0, 0, BIT(CAP_KILL)), EPERM);
  IS(set(0, 0, BIT(CAP_CHOWN)), 0);
}

TEST(unknown_bits_vanish) {
  IS(set(~0ULL, ~0ULL, 0), 0);
  struct sets s;
  get(&s);
  OK(s.permitted == ALL);
}

TEST(bounding) {
  IS(prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0), 1);
  IS(prctl(PR_CAPBSET_READ, 40, 0, 0, 0), 1);
  FAILS(prctl(PR_CAPBSET_READ, 41, 0, 0, 0), EINVAL);
  FAILS(prctl(PR_CAPBSET_READ, NO_CAP, 0, 0, 0), EINVAL);
  FAILS(prctl(PR_CAPBSET_DROP, NO_CAP, 0, 0, 0), EINVAL);
  IS(prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0), 0);
  IS(prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0), 0);
  FAILS(set(ALL, ALL, BIT(CAP_CHOWN)), EPERM);
  IS(set(ALL & ~BIT(CAP_SETPCAP), ALL, 0), 0);
  FAILS(prctl(PR_CAPBSET_DROP, CAP_KILL, 0, 0, 0), EPERM);
  FAILS(prctl(PR_CAPBSET_DROP, NO_CAP, 0, 0, 0), EPERM);
}

TEST(secure_bits) {
  IS(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), 0);
  FAILS(prctl(PR_SET_SECUREBITS, 0x100, 0, 0, 0), EPERM);
  IS(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NOROOT_LOCKED, 0, 0, 0), 0);
  IS(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), SECBIT_KEEP_CAPS | SECBIT_NOROOT_LOCKED);
  FAILS(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0), EPERM);
  FAILS(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0), EPERM);
  IS(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT_LOCKED, 0, 0, 0), 0);
  set(0, ALL, 0);
  FAILS(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT_LOCKED, 0, 0, 0), EPERM);
}

TEST(keep_caps) {
  IS(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0), 0);
  FAILS(prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0), EINVAL);
  IS(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 0);
  IS(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0), 1);
  IS(SYS(setresuid, 1000, 1000, 1000), 0);
  struct sets s;
  get(&s);
  OK(s.permitted == ALL);
  OK(s.effective == 0);
  IS(set(BIT(CAP_SETUID), ALL, 0), 0);
  IS(SYS(setresuid, 0, 0, 0), 0);
  get(&s);
  OK(s.effective == ALL);
  prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
  IS(SYS(setresuid, 1000, 1000, 1000), 0);
  get(&s);
  OK(s.permitted == 0);
}

TEST(locked_keep_caps) {
  IS(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS_LOCKED, 0, 0, 0), 0);
  FAILS(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), EPERM);
}

TEST(no_setuid_fixup) {
  IS(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), 0);
  IS(SYS(setresuid, 1000, 1000, 1000), 0);
  struct sets s;
  get(&s);
  OK(s.permitted == ALL);
  OK(s.effective == ALL);
}

static int ambient(long what, unsigned long cap) { return prctl(PR_CAP_AMBIENT, what, cap, 0, 0); }

TEST(ambient_set) {
  IS(ambient(PR_CAP_AMBIENT_IS_SET, CAP_CHOWN), 0);
  FAILS(ambient(PR_CAP_AMBIENT_IS_SET, 41), EINVAL);
  FAILS(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 1, 0), EINVAL);
  FAILS(ambient(99, CAP_CHOWN), EINVAL);
  FAILS(ambient(PR_CAP_AMBIENT_CLEAR_ALL, 1), EINVAL);
  FAILS(ambient(PR_CAP_AMBIENT_RAISE, CAP_CHOWN), EPERM);
  IS(set(ALL, ALL, BIT(CAP_CHOWN) | BIT(CAP_KILL)), 0);
  IS(ambient(PR_CAP_AMBIENT_RAISE, CAP_CHOWN), 0);
  IS(ambient(PR_CAP_AMBIENT_RAISE, CAP_KILL), 0);
  IS(ambient(PR_CAP_AMBIENT_IS_SET, CAP_CHOWN), 1);
  IS(ambient(PR_CAP_AMBIENT_LOWER, CAP_KILL), 0);
  IS(ambient(PR_CAP_AMBIENT_IS_SET, CAP_KILL), 0);
  // What is no longer inheritable leaves the set.
  IS(set(ALL, ALL, 0), 0);
  IS(ambient(PR_CAP_AMBIENT_IS_SET, CAP_CHOWN), 0);
  set(ALL, ALL, BIT(CAP_CHOWN));
  ambient(PR_CAP_AMBIENT_RAISE, CAP_CHOWN);
  IS(ambient(PR_CAP_AMBIENT_CLEAR_ALL, 0), 0);
  IS(ambient(PR_CAP_AMBIENT_IS_SET, CAP_CHOWN), 0);
  IS(prctl(PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE, 0, 0, 0), 0);
  FAILS(ambient(PR_CAP_AMBIENT_RAISE, CAP_CHOWN), EPERM);
}

TEST(ambient_set_and_ids) {
  set(ALL, ALL, BIT(CAP_CHOWN));
  ambient(PR_CAP_AMBIENT_RAISE, CAP_CHOWN);
  prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  IS(SYS(setresuid, 1000, 1000, 1000), 0);
  IS(ambient(PR_CAP_AMBIENT_IS_SET, CAP_CHOWN), 0);
}

TEST(thread_properties) {
  IS(prctl(PR_GET_TIMING, 0, 0, 0, 0), 0);
  IS(prctl(PR_SET_TIMING, 0, 0, 0, 0), 0);
  FAILS(prctl(PR_SET_TIMING, 1, 0, 0, 0), EINVAL);
  IS(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 0);
  FAILS(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0), EINVAL);
  FAILS(prctl(PR_SET_THP_DISABLE, 1, 1, 0, 0), EINVAL);
  IS(prctl(PR_SET_THP_DISABLE, 5, 0, 0, 0), 0);
  IS(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
  IS(IN_CHILD(_exit(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0))), EXITED(1));
  IS(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0), 0);
  IS(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 0);
  IS(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_DEFAULT);
  FAILS(prctl(PR_MCE_KILL_GET, 0, 1, 0, 0), EINVAL);
  IS(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0), 0);
  IS(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_EARLY);
  IS(IN_CHILD(_exit(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0))), EXITED(PR_MCE_KILL_EARLY));
  IS(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0), 0);
  IS(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_LATE);
  IS(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_DEFAULT, 0, 0), 0);
  IS(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_DEFAULT);
  FAILS(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, 7, 0, 0), EINVAL);
  IS(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_LATE);
  FAILS(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 1, 0), EINVAL);
  FAILS(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 1, 0, 0), EINVAL);
  FAILS(prctl(PR_MCE_KILL, 5, 0, 0, 0), EINVAL);
  IS(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0), 0);
  IS(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_DEFAULT);
  IS(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), 50000);
  IS(prctl(PR_SET_TIMERSLACK, 1234, 0, 0, 0), 0);
  IS(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), 1234);
  pid_t const child = NEED(fork());
  if (child == 0) {
    prctl(PR_SET_TIMERSLACK, 99, 0, 0, 0);
    prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0);
    _exit(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0) == 1234 ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  IS(status, 0);
  IS(prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0), 0);
  IS(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), 50000);
  int* word = NULL;
  int tid;
  SYS(set_tid_address, &tid);
  IS(prctl(PR_GET_TID_ADDRESS, &word, 0, 0, 0), 0);
  OK(word == &tid);
  FAILS(prctl(PR_GET_TID_ADDRESS, BAD_POINTER, 0, 0, 0), EFAULT);
}
