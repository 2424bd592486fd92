// auk config: kconfiglib's programs on the repository's Kconfig.
#include "commands.hpp"

#include <cstdlib>
#include <map>

namespace auk {

namespace {

constexpr auto config_file = "build/config/.config";
constexpr auto header_file = "build/config/autoconf.h";
constexpr auto defconfig_file = "configs/defconfig";

// Debian's own interpreter: the packages are not visible to any other one in PATH.
int kconfig(std::vector<std::string> arguments, bool quiet) {
  std::vector<std::string> argv{"/usr/bin/python3", "-m"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  if (!quiet) return run({.argv = argv});
  auto const result = capture({.argv = argv});
  if (result.status != 0) print_note(trimmed(result.output));
  return result.status;
}

int one_step(std::string const& action, bool quiet) {
  static std::map<std::string, std::vector<std::string>> const steps{
      {"defconfig", {"defconfig", "--kconfig", "Kconfig", defconfig_file}},
      {"menuconfig", {"menuconfig", "Kconfig"}},
      {"olddefconfig", {"olddefconfig", "Kconfig"}},
      {"savedefconfig", {"savedefconfig", "--kconfig", "Kconfig", "--out", defconfig_file}},
      // Leaves the file alone if its content stays the same.
      {"genconfig", {"genconfig", "--header-path", header_file, "Kconfig"}},
  };
  return kconfig(steps.at(action), quiet);
}

// The comment at the top of a file; kconfiglib writes none of its own.
std::string head_comment(fs::path const& file) {
  std::string head;
  auto const text = try_read_file(file).value_or("");
  for (auto const line : lines_of(text)) {
    if (!line.starts_with('#') || line.starts_with("# CONFIG_")) break;
    head += std::format("{}\n", line);
  }
  return head;
}

int config_step(std::string const& action, bool quiet) {
  if (!fs::exists("Kconfig")) fail("there is no Kconfig in {}", repository().string());
  fs::create_directories("build/config");
  setenv("KCONFIG_CONFIG", config_file, 1);
  setenv("srctree", repository().c_str(), 1);
  if (action != "defconfig" && action != "genconfig" && !fs::exists(config_file) &&
      one_step("defconfig", true) != 0)
    return exit_failed;
  if (action == "savedefconfig")
    setenv("KCONFIG_CONFIG_HEADER", head_comment(defconfig_file).c_str(), 1);
  if (one_step(action, quiet) != 0) return exit_failed;
  if (action == "genconfig" || action == "savedefconfig") return exit_ok;
  return one_step("genconfig", true) == 0 ? exit_ok : exit_failed;
}

// Every Kconfig file: the top one may source others.
bool newer_than_stamp(fs::path const& stamp) {
  if (is_newer(config_file, stamp) || is_newer("Kconfig", stamp)) return true;
  for (auto const& file : files_below("kernel"))
    if (file.filename().string().starts_with("Kconfig") && is_newer(file, stamp)) return true;
  return false;
}

}  // namespace

int config(std::string const& action) { return config_step(action, false); }

void prepare_config() {
  if (!fs::exists("Kconfig")) return;
  fs::path const stamp = "build/config/genconfig.stamp";
  if (!fs::exists(config_file) && config_step("defconfig", true) != exit_ok)
    throw Error(exit_failed, "cannot make build/config/.config from configs/defconfig");
  if (fs::exists(header_file) && !newer_than_stamp(stamp)) return;
  if (config_step("genconfig", true) != exit_ok)
    throw Error(exit_failed, "cannot write build/config/autoconf.h");
  // The header keeps its old time if nothing changed in it, so it cannot be the stamp.
  write_file(stamp, "");
}

}  // namespace auk
