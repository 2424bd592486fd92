// No static constructors: nothing would call them, and their order would be a secret.
#include "check/check.hpp"

#include <map>

namespace auk {

namespace {

bool is_constructor_section(std::string_view name) {
  for (std::string_view start :
       {".init_array", ".preinit_array", ".fini_array", ".ctors", ".dtors"})
    if (name.starts_with(start)) return true;
  return false;
}

}  // namespace

void check_static_constructors(Tree const&, std::vector<CompileEntry> const& entries,
                               Report& report) {
  std::map<std::string, std::string> sources;
  std::vector<std::string> argv{"llvm-readelf-19", "--sections", "--wide"};
  for (auto const& entry : entries) {
    if (!fs::exists(entry.object)) continue;
    sources[entry.object.string()] = entry.source;
    argv.push_back(entry.object.string());
  }
  if (sources.empty()) return;
  auto const result = capture({.argv = argv});
  // The name of the file is only printed if there are several.
  std::string const* source = &sources.begin()->second;
  for (auto const line : lines_of(result.output)) {
    if (line.starts_with("File: ")) {
      auto const found = sources.find(std::string(trimmed(line.substr(6))));
      if (found != sources.end()) source = &found->second;
      continue;
    }
    auto const bracket = line.find("] ");
    if (bracket == line.npos) continue;
    auto const rest = trimmed(line.substr(bracket + 2));
    auto const name = rest.substr(0, rest.find(' '));
    if (is_constructor_section(name))
      report.add(*source, 0, "constructor", "static constructor or destructor (section {})", name);
  }
}

}  // namespace auk
