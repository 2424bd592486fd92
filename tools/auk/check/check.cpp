// auk check: loads a tree, runs the gates over it, prints what they found.
#include "check/check.hpp"
#include "check/diagnostic.hpp"
#include "commands.hpp"
#include "docs.hpp"

#include <algorithm>
#include <cstdio>

namespace auk {

std::vector<Finding> Report::sorted() {
  std::scoped_lock const lock(mutex_);
  std::ranges::sort(findings_);
  auto const rest = std::ranges::unique(findings_);
  findings_.erase(rest.begin(), rest.end());
  return findings_;
}

namespace {

void print(std::vector<Finding> const& findings) {
  for (auto const& [path, line, gate, text] : findings) {
    auto const where = line ? std::format("{}:{}", path, line) : path;
    std::printf("%s: %s: %s\n", where.c_str(), gate.c_str(), text.c_str());
  }
}

void check_text(Tree const& tree, bool laws_only, fs::path const& list, Report& report) {
  check_modules(tree, report);
  check_includes(tree, report);
  check_upcalls(tree, report);
  check_isa(tree, report);
  if (laws_only) return;
  check_headers_text(tree, report);
  check_unanalysed(tree, report, list);
  check_words_and_length(tree, report);
}

// Another tree has no CMake: its sources are compiled here, with plain flags.
void check_fixture(Tree const& tree, CheckOptions const& options, Report& report) {
  auto const out =
      repository() / "build/check/fixture" / std::format("{:x}", hash_text(tree.root.string()));
  fs::remove_all(out);  // a source may have gone
  check_text(tree, options.laws_only, {}, report);
  auto const entries = compile_fixture(tree, out);
  check_links(tree, entries, report);
  if (options.laws_only) return;
  check_static_constructors(tree, entries, report);
  check_self_contained(tree, entries, {.cache = out, .forget = true, .tidies = false}, report);
}

// False if there are sources that do not compile. After a failed link all objects are there, and
// law 2 can say better than the linker what is wrong.
bool compiles(std::string const& profile, Report& report) {
  fs::path const log = "build/log/check-build-" + profile + ".log";
  if (build_quietly(profile, log) == exit_ok) return true;
  bool sources_fail = false, link_fails = false;
  auto const text = read_file(log);
  for (auto const line : lines_of(text)) {
    if (auto const found = parse_diagnostic(line, repository())) {
      report.add(found->path, found->line, "build", "{} (profile {})", found->text, profile);
      sources_fail = true;
    } else if (line.find("lld") != line.npos && line.find(" error: ") != line.npos) {
      report.add("CMakeLists.txt", 0, "build", "{} (profile {})", line, profile);
      link_fails = true;
    }
  }
  if (!sources_fail && !link_fails)
    report.add("CMakeLists.txt", 0, "build", "profile {} does not build (see {})", profile,
               log.string());
  return link_fails && !sources_fail;
}

void check_repository(Tree const& tree, CheckOptions const& options, Report& report) {
  check_text(tree, options.laws_only, repository() / "build/log/unanalysed.txt", report);
  CompiledGates const gates{
      .cache = repository() / "build/check", .forget = options.all, .tidies = true};
  if (!options.laws_only) {
    check_format(tree, gates, report);
    check_docs(tree.floors, report);
    check_system_calls(tree, report);
  }
  if (!can_build()) {
    note("no CMakeLists.txt: law 2 and the gates that need a build are left out");
    return;
  }
  if (!compiles("dev", report)) return;
  auto entries = load_compile_db(tree, repository() / "build/dev");
  check_links(tree, entries, report);
  if (options.laws_only) return;
  check_absent(report);
  check_static_constructors(tree, entries, report);
  // What only the host profile compiles has its flags there.
  bool const host = std::ranges::any_of(
      tree.sources, [&](Source const& source) { return tree.floors.in_free_dir(source.below); });
  if (host && compiles("host", report)) {
    auto const more = load_compile_db(tree, repository() / "build/host");
    std::ranges::copy_if(more, std::back_inserter(entries), [&](CompileEntry const& entry) {
      return tree.floors.in_free_dir(std::string_view(entry.source).substr(7));
    });
  }
  check_self_contained(tree, entries, gates, report);
  check_tidy(tree, entries, gates, report);
}

}  // namespace

int check(CheckOptions const& options) {
  Stopwatch const watch;
  bool const other = !options.tree.empty() && options.tree != repository();
  auto const tree = load_tree(other ? options.tree : repository());
  Report report;
  if (other)
    check_fixture(tree, options, report);
  else
    check_repository(tree, options, report);
  auto const findings = report.sorted();
  print(findings);
  note("check: {} files, {} {} ({:.1f} s)", tree.sources.size(), findings.size(),
       findings.size() == 1 ? "finding" : "findings", watch.seconds());
  return findings.empty() ? exit_ok : exit_failed;
}

}  // namespace auk
