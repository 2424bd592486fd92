// /proc: processes and the kernel as text. See proc(5).
#include "ktap.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/vfs.h>

#define PAGE 4096L

static char text[65536];

// A whole file, ended by a zero; -1 if it cannot be opened or read.
static ssize_t load(char const* format, ...) {
  char path[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(path, sizeof path, format, arguments);
  va_end(arguments);
  int const file = open(path, O_RDONLY);
  if (file < 0) return -1;
  ssize_t size = 0;
  for (ssize_t got; (got = read(file, text + size, sizeof text - 1 - (size_t)size)) != 0;) {
    if (got < 0) {
      close(file);
      return -1;
    }
    size += got;
  }
  close(file);
  text[size] = 0;
  return size;
}

static bool has(char const* part) { return strstr(text, part) != NULL; }

// The n-th word behind the name of a stat line; the state is the third.
static char const* field(int n) {
  char const* at = strrchr(text, ')');
  for (int i = 2; i < n && at; ++i) at = strchr(at + 1, ' ');
  return at ? at + 1 : "";
}
static long number(int n) { return atol(field(n)); }

// The value of a line "name:\tvalue".
static char const* value(char const* name) {
  static char line[256];
  char key[64];
  snprintf(key, sizeof key, "%s:", name);
  for (char const* at = text; at; at = strchr(at, '\n')) {
    at += *at == '\n';
    if (strncmp(at, key, strlen(key)) != 0) continue;
    at += strlen(key);
    at += strspn(at, " \t");
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    return line;
  }
  return "";
}

static char const* target(char const* format, ...) {
  static char to[512];
  char path[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(path, sizeof path, format, arguments);
  va_end(arguments);
  ssize_t const size = readlink(path, to, sizeof to - 1);
  if (size < 0) return "";
  to[size] = 0;
  return to;
}

static bool lists(char const* directory, char const* name) {
  DIR* const d = opendir(directory);
  if (!d) return false;
  bool found = false;
  for (struct dirent* e; (e = readdir(d));) found |= strcmp(e->d_name, name) == 0;
  closedir(d);
  return found;
}

static char const* digits(long n) {
  static char out[4][24];
  static int turn;
  char* const s = out[turn++ % 4];
  snprintf(s, sizeof out[0], "%ld", n);
  return s;
}

static bool becomes(pid_t pid, char state) {
  for (int i = 0; i < 1000; ++i) {
    if (load("/proc/%d/stat", pid) < 0) return false;
    if (*field(3) == state) return true;
    usleep(10000);
  }
  return false;
}

// A child that lives until the pipe is closed.
static int keep[2];
static pid_t sleeper(void (*first)(void)) {
  NEED(pipe(keep));
  int told[2];
  NEED(pipe(told));
  pid_t const child = fork();
  if (child == 0) {
    close(keep[1]);
    if (first) first();
    close(told[1]);
    char byte;
    _exit(read(keep[0], &byte, 1) == 0 ? 0 : 1);
  }
  close(told[1]);
  char byte;
  (void)!read(told[0], &byte, 1);
  close(told[0]);
  close(keep[0]);
  return child;
}
static int end_of(pid_t child) {
  close(keep[1]);
  return ktap_status_of(child);
}

TEST(oneself) {
  struct statfs fs;
  WORKS(statfs("/proc", &fs));
  IS(fs.f_type, 0x9fa0);
  IS(fs.f_bsize, 4096);
  IS(fs.f_namelen, 255);
  OK(strcmp(target("/proc/self"), digits(getpid())) == 0);
  char both[64];
  snprintf(both, sizeof both, "%d/task/%d", getpid(), getpid());
  OK(strcmp(target("/proc/thread-self"), both) == 0);
  OK(strcmp(target("/proc/mounts"), "self/mounts") == 0);
  // Somebody holds the link of another process.
  int const held = (int)NEED(open("/proc/self", O_PATH | O_NOFOLLOW));
  IS(IN_CHILD(_exit(strcmp(target("/proc/self"), digits(getpid())) != 0)), EXITED(0));
  OK(strcmp(target("/proc/self"), digits(getpid())) == 0);
  IS(IN_CHILD(load("/proc/self/stat"); _exit(atoi(text) != getpid())), EXITED(0));
  close(held);
  OK(lists("/proc", digits(getpid())));
  OK(lists("/proc", "self"));
  OK(lists("/proc", "version"));
  OK(lists("/proc/self", "status"));
  OK(lists("/proc/self/task", digits(getpid())));
}

TEST(names) {
  FAILS(open("/proc/4194303", O_RDONLY), ENOENT);
  char zero[64];
  snprintf(zero, sizeof zero, "/proc/0%d", getpid());
  FAILS(open(zero, O_RDONLY), ENOENT);
  FAILS(open("/proc/99999999999999999999", O_RDONLY), ENOENT);
  FAILS(open("/proc/self/nothing", O_RDONLY), ENOENT);
  FAILS(open("/proc/self/fd/x", O_RDONLY), ENOENT);
  FAILS(open("/proc/self/fd/00", O_RDONLY), ENOENT);
  FAILS(open("/proc/self/fd/99", O_RDONLY), ENOENT);
  FAILS(open("/proc/fresh", O_RDWR | O_CREAT, 0644), ENOENT);
  FAILS(mkdir("/proc/fresh", 0755), ENOENT);
  FAILS(symlink("x", "/proc/self/fresh"), ENOENT);
  FAILS(open("/proc/version", O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST);
  FAILS(unlink("/proc/version"), EPERM);
  FAILS(rmdir("/proc/self/fd"), EPERM);
  struct stat a, b;
  WORKS(lstat("/proc/self", &a));
  IS(a.st_mode, S_IFLNK | 0777);
  IS(a.st_size, 0);
  WORKS(stat("/proc/self", &a));
  IS(a.st_mode, S_IFDIR | 0555);
  WORKS(stat("/proc/self/status", &a));
  WORKS(stat("/proc/self/status", &b));
  IS(a.st_mode, S_IFREG | 0444);
  IS(a.st_size, 0);
  IS(a.st_blksize, 1024);
  OK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
  WORKS(stat("/proc/self/stat", &b));
  OK(a.st_ino != b.st_ino);
}

TEST(reading) {
  ssize_t const size = load("/proc/self/limits");
  OK(size > 500);
  char* const whole = strdup(text);
  int const file = (int)NEED(open("/proc/self/limits", O_RDONLY));
  bool same = true;
  for (ssize_t i = 0; i < size; ++i) {
    char byte;
    same = same && read(file, &byte, 1) == 1 && byte == whole[i];
  }
  OK(same);
  char part[100];
  IS(read(file, part, 1), 0);
  IS(pread(file, part, 10, 100), 10);
  OK(memcmp(part, whole + 100, 10) == 0);
  IS(pread(file, part, 10, 0), 10);
  OK(memcmp(part, whole, 10) == 0);
  IS(read(file, part, 1), 0);
  IS(lseek(file, 50, SEEK_SET), 50);
  IS(read(file, part, 20), 20);
  OK(memcmp(part, whole + 50, 20) == 0);
  IS(lseek(file, -20, SEEK_CUR), 50);
  IS(read(file, part, 20), 20);
  OK(memcmp(part, whole + 50, 20) == 0);
  FAILS(lseek(file, 0, SEEK_END), EINVAL);
  FAILS(lseek(file, -1, SEEK_SET), EINVAL);
  IS(lseek(file, size + 100, SEEK_SET), size + 100);
  IS(read(file, part, 1), 0);
  IS(lseek(file, 0, SEEK_SET), 0);
  char* const edge = page_before_nothing();
  FAILS(read(file, BAD_POINTER, 10), EFAULT);
  IS(read(file, edge + PAGE - 7, 7), 7);
  OK(memcmp(edge + PAGE - 7, whole, 7) == 0);
  FAILS(write(file, "x", 1), EBADF);
  int const writable = (int)NEED(open("/proc/version", O_WRONLY));
  FAILS(write(writable, "x", 1), EIO);
  int const process = (int)NEED(open("/proc/self/status", O_WRONLY));
  FAILS(write(process, "x", 1), EINVAL);
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, process, 0), EACCES);
}

TEST(comm) {
  NEED(prctl(PR_SET_NAME, "a (b) c"));
  load("/proc/self/comm");
  OK(strcmp(text, "a (b) c\n") == 0);
  load("/proc/self/stat");
  OK(has(" (a (b) c) R "));
  int const file = (int)NEED(open("/proc/self/comm", O_RDWR));
  IS(write(file, "longer than it may be", 21), 21);
  load("/proc/self/comm");
  OK(strcmp(text, "longer than it \n") == 0);
  char name[16];
  NEED(prctl(PR_GET_NAME, name));
  OK(strcmp(name, "longer than it ") == 0);
  IS(write(file, "x\ny", 3), 3);
  load("/proc/self/status");
  OK(strcmp(value("Name"), "x\\012y") == 0 || strcmp(value("Name"), "x\\ny") == 0);
  pid_t const child = sleeper(NULL);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/comm", child);
  int const other = (int)NEED(open(path, O_WRONLY));
  FAILS(write(other, "y", 1), EINVAL);
  IS(end_of(child), 0);
}

TEST(arguments) {
  ssize_t const size = load("/proc/self/cmdline");
  OK(size > 0 && text[size - 1] == 0);
  OK(strcmp(text, program_invocation_name) == 0);
  int const file = (int)NEED(open("/proc/self/cmdline", O_RDONLY));
  char byte;
  IS(pread(file, &byte, 1, size), 0);
  IS(pread(file, &byte, 1, size - 1), 1);
  IS(byte, 0);
  ssize_t const environment = load("/proc/self/environ");
  OK(environment > 0);
  OK(strcmp(text, environ[0]) == 0);
  // A longer title, over the environment, with its zero.
  memset(program_invocation_name, 't', (size_t)size + 10);
  program_invocation_name[size + 10] = 0;
  IS(load("/proc/self/cmdline"), size + 11);
  OK(text[0] == 't' && text[size + 9] == 't');
}

static void stay(void) {}

TEST(states) {
  load("/proc/self/stat");
  IS(atoi(text), getpid());
  IS(*field(3), 'R');
  IS(number(4), getppid());
  IS(number(5), getpgrp());
  IS(number(6), getsid(0));
  IS(number(20), 1);
  OK(number(22) > 0);
  OK(number(23) > 0 && number(24) > 0);
  NEED(setpriority(PRIO_PROCESS, 0, 5));
  load("/proc/self/stat");
  IS(number(18), 25);
  IS(number(19), 5);
  IS(number(38), SIGCHLD);
  IS(number(41), 0);
  pid_t const child = sleeper(stay);
  OK(becomes(child, 'S'));
  kill(child, SIGSTOP);
  OK(becomes(child, 'T'));
  load("/proc/%d/status", child);
  OK(strcmp(value("State"), "T (stopped)") == 0);
  kill(child, SIGCONT);
  OK(becomes(child, 'S'));
  load("/proc/%d/status", child);
  OK(strcmp(value("State"), "S (sleeping)") == 0);
  IS(atoi(value("PPid")), getpid());
  close(keep[1]);
  OK(becomes(child, 'Z'));
  load("/proc/%d/status", child);
  OK(strcmp(value("State"), "Z (zombie)") == 0);
  OK(strcmp(value("Name"), "proc") == 0);
  IS(load("/proc/%d/cmdline", child), 0);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/exe", child);
  FAILS(readlink(path, text, 10), ENOENT);
  snprintf(path, sizeof path, "/proc/%d/cwd", child);
  FAILS(readlink(path, text, 10), ENOENT);
  load("/proc/%d/statm", child);
  OK(strcmp(text, "0 0 0 0 0 0 0\n") == 0);
  snprintf(path, sizeof path, "/proc/%d", child);
  int const directory = (int)NEED(open(path, O_RDONLY));
  int const file = (int)NEED(openat(directory, "stat", O_RDONLY));
  IS(ktap_status_of(child), 0);
  // What is open speaks of nobody.
  FAILS(read(file, text, 10), ESRCH);
  FAILS(openat(directory, "stat", O_RDONLY), ESRCH);
  FAILS(openat(directory, "nothing", O_RDONLY), ESRCH);
  FAILS(open(path, O_RDONLY), ENOENT);
}

TEST(status) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  NEED(sigprocmask(SIG_BLOCK, &set, NULL));
  signal(SIGUSR2, SIG_IGN);
  signal(SIGHUP, (void (*)(int))stay);
  NEED(kill(getpid(), SIGUSR1));
  umask(027);
  load("/proc/self/status");
  OK(strcmp(value("Umask"), "0027") == 0);
  IS(strtoul(value("ShdPnd"), NULL, 16), 1 << (SIGUSR1 - 1));
  IS(strtoul(value("SigPnd"), NULL, 16), 0);
  IS(strtoul(value("SigBlk"), NULL, 16), 1 << (SIGUSR1 - 1));
  IS(strtoul(value("SigIgn"), NULL, 16) & 1 << (SIGUSR2 - 1), 1 << (SIGUSR2 - 1));
  IS(strtoul(value("SigCgt"), NULL, 16), 1);
  IS(atoi(value("Threads")), 1);
  IS(atoi(value("Pid")), getpid());
  IS(atoi(value("Tgid")), getpid());
  IS(atoi(value("NoNewPrivs")), 0);
  OK(atol(value("VmRSS")) > 0);
  OK(atol(value("VmSize")) >= atol(value("VmRSS")));
  OK(strcmp(value("CapEff"), "000001ffffffffff") == 0);
  IS(IN_CHILD(gid_t list[] = {7, 5}; NEED(setgroups(2, list)); NEED(setresuid(1, 2, 3));
              load("/proc/self/status"); OK(strcmp(value("Uid"), "1\t2\t3\t2") == 0);
              OK(strcmp(value("Groups"), "5 7 ") == 0)),
     EXITED(0));
  IS(IN_CHILD(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); load("/proc/self/status");
              _exit(atoi(value("NoNewPrivs")))),
     EXITED(1));
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(0, &cpus);
  NEED(sched_setaffinity(0, sizeof cpus, &cpus));
  load("/proc/self/status");
  OK(strcmp(value("Cpus_allowed_list"), "0") == 0);
  IS(strtoul(value("Cpus_allowed"), NULL, 16), 1);
  OK(has("1\nMems_allowed_list:\t0\n"));
  IS(atoi(value("NStgid")), getpid());
  IS(atoi(value("NSpid")), getpid());
  IS(atoi(value("NSpgid")), getpgid(0));
  IS(atoi(value("NSsid")), getsid(0));
  IS(atoi(value("VmSwap")), 0);
  IS(atoi(value("VmPin")), 0);
}

TEST(most_memory) {
  enum { SIZE = 64 << 20, KIB = SIZE / 1024 };
  load("/proc/self/status");
  long const size = atol(value("VmSize")), peak = atol(value("VmPeak"));
  OK(peak >= size);
  void* const at = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  NEED(at == MAP_FAILED ? -1 : 0);
  load("/proc/self/status");
  IS(atol(value("VmSize")), size + KIB);
  IS(atol(value("VmPeak")), size + KIB);
  NEED(munmap(at, SIZE));
  load("/proc/self/status");
  IS(atol(value("VmSize")), size);
  IS(atol(value("VmPeak")), size + KIB);
  // A child begins anew.
  IS(IN_CHILD(load("/proc/self/status");
              _exit(atol(value("VmPeak")) == atol(value("VmSize")) ? 0 : 1)),
     0);
}

TEST(descriptors) {
  int const file = make_file("a file", "hello");
  int ends[2];
  NEED(pipe(ends));
  int const event = (int)NEED(eventfd(0, 0));
  char here[300], expected[400];
  NEED(getcwd(here, sizeof here) ? 0 : -1);
  snprintf(expected, sizeof expected, "%s/a file", here);
  OK(strcmp(target("/proc/self/fd/%d", file), expected) == 0);
  NEED(rename("a file", "b"));
  snprintf(expected, sizeof expected, "%s/b", here);
  OK(strcmp(target("/proc/self/fd/%d", file), expected) == 0);
  struct stat a, b;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  NEED(fstat(file, &a));
  WORKS(stat(link, &b));
  OK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
  WORKS(lstat(link, &b));
  IS(b.st_mode, S_IFLNK | 0700);
  IS(b.st_size, 64);
  NEED(unlink("b"));
  strcat(expected, " (deleted)");
  OK(strcmp(target("/proc/self/fd/%d", file), expected) == 0);
  int const again = (int)WORKS(open(link, O_RDONLY));
  IS(read(again, text, 10), 5);
  FAILS(write(again, "x", 1), EBADF);
  FAILS(open(link, O_RDONLY | O_NOFOLLOW), ELOOP);
  struct {
    unsigned long flags, mode, resolve;
  } const no_magic = {O_RDONLY, 0, 2};
  FAILS(SYS(openat2, AT_FDCWD, link, &no_magic, sizeof no_magic), ELOOP);

  NEED(fstat(ends[0], &a));
  snprintf(expected, sizeof expected, "pipe:[%lu]", a.st_ino);
  OK(strcmp(target("/proc/self/fd/%d", ends[0]), expected) == 0);
  OK(strcmp(target("/proc/self/fd/%d", ends[1]), expected) == 0);
  snprintf(link, sizeof link, "/proc/self/fd/%d", ends[0]);
  WORKS(lstat(link, &b));
  IS(b.st_mode, S_IFLNK | 0500);
  WORKS(stat(link, &b));
  OK(a.st_ino == b.st_ino && a.st_dev == b.st_dev && b.st_mode == (S_IFIFO | 0600));
  int const other_end = (int)WORKS(open(link, O_WRONLY));
  IS(write(other_end, "abc", 3), 3);
  IS(read(ends[0], text, 10), 3);
  close(other_end);
  NEED(write(ends[1], "rest", 4));
  close(ends[1]);
  int const reader = (int)WORKS(open(link, O_RDONLY));
  IS(read(reader, text, 10), 4);
  IS(read(reader, text, 10), 0);
  struct pollfd p = {.fd = reader, .events = POLLIN};
  IS(poll(&p, 1, 0), 1);
  IS(p.revents, POLLHUP);

  OK(strcmp(target("/proc/self/fd/%d", event), "anon_inode:[eventfd]") == 0);
  snprintf(link, sizeof link, "/proc/self/fd/%d", event);
  FAILS(open(link, O_RDWR), ENXIO);
  OK(lists("/proc/self/fd", digits(event)));
  close(event);
  FAILS(open(link, O_RDWR), ENOENT);
  // The same number, another file.
  int const held = (int)NEED(open("/proc/self/fd/0", O_PATH | O_NOFOLLOW));
  int const old = dup(0);
  NEED(dup2(file, 0));
  OK(strstr(target("/proc/self/fd/0"), " (deleted)") != NULL);
  NEED(dup2(old, 0));
  close(held);
  load("/proc/self/fdinfo/%d", file);
  IS(atol(value("pos")), 0);
  IS(strtol(value("flags"), NULL, 8), fcntl(file, F_GETFL));
  NEED(lseek(file, 3, SEEK_SET));
  NEED(fcntl(file, F_SETFD, FD_CLOEXEC));
  load("/proc/self/fdinfo/%d", file);
  IS(atol(value("pos")), 3);
  IS(strtol(value("flags"), NULL, 8), fcntl(file, F_GETFL) | O_CLOEXEC);
}

static void go_away(void) {
  NEED(mkdir("deep", 0755));
  NEED(mkdir("jail", 0755));
  NEED(mkdir("jail/inner", 0755));
  NEED(chroot("jail"));
  NEED(chdir("/inner"));
}

TEST(places) {
  char here[300], expected[400];
  NEED(getcwd(here, sizeof here) ? 0 : -1);
  OK(strcmp(target("/proc/self/cwd"), here) == 0);
  OK(strcmp(target("/proc/self/root"), "/") == 0);
  OK(strstr(target("/proc/self/exe"), "proc") != NULL);
  struct stat a, b;
  WORKS(stat("/proc/self/exe", &a));
  OK(S_ISREG(a.st_mode) && a.st_size > 1000);
  int const program = (int)WORKS(open("/proc/self/exe", O_RDONLY));
  IS(read(program, text, 4), 4);
  OK(memcmp(text, "\177ELF", 4) == 0);
  NEED(stat(".", &a));
  WORKS(stat("/proc/self/cwd/.", &b));
  OK(a.st_ino == b.st_ino);
  pid_t const child = sleeper(go_away);
  char path[64];
  snprintf(expected, sizeof expected, "%s/jail", here);
  OK(strcmp(target("/proc/%d/root", child), expected) == 0);
  strcat(expected, "/inner");
  OK(strcmp(target("/proc/%d/cwd", child), expected) == 0);
  snprintf(path, sizeof path, "/proc/%d/root/inner", child);
  WORKS(stat(path, &a));
  NEED(stat("jail/inner", &b));
  OK(a.st_ino == b.st_ino);
  IS(end_of(child), 0);
  // ".." behind a magic link is that of where it leads.
  WORKS(stat("/proc/self/cwd/..", &a));
  NEED(stat("..", &b));
  OK(a.st_ino == b.st_ino);
}

TEST(mounts) {
  NEED(unshare(CLONE_NEWNS));
  NEED(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  NEED(mkdir("a b", 0755));
  NEED(mount("some\\thing", "a b", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=700"));
  load("/proc/self/mounts");
  OK(has("some\\134thing "));
  OK(has("/a\\040b tmpfs rw,nosuid,noexec,relatime"));
  OK(has("proc /proc proc rw,"));
  load("/proc/self/mountinfo");
  OK(has("/a\\040b rw,nosuid,noexec,relatime - tmpfs some\\134thing rw"));
  OK(has(" - proc proc rw"));
  NEED(umount("a b"));
  load("/proc/self/mounts");
  OK(!has("some\\134thing "));
}

static void hide(void) { NEED(prctl(PR_SET_DUMPABLE, 0)); }
static void be_nobody(void) {
  become_nobody();
  NEED(prctl(PR_SET_DUMPABLE, 1));
}

TEST(permissions) {
  pid_t const mine = getpid();
  char path[64];
  struct stat s;
  pid_t child = sleeper(be_nobody);
  snprintf(path, sizeof path, "/proc/%d", child);
  WORKS(stat(path, &s));
  IS(s.st_uid, NOBODY);
  snprintf(path, sizeof path, "/proc/%d/environ", child);
  WORKS(stat(path, &s));
  IS(s.st_uid, NOBODY);
  IS(IN_CHILD(be_nobody(); _exit(load("/proc/%d/environ", child) > 0 ? 1 : 2)), EXITED(1));
  IS(IN_CHILD(be_nobody(); _exit(load("/proc/%d/maps", child) > 0 ? 1 : 2)), EXITED(1));
  IS(end_of(child), 0);
  IS(IN_CHILD(
         be_nobody(); char name[64]; snprintf(name, sizeof name, "/proc/%d/environ", mine);
         FAILS(open(name, O_RDONLY), EACCES); snprintf(name, sizeof name, "/proc/%d/maps", mine);
         FAILS(open(name, O_RDONLY), EACCES); snprintf(name, sizeof name, "/proc/%d/fd", mine);
         FAILS(open(name, O_RDONLY), EACCES); snprintf(name, sizeof name, "/proc/%d/fd/0", mine);
         FAILS(open(name, O_RDONLY), EACCES); snprintf(name, sizeof name, "/proc/%d/exe", mine);
         FAILS(readlink(name, text, 10), EACCES); snprintf(name, sizeof name, "/proc/%d/cwd", mine);
         FAILS(open(name, O_RDONLY), EACCES); OK(load("/proc/%d/stat", mine) > 0);
         IS(number(26), 1); IS(number(28), 0); IS(number(45), 0);
         OK(load("/proc/%d/status", mine) > 0); OK(load("/proc/%d/cmdline", mine) > 0);
         snprintf(name, sizeof name, "/proc/%d/comm", mine); FAILS(open(name, O_WRONLY), EACCES)),
     EXITED(0));
  load("/proc/self/stat");
  OK(number(26) > 1 && number(28) > 1 && number(45) > 1);
  child = sleeper(hide);
  IS(end_of(child), 0);
  IS(IN_CHILD(become_nobody(); NEED(prctl(PR_SET_DUMPABLE, 0));
              NEED(stat("/proc/self/environ", &s)); IS(s.st_uid, 0); NEED(stat("/proc/self", &s));
              IS(s.st_uid, NOBODY); FAILS(open("/proc/self/environ", O_RDONLY), EACCES)),
     EXITED(0));
}

// What memory_after_exec runs: says that it is there, and stays.
__attribute__((constructor)) static void stay_after_exec(void) {
  char const* const told = getenv("PROC_TOLD");
  if (!told) return;
  (void)!write(atoi(told), "x", 1);
  for (;;) pause();
}

TEST(memory_after_exec) {
  // Files of memory show the program of when they were opened, which has gone.
  int go[2], told[2];
  NEED(pipe(go));
  NEED(pipe(told));
  pid_t const child = fork();
  if (child == 0) {
    char byte, number[16], variable[32];
    (void)!read(go[0], &byte, 1);
    snprintf(number, sizeof number, "%d", told[1]);
    snprintf(variable, sizeof variable, "PROC_TOLD=%s", number);
    execle("/proc/self/exe", "proc", NULL, (char*[]){variable, NULL});
    _exit(1);
  }
  static char const* const names[] = {"environ", "maps", "cmdline"};
  int files[3];
  char path[64], byte;
  for (int i = 0; i < 3; ++i) {
    snprintf(path, sizeof path, "/proc/%d/%s", child, names[i]);
    files[i] = (int)NEED(open(path, O_RDONLY));
    IS(read(files[i], &byte, 1), 1);
  }
  NEED(write(go[1], "x", 1));
  NEED(read(told[0], &byte, 1));
  for (int i = 0; i < 2; ++i) IS(pread(files[i], &byte, 1, 0), 0);
  IS(pread(files[2], path, sizeof path, 0), 5);
  IS(load("/proc/%d/cmdline", child), 5);
  IS(load("/proc/%d/environ", child), strlen("PROC_TOLD=") + strlen(digits(told[1])) + 1);
  kill(child, SIGKILL);
  IS(ktap_status_of(child), SIGKILL);
}

static void* wait_for_end(void* ends) {
  char byte;
  prctl(PR_SET_NAME, "second");
  (void)!read(((int*)ends)[0], &byte, 1);
  return NULL;
}

TEST(threads) {
  int ends[2];
  NEED(pipe(ends));
  pthread_t thread;
  NEED(-pthread_create(&thread, NULL, wait_for_end, ends));
  int tid = 0;
  for (int i = 0; i < 1000 && tid == 0; ++i) {
    DIR* const d = opendir("/proc/self/task");
    for (struct dirent* e; (e = readdir(d));)
      if (atoi(e->d_name) > 0 && atoi(e->d_name) != getpid()) tid = atoi(e->d_name);
    closedir(d);
  }
  OK(tid > 0);
  for (int i = 0; i < 1000 && (load("/proc/self/task/%d/comm", tid), !has("second")); ++i)
    usleep(10000);
  OK(strcmp(text, "second\n") == 0);
  load("/proc/self/stat");
  IS(number(20), 2);
  load("/proc/self/task/%d/stat", tid);
  IS(atoi(text), tid);
  IS(number(20), 2);
  load("/proc/self/task/%d/status", tid);
  IS(atoi(value("Pid")), tid);
  IS(atoi(value("Tgid")), getpid());
  OK(!lists("/proc", digits(tid)));
  OK(load("/proc/%d/comm", tid) > 0);
  OK(strcmp(text, "second\n") == 0);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d", getppid());
  FAILS(open(path, O_RDONLY), ENOENT);
  close(ends[1]);
  pthread_join(thread, NULL);
  for (int i = 0; i < 1000 && lists("/proc/self/task", digits(tid)); ++i) usleep(10000);
  OK(!lists("/proc/self/task", digits(tid)));
}

// The line of an address, or an empty one.
static char const* line_of(void const* address) {
  static char line[256];
  load("/proc/self/maps");
  for (char* at = text; *at;) {
    unsigned long start, end;
    char* const next = strchr(at, '\n') + 1;
    if (sscanf(at, "%lx-%lx", &start, &end) == 2 && start <= (unsigned long)address &&
        (unsigned long)address < end) {
      snprintf(line, sizeof line, "%.*s", (int)(next - at - 1), at);
      return line;
    }
    at = next;
  }
  return "";
}

TEST(maps) {
  int const file = make_file("mapped", "x");
  NEED(ftruncate(file, 4 * PAGE));
  char* const at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, PAGE);
  char here[300], expected[400];
  NEED(getcwd(here, sizeof here) ? 0 : -1);
  snprintf(expected, sizeof expected, "%08lx-%08lx rw-s 00001000 ", (long)at, (long)at + 2 * PAGE);
  char const* line = line_of(at);
  OK(strncmp(line, expected, strlen(expected)) == 0);
  snprintf(expected, sizeof expected, " %s/mapped", here);
  OK(strstr(line, expected) != NULL);
  IS(strchr(line, '/') - line, 73);
  struct stat s;
  NEED(fstat(file, &s));
  snprintf(expected, sizeof expected, " %lu ", s.st_ino);
  OK(strstr(line, expected) != NULL);
  NEED(mprotect(at, PAGE, PROT_READ));
  OK(strstr(line_of(at), " r--s 00001000 ") != NULL);
  OK(strstr(line_of(at + PAGE), " rw-s 00002000 ") != NULL);
  NEED(unlink("mapped"));
  OK(strstr(line_of(at), "/mapped (deleted)") != NULL);
  NEED(munmap(at, 2 * PAGE));
  OK(strcmp(line_of(at), "") == 0);
  char* const own = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  OK(strstr(line_of(own), " ---p 00000000 00:00 0 ") != NULL);
  int local = 0;
  OK(strstr(line_of(&local), " rw-p 00000000 00:00 0                          [stack]") != NULL);
  OK(strstr(line_of(sbrk(0) - 1), "[heap]") != NULL);
  char* const shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  OK(strstr(line_of(shared), " r--s 00000000 00:01 ") != NULL);
  OK(strstr(line_of(shared), "/dev/zero (deleted)") != NULL);
  OK(strstr(line_of((void*)main), " r-xp ") != NULL);
  OK(has("[vdso]\n"));
  long sizes[7];
  load("/proc/self/statm");
  IS(sscanf(text, "%ld %ld %ld %ld %ld %ld %ld", &sizes[0], &sizes[1], &sizes[2], &sizes[3],
            &sizes[4], &sizes[5], &sizes[6]),
     7);
  OK(sizes[0] > sizes[1] && sizes[1] >= sizes[2] && sizes[3] > 0 && sizes[4] == 0);
}

TEST(settings) {
  load("/proc/self/oom_score_adj");
  OK(strcmp(text, "0\n") == 0);
  int const file = (int)NEED(open("/proc/self/oom_score_adj", O_RDWR));
  IS(write(file, "300\n", 4), 4);
  load("/proc/self/oom_score_adj");
  OK(strcmp(text, "300\n") == 0);
  FAILS(write(file, "1001", 4), EINVAL);
  FAILS(write(file, "x", 1), EINVAL);
  IS(write(file, "-1000", 5), 5);
  IS(write(file, "0", 1), 1);
  IS(IN_CHILD(become_nobody(); FAILS(write(file, "-1", 2), EACCES)), EXITED(0));
  struct rlimit limit = {100, 200};
  NEED(setrlimit(RLIMIT_NOFILE, &limit));
  load("/proc/self/limits");
  OK(has("Max open files            100                  200                  files     \n"));
  NEED(personality(0x40000) < 0 ? -1 : 0);
  load("/proc/self/personality");
  OK(strcmp(text, "00040000\n") == 0);
}

TEST(the_kernel) {
  OK(load("/proc/version") > 0);
  OK(strncmp(text, "Linux version ", 14) == 0);
  OK(load("/proc/filesystems") > 0);
  OK(has("nodev\tproc\n"));
  OK(has("nodev\ttmpfs\n"));
  double up = 0, idle = -1;
  load("/proc/uptime");
  IS(sscanf(text, "%lf %lf", &up, &idle), 2);
  struct timespec now;
  NEED(clock_gettime(CLOCK_BOOTTIME, &now));
  OK(up > 0 && up <= (double)now.tv_sec + 1 && up >= (double)now.tv_sec - 2);
  OK(idle >= 0);
  OK(load("/proc/cmdline") > 0);
  OK(text[strlen(text) - 1] == '\n');
  load("/proc/swaps");
  OK(strncmp(text, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n", 39) == 0);
}

// Reads whatever is there, of everybody.
static void read_all(void) {
  static char const* const names[] = {"stat",  "status", "maps",   "cmdline", "environ",
                                      "statm", "comm",   "mounts", "limits",  "oom_score_adj"};
  DIR* const d = opendir("/proc");
  for (struct dirent* e; (e = readdir(d));) {
    if (atoi(e->d_name) == 0) continue;
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
      (void)load("/proc/%s/%s", e->d_name, names[i]);
    char path[300];
    snprintf(path, sizeof path, "/proc/%s/fd", e->d_name);
    DIR* const files = opendir(path);
    if (files)
      for (struct dirent* f; (f = readdir(files));) (void)target("%s/%s", path, f->d_name);
    if (files) closedir(files);
    (void)target("/proc/%s/exe", e->d_name);
    (void)target("/proc/%s/cwd", e->d_name);
  }
  closedir(d);
}

TEST(readers_and_ends) {
  // Processes end while others read of them.
  pid_t readers[2];
  for (int i = 0; i < 2; ++i) {
    readers[i] = fork();
    if (readers[i] == 0) {
      for (int round = 0; round < 20; ++round) read_all();
      _exit(0);
    }
  }
  pid_t const busy = fork();
  if (busy == 0)
    for (;;) {
      for (int i = 0; i < 4; ++i)
        if (fork() == 0) _exit(0);
      while (wait(NULL) > 0) {}
    }
  for (int i = 0; i < 2; ++i) IS(ktap_status_of(readers[i]), 0);
  kill(busy, SIGKILL);
  IS(ktap_status_of(busy), SIGKILL);
}

static bool set(char const* path, char const* to) {
  int const file = open(path, O_WRONLY);
  if (file < 0) return false;
  ssize_t const done = write(file, to, strlen(to));
  close(file);
  return done == (ssize_t)strlen(to);
}

TEST(variables) {
  load("/proc/sys/kernel/ostype");
  OK(strcmp(text, "Linux\n") == 0);
  load("/proc/sys/kernel/cap_last_cap");
  OK(strcmp(text, "40\n") == 0);
  load("/proc/sys/kernel/ngroups_max");
  OK(strcmp(text, "65536\n") == 0);
  OK(load("/proc/sys/kernel/osrelease") > 3);
  load("/proc/sys/kernel/arch");
  OK(strcmp(text, "x86_64\n") == 0);
  load("/proc/sys/kernel/tainted");
  OK(strcmp(text, "0\n") == 0);
  load("/proc/sys/kernel/overflowuid");
  OK(strcmp(text, "65534\n") == 0);
  struct stat s;
  WORKS(stat("/proc/sys", &s));
  IS(s.st_mode, S_IFDIR | 0555);
  WORKS(stat("/proc/sys/kernel", &s));
  IS(s.st_mode, S_IFDIR | 0555);
  WORKS(stat("/proc/sys/kernel/ostype", &s));
  IS(s.st_mode, S_IFREG | 0444);
  WORKS(stat("/proc/sys/vm/overcommit_memory", &s));
  IS(s.st_mode, S_IFREG | 0644);
  OK(lists("/proc/sys", "kernel"));
  OK(lists("/proc/sys/kernel", "random"));
  OK(lists("/proc/sys/kernel/random", "uuid"));
  OK(!lists("/proc/sys/kernel", "uuid"));
  FAILS(open("/proc/sys/kernel/ostype", O_WRONLY), EACCES);
  FAILS(open("/proc/sys/kernel/nothing", O_RDONLY), ENOENT);
  FAILS(open("/proc/sys/fresh", O_RDWR | O_CREAT, 0644), ENOENT);
  OK(set("/proc/sys/kernel/hostname", "a.host\n"));
  load("/proc/sys/kernel/hostname");
  OK(strcmp(text, "a.host\n") == 0);
  char name[65];
  NEED(gethostname(name, sizeof name));
  OK(strcmp(name, "a.host") == 0);
  OK(set("/proc/sys/vm/overcommit_memory", " 1\n"));
  load("/proc/sys/vm/overcommit_memory");
  OK(strcmp(text, "1\n") == 0);
  int const file = (int)NEED(open("/proc/sys/vm/overcommit_memory", O_RDWR));
  FAILS(write(file, "3", 1), EINVAL);
  FAILS(write(file, "x", 1), EINVAL);
  IS(write(file, "0", 1), 1);
  IS(IN_CHILD(become_nobody(); FAILS(open("/proc/sys/vm/overcommit_memory", O_WRONLY), EACCES);
              OK(load("/proc/sys/vm/overcommit_memory") == 2)),
     EXITED(0));
  // The same number for the whole boot, another each time.
  char first[64];
  IS(load("/proc/sys/kernel/random/boot_id"), 37);
  strcpy(first, text);
  load("/proc/sys/kernel/random/boot_id");
  OK(strcmp(text, first) == 0);
  IS(load("/proc/sys/kernel/random/uuid"), 37);
  OK(text[14] == '4' && strchr("89ab", text[19]));
  strcpy(first, text);
  load("/proc/sys/kernel/random/uuid");
  OK(strcmp(text, first) != 0);
  OK(set("/proc/sys/fs/nr_open", "2000000"));
  struct rlimit limit = {1000, 2000000};
  WORKS(setrlimit(RLIMIT_NOFILE, &limit));
  OK(set("/proc/sys/fs/nr_open", "1048576"));
}

// In KiB.
static long memory(char const* name) {
  if (load("/proc/meminfo") < 0) return -1;
  return atol(value(name));
}

TEST(memory_of_all) {
  long const total = memory("MemTotal"), unused = memory("MemFree");
  OK(total > 100000 && unused > 1000 && unused < total);
  OK(memory("MemAvailable") > 1000);
  IS(memory("SwapTotal"), 0);
  IS(memory("SwapFree"), 0);
  OK(memory("Slab") >= memory("SUnreclaim") && memory("SUnreclaim") > 0);
  OK(memory("CommitLimit") > 0 && memory("Committed_AS") > 0);
  long const anonymous = memory("AnonPages"), shared = memory("Shmem"), cached = memory("Cached");
  long const size = 32 << 20;
  char* const own = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (long i = 0; i < size; i += PAGE) own[i] = 1;
  // Others may give theirs up meanwhile.
  OK(memory("AnonPages") >= anonymous + 24 * 1024);
  int const file = make_file("/dev/shm/large", "");
  NEED(ftruncate(file, size));
  char* const of_file = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  for (long i = 0; i < size; i += PAGE) of_file[i] = 1;
  OK(memory("Shmem") >= shared + 24 * 1024);
  OK(memory("Cached") >= cached + 16 * 1024);
  NEED(unlink("/dev/shm/large"));
  NEED(munmap(own, size));
  NEED(munmap(of_file, size));
  close(file);
  for (int i = 0; i < 500 && memory("AnonPages") > anonymous + 8 * 1024; ++i) usleep(10000);
  OK(memory("AnonPages") <= anonymous + 8 * 1024);
}

TEST(counters) {
  unsigned long one[4] = {0}, two[4] = {0};
  load("/proc/stat");
  OK(strncmp(text, "cpu  ", 5) == 0);
  IS(sscanf(text, "cpu %lu %lu %lu %lu", &one[0], &one[1], &one[2], &one[3]), 4);
  OK(has("\ncpu0 "));
  char* at = strstr(text, "\nbtime ");
  OK(at && labs(atol(at + 7) - time(NULL)) < 3600);
  at = strstr(text, "\nctxt ");
  OK(at && atol(at + 6) > 0);
  at = strstr(text, "\nintr ");
  OK(at && atol(at + 6) > 0);
  at = strstr(text, "\nprocesses ");
  long const forks = at ? atol(at + 11) : -1;
  OK(forks > 0);
  at = strstr(text, "\nprocs_running ");
  OK(at && atol(at + 15) >= 1);
  OK(has("\nprocs_blocked ") && has("\nsoftirq "));
  for (int i = 0; i < 3; ++i) IS(IN_CHILD(_exit(0)), 0);
  struct timespec now, end;
  NEED(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end));
  do NEED(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now));
  while (now.tv_sec - end.tv_sec < 1 || now.tv_nsec < end.tv_nsec);
  load("/proc/stat");
  IS(sscanf(text, "cpu %lu %lu %lu %lu", &two[0], &two[1], &two[2], &two[3]), 4);
  OK(two[0] + two[2] >= one[0] + one[2] + 50);
  OK(two[3] >= one[3]);
  at = strstr(text, "\nprocesses ");
  OK(at && atol(at + 11) >= forks + 3);
  double loads[3];
  int running, all, last;
  load("/proc/loadavg");
  IS(sscanf(text, "%lf %lf %lf %d/%d %d", &loads[0], &loads[1], &loads[2], &running, &all, &last),
     6);
  OK(running >= 1 && all >= running);
  pid_t const child = fork();
  if (child == 0) _exit(0);
  ktap_status_of(child);
  load("/proc/loadavg");
  IS(sscanf(text, "%lf %lf %lf %d/%d %d", &loads[0], &loads[1], &loads[2], &running, &all, &last),
     6);
  OK(last >= child);
}

TEST(mounts_on_processes) {
  NEED(unshare(CLONE_NEWNS));
  NEED(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  close(make_file("cover", "covered\n"));
  pid_t const child = sleeper(stay);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/comm", child);
  WORKS(mount("cover", path, NULL, MS_BIND, NULL));
  load(path);
  OK(strcmp(text, "covered\n") == 0);
  load("/proc/self/mounts");
  OK(has(path));
  IS(end_of(child), 0);
  // What was mounted there goes with the process.
  FAILS(open(path, O_RDONLY), ENOENT);
  load("/proc/self/mounts");
  OK(!has(path));
  // What is no process's stays.
  WORKS(mount("cover", "/proc/version", NULL, MS_BIND, NULL));
  for (int i = 0; i < 3; ++i) {
    load("/proc/version");
    OK(strcmp(text, "covered\n") == 0);
  }
  WORKS(umount("/proc/version"));
  load("/proc/version");
  OK(strncmp(text, "Linux version", 13) == 0);
}

// How many entries a directory has from an offset on; -1 if it cannot be told.
static int entries_from(char const* path, long offset) {
  int const directory = open(path, O_RDONLY | O_DIRECTORY);
  if (lseek(directory, offset, SEEK_SET) != offset) return 0;
  char buffer[1024];
  long const got = SYS(getdents64, directory, buffer, sizeof buffer);
  close(directory);
  return got < 0 ? -1 : (int)(got > 0);
}

TEST(far_offsets) {
  static char const* const paths[] = {"/proc",           "/proc/self/fd", "/proc/self/fdinfo",
                                      "/proc/self/task", "/proc/sys",     "/proc/self"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; ++i) {
    IS(entries_from(paths[i], 1L << 33), 0);
    IS(entries_from(paths[i], 0x7fffffffffffffff), 0);
  }
}

TEST(reports_of_reports) {
  int const plain = (int)NEED(open("/dev/null", O_RDONLY));
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", plain);
  int const info = (int)NEED(open(path, O_RDONLY));
  // It tells of itself now.
  NEED(dup2(info, plain));
  ssize_t const size = read(plain, text, sizeof text - 1);
  OK(size > 0);
  text[size > 0 ? size : 0] = 0;
  IS(atol(value("pos")), 0);
  OK(load("/proc/self/fdinfo/%d", info) > 0);
  IS(atol(value("pos")), size);
}

TEST(pipes_of_others) {
  int ends[2];
  NEED(setresuid(-1, NOBODY, -1));
  NEED(pipe(ends));
  struct stat s;
  NEED(fstat(ends[0], &s));
  IS(s.st_uid, NOBODY);
  NEED(prctl(PR_SET_DUMPABLE, 1));
  char path[64], expected[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
  int const reader = (int)WORKS(open(path, O_RDONLY | O_NONBLOCK));
  snprintf(expected, sizeof expected, "pipe:[%lu]", s.st_ino);
  OK(strcmp(target("/proc/self/fd/%d", reader), expected) == 0);
  FAILS(read(reader, text, 1), EAGAIN);
  close(ends[0]);
  close(ends[1]);
  // Nobody writes any more, whatever the path went through.
  IS(read(reader, text, 1), 0);
}

TEST(dumpable) {
  IS(prctl(PR_GET_DUMPABLE), 1);
  IS(IN_CHILD(NEED(prctl(PR_SET_DUMPABLE, 0)); _exit(IN_CHILD(_exit(prctl(PR_GET_DUMPABLE))))),
     EXITED(0));
  IS(IN_CHILD(NEED(setresuid(NOBODY, NOBODY, NOBODY)); _exit(prctl(PR_GET_DUMPABLE))), EXITED(0));
  IS(IN_CHILD(NEED(setresuid(NOBODY, 0, 0)); _exit(prctl(PR_GET_DUMPABLE))), EXITED(1));
  IS(IN_CHILD(NEED(setfsuid(NOBODY)); _exit(prctl(PR_GET_DUMPABLE))), EXITED(0));
  // One's own descriptors are always there.
  IS(IN_CHILD(become_nobody(); struct stat s; NEED(stat("/proc/self/fd", &s)); IS(s.st_uid, 0);
              OK(lists("/proc/self/fd", "0")); OK(strlen(target("/proc/self/fd/0")) > 0)),
     EXITED(0));
}

/// The value of a line "name<tabs>: value" of /proc/cpuinfo's first processor.
static char const* of_cpu(char const* name) {
  static char line[4096];
  for (char const* at = text; at && *at; at = strchr(at, '\n')) {
    at += *at == '\n';
    size_t const length = strlen(name);
    if (strncmp(at, name, length) != 0) continue;
    char const* colon = at + length + strspn(at + length, "\t");
    if (*colon != ':') continue;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(colon + 1, "\n"), colon + 1);
    return line[0] == ' ' ? line + 1 : line;
  }
  return "";
}

static bool has_flag(char const* name) {
  char padded[4100], wanted[64];
  snprintf(padded, sizeof padded, " %s ", of_cpu("flags"));
  snprintf(wanted, sizeof wanted, " %s ", name);
  return strstr(padded, wanted) != NULL;
}

static void cpuid(unsigned leaf, unsigned regs[4]) {
  __asm__ volatile("cpuid"
                   : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]), "=d"(regs[3])
                   : "a"(leaf), "c"(0));
}

TEST(processors) {
  unsigned r[4];
  char vendor[13] = "";
  OK(load("/proc/cpuinfo") > 0);
  int count = 0;
  for (char const* at = text; (at = strstr(at, "processor\t: ")); at += 10) ++count;
  OK(count == sysconf(_SC_NPROCESSORS_ONLN));
  cpuid(0, r);
  memcpy(vendor, &r[1], 4);
  memcpy(vendor + 4, &r[3], 4);
  memcpy(vendor + 8, &r[2], 4);
  OK(strcmp(of_cpu("vendor_id"), vendor) == 0);
  OK(atoi(of_cpu("cpuid level")) == (int)r[0]);
  cpuid(1, r);
  OK(atoi(of_cpu("stepping")) == (int)(r[0] & 15));
  OK(atoi(of_cpu("cpu family")) ==
     (int)((r[0] >> 8 & 15) + ((r[0] >> 8 & 15) == 15 ? r[0] >> 20 & 255 : 0)));
  OK(atoi(of_cpu("clflush size")) == (int)((r[1] >> 8 & 255) * 8));
  OK(atof(of_cpu("cpu MHz")) > 1);
  OK(atof(of_cpu("bogomips")) > 1);
  OK(of_cpu("model name")[0] != 0);
  OK(atoi(of_cpu("siblings")) >= 1 && atoi(of_cpu("cpu cores")) >= 1);
  OK(atoi(of_cpu("apicid")) == atoi(of_cpu("initial apicid")));
  OK(strcmp(of_cpu("fpu"), "yes") == 0 && strcmp(of_cpu("wp"), "yes") == 0);
  OK(has_flag("fpu") && has_flag("sse2") && has_flag("lm") && has_flag("syscall"));
  OK(has_flag("pni") == (r[2] & 1));
  OK(has_flag("ssse3") == (r[2] >> 9 & 1));
  OK(has_flag("sse4_2") == (r[2] >> 20 & 1));
  OK(has_flag("aes") == (r[2] >> 25 & 1));
  OK(has_flag("hypervisor") == (r[2] >> 31 & 1));
  OK(strcmp(of_cpu("power management"), "") == 0);
  OK(strstr(text, "\n\n") != NULL);
  OK(strstr(of_cpu("address sizes"), " bits physical, ") != NULL);
}

/// A count of /proc/vmstat; -1 if there is none.
static long event(char const* name) {
  if (load("/proc/vmstat") <= 0) return -1;
  for (char const* at = text; at && *at; at = strchr(at, '\n')) {
    at += *at == '\n';
    if (strncmp(at, name, strlen(name)) == 0 && at[strlen(name)] == ' ')
      return atol(at + strlen(name));
  }
  return -1;
}

TEST(events_of_memory) {
  OK(event("nr_free_pages") > 0);
  OK(event("nr_anon_pages") > 0);
  OK(event("nr_file_pages") > 0);
  OK(event("nr_shmem") >= 0);
  OK(event("nr_slab_unreclaimable") > 0);
  IS(event("nr_dirty") >= 0 && event("nr_writeback") >= 0, 1);
  OK(event("pgpgin") >= 0 && event("pswpin") == 0 && event("pswpout") == 0);
  OK(event("pgmajfault") >= 0);
  long const before = event("pgfault");
  char* const pages =
      mmap(NULL, 100 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // Where there are huge pages.
  (void)!madvise(pages, 100 * PAGE, MADV_NOHUGEPAGE);
  for (int i = 0; i < 100; ++i) pages[i * PAGE] = 1;
  // Linux sums what CPUs count only now and then.
  long after = event("pgfault");
  for (int i = 0; i < 300 && after < before + 100; ++i) usleep(100000), after = event("pgfault");
  OK(after >= before + 100);
}

TEST(softirqs) {
  static char const* const names[] = {"HI",       "TIMER",   "NET_TX", "NET_RX",  "BLOCK",
                                      "IRQ_POLL", "TASKLET", "SCHED",  "HRTIMER", "RCU"};
  OK(load("/proc/softirqs") > 0);
  OK(strncmp(text, "                    CPU0       ", 31) == 0);
  char const* at = text;
  bool good = true;
  for (int i = 0; i < 10; ++i) {
    char line[32];
    at = strchr(at, '\n');
    snprintf(line, sizeof line, "%12s: ", names[i]);
    good = good && at && strncmp(++at, line, strlen(line)) == 0;
    if (!at) break;
  }
  OK(good);
}

static long score(void) { return load("/proc/self/oom_score") > 0 ? atol(text) : -1; }

TEST(who_would_be_ended) {
  long const usual = score();
  // Nobody uses much here: two thirds of a thousand, and little more.
  OK(usual >= 666 && usual < 1000);
  OK(set("/proc/self/oom_score_adj", "1000"));
  OK(score() >= usual + 660 && score() <= 1333);
  OK(set("/proc/self/oom_score_adj", "-500"));
  OK(score() >= 300 && score() < usual);
  OK(set("/proc/self/oom_score_adj", "-1000"));
  IS(score(), 0);
}

TEST(interrupts) {
  OK(load("/proc/interrupts") > 0);
  OK(strncmp(text, "           CPU0       ", 22) == 0);
  OK(has(" IO-APIC ") && has("  ttyS0\n"));
  char const* const local = strstr(text, "\nLOC: ");
  OK(local && atol(local + 6) > 0);
  OK(has("  Local timer interrupts\nSPU: ") || has("  Local timer interrupts\nRES: "));
  OK(has("  Rescheduling interrupts\nCAL: "));
  OK(has("  Function call interrupts\n"));
  long before = 0, after = 0;
  before = local ? atol(local + 6) : 0;
  for (int i = 0; i < 300 && after <= before; ++i) {
    usleep(20000);
    load("/proc/interrupts");
    char const* const again = strstr(text, "\nLOC: ");
    after = again ? atol(again + 6) : 0;
  }
  OK(after > before);
}

TEST(numbers_of_devices) {
  OK(load("/proc/devices") > 0);
  OK(strncmp(text, "Character devices:\n  1 mem\n", 27) == 0);
  OK(has("\n  4 ttyS\n"));
  OK(has("\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n"));
  OK(has("\n136 pts\n"));
  OK(has("\n\nBlock devices:\n"));
}

TEST(terminals) {
  OK(load("/proc/consoles") > 0);
  OK(strcmp(text, "ttyS0                -W- (EC  p a)    4:64\n") == 0);
  OK(load("/proc/tty/drivers") > 0);
  OK(strncmp(text, "/dev/tty             /dev/tty        5       0 system:/dev/tty\n", 62) == 0);
  OK(has("\n/dev/console         /dev/console    5       1 system:console\n"));
  OK(has("\n/dev/ptmx            /dev/ptmx       5       2 system\n"));
  OK(has("\nserial               /dev/ttyS       4 64-95 serial\n"));
  OK(has("\npty_slave            /dev/pts      136 0-1048575 pty:slave\n"));
  OK(load("/proc/tty/ldiscs") > 0);
  OK(strncmp(text, "n_tty       0\n", 14) == 0);
}
