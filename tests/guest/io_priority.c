// Priorities at disks: ioprio_set(2) and ioprio_get(2).
#include "ktap.h"

#include <linux/ioprio.h>

#define VALUE(class, level) ((class) << 13 | (level))

static long set(int which, int who, int priority) { return SYS(ioprio_set, which, who, priority); }
static long get(int which, int who) { return SYS(ioprio_get, which, who); }

TEST(values) {
  IS(get(IOPRIO_WHO_PROCESS, 0), 0);
  for (int level = 0; level < 8; ++level) {
    WORKS(set(IOPRIO_WHO_PROCESS, 0, VALUE(IOPRIO_CLASS_BE, level)));
    IS(get(IOPRIO_WHO_PROCESS, getpid()), VALUE(IOPRIO_CLASS_BE, level));
  }
  WORKS(set(IOPRIO_WHO_PROCESS, 0, VALUE(IOPRIO_CLASS_RT, 3)));
  IS(get(IOPRIO_WHO_PROCESS, 0), VALUE(IOPRIO_CLASS_RT, 3));
  WORKS(set(IOPRIO_WHO_PROCESS, 0, VALUE(IOPRIO_CLASS_IDLE, 7)));
  IS(get(IOPRIO_WHO_PROCESS, 0), VALUE(IOPRIO_CLASS_IDLE, 7));
  FAILS(set(IOPRIO_WHO_PROCESS, 0, VALUE(IOPRIO_CLASS_NONE, 1)), EINVAL);
  WORKS(set(IOPRIO_WHO_PROCESS, 0, VALUE(IOPRIO_CLASS_NONE, 0)));
  IS(get(IOPRIO_WHO_PROCESS, 0), 0);
  FAILS(set(IOPRIO_WHO_PROCESS, 0, VALUE(4, 0)), EINVAL);
  FAILS(set(IOPRIO_WHO_PROCESS, 0, VALUE(7, 0)), EINVAL);
  FAILS(set(4, 0, VALUE(IOPRIO_CLASS_BE, 1)), EINVAL);
  FAILS(set(0, 0, VALUE(IOPRIO_CLASS_BE, 1)), EINVAL);
  FAILS(get(0, 0), EINVAL);
  FAILS(set(IOPRIO_WHO_PROCESS, 0x3fffffff, VALUE(IOPRIO_CLASS_BE, 1)), ESRCH);
  FAILS(get(IOPRIO_WHO_PROCESS, 0x3fffffff), ESRCH);
  FAILS(get(IOPRIO_WHO_PGRP, 0x3fffffff), ESRCH);
  FAILS(get(IOPRIO_WHO_USER, 54321), ESRCH);
}

TEST(inherited) {
  WORKS(set(IOPRIO_WHO_PROCESS, 0, VALUE(IOPRIO_CLASS_BE, 6)));
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) _exit(get(IOPRIO_WHO_PROCESS, 0) == VALUE(IOPRIO_CLASS_BE, 6) ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  IS(status, 0);
}

// Of several the best one is told; who has none of its own has what its niceness stands for.
TEST(groups) {
  NEED(setpgid(0, 0));
  IS(get(IOPRIO_WHO_PGRP, 0), VALUE(IOPRIO_CLASS_BE, 4));
  NEED(setpriority(PRIO_PROCESS, 0, 10));
  IS(get(IOPRIO_WHO_PGRP, 0), VALUE(IOPRIO_CLASS_BE, 6));
  IS(get(IOPRIO_WHO_PROCESS, 0), 0);
  WORKS(set(IOPRIO_WHO_PGRP, getpgrp(), VALUE(IOPRIO_CLASS_BE, 5)));
  IS(get(IOPRIO_WHO_PROCESS, 0), VALUE(IOPRIO_CLASS_BE, 5));
  IS(get(IOPRIO_WHO_PGRP, 0), VALUE(IOPRIO_CLASS_BE, 5));
  int ready[2];
  NEED(pipe(ready));
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) {
    set(IOPRIO_WHO_PROCESS, 0, VALUE(IOPRIO_CLASS_BE, 1));
    (void)!write(ready[1], "x", 1);
    pause();
  }
  char c;
  NEED(read(ready[0], &c, 1));
  IS(get(IOPRIO_WHO_PGRP, 0), VALUE(IOPRIO_CLASS_BE, 1));
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

TEST(rights) {
  pid_t const other = (pid_t)NEED(fork());
  if (other == 0) {
    pause();
    _exit(0);
  }
  NEED(setresuid(NOBODY, NOBODY, NOBODY));
  FAILS(set(IOPRIO_WHO_PROCESS, 0, VALUE(IOPRIO_CLASS_RT, 3)), EPERM);
  WORKS(set(IOPRIO_WHO_PROCESS, 0, VALUE(IOPRIO_CLASS_IDLE, 0)));
  FAILS(set(IOPRIO_WHO_PROCESS, other, VALUE(IOPRIO_CLASS_BE, 3)), EPERM);
  WORKS(get(IOPRIO_WHO_PROCESS, other));
  IS(get(IOPRIO_WHO_USER, NOBODY), VALUE(IOPRIO_CLASS_IDLE, 0));
  // Here 0 is root, not the caller.
  FAILS(set(IOPRIO_WHO_USER, 0, VALUE(IOPRIO_CLASS_BE, 2)), EPERM);
  WORKS(set(IOPRIO_WHO_USER, NOBODY, VALUE(IOPRIO_CLASS_BE, 2)));
  IS(get(IOPRIO_WHO_PROCESS, 0), VALUE(IOPRIO_CLASS_BE, 2));
}
