// Sandboxes that a process makes for itself: landlock_create_ruleset(2), landlock_add_rule(2),
// landlock_restrict_self(2), and what becomes of its files.
#include "ktap.h"
#include "sandbox.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

// --- the calls ------------------------------------------------------------------------------

TEST(version) {
  IS(create(NULL, 0, GET_VERSION), 6);
  IS(create(NULL, 0, GET_ERRATA), 15);
  struct handled const h = {.files = EXECUTE};
  FAILS(create(NULL, 0, GET_VERSION | GET_ERRATA), EINVAL);
  FAILS(create(NULL, 0, 4), EINVAL);
  FAILS(create(&h, 0, GET_VERSION), EINVAL);
  FAILS(create(NULL, 1, GET_VERSION), EINVAL);
  FAILS(create(&h, sizeof h, GET_ERRATA), EINVAL);
  FAILS(create(&h, sizeof h, 4), EINVAL);
}

TEST(handled) {
  struct {
    struct handled h;
    uint64_t more;
  } big = {.h = {.files = EXECUTE}};
  FAILS(create(NULL, sizeof big.h, 0), EFAULT);
  FAILS(create(BAD_POINTER, sizeof big.h, 0), EFAULT);
  FAILS(create(&big.h, 0, 0), EINVAL);
  FAILS(create(&big.h, 7, 0), EINVAL);
  FAILS(create(&big.h, 4097, 0), E2BIG);
  WORKS(create(&big.h, 8, 0));
  WORKS(create(&big.h, 16, 0));
  WORKS(create(&big.h, sizeof big, 0));
  big.more = 1;
  FAILS(create(&big.h, sizeof big, 0), E2BIG);
  struct handled h = {0};
  FAILS(create(&h, sizeof h, 0), ENOMSG);
  h.files = ALL_FILES + 1;
  FAILS(create(&h, sizeof h, 0), EINVAL);
  h.files = 1ULL << 63;
  FAILS(create(&h, sizeof h, 0), EINVAL);
  h = (struct handled){.ports = 4};
  FAILS(create(&h, sizeof h, 0), EINVAL);
  h = (struct handled){.scoped = 4};
  FAILS(create(&h, sizeof h, 0), EINVAL);
  // What lies behind the size given does not count.
  h = (struct handled){.files = EXECUTE, .scoped = 4};
  WORKS(create(&h, 16, 0));
  h = (struct handled){.files = ALL_FILES};
  WORKS(create(&h, sizeof h, 0));
  h = (struct handled){.ports = BIND_TCP | CONNECT_TCP};
  WORKS(create(&h, sizeof h, 0));
  h = (struct handled){.scoped = ABSTRACT_SOCKET | SIGNAL};
  WORKS(create(&h, sizeof h, 0));
  struct rlimit const few = {(rlim_t)dup(0), 100};
  NEED(setrlimit(RLIMIT_NOFILE, &few));
  FAILS(create(&h, sizeof h, 0), EMFILE);
}

TEST(descriptor) {
  int const fd = (int)NEED(ruleset_of(EXECUTE, 0));
  IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
  IS(fcntl(fd, F_GETFL), O_RDWR);
  char text[64] = "", path[64];
  FAILS(read(fd, text, sizeof text), EINVAL);
  FAILS(write(fd, text, sizeof text), EINVAL);
  FAILS(pread(fd, text, sizeof text, 0), ESPIPE);
  FAILS(lseek(fd, 0, SEEK_CUR), ESPIPE);
  FAILS(ioctl(fd, TCGETS, text), ENOTTY);
  OK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == ENODEV);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  IS(readlink(path, text, sizeof text), strlen("anon_inode:[landlock-ruleset]"));
  OK(strcmp(text, "anon_inode:[landlock-ruleset]") == 0);
  FAILS(open(path, O_RDWR), ENXIO);
  struct epoll_event event = {.events = EPOLLIN};
  FAILS(epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, fd, &event), EPERM);
}

TEST(wrong_rules) {
  int const ruleset = (int)NEED(ruleset_of(READ_FILE | READ_DIR, 0));
  int const file = make_file("file", "x");
  int const folder = (int)NEED(open(".", O_PATH));
  struct path_rule rule = {READ_DIR, folder};
  FAILS(add_rule(ruleset, PATH_BENEATH, &rule, 1), EINVAL);
  FAILS(add_rule(999, PATH_BENEATH, &rule, 1), EINVAL);
  FAILS(add_rule(999, PATH_BENEATH, &rule, 0), EBADF);
  FAILS(add_rule(-1, PATH_BENEATH, &rule, 0), EBADF);
  FAILS(add_rule(folder, PATH_BENEATH, &rule, 0), EBADF);
  FAILS(add_rule(file, PATH_BENEATH, &rule, 0), EBADFD);
  FAILS(add_rule(file, 77, &rule, 0), EBADFD);
  FAILS(add_rule(ruleset, 0, &rule, 0), EINVAL);
  FAILS(add_rule(ruleset, 3, &rule, 0), EINVAL);
  FAILS(add_rule(ruleset, PATH_BENEATH, NULL, 0), EFAULT);
  FAILS(add_rule(ruleset, PATH_BENEATH, BAD_POINTER, 0), EFAULT);
  FAILS(add_path(ruleset, folder, 0), ENOMSG);
  FAILS(add_path(ruleset, 999, 0), ENOMSG);
  FAILS(add_path(ruleset, folder, WRITE_FILE), EINVAL);
  FAILS(add_path(ruleset, 999, WRITE_FILE), EINVAL);
  FAILS(add_path(ruleset, folder, READ_DIR | 1ULL << 40), EINVAL);
  FAILS(add_path(ruleset, 999, READ_DIR), EBADF);
  FAILS(add_path(ruleset, AT_FDCWD, READ_DIR), EBADF);
  FAILS(add_path(ruleset, file, READ_DIR), EINVAL);
  FAILS(add_path(ruleset, file, READ_DIR | READ_FILE), EINVAL);
  IS(add_path(ruleset, file, READ_FILE), 0);
  IS(add_path(ruleset, file, READ_FILE), 0);
  IS(add_path(ruleset, folder, READ_DIR), 0);
  IS(add_path(ruleset, folder, READ_FILE), 0);
}

TEST(rules_about_what_is_nowhere) {
  int const ruleset = (int)NEED(ruleset_of(READ_FILE, 0));
  int pair[2];
  NEED(pipe(pair));
  FAILS(add_path(ruleset, ruleset, READ_FILE), EBADFD);
  FAILS(add_path(ruleset, pair[0], READ_FILE), EBADFD);
  FAILS(add_path(ruleset, (int)NEED(socket(AF_UNIX, SOCK_STREAM, 0)), READ_FILE), EBADFD);
  FAILS(add_path(ruleset, (int)NEED(eventfd(0, 0)), READ_FILE), EBADFD);
  FAILS(add_path(ruleset, (int)NEED(memfd_create("x", 0)), READ_FILE), EBADFD);
  FAILS(add_path(ruleset, (int)NEED(open("/proc/self/ns/mnt", O_RDONLY)), READ_FILE), EBADFD);
  NEED(mkfifo("fifo", 0600));
  IS(add_path(ruleset, (int)NEED(open("fifo", O_RDWR)), READ_FILE), 0);
  IS(add_path(ruleset, (int)NEED(open("/dev/null", O_RDONLY)), READ_FILE), 0);
  IS(add_path(ruleset, (int)NEED(open("/proc/self/status", O_RDONLY)), READ_FILE), 0);
  // A file without a name is one all the same.
  int const gone = make_file("gone", "x");
  NEED(unlink("gone"));
  IS(add_path(ruleset, gone, READ_FILE), 0);
}

TEST(ports) {
  struct handled const h = {.files = READ_FILE, .ports = BIND_TCP};
  int const ruleset = (int)NEED(create(&h, sizeof h, 0));
  struct port_rule rule = {0, 80};
  FAILS(add_rule(ruleset, NET_PORT, BAD_POINTER, 0), EFAULT);
  FAILS(add_rule(ruleset, NET_PORT, &rule, 0), ENOMSG);
  rule.access = CONNECT_TCP;
  FAILS(add_rule(ruleset, NET_PORT, &rule, 0), EINVAL);
  rule = (struct port_rule){BIND_TCP, 65536};
  FAILS(add_rule(ruleset, NET_PORT, &rule, 0), EINVAL);
  // A sandbox that speaks of ports alone leaves files as they are.
  struct handled const only = {.ports = BIND_TCP | CONNECT_TCP};
  enforce((int)NEED(create(&only, sizeof only, 0)));
  IS(opens("/proc/version", O_RDONLY), 0);
  close(make_file("file", "x"));
  NEED(mkdir("folder", 0755));
  IS(rename("file", "folder/file"), 0);
}

TEST(who_may) {
  int const ruleset = (int)NEED(ruleset_of(READ_FILE, 0));
  int const file = make_file("file", "x");
  FAILS(restrict_self(ruleset, 1U << 31), EINVAL);
  FAILS(restrict_self(999, 1U << 31), EINVAL);
  FAILS(restrict_self(999, 0), EBADF);
  FAILS(restrict_self(file, 0), EBADFD);
  FAILS(restrict_self((int)NEED(open(".", O_PATH)), 0), EBADF);
  become_nobody();
  FAILS(restrict_self(ruleset, 0), EPERM);
  FAILS(restrict_self(999, 1U << 31), EPERM);
  NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  IS(restrict_self(ruleset, 0), 0);
  IS(opens("file", O_RDONLY), EACCES);
}

TEST(sixteen_layers) {
  close(make_file("file", "x"));
  int const ruleset = (int)NEED(ruleset_of(READ_FILE, 0));
  allow(ruleset, ".", READ_FILE);
  int layers = 0;
  while (restrict_self(ruleset, 0) == 0) ++layers;
  IS(errno, E2BIG);
  IS(layers, 16);
  IS(opens("file", O_RDONLY), 0);
  IS(opens("/proc/version", O_RDONLY), EACCES);
  // Children have as many.
  IS(IN_CHILD(_exit(restrict_self(ruleset, 0) == -1 ? errno : 0)), EXITED(E2BIG));
}

// --- single rights --------------------------------------------------------------------------

static int errno_of(long result) { return result == -1 ? errno : 0; }
static int read_file(void) { return opens("file", O_RDONLY); }
static int write_file(void) { return opens("file", O_WRONLY); }
static int read_folder(void) { return opens("folder", O_RDONLY | O_DIRECTORY); }
static int run(void) {
  char* const none[] = {NULL};
  int const status = IN_CHILD(execve("file", none, none); _exit(errno));
  return WEXITSTATUS(status);
}
static int remove_folder(void) { return errno_of(rmdir("folder")); }
static int remove_file(void) { return errno_of(unlink("file")); }
static int make_char(void) { return errno_of(mknod("char", S_IFCHR | 0600, makedev(1, 3))); }
static int make_block(void) { return errno_of(mknod("block", S_IFBLK | 0600, makedev(1, 0))); }
static int make_folder(void) { return errno_of(mkdir("new folder", 0755)); }
static int make_regular(void) { return errno_of(mknod("new", S_IFREG | 0600, 0)); }
static int make_whiteout(void) { return errno_of(mknod("whiteout", S_IFCHR | 0600, 0)); }
static int make_socket(void) { return errno_of(mknod("socket", S_IFSOCK | 0600, 0)); }
static int make_fifo(void) { return errno_of(mkfifo("fifo", 0600)); }
static int make_symlink(void) { return errno_of(symlink("target", "link")); }
static int make_link(void) { return errno_of(link("file", "linked")); }
static int there_and_back(char const* from, char const* to) {
  return errno_of(rename(from, to) == 0 ? rename(to, from) : -1);
}
static int move_file(void) { return there_and_back("file", "moved"); }
static int move_folder(void) { return there_and_back("folder", "moved folder"); }
static int truncate_file(void) { return errno_of(truncate("file", 1)); }
static int open_and_truncate(void) { return opens("file", O_WRONLY | O_TRUNC); }
static int create_file(void) { return opens("created", O_RDWR | O_CREAT | O_TRUNC | O_EXCL); }
static int make_unnamed(void) { return opens(".", O_TMPFILE | O_RDWR); }

static struct action {
  char const* name;
  int (*act)(void);
  uint64_t needs;
  int error;  // what it ends with where that is given
} const actions[] = {
    {"read file", read_file, READ_FILE, 0},
    {"write file", write_file, WRITE_FILE, 0},
    {"read folder", read_folder, READ_DIR, 0},
    {"run", run, READ_FILE | EXECUTE, ENOEXEC},
    {"make char", make_char, MAKE_CHAR, 0},
    {"make block", make_block, MAKE_BLOCK, 0},
    {"make folder", make_folder, MAKE_DIR, 0},
    {"make regular", make_regular, MAKE_REG, 0},
    {"make whiteout", make_whiteout, MAKE_REG, 0},
    {"make socket", make_socket, MAKE_SOCK, 0},
    {"make fifo", make_fifo, MAKE_FIFO, 0},
    {"make symlink", make_symlink, MAKE_SYM, 0},
    {"make link", make_link, MAKE_REG, 0},
    {"truncate file", truncate_file, TRUNCATE, 0},
    {"open and truncate", open_and_truncate, WRITE_FILE | TRUNCATE, 0},
    {"create file", create_file, READ_FILE | WRITE_FILE | MAKE_REG, 0},
    {"make unnamed", make_unnamed, READ_FILE | WRITE_FILE, 0},
    {"move file", move_file, MAKE_REG | REMOVE_FILE, 0},
    {"move folder", move_folder, MAKE_DIR | REMOVE_DIR, 0},
    // Last, since they take away what the others need.
    {"remove folder", remove_folder, REMOVE_DIR, 0},
    {"remove file", remove_file, REMOVE_FILE, 0},
};
enum { ACTIONS = sizeof actions / sizeof actions[0] };

static void furnish(void) {
  close(make_file("file", "some bytes"));
  NEED(chmod("file", 0777));
  NEED(mkdir("folder", 0755));
}

// In a place where some rights are given, each action does what it should; how many do not.
static void try_all(char const* place, uint64_t handled, uint64_t given) {
  NEED(mkdir(place, 0755));
  NEED(chdir(place));
  furnish();
  int const ruleset = (int)NEED(ruleset_of(handled, 0));
  if (given != 0) allow(ruleset, ".", given);
  enforce(ruleset);
  int wrong = 0;
  for (int i = 0; i < ACTIONS; ++i) {
    struct action const* const a = &actions[i];
    int const want = (a->needs & handled & ~given) != 0 ? EACCES : a->error;
    int const got = a->act();
    if (got == want) continue;
    printf("# %s in %s: %s, not %s\n", a->name, place, strerrorname_np(got), strerrorname_np(want));
    ++wrong;
  }
  fflush(stdout);
  _exit(wrong);
}

TEST(each_right_given_alone) {
  for (uint64_t right = 1; right <= TRUNCATE; right <<= 1) {
    char place[32];
    snprintf(place, sizeof place, "given %#x", (unsigned)right);
    IS(IN_CHILD(try_all(place, ALL_FILES, right)), 0);
  }
  IS(IN_CHILD(try_all("nothing given", ALL_FILES, 0)), 0);
  IS(IN_CHILD(try_all("all given", ALL_FILES, ALL_FILES)), 0);
}

TEST(each_right_given_up_alone) {
  for (uint64_t right = 1; right <= TRUNCATE; right <<= 1) {
    char place[32];
    snprintf(place, sizeof place, "given up %#x", (unsigned)right);
    IS(IN_CHILD(try_all(place, right, 0)), 0);
  }
}

TEST(before_other_rights) {
  furnish();
  NEED(chmod(".", 0555));
  give_up(MAKE_REG | MAKE_CHAR | REMOVE_FILE, 0);
  become_nobody();
  // What is there already, or is not, is said first.
  FAILS(mknod("file", S_IFREG | 0600, 0), EEXIST);
  FAILS(mkdir("file", 0700), EEXIST);
  FAILS(open("file", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
  FAILS(unlink("nothing"), ENOENT);
  FAILS(mknod("nothing/x", S_IFREG | 0600, 0), ENOENT);
  FAILS(mknod("device", S_IFCHR | 0600, makedev(1, 3)), EACCES);
  FAILS(unlink("folder"), EACCES);
  FAILS(rmdir("file"), EACCES);
}

// --- where rules count ----------------------------------------------------------------------

static void make_tree(void) {
  NEED(mkdir("a", 0755));
  NEED(mkdir("a/b", 0755));
  NEED(mkdir("a/b/c", 0755));
  NEED(mkdir("other", 0755));
  close(make_file("a/file", "x"));
  close(make_file("a/b/file", "x"));
  close(make_file("a/b/c/file", "x"));
  close(make_file("other/file", "x"));
  NEED(symlink("../a/b/file", "other/into"));
  NEED(symlink("../../other/file", "a/b/out"));
}

TEST(beneath) {
  make_tree();
  NEED(link("a/b/file", "other/linked"));
  give_up_outside("a/b", READ_FILE | READ_DIR, READ_FILE | READ_DIR);
  IS(opens("a/b/file", O_RDONLY), 0);
  IS(opens("a/b/c/file", O_RDONLY), 0);
  IS(opens("a/b", O_RDONLY), 0);
  IS(opens("a/b/c", O_RDONLY), 0);
  IS(opens("a", O_RDONLY), EACCES);
  IS(opens("a/file", O_RDONLY), EACCES);
  IS(opens("a/b/../file", O_RDONLY), EACCES);
  IS(opens("other/into", O_RDONLY), 0);
  IS(opens("a/b/out", O_RDONLY), EACCES);
  // The same file, seen from elsewhere.
  IS(opens("other/linked", O_RDONLY), EACCES);
  NEED(chdir("a/b/c"));
  IS(opens("file", O_RDONLY), 0);
  IS(opens("../file", O_RDONLY), 0);
  IS(opens("../../file", O_RDONLY), EACCES);
}

TEST(a_file_by_all_its_names) {
  make_tree();
  NEED(link("a/b/file", "other/linked"));
  give_up_outside("a/b/file", READ_FILE, READ_FILE);
  IS(opens("a/b/file", O_RDONLY), 0);
  IS(opens("other/linked", O_RDONLY), 0);
  IS(opens("a/b/c/file", O_RDONLY), EACCES);
  NEED(unlink("a/b/file"));
  IS(opens("other/linked", O_RDONLY), 0);
  // Another one under the old name.
  close((int)NEED(open("a/b/file", O_WRONLY | O_CREAT, 0644)));
  IS(opens("a/b/file", O_RDONLY), EACCES);
  NEED(rename("other/linked", "other/renamed"));
  IS(opens("other/renamed", O_RDONLY), 0);
}

TEST(rules_add_up) {
  make_tree();
  int const ruleset = (int)NEED(ruleset_of(READ_FILE | WRITE_FILE, 0));
  allow(ruleset, "a", READ_FILE);
  allow(ruleset, "a/b", WRITE_FILE);
  enforce(ruleset);
  IS(opens("a/file", O_RDONLY), 0);
  IS(opens("a/file", O_RDWR), EACCES);
  IS(opens("a/b/file", O_RDWR), 0);
  IS(opens("a/b/c/file", O_RDWR), 0);
  IS(opens("other/file", O_RDONLY), EACCES);
}

TEST(layers_all_count) {
  make_tree();
  give_up_outside("a", READ_FILE, READ_FILE);
  give_up_outside("a/b", READ_FILE | WRITE_FILE, READ_FILE);
  IS(opens("a/b/file", O_RDONLY), 0);
  IS(opens("a/file", O_RDONLY), EACCES);
  IS(opens("other/file", O_RDONLY), EACCES);
  IS(opens("a/b/file", O_WRONLY), EACCES);
  // More than the others give cannot be had.
  give_up_outside("other", READ_FILE, READ_FILE);
  IS(opens("other/file", O_RDONLY), EACCES);
  IS(opens("a/b/file", O_RDONLY), EACCES);
}

TEST(a_ruleset_may_grow) {
  make_tree();
  int const ruleset = (int)NEED(ruleset_of(READ_FILE, 0));
  allow(ruleset, "a", READ_FILE);
  NEED(restrict_self(ruleset, 0));
  IS(opens("a/file", O_RDONLY), 0);
  // For those who take it from now on.
  allow(ruleset, "other", READ_FILE);
  IS(opens("other/file", O_RDONLY), EACCES);
  IS(opens("a/file", O_RDONLY), 0);
  close(ruleset);
  IS(opens("a/file", O_RDONLY), 0);
}

TEST(inherited) {
  make_tree();
  int to_child[2];
  NEED(pipe(to_child));
  char byte;
  // One that is there already is not concerned.
  pid_t const child = fork();
  if (child == 0) _exit(read(to_child[0], &byte, 1) == 1 ? opens("a/file", O_RDONLY) : 99);
  give_up(READ_FILE, 0);
  NEED(write(to_child[1], "", 1));
  IS(ktap_status_of(child), 0);
  IS(IN_CHILD(_exit(opens("a/file", O_RDONLY))), EXITED(EACCES));
}

TEST(many_rules) {
  enum { FILES = 1000 };
  char name[32];
  int const ruleset = (int)NEED(ruleset_of(READ_FILE, 0));
  for (int i = 0; i < FILES; ++i) {
    snprintf(name, sizeof name, "%d", i);
    int const fd = make_file(name, "");
    if (i % 2 == 0) NEED(add_path(ruleset, fd, READ_FILE));
    close(fd);
  }
  enforce(ruleset);
  int wrong = 0;
  for (int i = 0; i < FILES; ++i) {
    snprintf(name, sizeof name, "%d", i);
    if (opens(name, O_RDONLY) != (i % 2 == 0 ? 0 : EACCES)) ++wrong;
  }
  IS(wrong, 0);
}
