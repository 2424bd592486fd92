// auk docs: the page of floors. auk status: what the last runs of the suites said.
#include "docs.hpp"

#include "commands.hpp"
#include "system_calls.hpp"
#include "tap.hpp"

#include <algorithm>

namespace auk {

namespace {

constexpr auto floors_page = "docs/floors.md";
constexpr auto absent_page = "docs/absent.md";
constexpr auto status_page = "docs/status.md";

std::string floors_text(Floors const& floors) {
  std::string text = "# Floors\n\n"
                     "Made from `floors.toml` by `./auk docs`. A module may include and call only "
                     "modules on strictly lower floors.\n\n"
                     "| floor | module | what it is |\n|---:|---|---|\n";
  auto modules = floors.modules;
  std::ranges::stable_sort(modules, std::greater(), &Module::floor);
  for (auto const& module : modules)
    text += std::format("| {} | `{}` | {} |\n", module.floor, module.path, module.line);
  return text;
}

// The value behind "# key: " in the head and foot that `auk test` gives each log.
std::string log_field(std::string_view log, std::string_view key) {
  std::string value;
  for (auto const line : lines_of(log))
    if (line.starts_with(std::format("# {}: ", key))) value = line.substr(key.size() + 4);
  return value;
}

std::string suite_text(Suite const& suite) {
  auto text = std::format("## {}\n\n- command: `{}`\n", suite.name, suite.command);
  auto const log = try_read_file(log_file(suite.name));
  if (!log) return text + "- not run\n\n";
  text += std::format("- date: {}\n- commit: {}\n- result: {}\n", log_field(*log, "date"),
                      log_field(*log, "commit"), log_field(*log, "result"));
  std::string proof;
  for (auto const line : lines_of(*log)) {
    constexpr std::string_view mark = "# proof: ";
    if (line.starts_with(mark)) proof += std::format("{}\n", trimmed(line.substr(mark.size())));
  }
  if (!proof.empty()) text += std::format("\n```\n{}```\n", proof);
  return text + "\n";
}

}  // namespace

void check_docs(Floors const& floors, Report& report) {
  if (try_read_file(floors_page) != floors_text(floors))
    report.add(floors_page, 0, "docs", "not what floors.toml says; run ./auk docs");
}

void check_absent(Report& report) {
  auto const absent = absent_text();
  // A tree without system calls has no such page.
  if (!absent.empty() && try_read_file(absent_page) != absent)
    report.add(absent_page, 0, "docs", "not what the system-call table says; run ./auk docs");
}

int docs() {
  if (write_if_changed(floors_page, floors_text(load_floors("floors.toml"))))
    note("wrote {}", floors_page);
  auto const absent = absent_text();
  if (absent.empty())
    note("{} is left as it is: the numbers of system calls come with the first build", absent_page);
  else if (write_if_changed(absent_page, absent))
    note("wrote {}", absent_page);
  return exit_ok;
}

int status() {
  std::string text = "# Status\n\nMade by `./auk status` from the logs of the last test runs.\n\n";
  for (auto const& suite : load_suites("tests/suites.toml")) text += suite_text(suite);
  while (text.ends_with("\n\n")) text.pop_back();
  write_file(status_page, text);
  note("wrote {}", status_page);
  return exit_ok;
}

}  // namespace auk
