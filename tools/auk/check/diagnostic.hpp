// Purpose: reading what compilers and their tools print.
#pragma once

#include "support.hpp"

namespace auk {

struct Diagnostic {
  std::string path;  // relative to the root given
  int line;
  std::string text;  // without "error: "
};

// Reads "path:line:column: error: text" and the same with "warning"; notes are nothing.
std::optional<Diagnostic> parse_diagnostic(std::string_view line, fs::path const& root);

}  // namespace auk
