// The first line of a script. See execve(2), "Interpreter scripts".
//
// Purpose: a pure function over the first bytes of a file. Context: any.
#pragma once
#include <optional>
#include <string_view>

#include "base/result.hpp"

namespace auk::proc::script {

/// Of a file, what is looked at: Linux's BINPRM_BUF_SIZE.
inline constexpr usize line_max = 256;

struct Line {
  std::string_view interpreter;
  std::string_view argument;  ///< all behind it, as one; empty if there is none
};
inline bool is_script(std::string_view start) { return start.starts_with("#!"); }
/// `start` begins a script and holds the first line_max bytes of the file, or all of it if it is
/// shorter. ENOEXEC: no interpreter, or its name may be cut off. EACCES: a name that a zero or the
/// end of the file ends before it starts, which Linux takes for the working directory.
Result<Line> parse(std::string_view start);

}  // namespace auk::proc::script
