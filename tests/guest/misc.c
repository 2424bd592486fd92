// What does not fit elsewhere: the system's facts, limits, users, randomness, registers.
#include "ktap.h"

#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

TEST(names_of_system) {
  struct utsname names;
  int major = 0, minor = -1;
  WORKS(uname(&names));
  IS(strcmp(names.sysname, "Linux"), 0);
  IS(strcmp(names.machine, "x86_64"), 0);
  IS(sscanf(names.release, "%d.%d", &major, &minor), 2);
  OK(major >= 6);
  FAILS(uname(BAD_POINTER), EFAULT);
  WORKS(sethostname("some-host", 9));
  WORKS(uname(&names));
  IS(strcmp(names.nodename, "some-host"), 0);
  FAILS(sethostname("x", 65), EINVAL);
  FAILS(sethostname(BAD_POINTER, 3), EFAULT);
  WORKS(sethostname("auk", 3));
  become_nobody();
  FAILS(sethostname("x", 1), EPERM);
}

TEST(facts_of_system) {
  struct sysinfo facts;
  WORKS(sysinfo(&facts));
  OK(facts.totalram * facts.mem_unit > 16 << 20);
  OK(facts.freeram > 0 && facts.freeram < facts.totalram);
  OK(facts.procs > 0);
  OK(facts.uptime >= 0);
  FAILS(sysinfo(BAD_POINTER), EFAULT);
}

TEST(unknown_calls) {
  FAILS(syscall(1023), ENOSYS);
  FAILS(syscall(-1), ENOSYS);
  FAILS(syscall(1 << 20), ENOSYS);
}

TEST(limits) {
  struct rlimit limit, old;
  WORKS(SYS(getrlimit, RLIMIT_NOFILE, &limit));
  OK(limit.rlim_cur >= 256 && limit.rlim_cur <= limit.rlim_max);
  WORKS(SYS(getrlimit, RLIMIT_STACK, &limit));
  IS(limit.rlim_cur, 8 << 20);
  WORKS(SYS(setrlimit, RLIMIT_NOFILE, &((struct rlimit){100, 200})));
  WORKS(SYS(prlimit64, 0, RLIMIT_NOFILE, &((struct rlimit){50, 150}), &old));
  IS(old.rlim_cur, 100);
  IS(old.rlim_max, 200);
  WORKS(SYS(prlimit64, getpid(), RLIMIT_NOFILE, NULL, &old));
  IS(old.rlim_cur, 50);
  IS(IN_CHILD({
       getrlimit(RLIMIT_NOFILE, &limit);
       _exit((int)limit.rlim_cur);
     }),
     EXITED(50));
  FAILS(SYS(getrlimit, 99, &limit), EINVAL);
  FAILS(SYS(getrlimit, RLIMIT_NOFILE, BAD_POINTER), EFAULT);
  FAILS(SYS(setrlimit, RLIMIT_NOFILE, BAD_POINTER), EFAULT);
  FAILS(SYS(setrlimit, RLIMIT_NOFILE, &((struct rlimit){20, 10})), EINVAL);
  FAILS(SYS(prlimit64, 1 << 22, RLIMIT_NOFILE, NULL, &old), ESRCH);
  become_nobody();
  FAILS(SYS(setrlimit, RLIMIT_NOFILE, &((struct rlimit){50, 1000})), EPERM);
  WORKS(SYS(setrlimit, RLIMIT_NOFILE, &((struct rlimit){60, 150})));
}

TEST(users) {
  uid_t real, effective, saved;
  WORKS(SYS(setresuid, 1, 2, 3));
  WORKS(SYS(getresuid, &real, &effective, &saved));
  OK(real == 1 && effective == 2 && saved == 3);
  IS(SYS(getuid), 1);
  IS(SYS(geteuid), 2);
  WORKS(SYS(setresuid, -1, 3, -1));
  WORKS(SYS(setuid, 1));
  IS(SYS(geteuid), 1);
  FAILS(SYS(setuid, 0), EPERM);
  FAILS(SYS(setresuid, 0, -1, -1), EPERM);
  FAILS(SYS(setreuid, -1, 77), EPERM);
  WORKS(SYS(setreuid, -1, 3));
  FAILS(SYS(getresuid, BAD_POINTER, &effective, &saved), EFAULT);
}

TEST(root_gives_up_for_good) {
  uid_t real, effective, saved;
  WORKS(SYS(setuid, 1000));
  WORKS(SYS(getresuid, &real, &effective, &saved));
  OK(real == 1000 && effective == 1000 && saved == 1000);
  FAILS(SYS(setuid, 0), EPERM);
}

TEST(groups_of_users) {
  gid_t real, effective, saved, list[4] = {0};
  WORKS(SYS(setgroups, 3, ((gid_t[]){30, 10, 20})));
  IS(SYS(getgroups, 0, NULL), 3);
  IS(SYS(getgroups, 4, list), 3);
  OK(list[0] + list[1] + list[2] == 60);
  FAILS(SYS(getgroups, 2, list), EINVAL);
  FAILS(SYS(getgroups, -1, list), EINVAL);
  FAILS(SYS(getgroups, 4, BAD_POINTER), EFAULT);
  FAILS(SYS(setgroups, 70000, list), EINVAL);
  FAILS(SYS(setgroups, 2, BAD_POINTER), EFAULT);
  WORKS(SYS(setresgid, 1, 2, 3));
  WORKS(SYS(getresgid, &real, &effective, &saved));
  OK(real == 1 && effective == 2 && saved == 3);
  IS(SYS(getgid), 1);
  IS(SYS(getegid), 2);
  WORKS(SYS(setgid, 5));
  IS(SYS(getegid), 5);
  WORKS(SYS(setuid, 1000));
  FAILS(SYS(setgid, 6), EPERM);
  FAILS(SYS(setgroups, 0, NULL), EPERM);
  WORKS(SYS(setgid, 5));
}

TEST(group_opens_file) {
  close(make_file("file", "x"));
  NEED(chown("file", 7, 8));
  NEED(chmod("file", 0640));
  NEED(setgroups(1, (gid_t[]){8}));
  NEED(setresgid(NOBODY, NOBODY, NOBODY));
  NEED(setresuid(NOBODY, NOBODY, NOBODY));
  WORKS(open("file", O_RDONLY));
  FAILS(open("file", O_WRONLY), EACCES);
}

TEST(randomness) {
  unsigned char first[32] = {0}, second[32] = {0};
  IS(getrandom(first, 32, 0), 32);
  IS(getrandom(second, 32, GRND_NONBLOCK), 32);
  OK(memcmp(first, second, 32) != 0);
  IS(getrandom(first, 0, 0), 0);
  FAILS(getrandom(BAD_POINTER, 32, 0), EFAULT);
  FAILS(getrandom(first, 32, 0x100), EINVAL);
  FAILS(getrandom(first, 32, GRND_RANDOM | 4), EINVAL);
}

TEST(thread_pointers) {
  unsigned long value = 0;
  IS(SYS(arch_prctl, ARCH_SET_GS, 0x12345678), 0);
  IS(SYS(arch_prctl, ARCH_GET_GS, &value), 0);
  IS(value, 0x12345678);
  IS(SYS(arch_prctl, ARCH_GET_FS, &value), 0);
  OK(value != 0 && *(unsigned long*)value == value);
  static unsigned long cell = 0x77;
  IS(SYS(arch_prctl, ARCH_SET_GS, &cell), 0);
  __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
  IS(value, 0x77);
  sched_yield();
  __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
  IS(value, 0x77);
  IS(IN_CHILD({
       __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
       _exit((int)value);
     }),
     EXITED(0x77));
  FAILS(SYS(arch_prctl, ARCH_SET_FS, 1UL << 63), EPERM);
  FAILS(SYS(arch_prctl, ARCH_GET_GS, BAD_POINTER), EFAULT);
  FAILS(SYS(arch_prctl, 0x9999, 0), EINVAL);
}

TEST(thread_number) {
  int word;
  OK(SYS(set_tid_address, &word) == getpid());
  struct robust_list_head head = {{&head.list}, 0, NULL};
  WORKS(SYS(set_robust_list, &head, sizeof head));
  FAILS(SYS(set_robust_list, &head, 1), EINVAL);
}

TEST(ports_are_not_for_everybody) {
  IS(SYS(iopl, 0), 0);
  FAILS(SYS(iopl, 4), EINVAL);
  IS(SYS(ioperm, 0x378, 3, 0), 0);
  FAILS(SYS(ioperm, 0x378, 0, 0), EINVAL);
  FAILS(SYS(ioperm, 65535, 2, 1), EINVAL);
  FAILS(SYS(ioperm, -1, 1, 0), EINVAL);
  become_nobody();
  FAILS(SYS(iopl, 3), EPERM);
  FAILS(SYS(ioperm, 0x378, 3, 1), EPERM);
  IS(SYS(ioperm, 0x378, 3, 0), 0);
}

TEST(thread_pointers_of_children) {
  // Clone's own arguments: a thread pointer that the CPU refuses.
  FAILS(SYS(clone, CLONE_VM | CLONE_VFORK | CLONE_SETTLS | SIGCHLD, NULL, NULL, NULL, 1UL << 63),
        EPERM);
  FAILS(SYS(clone, CLONE_SETTLS | SIGCHLD, NULL, NULL, NULL, 1UL << 62), EPERM);
}

TEST(time_outs_without_end) {
  int ends[2];
  NEED(pipe(ends));
  NEED(write(ends[1], "x", 1));
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  struct timeval t = {LONG_MAX, 1000000};
  FAILS(SYS(select, ends[0] + 1, &set, NULL, NULL, &t), EINVAL);
  t = (struct timeval){LONG_MAX, 999999};
  IS(SYS(select, ends[0] + 1, &set, NULL, NULL, &t), 1);
}

TEST(random_bytes_by_the_gigabyte) {
  // Whoever is told to end does so.
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) {
    char* const room = mmap(NULL, 1 << 30, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    alarm(1);
    for (;;) {
      long const got = SYS(getrandom, room, 1 << 16, 0);
      if (got < 0) _exit(1);
    }
  }
  int const status = ktap_status_of(child);
  OK(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

TEST(yielding) {
  IS(SYS(sched_yield), 0);
  unsigned cpu = 9999;
  WORKS(SYS(getcpu, &cpu, NULL, NULL));
  OK(cpu < 256);
  unsigned long mask[16] = {0};
  OK(SYS(sched_getaffinity, 0, sizeof mask, mask) >= 8);
  OK(mask[0] & 1);
}

TEST(registers_survive) {
  long result = SYS_getpid, rbx, r8, r15;
  __asm__ volatile("mov $0x111, %%rbx\n mov $0x888, %%r8\n mov $0xfff, %%r15\n syscall\n"
                   "mov %%rbx, %1\n mov %%r8, %2\n mov %%r15, %3"
                   : "+a"(result), "=&r"(rbx), "=&r"(r8), "=&r"(r15)
                   :
                   : "rbx", "rcx", "r8", "r11", "r15", "memory");
  OK(result == getpid());
  IS(rbx, 0x111);
  IS(r8, 0x888);
  IS(r15, 0xfff);
}

TEST(rights_over_the_machine) {
  struct timeval now = {0, 1000000};
  FAILS(SYS(settimeofday, &now, NULL), EINVAL);
  WORKS(SYS(settimeofday, NULL, NULL));
  FAILS(SYS(settimeofday, BAD_POINTER, NULL), EFAULT);
  FAILS(SYS(reboot, 1, 2, 3, NULL), EINVAL);
  WORKS(SYS(setdomainname, "example", 7));
  struct utsname name;
  NEED(uname(&name));
  IS(strcmp(name.domainname, "example"), 0);
  FAILS(SYS(setdomainname, "example", 65), EINVAL);
  FAILS(SYS(setdomainname, "example", -1), EINVAL);
  FAILS(SYS(setdomainname, BAD_POINTER, 5), EFAULT);
  WORKS(SYS(setdomainname, "(none)", 6));
  IS(IN_CHILD({
       become_nobody();
       now.tv_usec = 0;
       bool good = SYS(settimeofday, &now, NULL) == -1 && errno == EPERM;
       good &= SYS(setdomainname, "x", 1) == -1 && errno == EPERM;
       good &= SYS(reboot, 0xfee1dead, 672274793, 0, NULL) == -1 && errno == EPERM;
       _exit(good ? 0 : 1);
     }),
     0);
}

#ifndef MEMBARRIER_CMD_GET_REGISTRATIONS
#  define MEMBARRIER_CMD_GET_REGISTRATIONS 512
#endif

static int membarrier(int command, unsigned flags, int cpu) {
  return SYS(membarrier, command, flags, cpu);
}

TEST(barriers) {
  IS(membarrier(MEMBARRIER_CMD_QUERY, 0, 0), 0x3ff);
  FAILS(membarrier(MEMBARRIER_CMD_QUERY, 1, 0), EINVAL);
  FAILS(membarrier(3, 0, 0), EINVAL);
  FAILS(membarrier(1 << 20, 0, 0), EINVAL);
  IS(membarrier(MEMBARRIER_CMD_GLOBAL, 0, 0), 0);
  IS(membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0), 0);
  FAILS(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
  FAILS(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0), EPERM);
  FAILS(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0), EPERM);
  IS(membarrier(MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0), 0);
  IS(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0), 0);
  IS(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0), 0);
  // Announced with the other, but not for itself.
  FAILS(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
  IS(membarrier(MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0),
     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
         MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE);
  IS(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0), 0);
  IS(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), 0);
  IS(membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0), 0);
  IS(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0), 0);
  IS(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0), 0);
  IS(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, 0), 0);
  IS(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, 4000), 0);
  FAILS(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 2, 0), EINVAL);
  FAILS(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_FLAG_CPU, 0), EINVAL);
  IS(membarrier(MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0),
     MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
         MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE |
         MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ);
}

TEST(personalities) {
  IS(personality(0xffffffff), 0);
  IS(personality(ADDR_NO_RANDOMIZE), 0);
  IS(personality(0xffffffff), ADDR_NO_RANDOMIZE);
  pid_t const child = NEED(fork());
  if (child == 0) _exit(personality(0xffffffff) == ADDR_NO_RANDOMIZE ? 0 : 1);
  IS(ktap_status_of(child), 0);
  struct utsname name;
  personality(PER_LINUX32);
  uname(&name);
  OK(strcmp(name.machine, "i686") == 0);
  personality(PER_LINUX | UNAME26);
  uname(&name);
  OK(strcmp(name.machine, "x86_64") == 0);
  OK(strncmp(name.release, "2.6.", 4) == 0);
  unsigned second = 0;
  sscanf(name.release, "2.6.%u", &second);
  OK(second >= 60);
  personality(READ_IMPLIES_EXEC);
  // A function that returns.
  unsigned char* const page =
      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *page = 0xc3;
  ((void (*)(void))page)();
  IS(mprotect(page, 4096, PROT_READ), 0);
  ((void (*)(void))page)();
  personality(0);
  IS(mprotect(page, 4096, PROT_READ), 0);
  pid_t const other = NEED(fork());
  if (other == 0) {
    ((void (*)(void))page)();
    _exit(0);
  }
  int status;
  waitpid(other, &status, 0);
  IS(WTERMSIG(status), SIGSEGV);
}
