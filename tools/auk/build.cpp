// auk build: CMake once, Ninja always.
#include "commands.hpp"

namespace auk {

namespace {

bool is_kernel(std::string const& profile) { return profile != "host"; }

Process configure_process(std::string const& profile) {
  return {.argv = {"cmake", "-S", ".", "-B", "build/" + profile, "-G", "Ninja",
                   "-DAUK_PROFILE=" + profile, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"}};
}

// CMake is only called by hand for a new directory: Ninja knows when to call it again.
bool needs_configure(std::string const& profile) {
  return !fs::exists("build/" + profile + "/build.ninja");
}

Process ninja_process(std::string const& profile) {
  return {.argv = {"ninja", "-C", "build/" + profile, is_kernel(profile) ? "kernel" : "all"}};
}

}  // namespace

bool can_build() { return fs::exists("CMakeLists.txt"); }

int build(std::string const& profile) {
  if (!can_build()) fail("there is no CMakeLists.txt in {}", repository().string());
  FileLock const lock("build/lock/" + profile);
  prepare_config();
  if (needs_configure(profile) && run(configure_process(profile)) != 0) return exit_failed;
  return run(ninja_process(profile)) == 0 ? exit_ok : exit_failed;
}

int build_quietly(std::string const& profile, fs::path const& log) {
  FileLock const lock("build/lock/" + profile);
  fs::create_directories(log.parent_path());
  fs::remove(log);
  prepare_config();
  auto steps = {configure_process(profile), ninja_process(profile)};
  for (auto step : steps) {
    if (step.argv[0] == "cmake" && !needs_configure(profile)) continue;
    step.log_file = log;
    if (run(step) != 0) return exit_failed;
  }
  return exit_ok;
}

}  // namespace auk
