// What a new program starts with: rights of set-id files, the auxiliary vector, script lines.
#include "ktap.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>

extern char** environ;

#define REPORT "AUK_TEST_REPORT"
#define NAMES "AUK_TEST_NAMES"

// A copy of this program that was started only to say who it is.
__attribute__((constructor)) static void report(void) {
  if (getenv(NAMES)) {
    char name[20] = "";
    prctl(PR_GET_NAME, name);
    printf("%s, %s", name, (char*)getauxval(AT_EXECFN));
    fflush(stdout);
    _exit(0);
  }
  if (!getenv(REPORT) && !(getauxval(AT_SECURE) && getenv("REPORT"))) return;
  uid_t real, effective, saved;
  gid_t real_group, effective_group, saved_group;
  getresuid(&real, &effective, &saved);
  getresgid(&real_group, &effective_group, &saved_group);
  // With the right to it, a file can be given away.
  bool const may = chown("given", 7, 7) == 0;
  int death = 0;
  prctl(PR_GET_PDEATHSIG, &death);
  printf("%u %u %u, %u %u %u, secure %lu, dumpable %d, may %d, death %d", real, effective, saved,
         real_group, effective_group, saved_group, getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE),
         may, death);
  fflush(stdout);
  _exit(0);
}

static char said[256];

static void copy_program(char const* to, uid_t owner, gid_t group, mode_t mode) {
  int const from = (int)NEED(open(program_invocation_name, O_RDONLY));
  int const file = (int)NEED(open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755));
  struct stat facts;
  NEED(fstat(from, &facts));
  for (off_t left = facts.st_size; left > 0;) {
    ssize_t const put = sendfile(file, from, NULL, (size_t)left);
    if (put <= 0) ktap_give_up("a copy of the program");
    left -= put;
  }
  close(from);
  close(file);
  NEED(chown(to, owner, group));
  NEED(chmod(to, mode));
  close(make_file("given", ""));
  NEED(chmod(".", 0777));
}

enum { AS_ROOT, AS_NOBODY, NO_NEW_PRIVILEGES };

static char const* who_is_told(char const* program, int as, char* const variables[]) {
  int ends[2];
  NEED(pipe(ends));
  pid_t const child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    prctl(PR_SET_PDEATHSIG, SIGURG);
    if (as != AS_ROOT) become_nobody();
    if (as == NO_NEW_PRIVILEGES) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (as != AS_ROOT) prctl(PR_SET_PDEATHSIG, SIGURG);
    char* const arguments[] = {(char*)program, NULL};
    execve(program, arguments, variables);
    _exit(99);
  }
  close(ends[1]);
  ssize_t const got = read(ends[0], said, sizeof said - 1);
  said[got > 0 ? got : 0] = '\0';
  close(ends[0]);
  ktap_status_of(child);
  return said;
}

static char const* who_is(char const* program, int as) {
  char* const variables[] = {REPORT "=1", "REPORT=1", NULL};
  return who_is_told(program, as, variables);
}

#define SAYS(program, as, text)                                                                    \
  ktap_check(strcmp(who_is(program, as), text) == 0, #program " " #as ": " text, "%s", said)

TEST(ordinary_program) {
  copy_program("p", 0, 0, 0755);
  SAYS("./p", AS_ROOT, "0 0 0, 0 0 0, secure 0, dumpable 1, may 1, death 23");
  SAYS("./p", AS_NOBODY,
       "65534 65534 65534, 65534 65534 65534, secure 0, dumpable 1, may 0, death 23");
}

TEST(set_user_id) {
  copy_program("p", 0, 0, 04755);
  SAYS("./p", AS_NOBODY, "65534 0 0, 65534 65534 65534, secure 1, dumpable 0, may 1, death 0");
  SAYS("./p", NO_NEW_PRIVILEGES,
       "65534 65534 65534, 65534 65534 65534, secure 0, dumpable 1, may 0, death 23");
  copy_program("q", 1000, 1000, 04755);
  SAYS("./q", AS_ROOT, "0 1000 1000, 0 0 0, secure 1, dumpable 0, may 0, death 0");
  SAYS("./q", AS_NOBODY,
       "65534 1000 1000, 65534 65534 65534, secure 1, dumpable 0, may 0, death 0");
  copy_program("r", NOBODY, NOBODY, 04755);
  SAYS("./r", AS_NOBODY,
       "65534 65534 65534, 65534 65534 65534, secure 0, dumpable 1, may 0, death 23");
}

TEST(set_group_id) {
  copy_program("p", 0, 1000, 02755);
  SAYS("./p", AS_NOBODY,
       "65534 65534 65534, 65534 1000 1000, secure 1, dumpable 0, may 0, death 0");
  copy_program("q", 1000, 1000, 06755);
  SAYS("./q", AS_NOBODY, "65534 1000 1000, 65534 1000 1000, secure 1, dumpable 0, may 0, death 0");
  // Without the right to execute the bit means something else.
  copy_program("r", 0, 1000, 02745);
  SAYS("./r", AS_NOBODY,
       "65534 65534 65534, 65534 65534 65534, secure 0, dumpable 1, may 0, death 23");
}

TEST(script_has_no_rights_of_its_own) {
  copy_program("p", 0, 0, 0755);
  char line[128], folder[100];
  if (!getcwd(folder, sizeof folder)) ktap_give_up("the folder");
  snprintf(line, sizeof line, "#!%s/p\n", folder);
  close(make_file("s", line));
  NEED(chmod("s", 04755));
  SAYS("./s", AS_NOBODY,
       "65534 65534 65534, 65534 65534 65534, secure 0, dumpable 1, may 0, death 23");
}

TEST(names) {
  char* const variables[] = {NAMES "=1", NULL};
  char line[128], folder[100];
  copy_program("a_rather_long_name", 0, 0, 0755);
  if (!getcwd(folder, sizeof folder)) ktap_give_up("the folder");
  IS(strcmp(who_is_told("./a_rather_long_name", AS_ROOT, variables),
            "a_rather_long_n, ./a_rather_long_name"),
     0);
  // A script is named by itself, however many interpret each other.
  snprintf(line, sizeof line, "#!%s/a_rather_long_name\n", folder);
  close(make_file("script", line));
  NEED(chmod("script", 0755));
  IS(strcmp(who_is_told("./script", AS_ROOT, variables), "script, ./script"), 0);
  snprintf(line, sizeof line, "#!%s/script -x\n", folder);
  close(make_file("outer", line));
  NEED(chmod("outer", 0755));
  IS(strcmp(who_is_told("./outer", AS_ROOT, variables), "outer, ./outer"), 0);
}

TEST(other_effective_user) {
  copy_program("p", 0, 0, 0755);
  IS(IN_CHILD({
       NEED(setresuid(NOBODY, 0, 0));
       NEED(seteuid(1000) == 0 ? 0 : -1);
       _exit(strcmp(who_is("./p", AS_ROOT), "65534 1000 1000, 0 0 0, secure 1, dumpable 0, may 0, "
                                            "death 0") == 0
                 ? 0
                 : 1);
     }),
     0);
}

TEST(auxiliary_vector) {
  IS(getauxval(AT_PAGESZ), 4096);
  IS(getauxval(AT_CLKTCK), 100);
  IS(getauxval(AT_PHENT), sizeof(Elf64_Phdr));
  OK(getauxval(AT_PHNUM) > 2);
  IS(getauxval(AT_BASE), 0);
  IS(getauxval(AT_FLAGS), 0);
  IS(getauxval(AT_UID), 0);
  IS(getauxval(AT_EUID), 0);
  IS(getauxval(AT_GID), 0);
  IS(getauxval(AT_EGID), 0);
  IS(getauxval(AT_SECURE), 0);
  OK(getauxval(AT_RANDOM) != 0);
  OK(getauxval(AT_HWCAP) != 0);
  OK(getauxval(AT_MINSIGSTKSZ) >= 2048 && getauxval(AT_MINSIGSTKSZ) % 16 == 0);
  IS(strcmp((char*)getauxval(AT_PLATFORM), "x86_64"), 0);
  IS(strcmp((char*)getauxval(AT_EXECFN), program_invocation_name), 0);
  Elf64_Phdr const* const headers = (void*)getauxval(AT_PHDR);
  bool loaded = false;
  for (unsigned i = 0; i < getauxval(AT_PHNUM); ++i) loaded |= headers[i].p_type == PT_LOAD;
  OK(loaded);
  OK(getauxval(AT_ENTRY) != 0);
}

static int script_error(char const* line, size_t size) {
  int const file = (int)NEED(open("s", O_WRONLY | O_CREAT | O_TRUNC, 0755));
  NEED(write(file, line, size));
  close(file);
  char* const arguments[] = {"s", NULL};
  return execve("./s", arguments, environ) == 0 ? 0 : errno;
}

TEST(script_lines) {
  char line[400];
  // The end of the file ends an empty name, which means the working directory.
  IS(script_error("#!", 2), EACCES);
  IS(script_error("#!\n", 3), ENOEXEC);
  IS(script_error("#! \t \n", 6), ENOEXEC);
  IS(script_error("#! \t ", 5), EACCES);
  IS(script_error("#!\0\n", 4), EACCES);
  IS(script_error("#!/no/such", 10), ENOENT);
  IS(script_error("#!\t/no/such\t-x \n", 16), ENOENT);
  IS(script_error("#!/\n", 4), EACCES);
  IS(script_error("#!/etc/passwd\n", 14), EACCES);
  // A name that the first 256 bytes do not hold is none; an argument is cut.
  memset(line, 'x', sizeof line);
  memcpy(line, "#!/", 3);
  IS(script_error(line, sizeof line), ENOEXEC);
  memcpy(line, "#!/no/such ", 11);
  IS(script_error(line, sizeof line), ENOENT);
  IS(script_error("#!./s\n", 6), ELOOP);
}

TEST(headers) {
  copy_program("p", 0, 0, 0755);
  struct {
    size_t offset;
    unsigned char value;
    int error;
  } const broken[] = {
      {0, 'x', ENOEXEC},                               // the magic number
      {offsetof(Elf64_Ehdr, e_type), 1, ENOEXEC},      // an object file
      {offsetof(Elf64_Ehdr, e_machine), 40, ENOEXEC},  // of another machine
      {offsetof(Elf64_Ehdr, e_phentsize), 32, ENOEXEC},
  };
  for (size_t i = 0; i < sizeof broken / sizeof *broken; ++i) {
    int const file = (int)NEED(open("p", O_RDWR));
    unsigned char old;
    NEED(pread(file, &old, 1, (off_t)broken[i].offset));
    NEED(pwrite(file, &broken[i].value, 1, (off_t)broken[i].offset));
    close(file);
    char* const arguments[] = {"p", NULL};
    errno = 0;
    execve("./p", arguments, environ);
    IS(errno, broken[i].error);
    int const again = (int)NEED(open("p", O_RDWR));
    NEED(pwrite(again, &old, 1, (off_t)broken[i].offset));
    close(again);
  }
  NEED(truncate("p", 40));
  char* const arguments[] = {"p", NULL};
  FAILS(execve("./p", arguments, environ), ENOEXEC);
}

// 0 if a program started with so many strings of that length, else the errno. As a program of the
// test it says a line and ends.
static int errno_of_exec(unsigned count, size_t length, rlim_t stack) {
  int const status = IN_CHILD({
    char** const arguments = calloc(count + 2, sizeof *arguments);
    char* const text = malloc(length + 1);
    memset(text, 'x', length);
    text[length] = '\0';
    arguments[0] = "name";
    for (unsigned i = 1; i <= count; ++i) arguments[i] = text;
    setrlimit(RLIMIT_STACK, &(struct rlimit){stack, RLIM_INFINITY});
    close(1);
    execve(program_invocation_name, arguments, (char*[]){REPORT "=1", NULL});
    _exit(errno);
  });
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(long_arguments) {
  rlim_t const usual = 8 << 20, small = 256 << 10;
  IS(errno_of_exec(1, 131071, usual), 0);
  IS(errno_of_exec(1, 131072, usual), E2BIG);
  IS(errno_of_exec(15, 131071, usual), 0);
  IS(errno_of_exec(16, 131071, usual), E2BIG);
  // Pointers count: a string of one character takes ten bytes.
  IS(errno_of_exec(200000, 1, usual), 0);
  IS(errno_of_exec(209600, 1, usual), 0);
  IS(errno_of_exec(209800, 1, usual), E2BIG);
  IS(errno_of_exec(47, 131071, RLIM_INFINITY), 0);
  IS(errno_of_exec(48, 131071, RLIM_INFINITY), E2BIG);
  // There is always room for 128 KiB.
  IS(errno_of_exec(1, 131000, small), 0);
  IS(errno_of_exec(1, 131020, small), E2BIG);
  IS(errno_of_exec(2, 70000, small), E2BIG);
}
