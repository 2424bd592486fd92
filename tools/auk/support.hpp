// Purpose: what every subcommand of the host tool needs: errors, files, processes, threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <format>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace auk {

namespace fs = std::filesystem;

// Exit codes of every subcommand: fine, the thing asked for failed, could not even be tried.
enum Exit : int { exit_ok = 0, exit_failed = 1, exit_usage = 2 };

// Ends the command; main prints "auk: <text>".
class Error : public std::runtime_error {
 public:
  Error(int code, std::string const& text) : std::runtime_error(text), code(code) {}
  int code;
};

template <class... Args>
[[noreturn]] void fail(std::format_string<Args...> format, Args&&... args) {
  throw Error(exit_usage, std::format(format, std::forward<Args>(args)...));
}

// One line on standard error, with the tool's name in front.
void print_note(std::string_view text);
template <class... Args> void note(std::format_string<Args...> format, Args&&... args) {
  print_note(std::format(format, std::forward<Args>(args)...));
}

// The repository; the working directory of the tool after start-up.
fs::path const& repository();
void set_repository(fs::path);

// --- text and files -------------------------------------------------------------------------
std::string read_file(fs::path const&);
std::optional<std::string> try_read_file(fs::path const&);
void write_file(fs::path const&, std::string_view);
// Keeps the old time stamp if the content is the same; true if it was written.
bool write_if_changed(fs::path const&, std::string_view);
std::vector<std::string_view> lines_of(std::string_view);
std::string_view trimmed(std::string_view);
std::string join(std::span<std::string const>, std::string_view separator);
// `*` stands for any run of characters, also of none.
bool glob_match(std::string_view pattern, std::string_view text);
// Splits a command line as a shell would, without expansions.
std::vector<std::string> split_shell(std::string_view);
std::uint64_t hash_text(std::string_view, std::uint64_t seed = 0xcbf29ce484222325);
// Every file of a folder and its folders, sorted; none if there is no such folder. Fixtures, which
// are wrong on purpose, hidden files and Python's cache are left out.
std::vector<fs::path> files_below(fs::path const& folder);
// Newer than `than`, or `than` does not exist.
bool is_newer(fs::path const& file, fs::path const& than);

// --- processes ------------------------------------------------------------------------------
struct Process {
  std::vector<std::string> argv;
  fs::path cwd{};       // empty: the tool's own
  fs::path log_file{};  // both output streams are appended there
  bool keep_stderr = false;
};

// Shares the terminal, or writes to log_file. Returns the exit status (128 + signal if killed).
int run(Process const&);
// The same for a program that leads a process group of its own (timeout): the keyboard does not
// reach it, so a signal that ends the tool is passed on. For one thread at a time.
int run_stoppable(Process const&);

struct Captured {
  int status;
  std::string output;
};
// Standard output and, unless keep_stderr is set, standard error.
Captured capture(Process const&);

// Calls `work` for 0..count-1 on one thread per processor.
void parallel_for(std::size_t count, std::function<void(std::size_t)> const& work);

// Held as long as the object lives; waits for other processes of the same repository.
class FileLock {
 public:
  explicit FileLock(fs::path const&);
  ~FileLock();
  FileLock(FileLock const&) = delete;
  FileLock& operator=(FileLock const&) = delete;

 private:
  int fd_;
};

// Seconds since it was made.
class Stopwatch {
 public:
  Stopwatch();
  [[nodiscard]] double seconds() const;

 private:
  std::int64_t start_;
};

}  // namespace auk
