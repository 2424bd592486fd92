// Purpose: the subcommands. Each returns its exit code and throws auk::Error where it cannot go on.
#pragma once

#include "support.hpp"

namespace auk {

// build.cpp
int build(std::string const& profile);
// Makes sure build/<profile> exists and is up to date; prints nothing but errors if quiet.
int build_quietly(std::string const& profile, fs::path const& log);
bool can_build();  // false while the tree has no top-level CMakeLists.txt

// config.cpp
int config(std::string const& action);
// Brings .config and autoconf.h up to date before a build.
void prepare_config();

// check/check.cpp
struct CheckOptions {
  fs::path tree;           // empty: the repository itself
  bool laws_only = false;  // only the four laws
  bool all = false;        // forget what earlier runs found to be good
};
int check(CheckOptions const&);

// test.cpp
struct TestOptions {
  bool all = false;
  fs::path table = "tests/suites.toml";
  std::vector<std::string> names;  // empty: every suite
};
int test(TestOptions const&);
// What `auk status` reports on, in the order of the table.
struct Suite {
  std::string name, command;
  bool quick = true;
  bool only_by_name = false;            // too long even for --all
  std::string contains{};               // a quick suite that --all leaves out, since it runs this
  bool alone = false;                   // would not run beside another suite as it should
  int timeout = 900;                    // seconds
  std::vector<std::string> profiles{};  // built before it runs
};
std::vector<Suite> load_suites(fs::path const& table_file);

// run/run.cpp
struct RunOptions;
int run_command(RunOptions const&);

// docs.cpp
int docs();
int status();

// fmt.cpp
int format_sources();
// Every file that clang-format looks after, relative to the repository.
std::vector<std::string> formatted_files();

}  // namespace auk
