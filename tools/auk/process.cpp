// Starting other programs. posix_spawn, because the checker starts them from several threads.
#include "support.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <mutex>
#include <spawn.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace auk {

namespace {

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(FileActions const&) = delete;
  FileActions& operator=(FileActions const&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

pid_t spawn(Process const& process, FileActions& actions) {
  if (!process.cwd.empty())
    posix_spawn_file_actions_addchdir_np(actions.get(), process.cwd.c_str());
  std::vector<char*> argv;
  argv.reserve(process.argv.size() + 1);
  for (auto const& word : process.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  int const error = posix_spawnp(&pid, argv[0], actions.get(), nullptr, argv.data(), environ);
  if (error) fail("cannot run {}: {}", process.argv[0], std::strerror(error));
  return pid;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// What a signal handler may look at: one for each thread that runs something, 0 where none does.
constexpr std::size_t most_stoppable = 64;
std::array<std::atomic<pid_t>, most_stoppable> stoppable_children;

void stop_children(int signal) {
  for (auto const& child : stoppable_children)
    if (pid_t const pid = child) kill(pid, SIGTERM);
  // The handler was installed for one signal only: this time the signal ends the tool.
  raise(signal);
}

pid_t start(Process const& process) {
  FileActions actions;
  if (!process.log_file.empty()) {
    posix_spawn_file_actions_addopen(actions.get(), 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(actions.get(), 1, process.log_file.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(actions.get(), 1, 2);
  }
  return spawn(process, actions);
}

}  // namespace

int run(Process const& process) { return wait_for(start(process)); }

int run_stoppable(Process const& process) {
  static std::once_flag is_installed;
  std::call_once(is_installed, [] {
    struct sigaction action{};
    action.sa_handler = stop_children;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    for (int const signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
  });
  pid_t const pid = start(process);
  // Without a free place it is not stoppable.
  std::atomic<pid_t>* place = nullptr;
  for (auto& child : stoppable_children) {
    pid_t none = 0;
    if (!child.compare_exchange_strong(none, pid)) continue;
    place = &child;
    break;
  }
  int const status = wait_for(pid);
  if (place) *place = 0;
  return status;
}

Captured capture(Process const& process) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe: {}", std::strerror(errno));
  pid_t pid = 0;
  {
    FileActions actions;
    posix_spawn_file_actions_addopen(actions.get(), 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(actions.get(), ends[1], 1);
    if (!process.keep_stderr) posix_spawn_file_actions_adddup2(actions.get(), ends[1], 2);
    pid = spawn(process, actions);
  }
  close(ends[1]);
  Captured result{};
  char buffer[65536];
  for (;;) {
    ssize_t const got = read(ends[0], buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    result.output.append(buffer, static_cast<std::size_t>(got));
  }
  close(ends[0]);
  result.status = wait_for(pid);
  return result;
}

void parallel_for(std::size_t count, std::function<void(std::size_t)> const& work) {
  std::atomic<std::size_t> next = 0;
  std::exception_ptr failure;
  std::mutex failure_mutex;
  auto const worker = [&] {
    try {
      for (auto i = next++; i < count; i = next++) work(i);
    } catch (...) {
      next = count;  // the others stop after what they have in hand
      std::scoped_lock const lock(failure_mutex);
      failure = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  auto const helpers = std::min<std::size_t>(std::thread::hardware_concurrency(), count);
  for (std::size_t i = 1; i < helpers; ++i) threads.emplace_back(worker);
  worker();
  for (auto& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

namespace {
int open_with_folders(fs::path const& path) {
  fs::create_directories(path.parent_path());
  return open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
}
}  // namespace

FileLock::FileLock(fs::path const& path) : fd_(open_with_folders(path)) {
  if (fd_ < 0) fail("cannot open {}: {}", path.string(), std::strerror(errno));
  while (flock(fd_, LOCK_EX) != 0 && errno == EINTR) {}
}

FileLock::~FileLock() { close(fd_); }

}  // namespace auk
