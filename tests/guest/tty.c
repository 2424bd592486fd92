// Terminals: what the descriptors of a relayed command are not, and the serial port itself.
#include "ktap.h"

#include <termios.h>

// No test relays over this one: the kernel's console.
#define PORT "/dev/ttyS0"

TEST(not_a_terminal) {
  int ends[2], number;
  char bytes[64];
  int const file = make_file("file", "12345");
  NEED(pipe(ends));
  FAILS(ioctl(file, TCGETS, bytes), ENOTTY);
  FAILS(ioctl(ends[0], TCGETS, bytes), ENOTTY);
  FAILS(ioctl((int)NEED(open("/dev/null", O_RDWR)), TCGETS, bytes), ENOTTY);
  FAILS(ioctl((int)NEED(open(".", O_RDONLY)), TCGETS, bytes), ENOTTY);
  FAILS(ioctl(file, TIOCGWINSZ, bytes), ENOTTY);
  FAILS(ioctl(file, TIOCGPGRP, &number), ENOTTY);
  FAILS(ioctl(file, 0x12345678, &number), ENOTTY);
  FAILS(ioctl(closed_descriptor(), TCGETS, bytes), EBADF);
  IS(ioctl(file, FIONREAD, &number), 0);
  IS(number, 5);
  IS(isatty(file), 0);
  FAILS(tcgetpgrp(file), ENOTTY);
}

TEST(flags_by_ioctl) {
  int const file = make_file("file", "");
  int on = 1, off = 0;
  IS(ioctl(file, FIOCLEX), 0);
  IS(fcntl(file, F_GETFD), FD_CLOEXEC);
  IS(ioctl(file, FIONCLEX), 0);
  IS(fcntl(file, F_GETFD), 0);
  IS(ioctl(file, FIONBIO, &on), 0);
  OK(fcntl(file, F_GETFL) & O_NONBLOCK);
  IS(ioctl(file, FIONBIO, &off), 0);
  OK(!(fcntl(file, F_GETFL) & O_NONBLOCK));
  FAILS(ioctl(file, FIONBIO, BAD_POINTER), EFAULT);
}

TEST(no_controlling_terminal) {
  FAILS(open("/dev/tty", O_RDWR), ENXIO);
  NEED(setsid());
  FAILS(open("/dev/tty", O_RDWR), ENXIO);
}

TEST(modes_of_port) {
  int const port = (int)WORKS(open(PORT, O_RDWR | O_NOCTTY | O_NONBLOCK));
  struct termios modes, changed;
  IS(isatty(port), 1);
  WORKS(tcgetattr(port, &modes));
  changed = modes;
  changed.c_lflag ^= ECHO;
  changed.c_cc[VINTR] = 7;
  WORKS(tcsetattr(port, TCSANOW, &changed));
  memset(&changed, 0, sizeof changed);
  WORKS(tcgetattr(port, &changed));
  IS((changed.c_lflag ^ modes.c_lflag) & ECHO, ECHO);
  IS(changed.c_cc[VINTR], 7);
  WORKS(tcsetattr(port, TCSADRAIN, &modes));
  FAILS(ioctl(port, TCGETS, BAD_POINTER), EFAULT);
  FAILS(ioctl(port, TCSETS, BAD_POINTER), EFAULT);
  FAILS(lseek(port, 0, SEEK_CUR), ESPIPE);
  WORKS(tcdrain(port));
  WORKS(tcflush(port, TCIFLUSH));
  FAILS(tcflush(port, 99), EINVAL);
}

TEST(size_of_window) {
  int const port = (int)NEED(open(PORT, O_RDWR | O_NOCTTY | O_NONBLOCK));
  struct winsize before, size = {25, 81, 0, 0};
  WORKS(ioctl(port, TIOCGWINSZ, &before));
  WORKS(ioctl(port, TIOCSWINSZ, &size));
  memset(&size, 0, sizeof size);
  WORKS(ioctl(port, TIOCGWINSZ, &size));
  IS(size.ws_row, 25);
  IS(size.ws_col, 81);
  WORKS(ioctl(port, TIOCSWINSZ, &before));
  FAILS(ioctl(port, TIOCGWINSZ, BAD_POINTER), EFAULT);
}

TEST(becoming_the_controlling_terminal) {
  int const port = (int)NEED(open(PORT, O_RDWR | O_NOCTTY | O_NONBLOCK));
  pid_t group = 0;
  FAILS(ioctl(port, TIOCGPGRP, &group), ENOTTY);
  NEED(setsid());
  WORKS(ioctl(port, TIOCSCTTY, 0));
  WORKS(ioctl(port, TIOCSCTTY, 0));
  WORKS(ioctl(port, TIOCGPGRP, &group));
  OK(group == getpgrp());
  OK(tcgetsid(port) == getsid(0));
  WORKS(open("/dev/tty", O_RDWR | O_NONBLOCK));
  // Another session cannot have it.
  IS(IN_CHILD({
       setsid();
       _exit(ioctl(port, TIOCSCTTY, 0) == -1 ? errno : 0);
     }),
     EXITED(EPERM));
  signal(SIGHUP, SIG_IGN);
  WORKS(ioctl(port, TIOCNOTTY));
  FAILS(open("/dev/tty", O_RDWR), ENXIO);
}

TEST(background_group) {
  int const port = (int)NEED(open(PORT, O_RDWR | O_NOCTTY | O_NONBLOCK));
  NEED(setsid());
  NEED(ioctl(port, TIOCSCTTY, 0));
  FAILS(tcsetpgrp(port, -1), EINVAL);
  FAILS(tcsetpgrp(port, 1), EPERM);
  int const stopped = 0x7f;
  // A group in the background that wants the terminal is stopped.
  pid_t const child = fork();
  if (child == 0) {
    setpgid(0, 0);
    _exit(tcsetpgrp(port, getpid()) == 0 ? 0 : errno);
  }
  int status = 0;
  OK(waitpid(child, &status, WUNTRACED) == child);
  IS(status & 0xff, stopped);
  IS(WSTOPSIG(status), SIGTTOU);
  OK(tcgetpgrp(port) == getpgrp());
  NEED(kill(child, SIGKILL));
  IS(ktap_status_of(child), SIGKILL);
  IS(IN_CHILD({
       setpgid(0, 0);
       signal(SIGTTOU, SIG_IGN);
       _exit(tcsetpgrp(port, getpid()) == 0 && tcgetpgrp(port) == getpid() ? 0 : 1);
     }),
     0);
  signal(SIGHUP, SIG_IGN);
  NEED(ioctl(port, TIOCNOTTY));
}

TEST(output_to_port) {
  int const port = (int)NEED(open(PORT, O_WRONLY | O_NOCTTY | O_NONBLOCK));
  IS(write(port, "# a test writes to the console\n", 31), 31);
  FAILS(write(port, BAD_POINTER, 1), EFAULT);
  IS(poll(&(struct pollfd){port, POLLOUT, 0}, 1, 1000), 1);
  FAILS(read(port, (char[1]){0}, 1), EBADF);
}
