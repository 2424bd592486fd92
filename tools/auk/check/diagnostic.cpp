#include "check/diagnostic.hpp"

#include <charconv>

namespace auk {

std::optional<Diagnostic> parse_diagnostic(std::string_view line, fs::path const& root) {
  auto const colon = line.find(':');
  if (colon == line.npos || colon == 0) return std::nullopt;
  auto const after_line = line.find(':', colon + 1);
  if (after_line == line.npos) return std::nullopt;
  int number = 0;
  auto const digits = line.substr(colon + 1, after_line - colon - 1);
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  auto const space = line.find(": ", after_line);
  if (space == line.npos) return std::nullopt;
  auto text = line.substr(space + 2);
  for (std::string_view const level : {"error: ", "fatal error: ", "warning: "}) {
    if (!text.starts_with(level)) continue;
    fs::path path = line.substr(0, colon);
    // Machine headers are found through a link; the finding names the file itself.
    if (path.is_absolute()) path = fs::weakly_canonical(path).lexically_relative(root);
    return Diagnostic{path.generic_string(), number, std::string(text.substr(level.size()))};
  }
  return std::nullopt;
}

}  // namespace auk
