// Every system call of the table is named by a test that runs on Linux first.
#include "system_calls.hpp"
#include "check/check.hpp"

#include <algorithm>
#include <map>

namespace auk {

namespace {

constexpr auto gate = "system calls";
constexpr auto test_folder = "tests/guest";

// What the C library calls them, where it has another name.
std::string_view library_name(std::string_view call) {
  static std::map<std::string_view, std::string_view> const names = {
      {"pread64", "pread"},
      {"pwrite64", "pwrite"},
      {"getdents64", "readdir"},
      {"newfstatat", "fstatat"},
      {"rt_sigaction", "sigaction"},
      {"rt_sigprocmask", "sigprocmask"},
      {"rt_sigpending", "sigpending"},
      {"rt_sigsuspend", "sigsuspend"},
      {"rt_sigtimedwait", "sigtimedwait"},
      {"rt_sigqueueinfo", "sigqueue"},
      {"exit_group", "_exit"},
      {"prlimit64", "prlimit"},
      {"pselect6", "pselect"}};
  auto const found = names.find(call);
  return found == names.end() ? call : found->second;
}

bool is_word_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// "name(" or "SYS(name" as whole words.
bool is_called(std::string_view text, std::string_view name) {
  for (auto at = text.find(name); at != text.npos; at = text.find(name, at + 1)) {
    if (at > 0 && is_word_character(text[at - 1])) continue;
    auto const end = at + name.size();
    if (end < text.size() && is_word_character(text[end])) continue;
    if (text.substr(end).starts_with("(") || text.substr(0, at).ends_with("SYS(")) return true;
  }
  return false;
}

}  // namespace

void check_system_calls(Tree const& tree, Report& report) {
  std::string tests;
  for (auto const& file : files_below(tree.root / test_folder))
    if (file.extension() == ".c" || file.extension() == ".h") tests += read_file(file);
  for (auto const& table : system_call_tables(tree.root))
    for (auto const& [name, line] : table.rows)
      if (!is_called(tests, name) && !is_called(tests, library_name(name)))
        report.add(table.path, line, gate, "no test of {} calls {}", test_folder, name);
}

}  // namespace auk
