// First lines of scripts: any bytes are refused, or name an interpreter inside the line.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "proc/exec/script.hpp"

using namespace auk;
namespace script = proc::script;

extern "C" int LLVMFuzzerTestOneInput(const byte* data, usize size) {
  const usize used = std::min<usize>(size + 2, script::line_max);
  const auto line = std::make_unique<char[]>(used);
  std::memcpy(line.get(), "#!", 2);
  if (used > 2) std::memcpy(line.get() + 2, data, used - 2);
  const std::string_view start(line.get(), used);
  if (!script::is_script(start)) std::abort();
  Result<script::Line> parsed = script::parse(start);
  if (!parsed.ok()) return 0;
  const auto is_inside = [&](std::string_view s) {
    return s.empty() ||
           (s.data() >= start.data() + 2 && s.data() + s.size() <= start.data() + start.size());
  };
  if (!is_inside(parsed->interpreter) || !is_inside(parsed->argument)) std::abort();
  constexpr std::string_view never("\n\0", 2);
  if (parsed->interpreter.empty() ||
      parsed->interpreter.find_first_of(" \t") != std::string_view::npos ||
      parsed->interpreter.find_first_of(never) != std::string_view::npos ||
      parsed->argument.find_first_of(never) != std::string_view::npos)
    std::abort();
  return 0;
}
