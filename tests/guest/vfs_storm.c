// Storms on names and mounts: many processes rename, look up, link, remove, mount and change
// directory at once, for a number of rounds; what must hold is checked all the time, and at the end
// nothing may be left.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int rounds;
static uint32_t dice_state;

// What the processes share: one page.
struct shared {
  int failures;
  int renames_done;
};
static struct shared* shared;

static uint32_t dice(uint32_t n) {
  dice_state = dice_state * 1664525 + 1013904223;
  return (dice_state >> 8) % n;
}

static void complain(char const* what, char const* path) {
  printf("not ok - %s: %s: %s\n", what, path, strerror(errno));
  fflush(stdout);
  __atomic_fetch_add(&shared->failures, 1, __ATOMIC_RELAXED);
}

#define MUST(condition, what, path)                                                                \
  do {                                                                                             \
    if (!(condition)) complain(what, path);                                                        \
  } while (0)

static bool is_one_of(int error, int a, int b) { return error == a || error == b; }

static void make(char const* path) {
  int const file = open(path, O_RDWR | O_CREAT, 0600);
  MUST(file >= 0, "cannot make", path);
  if (file >= 0) close(file);
}

static ino_t inode_of(char const* path) {
  struct stat facts;
  return stat(path, &facts) == 0 ? facts.st_ino : 0;
}

// --- one file that goes back and forth between two names of two directories
// -----------------------
static void mover(int which) {
  char a[32], b[32];
  snprintf(a, sizeof a, "left/moving-%d", which);
  snprintf(b, sizeof b, "right/moving-%d", which);
  for (int i = 0; i < rounds * 20; ++i) {
    MUST(rename(a, b) == 0, "rename", a);
    // The mover itself finds it under exactly one name.
    MUST(inode_of(a) == 0 && inode_of(b) != 0, "after the rename", b);
    MUST(rename(b, a) == 0, "rename", b);
    MUST(inode_of(b) == 0 && inode_of(a) != 0, "after the rename back", a);
  }
}

// Two names are exchanged, so both are always there, and never the same file.
static void exchanger(int which) {
  (void)which;
  for (int i = 0; i < rounds * 20; ++i)
    MUST(renameat2(AT_FDCWD, "left/one", AT_FDCWD, "right/two", RENAME_EXCHANGE) == 0, "exchange",
         "left/one");
}

// A name that is replaced by renames over it is never missing.
static void replacer(int which) {
  char fresh[32];
  snprintf(fresh, sizeof fresh, "left/fresh-%d", which);
  for (int i = 0; i < rounds * 10; ++i) {
    make(fresh);
    MUST(rename(fresh, "left/always") == 0, "replace", fresh);
  }
}

static void watcher(int which) {
  for (int i = 0; i < rounds * 60; ++i) {
    MUST(inode_of("left/always") != 0, "a replaced name is missing", "left/always");
    MUST(inode_of("left/one") != 0, "an exchanged name is missing", "left/one");
    MUST(inode_of("right/two") != 0, "an exchanged name is missing", "right/two");
    struct stat facts;
    char path[32];
    snprintf(path, sizeof path, "left/moving-%d", which);
    if (stat(path, &facts) != 0) MUST(errno == ENOENT, "stat", path);
    MUST(inode_of("deep/a/b/../../a/b/leaf") != 0 || errno == ENOENT, "walk", "deep");
    MUST(inode_of("through/leaf") != 0, "a link", "through/leaf");
  }
}

// A directory with a tree below it moves while others walk through it and out of it.
static void folder_mover(int which) {
  (void)which;
  for (int i = 0; i < rounds * 10; ++i) {
    MUST(rename("deep/a", "deep/c") == 0, "move a folder", "deep/a");
    MUST(rename("deep/c", "deep/a") == 0, "move a folder back", "deep/c");
  }
}

static void stander(int which) {
  (void)which;
  char path[4096];
  for (int i = 0; i < rounds * 10; ++i) {
    if (chdir("deep/a/b") != 0) {
      MUST(errno == ENOENT, "chdir", "deep/a/b");
      continue;
    }
    MUST(getcwd(path, sizeof path) != NULL, "getcwd", "deep/a/b");
    size_t const size = strlen(path);
    MUST(size > 9 && (strcmp(path + size - 9, "/deep/a/b") == 0 ||
                      strcmp(path + size - 9, "/deep/c/b") == 0),
         "where am I", path);
    MUST(inode_of("leaf") != 0, "standing still", "leaf");
    MUST(chdir("../../..") == 0, "out", "../../..");
    MUST(inode_of("left/always") != 0, "back", ".");
  }
}

static void linker(int which) {
  char name[32];
  snprintf(name, sizeof name, "right/link-%d", which);
  for (int i = 0; i < rounds * 10; ++i) {
    MUST(link("left/linked", name) == 0, "link", name);
    struct stat facts;
    MUST(stat(name, &facts) == 0 && facts.st_nlink >= 2, "links", name);
    MUST(unlink(name) == 0, "unlink", name);
  }
}

// All make and remove the same few names: somebody wins, the others get the right errno.
static void fighter(int which) {
  (void)which;
  char name[32], other[32];
  for (int i = 0; i < rounds * 20; ++i) {
    snprintf(name, sizeof name, "fight/%u", dice(4));
    snprintf(other, sizeof other, "fight/%u", dice(4));
    switch (dice(6)) {
      case 0:
        if (mkdir(name, 0700) != 0) MUST(errno == EEXIST, "mkdir", name);
        break;
      case 1:
        if (rmdir(name) != 0)
          MUST(is_one_of(errno, ENOENT, ENOTDIR) || errno == ENOTEMPTY, "rmdir", name);
        break;
      case 2:
        if (unlink(name) != 0) MUST(is_one_of(errno, ENOENT, EISDIR), "unlink", name);
        break;
      case 3: {
        int const file = open(name, O_RDWR | O_CREAT, 0600);
        if (file < 0) MUST(errno == EISDIR, "open", name);
        if (file >= 0) close(file);
        break;
      }
      case 4:
        if (rename(name, other) != 0)
          MUST(is_one_of(errno, ENOENT, EISDIR) || is_one_of(errno, ENOTDIR, ENOTEMPTY), "rename",
               name);
        break;
      default: {
        snprintf(other, sizeof other, "fight/%u/below", dice(4));
        int const file = open(other, O_RDWR | O_CREAT, 0600);
        if (file < 0) MUST(is_one_of(errno, ENOENT, ENOTDIR), "open below", other);
        if (file >= 0) {
          close(file);
          if (unlink(other) != 0) MUST(is_one_of(errno, ENOENT, ENOTDIR), "unlink below", other);
        }
      }
    }
  }
}

static void mounter(int which) {
  char at[32], file[48];
  snprintf(at, sizeof at, "mounts/%d", which);
  snprintf(file, sizeof file, "%s/file", at);
  mkdir(at, 0700);
  for (int i = 0; i < rounds; ++i) {
    MUST(mount("none", at, "tmpfs", 0, NULL) == 0, "mount", at);
    make(file);
    if (dice(3) == 0)
      MUST(umount2(at, MNT_DETACH) == 0, "detach", at);
    else
      while (umount(at) != 0)
        if (errno != EBUSY) {
          complain("umount", at);
          break;
        }
    MUST(inode_of(file) == 0, "unmounted", file);
  }
  rmdir(at);
}

// Walks across mounts that come and go.
static void crosser(int which) {
  (void)which;
  char path[48];
  for (int i = 0; i < rounds * 20; ++i) {
    snprintf(path, sizeof path, "mounts/%u/file", dice(2));
    int const file = open(path, O_RDONLY);
    if (file < 0) MUST(errno == ENOENT, "cross", path);
    if (file >= 0) close(file);
    snprintf(path, sizeof path, "mounts/%u/../../left/always", dice(2));
    if (inode_of(path) == 0) MUST(errno == ENOENT, "out of a mount", path);
  }
}

static void unsharer(int which) {
  (void)which;
  for (int i = 0; i < rounds; ++i) {
    pid_t const child = fork();
    if (child == 0) {
      if (unshare(CLONE_NEWNS) != 0) _exit(1);
      if (mount("none", "mounts", "tmpfs", 0, NULL) != 0) _exit(2);
      make("mounts/own");
      _exit(inode_of("mounts/own") == 0 ? 3 : 0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    if (status != 0) {
      errno = 0;
      printf("# status %#x\n", (unsigned)status);
      complain("unshare", "mounts");
    }
  }
}

static bool belongs(char const* folder, char const* name) {
  static char const* const left[] = {"moving-", "one", "fresh-", "always", "linked"};
  static char const* const right[] = {"moving-", "two", "leaf", "link-", "leaf"};
  char const* const* const names = strcmp(folder, "left") == 0 ? left : right;
  for (size_t i = 0; i < sizeof left / sizeof *left; ++i)
    if (strncmp(name, names[i], strlen(names[i])) == 0) return true;
  return false;
}

// Lists folders whose entries come and go: a name that never was in a folder is not listed there.
static void lister(int which) {
  char const* const folder = which == 0 ? "left" : "right";
  for (int i = 0; i < rounds * 40; ++i) {
    DIR* const open_folder = opendir(folder);
    MUST(open_folder != NULL, "opendir", folder);
    if (open_folder == NULL) continue;
    int names = 0;
    for (struct dirent const* entry; (entry = readdir(open_folder)) != NULL; ++names)
      if (entry->d_name[0] != '.') MUST(belongs(folder, entry->d_name), "listed in", folder);
    MUST(names >= 3, "an empty list", folder);
    closedir(open_folder);
  }
}

struct role {
  void (*run)(int which);
  int count;
};
static struct role const roles[] = {{mover, 2},        {exchanger, 1}, {replacer, 2}, {watcher, 2},
                                    {folder_mover, 1}, {stander, 2},   {linker, 2},   {fighter, 3},
                                    {mounter, 2},      {crosser, 2},   {unsharer, 1}, {lister, 2}};

static void remove_all(void) {
  char name[32];
  for (int i = 0; i < 4; ++i) {
    snprintf(name, sizeof name, "fight/%d/below", i);
    unlink(name);
    snprintf(name, sizeof name, "fight/%d", i);
    if (unlink(name) != 0) rmdir(name);
    snprintf(name, sizeof name, "left/moving-%d", i);
    unlink(name);
  }
  static char const* const files[] = {"left/one",    "right/two",     "left/always",
                                      "left/linked", "deep/a/b/leaf", "through"};
  static char const* const folders[] = {"deep/a/b", "deep/a", "deep",  "left",
                                        "right",    "fight",  "mounts"};
  for (size_t i = 0; i < sizeof files / sizeof *files; ++i)
    MUST(unlink(files[i]) == 0, "at the end", files[i]);
  // Empty directories show that nothing else was left.
  for (size_t i = 0; i < sizeof folders / sizeof *folders; ++i)
    MUST(rmdir(folders[i]) == 0, "at the end", folders[i]);
}

int main(int argc, char** argv) {
  rounds = argc > 1 ? atoi(argv[1]) : 20;
  shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  mkdir("/tmp/storm", 0700);
  if (chdir("/tmp/storm") != 0) return 1;
  static char const* const folders[] = {"left",   "right",    "fight", "deep",
                                        "deep/a", "deep/a/b", "mounts"};
  for (size_t i = 0; i < sizeof folders / sizeof *folders; ++i)
    MUST(mkdir(folders[i], 0700) == 0, "mkdir", folders[i]);
  static char const* const files[] = {"left/one",     "right/two",     "left/always",
                                      "left/linked",  "left/moving-0", "left/moving-1",
                                      "deep/a/b/leaf"};
  for (size_t i = 0; i < sizeof files / sizeof *files; ++i) make(files[i]);
  MUST(link("left/always", "right/leaf") == 0, "link", "right/leaf");
  MUST(symlink("left/../right/.", "through") == 0, "symlink", "through");
  int processes = 0;
  for (size_t r = 0; r < sizeof roles / sizeof *roles; ++r)
    for (int n = 0; n < roles[r].count; ++n) {
      fflush(stdout);
      pid_t const child = fork();
      if (child == 0) {
        dice_state = (uint32_t)(r * 100 + (size_t)n + 1);
        roles[r].run(n);
        _exit(0);
      }
      if (child < 0) return 1;
      ++processes;
    }
  for (int status = 0; processes > 0; --processes) {
    if (wait(&status) < 0) return 1;
    if (status != 0) {
      printf("# a process ended with %#x\n", (unsigned)status);
      __atomic_fetch_add(&shared->failures, 1, __ATOMIC_RELAXED);
    }
  }
  struct stat facts;
  MUST(stat("left/linked", &facts) == 0 && facts.st_nlink == 1, "links at the end", "left/linked");
  MUST(stat("left", &facts) == 0 && facts.st_nlink == 2, "links of a folder", "left");
  MUST(unlink("right/leaf") == 0, "unlink", "right/leaf");
  remove_all();
  if (chdir("/") != 0 || rmdir("/tmp/storm") != 0) complain("rmdir", "/tmp/storm");
  printf("storm: %d failures\n", shared->failures);
  return shared->failures != 0;
}
