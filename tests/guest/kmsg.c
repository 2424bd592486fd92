// The kernel's log: /dev/kmsg, syslog(2), /proc/kmsg.
#include "ktap.h"

#include <poll.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { CLOSE, OPEN, READ, READ_ALL, READ_CLEAR, CLEAR, OFF, ON, LEVEL, UNREAD, BUFFER };

/// A text nobody else logs.
static char const* own_text(char const* what) {
  static char text[80];
  snprintf(text, sizeof text, "kmsg test %d %s", getpid(), what);
  return text;
}

static bool write_record(char const* prefix, char const* text) {
  char line[200];
  int const file = open("/dev/kmsg", O_WRONLY);
  // Without a newline Linux waits for more.
  int const n = snprintf(line, sizeof line, "%s%s\n", prefix, text);
  bool const done = write(file, line, (size_t)n) == n;
  close(file);
  return done;
}

static void say(char const* prefix, char const* text) { OK(write_record(prefix, text)); }

/// The record of /dev/kmsg that has the text; false at the end.
static bool find_record(int file, char const* text, char record[2000]) {
  for (;;) {
    ssize_t const n = read(file, record, 1999);
    if (n < 0 && errno == EPIPE) continue;
    if (n <= 0) return false;
    record[n] = 0;
    if (strstr(record, text)) return true;
  }
}

TEST(the_device) {
  struct stat s;
  WORKS(stat("/dev/kmsg", &s));
  OK(s.st_rdev == makedev(1, 11));
  IS(s.st_mode, S_IFCHR | 0644);
}

TEST(what_is_written_is_read) {
  char record[2000];
  unsigned priority;
  unsigned long long number, time;
  int end = 0;
  say("<12>", own_text("one"));
  int const file = (int)NEED(open("/dev/kmsg", O_RDONLY | O_NONBLOCK));
  OK(find_record(file, own_text("one"), record));
  IS(sscanf(record, "%u,%llu,%llu,-%*[^;];%n", &priority, &number, &time, &end), 3);
  if (end == 0) sscanf(record, "%u,%llu,%llu,-;%n", &priority, &number, &time, &end);
  IS(priority, 12);
  OK(strncmp(record + end, own_text("one"), strlen(own_text("one"))) == 0);
  OK(record[end + (int)strlen(own_text("one"))] == '\n');
  // Without a priority it is a user's warning; the kernel's own facility is refused.
  say("", own_text("two"));
  OK(find_record(file, own_text("two"), record));
  IS(atoi(record), 8 + 4);
  say("<3>", own_text("three"));
  OK(find_record(file, own_text("three"), record));
  IS(atoi(record), 8 + 3);
  say("<nonsense>", own_text("four"));
  OK(find_record(file, own_text("four"), record));
  OK(strstr(record, "<nonsense>"));
  say("<30>", "kmsg \t\\ \x7f test");
  OK(find_record(file, "kmsg \\x09\\x5c \\x7f test\n", record));
}

TEST(numbers_grow_by_one) {
  char record[2000];
  unsigned long long last = 0;
  int count = 0, gaps = 0;
  int const file = (int)NEED(open("/dev/kmsg", O_RDONLY | O_NONBLOCK));
  for (;;) {
    ssize_t const n = read(file, record, sizeof record - 1);
    if (n < 0) break;
    record[n] = 0;
    unsigned long long number = 0;
    sscanf(record, "%*u,%llu", &number);
    if (count++ > 0 && number != last + 1) ++gaps;
    last = number;
  }
  IS(errno, EAGAIN);
  OK(count > 5);
  IS(gaps, 0);
}

TEST(places) {
  char record[2000], small[4];
  int const file = (int)NEED(open("/dev/kmsg", O_RDONLY | O_NONBLOCK));
  IS(lseek(file, 0, SEEK_END), 0);
  FAILS(read(file, record, sizeof record), EAGAIN);
  struct pollfd p = {.fd = file, .events = POLLIN};
  IS(poll(&p, 1, 0), 0);
  say("<12>", own_text("behind"));
  IS(poll(&p, 1, 30000), 1);
  IS(p.revents, POLLIN);
  FAILS(read(file, small, sizeof small), EINVAL);
  // It is behind us all the same.
  FAILS(read(file, record, sizeof record), EAGAIN);
  IS(lseek(file, 0, SEEK_SET), 0);
  OK(find_record(file, own_text("behind"), record));
  IS(lseek(file, 0, SEEK_SET), 0);
  OK(find_record(file, own_text("behind"), record));
  IS(lseek(file, 0, SEEK_DATA), 0);
  FAILS(lseek(file, 1, SEEK_SET), ESPIPE);
  FAILS(lseek(file, 0, SEEK_CUR), EINVAL);
  FAILS(write(file, "x", 1), EBADF);
}

TEST(who_waits_is_woken) {
  char record[2000];
  int const file = (int)NEED(open("/dev/kmsg", O_RDONLY));
  NEED(lseek(file, 0, SEEK_END));
  pid_t const child = fork();
  if (child == 0) {
    usleep(100000);
    _exit(write_record("<12>", own_text("wake")) ? 0 : 1);
  }
  // Blocks until something comes; others may log, too.
  char mark[80];
  snprintf(mark, sizeof mark, "kmsg test %d wake", child);
  OK(find_record(file, mark, record));
  IS(ktap_status_of(child), 0);
}

TEST(too_much_and_too_often) {
  static char text[2000];
  memset(text, 'x', sizeof text);
  int const file = (int)NEED(open("/dev/kmsg", O_WRONLY));
  FAILS(write(file, text, 1025), EINVAL);
  FAILS(write(file, BAD_POINTER, 5), EFAULT);
  // Of what one file writes only some is taken; it is not told which.
  char record[2000];
  int found = 0;
  int const reader = (int)NEED(open("/dev/kmsg", O_RDONLY | O_NONBLOCK));
  NEED(lseek(reader, 0, SEEK_END));
  int const writer = (int)NEED(open("/dev/kmsg", O_WRONLY));
  for (int i = 0; i < 30; ++i) IS(write(writer, "<15>kmsg flood\n", 15), 15);
  while (find_record(reader, "kmsg flood", record)) ++found;
  IS(found, 10);
}

TEST(the_call) {
  static char all[1 << 20];
  say("<12>", own_text("call"));
  int const size = klogctl(BUFFER, NULL, 0);
  OK(size >= 16384);
  int const n = klogctl(READ_ALL, all, sizeof all - 1);
  OK(n > 0 && n < (int)sizeof all);
  all[n > 0 ? n : 0] = 0;
  char* const at = strstr(all, own_text("call"));
  OK(at);
  // "<12>[    1.234567] text\n"
  if (at) OK(at[-1] == ' ' && at[-2] == ']' && at[strlen(own_text("call"))] == '\n');
  OK(strncmp(all, "<", 1) == 0);
  // Only whole records, the newest.
  int const few = klogctl(READ_ALL, all, 200);
  OK(few > 0 && few <= 200);
  IS(all[0], '<');
  IS(all[few - 1], '\n');
  IS(klogctl(CLOSE, NULL, 0), 0);
  IS(klogctl(OPEN, NULL, 0), 0);
  IS(klogctl(READ_ALL, all, 0), 0);
  FAILS(klogctl(READ_ALL, NULL, 5), EINVAL);
  FAILS(klogctl(READ_ALL, all, -1), EINVAL);
  FAILS(klogctl(READ, NULL, 5), EINVAL);
  FAILS(klogctl(11, all, 5), EINVAL);
  FAILS(klogctl(LEVEL, NULL, 0), EINVAL);
  FAILS(klogctl(LEVEL, NULL, 9), EINVAL);
  OK(klogctl(UNREAD, NULL, 0) > 0);
}

TEST(unread) {
  static char text[1 << 20];
  int const proc = (int)NEED(open("/proc/kmsg", O_RDONLY | O_NONBLOCK));
  while (read(proc, text, sizeof text) > 0) continue;
  IS(errno, EAGAIN);
  struct pollfd p = {.fd = proc, .events = POLLIN};
  IS(poll(&p, 1, 0), 0);
  say("<12>", own_text("unread"));
  IS(poll(&p, 1, 30000), 1);
  int const unread = klogctl(UNREAD, NULL, 0);
  OK(unread > 0);
  // In pieces.
  int done = klogctl(READ, text, 10);
  IS(done, 10);
  IS(klogctl(UNREAD, NULL, 0), unread - 10);
  int const rest = klogctl(READ, text + 10, sizeof text - 11);
  IS(rest, unread - 10);
  text[10 + rest] = 0;
  OK(strncmp(text, "<12>[", 5) == 0);
  OK(strstr(text, own_text("unread")));
}

TEST(cleared) {
  static char all[1 << 20];
  say("<12>", own_text("before"));
  IS(klogctl(CLEAR, NULL, 0), 0);
  say("<12>", own_text("after"));
  int const n = klogctl(READ_ALL, all, sizeof all - 1);
  OK(n > 0);
  all[n > 0 ? n : 0] = 0;
  OK(!strstr(all, own_text("before")));
  OK(strstr(all, own_text("after")));
  int const file = (int)NEED(open("/dev/kmsg", O_RDONLY | O_NONBLOCK));
  NEED(lseek(file, 0, SEEK_DATA));
  char record[2000];
  OK(!find_record(file, own_text("before"), record));
}

TEST(who_may) {
  IS(IN_CHILD({
       char text[100];
       NEED(setuid(NOBODY));
       OK(open("/dev/kmsg", O_RDONLY) < 0 && errno == EPERM);
       OK(open("/dev/kmsg", O_WRONLY) < 0 && errno == EACCES);
       FAILS(klogctl(READ_ALL, text, sizeof text), EPERM);
       FAILS(klogctl(BUFFER, NULL, 0), EPERM);
       FAILS(klogctl(CLEAR, NULL, 0), EPERM);
     }),
     0);
  int const file = (int)NEED(open("/proc/sys/kernel/dmesg_restrict", O_RDWR));
  IS(write(file, "0\n", 2), 2);
  IS(IN_CHILD({
       NEED(setuid(NOBODY));
       OK(open("/dev/kmsg", O_RDONLY) >= 0);
       OK(klogctl(BUFFER, NULL, 0) > 0);
       FAILS(klogctl(CLEAR, NULL, 0), EPERM);
     }),
     0);
  IS(pwrite(file, "1\n", 2, 0), 2);
}

TEST(levels) {
  char before[100] = "", text[100] = "";
  int const file = (int)NEED(open("/proc/sys/kernel/printk", O_RDWR));
  OK(pread(file, before, sizeof before - 1, 0) > 0);
  int a, b, c, d;
  IS(sscanf(before, "%d\t%d\t%d\t%d\n", &a, &b, &c, &d), 4);
  IS(b, 4);
  IS(c, 1);
  IS(d, 7);
  IS(pwrite(file, "5", 1, 0), 1);
  OK(pread(file, text, sizeof text - 1, 0) > 0);
  IS(strcmp(text, "5\t4\t1\t7\n"), 0);
  IS(klogctl(OFF, NULL, 0), 0);
  OK(pread(file, text, sizeof text - 1, 0) > 0);
  IS(strcmp(text, "1\t4\t1\t7\n"), 0);
  IS(klogctl(ON, NULL, 0), 0);
  OK(pread(file, text, sizeof text - 1, 0) > 0);
  IS(strcmp(text, "5\t4\t1\t7\n"), 0);
  IS(klogctl(LEVEL, NULL, 6), 0);
  OK(pread(file, text, sizeof text - 1, 0) > 0);
  IS(strcmp(text, "6\t4\t1\t7\n"), 0);
  OK(pwrite(file, before, strlen(before), 0) > 0);
}
