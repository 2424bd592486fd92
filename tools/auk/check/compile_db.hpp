// Purpose: compile commands, read from CMake's data base or made up for a fixture tree.
#pragma once

#include "check/source.hpp"

namespace auk {

struct CompileEntry {
  std::string source;  // relative to the tree: kernel/...
  fs::path object;     // absolute
  fs::path directory;  // where the command runs
  fs::path build;      // build directory, for Ninja's notes on dependencies; empty for fixtures
  std::vector<std::string> argv;
};

// Entries whose source lies in the tree's kernel/.
std::vector<CompileEntry> load_compile_db(Tree const&, fs::path const& build);
// Compiles the sources of a fixture tree with plain flags; a failure ends the command.
std::vector<CompileEntry> compile_fixture(Tree const&, fs::path const& out);

// The flags alone: no launcher, compiler, source, output, dependency file or precompiled header.
// A precompiled header would hide an include that is missing.
std::vector<std::string> plain_flags(CompileEntry const&);

}  // namespace auk
