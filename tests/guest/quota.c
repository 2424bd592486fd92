// Quotas where there are none: quotactl(2).
#include "ktap.h"

#include "mounts.h"

#include <linux/dqblk_xfs.h>
#include <linux/quota.h>
#include <sys/sysmacros.h>

#ifndef SYS_quotactl_fd
#  define SYS_quotactl_fd 443
#endif
#ifndef PRJQUOTA
#  define PRJQUOTA 2
#endif
#define OF(command, type) ((unsigned)(command) << 8 | (type))

static char answer[512];

static int ask(unsigned command, char const* special) {
  return (int)SYS(quotactl, command, special, 0, answer);
}
static int ask_file(int file, unsigned command) {
  return (int)SYS(quotactl_fd, file, command, 0, answer);
}

static unsigned const commands[] = {Q_GETFMT,     Q_GETINFO,  Q_SETINFO,   Q_GETQUOTA, Q_SETQUOTA,
                                    Q_SYNC,       Q_QUOTAOFF, Q_QUOTAON,   Q_XQUOTAON, Q_XQUOTAOFF,
                                    Q_XGETQUOTA,  Q_XSETQLIM, Q_XGETQSTAT, Q_XQUOTARM, Q_XQUOTASYNC,
                                    Q_XGETQSTATV, 0,          0x123456};

static void go_to_tmpfs(void) {
  be_alone();
  NEED(mkdir("m", 0755));
  NEED(mount("none", "m", "tmpfs", 0, NULL));
  NEED(chdir("m"));
}

TEST(by_device) {
  go_to_tmpfs();
  close(make_file("file", ""));
  NEED(symlink("loop", "loop"));
  struct stat s;
  NEED(stat(".", &s));
  NEED(mknod("own", S_IFBLK | 0600, s.st_dev));
  NEED(mknod("nobody", S_IFBLK | 0600, makedev(0, 0xffff0)));
  NEED(mknod("zero", S_IFBLK | 0600, 0));
  NEED(mknod("null", S_IFCHR | 0600, makedev(1, 3)));
  NEED(symlink("own", "link"));
  for (size_t i = 0; i < sizeof commands / sizeof *commands; ++i) {
    FAILS(ask(OF(commands[i], USRQUOTA), "own"), ENOSYS);
    FAILS(ask(OF(commands[i], PRJQUOTA), "nobody"), ENODEV);
  }
  FAILS(ask(OF(Q_GETFMT, GRPQUOTA), "link"), ENOSYS);
  FAILS(ask(OF(Q_GETFMT, 3), "own"), EINVAL);
  FAILS(ask(OF(Q_GETFMT, 255), BAD_POINTER), EINVAL);
  FAILS(ask(OF(Q_SYNC, 3), NULL), EINVAL);
  FAILS(ask(OF(Q_GETFMT, USRQUOTA), "zero"), ENODEV);
  FAILS(ask(OF(Q_GETFMT, USRQUOTA), "file"), ENOTBLK);
  FAILS(ask(OF(Q_GETFMT, USRQUOTA), "null"), ENOTBLK);
  FAILS(ask(OF(Q_GETFMT, USRQUOTA), "."), ENOTBLK);
  FAILS(ask(OF(Q_GETFMT, USRQUOTA), "nosuch"), ENOENT);
  FAILS(ask(OF(Q_GETFMT, USRQUOTA), ""), ENOENT);
  FAILS(ask(OF(Q_GETFMT, USRQUOTA), "file/x"), ENOTDIR);
  FAILS(ask(OF(Q_GETFMT, USRQUOTA), "loop"), ELOOP);
  FAILS(ask(OF(Q_GETFMT, USRQUOTA), BAD_POINTER), EFAULT);
  FAILS(SYS(quotactl, OF(Q_SETQUOTA, USRQUOTA), "own", 0, BAD_POINTER), ENOSYS);
  FAILS(SYS(quotactl, OF(Q_QUOTAON, USRQUOTA), "own", 0, BAD_POINTER), ENOSYS);
  // Without a device: all there are, or none.
  WORKS(ask(OF(Q_SYNC, USRQUOTA), NULL));
  WORKS(ask(OF(Q_SYNC, PRJQUOTA), NULL));
  FAILS(ask(OF(Q_GETFMT, USRQUOTA), NULL), ENODEV);
  FAILS(ask(OF(Q_XQUOTASYNC, USRQUOTA), NULL), ENODEV);
  NEED(mount("none", ".", NULL, MS_REMOUNT | MS_BIND | MS_NODEV, NULL));
  FAILS(ask(OF(Q_GETFMT, USRQUOTA), "../m/own"), EACCES);
  // Whether there are any is everybody's business.
  IS(IN_CHILD({
       become_nobody();
       int bad = 0;
       if (ask(OF(Q_SYNC, USRQUOTA), NULL) != 0) bad |= 1;
       if (ask(OF(Q_SETQUOTA, USRQUOTA), NULL) != -1 || errno != ENODEV) bad |= 2;
       _exit(bad);
     }),
     0);
}

TEST(by_file) {
  go_to_tmpfs();
  int const file = make_file("file", "");
  int const place = (int)NEED(open(".", O_PATH));
  for (size_t i = 0; i < sizeof commands / sizeof *commands; ++i) {
    FAILS(ask_file(file, OF(commands[i], GRPQUOTA)), ENOSYS);
    FAILS(ask_file(place, OF(commands[i], PRJQUOTA)), ENOSYS);
  }
  FAILS(ask_file(file, OF(Q_SYNC, 3)), EINVAL);
  FAILS(ask_file(closed_descriptor(), OF(Q_SYNC, USRQUOTA)), EBADF);
  FAILS(ask_file(-1, OF(Q_SYNC, 3)), EBADF);
  int ends[2];
  NEED(pipe(ends));
  FAILS(ask_file(ends[0], OF(Q_GETQUOTA, USRQUOTA)), ENOSYS);
  close(file);
  NEED(mount("none", ".", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  FAILS(ask_file(place, OF(Q_SETQUOTA, USRQUOTA)), EROFS);
  FAILS(ask_file(place, OF(Q_GETQUOTA, USRQUOTA)), EROFS);
  FAILS(ask_file(place, OF(Q_QUOTAON, USRQUOTA)), EROFS);
  FAILS(ask_file(place, OF(0x123456, USRQUOTA)), EROFS);
  FAILS(ask_file(place, OF(Q_SETQUOTA, 3)), EINVAL);
  FAILS(ask_file(place, OF(Q_GETINFO, USRQUOTA)), ENOSYS);
  FAILS(ask_file(place, OF(Q_SYNC, USRQUOTA)), ENOSYS);
  FAILS(ask_file(place, OF(Q_XGETQUOTA, USRQUOTA)), ENOSYS);
  FAILS(ask_file(place, OF(Q_XQUOTASYNC, USRQUOTA)), ENOSYS);
}
