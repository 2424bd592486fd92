// Ports of a virtio console. The host's end is tests/run/ports: it sends back what auk.echo brings,
// reads auk.sink only when told to, is never at auk.alone, and obeys the lines of auk.control.
#include "ktap.h"

#include <sys/mount.h>

#define CLASS "/sys/class/virtio-ports"
// More than all queues and sockets between here and the host hold.
#define MUCH (64 << 20)

// The node of the port that the host gave a name; false if there is none.
static bool find_port(char const* name, char* path, size_t size) {
  DIR* const list = opendir(CLASS);
  bool found = false;
  if (!list) return false;
  for (struct dirent* entry; !found && (entry = readdir(list));) {
    char file[300], text[80] = "";
    snprintf(file, sizeof file, CLASS "/%s/name", entry->d_name);
    int const fd = open(file, O_RDONLY);
    ssize_t const got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0) continue;
    text[got - 1] = 0;
    found = strcmp(text, name) == 0;
    if (found) snprintf(path, size, "/dev/%s", entry->d_name);
  }
  closedir(list);
  return found;
}

static int open_port(char const* name, int flags) {
  char path[280];
  errno = ENOENT;
  if (!find_port(name, path, sizeof path)) return -1;
  return open(path, flags);
}

// What a port is ready for, once it is ready for one of `events`.
static int wait_for(int port, int events) {
  struct pollfd p = {.fd = port, .events = (short)events};
  NEED(poll(&p, 1, -1));
  return p.revents;
}

static int ready_for(int port) {
  struct pollfd p = {.fd = port, .events = POLLIN | POLLOUT | POLLRDNORM | POLLPRI};
  NEED(poll(&p, 1, 0));
  return p.revents;
}

// The host is about to come.
static int connected(int port) {
  while (wait_for(port, POLLOUT) != POLLOUT) sched_yield();
  return port;
}

static void tell_host(char const* line) {
  char answer[3];
  int const control = connected((int)NEED(open_port("auk.control", O_RDWR)));
  NEED(write(control, line, strlen(line)));
  for (size_t have = 0; have < sizeof answer;)
    have += (size_t)NEED(read(control, answer + have, sizeof answer - have));
  close(control);
}

static int open_echo(int flags) { return connected((int)NEED(open_port("auk.echo", flags))); }

static void read_all(int port, char* to, size_t size) {
  for (size_t have = 0; have < size;) have += (size_t)NEED(read(port, to + have, size - have));
}

TEST(node) {
  char path[280];
  OK(find_port("auk.echo", path, sizeof path));
  struct stat s;
  WORKS(stat(path, &s));
  OK(S_ISCHR(s.st_mode) && (s.st_mode & 07777) == 0600);
  OK(!find_port("auk.other", path, sizeof path));
  int const echo = open_echo(O_RDWR);
  FAILS(lseek(echo, 0, SEEK_CUR), ESPIPE);
  FAILS(pread(echo, path, 1, 0), ESPIPE);
  FAILS(ioctl(echo, TCGETS, path), ENOTTY);
}

TEST(one_at_a_time) {
  int const first = open_echo(O_RDWR);
  FAILS(open_port("auk.echo", O_RDWR), EBUSY);
  FAILS(open_port("auk.echo", O_RDONLY | O_NONBLOCK), EBUSY);
  int const copy = (int)NEED(dup(first));
  close(first);
  FAILS(open_port("auk.echo", O_RDWR), EBUSY);
  close(copy);
  WORKS(open_port("auk.echo", O_RDWR));
}

TEST(bytes_come_back) {
  char text[16] = "";
  int const echo = open_echo(O_RDWR);
  IS(write(echo, "hello", 5), 5);
  IS(wait_for(echo, POLLIN) & POLLIN, POLLIN);
  IS(read(echo, text, 2), 2);
  OK(memcmp(text, "he", 2) == 0);
  read_all(echo, text, 3);
  OK(memcmp(text, "llo", 3) == 0);
  IS(write(echo, text, 0), 0);
  FAILS(write(echo, BAD_POINTER, 5), EFAULT);
  // What cannot be stored stays.
  IS(write(echo, "again", 5), 5);
  wait_for(echo, POLLIN);
  FAILS(read(echo, BAD_POINTER, 5), EFAULT);
  read_all(echo, text, 5);
  OK(memcmp(text, "again", 5) == 0);
}

TEST(no_more_than_is_there) {
  char text[16];
  int const echo = open_echo(O_RDWR | O_NONBLOCK);
  FAILS(read(echo, text, sizeof text), EAGAIN);
  FAILS(read(echo, text, 0), EAGAIN);
  IS(ready_for(echo), POLLOUT);
  IS(write(echo, "x", 1), 1);
  IS(wait_for(echo, POLLIN) & (POLLIN | POLLHUP), POLLIN);
  IS(read(echo, text, sizeof text), 1);
  FAILS(read(echo, text, sizeof text), EAGAIN);
}

TEST(many_bytes_both_ways) {
  static char sent[300000], got[sizeof sent];
  for (size_t i = 0; i < sizeof sent; ++i) sent[i] = (char)(i * 2654435761u >> 13);
  int const echo = open_echo(O_RDWR);
  pid_t const writer = fork();
  if (writer == 0) {
    for (size_t done = 0; done < sizeof sent;)
      done += (size_t)NEED(write(echo, sent + done, sizeof sent - done));
    _exit(0);
  }
  read_all(echo, got, sizeof got);
  IS(ktap_status_of(writer), 0);
  OK(memcmp(sent, got, sizeof sent) == 0);
}

// What an opening sends and gets is not mixed up with the one before it.
TEST(opened_again_and_again) {
  char text[16];
  int rounds = 0;
  for (bool good = true; good && rounds < 1000; ++rounds) {
    int const echo = open_echo(O_RDWR);
    good = write(echo, "x", 1) == 1 && read(echo, text, sizeof text) == 1;
    close(echo);
  }
  IS(rounds, 1000);
}

static void on_alarm(int number) { (void)number; }

TEST(waiting_ends_by_a_signal) {
  char text[16];
  int const echo = open_echo(O_RDWR);
  struct sigaction action = {.sa_handler = on_alarm};
  struct itimerval const often = {{0, 50000}, {0, 50000}};
  NEED(sigaction(SIGALRM, &action, NULL));
  NEED(setitimer(ITIMER_REAL, &often, NULL));
  FAILS(read(echo, text, sizeof text), EINTR);
}

TEST(a_host_that_does_not_read) {
  static char block[32768];
  int const sink = connected((int)NEED(open_port("auk.sink", O_RDWR | O_NONBLOCK)));
  size_t sent = 0;
  ssize_t put = 0;
  // The host's own buffers may take some more behind our back.
  do {
    while (sent < MUCH && (put = write(sink, block, sizeof block)) > 0) sent += (size_t)put;
  } while (sent < MUCH && (usleep(20000), ready_for(sink) != 0));
  OK(put == -1 && errno == EAGAIN);
  OK(sent > 0);
  IS(ready_for(sink), 0);
  tell_host("drain\n");
  IS(wait_for(sink, POLLOUT), POLLOUT);
  IS(write(sink, block, 1), 1);
}

TEST(nobody_at_the_other_end) {
  char text[16];
  int const alone = (int)NEED(open_port("auk.alone", O_RDWR | O_NONBLOCK));
  IS(ready_for(alone), POLLIN | POLLRDNORM | POLLHUP);
  IS(read(alone, text, sizeof text), 0);
  FAILS(write(alone, text, 1), EAGAIN);
}

TEST(the_host_hangs_up) {
  char text[16];
  int const echo = open_echo(O_RDWR);
  IS(write(echo, "last", 4), 4);
  wait_for(echo, POLLIN);
  tell_host("hang up\n");
  IS(wait_for(echo, 0), POLLHUP);
  // What came before counts still.
  read_all(echo, text, 4);
  OK(memcmp(text, "last", 4) == 0);
  IS(read(echo, text, sizeof text), 0);
  tell_host("come back\n");
  connected(echo);
  IS(ready_for(echo), POLLOUT);
  IS(write(echo, "new", 3), 3);
  read_all(echo, text, 3);
  OK(memcmp(text, "new", 3) == 0);
}

TEST(a_reader_wakes_up) {
  char text[16];
  int const echo = open_echo(O_RDWR);
  pid_t const reader = fork();
  if (reader == 0) _exit(read(echo, text, sizeof text) == 0 ? 0 : 1);
  tell_host("hang up\n");
  IS(ktap_status_of(reader), 0);
  tell_host("come back\n");
}

// Last: the port is another one from then on.
TEST(the_port_is_pulled_out) {
  char text[16], path[280];
  int const echo = open_echo(O_RDWR | O_NONBLOCK);
  IS(write(echo, "lost", 4), 4);
  wait_for(echo, POLLIN);
  OK(find_port("auk.echo", path, sizeof path));
  // What is mounted over its node goes with it.
  close(make_file("cover", "x"));
  WORKS(mount("cover", path, NULL, MS_BIND, NULL));
  tell_host("unplug\n");
  IS(wait_for(echo, 0), POLLHUP);
  FAILS(read(echo, text, sizeof text), ENODEV);
  FAILS(write(echo, text, 1), ENODEV);
  while (access(path, F_OK) == 0) sched_yield();
  FAILS(open(path, O_RDWR), ENOENT);
  OK(!find_port("auk.echo", path, sizeof path));
  tell_host("plug\n");
  while (!find_port("auk.echo", path, sizeof path)) sched_yield();
  int const fresh = open_echo(O_RDWR);
  FAILS(read(echo, text, sizeof text), ENODEV);
  IS(write(fresh, "fresh", 5), 5);
  read_all(fresh, text, 5);
  OK(memcmp(text, "fresh", 5) == 0);
}
