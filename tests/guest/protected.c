// Directories that all may write: what others have laid there. See proc_sys_fs(5), protected_*.
#include "ktap.h"

enum { ALICE = 1001, BOB = 1002 };

static void set_all(char const* symlinks, char const* hardlinks, char const* fifos,
                    char const* regular) {
  set_sysctl("fs/protected_symlinks", symlinks);
  set_sysctl("fs/protected_hardlinks", hardlinks);
  set_sysctl("fs/protected_fifos", fifos);
  set_sysctl("fs/protected_regular", regular);
}

static void as(uid_t user) {
  NEED(setgroups(0, NULL));
  NEED(setresgid(user, user, user));
  NEED(setresuid(user, user, user));
}

static int ended(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/// What a call ends with for a user: 0 or an errno.
#define FOR(user, expression)                                                                      \
  ended(IN_CHILD({                                                                                 \
    as(user);                                                                                      \
    errno = 0;                                                                                     \
    _exit((expression) >= 0 ? 0 : errno);                                                          \
  }))

/// A directory of `owner`.
static void make_place(char const* name, uid_t owner, mode_t mode) {
  NEED(mkdir(name, 0700));
  NEED(chown(name, owner, owner));
  NEED(chmod(name, mode));
}

static void give(char const* path, uid_t owner) { NEED(lchown(path, owner, owner)); }

TEST(at_first) {
  char text[8] = "";
  char const* const names[] = {"symlinks", "hardlinks", "fifos", "regular"};
  char const* const values[] = {"1\n", "1\n", "0\n", "0\n"};
  for (int i = 0; i < 4; ++i) {
    char path[64];
    snprintf(path, sizeof path, "/proc/sys/fs/protected_%s", names[i]);
    int const file = (int)NEED(open(path, O_RDWR));
    IS(read(file, text, sizeof text), 2);
    IS(memcmp(text, values[i], 2), 0);
    IS(pwrite(file, "3", 1, 0) < 0 ? errno : 0, EINVAL);
    IS(pwrite(file, "-1", 2, 0) < 0 ? errno : 0, EINVAL);
    close(file);
  }
}

TEST(links) {
  NEED(chmod(".", 0755));
  close(make_file("target", "x"));
  NEED(chmod("target", 0666));
  make_place("sticky", 0, 01777);
  make_place("open", 0, 0777);
  make_place("own", ALICE, 01777);
  char const* const places[] = {"sticky", "open", "own"};
  for (int i = 0; i < 3; ++i) {
    char path[64];
    snprintf(path, sizeof path, "%s/link", places[i]);
    NEED(symlink("../target", path));
    give(path, ALICE);
    snprintf(path, sizeof path, "%s/folder", places[i]);
    NEED(symlink("..", path));
    give(path, ALICE);
  }
  set_all("1", "1", "0", "0");
  IS(FOR(ALICE, open("sticky/link", O_RDONLY)), 0);
  IS(FOR(BOB, open("sticky/link", O_RDONLY)), EACCES);
  IS(FOR(BOB, open("open/link", O_RDONLY)), 0);
  IS(FOR(BOB, open("own/link", O_RDONLY)), 0);
  IS(FOR(BOB, open("sticky/link", O_PATH | O_NOFOLLOW)), 0);
  IS(FOR(BOB, readlink("sticky/link", (char[8]){0}, 8)), 0);
  IS(FOR(BOB, access("sticky/link", F_OK)), EACCES);
  IS(FOR(BOB, truncate("sticky/link", 1)), EACCES);
  // Within a path it may be followed; at its end not, slash or no slash.
  IS(FOR(BOB, open("sticky/folder/target", O_RDONLY)), 0);
  IS(FOR(BOB, open("sticky/folder", O_RDONLY)), EACCES);
  IS(FOR(BOB, open("sticky/folder/", O_RDONLY)), EACCES);
  IS(FOR(BOB, chdir("sticky/folder/.")), 0);
  // Not even root.
  FAILS(open("sticky/link", O_RDONLY), EACCES);
  // A link of one's own that leads to another one.
  NEED(symlink("sticky/link", "to_link"));
  give("to_link", BOB);
  IS(FOR(BOB, open("to_link", O_RDONLY)), EACCES);
  set_sysctl("fs/protected_symlinks", "0");
  IS(FOR(BOB, open("sticky/link", O_RDONLY)), 0);
  IS(FOR(BOB, open("to_link", O_RDONLY)), 0);
  set_all("1", "1", "0", "0");
}

TEST(names) {
  make_place("place", 0, 0777);
  NEED(chmod(".", 0777));
  close(make_file("readable", "x"));
  close(make_file("writable", "x"));
  NEED(chmod("writable", 0666));
  close(make_file("set_uid", "x"));
  NEED(chmod("set_uid", 04666));
  close(make_file("set_gid", "x"));
  NEED(chmod("set_gid", 02676));
  close(make_file("locks", "x"));
  NEED(chmod("locks", 02666));
  NEED(mkfifo("fifo", 0666));
  NEED(chmod("fifo", 0666));
  close(make_file("own", "x"));
  give("own", BOB);
  IS(FOR(BOB, link("readable", "place/1")), EPERM);
  IS(FOR(BOB, link("writable", "place/2")), 0);
  IS(FOR(BOB, link("set_uid", "place/3")), EPERM);
  IS(FOR(BOB, link("set_gid", "place/4")), EPERM);
  IS(FOR(BOB, link("locks", "place/5")), 0);
  IS(FOR(BOB, link("fifo", "place/6")), EPERM);
  IS(FOR(BOB, link("own", "place/7")), 0);
  IS(FOR(ALICE, link("own", "place/8")), EPERM);
  IS(FOR(BOB, link("readable", "place/7")), EEXIST);
  IS(link("fifo", "place/9"), 0);
  set_sysctl("fs/protected_hardlinks", "0");
  IS(FOR(BOB, link("readable", "place/10")), 0);
  IS(FOR(BOB, link("fifo", "place/11")), 0);
  set_all("1", "1", "0", "0");
}

TEST(files_that_are_there) {
  char const* const modes[] = {"0", "1", "2"};
  int const create = O_RDWR | O_CREAT | O_NONBLOCK;
  NEED(chmod(".", 0755));
  make_place("sticky", 0, 01777);
  make_place("group", 0, 01775);
  make_place("plain", 0, 0777);
  char const* const places[] = {"sticky", "group", "plain"};
  for (int i = 0; i < 3; ++i) {
    char path[64];
    snprintf(path, sizeof path, "%s/file", places[i]);
    close(make_file(path, "x"));
    NEED(chmod(path, 0666));
    give(path, ALICE);
    snprintf(path, sizeof path, "%s/fifo", places[i]);
    NEED(mkfifo(path, 0666));
    NEED(chmod(path, 0666));
    give(path, ALICE);
    snprintf(path, sizeof path, "%s/roots", places[i]);
    close(make_file(path, "x"));
    NEED(chmod(path, 0666));
  }
  for (int i = 0; i < 3; ++i) {
    bool const guards = i > 0, guards_more = i > 1;
    set_all("1", "1", modes[i], modes[i]);
    IS(FOR(BOB, open("sticky/file", create, 0600)), guards ? EACCES : 0);
    IS(FOR(BOB, open("sticky/fifo", create, 0600)), guards ? EACCES : 0);
    IS(FOR(BOB, open("sticky/roots", create, 0600)), 0);
    IS(FOR(BOB, open("sticky/file", O_RDWR)), 0);
    IS(FOR(ALICE, open("sticky/file", create, 0600)), 0);
    IS(FOR(BOB, open("group/file", create, 0600)), guards_more ? EACCES : 0);
    IS(FOR(BOB, open("group/fifo", create, 0600)), guards_more ? EACCES : 0);
    IS(FOR(BOB, open("plain/file", create, 0600)), 0);
    IS(FOR(BOB, open("sticky/file", create | O_EXCL, 0600)), EEXIST);
    int const as_root = open("sticky/file", create, 0600);
    IS(as_root < 0 ? errno : 0, guards ? EACCES : 0);
    if (as_root >= 0) close(as_root);
  }
  set_all("1", "1", "0", "0");
}
