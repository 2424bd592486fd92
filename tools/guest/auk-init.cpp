// The first process of a guest of `auk run`: runs the command of /auk/command, relays its streams
// over ports, tells the host how it ended, and powers off.
//
// One port carries the command's standard input and output, one its standard error, one lines of
// control (tools/guest/protocol.hpp). They are ports of a virtio console, or serial ones, which any
// kernel has. A command on a terminal has the serial port itself, or else a pseudoterminal. A
// kernel that is still young must be able to run this: few system calls are used, and what may fail
// without harm is allowed to.
#include "command.hpp"
#include "flow.hpp"
#include "ports.hpp"
#include "user.hpp"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <initializer_list>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace auk::guest {
namespace {

int control = -1;

[[gnu::format(printf, 1, 2)]] void tell_host(char const* format, ...) {
  char line[80];
  va_list arguments;
  va_start(arguments, format);
  int const size = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  for (int done = 0; done < size;) {
    ssize_t const put = write(control, line + done, static_cast<size_t>(size - done));
    if (put > 0)
      done += static_cast<int>(put);
    else if (errno != EINTR)
      return;
  }
}

void mount_all() {
  struct Mount {
    char const *type, *place, *options;
  };
  // A folder of its own may be missing in an initrd that somebody else made.
  static constexpr Mount mounts[] = {
      {"proc", "/proc", ""},          {"sysfs", "/sys", ""},
      {"devtmpfs", "/dev", ""},       {"devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666"},
      {"tmpfs", "/dev/shm", ""},      {"tmpfs", "/tmp", "mode=1777"},
      {"tmpfs", "/run", "mode=0755"},
  };
  for (auto const& [type, place, options] : mounts) {
    mkdir(place, 0755);
    (void)mount(type, place, type, 0, options);
  }
  (void)symlink("/proc/self/fd", "/dev/fd");
  (void)symlink("/proc/self/fd/0", "/dev/stdin");
  (void)symlink("/proc/self/fd/1", "/dev/stdout");
  (void)symlink("/proc/self/fd/2", "/dev/stderr");
}

void set_size(int port, int rows, int columns) {
  winsize size{};
  size.ws_row = static_cast<unsigned short>(rows);
  size.ws_col = static_cast<unsigned short>(columns);
  ioctl(port, TIOCSWINSZ, &size);
}

struct Pipe {
  int read_end = -1, write_end = -1;

  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) give_up("pipe");
    read_end = ends[0], write_end = ends[1];
  }
};

// --- the command ----------------------------------------------------------------------------

// What a shell returns when it cannot run a program.
int exit_code_of(int error) { return error == ENOENT || error == ENOTDIR ? 127 : 126; }

[[noreturn]] void complain(char const* subject, int error, int code) {
  char text[4300];
  snprintf(text, sizeof text, "auk: %s: %s\n", subject, strerror(error));
  (void)!write(2, text, strlen(text));
  _exit(code);
}

[[noreturn]] void complain_missing(char const* name, char const* places) {
  char text[4300];
  snprintf(text, sizeof text, "auk: %s: no such program in %s of the guest\n", name, places);
  (void)!write(2, text, strlen(text));
  _exit(exit_code_of(ENOENT));
}

[[noreturn]] void complain_user(char const* user) {
  char text[600];
  snprintf(text, sizeof text, "auk: %.256s: no such user, or no such group, in the guest\n", user);
  (void)!write(2, text, strlen(text));
  _exit(protocol::tool_failed);
}

// A file that is there and yet "not found" names a loader or an interpreter that is not.
[[noreturn]] void complain_of(char const* file, int error) {
  if (error == ENOENT && access(file, F_OK) == 0) {
    char text[4200];
    snprintf(text, sizeof text, "%s: the loader or interpreter it names", file);
    complain(text, error, exit_code_of(error));
  }
  complain(file, error, exit_code_of(error));
}

[[noreturn]] void become(Command& command) {
  if (command.user) {
    static User user;
    if (!user.find(command.user)) complain_user(command.user);
    // What it has open it may open again by name.
    for (int fd = 0; fd < 3; ++fd) (void)!fchown(fd, user.uid, static_cast<gid_t>(-1));
    if (!user.become()) complain(command.user, errno, protocol::tool_failed);
    command.set_default("HOME", user.home);
    command.set_default("USER", user.name);
  }
  if (chdir(command.folder) != 0) complain(command.folder, errno, protocol::tool_failed);
  char const* const name = command.arguments[0];
  int error = ENOENT;
  if (strchr(name, '/')) {
    execve(name, command.arguments, command.environment);
    complain_of(name, errno);
  }
  for (char const* path = command.search_path(); *path;) {
    size_t const size = strcspn(path, ":");
    char file[4096];
    snprintf(file, sizeof file, "%.*s/%s", static_cast<int>(size), path, name);
    execve(file, command.arguments, command.environment);
    if (errno == ENOENT && access(file, F_OK) == 0) complain_of(file, ENOENT);
    if (errno != ENOENT && errno != ENOTDIR) error = errno;
    path += size + (path[size] == ':');
  }
  if (error == ENOENT) complain_missing(name, command.search_path());
  complain(name, error, exit_code_of(error));
}

// In the foreground of the terminal that the session's leader opened.
void take_foreground() {
  setpgid(0, 0);
  signal(SIGTTOU, SIG_IGN);
  tcsetpgrp(0, getpid());
  signal(SIGTTOU, SIG_DFL);
}

void take_terminal(char const* path) {
  int const terminal = open(path, O_RDWR);
  if (terminal < 0) give_up(path);
  ioctl(terminal, TIOCSCTTY, 0);
  for (int fd = 0; fd < 3; ++fd) dup2(terminal, fd);
  close(terminal);
}

// Starts the command, tells its number and then how it ended. A process of its own, so that the
// relay hears of the end by a pipe and needs no signal; on a terminal it leads the session, because
// the terminal hangs up, and forgets what is not yet sent, when the leader ends.
[[noreturn]] void watch_command(Command& command, char const* terminal, int report) {
  setsid();
  if (command.terminal) take_terminal(terminal);
  pid_t const pid = fork();
  if (pid < 0) complain("fork", errno, protocol::tool_failed);
  if (pid == 0) {
    if (command.terminal)
      take_foreground();
    else
      setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    become(command);
  }
  setpgid(pid, pid);
  (void)!write(report, &pid, sizeof pid);
  if (!command.terminal)
    for (int fd = 0; fd < 3; ++fd) close(fd);
  int status = 0;
  for (;;) {
    pid_t const who = waitpid(pid, &status, WUNTRACED);
    if (who < 0 && errno != EINTR) break;
    // Nobody is there to put it in the foreground again.
    if (who == pid && WIFSTOPPED(status))
      kill(-pid, SIGCONT);
    else if (who == pid)
      break;
  }
  if (command.terminal) {
    signal(SIGTTOU, SIG_IGN);
    tcdrain(0);
  }
  (void)!write(report, &status, sizeof status);
  _exit(0);
}

// --- the relay ------------------------------------------------------------------------------

struct Session {
  Ports ports;
  int terminal = -1;  // what has a size, if there is one
  char const* terminal_path = nullptr;
  int reports = -1;   // from watch_command
  pid_t command = 0;  // leads the group that gets signals
  bool finished = false, dismissed = false;
  int status = 0;
  Flow input, output, errors;
  char line[128];  // of control, as far as it came
  size_t line_size = 0;
};

void obey(Session& session, char const* line) {
  int number = 0, second = 0;
  if (strcmp(line, protocol::end_of_input) == 0)
    session.input.close_target();
  else if (strcmp(line, protocol::all_arrived) == 0)
    session.dismissed = true;
  else if (sscanf(line, protocol::signal_format, &number) == 1 && session.command > 0)
    kill(-session.command, number);
  else if (sscanf(line, protocol::size_format, &number, &second) == 2)
    set_size(session.terminal, number, second);
}

void read_control(Session& session) {
  char bytes[64];
  ssize_t const got = read(control, bytes, sizeof bytes);
  for (ssize_t i = 0; i < got; ++i) {
    if (bytes[i] != '\n') {
      if (session.line_size < sizeof session.line - 1) session.line[session.line_size++] = bytes[i];
      continue;
    }
    session.line[session.line_size] = 0;
    session.line_size = 0;
    obey(session, session.line);
  }
}

void read_report(Session& session) {
  int value = 0;
  ssize_t const got = read(session.reports, &value, sizeof value);
  if (got < 0 && errno == EINTR) return;
  if (got == sizeof value && session.command == 0) {
    session.command = value;
    return;
  }
  // Without a number it died before it could say anything.
  session.status = got == sizeof value ? value : protocol::tool_failed << 8;
  session.finished = true;
}

void reap_orphans() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {}
}

// One round; false once the command has ended and all it wrote is on its way.
bool relay_once(Session& session) {
  pollfd polled[5] = {
      {.fd = control, .events = POLLIN, .revents = 0},
      {.fd = session.finished ? -1 : session.reports, .events = POLLIN, .revents = 0}};
  Flow* const flows[] = {&session.input, &session.output, &session.errors};
  for (int i = 0; i < 3; ++i) polled[2 + i] = flows[i]->wanted();
  // Background processes may hold the pipes open for ever: what is there now is all that counts.
  bool const last_look = session.finished && session.output.empty() && session.errors.empty();
  if (session.finished) polled[2].fd = -1;
  int const ready = poll(polled, 5, last_look ? 0 : -1);
  bool const interrupted = ready < 0 && errno == EINTR;
  reap_orphans();
  if (ready < 0) return interrupted;
  if (last_look && !polled[3].revents && !polled[4].revents) return false;
  if (polled[0].revents) read_control(session);
  if (polled[1].revents) read_report(session);
  for (int i = 0; i < 3; ++i)
    if (polled[2 + i].revents) flows[i]->move();
  if (auto const taken = session.input.take_count()) tell_host(protocol::taken_format, taken);
  return true;
}

void start(Session& session, Command& command) {
  Pipe const reports, input, output, errors;
  session.reports = reports.read_end;
  pid_t const watcher = fork();
  if (watcher < 0) give_up("fork");
  if (watcher == 0) {
    close(reports.read_end);
    close(input.write_end);
    close(output.read_end);
    close(errors.read_end);
    if (!command.terminal) {
      dup2(input.read_end, 0);
      dup2(output.write_end, 1);
      dup2(errors.write_end, 2);
    }
    for (int fd : {input.read_end, output.write_end, errors.write_end}) close(fd);
    watch_command(command, session.terminal_path, reports.write_end);
  }
  for (int fd : {reports.write_end, input.read_end, output.write_end, errors.write_end}) close(fd);
  if (command.terminal) {
    for (int fd : {input.write_end, output.read_end, errors.read_end}) close(fd);
    if (!command.has_ports) return;
    session.input.connect(session.ports.data, session.terminal);
    session.output.connect(session.terminal, session.ports.data);
    return;
  }
  session.input.connect(session.ports.data, input.write_end);
  session.output.connect(output.read_end, session.ports.data);
  session.errors.connect(errors.read_end, session.ports.errors);
}

void open_terminal(Session& session, Command const& command) {
  if (!command.has_ports) {
    session.terminal = session.ports.data;
    session.terminal_path = serial_data;
  } else {
    session.terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (session.terminal < 0 || unlockpt(session.terminal) != 0) give_up("/dev/ptmx");
    session.terminal_path = ptsname(session.terminal);
    if (!session.terminal_path) give_up("/dev/pts");
  }
  if (command.rows) set_size(session.terminal, command.rows, command.columns);
}

void ignore(int) {}

[[noreturn]] void report_end(Session& session, bool has_ports) {
  session.output.settle();
  session.errors.settle();
  tell_host(protocol::sent_format, session.output.total(), session.errors.total());
  if (WIFSIGNALED(session.status))
    tell_host(protocol::signal_format, WTERMSIG(session.status));
  else
    tell_host(protocol::exit_format, WEXITSTATUS(session.status));
  tell_host("\n");
  tcdrain(control);
  // A port only says that its device has the bytes.
  pollfd more{.fd = control, .events = POLLIN, .revents = 0};
  while (has_ports && !session.dismissed && (poll(&more, 1, -1) > 0 || errno == EINTR))
    read_control(session);
  power_off();
}

}  // namespace

void mount_or_give_up(char const* source, char const* place, char const* type, unsigned long flags,
                      char const* options) {
  mkdir(place, 0755);
  if (mount(source, place, type, flags, options) != 0) give_up(place);
}

// Of a kernel that has modules. Without one that it does not take the command may still run.
void load_modules(char const* folder) {
  dirent** names = nullptr;
  int const count = scandir(folder, &names, nullptr, alphasort);
  for (int i = 0; i < count; ++i) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
    if (names[i]->d_name[0] == '.') continue;
    int const file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || syscall(SYS_finit_module, file, "", 0) != 0) perror(path);
    if (file >= 0) close(file);
  }
}

// Drivers may find what they drive later than they are loaded.
void wait_for_node(char const* path) {
  constexpr int limit_ms = 20'000;
  if (access(path, F_OK) == 0) return;
  int const watch = watch_devices();
  pollfd fresh{.fd = watch, .events = POLLIN, .revents = 0};
  while (access(path, F_OK) != 0) {
    char events[4096];
    errno = ENODEV;
    if (poll(&fresh, 1, limit_ms) <= 0) give_up(path);
    (void)!read(watch, events, sizeof events);
  }
  close(watch);
}

// The root on the disk, which is only read, under what the host has copied and what is written.
void enter_disk() {
  mount_or_give_up("devtmpfs", "/dev", "devtmpfs", 0, "");
  load_modules(protocol::modules_for_disk);
  wait_for_node("/dev/pmem0");
  mount_or_give_up("/dev/pmem0", "/auk/image", "erofs", MS_RDONLY, "");
  mount_or_give_up("tmpfs", "/auk/changes", "tmpfs", 0, "mode=0755");
  static constexpr char upper[] = "/auk/changes/upper", work[] = "/auk/changes/work";
  struct stat root{};
  // What stands above gives the root its owner and rights.
  if (stat("/auk/image", &root) != 0 || mkdir(upper, 0755) != 0 || mkdir(work, 0755) != 0 ||
      chown(upper, root.st_uid, root.st_gid) != 0 || chmod(upper, root.st_mode & 07777) != 0)
    give_up(upper);
  bool const has_copies = access(protocol::copies, F_OK) == 0;
  char options[200];
  snprintf(options, sizeof options, "lowerdir=%s%s/auk/image,upperdir=%s,workdir=%s",
           has_copies ? protocol::copies : "", has_copies ? ":" : "", upper, work);
  mount_or_give_up("overlay", "/auk/root", "overlay", 0, options);
  umount("/dev");
  if (chdir("/auk/root") != 0 || mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 ||
      chroot(".") != 0)
    give_up("/auk/root");
}

// As the root calls itself; systems that boot by themselves do the same.
void name_host() {
  int const file = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  char name[HOST_NAME_MAX + 1];
  ssize_t const got = read(file, name, sizeof name - 1);
  close(file);
  if (got <= 0) return;
  name[got] = 0;
  (void)sethostname(name, strcspn(name, "\n"));
}

int main_of_init() {
  static Command command;
  static Session session;
  if (!command.load(protocol::command_file)) give_up(protocol::command_file);
  // Serial ports before devtmpfs, which may know less than the archive, covers /dev.
  if (!command.has_ports) session.ports = open_serial_ports(command.terminal);
  if (command.on_disk) enter_disk();
  mount_all();
  name_host();
  load_modules(protocol::modules);
  if (command.has_ports) session.ports = open_named_ports();
  control = session.ports.control;
  if (command.terminal) open_terminal(session, command);
  signal(SIGPIPE, SIG_IGN);
  // Interrupts poll(), so that orphans are reaped.
  struct sigaction action{};
  action.sa_handler = ignore;
  sigaction(SIGCHLD, &action, nullptr);
  start(session, command);
  tell_host("%s\n", protocol::started);
  while (relay_once(session)) {}
  report_end(session, command.has_ports);
}

}  // namespace auk::guest

int main() { return auk::guest::main_of_init(); }
