// Runs the programs named, one after the other, and says where the output of each starts and ends.
// No shell: a kernel that is still young need not be able to run one.
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(char const* word, char const* program, int status) {
  char line[256];
  int const size = snprintf(line, sizeof line, "# %s %s %d\n", word, program, status);
  (void)!write(1, line, (size_t)size);
}

static int run(char const* program) {
  char* const arguments[] = {(char*)program, NULL};
  char* const environment[] = {"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/root", NULL};
  pid_t const child = fork();
  if (child == 0) {
    execve(program, arguments, environment);
    _exit(127);
  }
  int status = -1;
  if (child > 0) waitpid(child, &status, 0);
  return status;
}

int main(int argc, char** argv) {
  (void)argc;
  for (char** program = argv + 1; *program; ++program) {
    say("start", *program, 0);
    say("end", *program, run(*program));
  }
  return 0;
}
