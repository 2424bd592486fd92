// The auk command: reads the command line and calls one subcommand.
#include "../guest/protocol.hpp"
#include "commands.hpp"
#include "run/run.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

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

// What `auk run` is told, apart from the command behind "--".
struct RunWords {
  RunOptions options;
  std::vector<std::string> copies, modules;
};

void add_run_options(CLI::App& app, RunWords& words) {
  auto& options = words.options;
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.add_option("--kernel", options.kernel, "a kernel image, or \"linux\" for Debian's 6.12");
  app.add_option("--profile", options.profile, "which build of Auk to boot")
      ->check(CLI::IsMember({"dev", "debug", "release"}));
  auto* const root = app.add_option("--root", options.root, "debian (the default) or busybox")
                         ->check(CLI::IsMember({"debian", "busybox"}));
  auto* const image =
      app.add_option("--image", options.image,
                     "a root of your own: a folder, a .tar or a .cpio, compressed or not");
  app.add_option("--initrd", options.initrd, "a root with its own /init")
      ->excludes(root)
      ->excludes(image);
  image->excludes(root);
  app.add_option("--install", options.install,
                 "PKG,PKG: packages that Debian's root is to have, made once for each such set")
      ->allow_extra_args(false)
      ->delimiter(',')
      ->excludes(image)
      ->excludes("--initrd");
  app.add_option("-m,--memory", options.memory_mib, "MiB")->check(CLI::Range(16, 1 << 20));
  app.add_option("-c,--cpus", options.cpus, "processors")->check(CLI::Range(1, 255));
  app.add_option("-M,--machine", options.machine, "microvm, q35 or pc");
  app.add_option("--ports", options.ports,
                 "what carries the streams: virtio (Auk's default) or serial")
      ->check(CLI::IsMember({"virtio", "serial"}));
  app.add_option("--append", options.append, "more words for the kernel's command line");
  app.add_option("--timeout", options.timeout, "seconds, boot included");
  app.add_flag("--log", options.log, "show the kernel's log");
  app.add_flag("--debug", options.debug, "wait for gdb before the first instruction");
  app.add_flag("--trace-missing", options.trace_missing,
               "list the system calls that the kernel does not have and the command asked for");
  app.add_flag("-q,--quiet", options.quiet, "no line about the guest on a terminal");
  app.add_option("--json-status", options.json_status, "descriptor to write the result to");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  app.add_option("-e,--env", options.environment, "K=V, or K to pass it on")
      ->allow_extra_args(false);
  app.add_option("-u,--user", options.user, "NAME or number, and :GROUP, of the guest's");
  app.add_option("-w,--workdir", options.folder, "the command's working directory");
  app.add_option("--copy", words.copies, "HOST:GUEST, a file or folder to put into the root")
      ->allow_extra_args(false);
  app.add_option(
         "--module", words.modules,
         "a module of another kernel to load before the command: a .ko, or a name of Linux's")
      ->allow_extra_args(false);
  app.add_option("--qemu", options.qemu, "one more word for QEMU's command line")
      ->allow_extra_args(false);
  app.footer(
      "Behind \"--\" stands the command; without one, a shell. With --initrd and no command\n"
      "the console is on this terminal. Exit: the command's own code, 128+N for signal N,\n"
      "124 timed out, 125 auk failed, 126 and 127 not executable and not found, 254 the\n"
      "guest vanished, 255 its kernel panicked. Ctrl-A X ends a guest on a terminal.");
}

void resolve_paths(RunWords& words, fs::path const& here) {
  auto& options = words.options;
  if (!options.kernel.empty() && options.kernel != "linux") options.kernel = here / options.kernel;
  if (!options.initrd.empty()) options.initrd = here / options.initrd;
  if (!options.image.empty()) options.image = here / options.image;
  for (auto const& copy : words.copies) {
    auto const colon = copy.rfind(':');
    if (colon == copy.npos || colon + 1 == copy.size() || copy[colon + 1] != '/')
      throw Error(run_tool_failed, std::format("--copy {}: not HOST:/GUEST", copy));
    options.copies.push_back({here / copy.substr(0, colon), copy.substr(colon + 1)});
  }
  for (auto const& module : words.modules) {
    auto const file = module.ends_with(".ko") ? here / module : linux_module(module);
    auto const place = module_place(guest::protocol::modules, options.copies.size(), file);
    options.copies.push_back({file, place});
  }
}

// Cuts off what stands behind the first "--" of `auk run`.
std::vector<std::string> take_command(int& argc, char** argv) {
  if (argc < 2 || std::string_view(argv[1]) != "run") return {};
  auto* const mark = std::find(argv, argv + argc, std::string_view("--"));
  if (mark == argv + argc) return {};
  std::vector<std::string> command(mark + 1, argv + argc);
  argc = static_cast<int>(mark - argv);
  return command;
}

// Whoever starts us with a stream closed must not find something else in its place.
void open_streams() {
  int fd = 0;
  while (fd >= 0 && fd < 3) fd = open("/dev/null", O_RDWR);
  if (fd >= 0) close(fd);
}

int dispatch(int argc, char** argv) {
  RunWords run_words;
  run_words.options.command = take_command(argc, argv);

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

  auto* run_subcommand = app.add_subcommand("run", "boot a kernel and run a command in it");
  add_run_options(*run_subcommand, run_words);

  auto* fmt_command = app.add_subcommand("fmt", "format the sources");
  auto* docs_command = app.add_subcommand("docs", "write docs/floors.md and docs/absent.md");
  auto* status_command = app.add_subcommand("status", "write docs/status.md from build/log");

  try {
    app.parse(argc, argv);
  } catch (CLI::ParseError const& error) {
    if (app.exit(error) == 0) return exit_ok;
    return *run_subcommand ? int{run_tool_failed} : int{exit_usage};
  }

  // Paths on the command line are relative to where the user stands.
  auto const here = fs::current_path();
  if (!check_options.tree.empty()) check_options.tree = fs::canonical(here / check_options.tree);
  if (test_command->count("--suites")) test_options.table = here / test_options.table;
  if (*run_subcommand) resolve_paths(run_words, here);
  set_repository(fs::canonical(find_repository()));
  fs::current_path(repository());

  if (*build_command) return build(profile);
  if (*config_command) return config(action);
  if (*check_command) return check(check_options);
  if (*test_command) return test(test_options);
  if (*run_subcommand) return run_command(run_words.options);
  if (*fmt_command) return format_sources();
  if (*docs_command) return docs();
  if (*status_command) return status();
  return exit_usage;
}

}  // namespace

int main(int argc, char** argv) {
  open_streams();
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
