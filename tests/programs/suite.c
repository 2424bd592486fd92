// Runs scripts one after the other and says what each printed and how it ended. Every script has a
// folder of its own, both streams in one file, no input, and its processes end with it.
//
// Arguments: the folder with the scripts, then NAME or NAME:FILE; without FILE in the guest the
// script does not run. Output: "# case NAME STATUS SIZE", a line feed, SIZE bytes, a line feed.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// For a host that is busy with other things.
#define SCRIPT_SECONDS 600
#define OUTPUT_FILE "/run/output"
#define WORK_FOLDER "/tmp/work"
#define SKIPPED (-1)

static pid_t volatile running;

static void stop_script(int number) {
  (void)number;
  kill(-running, SIGKILL);
}

static void put(void const* bytes, size_t size) {
  for (char const* at = bytes; size > 0;) {
    ssize_t const done = write(1, at, size);
    if (done <= 0) _exit(1);
    at += done;
    size -= (size_t)done;
  }
}

static void report(char const* name, int status, int file) {
  off_t const size = file < 0 ? 0 : lseek(file, 0, SEEK_END);
  char text[65536];
  put(text, (size_t)snprintf(text, sizeof text, "# case %s %d %ld\n", name, status, (long)size));
  if (file >= 0) lseek(file, 0, SEEK_SET);
  for (off_t left = size; left > 0;) {
    ssize_t const got = read(file, text, sizeof text);
    if (got <= 0) _exit(1);
    put(text, (size_t)got);
    left -= got;
  }
  put("\n", 1);
}

static void become(char const* script, int output) {
  char* const arguments[] = {(char*)script, NULL};
  char* const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                               "HOME=/root",
                               "LC_ALL=C",
                               "TZ=UTC",
                               "USER=root",
                               NULL};
  setsid();
  dup2(open("/dev/null", O_RDONLY), 0);
  dup2(output, 1);
  dup2(output, 2);
  close(output);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  execve(script, arguments, environment);
  perror(script);
  _exit(127);
}

static void run(char const* folder, char const* name) {
  char script[256], place[256];
  snprintf(script, sizeof script, "%s/%s", folder, name);
  snprintf(place, sizeof place, WORK_FOLDER "/%s", name);
  mkdir(place, 0755);
  int const output = open(OUTPUT_FILE, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
  if (output < 0 || chdir(place) != 0) {
    perror(place);
    _exit(1);
  }
  running = fork();
  if (running == 0) become(script, output);
  alarm(SCRIPT_SECONDS);
  int status = 0;
  while (waitpid(running, &status, 0) != running) {}
  alarm(0);
  kill(-running, SIGKILL);
  report(name, status, output);
  close(output);
}

int main(int argc, char** argv) {
  (void)argc;
  umask(022);
  mkdir(WORK_FOLDER, 0755);
  struct sigaction action = {.sa_handler = stop_script, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  for (char** name = argv + 2; *name; ++name) {
    char* const needed = strchr(*name, ':');
    if (needed) *needed = '\0';
    if (needed && access(needed + 1, F_OK) != 0)
      report(*name, SKIPPED, -1);
    else
      run(argv[1], *name);
  }
  return 0;
}
