#include "proc/exec/script.hpp"

#include <algorithm>

namespace auk::proc::script {
namespace {

constexpr std::string_view blanks = " \t", ends{" \t\0", 3};

}  // namespace

Result<Line> parse(std::string_view start) {
  std::string_view line = start.substr(2);
  const usize line_end = line.find('\n');
  const bool is_cut = line_end == std::string_view::npos && start.size() >= line_max;
  if (is_cut) {
    const usize name = line.find_first_not_of(blanks);
    // Without its end in sight a name may be a longer one's beginning; an argument is just cut.
    if (name == std::string_view::npos || line.find_first_of(ends, name) == std::string_view::npos)
      return Errno::enoexec;
    line.remove_suffix(1);
  }
  // Behind the end of a file there are zeros, so that blanks at its end stay.
  if (line_end != std::string_view::npos || is_cut) {
    line = line.substr(0, line_end);
    line = line.substr(0, line.find_last_not_of(blanks) + 1);
    if (line.find_first_not_of(blanks) == std::string_view::npos) return Errno::enoexec;
  }
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  const usize name_end = std::min(line.find_first_of(ends), line.size());
  Line l{.interpreter = line.substr(0, name_end), .argument = {}};
  if (l.interpreter.empty()) return Errno::eacces;
  line.remove_prefix(name_end);
  if (line.empty() || line.front() == '\0') return l;
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  l.argument = line.substr(0, line.find('\0'));
  return l;
}

}  // namespace auk::proc::script
