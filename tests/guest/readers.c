// Files of /proc and /sys that several read at once, and while those they speak of end.
#include "ktap.h"

#include <pthread.h>
#include <sys/mount.h>

enum { READERS = 2, MOST_DEPTH = 12, MOST_BYTES = 1 << 20 };

/// What a reader may be told about a file that is there, or was.
static bool is_answer(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EAGAIN:
    case EINVAL:
    case EIO:
    case ENODATA:
    case ENODEV:
    case ENOENT:
    case ENXIO:
    case EOPNOTSUPP:
    case EOVERFLOW:
    case ESRCH:
    case ENOTDIR:
    case ELOOP:
    case EBUSY:
    case ENOTTY:
    case EBADF: return true;
    default: return false;
  }
}

struct Sum {
  long files, directories, links, bytes;
  int surprise;  // an errno
  char where[256];
};

static void note_error(struct Sum* sum, char const* path) {
  if (is_answer(errno) || sum->surprise) return;
  sum->surprise = errno;
  snprintf(sum->where, sizeof sum->where, "%s", path);
}

static void read_file(int folder, char const* name, struct Sum* sum) {
  static char bytes[65536];
  // Waiting for input is not what this is about.
  int const file = openat(folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (file < 0) return note_error(sum, name);
  ssize_t n = 0;
  for (long all = 0; all < MOST_BYTES && (n = read(file, bytes, sizeof bytes)) > 0; all += n)
    sum->bytes += n;
  if (n < 0) note_error(sum, name);
  ++sum->files;
  close(file);
}

/// Everything below a directory that stays in its file system. Descriptors lead elsewhere.
static void read_all(int folder, char const* name, int depth, bool with_processes,
                     struct Sum* sum) {
  int const here = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (here < 0) return note_error(sum, name);
  DIR* const d = fdopendir(here);
  if (!d) {
    // It asks for facts first.
    note_error(sum, name);
    close(here);
    return;
  }
  ++sum->directories;
  errno = 0;
  for (struct dirent* e; (errno = 0, e = readdir(d));) {
    char target[4096];
    if (e->d_name[0] == '.') continue;
    if (!with_processes && depth == 0 && e->d_name[0] >= '0' && e->d_name[0] <= '9') continue;
    if (e->d_type == DT_DIR && depth < MOST_DEPTH)
      read_all(here, e->d_name, depth + 1, with_processes, sum);
    else if (e->d_type == DT_LNK) {
      ++sum->links;
      if (readlinkat(here, e->d_name, target, sizeof target) < 0) note_error(sum, e->d_name);
    } else if (e->d_type == DT_REG)
      read_file(here, e->d_name, sum);
  }
  note_error(sum, name);
  closedir(d);
}

static int told(struct Sum const* sum) {
  if (sum->surprise) fprintf(stderr, "# %s: %s\n", sum->where, strerrorname_np(sum->surprise));
  return sum->surprise ? 1 : 0;
}

/// Several at once; how many of them were surprised, or saw too little.
static int read_by_several(char const* path, int rounds, long least_files) {
  pid_t readers[READERS];
  int bad = 0;
  for (int i = 0; i < READERS; ++i)
    if ((readers[i] = fork()) == 0) {
      struct Sum sum = {0};
      for (int round = 0; round < rounds; ++round) read_all(AT_FDCWD, path, 0, false, &sum);
      _exit(told(&sum) || sum.files < least_files || sum.bytes < least_files ||
            sum.files + sum.links == 0);
    }
  for (int i = 0; i < READERS; ++i) bad += ktap_status_of(readers[i]) != 0;
  return bad;
}

TEST(the_kernels_files) { IS(read_by_several("/proc", 2, 60), 0); }

TEST(the_tree_of_devices) {
  NEED(mkdir("sys", 0755));
  NEED(mount("none", "sys", "sysfs", 0, NULL));
  IS(read_by_several("sys/class", 2, 0), 0);
  IS(read_by_several("sys/bus", 2, 0), 0);
  IS(read_by_several("sys/devices/system", 2, 60), 0);
  IS(read_by_several("sys/devices/virtual/mem", 2, 12), 0);
}

static void* sleep_long(void* unused) {
  for (;;) pause();
  return unused;
}

/// A process with threads, descriptors and memory.
static pid_t start_victim(void) {
  int said[2];
  NEED(pipe(said));
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) {
    for (int i = 0; i < 2; ++i) {
      pthread_t thread;
      pthread_create(&thread, NULL, sleep_long, NULL);
    }
    for (int i = 0; i < 20; ++i) {
      (void)open("/dev/null", O_RDONLY);
      (void)mmap(NULL, 8192, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    (void)!write(said[1], "", 1);
    for (;;) pause();
  }
  char byte;
  NEED(read(said[0], &byte, 1));
  close(said[0]);
  close(said[1]);
  return child;
}

TEST(a_process_that_ends) {
  enum { VICTIMS = 25 };
  int bad = 0, seen = 0, late = 0;
  for (int round = 0; round < VICTIMS; ++round) {
    pid_t const victim = start_victim();
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", victim);
    pid_t readers[READERS];
    int has_read[2];
    NEED(pipe(has_read));
    for (int i = 0; i < READERS; ++i)
      if ((readers[i] = fork()) == 0) {
        struct Sum sum = {0};
        // Once while it lives, and on until nothing is left of it.
        while (access(path, F_OK) == 0) {
          read_all(AT_FDCWD, path, 1, true, &sum);
          (void)!write(has_read[1], "", 1);
        }
        _exit(told(&sum) ? 1 : sum.files < 10 ? 2 : 0);
      }
    // Now early, now late in their reading.
    usleep(1000 + (useconds_t)(round * 2000));
    char byte;
    if (round % 2 == 0) NEED(read(has_read[0], &byte, 1));
    NEED(kill(victim, SIGKILL));
    // A zombie is there, too, for a while.
    usleep((useconds_t)(round % 3 * 5000));
    seen += ktap_status_of(victim) == SIGKILL;
    for (int i = 0; i < READERS; ++i) {
      int const status = ktap_status_of(readers[i]);
      // It may have come too late to see much.
      late += status == EXITED(2);
      bad += status != 0 && status != EXITED(2);
    }
    close(has_read[0]);
    close(has_read[1]);
  }
  IS(seen, VICTIMS);
  IS(bad, 0);
  OK(late < VICTIMS * READERS);
}

TEST(one_file_of_two) {
  char const* const paths[] = {"/proc/filesystems", "/proc/version", "/proc/devices",
                               "/proc/cmdline", "/proc/self/limits"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; ++i) {
    static char alone[65536];
    long size = 0;
    int const first = (int)NEED(open(paths[i], O_RDONLY));
    for (ssize_t n; (n = read(first, alone, sizeof alone)) > 0;) size += n;
    close(first);
    // Each byte comes to one of them.
    int const shared = (int)NEED(open(paths[i], O_RDONLY));
    int sums[2];
    NEED(pipe(sums));
    for (int k = 0; k < READERS; ++k)
      if (fork() == 0) {
        long sum = 0;
        char few[7];
        for (ssize_t n; (n = read(shared, few, sizeof few)) > 0;) sum += n;
        _exit(write(sums[1], &sum, sizeof sum) != sizeof sum);
      }
    long all = 0;
    for (int k = 0; k < READERS; ++k) {
      long sum = 0;
      NEED(read(sums[0], &sum, sizeof sum));
      all += sum;
    }
    IS(all, size);
    close(shared);
    close(sums[0]);
    close(sums[1]);
    while (wait(NULL) > 0) {}
  }
}
