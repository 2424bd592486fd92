// The system calls of x86-64 by number. Source: Linux's <asm/unistd_64.h>.
#include "syscall/table.hpp"

#include "generated/uapi/syscall_nr.hpp"
#include "syscall/calls.hpp"

namespace auk::syscall {
namespace {

consteval Table make_table() {
  Table t{};
#define SYSCALL(name) t[uapi::nr::name] = {&Bind<&calls::name>::call, #name}
  SYSCALL(read);
  SYSCALL(write);
  SYSCALL(open);
  SYSCALL(close);
  SYSCALL(stat);
  SYSCALL(fstat);
  SYSCALL(lstat);
  SYSCALL(poll);
  SYSCALL(lseek);
  SYSCALL(mmap);
  SYSCALL(mprotect);
  SYSCALL(munmap);
  SYSCALL(brk);
  SYSCALL(rt_sigaction);
  SYSCALL(rt_sigprocmask);
  SYSCALL(rt_sigreturn);
  SYSCALL(ioctl);
  SYSCALL(pread64);
  SYSCALL(pwrite64);
  SYSCALL(readv);
  SYSCALL(writev);
  SYSCALL(access);
  SYSCALL(pipe);
  SYSCALL(select);
  SYSCALL(sched_yield);
  SYSCALL(mremap);
  SYSCALL(msync);
  SYSCALL(madvise);
  SYSCALL(dup);
  SYSCALL(dup2);
  SYSCALL(pause);
  SYSCALL(nanosleep);
  SYSCALL(getitimer);
  SYSCALL(alarm);
  SYSCALL(setitimer);
  SYSCALL(getpid);
  SYSCALL(sendfile);
  SYSCALL(clone);
  SYSCALL(fork);
  SYSCALL(vfork);
  SYSCALL(execve);
  SYSCALL(exit);
  SYSCALL(wait4);
  SYSCALL(kill);
  SYSCALL(uname);
  SYSCALL(fcntl);
  SYSCALL(fsync);
  SYSCALL(fdatasync);
  SYSCALL(truncate);
  SYSCALL(ftruncate);
  SYSCALL(getdents);
  SYSCALL(getcwd);
  SYSCALL(chdir);
  SYSCALL(fchdir);
  SYSCALL(rename);
  SYSCALL(mkdir);
  SYSCALL(rmdir);
  SYSCALL(creat);
  SYSCALL(link);
  SYSCALL(unlink);
  SYSCALL(symlink);
  SYSCALL(readlink);
  SYSCALL(chmod);
  SYSCALL(fchmod);
  SYSCALL(chown);
  SYSCALL(fchown);
  SYSCALL(lchown);
  SYSCALL(umask);
  SYSCALL(gettimeofday);
  SYSCALL(getrlimit);
  SYSCALL(getrusage);
  SYSCALL(sysinfo);
  SYSCALL(times);
  SYSCALL(getuid);
  SYSCALL(getgid);
  SYSCALL(setuid);
  SYSCALL(setgid);
  SYSCALL(geteuid);
  SYSCALL(getegid);
  SYSCALL(setpgid);
  SYSCALL(getppid);
  SYSCALL(getpgrp);
  SYSCALL(setsid);
  SYSCALL(setreuid);
  SYSCALL(setregid);
  SYSCALL(getgroups);
  SYSCALL(setgroups);
  SYSCALL(setresuid);
  SYSCALL(getresuid);
  SYSCALL(setresgid);
  SYSCALL(getresgid);
  SYSCALL(getpgid);
  SYSCALL(setfsuid);
  SYSCALL(setfsgid);
  SYSCALL(getsid);
  SYSCALL(rt_sigpending);
  SYSCALL(rt_sigtimedwait);
  SYSCALL(rt_sigqueueinfo);
  SYSCALL(rt_sigsuspend);
  SYSCALL(sigaltstack);
  SYSCALL(utime);
  SYSCALL(mknod);
  SYSCALL(statfs);
  SYSCALL(fstatfs);
  SYSCALL(getpriority);
  SYSCALL(prctl);
  SYSCALL(arch_prctl);
  SYSCALL(setrlimit);
  SYSCALL(pivot_root);
  SYSCALL(chroot);
  SYSCALL(sync);
  SYSCALL(settimeofday);
  SYSCALL(mount);
  SYSCALL(umount2);
  SYSCALL(reboot);
  SYSCALL(sethostname);
  SYSCALL(setdomainname);
  SYSCALL(gettid);
  SYSCALL(tkill);
  SYSCALL(time);
  SYSCALL(futex);
  SYSCALL(sched_getaffinity);
  SYSCALL(getdents64);
  SYSCALL(set_tid_address);
  SYSCALL(restart_syscall);
  SYSCALL(clock_settime);
  SYSCALL(clock_gettime);
  SYSCALL(clock_getres);
  SYSCALL(clock_nanosleep);
  SYSCALL(exit_group);
  SYSCALL(tgkill);
  SYSCALL(utimes);
  SYSCALL(waitid);
  SYSCALL(openat);
  SYSCALL(openat2);
  SYSCALL(unshare);
  SYSCALL(mkdirat);
  SYSCALL(mknodat);
  SYSCALL(fchownat);
  SYSCALL(newfstatat);
  SYSCALL(unlinkat);
  SYSCALL(renameat);
  SYSCALL(linkat);
  SYSCALL(symlinkat);
  SYSCALL(readlinkat);
  SYSCALL(fchmodat);
  SYSCALL(faccessat);
  SYSCALL(pselect6);
  SYSCALL(ppoll);
  SYSCALL(set_robust_list);
  SYSCALL(utimensat);
  SYSCALL(dup3);
  SYSCALL(pipe2);
  SYSCALL(preadv);
  SYSCALL(pwritev);
  SYSCALL(rt_tgsigqueueinfo);
  SYSCALL(prlimit64);
  SYSCALL(getcpu);
  SYSCALL(renameat2);
  SYSCALL(getrandom);
  SYSCALL(execveat);
  SYSCALL(statx);
  SYSCALL(clone3);
  SYSCALL(close_range);
  SYSCALL(faccessat2);
#undef SYSCALL
  return t;
}

}  // namespace

constinit const Table table = make_table();

}  // namespace auk::syscall
