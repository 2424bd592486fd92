// Files by handles: name_to_handle_at(2), open_by_handle_at(2).
#include "ktap.h"

#include "mounts.h"

#ifndef AT_HANDLE_FID
#  define AT_HANDLE_FID 0x200
#endif
#define UNIQUE 1  // AT_HANDLE_MNT_ID_UNIQUE
#define MOST 128
#define OF_TMPFS 1
#define OF_NUMBER 0x81
#define NO_TYPE 255

struct handle {
  unsigned size;
  int type;
  unsigned char bytes[MOST + 4];
};

static int take_at(int dir, char const* path, struct handle* h, int flags) {
  int where;
  *h = (struct handle){.size = MOST};
  return (int)SYS(name_to_handle_at, dir, path, h, &where, flags);
}

static int take(char const* path, struct handle* h) { return take_at(AT_FDCWD, path, h, 0); }

static int open_handle(int dir, struct handle const* h, int flags) {
  return (int)SYS(open_by_handle_at, dir, h, flags);
}

static bool are_same(struct handle const* a, struct handle const* b) {
  return a->size == b->size && a->type == b->type && memcmp(a->bytes, b->bytes, a->size) == 0;
}

// A file system of one's own to stand in.
static void go_to_tmpfs(void) {
  be_alone();
  NEED(mkdir("m", 0755));
  NEED(mount("none", "m", "tmpfs", 0, NULL));
  NEED(chdir("m"));
}

// Where a descriptor's file is, as far as it is below the working directory.
static char const* place_of(int file) {
  static char place[PATH_MAX];
  char link[64], here[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t const size = readlink(link, place, sizeof place - 1);
  if (size < 0 || getcwd(here, sizeof here) == NULL) return "?";
  place[size] = '\0';
  size_t const prefix = strlen(here);
  return strncmp(place, here, prefix) == 0 && place[prefix] == '/' ? place + prefix + 1 : place;
}

static bool is_at(int file, char const* where) {
  char const* const place = place_of(file);
  if (strcmp(place, where) == 0) return true;
  printf("# it is at %s\n", place);
  return false;
}

static unsigned long long mount_of(char const* path, unsigned mask) {
  struct {
    unsigned mask, other[35];
    unsigned long long mount, rest[14];
  } s = {0};
  _Static_assert(offsetof(typeof(s), mount) == 0x90, "stx_mnt_id");
  NEED(SYS(statx, AT_FDCWD, path, 0, mask, &s));
  return s.mount;
}

TEST(sizes) {
  go_to_tmpfs();
  close(make_file("file", "x"));
  int where = -1;
  struct handle h = {.size = 0};
  FAILS(SYS(name_to_handle_at, AT_FDCWD, "file", &h, &where, 0), EOVERFLOW);
  IS(h.size, 12);
  IS(h.type, NO_TYPE);
  IS(where, mount_of("file", 0x1000));
  h = (struct handle){.size = 11};
  FAILS(SYS(name_to_handle_at, AT_FDCWD, "file", &h, &where, 0), EOVERFLOW);
  IS(h.size, 12);
  IS(h.bytes[0], 0);
  where = -1;
  h = (struct handle){.size = 12};
  WORKS(SYS(name_to_handle_at, AT_FDCWD, "file", &h, &where, 0));
  IS(h.size, 12);
  IS(h.type, OF_TMPFS);
  IS(where, mount_of("file", 0x1000));
  struct stat s;
  NEED(stat("file", &s));
  uint64_t number;
  memcpy(&number, h.bytes + 4, sizeof number);
  IS(number, s.st_ino);
  struct handle again;
  WORKS(take("file", &again));
  OK(are_same(&h, &again));
  h.size = MOST + 1;
  FAILS(SYS(name_to_handle_at, AT_FDCWD, "file", &h, &where, 0), EINVAL);
  unsigned long long unique = 0;
  h.size = MOST;
  WORKS(SYS(name_to_handle_at, AT_FDCWD, "file", &h, &unique, UNIQUE));
  IS(unique, mount_of("file", 0x4000));
}

TEST(naming) {
  go_to_tmpfs();
  close(make_file("file", "x"));
  NEED(link("file", "hard"));
  NEED(symlink("file", "soft"));
  NEED(mkdir("dir", 0755));
  close(make_file("dir/file", "y"));
  struct handle file, other;
  WORKS(take("file", &file));
  WORKS(take("hard", &other));
  OK(are_same(&file, &other));
  WORKS(take("soft", &other));
  OK(!are_same(&file, &other));
  WORKS(take_at(AT_FDCWD, "soft", &other, AT_SYMLINK_FOLLOW));
  OK(are_same(&file, &other));
  int const dir = (int)NEED(open("dir", O_PATH));
  WORKS(take_at(dir, "file", &other, 0));
  OK(!are_same(&file, &other));
  WORKS(take_at(dir, "../file", &other, 0));
  OK(are_same(&file, &other));
  WORKS(take("dir", &file));
  WORKS(take_at(dir, "", &other, AT_EMPTY_PATH));
  OK(are_same(&file, &other));
  NEED(chdir("dir"));
  WORKS(take_at(AT_FDCWD, "", &other, AT_EMPTY_PATH));
  OK(are_same(&file, &other));
  NEED(chdir(".."));
  WORKS(take_at(AT_FDCWD, "dir", &other, AT_HANDLE_FID));
  OK(are_same(&file, &other));
  FAILS(take("", &other), ENOENT);
  FAILS(take("nosuch", &other), ENOENT);
  FAILS(take("file/x", &other), ENOTDIR);
  FAILS(take_at(dir, "", &other, 0x4000), EINVAL);
  FAILS(take_at(-1, "", &other, AT_SYMLINK_NOFOLLOW), EINVAL);
  FAILS(take_at(closed_descriptor(), "file", &other, 0), EBADF);
  FAILS(take_at(closed_descriptor(), "", &other, AT_EMPTY_PATH), EBADF);
  FAILS(take(BAD_POINTER, &other), EFAULT);
  FAILS(take_at(AT_FDCWD, NULL, &other, AT_EMPTY_PATH), EFAULT);
  NEED(symlink("loop", "loop"));
  FAILS(take_at(AT_FDCWD, "loop", &other, AT_SYMLINK_FOLLOW), ELOOP);
  int where;
  FAILS(SYS(name_to_handle_at, AT_FDCWD, "file", BAD_POINTER, &where, 0), EFAULT);
  other = (struct handle){.size = 0};
  FAILS(SYS(name_to_handle_at, AT_FDCWD, "file", &other, BAD_POINTER, 0), EFAULT);
  IS(other.size, 0);
  char* const page = page_before_nothing();
  memcpy(page + 4096 - 16, &(unsigned){MOST}, sizeof(unsigned));
  FAILS(SYS(name_to_handle_at, AT_FDCWD, "file", page + 4096 - 16, &where, 0), EFAULT);
}

TEST(opening) {
  go_to_tmpfs();
  int const here = (int)NEED(open(".", O_RDONLY | O_DIRECTORY));
  close(make_file("file", "content"));
  NEED(mkdir("dir", 0755));
  NEED(mkdir("dir/deep", 0755));
  struct handle h;
  NEED(take("file", &h));
  int file = (int)WORKS(open_handle(here, &h, O_RDONLY));
  char text[16] = {0};
  IS(read(file, text, sizeof text), 7);
  IS(memcmp(text, "content", 7), 0);
  FAILS(write(file, "x", 1), EBADF);
  OK(is_at(file, "file"));
  IS(fcntl(file, F_GETFD), 0);
  close(file);
  file = (int)WORKS(open_handle(here, &h, O_RDWR | O_TRUNC | O_CLOEXEC | O_APPEND));
  IS(fcntl(file, F_GETFD), FD_CLOEXEC);
  IS(write(file, "new", 3), 3);
  IS(fcntl(file, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
  struct stat s;
  NEED(stat("file", &s));
  IS(s.st_size, 3);
  close(file);

  // It is found wherever it is now.
  NEED(rename("file", "dir/deep/moved"));
  file = (int)WORKS(open_handle(here, &h, O_RDONLY));
  OK(is_at(file, "dir/deep/moved"));
  close(file);
  NEED(link("dir/deep/moved", "dir/hard"));
  NEED(unlink("dir/deep/moved"));
  file = (int)WORKS(open_handle(here, &h, O_RDONLY));
  OK(is_at(file, "dir/hard"));
  close(file);
  // By whatever file of the file system, and by the working directory.
  file = (int)NEED(open("dir/hard", O_RDONLY));
  close((int)WORKS(open_handle(file, &h, O_RDONLY)));
  close(file);
  close((int)WORKS(open_handle(AT_FDCWD, &h, O_RDONLY)));

  NEED(take("dir/deep", &h));
  file = (int)WORKS(open_handle(here, &h, O_RDONLY | O_DIRECTORY));
  OK(is_at(file, "dir/deep"));
  WORKS(mkdirat(file, "new", 0755));
  OK(exists("dir/deep/new"));
  WORKS(faccessat(file, "../hard", F_OK, 0));
  close(file);
  NEED(take(".", &h));
  file = (int)WORKS(open_handle(here, &h, O_RDONLY));
  WORKS(faccessat(file, "dir/hard", F_OK, 0));
  close(file);
}

TEST(flags) {
  go_to_tmpfs();
  int const here = (int)NEED(open(".", O_RDONLY | O_DIRECTORY));
  close(make_file("file", "content"));
  NEED(mkdir("dir", 0755));
  NEED(symlink("file", "link"));
  NEED(mkfifo("fifo", 0600));
  struct handle of_file, of_dir, of_link, of_fifo;
  NEED(take("file", &of_file));
  NEED(take("dir", &of_dir));
  NEED(take("link", &of_link));
  NEED(take("fifo", &of_fifo));
  FAILS(open_handle(here, &of_link, O_RDONLY), ELOOP);
  int file = (int)WORKS(open_handle(here, &of_link, O_PATH));
  char text[16];
  IS(readlinkat(file, "", text, sizeof text), 4);
  close(file);
  FAILS(open_handle(here, &of_file, O_RDONLY | O_DIRECTORY), ENOTDIR);
  FAILS(open_handle(here, &of_file, O_PATH | O_DIRECTORY), ENOTDIR);
  close((int)WORKS(open_handle(here, &of_file, O_RDONLY | O_CREAT)));
  FAILS(open_handle(here, &of_file, O_RDONLY | O_CREAT | O_EXCL), EEXIST);
  FAILS(open_handle(here, &of_dir, O_RDONLY | O_CREAT), EISDIR);
  FAILS(open_handle(here, &of_dir, O_RDONLY | O_CREAT | O_DIRECTORY), EINVAL);
  FAILS(open_handle(here, &of_dir, O_WRONLY), EISDIR);
  file = (int)WORKS(open_handle(here, &of_dir, O_TMPFILE | O_RDWR));
  struct stat s;
  NEED(fstat(file, &s));
  IS(s.st_nlink, 0);
  close(file);
  FAILS(open_handle(here, &of_dir, O_TMPFILE | O_RDONLY), EINVAL);
  FAILS(open_handle(here, &of_file, O_TMPFILE | O_RDWR), ENOTDIR);
  file = (int)WORKS(open_handle(here, &of_fifo, O_RDWR));
  IS(write(file, "x", 1), 1);
  close(file);
  NEED(mount("none", ".", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
  FAILS(open_handle(here, &of_file, O_RDWR), EROFS);
  close((int)WORKS(open_handle(here, &of_file, O_RDONLY)));
}

TEST(stale) {
  go_to_tmpfs();
  int const here = (int)NEED(open(".", O_RDONLY | O_DIRECTORY));
  int file = make_file("file", "content");
  struct handle h, other;
  NEED(take("file", &h));
  // As long as somebody has it open it is there.
  NEED(unlink("file"));
  int again = (int)WORKS(open_handle(here, &h, O_RDONLY));
  struct stat s;
  NEED(fstat(again, &s));
  IS(s.st_nlink, 0);
  OK(is_at(again, "file (deleted)"));
  close(file);
  close((int)WORKS(open_handle(here, &h, O_RDONLY)));
  close(again);
  FAILS(open_handle(here, &h, O_RDONLY), ESTALE);
  // The same of one that was taken when it had no name any more, or never had one.
  file = make_file("file", "content");
  NEED(unlink("file"));
  WORKS(take_at(file, "", &h, AT_EMPTY_PATH));
  close((int)WORKS(open_handle(here, &h, O_RDONLY)));
  close(file);
  FAILS(open_handle(here, &h, O_RDONLY), ESTALE);
  file = (int)NEED(open(".", O_TMPFILE | O_RDWR, 0600));
  WORKS(take_at(file, "", &h, AT_EMPTY_PATH));
  close((int)WORKS(open_handle(here, &h, O_RDONLY)));
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", file);
  NEED(linkat(AT_FDCWD, name, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
  close(file);
  file = (int)WORKS(open_handle(here, &h, O_RDONLY));
  OK(is_at(file, "named"));
  close(file);
  // A directory.
  NEED(mkdir("dir", 0755));
  NEED(take("dir", &other));
  file = (int)NEED(open("dir", O_RDONLY));
  NEED(rmdir("dir"));
  again = (int)WORKS(open_handle(here, &other, O_RDONLY));
  FAILS(mkdirat(again, "x", 0755), ENOENT);
  close(again);
  close(file);
  FAILS(open_handle(here, &other, O_RDONLY), ESTALE);
  // Replaced by a rename.
  close(make_file("old", ""));
  close(make_file("fresh", ""));
  NEED(take("old", &other));
  NEED(rename("fresh", "old"));
  FAILS(open_handle(here, &other, O_RDONLY), ESTALE);

  // What never was one, and another file system's.
  other = h;
  other.bytes[0] ^= 1;
  FAILS(open_handle(here, &other, O_RDONLY), ESTALE);
  other = h;
  other.bytes[4] ^= 0x40;
  FAILS(open_handle(here, &other, O_RDONLY), ESTALE);
  other = h;
  other.size = 8;
  FAILS(open_handle(here, &other, O_RDONLY), ESTALE);
  NEED(mkdir("inner", 0755));
  NEED(mount("none", "inner", "tmpfs", 0, NULL));
  file = (int)NEED(open("inner", O_RDONLY));
  FAILS(open_handle(file, &h, O_RDONLY), ESTALE);
  int ends[2];
  NEED(pipe(ends));
  FAILS(open_handle(ends[0], &h, O_RDONLY), ESTALE);
  file = (int)NEED(open("/proc", O_RDONLY));
  FAILS(open_handle(file, &h, O_RDONLY), ESTALE);
}

TEST(refused) {
  go_to_tmpfs();
  int const here = (int)NEED(open(".", O_RDONLY | O_DIRECTORY));
  int const place = (int)NEED(open(".", O_PATH));
  close(make_file("file", "content"));
  struct handle h;
  NEED(take("file", &h));
  FAILS(open_handle(closed_descriptor(), &h, O_RDONLY), EBADF);
  FAILS(open_handle(place, &h, O_RDONLY), EBADF);
  FAILS(open_handle(here, BAD_POINTER, O_RDONLY), EFAULT);
  struct handle other = h;
  other.size = 0;
  FAILS(open_handle(here, &other, O_RDONLY), EINVAL);
  other.size = MOST + 1;
  FAILS(open_handle(here, &other, O_RDONLY), EINVAL);
  char* const page = page_before_nothing();
  memcpy(page + 4096 - 16, &h, 16);
  FAILS(SYS(open_by_handle_at, here, page + 4096 - 16, O_RDONLY), EFAULT);
  IS(IN_CHILD({
       struct rlimit const none = {0, 0};
       NEED(setrlimit(RLIMIT_NOFILE, &none));
       _exit(open_handle(here, &h, O_RDONLY) == -1 && errno == EMFILE ? 0 : 1);
     }),
     0);
  // Only those may who may read everything; even a handle of a directory is of no use to others.
  NEED(mkdir("dir", 0777));
  struct handle dir;
  NEED(take("dir", &dir));
  IS(IN_CHILD({
       become_nobody();
       int bad = 0;
       if (take("file", &other) != 0 || !are_same(&h, &other)) bad |= 1;
       if (open_handle(here, &h, O_RDONLY) != -1 || errno != EPERM) bad |= 2;
       if (open_handle(here, &dir, O_RDONLY | O_DIRECTORY) != -1 || errno != EPERM) bad |= 4;
       if (open_handle(here, BAD_POINTER, O_RDONLY) != -1 || errno != EPERM) bad |= 8;
       if (open_handle(-1, &h, O_RDONLY) != -1 || errno != EBADF) bad |= 16;
       _exit(bad);
     }),
     0);
}

// Which file systems know their files by handles.
TEST(kinds) {
  go_to_tmpfs();
  struct handle h;
  struct stat s;
  uint64_t number;
  FAILS(take("/proc/self/status", &h), EOPNOTSUPP);
  FAILS(SYS(name_to_handle_at, AT_FDCWD, "/proc", BAD_POINTER, BAD_POINTER, 0), EOPNOTSUPP);
  WORKS(take_at(AT_FDCWD, "/proc/self/status", &h, AT_HANDLE_FID));
  IS(h.size, 12);
  IS(h.type, OF_NUMBER);
  NEED(stat("/proc/self/status", &s));
  memcpy(&number, h.bytes, sizeof number);
  IS(number, s.st_ino);
  h = (struct handle){.size = 4};
  int where;
  FAILS(SYS(name_to_handle_at, AT_FDCWD, "/proc", &h, &where, AT_HANDLE_FID), EOVERFLOW);
  IS(h.size, 12);

  int ends[2];
  NEED(pipe(ends));
  FAILS(take_at(ends[0], "", &h, AT_EMPTY_PATH), EOPNOTSUPP);
  WORKS(take_at(ends[0], "", &h, AT_EMPTY_PATH | AT_HANDLE_FID));
  IS(h.type, OF_NUMBER);
  NEED(fstat(ends[0], &s));
  memcpy(&number, h.bytes, sizeof number);
  IS(number, s.st_ino);

  NEED(mkdir("other", 0755));
  NEED(mount("none", "other", "ramfs", 0, NULL));
  FAILS(take("other", &h), EOPNOTSUPP);
  WORKS(take_at(AT_FDCWD, "other", &h, AT_HANDLE_FID));
  IS(h.type, OF_NUMBER);
  NEED(umount("other"));
  NEED(mount("none", "other", "sysfs", 0, NULL));
  FAILS(take("other", &h), EOPNOTSUPP);
  NEED(umount("other"));
  NEED(mount("none", "other", "devtmpfs", 0, NULL));
  WORKS(take("other/null", &h));
  IS(h.type, OF_TMPFS);
  int const devices = (int)NEED(open("other", O_RDONLY));
  int file = (int)WORKS(open_handle(devices, &h, O_RDWR));
  IS(write(file, "x", 1), 1);
  close(file);
  close(devices);
  NEED(umount("other"));

  file = (int)NEED(memfd_create("memory", 0));
  WORKS(take_at(file, "", &h, AT_EMPTY_PATH));
  IS(h.type, OF_TMPFS);
  int const again = (int)WORKS(open_handle(file, &h, O_RDWR));
  IS(write(again, "x", 1), 1);
  NEED(fstat(file, &s));
  IS(s.st_size, 1);
}

TEST(of_overlay) {
  go_to_tmpfs();
  NEED(mkdir("lower", 0755));
  NEED(mkdir("upper", 0755));
  NEED(mkdir("work", 0755));
  NEED(mkdir("all", 0755));
  close(make_file("lower/old", "old"));
  NEED(mount("none", "all", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work"));
  close(make_file("all/new", "new"));
  struct handle h, before, after;
  FAILS(take("all/old", &h), EOPNOTSUPP);
  FAILS(take("all/new", &h), EOPNOTSUPP);
  FAILS(take("all", &h), EOPNOTSUPP);
  WORKS(take_at(AT_FDCWD, "all/new", &h, AT_HANDLE_FID));
  IS(h.size, 36);
  IS(h.type, 0xf8);
  WORKS(take_at(AT_FDCWD, "all/old", &before, AT_HANDLE_FID));
  IS(before.size, 36);
  OK(!are_same(&h, &before));
  // It stays what it is when it comes up.
  int const file = (int)NEED(open("all/old", O_RDWR));
  WORKS(take_at(AT_FDCWD, "all/old", &after, AT_HANDLE_FID));
  OK(are_same(&before, &after));
  close(file);
  WORKS(take_at(AT_FDCWD, "all", &h, AT_HANDLE_FID));
  int const all = (int)NEED(open("all", O_RDONLY));
  FAILS(open_handle(all, &before, O_RDONLY), ESTALE);
  close(all);
  NEED(umount("all"));
}
