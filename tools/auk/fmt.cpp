// auk fmt: clang-format over everything that is ours.
#include "commands.hpp"

namespace auk {

std::vector<std::string> formatted_files() {
  std::vector<std::string> files;
  for (auto const* top : {"kernel", "tools", "tests"}) {
    for (auto const& file : files_below(top)) {
      auto const extension = file.extension();
      if (extension == ".cpp" || extension == ".hpp" || extension == ".h" || extension == ".c")
        files.push_back(file.generic_string());
    }
  }
  return files;
}

int format_sources() {
  auto const files = formatted_files();
  if (files.empty()) return exit_ok;
  std::vector<std::string> argv{"clang-format-19", "-i"};
  argv.insert(argv.end(), files.begin(), files.end());
  return run({.argv = argv}) == 0 ? exit_ok : exit_failed;
}

}  // namespace auk
