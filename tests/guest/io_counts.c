// How much was read and written by calls: proc_pid_io(5).
#include "ktap.h"

#include <pthread.h>
#include <sys/sendfile.h>

struct counts {
  long bytes_read, bytes_written, reads, writes, from_disk, to_disk, cancelled;
  long size;  // of the text
};

static struct counts counts_at(char const* path) {
  char text[512] = {0};
  struct counts c = {0};
  int const file = (int)NEED(open(path, O_RDONLY));
  c.size = NEED(read(file, text, sizeof text - 1));
  close(file);
  int const n = sscanf(text,
                       "rchar: %ld\nwchar: %ld\nsyscr: %ld\nsyscw: %ld\nread_bytes: %ld\n"
                       "write_bytes: %ld\ncancelled_write_bytes: %ld\n",
                       &c.bytes_read, &c.bytes_written, &c.reads, &c.writes, &c.from_disk,
                       &c.to_disk, &c.cancelled);
  if (n != 7) ktap_give_up("seven numbers");
  return c;
}

static char const* own(void) {
  static char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%ld/io", (long)SYS(gettid));
  return path;
}

// What the thread does counts `bytes` and `calls`; the look at the counts before it counts as well.
#define COUNTS(what, in, out, calls_in, calls_out)                                                 \
  do {                                                                                             \
    struct counts const before = counts_at(own());                                                 \
    what;                                                                                          \
    struct counts const after = counts_at(own());                                                  \
    IS(after.bytes_read - before.bytes_read - before.size, in);                                    \
    IS(after.bytes_written - before.bytes_written, out);                                           \
    IS(after.reads - before.reads - 1, calls_in);                                                  \
    IS(after.writes - before.writes, calls_out);                                                   \
  } while (0)

TEST(calls) {
  char buffer[64];
  int const file = make_file("file", "0123456789");
  int const other = make_file("other", "");
  int pipe_ends[2];
  NEED(pipe2(pipe_ends, O_NONBLOCK));
  struct iovec const ranges[2] = {{buffer, 3}, {buffer + 3, 4}};
  COUNTS((void)0, 0, 0, 0, 0);
  COUNTS(NEED(read(file, buffer, 4)), 4, 0, 1, 0);
  COUNTS(NEED(read(file, buffer, 0)), 0, 0, 1, 0);
  COUNTS(NEED(pread(file, buffer, sizeof buffer, 8)), 2, 0, 1, 0);
  COUNTS(NEED(preadv(file, ranges, 2, 1)), 7, 0, 1, 0);
  COUNTS(NEED(write(other, "12345", 5)), 0, 5, 0, 1);
  COUNTS(NEED(pwrite(other, "12345", 5, 1)), 0, 5, 0, 1);
  COUNTS(NEED(writev(other, ranges, 2)), 0, 7, 0, 1);
  COUNTS(NEED(pwritev(other, ranges, 2, 0)), 0, 7, 0, 1);
  // What got as far as the file was a call, whatever came of it.
  COUNTS((void)!read(pipe_ends[0], buffer, 4), 0, 0, 1, 0);
  COUNTS((void)!read(-1, buffer, 4), 0, 0, 0, 0);
  COUNTS((void)!readv(-1, ranges, 2), 0, 0, 1, 0);
  COUNTS((void)!pread(pipe_ends[0], buffer, 4, 0), 0, 0, 0, 0);
  COUNTS((void)!write(pipe_ends[0], buffer, 4), 0, 0, 0, 0);
  COUNTS((void)!writev(pipe_ends[0], ranges, 2), 0, 0, 0, 1);
  COUNTS((void)!pwrite(pipe_ends[1], buffer, 4, 0), 0, 0, 0, 0);
  // From file to file.
  NEED(lseek(file, 0, SEEK_SET));
  COUNTS(NEED(sendfile(other, file, NULL, 6)), 6, 6, 1, 1);
  COUNTS(NEED(copy_file_range(file, &(off_t){0}, other, &(off_t){0}, 9, 0)), 9, 9, 1, 1);
  COUNTS(NEED(copy_file_range(file, &(off_t){10}, other, &(off_t){0}, 9, 0)), 0, 0, 0, 0);
  COUNTS(NEED(splice(file, &(off_t){0}, pipe_ends[1], NULL, 5, 0)), 0, 0, 0, 0);
  COUNTS(NEED(splice(pipe_ends[0], NULL, other, &(off_t){0}, 5, 0)), 0, 0, 0, 0);
  // Files in memory are on no disk.
  struct counts const all = counts_at("/proc/self/io");
  IS(all.to_disk, 0);
  IS(all.cancelled, 0);
}

static void* read_hundred(void* path) {
  char buffer[100];
  int const zero = open("/dev/zero", O_RDONLY);
  (void)!read(zero, buffer, sizeof buffer);
  close(zero);
  strcpy(path, own());
  return NULL;
}

TEST(sums) {
  struct counts before = counts_at("/proc/self/io");
  struct counts const alone = counts_at(own());
  char path[64];
  pthread_t thread;
  // It has ended, and its counts are the process's.
  if (pthread_create(&thread, NULL, read_hundred, path) != 0) ktap_give_up("a thread");
  pthread_join(thread, NULL);
  struct counts after = counts_at("/proc/self/io");
  IS(after.bytes_read - before.bytes_read - before.size - alone.size, 100);
  IS(after.reads - before.reads - 2, 1);
  struct counts const still_alone = counts_at(own());
  IS(still_alone.reads - alone.reads, 2);

  // A child's come to its parent when that takes notice of its end.
  int const file = make_file("file", "");
  int ends[2];
  NEED(pipe(ends));
  pid_t const child = (pid_t)NEED(fork());
  if (child == 0) {
    char const zeros[1000] = {0};
    NEED(write(file, zeros, sizeof zeros));
    _exit(0);
  }
  close(ends[1]);
  char byte;
  (void)!read(ends[0], &byte, 1);
  siginfo_t info;
  NEED(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
  before = counts_at("/proc/self/io");
  NEED(waitpid(child, NULL, 0));
  after = counts_at("/proc/self/io");
  IS(after.bytes_written - before.bytes_written, 1000);
  IS(after.writes - before.writes, 1);
  IS(after.reads - before.reads, 1);
}

TEST(rights) {
  struct stat s;
  NEED(stat("/proc/self/io", &s));
  IS(s.st_mode, S_IFREG | 0400);
  NEED(stat(own(), &s));
  IS(s.st_mode, S_IFREG | 0400);
  int const first = (int)WORKS(open("/proc/1/io", O_RDONLY));
  IS(IN_CHILD({
       become_nobody();
       char text[16];
       int bad = 0;
       if (open("/proc/1/io", O_RDONLY) != -1 || errno != EACCES) bad |= 1;
       // Nor may who has it open already, unless it may look into the process.
       if (read(first, text, sizeof text) != -1 || errno != EACCES) bad |= 2;
       _exit(bad);
     }),
     0);
  char text[16];
  OK(read(first, text, sizeof text) > 0);
}
