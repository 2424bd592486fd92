// Pseudoterminals: pairs, both sides' ends, modes, windows, packets, sessions, devpts.
#include "ktap.h"

#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <termios.h>

static void need_devpts(void) {
  mkdir("/dev/pts", 0755);
  if (access("/dev/pts/ptmx", F_OK) != 0)
    NEED(mount("devpts", "/dev/pts", "devpts", 0, "gid=5,mode=620,ptmxmode=666"));
}

static int open_master(void) {
  need_devpts();
  return (int)NEED(open("/dev/ptmx", O_RDWR | O_NOCTTY));
}

static int unlock(int master) {
  int const zero = 0;
  return ioctl(master, TIOCSPTLCK, &zero);
}

/// Opens the terminal of a master by its name.
static int open_terminal(int master, int flags) {
  unsigned number;
  char name[32];
  NEED(ioctl(master, TIOCGPTN, &number));
  snprintf(name, sizeof name, "/dev/pts/%u", number);
  return open(name, flags);
}

struct pair {
  int master, terminal;
};

static struct pair open_pair(void) {
  struct pair p = {.master = open_master()};
  NEED(unlock(p.master));
  p.terminal = (int)NEED(open_terminal(p.master, O_RDWR | O_NOCTTY));
  return p;
}

static void make_raw(int terminal) {
  struct termios t;
  NEED(tcgetattr(terminal, &t));
  cfmakeraw(&t);
  NEED(tcsetattr(terminal, TCSANOW, &t));
}

static short ready(int file) {
  struct pollfd p = {.fd = file, .events = POLLIN | POLLOUT | POLLPRI};
  return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

/// What poll() says once it says `expected`, or after a long wait.
static short soon(int file, short expected) {
  short found = ready(file);
  for (int i = 0; i < 3000 && found != expected; ++i) {
    usleep(10000);
    found = ready(file);
  }
  return found;
}
#define SOON(file, expected) IS(soon(file, expected), expected)

/// The same for the number of bytes that can be read.
static int waiting(int file, int expected) {
  int found = -1;
  for (int i = 0; i < 3000; ++i) {
    if (ioctl(file, FIONREAD, &found) != 0 || found == expected) break;
    usleep(10000);
  }
  return found;
}

/// What so many reads find as give `size` bytes, as text; the error's name if one fails. Linux
/// moves bytes from side to side in a thread of its own.
static char const* reads(int file, size_t size) {
  static char text[256];
  size_t done = 0;
  do {
    ssize_t const n = read(file, text + done, sizeof text - 1 - done);
    if (n < 0) return strerrorname_np(errno);
    done += (size_t)n;
    text[done] = 0;
    if (n == 0) break;
  } while (done < size);
  return text;
}
#define READS(file, expected)                                                                      \
  ({                                                                                               \
    char const* const found_ = reads(file, expected[0] == 'E' ? 0 : strlen(expected));             \
    ktap_check(strcmp(found_, expected) == 0, #file " reads " #expected, "%s", found_);            \
  })

TEST(a_pair_is_made) {
  int const master = open_master();
  unsigned number = 99;
  int locked = 0;
  WORKS(ioctl(master, TIOCGPTN, &number));
  WORKS(ioctl(master, TIOCGPTLCK, &locked));
  IS(locked, 1);
  FAILS(open_terminal(master, O_RDWR), EIO);
  WORKS(unlock(master));
  WORKS(ioctl(master, TIOCGPTLCK, &locked));
  IS(locked, 0);
  int const terminal = open_terminal(master, O_RDWR | O_NOCTTY);
  OK(terminal >= 0);
  OK(isatty(terminal));
  OK(isatty(master));
  struct stat s;
  char name[32];
  snprintf(name, sizeof name, "/dev/pts/%u", number);
  WORKS(stat(name, &s));
  OK(S_ISCHR(s.st_mode));
  IS(s.st_mode & 07777, 0620);
  IS(s.st_gid, 5);
  IS(s.st_uid, 0);
  IS(major(s.st_rdev), 136);
  OK(minor(s.st_rdev) == number);
  OK(s.st_ino == number + 3);
  WORKS(fstat(master, &s));
  OK(s.st_rdev == makedev(5, 2));
  OK(strcmp(ttyname(terminal), name) == 0);
  WORKS(close(terminal));
  WORKS(close(master));
  FAILS(stat(name, &s), ENOENT);
}

TEST(numbers_are_the_lowest_free) {
  unsigned a, b, c, d;
  int const first = open_master(), second = open_master(), third = open_master();
  WORKS(ioctl(first, TIOCGPTN, &a));
  WORKS(ioctl(second, TIOCGPTN, &b));
  WORKS(ioctl(third, TIOCGPTN, &c));
  OK(b == a + 1 && c == a + 2);
  WORKS(close(second));
  int const fourth = open_master();
  WORKS(ioctl(fourth, TIOCGPTN, &d));
  OK(d == b);
}

TEST(fresh_settings) {
  struct pair const p = open_pair();
  struct termios t, m;
  WORKS(tcgetattr(p.terminal, &t));
  IS(t.c_iflag, ICRNL | IXON);
  IS(t.c_oflag, OPOST | ONLCR);
  IS(t.c_cflag, B38400 | CS8 | CREAD);
  IS(t.c_lflag, ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN);
  IS(cfgetospeed(&t), B38400);
  IS(t.c_cc[VEOF], 4);
  // The master shows, and sets, those of the terminal.
  WORKS(tcgetattr(p.master, &m));
  IS(m.c_lflag, t.c_lflag);
  m.c_lflag &= ~(tcflag_t)ECHO;
  WORKS(tcsetattr(p.master, TCSANOW, &m));
  WORKS(tcgetattr(p.terminal, &t));
  IS(t.c_lflag & ECHO, 0);
  struct winsize w = {9, 9, 9, 9};
  WORKS(ioctl(p.terminal, TIOCGWINSZ, &w));
  IS(w.ws_row + w.ws_col + w.ws_xpixel + w.ws_ypixel, 0);
  int n = 9;
  WORKS(ioctl(p.terminal, TIOCGETD, &n));
  IS(n, 0);
  unsigned device = 0;
  WORKS(ioctl(p.terminal, TIOCGDEV, &device));
  IS(device >> 8, 136);
  FAILS(ioctl(p.terminal, TIOCGPTN, &n), ENOTTY);
  FAILS(ioctl(p.terminal, TIOCSPTLCK, &n), ENOTTY);
  FAILS(ioctl(p.terminal, 0x5499, &n), ENOTTY);
  FAILS(ioctl(p.master, 0x5499, &n), ENOTTY);
}

// Until the line discipline has seen it.
static void await_input(int file) {
  struct pollfd p = {.fd = file, .events = POLLIN};
  NEED(poll(&p, 1, 20000) == 1 ? 0 : -1);
}

// An end of file that was typed is a zero to who reads characters, and an end again to who reads
// lines.
TEST(end_of_file_without_lines) {
  struct pair const p = open_pair();
  struct termios lines, raw;
  NEED(tcgetattr(p.terminal, &lines));
  lines.c_lflag &= ~(unsigned)ECHO;
  raw = lines;
  raw.c_lflag &= ~(unsigned)ICANON;
  NEED(tcsetattr(p.terminal, TCSANOW, &lines));
  NEED(write(p.master, "abc\4", 4));
  await_input(p.terminal);
  NEED(tcsetattr(p.terminal, TCSANOW, &raw));
  int n = 0;
  NEED(ioctl(p.terminal, FIONREAD, &n));
  IS(n, 4);
  char text[16];
  IS(read(p.terminal, text, sizeof text), 4);
  OK(memcmp(text, "abc\0", 4) == 0);
  NEED(tcsetattr(p.terminal, TCSANOW, &lines));
  NEED(write(p.master, "\4", 1));
  await_input(p.terminal);
  NEED(tcsetattr(p.terminal, TCSANOW, &raw));
  IS(ready(p.terminal) & POLLIN, POLLIN);
  IS(read(p.terminal, text, sizeof text), 1);
  IS(text[0], 0);
  NEED(tcsetattr(p.terminal, TCSANOW, &lines));
  NEED(write(p.master, "\4", 1));
  await_input(p.terminal);
  NEED(tcsetattr(p.terminal, TCSANOW, &raw));
  NEED(tcsetattr(p.terminal, TCSANOW, &lines));
  IS(read(p.terminal, text, sizeof text), 0);
}

// The oldest form of settings: sixteen bits of each, and eight characters.
TEST(old_settings) {
  struct pair const p = open_pair();
  struct termio old;
  struct termios now, fresh;
  NEED(tcgetattr(p.terminal, &fresh));
  WORKS(ioctl(p.terminal, TCGETA, &old));
  IS(old.c_iflag, fresh.c_iflag);
  IS(old.c_oflag, fresh.c_oflag);
  IS(old.c_cflag, fresh.c_cflag);
  IS(old.c_lflag, fresh.c_lflag);
  OK(memcmp(old.c_cc, fresh.c_cc, 8) == 0);
  old.c_lflag &= (unsigned short)~ECHO;
  old.c_cc[VINTR] = 7;
  WORKS(ioctl(p.terminal, TCSETA, &old));
  NEED(tcgetattr(p.terminal, &now));
  IS(now.c_lflag, fresh.c_lflag & ~(unsigned)ECHO);
  IS(now.c_cc[VINTR], 7);
  IS(now.c_cc[VSUSP], fresh.c_cc[VSUSP]);
  // Input goes with the last one only.
  NEED(write(p.master, "line\n", 5));
  WORKS(ioctl(p.terminal, TCSETAW, &old));
  IS(ready(p.terminal) & POLLIN, POLLIN);
  WORKS(ioctl(p.terminal, TCSETAF, &old));
  IS(ready(p.terminal) & POLLIN, 0);
  FAILS(ioctl(p.terminal, TCGETA, BAD_POINTER), EFAULT);
  FAILS(ioctl(p.terminal, TCSETA, BAD_POINTER), EFAULT);
  int pipes[2];
  NEED(pipe(pipes));
  FAILS(ioctl(pipes[0], TCGETA, &old), ENOTTY);
}

// What is locked cannot be changed, until it is unlocked.
TEST(locked_settings) {
  struct pair const p = open_pair();
  struct termios locks, fresh, now;
  WORKS(ioctl(p.terminal, TIOCGLCKTRMIOS, &locks));
  IS(locks.c_lflag, 0);
  IS(locks.c_cc[VINTR], 0);
  NEED(tcgetattr(p.terminal, &fresh));
  locks.c_lflag = ECHO;
  locks.c_cc[VINTR] = 1;
  WORKS(ioctl(p.terminal, TIOCSLCKTRMIOS, &locks));
  now = fresh;
  now.c_lflag &= ~(unsigned)(ECHO | ICANON);
  now.c_cc[VINTR] = 7;
  now.c_cc[VQUIT] = 8;
  WORKS(tcsetattr(p.terminal, TCSANOW, &now));
  NEED(tcgetattr(p.terminal, &now));
  IS(now.c_lflag & (ECHO | ICANON), ECHO);
  IS(now.c_cc[VINTR], fresh.c_cc[VINTR]);
  IS(now.c_cc[VQUIT], 8);
  WORKS(ioctl(p.terminal, TIOCGLCKTRMIOS, &locks));
  IS(locks.c_lflag, ECHO);
  memset(&locks, 0, sizeof locks);
  WORKS(ioctl(p.terminal, TIOCSLCKTRMIOS, &locks));
  now.c_lflag &= ~(unsigned)ECHO;
  WORKS(tcsetattr(p.terminal, TCSANOW, &now));
  NEED(tcgetattr(p.terminal, &now));
  IS(now.c_lflag & ECHO, 0);
  NEED(setresuid(NOBODY, NOBODY, NOBODY));
  FAILS(ioctl(p.terminal, TIOCSLCKTRMIOS, &locks), EPERM);
  WORKS(ioctl(p.terminal, TIOCGLCKTRMIOS, &locks));
}

TEST(both_directions) {
  struct pair const p = open_pair();
  int n = 0;
  IS(write(p.master, "hello\n", 6), 6);
  // Echoed, and read as a line.
  READS(p.master, "hello\r\n");
  IS(waiting(p.terminal, 6), 6);
  READS(p.terminal, "hello\n");
  IS(write(p.terminal, "a\nb", 3), 3);
  IS(waiting(p.master, 4), 4);
  READS(p.master, "a\r\nb");
  WORKS(ioctl(p.terminal, TIOCOUTQ, &n));
  IS(n, 0);
  // No line yet.
  IS(write(p.master, "part", 4), 4);
  READS(p.master, "part");
  SOON(p.terminal, POLLOUT);
  IS(write(p.master, "\4", 1), 1);
  SOON(p.terminal, POLLIN | POLLOUT);
  READS(p.terminal, "part");
  IS(write(p.master, "\4", 1), 1);
  READS(p.terminal, "");
  int const flags = fcntl(p.terminal, F_GETFL);
  IS(flags, O_RDWR | 0100000);
  WORKS(fcntl(p.terminal, F_SETFL, flags | O_NONBLOCK));
  READS(p.terminal, "EAGAIN");
  WORKS(fcntl(p.master, F_SETFL, O_RDWR | O_NONBLOCK));
  READS(p.master, "EAGAIN");
}

TEST(end_of_the_terminal) {
  struct pair const p = open_pair();
  make_raw(p.terminal);
  int const second = (int)NEED(open_terminal(p.master, O_RDWR | O_NOCTTY));
  IS(write(p.terminal, "last", 4), 4);
  WORKS(close(p.terminal));
  SOON(p.master, POLLIN | POLLOUT);
  WORKS(close(second));
  SOON(p.master, POLLIN | POLLOUT | POLLHUP);
  READS(p.master, "last");
  SOON(p.master, POLLOUT | POLLHUP);
  READS(p.master, "EIO");
  // Opened again, it is there again, as it was left.
  int const again = open_terminal(p.master, O_RDWR | O_NOCTTY);
  OK(again >= 0);
  SOON(p.master, POLLOUT);
  struct termios t;
  WORKS(tcgetattr(again, &t));
  IS(t.c_lflag & ICANON, 0);
}

TEST(a_master_before_its_terminal) {
  int const master = open_master();
  SOON(master, POLLOUT);
  IS(write(master, "early\n", 6), 6);
  WORKS(unlock(master));
  int const terminal = open_terminal(master, O_RDWR | O_NOCTTY);
  READS(terminal, "early\n");
}

TEST(end_of_the_master) {
  struct pair const p = open_pair();
  IS(write(p.master, "lost", 4), 4);
  WORKS(close(p.master));
  SOON(p.terminal, POLLIN | POLLOUT | POLLERR | POLLHUP);
  READS(p.terminal, "");
  FAILS(write(p.terminal, "x", 1), EIO);
  struct termios t;
  FAILS(tcgetattr(p.terminal, &t), EIO);
  pid_t group = 1;
  FAILS(ioctl(p.terminal, TIOCSPGRP, &group), ENOTTY);
  struct stat s;
  WORKS(fstat(p.terminal, &s));
  IS(s.st_nlink, 0);
}

static void* close_later(void* master) {
  usleep(50000);
  close(*(int*)master);
  return NULL;
}

TEST(who_waits_is_woken_by_the_end) {
  struct pair p = open_pair();
  pthread_t thread;
  NEED(pthread_create(&thread, NULL, close_later, &p.master));
  READS(p.terminal, "EIO");
  NEED(pthread_join(thread, NULL));
  struct pair q = open_pair();
  NEED(pthread_create(&thread, NULL, close_later, &q.terminal));
  READS(q.master, "EIO");
  NEED(pthread_join(thread, NULL));
}

TEST(much_goes_through) {
  enum { SIZE = 300000 };
  static unsigned char out[SIZE], in[SIZE];
  struct pair const p = open_pair();
  make_raw(p.terminal);
  for (int i = 0; i < SIZE; ++i) out[i] = (unsigned char)(i * 7 + i / 251);
  for (int way = 0; way < 2; ++way) {
    int const from = way ? p.master : p.terminal, to = way ? p.terminal : p.master;
    pid_t const child = fork();
    if (child == 0) {
      for (size_t done = 0; done < SIZE;) {
        ssize_t const n = write(from, out + done, SIZE - done);
        if (n <= 0) _exit(1);
        done += (size_t)n;
      }
      _exit(0);
    }
    size_t done = 0;
    while (done < SIZE) {
      ssize_t const n = read(to, in + done, SIZE - done);
      if (n <= 0) break;
      done += (size_t)n;
    }
    IS(done, SIZE);
    OK(memcmp(in, out, SIZE) == 0);
    IS(ktap_status_of(child), 0);
    memset(in, 0, SIZE);
  }
}

/// Writes until the file says that it cannot take more, and keeps to it.
static bool fills(int file) {
  static char text[4000];
  for (int i = 0; i < 1000; ++i) {
    if (write(file, text, sizeof text) > 0) continue;
    usleep(20000);
    if (!(ready(file) & POLLOUT)) return true;
  }
  return false;
}

TEST(some_fits_though_nobody_reads) {
  static char text[1000];
  struct pair const p = open_pair();
  make_raw(p.terminal);
  memset(text, 'x', sizeof text);
  WORKS(fcntl(p.master, F_SETFL, O_RDWR | O_NONBLOCK));
  WORKS(fcntl(p.terminal, F_SETFL, O_RDWR | O_NONBLOCK));
  for (int i = 0; i < 2; ++i) {
    IS(write(p.master, text, sizeof text), sizeof text);
    IS(write(p.terminal, text, sizeof text), sizeof text);
  }
  // And then no more.
  OK(fills(p.master));
  OK(fills(p.terminal));
  WORKS(tcflush(p.terminal, TCIOFLUSH));
  IS(ready(p.terminal) & POLLOUT, POLLOUT);
}

static int caught[2];
static void note(int number) {
  unsigned char const byte = (unsigned char)number;
  (void)!write(caught[1], &byte, 1);
}
static int next_signal(void) {
  unsigned char byte = 0;
  while (read(caught[0], &byte, 1) < 0 && errno == EINTR) continue;
  return byte;
}

/// Runs `session` in a child that leads a session on the terminal; 0 when it was content.
static int in_session(struct pair const* p, bool (*session)(int terminal)) {
  pid_t const child = fork();
  if (child == 0) {
    close(p->master);
    setsid();
    if (ioctl(p->terminal, TIOCSCTTY, 0) != 0) _exit(100);
    _exit(session(p->terminal) ? 0 : 1);
  }
  return ktap_status_of(child);
}

static bool is_own(int terminal) {
  pid_t group = 0, session = 0;
  int const own = open("/dev/tty", O_RDWR);
  return own >= 0 && ioctl(own, TIOCGPGRP, &group) == 0 && group == getpgrp() &&
         ioctl(terminal, TIOCGSID, &session) == 0 && session == getpid();
}

TEST(a_session_on_it) {
  struct pair const p = open_pair();
  pid_t group;
  FAILS(ioctl(p.terminal, TIOCGPGRP, &group), ENOTTY);
  FAILS(ioctl(p.terminal, TIOCGSID, &group), ENOTTY);
  FAILS(ioctl(p.master, TIOCGSID, &group), ENOTTY);
  WORKS(ioctl(p.master, TIOCGPGRP, &group));
  IS(group, 0);
  FAILS(ioctl(p.master, TIOCNOTTY), ENOTTY);
  IS(in_session(&p, is_own), 0);
}

static bool opens_without(int terminal) {
  (void)terminal;
  return open("/dev/tty", O_RDWR) < 0 && errno == ENXIO;
}
static bool opens_with(int terminal) {
  (void)terminal;
  return open("/dev/tty", O_RDWR) >= 0;
}

TEST(opening_makes_it_ones_own) {
  for (int with = 0; with < 2; ++with) {
    struct pair const p = open_pair();
    pid_t const child = fork();
    if (child == 0) {
      setsid();
      int const terminal = open_terminal(p.master, O_RDWR | (with ? 0 : O_NOCTTY));
      _exit((with ? opens_with : opens_without)(terminal) ? 0 : 1);
    }
    IS(ktap_status_of(child), 0);
  }
}

static bool waits_for_interrupt(int terminal) {
  (void)!write(terminal, "ready", 5);
  return next_signal() == SIGINT && next_signal() == SIGWINCH && next_signal() == SIGQUIT &&
         next_signal() == SIGHUP;
}

TEST(signals_of_the_master) {
  struct pair const p = open_pair();
  NEED(pipe(caught));
  signal(SIGINT, note);
  signal(SIGQUIT, note);
  signal(SIGWINCH, note);
  signal(SIGHUP, note);
  pid_t const child = fork();
  if (child == 0) {
    int const master = p.master;
    _exit(in_session(&p, waits_for_interrupt) == 0 && close(master) == 0 ? 0 : 1);
  }
  close(p.terminal);
  READS(p.master, "ready");
  IS(write(p.master, "\3", 1), 1);
  READS(p.master, "^C");
  struct winsize const w = {24, 80, 0, 0};
  usleep(20000);
  WORKS(ioctl(p.master, TIOCSWINSZ, &w));
  // The same again is no change.
  WORKS(ioctl(p.master, TIOCSWINSZ, &w));
  usleep(20000);
  WORKS(ioctl(p.master, TIOCSIG, SIGQUIT));
  FAILS(ioctl(p.master, TIOCSIG, SIGTERM), EINVAL);
  usleep(20000);
  // The middle process has the master, too.
  kill(child, SIGKILL);
  WORKS(close(p.master));
  int status;
  OK(waitpid(child, &status, 0) == child);
}

static bool reads_in_background(int terminal) {
  signal(SIGTTOU, SIG_IGN);
  pid_t const job = fork();
  if (job == 0) {
    setpgid(0, 0);
    char byte;
    _exit(read(terminal, &byte, 1) == 1 ? byte : 0);
  }
  int status;
  setpgid(job, job);
  if (waitpid(job, &status, WUNTRACED) != job || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTTIN)
    return false;
  if (tcsetpgrp(terminal, job) != 0 || kill(-job, SIGCONT) != 0) return false;
  if (waitpid(job, &status, 0) != job || WEXITSTATUS(status) != 'j') return false;
  return tcsetpgrp(terminal, getpgrp()) == 0;
}

TEST(jobs) {
  struct pair const p = open_pair();
  IS(write(p.master, "j\n", 2), 2);
  IS(in_session(&p, reads_in_background), 0);
}

TEST(the_end_of_the_session) {
  struct pair const p = open_pair();
  NEED(pipe(caught));
  pid_t const leader = fork();
  if (leader == 0) {
    setsid();
    ioctl(p.terminal, TIOCSCTTY, 0);
    signal(SIGHUP, note);
    if (fork() == 0) {
      for (;;) pause();
    }
    signal(SIGHUP, SIG_IGN);
    _exit(0);
  }
  // The leader's job in the foreground gets SIGHUP; the terminal itself lives on.
  IS(next_signal(), SIGHUP);
  IS(ktap_status_of(leader), 0);
  IS(write(p.terminal, "x", 1), 1);
  READS(p.master, "x");
}

TEST(packets) {
  struct pair const p = open_pair();
  int one = 1, is = 9;
  WORKS(ioctl(p.master, TIOCGPKT, &is));
  IS(is, 0);
  WORKS(ioctl(p.master, TIOCPKT, &one));
  WORKS(ioctl(p.master, TIOCGPKT, &is));
  IS(is, 1);
  IS(write(p.terminal, "ab", 2), 2);
  char text[8];
  IS(read(p.master, text, sizeof text), 3);
  OK(text[0] == TIOCPKT_DATA && text[1] == 'a' && text[2] == 'b');
  WORKS(tcflush(p.terminal, TCIFLUSH));
  SOON(p.master, POLLIN | POLLPRI | POLLOUT);
  IS(read(p.master, text, sizeof text), 1);
  IS(text[0], TIOCPKT_FLUSHREAD);
  WORKS(tcflow(p.terminal, TCOOFF));
  IS(read(p.master, text, sizeof text), 1);
  IS(text[0], TIOCPKT_STOP);
  WORKS(tcflow(p.terminal, TCOON));
  IS(read(p.master, text, sizeof text), 1);
  IS(text[0], TIOCPKT_START);
  struct termios t;
  WORKS(tcgetattr(p.terminal, &t));
  t.c_iflag &= ~(tcflag_t)IXON;
  WORKS(tcsetattr(p.terminal, TCSANOW, &t));
  IS(read(p.master, text, sizeof text), 1);
  IS(text[0], TIOCPKT_NOSTOP);
}

TEST(the_peer_by_its_master) {
  int const master = open_master();
  FAILS(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY), EIO);
  WORKS(unlock(master));
  int const terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  OK(terminal >= 0);
  IS(fcntl(terminal, F_GETFD), FD_CLOEXEC);
  OK(isatty(terminal));
  char name[64] = "", link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", terminal);
  WORKS(readlink(link, name, sizeof name - 1));
  OK(strncmp(name, "/dev/pts/", 9) == 0);
  int a, b;
  WORKS(openpty(&a, &b, NULL, NULL, &(struct winsize){3, 4, 5, 6}));
  struct winsize w;
  WORKS(ioctl(b, TIOCGWINSZ, &w));
  IS(w.ws_col, 4);
}

TEST(exclusive) {
  struct pair const p = open_pair();
  int is = 9;
  WORKS(ioctl(p.terminal, TIOCGEXCL, &is));
  IS(is, 0);
  WORKS(ioctl(p.terminal, TIOCEXCL));
  WORKS(ioctl(p.terminal, TIOCGEXCL, &is));
  IS(is, 1);
  OK(open_terminal(p.master, O_RDWR | O_NOCTTY) >= 0);
  NEED(fchown(p.terminal, NOBODY, NOBODY));
  IS(IN_CHILD({
       NEED(setuid(NOBODY));
       _exit(open_terminal(p.master, O_RDWR | O_NOCTTY) < 0 ? errno : 0);
     }),
     EXITED(EBUSY));
  WORKS(ioctl(p.terminal, TIOCNXCL));
  IS(IN_CHILD({
       NEED(setuid(NOBODY));
       _exit(open_terminal(p.master, O_RDWR | O_NOCTTY) < 0 ? errno : 0);
     }),
     0);
}

TEST(instances) {
  struct statfs f;
  struct stat s;
  NEED(mkdir("own", 0755));
  WORKS(mount("none", "own", "devpts", 0, "mode=600,ptmxmode=644,max=2"));
  WORKS(statfs("own", &f));
  IS(f.f_type, 0x1cd1);
  IS(f.f_bsize, 4096);
  IS(f.f_namelen, 255);
  WORKS(stat("own", &s));
  IS(s.st_ino, 1);
  IS(s.st_mode, S_IFDIR | 0755);
  IS(s.st_nlink, 2);
  WORKS(stat("own/ptmx", &s));
  IS(s.st_ino, 2);
  IS(s.st_mode, S_IFCHR | 0644);
  OK(s.st_rdev == makedev(5, 2));
  int const master = open("own/ptmx", O_RDWR | O_NOCTTY);
  unsigned number = 9;
  WORKS(ioctl(master, TIOCGPTN, &number));
  IS(number, 0);
  WORKS(stat("own/0", &s));
  IS(s.st_mode & 0777, 0600);
  OK(open("own/ptmx", O_RDWR | O_NOCTTY) >= 0);
  FAILS(open("own/ptmx", O_RDWR | O_NOCTTY), ENOSPC);
  FAILS(open("own/x", O_RDWR | O_CREAT, 0600), EACCES);
  FAILS(mkdir("own/x", 0700), EPERM);
  FAILS(unlink("own/0"), EPERM);
  FAILS(rename("own/0", "own/1"), EPERM);
  FAILS(mknod("own/x", S_IFCHR | 0600, makedev(1, 3)), EPERM);
  WORKS(chmod("own/0", 0622));
  WORKS(stat("own/0", &s));
  IS(s.st_mode & 0777, 0622);
  WORKS(mount("none", "own", "devpts", MS_REMOUNT, "ptmxmode=600"));
  WORKS(stat("own/ptmx", &s));
  IS(s.st_mode & 0777, 0600);
  FAILS(mount("none", "own", "devpts", MS_REMOUNT, "colour=red"), EINVAL);
  FAILS(mount("none", "own", "devpts", 0, "mode=x"), EINVAL);
  // A pair lives on when its instance is shown nowhere.
  WORKS(unlock(master));
  int const terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
  OK(terminal >= 0);
  FAILS(umount("own"), EBUSY);
  WORKS(umount2("own", MNT_DETACH));
  IS(write(terminal, "x", 1), 1);
  READS(master, "x");
  WORKS(close(master));
  FAILS(write(terminal, "x", 1), EIO);
}

TEST(one_byte_of_a_packet) {
  struct pair const p = open_pair();
  int const one = 1;
  char text[4] = "xxx";
  WORKS(ioctl(p.master, TIOCPKT, &one));
  IS(write(p.terminal, "ab", 2), 2);
  SOON(p.master, POLLIN | POLLOUT);
  // The status fills it; what comes with it stays.
  IS(read(p.master, text, 1), 1);
  IS(text[0], TIOCPKT_DATA);
  IS(read(p.master, text, sizeof text), 3);
  IS(text[1], 'a');
}

TEST(a_flush_makes_room_for_what_waits) {
  static char text[20000];
  struct pair const p = open_pair();
  make_raw(p.terminal);
  memset(text, 'x', sizeof text);
  pid_t const child = fork();
  if (child == 0) _exit(write(p.master, text, sizeof text) == sizeof text ? 0 : 1);
  // Until the writer waits for room.
  usleep(100000);
  struct termios t;
  NEED(tcgetattr(p.terminal, &t));
  WORKS(tcsetattr(p.terminal, TCSAFLUSH, &t));
  // What is left comes to its end.
  int status = -1;
  WORKS(fcntl(p.terminal, F_SETFL, O_RDWR | O_NONBLOCK));
  for (int i = 0; i < 3000 && waitpid(child, &status, WNOHANG) == 0; ++i) {
    while (read(p.terminal, text, sizeof text) > 0) continue;
    usleep(10000);
  }
  IS(status, 0);
}

static void* read_one(void* terminal) {
  static char text[8];
  memset(text, 0, sizeof text);
  if (read(*(int*)terminal, text, sizeof text) == 0) strcpy(text, "end");
  return text;
}

TEST(who_waits_for_a_line_goes_on_in_the_other_mode) {
  struct pair p = open_pair();
  pthread_t thread;
  void* got = NULL;
  NEED(pthread_create(&thread, NULL, read_one, &p.terminal));
  usleep(100000);
  make_raw(p.terminal);
  usleep(100000);
  IS(write(p.master, "k", 1), 1);
  NEED(pthread_join(thread, &got));
  IS(strcmp(got, "k"), 0);
}

TEST(the_foreground_ends_with_the_leader_of_a_lost_terminal) {
  struct pair const p = open_pair();
  int ready[2];
  NEED(pipe(caught));
  NEED(pipe(ready));
  signal(SIGHUP, note);
  signal(SIGCONT, SIG_DFL);
  pid_t const leader = fork();
  if (leader == 0) {
    close(p.master);
    setsid();
    signal(SIGTTOU, SIG_IGN);
    ioctl(p.terminal, TIOCSCTTY, 0);
    pid_t const job = fork();
    if (job == 0) {
      close(p.terminal);
      for (;;) pause();
    }
    setpgid(job, job);
    tcsetpgrp(p.terminal, job);
    signal(SIGHUP, SIG_DFL);
    (void)!write(ready[1], "", 1);
    for (;;) pause();
  }
  char byte;
  IS(read(ready[0], &byte, 1), 1);
  WORKS(close(p.master));
  IS(ktap_status_of(leader), SIGHUP);
  IS(next_signal(), SIGHUP);
}

TEST(who_must_not_wait_does_not_wait_for_another_writer) {
  static char text[100000];
  struct pair const p = open_pair();
  make_raw(p.terminal);
  memset(text, 'x', sizeof text);
  pid_t const child = fork();
  if (child == 0) _exit(write(p.terminal, text, sizeof text) > 0 ? 0 : 1);
  usleep(200000);
  int const other = (int)NEED(open_terminal(p.master, O_RDWR | O_NOCTTY | O_NONBLOCK));
  FAILS(write(other, "x", 1), EAGAIN);
  // Nor does one that does wait hold off its own end.
  pid_t const second = fork();
  if (second == 0) _exit(write(p.terminal, "x", 1) == 1 ? 0 : 1);
  usleep(100000);
  WORKS(kill(second, SIGKILL));
  IS(ktap_status_of(second), SIGKILL);
  WORKS(kill(child, SIGKILL));
  IS(ktap_status_of(child), SIGKILL);
}
