// Purpose: the ports that auk-init and the host talk through: serial ones, or by their names those
// of a virtio console.
#pragma once

#include "protocol.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

namespace auk::guest {

inline void say(char const* text) {
  // The console, if the kernel gave us one.
  (void)!write(2, "auk-init: ", 10);
  (void)!write(2, text, strlen(text));
  (void)!write(2, "\n", 1);
}

[[noreturn]] inline void power_off() {
  sync();
  reboot(RB_POWER_OFF);
  say("the power stays on");
  for (;;) pause();
}

[[noreturn]] inline void give_up(char const* what) {
  char text[256];
  snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
  say(text);
  power_off();
}

struct Ports {
  int data = -1, errors = -1, control = -1;
};

// --- serial -----------------------------------------------------------------------------------

constexpr auto serial_data = "/dev/ttyS1", serial_errors = "/dev/ttyS2",
               serial_control = "/dev/ttyS3";

inline void set_modes(int port, bool raw) {
  termios modes{};
  if (tcgetattr(port, &modes) != 0) return;
  cfmakeraw(&modes);
  modes.c_cflag |= CLOCAL | CREAD;
  cfsetspeed(&modes, B115200);
  if (!raw) {
    modes.c_iflag |= ICRNL | IXON;
    modes.c_oflag |= OPOST | ONLCR;
    modes.c_lflag |= ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
  }
  tcsetattr(port, TCSANOW, &modes);
}

// O_NONBLOCK: not to wait for a carrier, and not to be held up by a full port later.
inline int open_serial_port(char const* path, bool raw) {
  int const port = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (port < 0) give_up(path);
  set_modes(port, raw);
  return port;
}

inline Ports open_serial_ports(bool terminal) {
  Ports const ports{.data = open_serial_port(serial_data, !terminal),
                    .errors = open_serial_port(serial_errors, true),
                    .control = open_serial_port(serial_control, true)};
  fcntl(ports.control, F_SETFL, O_RDWR);
  return ports;
}

// --- by name ----------------------------------------------------------------------------------

// False if there is no port of that name yet.
inline bool find_port(char const* name, char* path, std::size_t size) {
  constexpr auto ports_class = "/sys/class/virtio-ports";
  DIR* const list = opendir(ports_class);
  if (!list) return false;
  bool found = false;
  while (dirent const* const entry = found ? nullptr : readdir(list)) {
    char file[320], text[80] = "";
    snprintf(file, sizeof file, "%s/%s/name", ports_class, entry->d_name);
    int const fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ssize_t const got = read(fd, text, sizeof text - 1);
    close(fd);
    found = got > 0 && strncmp(text, name, strlen(name)) == 0 && text[strlen(name)] == '\n';
    if (found) snprintf(path, size, "/dev/%s", entry->d_name);
  }
  closedir(list);
  return found;
}

// The device tells of its ports one after the other, while we are here already. The node comes
// first, its name soon after it.
inline int open_named_port(int watch, char const* name) {
  constexpr int tick_ms = 5, most_ticks = 4000;
  char path[320];
  for (int tick = 0; tick < most_ticks; ++tick) {
    if (find_port(name, path, sizeof path)) {
      int const port = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
      if (port < 0) give_up(path);
      return port;
    }
    pollfd fresh{.fd = watch, .events = POLLIN, .revents = 0};
    char events[4096];
    if (poll(&fresh, 1, tick_ms) > 0) (void)!read(watch, events, sizeof events);
  }
  errno = ENODEV;
  give_up(name);
}

// Readable when /dev gets a new name.
inline int watch_devices() {
  int const watch = inotify_init1(IN_CLOEXEC);
  if (watch < 0 || inotify_add_watch(watch, "/dev", IN_CREATE) < 0) give_up("/dev");
  return watch;
}

inline Ports open_named_ports() {
  int const watch = watch_devices();
  Ports const ports{.data = open_named_port(watch, protocol::data_name),
                    .errors = open_named_port(watch, protocol::errors_name),
                    .control = open_named_port(watch, protocol::control_name)};
  close(watch);
  fcntl(ports.control, F_SETFL, O_RDWR);
  return ports;
}

}  // namespace auk::guest
