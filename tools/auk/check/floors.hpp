// Purpose: floors.toml, the map from modules to floors and the lists the laws need.
#pragma once

#include "support.hpp"

#include <set>

namespace auk {

struct Module {
  std::string path;  // below kernel/
  std::string line;  // what it is, in one line
  int floor;
};

struct Floors {
  std::vector<Module> modules;  // in the order of the file

  std::set<std::string, std::less<>> angle_includes;
  std::vector<std::string> free_include_dirs;  // directories whose files may include anything <...>
  std::vector<std::string> link_allow;         // globs of symbols that no floor defines
  std::vector<std::string> link_exclude;       // globs of sources that are linked into other images
  std::set<std::string, std::less<>> callback_headers;
  std::vector<std::string> isa_dirs;
  std::vector<std::string> isa_files;  // globs of files that count as being in an isa directory
  std::set<std::string, std::less<>> isa_words;
  int file_lines;
  int unanalysed_functions;

  // The module with the longest path that holds this file or directory (below kernel/).
  [[nodiscard]] Module const* module_of(std::string_view below_kernel) const;
  [[nodiscard]] bool in_isa_dir(std::string_view below_kernel) const;
  [[nodiscard]] bool in_free_dir(std::string_view below_kernel) const;
};

Floors load_floors(fs::path const&);

}  // namespace auk
