// auk test: runs the suites, counts their results, and ends with "N passed, N failed".
#include "commands.hpp"
#include "tap.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <ranges>
#include <toml++/toml.h>

namespace auk {

namespace {

// Suites that need no line in tests/suites.toml.
std::vector<Suite> built_in_suites() {
  return {
      {.name = "unit",
       .command = "ctest --test-dir build/host --output-on-failure -j2",
       .alone = true,
       .profiles = {"host"}},
      {.name = "checker", .command = "tests/check/run"},
      {.name = "checker-gates", .command = "tests/check/incremental"},
  };
}

std::string now_text() {
  auto const now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return std::format("{:%Y-%m-%d %H:%M:%S} UTC", now);
}

std::string commit_text() {
  auto const head = capture({.argv = {"git", "rev-parse", "HEAD"}});
  if (head.status != 0) return "none";
  auto const changes = capture({.argv = {"git", "status", "--porcelain"}});
  return std::string(trimmed(head.output)) + (trimmed(changes.output).empty() ? "" : "+dirty");
}

// Builds the suite's profiles; false if one failed, and then the counts and the log say so.
bool prepare(Suite const& suite, fs::path const& log, Counts& counts) {
  static std::mutex one_at_a_time;
  std::scoped_lock const lock(one_at_a_time);
  for (auto const& profile : suite.profiles) {
    auto const build_log = log.parent_path() / std::format("test-build-{}.log", profile);
    if (build_quietly(profile, build_log) == exit_ok) continue;
    counts.fail(std::format("profile {} does not build (see {})", profile, build_log.string()));
    write_file(log, read_file(log) + try_read_file(build_log).value_or(""));
    return false;
  }
  return true;
}

// The output of a machine's console may hold anything.
std::string printable(std::string_view line) {
  std::string text;
  for (char const c : line)
    if (c == '\t' || static_cast<unsigned char>(c) >= ' ') text += c;
  return text;
}

Counts run_suite(Suite const& suite, std::string const& commit) {
  auto const log = log_file(suite.name);
  auto const head = std::format("# suite: {}\n# command: {}\n# date: {}\n# commit: {}\n",
                                suite.name, suite.command, now_text(), commit);
  write_file(log, head);
  Counts counts;
  if (prepare(suite, log, counts)) {
    // A suite that hangs must not hang the run; the second signal is for those that hold on.
    auto const limit = std::to_string(suite.timeout);
    int const exit_status = run_stoppable(
        {.argv = {"timeout", "-k", "5", limit, "/bin/sh", "-c", suite.command}, .log_file = log});
    auto const output = read_file(log);
    counts = suite.command.starts_with("ctest ") ? count_ctest(output) : count_tap(output);
    if (exit_status == 124 || exit_status == 137)
      counts.fail(std::format("timed out after {} s", limit));
    else if (exit_status != 0 && counts.failed == 0)
      counts.fail(std::format("exit status {}", exit_status));
    if (counts.passed + counts.failed + counts.skipped == 0) counts.fail("no results");
  }
  auto text = read_file(log);
  if (!text.ends_with('\n')) text += '\n';
  write_file(log, text + std::format("# result: {} passed, {} failed, {} skipped\n", counts.passed,
                                     counts.failed, counts.skipped));
  return counts;
}

constexpr std::size_t most_failures = 20, shown_lines = 30, lines_before = 5;

void print_lines(std::string const& log, char const* what,
                 std::vector<std::string_view> const& lines, std::size_t begin, std::size_t end) {
  std::printf("  %s %s:\n", what, log.c_str());
  for (auto i = begin; i < end; ++i) std::printf("  | %s\n", printable(lines[i]).c_str());
}

void print_result(Suite const& suite, Counts const& counts, double seconds) {
  auto line = std::format("{}: {} passed, {} failed", suite.name, counts.passed, counts.failed);
  if (counts.skipped) line += std::format(", {} skipped", counts.skipped);
  std::printf("%s (%.1f s)\n", line.c_str(), seconds);
  if (counts.failed == 0) return;
  for (auto const& failure : counts.failures | std::views::take(most_failures))
    std::printf("  failed: %s\n", failure.c_str());
  if (counts.failures.size() > most_failures)
    std::printf("  and %zu more\n", counts.failures.size() - most_failures);
  auto const log = log_file(suite.name);
  auto const text = read_file(log);
  auto const lines = lines_of(text);
  // The first failure explains most: often the others follow from it.
  auto const first =
      std::ranges::find_if(lines, [](auto const& line) { return line.starts_with("not ok"); });
  auto const tail = lines.size() > shown_lines ? lines.size() - shown_lines : 0;
  auto const at = static_cast<std::size_t>(first - lines.begin());
  if (at < tail) {
    auto const begin = at > lines_before ? at - lines_before : 0;
    print_lines(log, "the first failure in", lines, begin, std::min(begin + shown_lines, tail));
  }
  print_lines(log, "the end of", lines, tail, lines.size());
}

}  // namespace

std::vector<Suite> load_suites(fs::path const& table_file) try {
  std::vector<Suite> suites;
  bool const default_table = table_file == "tests/suites.toml";
  if (default_table) {
    suites = built_in_suites();
    if (!fs::exists("CMakeLists.txt")) suites.erase(suites.begin());
    if (!fs::exists(table_file)) return suites;
  }
  auto const table = toml::parse(read_file(table_file), table_file.string());
  auto const* list = table["suite"].as_array();
  if (!list) return suites;
  for (auto const& node : *list) {
    auto const& entry = *node.as_table();
    Suite suite{.name = entry["name"].value_or(std::string()),
                .command = entry["command"].value_or(std::string()),
                .quick = entry["quick"].value_or(true),
                .only_by_name = entry["only_by_name"].value_or(false),
                .contains = entry["contains"].value_or(std::string()),
                .alone = entry["alone"].value_or(false),
                .timeout = entry["timeout"].value_or(900)};
    if (auto const* profiles = entry["profiles"].as_array())
      for (auto const& profile : *profiles)
        suite.profiles.push_back(profile.value_or(std::string()));
    if (suite.name.empty() || suite.command.empty())
      fail("{}:{}: a suite needs a name and a command", table_file.string(),
           node.source().begin.line);
    if (std::ranges::contains(suites, suite.name, &Suite::name))
      fail("{}:{}: suite {} is named twice", table_file.string(), node.source().begin.line,
           suite.name);
    suites.push_back(std::move(suite));
  }
  for (auto const& suite : suites)
    if (!suite.contains.empty() && !std::ranges::contains(suites, suite.contains, &Suite::name))
      fail("{}: suite {} contains {}, which is not there", table_file.string(), suite.name,
           suite.contains);
  return suites;
} catch (toml::parse_error const& error) {
  fail("{}:{}: {}", table_file.string(), error.source().begin.line, error.description());
}

int test(TestOptions const& options) {
  auto const suites = load_suites(options.table);
  for (auto const& name : options.names)
    if (!std::ranges::contains(suites, name, &Suite::name)) fail("there is no suite {}", name);
  std::vector<Suite const*> beside, alone;
  int left_out = 0;
  for (auto const& suite : suites) {
    bool const named = std::ranges::contains(options.names, suite.name);
    if (!options.names.empty() && !named) continue;
    if (!named && (suite.only_by_name || (!suite.quick && !options.all))) {
      left_out += suite.only_by_name ? 0 : 1;
      continue;
    }
    if (!named && options.all && std::ranges::contains(suites, suite.name, &Suite::contains))
      continue;
    (suite.alone ? alone : beside).push_back(&suite);
  }
  auto const commit = commit_text();
  Counts total;
  std::mutex total_mutex;
  auto const run_one = [&](Suite const& suite) {
    Stopwatch const watch;
    auto const counts = run_suite(suite, commit);
    std::scoped_lock const lock(total_mutex);
    print_result(suite, counts, watch.seconds());
    std::fflush(stdout);
    total.passed += counts.passed;
    total.failed += counts.failed;
  };
  // Most leave a processor idle much of the time.
  parallel_for(beside.size(), [&](std::size_t i) { run_one(*beside[i]); });
  for (auto const* suite : alone) run_one(*suite);
  if (left_out) std::printf("%d slow suites left out; --all runs them\n", left_out);
  std::printf("%d passed, %d failed\n", total.passed, total.failed);
  return total.failed == 0 ? exit_ok : exit_failed;
}

}  // namespace auk
