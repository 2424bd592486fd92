// overlayfs: what is seen of several layers, what comes up when it is changed, what is hidden.
#include "ktap.h"

#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static void put(char const* path, char const* text) {
  int const file = (int)NEED(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  NEED(write(file, text, strlen(text)));
  close(file);
}

static char text[256];

static char const* get(char const* path) {
  int const file = open(path, O_RDONLY);
  if (file < 0) return strerrorname_np(errno);
  ssize_t const size = read(file, text, sizeof text - 1);
  close(file);
  if (size < 0) return strerrorname_np(errno);
  text[size] = '\0';
  return text;
}

static bool has(char const* path) { return access(path, F_OK) == 0; }

static bool is_whiteout(char const* path) {
  struct stat s;
  return lstat(path, &s) == 0 && S_ISCHR(s.st_mode) && s.st_rdev == 0;
}

// The names in a directory, sorted, with a space behind each.
static int by_text(void const* a, void const* b) {
  return strcmp(*(char* const*)a, *(char* const*)b);
}
static char const* names(char const* path) {
  static char all[4096];
  char* found[100];
  size_t count = 0;
  DIR* const d = opendir(path);
  if (d == NULL) return strerrorname_np(errno);
  for (struct dirent const* e; (e = readdir(d)) != NULL && count < 100;)
    found[count++] = strdup(e->d_name);
  closedir(d);
  qsort(found, count, sizeof *found, by_text);
  all[0] = '\0';
  for (size_t i = 0; i < count; ++i) {
    strcat(strcat(all, found[i]), " ");
    free(found[i]);
  }
  return all;
}

// A tmpfs at "t" with two lower layers, an upper one and a work directory, on which the overlay at
// "m" stands: so everything lies in one file system.
static void make_layers(void) {
  NEED(mkdir("t", 0755));
  NEED(mount("none", "t", "tmpfs", 0, NULL));
  static char const* const folders[] = {"t/low",     "t/lower", "t/up",         "t/work",
                                        "t/m",       "t/low/d", "t/lower/d",    "t/low/only",
                                        "t/lower/e", "t/low/e", "t/low/only/a", "t/low/only/a/b"};
  for (size_t i = 0; i < sizeof folders / sizeof *folders; ++i) NEED(mkdir(folders[i], 0755));
  put("t/low/file", "low file");
  put("t/low/both", "from low");
  put("t/lower/both", "from lower");
  put("t/lower/deep", "from lower");
  put("t/low/d/one", "1");
  put("t/lower/d/two", "2");
  put("t/lower/e/x", "x");
  put("t/low/only/a/b/leaf", "leaf");
  NEED(symlink("file", "t/low/link"));
  NEED(link("t/low/file", "t/low/twin"));
  NEED(mkfifo("t/low/fifo", 0600));
}

static void mount_overlay(void) {
  NEED(
      mount("overlay", "t/m", "overlay", 0, "lowerdir=t/low:t/lower,upperdir=t/up,workdir=t/work"));
}

static void begin(void) {
  make_layers();
  mount_overlay();
}

static void end(void) {
  WORKS(umount("t/m"));
  WORKS(umount("t"));
}

TEST(seen) {
  begin();
  OK(strcmp(names("t/m"), ". .. both d deep e fifo file link only twin ") == 0);
  OK(strcmp(names("t/m/d"), ". .. one two ") == 0);
  OK(strcmp(names("t/m/only"), ". .. a ") == 0);
  OK(strcmp(get("t/m/both"), "from low") == 0);
  OK(strcmp(get("t/m/deep"), "from lower") == 0);
  OK(strcmp(get("t/m/link"), "low file") == 0);
  OK(strcmp(get("t/m/nothing"), "ENOENT") == 0);
  OK(strcmp(get("t/m/d/one"), "1") == 0 && strcmp(get("t/m/d/two"), "2") == 0);
  struct stat s, low;
  WORKS(stat("t/m/d", &s));
  IS(s.st_nlink, 1);
  WORKS(stat("t/m/only", &s));
  IS(s.st_nlink, 3);
  WORKS(stat("t/m/file", &s));
  WORKS(stat("t/low/file", &low));
  IS(s.st_nlink, 2);
  OK(s.st_ino == low.st_ino);
  struct statfs fs;
  WORKS(statfs("t/m", &fs));
  IS(fs.f_type, 0x794c7630);
  // Nothing was changed.
  OK(strcmp(names("t/up"), ". .. ") == 0);
  OK(strcmp(names("t/work"), ". .. work ") == 0);
  end();
}

TEST(shown_options) {
  begin();
  char line[1024] = "";
  FILE* const mounts = fopen("/proc/self/mounts", "r");
  while (fgets(line, sizeof line, mounts) != NULL && strstr(line, " overlay ") == NULL) {}
  fclose(mounts);
  OK(strstr(line, "overlay ") == line);
  OK(strstr(line, " overlay rw,relatime,lowerdir=t/low:t/lower,upperdir=t/up,workdir=t/work") !=
     NULL);
  end();
}

TEST(coming_up) {
  begin();
  struct stat before, after;
  WORKS(stat("t/m/only/a/b/leaf", &before));
  int const reader = (int)WORKS(open("t/m/only/a/b/leaf", O_RDONLY));
  int const writer = (int)WORKS(open("t/m/only/a/b/leaf", O_WRONLY));
  OK(has("t/up/only/a/b/leaf"));
  OK(strcmp(get("t/up/only/a/b/leaf"), "leaf") == 0);
  IS(write(writer, "LE", 2), 2);
  OK(strcmp(get("t/m/only/a/b/leaf"), "LEaf") == 0);
  IS(read(reader, text, 4), 4);
  IS(memcmp(text, "LEaf", 4), 0);
  OK(strcmp(get("t/low/only/a/b/leaf"), "leaf") == 0);
  WORKS(stat("t/m/only/a/b/leaf", &after));
  OK(before.st_ino == after.st_ino && before.st_dev == after.st_dev);
  // One of two names comes up alone.
  WORKS(close((int)WORKS(open("t/m/twin", O_WRONLY))));
  WORKS(stat("t/m/twin", &after));
  IS(after.st_nlink, 1);
  WORKS(stat("t/m/file", &after));
  IS(after.st_nlink, 2);
  close(reader);
  close(writer);
  // Truncated, nothing is copied that goes at once.
  WORKS(close((int)WORKS(open("t/m/file", O_WRONLY | O_TRUNC))));
  OK(strcmp(get("t/m/file"), "") == 0);
  OK(strcmp(get("t/m/twin"), "low file") == 0);
  WORKS(truncate("t/m/both", 4));
  OK(strcmp(get("t/m/both"), "from") == 0);
  OK(strcmp(get("t/low/both"), "from low") == 0);
  WORKS(truncate("t/m/deep", 12));
  WORKS(stat("t/up/deep", &after));
  IS(after.st_size, 12);
  end();
}

TEST(attributes) {
  begin();
  struct stat s;
  WORKS(chmod("t/m/file", 0600));
  WORKS(stat("t/up/file", &s));
  IS(s.st_mode & 07777, 0600);
  WORKS(stat("t/low/file", &s));
  IS(s.st_mode & 07777, 0644);
  WORKS(chown("t/m/d", 12, 34));
  WORKS(stat("t/m/d", &s));
  OK(s.st_uid == 12 && s.st_gid == 34);
  WORKS(stat("t/up/d", &s));
  OK(s.st_uid == 12 && s.st_gid == 34);
  OK(strcmp(names("t/m/d"), ". .. one two ") == 0);
  OK(strcmp(names("t/up/d"), ". .. ") == 0);
  struct timespec const times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
  WORKS(utimensat(AT_FDCWD, "t/m/deep", times, 0));
  WORKS(stat("t/m/deep", &s));
  OK(s.st_atime == 1000 && s.st_mtime == 2000);
  WORKS(stat("t/up/deep", &s));
  OK(s.st_atime == 1000 && s.st_mtime == 2000);
  OK(strcmp(get("t/up/deep"), "from lower") == 0);
  WORKS(utimensat(AT_FDCWD, "t/m/link", times, AT_SYMLINK_NOFOLLOW));
  WORKS(readlink("t/up/link", text, sizeof text) == 4 ? 0 : -1);
  WORKS(chmod("t/m/fifo", 0644));
  WORKS(lstat("t/up/fifo", &s));
  OK(S_ISFIFO(s.st_mode));
  end();
}

TEST(extended_attributes) {
  make_layers();
  WORKS(setxattr("t/low/file", "user.a", "lower", 5, 0));
  WORKS(setxattr("t/low/file", "trusted.b", "more", 4, 0));
  mount_overlay();
  char value[16];
  IS(getxattr("t/m/file", "user.a", value, sizeof value), 5);
  FAILS(removexattr("t/m/file", "user.none"), ENODATA);
  WORKS(setxattr("t/m/file", "user.c", "new", 3, 0));
  IS(getxattr("t/up/file", "user.a", value, sizeof value), 5);
  IS(getxattr("t/up/file", "trusted.b", value, sizeof value), 4);
  IS(getxattr("t/up/file", "user.c", value, sizeof value), 3);
  FAILS(getxattr("t/low/file", "user.c", value, sizeof value), ENODATA);
  WORKS(removexattr("t/m/file", "user.a"));
  FAILS(getxattr("t/m/file", "user.a", value, sizeof value), ENODATA);
  IS(getxattr("t/low/file", "user.a", value, sizeof value), 5);
  // Those of the overlay itself are hidden, and a program's go under another name.
  WORKS(unlink("t/m/d/one"));
  WORKS(unlink("t/m/d/two"));
  WORKS(rmdir("t/m/d"));
  WORKS(mkdir("t/m/d", 0700));
  IS(getxattr("t/up/d", "trusted.overlay.opaque", value, sizeof value), 1);
  IS(value[0], 'y');
  FAILS(getxattr("t/m/d", "trusted.overlay.opaque", value, sizeof value), ENODATA);
  IS(listxattr("t/m/d", text, sizeof text), 0);
  end();
}

TEST(made) {
  begin();
  put("t/m/new", "new");
  OK(strcmp(get("t/up/new"), "new") == 0);
  WORKS(mkdir("t/m/dir", 0750));
  put("t/m/dir/inside", "in");
  OK(strcmp(get("t/up/dir/inside"), "in") == 0);
  put("t/m/only/a/x", "x");
  OK(strcmp(names("t/m/only/a"), ". .. b x ") == 0);
  OK(strcmp(names("t/up/only/a"), ". .. x ") == 0);
  WORKS(symlink("new", "t/m/sym"));
  OK(strcmp(get("t/m/sym"), "new") == 0);
  WORKS(mkfifo("t/m/pipe", 0600));
  WORKS(mknod("t/m/null", S_IFCHR | 0666, makedev(1, 3)));
  int const null = (int)WORKS(open("t/m/null", O_WRONLY));
  IS(write(null, "x", 1), 1);
  close(null);
  FAILS(mknod("t/m/hides", S_IFCHR | 0666, makedev(0, 0)), EPERM);
  FAILS(mkdir("t/m/d", 0700), EEXIST);
  FAILS(open("t/m/both", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  struct stat s;
  WORKS(stat("t/m/dir", &s));
  IS(s.st_nlink, 2);
  umask(0);
  NEED(chmod("t/m", 0777));
  IS(IN_CHILD(if (setgid(77) != 0 || setuid(66) != 0) _exit(9);
              int const mine = open("t/m/mine", O_RDWR | O_CREAT, 0640); _exit(mine < 0 ? 1 : 0)),
     EXITED(0));
  WORKS(stat("t/up/mine", &s));
  OK(s.st_uid == 66 && s.st_gid == 77 && (s.st_mode & 07777) == 0640);
  int const unnamed = open("t/m", O_TMPFILE | O_RDWR, 0600);
  OK(unnamed >= 0);
  IS(write(unnamed, "tmp", 3), 3);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", unnamed);
  WORKS(linkat(AT_FDCWD, path, AT_FDCWD, "t/m/named", AT_SYMLINK_FOLLOW));
  OK(strcmp(get("t/up/named"), "tmp") == 0);
  close(unnamed);
  end();
}

TEST(removed) {
  begin();
  WORKS(unlink("t/m/file"));
  OK(!has("t/m/file") && is_whiteout("t/up/file") && has("t/low/file"));
  WORKS(unlink("t/m/both"));
  OK(!has("t/m/both") && is_whiteout("t/up/both"));
  FAILS(unlink("t/m/both"), ENOENT);
  FAILS(rmdir("t/m/d"), ENOTEMPTY);
  WORKS(unlink("t/m/d/one"));
  OK(strcmp(names("t/m/d"), ". .. two ") == 0);
  FAILS(rmdir("t/m/d"), ENOTEMPTY);
  WORKS(unlink("t/m/d/two"));
  OK(strcmp(names("t/m/d"), ". .. ") == 0);
  WORKS(rmdir("t/m/d"));
  OK(!has("t/m/d") && is_whiteout("t/up/d"));
  // What is only above leaves nothing.
  put("t/m/new", "");
  WORKS(unlink("t/m/new"));
  OK(strcmp(names("t/up"), ". .. both d file ") == 0);
  OK(strcmp(names("t/m"), ". .. deep e fifo link only twin ") == 0);
  end();
}

TEST(made_where_something_was) {
  begin();
  WORKS(unlink("t/m/both"));
  put("t/m/both", "again");
  OK(strcmp(get("t/m/both"), "again") == 0 && strcmp(get("t/up/both"), "again") == 0);
  WORKS(unlink("t/m/e/x"));
  WORKS(rmdir("t/m/e"));
  WORKS(mkdir("t/m/e", 0700));
  OK(strcmp(names("t/m/e"), ". .. ") == 0);
  put("t/m/e/fresh", "");
  OK(strcmp(names("t/m/e"), ". .. fresh ") == 0);
  WORKS(unlink("t/m/file"));
  WORKS(mkdir("t/m/file", 0755));
  OK(strcmp(names("t/m/file"), ". .. ") == 0);
  WORKS(unlink("t/m/twin"));
  WORKS(link("t/m/deep", "t/m/twin"));
  OK(strcmp(get("t/up/twin"), "from lower") == 0);
  WORKS(unlink("t/m/link"));
  WORKS(symlink("deep", "t/m/link"));
  OK(strcmp(get("t/m/link"), "from lower") == 0);
  end();
}

TEST(open_and_removed) {
  begin();
  int const file = (int)WORKS(open("t/m/file", O_RDONLY));
  WORKS(unlink("t/m/file"));
  IS(read(file, text, 8), 8);
  IS(memcmp(text, "low file", 8), 0);
  // On Linux it cannot be changed any more: EEXIST.
  struct stat s;
  if (fchmod(file, 0600) == 0 && fstat(file, &s) == 0 && (s.st_mode & 07777) != 0600)
    OK(!"the mode is the new one");
  OK(is_whiteout("t/up/file"));
  close(file);
  int const both = (int)WORKS(open("t/m/both", O_RDWR));
  WORKS(unlink("t/m/both"));
  IS(write(both, "gone", 4), 4);
  IS(pread(both, text, 8, 0), 8);
  IS(memcmp(text, "gone low", 8), 0);
  close(both);
  end();
}

TEST(links) {
  begin();
  WORKS(link("t/m/both", "t/m/also"));
  struct stat a, b;
  WORKS(stat("t/m/both", &a));
  WORKS(stat("t/m/also", &b));
  OK(a.st_ino == b.st_ino);
  IS(a.st_nlink, 2);
  put("t/m/also", "changed");
  OK(strcmp(get("t/m/both"), "changed") == 0);
  WORKS(unlink("t/m/both"));
  OK(strcmp(get("t/m/also"), "changed") == 0);
  WORKS(stat("t/m/also", &b));
  IS(b.st_nlink, 1);
  FAILS(link("t/m/d", "t/m/x"), EPERM);
  FAILS(link("t/m/also", "t/m/deep"), EEXIST);
  end();
}

TEST(moved) {
  begin();
  WORKS(rename("t/m/file", "t/m/moved"));
  OK(is_whiteout("t/up/file") && strcmp(get("t/m/moved"), "low file") == 0);
  OK(!has("t/m/file"));
  // A name that is hidden below comes back with another file.
  WORKS(rename("t/m/moved", "t/m/file"));
  OK(strcmp(get("t/m/file"), "low file") == 0 && !has("t/up/moved"));
  WORKS(rename("t/m/both", "t/m/deep"));
  OK(strcmp(get("t/m/deep"), "from low") == 0 && !has("t/m/both"));
  WORKS(rename("t/m/deep", "t/m/d/two"));
  OK(strcmp(get("t/m/d/two"), "from low") == 0 && is_whiteout("t/up/deep"));
  // Directories of lower layers stay.
  FAILS(rename("t/m/d", "t/m/other"), EXDEV);
  FAILS(rename("t/m/only/a", "t/m/other"), EXDEV);
  WORKS(mkdir("t/m/new", 0755));
  put("t/m/new/x", "x");
  WORKS(rename("t/m/new", "t/m/newer"));
  OK(strcmp(get("t/m/newer/x"), "x") == 0);
  FAILS(rename("t/m/newer", "t/m/d"), ENOTEMPTY);
  WORKS(unlink("t/m/d/one"));
  WORKS(unlink("t/m/d/two"));
  WORKS(rename("t/m/newer", "t/m/d"));
  OK(strcmp(names("t/m/d"), ". .. x ") == 0);
  // And over a whiteout.
  WORKS(unlink("t/m/twin"));
  WORKS(rename("t/m/d", "t/m/twin"));
  OK(strcmp(names("t/m/twin"), ". .. x ") == 0 && !has("t/m/d"));
  FAILS(rename("t/m/twin", "t/m/file"), ENOTDIR);
  FAILS(rename("t/m/file", "t/m/twin"), EISDIR);
  FAILS(rename("t/m/none", "t/m/file"), ENOENT);
  OK(strcmp(names("t/m"), ". .. e fifo file link only twin ") == 0);
  end();
}

TEST(exchanged) {
  begin();
  WORKS(renameat2(AT_FDCWD, "t/m/file", AT_FDCWD, "t/m/d/two", RENAME_EXCHANGE));
  OK(strcmp(get("t/m/file"), "2") == 0);
  OK(strcmp(get("t/m/d/two"), "low file") == 0);
  WORKS(mkdir("t/m/new", 0755));
  put("t/m/new/x", "x");
  WORKS(renameat2(AT_FDCWD, "t/m/new", AT_FDCWD, "t/m/both", RENAME_EXCHANGE));
  OK(strcmp(get("t/m/both/x"), "x") == 0 && strcmp(get("t/m/new"), "from low") == 0);
  FAILS(renameat2(AT_FDCWD, "t/m/new", AT_FDCWD, "t/m/d", RENAME_EXCHANGE), EXDEV);
  FAILS(renameat2(AT_FDCWD, "t/m/new", AT_FDCWD, "t/m/deep", RENAME_NOREPLACE), EEXIST);
  end();
}

// Everybody changes the same files at once, in directories that have to come up, too.
TEST(many_at_once) {
  enum { FILES = 20, WRITERS = 8 };
  make_layers();
  char path[64];
  for (int i = 0; i < FILES; ++i) {
    snprintf(path, sizeof path, "t/low/only/a/b/f%d", i);
    put(path, "........");
  }
  mount_overlay();
  pid_t children[WRITERS + 1];
  for (int c = 0; c <= WRITERS; ++c) {
    children[c] = fork();
    if (children[c] != 0) continue;
    for (int i = 0; i < FILES; ++i) {
      char other[64];
      snprintf(path, sizeof path, "t/m/only/a/b/f%d", i);
      snprintf(other, sizeof other, "t/m/only/g%d", i);
      if (c == WRITERS) {
        // One gives every fourth another name meanwhile.
        if (i % 4 == 0 && rename(path, other) != 0) _exit(1);
        continue;
      }
      int file = open(path, O_WRONLY);
      if (file < 0 && errno == ENOENT && i % 4 == 0) file = open(other, O_WRONLY);
      char const letter = (char)('a' + c);
      if (file < 0 || pwrite(file, &letter, 1, c) != 1) _exit(2);
      close(file);
    }
    _exit(0);
  }
  for (int c = 0; c <= WRITERS; ++c) IS(ktap_status_of(children[c]), 0);
  int whole = 0;
  for (int i = 0; i < FILES; ++i) {
    snprintf(path, sizeof path, i % 4 == 0 ? "t/m/only/g%d" : "t/m/only/a/b/f%d", i);
    whole += strcmp(get(path), "abcdefgh") == 0;
  }
  IS(whole, FILES);
  end();
}

TEST(mapped) {
  begin();
  int const file = (int)NEED(open("t/m/file", O_RDWR));
  char* const at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  OK(at != MAP_FAILED);
  IS(memcmp(at, "low file", 8), 0);
  memcpy(at, "HIGH", 4);
  OK(strcmp(get("t/m/file"), "HIGHfile") == 0);
  OK(strcmp(get("t/up/file"), "HIGHfile") == 0 && strcmp(get("t/low/file"), "low file") == 0);
  munmap(at, 4096);
  close(file);
  end();
}

TEST(lists_while_it_changes) {
  begin();
  char path[64];
  for (int i = 0; i < 60; ++i) {
    snprintf(path, sizeof path, "t/m/d/f%d", i);
    put(path, "");
  }
  DIR* const d = opendir("t/m/d");
  OK(d != NULL);
  int seen = 0, removed = 0;
  for (struct dirent const* e; (e = readdir(d)) != NULL; ++seen) {
    if (e->d_name[0] != 'f') continue;
    snprintf(path, sizeof path, "t/m/d/%s", e->d_name);
    removed += unlink(path) == 0;
  }
  closedir(d);
  IS(seen, 64);
  IS(removed, 60);
  OK(strcmp(names("t/m/d"), ". .. one two ") == 0);
  end();
}

// The directory comes up while it is listed.
TEST(lists_one_layer_while_it_changes) {
  make_layers();
  char path[64];
  for (int i = 0; i < 300; ++i) {
    snprintf(path, sizeof path, "t/low/only/a/a-name-of-some-length-%d", i);
    put(path, "");
  }
  mount_overlay();
  int const folder = (int)WORKS(open("t/m/only/a", O_RDONLY));
  char room[2048];
  int listed = 0;
  for (long got; (got = SYS(getdents64, folder, room, sizeof room)) > 0;) {
    for (long at = 0; at < got;) {
      struct dirent64* const e = (struct dirent64*)(room + at);
      listed += strncmp(e->d_name, "a-name", 6) == 0;
      at += e->d_reclen;
    }
    if (listed < 100) WORKS(close((int)open("t/m/only/a/new", O_CREAT | O_WRONLY, 0600)));
  }
  IS(listed, 300);
  close(folder);
  end();
}

TEST(rights_while_it_moves) {
  begin();
  NEED(chmod("t/m/file", 0600));
  pid_t const mover = fork();
  if (mover == 0) {
    for (int i = 0; i < 500; ++i)
      if (rename("t/m/file", "t/m/d/file") != 0 || rename("t/m/d/file", "t/m/file") != 0) _exit(1);
    _exit(0);
  }
  int const file = (int)NEED(open("t/m/both", O_RDWR));
  int wrong = 0;
  struct stat s;
  for (int i = 0; i < 500; ++i) {
    int const moving = open("t/m/file", O_RDONLY);
    if (moving < 0) continue;
    wrong += fchmod(moving, 0600 + i % 8) != 0 || fstat(moving, &s) != 0 ||
             (s.st_mode & 07777) != (mode_t)(0600 + i % 8);
    close(moving);
  }
  IS(wrong, 0);
  IS(ktap_status_of(mover), 0);
  close(file);
  end();
}

TEST(mounts_in_layers) {
  begin();
  put("t/m/new", "new");
  NEED(mount("t/lower/deep", "t/up/new", NULL, MS_BIND, NULL));
  FAILS(unlink("t/m/new"), EBUSY);
  OK(strcmp(get("t/up/new"), "from lower") == 0);
  WORKS(umount("t/up/new"));
  WORKS(unlink("t/m/new"));
  // The upper layer may become read-only.
  WORKS(mount(NULL, "t", NULL, MS_REMOUNT | MS_RDONLY, NULL));
  FAILS(open("t/m/new", O_CREAT | O_WRONLY, 0600), EROFS);
  FAILS(unlink("t/m/both"), EROFS);
  FAILS(open("t/m/both", O_WRONLY), EROFS);
  WORKS(mount(NULL, "t", NULL, MS_REMOUNT, NULL));
  put("t/m/new", "again");
  end();
}

TEST(only_read) {
  make_layers();
  NEED(mount("overlay", "t/m", "overlay", 0, "lowerdir=t/low:t/lower"));
  OK(strcmp(get("t/m/both"), "from low") == 0);
  FAILS(open("t/m/both", O_WRONLY), EROFS);
  FAILS(unlink("t/m/both"), EROFS);
  FAILS(mkdir("t/m/x", 0700), EROFS);
  FAILS(chmod("t/m/both", 0600), EROFS);
  FAILS(open("t/m", O_TMPFILE | O_RDWR, 0600), EROFS);
  FAILS(mount(NULL, "t/m", NULL, MS_REMOUNT, NULL), EROFS);
  FAILS(chmod("t/m/both", 0600), EROFS);
  end();
}

TEST(mounted_again) {
  begin();
  WORKS(unlink("t/m/both"));
  put("t/m/deep", "changed");
  WORKS(umount("t/m"));
  mount_overlay();
  OK(strcmp(names("t/m"), ". .. d deep e fifo file link only twin ") == 0);
  OK(strcmp(get("t/m/deep"), "changed") == 0);
  end();
}

TEST(refused) {
  make_layers();
  FAILS(mount("overlay", "t/m", "overlay", 0, "lowerdir=t/low"), EINVAL);
  FAILS(mount("overlay", "t/m", "overlay", 0, "lowerdir=t/low,upperdir=t/up"), EINVAL);
  FAILS(mount("overlay", "t/m", "overlay", 0, "upperdir=t/up,workdir=t/work"), EINVAL);
  FAILS(mount("overlay", "t/m", "overlay", 0, "lowerdir=t/low,upperdir=t/up,workdir=t/up/w"),
        ENOENT);
  FAILS(mount("overlay", "t/m", "overlay", 0, "lowerdir=t/low,upperdir=t/up,workdir=t/up"), EINVAL);
  FAILS(mount("overlay", "t/m", "overlay", 0, "lowerdir=t/none,upperdir=t/up,workdir=t/work"),
        ENOENT);
  FAILS(mount("overlay", "t/m", "overlay", 0, "lowerdir=t/low/file,upperdir=t/up,workdir=t/work"),
        EINVAL);
  FAILS(mount("overlay", "t/m", "overlay", 0, "lowerdir=t/low:t/low,upperdir=t/up,workdir=t/work"),
        ELOOP);
  FAILS(mount("overlay", "t/m", "overlay", 0, "lowerdir=t/low,upperdir=t/up,workdir=t/work,odd=1"),
        EINVAL);
  WORKS(umount("t"));
}

TEST(several_file_systems) {
  make_layers();
  NEED(mkdir("u", 0755));
  NEED(mount("none", "u", "tmpfs", 0, NULL));
  NEED(mkdir("u/up", 0755));
  NEED(mkdir("u/work", 0755));
  NEED(
      mount("overlay", "t/m", "overlay", 0, "lowerdir=t/low:t/lower,upperdir=u/up,workdir=u/work"));
  struct stat folder, below, file, low;
  WORKS(stat("t/m", &folder));
  WORKS(stat("t/m/d", &below));
  WORKS(stat("t/m/file", &file));
  WORKS(stat("t/low/file", &low));
  OK(folder.st_dev == below.st_dev && folder.st_ino != below.st_ino);
  OK(file.st_ino == low.st_ino && file.st_dev != low.st_dev && file.st_dev != folder.st_dev);
  put("t/m/file", "changed");
  OK(strcmp(get("u/up/file"), "changed") == 0);
  WORKS(umount("t/m"));
  WORKS(umount("u"));
  WORKS(umount("t"));
}

// mount(2) takes no notice of what it is told again.
TEST(told_again) {
  begin();
  WORKS(mount("none", "t/m", NULL, MS_REMOUNT, "lowerdir=elsewhere,nonsense"));
  OK(strcmp(get("t/m/both"), "from low") == 0);
}
