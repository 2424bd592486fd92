// Files of memory: memfd_create(2), and seals, which forbid for ever.
#include "ktap.h"

#include <elf.h>
#include <linux/falloc.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#define PAGE 4096L

#ifndef MFD_NOEXEC_SEAL
#  define MFD_NOEXEC_SEAL 8U
#  define MFD_EXEC 16U
#endif
#ifndef F_SEAL_EXEC
#  define F_SEAL_EXEC 0x20
#endif

static char link_text[512];
static char const* link_of(int fd) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  long const n = readlink(path, link_text, sizeof link_text - 1);
  link_text[n < 0 ? 0 : n] = 0;
  return link_text;
}
static struct stat stat_of(int fd) {
  struct stat s;
  NEED(fstat(fd, &s));
  return s;
}
static int sealable(char const* name) { return (int)NEED(memfd_create(name, MFD_ALLOW_SEALING)); }

TEST(made) {
  int const fd = (int)WORKS(memfd_create("with a name", 0));
  struct stat const s = stat_of(fd);
  IS(s.st_mode, S_IFREG | 0777);
  IS(s.st_nlink, 0);
  IS(s.st_size, 0);
  IS(s.st_uid, 0);
  IS(fcntl(fd, F_GETFL), O_RDWR | 0100000);
  IS(fcntl(fd, F_GETFD), 0);
  OK(strcmp(link_of(fd), "/memfd:with a name (deleted)") == 0);
  int const closes = (int)WORKS(memfd_create("", MFD_CLOEXEC));
  IS(fcntl(closes, F_GETFD), FD_CLOEXEC);
  OK(strcmp(link_of(closes), "/memfd: (deleted)") == 0);
  OK(stat_of(closes).st_dev == s.st_dev);
  OK(stat_of(closes).st_ino != s.st_ino);
  struct statfs f;
  NEED(fstatfs(fd, &f));
  IS(f.f_type, 0x01021994);
  IS(write(fd, "hello", 5), 5);
  IS(lseek(fd, 0, SEEK_END), 5);
  char* const at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  OK(at != MAP_FAILED && memcmp(at, "hello", 5) == 0);
  FILE* const maps = fopen("/proc/self/maps", "r");
  char line[512];
  bool found = false;
  while (maps && fgets(line, sizeof line, maps))
    found = found || strstr(line, "/memfd:with a name (deleted)\n");
  OK(found);
  // Opened anew by the name that /proc has for it.
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int const reader = (int)WORKS(open(path, O_RDONLY));
  char text[6] = "";
  IS(read(reader, text, 5), 5);
  OK(strcmp(text, "hello") == 0);
  FAILS(write(reader, "x", 1), EBADF);
  FAILS(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), EXDEV);
}

TEST(refused) {
  FAILS(memfd_create("x", 0x20), EINVAL);
  FAILS(memfd_create("x", MFD_EXEC | MFD_NOEXEC_SEAL), EINVAL);
  FAILS(memfd_create(BAD_POINTER, 0), EFAULT);
  FAILS(memfd_create("x", 21U << 26), EINVAL);
  char name[252];
  memset(name, 'n', sizeof name);
  name[249] = 0;
  WORKS(memfd_create(name, 0));
  name[249] = 'n';
  name[250] = 0;
  FAILS(memfd_create(name, 0), EINVAL);
}

// The smallest program: exits with 42.
static int write_program(int fd) {
  Elf64_Ehdr const head = {
      .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
      .e_type = ET_EXEC,
      .e_machine = EM_X86_64,
      .e_version = EV_CURRENT,
      .e_entry = 0x400078,
      .e_phoff = sizeof(Elf64_Ehdr),
      .e_ehsize = sizeof(Elf64_Ehdr),
      .e_phentsize = sizeof(Elf64_Phdr),
      .e_phnum = 1,
  };
  unsigned char const code[] = {0xbf, 42, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05};
  Elf64_Phdr const segment = {
      .p_type = PT_LOAD,
      .p_flags = PF_R | PF_X,
      .p_vaddr = 0x400000,
      .p_filesz = sizeof head + sizeof segment + sizeof code,
      .p_memsz = sizeof head + sizeof segment + sizeof code,
      .p_align = 0x1000,
  };
  return write(fd, &head, sizeof head) == sizeof head &&
                 write(fd, &segment, sizeof segment) == sizeof segment &&
                 write(fd, code, sizeof code) == sizeof code
             ? 0
             : -1;
}

TEST(run) {
  int const fd = (int)NEED(memfd_create("program", MFD_EXEC));
  IS(stat_of(fd).st_mode & 0777, 0777);
  NEED(write_program(fd));
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) {
    char* const none[] = {NULL};
    fexecve(fd, none, none);
    _exit(errno);
  }
  int status = -1;
  waitpid(child, &status, 0);
  IS(WEXITSTATUS(status), 42);
  int const never = (int)NEED(memfd_create("data", MFD_NOEXEC_SEAL));
  IS(stat_of(never).st_mode & 0777, 0666);
  IS(fcntl(never, F_GET_SEALS), F_SEAL_EXEC);
  FAILS(fchmod(never, 0755), EPERM);
  WORKS(fchmod(never, 0600));
  char* const none[] = {NULL};
  FAILS(fexecve(never, none, none), EACCES);
  WORKS(fcntl(fd, F_GET_SEALS));
}

TEST(which_can_be_sealed) {
  int const plain = (int)NEED(memfd_create("plain", 0));
  IS(fcntl(plain, F_GET_SEALS), F_SEAL_SEAL);
  FAILS(fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
  int const file = (int)NEED(open("f", O_CREAT | O_RDWR, 0600));
  IS(fcntl(file, F_GET_SEALS), F_SEAL_SEAL);
  FAILS(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
  int const proc = (int)NEED(open("/proc/self/comm", O_RDWR));
  FAILS(fcntl(proc, F_GET_SEALS), EINVAL);
  FAILS(fcntl(proc, F_ADD_SEALS, F_SEAL_WRITE), EINVAL);
  FAILS(fcntl(999, F_GET_SEALS), EBADF);
  int pipes[2];
  NEED(pipe(pipes));
  FAILS(fcntl(pipes[0], F_GET_SEALS), EINVAL);
  int const fd = sealable("s");
  IS(fcntl(fd, F_GET_SEALS), 0);
  FAILS(fcntl(fd, F_ADD_SEALS, 0x1000), EINVAL);
  WORKS(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
  IS(fcntl(fd, F_GET_SEALS), F_SEAL_GROW);
  WORKS(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
  IS(fcntl(fd, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SEAL);
  FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), EPERM);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int const reader = (int)NEED(open(path, O_RDONLY));
  FAILS(fcntl(reader, F_ADD_SEALS, F_SEAL_SHRINK), EPERM);
  IS(fcntl(reader, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SEAL);
}

TEST(sizes) {
  int const fd = sealable("s");
  static char bytes[3 * 4096];
  NEED(pwrite(fd, bytes, PAGE + 100, 0));
  WORKS(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
  FAILS(ftruncate(fd, PAGE + 101), EPERM);
  WORKS(ftruncate(fd, PAGE + 100));
  FAILS(fallocate(fd, 0, 0, 2 * PAGE), EPERM);
  FAILS(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 2 * PAGE), EPERM);
  WORKS(fallocate(fd, 0, 0, PAGE));
  IS(pwrite(fd, bytes, 10, 0), 10);
  FAILS(pwrite(fd, bytes, 2 * PAGE, 0), EPERM);
  FAILS(pwrite(fd, bytes, 200, PAGE), EPERM);
  IS(pwrite(fd, bytes, 100, PAGE), 100);
  FAILS(pwrite(fd, bytes, 1, PAGE + 100), EPERM);
  WORKS(ftruncate(fd, 50));
  WORKS(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
  FAILS(ftruncate(fd, 49), EPERM);
  FAILS(ftruncate(fd, 0), EPERM);
  WORKS(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 10));
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  FAILS(open(path, O_RDWR | O_TRUNC), EPERM);
  IS(stat_of(fd).st_size, 50);
}

TEST(writing) {
  int const fd = sealable("s");
  NEED(ftruncate(fd, 2 * PAGE));
  char* const at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
  // One that may become writable is one too; a copy is not.
  NEED(mprotect(at, PAGE, PROT_READ));
  FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
  NEED(munmap(at, PAGE));
  char* const own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  own[0] = 'x';
  WORKS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  FAILS(pwrite(fd, "x", 1, 0), EPERM);
  IS(pwrite(fd, "x", 0, 0), 0);
  FAILS(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 10), EPERM);
  OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  IS(errno, EPERM);
  own[1] = 'y';
  OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int const writer = (int)WORKS(open(path, O_RDWR));
  FAILS(write(writer, "x", 1), EPERM);
  // The size is another matter.
  WORKS(ftruncate(fd, 10 * PAGE));
  WORKS(ftruncate(fd, 0));
}

TEST(writing_from_now_on) {
  int const fd = sealable("s");
  NEED(ftruncate(fd, 2 * PAGE));
  char* const at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  WORKS(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
  at[0] = 'x';
  char c = 0;
  IS(pread(fd, &c, 1, 0), 1);
  IS(c, 'x');
  FAILS(pwrite(fd, "x", 1, 0), EPERM);
  OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  char* const seen = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
  OK(seen != MAP_FAILED);
  IS(seen[0], 'x');
  FAILS(mprotect(seen, PAGE, PROT_READ | PROT_WRITE), EACCES);
  FAILS(madvise(at, PAGE, MADV_REMOVE), EPERM);
  at[1] = 'y';
  IS(seen[1], 'y');
  FAILS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
  NEED(munmap(at, PAGE));
  WORKS(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
}

TEST(running) {
  int const fd = sealable("s");
  NEED(ftruncate(fd, PAGE));
  NEED(fchmod(fd, 0600));
  WORKS(fcntl(fd, F_ADD_SEALS, F_SEAL_EXEC));
  IS(fcntl(fd, F_GET_SEALS), F_SEAL_EXEC);
  FAILS(fchmod(fd, 0700), EPERM);
  int const other = sealable("t");
  WORKS(fcntl(other, F_ADD_SEALS, F_SEAL_EXEC));
  IS(fcntl(other, F_GET_SEALS),
     F_SEAL_EXEC | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
}

TEST(rule) {
  int const rule = (int)NEED(open("/proc/sys/vm/memfd_noexec", O_RDWR));
  IS(pwrite(rule, "1", 1, 0), 1);
  int const quiet = (int)WORKS(memfd_create("x", MFD_CLOEXEC));
  IS(fcntl(quiet, F_GET_SEALS), F_SEAL_EXEC);
  int const asked = (int)WORKS(memfd_create("x", MFD_EXEC));
  IS(stat_of(asked).st_mode & 0777, 0777);
  IS(pwrite(rule, "2", 1, 0), 1);
  FAILS(memfd_create("x", MFD_EXEC), EACCES);
  WORKS(memfd_create("x", 0));
  FAILS(pwrite(rule, "3", 1, 0), EINVAL);
  IS(pwrite(rule, "0", 1, 0), 1);
}

// A file that O_TMPFILE made is shown as one that was called by its number.
TEST(unnamed) {
  int const fd = (int)NEED(open(".", O_TMPFILE | O_RDWR, 0600));
  char here[256], wanted[400];
  OK(getcwd(here, sizeof here) != NULL);
  snprintf(wanted, sizeof wanted, "%s/#%lu (deleted)", here, (unsigned long)stat_of(fd).st_ino);
  OK(strcmp(link_of(fd), wanted) == 0);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  WORKS(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
  // It goes on as the file that was opened, whatever it is called now.
  OK(strcmp(link_of(fd), wanted) == 0);
  IS(stat_of(fd).st_nlink, 1);
  int const named = (int)NEED(open("named", O_RDONLY));
  NEED(link("named", "other"));
  NEED(unlink("named"));
  snprintf(wanted, sizeof wanted, "%s/named (deleted)", here);
  OK(strcmp(link_of(named), wanted) == 0);
}

TEST(secret_memory) {
  FAILS(SYS(memfd_secret, 1), EINVAL);
  FAILS(SYS(memfd_secret, O_NONBLOCK), EINVAL);
  int const file = (int)WORKS(SYS(memfd_secret, O_CLOEXEC));
  IS(fcntl(file, F_GETFD), FD_CLOEXEC);
  IS(fcntl(file, F_GETFL) & O_ACCMODE, O_RDWR);
  struct stat s;
  NEED(fstat(file, &s));
  OK(S_ISREG(s.st_mode));
  IS(s.st_size, 0);
  char name[64] = "", path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  NEED(readlink(path, name, sizeof name - 1));
  IS(strcmp(name, "/secretmem (deleted)"), 0);
  FAILS(open(path, O_RDWR), ENXIO);
  FAILS(read(file, name, 1), EINVAL);
  FAILS(write(file, name, 1), EINVAL);
  FAILS(fallocate(file, 0, 0, 4096), EOPNOTSUPP);
  WORKS(ftruncate(file, 3 * 4096));
  FAILS(ftruncate(file, 4096), EINVAL);
  FAILS(ftruncate(file, 5 * 4096), EINVAL);
  OK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED);
  IS(errno, EINVAL);
  OK(mmap(NULL, 4096, PROT_EXEC, MAP_SHARED, file, 0) == MAP_FAILED);
  IS(errno, EPERM);
  char* const at = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  OK(at != MAP_FAILED);
  FAILS(mprotect(at, 4096, PROT_EXEC), EACCES);
  IS(at[0], 0);
  strcpy(at, "nobody else's");
  // The program's own calls reach it, whoever goes by the kernel's memory does not.
  int ends[2];
  NEED(pipe(ends));
  IS(write(ends[1], at, 6), 6);
  IS(read(ends[0], at + 4096, 6), 6);
  IS(memcmp(at, at + 4096, 6), 0);
  struct iovec const mine = {name, 8}, secret = {at, 8};
  FAILS(process_vm_readv(getpid(), &mine, 1, &secret, 1, 0), EFAULT);
  FAILS(process_vm_writev(getpid(), &mine, 1, &secret, 1, 0), EFAULT);
  // A child shares it.
  IS(IN_CHILD(strcpy(at, "the child's")), 0);
  IS(strcmp(at, "the child's"), 0);
  close(file);
  IS(at[0], 't');
  WORKS(munmap(at, 2 * 4096));
}

TEST(limit_of_secret_memory) {
  struct rlimit const limit = {2 * 4096, 2 * 4096};
  NEED(setrlimit(RLIMIT_MEMLOCK, &limit));
  int const file = (int)NEED(SYS(memfd_secret, 0));
  NEED(ftruncate(file, 4 * 4096));
  char* const at = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  OK(at != MAP_FAILED);
  int const status = IN_CHILD(for (int i = 0; i < 4; ++i) at[i * 4096] = 1);
  OK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
  IS(at[4096], 1);
  NEED(munmap(at, 4 * 4096));
  close(file);
}

TEST(programs_of_a_mount_without_them) {
  NEED(mkdir("quiet", 0755));
  NEED(mount("none", "quiet", "tmpfs", MS_NOEXEC, NULL));
  int const file = make_file("quiet/file", "code");
  OK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) == MAP_FAILED);
  IS(errno, EPERM);
  OK(mmap(NULL, 4096, PROT_EXEC, MAP_SHARED, file, 0) == MAP_FAILED);
  IS(errno, EPERM);
  char* const at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
  OK(at != MAP_FAILED);
  FAILS(mprotect(at, 4096, PROT_READ | PROT_EXEC), EACCES);
  // What read access implies elsewhere, it does not here.
  NEED(personality(READ_IMPLIES_EXEC));
  OK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0) != MAP_FAILED);
  WORKS(mprotect(at, 4096, PROT_READ | PROT_WRITE));
  NEED(munmap(at, 4096));
  close(file);
  NEED(umount2("quiet", MNT_DETACH));
}
