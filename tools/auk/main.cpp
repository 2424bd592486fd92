// The auk command: reads the command line and calls one subcommand.
#include "commands.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>

namespace {

using namespace auk;

// The script ./auk names the repository; started by hand, the tool looks upwards for it.
fs::path find_repository() {
  if (char const* root = std::getenv("AUK_ROOT")) return root;
  for (fs::path here = fs::current_path();; here = here.parent_path()) {
    if (fs::exists(here / "floors.toml") && fs::exists(here / "auk")) return here;
    if (here == here.root_path()) fail("not inside a tree of Auk (no floors.toml found)");
  }
}

int dispatch(int argc, char** argv) {
  CLI::App app{"Auk: build it, check it, test it.", "auk"};
  app.require_subcommand(1);

  std::string profile = "dev";
  auto* build_command = app.add_subcommand("build", "build the kernel image or the host tests");
  build_command->add_option("--profile", profile, "dev, debug, release or host")
      ->check(CLI::IsMember({"dev", "debug", "release", "host"}));

  std::string action;
  auto* config_command = app.add_subcommand("config", "make or change build/config/.config");
  config_command->add_option("action", action)
      ->required()
      ->check(
          CLI::IsMember({"defconfig", "menuconfig", "olddefconfig", "savedefconfig", "genconfig"}));

  CheckOptions check_options;
  auto* check_command = app.add_subcommand("check", "the four laws and every other gate");
  check_command->add_option("--tree", check_options.tree, "another tree with a floors.toml");
  check_command->add_flag("--laws-only", check_options.laws_only, "only the four laws");
  check_command->add_flag("--all", check_options.all, "forget the results of earlier runs");

  TestOptions test_options;
  auto* test_command = app.add_subcommand("test", "host tests, checker tests, suites");
  test_command->add_flag("--all", test_options.all, "also the suites that are not quick");
  test_command->add_option("--suites", test_options.table, "table of suites");
  test_command->add_option("name", test_options.names, "only these suites");

  auto* fmt_command = app.add_subcommand("fmt", "format the sources");
  auto* docs_command = app.add_subcommand("docs", "write docs/floors.md");
  auto* status_command = app.add_subcommand("status", "write docs/status.md from build/log");

  try {
    app.parse(argc, argv);
  } catch (CLI::ParseError const& error) {
    return app.exit(error) == 0 ? exit_ok : exit_usage;
  }

  // Paths on the command line are relative to where the user stands.
  auto const here = fs::current_path();
  if (!check_options.tree.empty()) check_options.tree = fs::canonical(here / check_options.tree);
  if (test_command->count("--suites")) test_options.table = here / test_options.table;
  set_repository(fs::canonical(find_repository()));
  fs::current_path(repository());

  if (*build_command) return build(profile);
  if (*config_command) return config(action);
  if (*check_command) return check(check_options);
  if (*test_command) return test(test_options);
  if (*fmt_command) return format_sources();
  if (*docs_command) return docs();
  if (*status_command) return status();
  return exit_usage;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return dispatch(argc, argv);
  } catch (auk::Error const& error) {
    auk::print_note(error.what());
    return error.code;
  } catch (std::exception const& error) {
    auk::print_note(error.what());
    return auk::exit_usage;
  }
}
