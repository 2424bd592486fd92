// Gates that run the compiler's tools: self-contained headers, clang-tidy, clang-format.
#include "check/check.hpp"
#include "check/diagnostic.hpp"
#include "check/remember.hpp"
#include "commands.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace auk {

namespace {

std::uint64_t key_of(std::vector<std::string> const& argv) { return hash_text(join(argv, "\x1f")); }

// The command whose flags fit a header best: its folder, else its module, else any C++ source.
CompileEntry const* fitting_entry(Tree const& tree, Source const& header,
                                  std::vector<CompileEntry> const& entries) {
  auto const folder = fs::path(header.path).parent_path();
  CompileEntry const* best = nullptr;
  int best_score = -1;
  for (auto const& entry : entries) {
    if (!entry.source.ends_with(".cpp")) continue;
    int score = 0;
    if (tree.floors.module_of(std::string_view(entry.source).substr(7)) == header.module) score = 1;
    if (fs::path(entry.source).parent_path() == folder) score = 2;
    if (score > best_score) best = &entry, best_score = score;
  }
  // Headers of a machine that no profile builds cannot be compiled.
  if (header.isa && best_score < 2) return nullptr;
  return best;
}

void compile_alone(Tree const& tree, Source const& header, CompileEntry const& entry,
                   CompiledGates const& gates, Passed const& passed, Report& report) {
  // With .d at the end, a header and a folder of one name do not meet.
  auto const stub = gates.cache / "stub" / (header.below + ".cpp");
  auto const depfile = fs::path(stub).replace_extension(".d");
  std::vector<std::string> argv{"clang++-19"};
  auto const flags = plain_flags(entry);
  argv.insert(argv.end(), flags.begin(), flags.end());
  argv.insert(argv.end(), {"-fsyntax-only", "-fno-color-diagnostics", "-MD", "-MF",
                           depfile.string(), stub.string()});
  auto const key = key_of(argv);
  if (passed.contains(header.path, key)) return;
  write_if_changed(stub, std::format("#include \"{}\"\n", header.below));
  auto const result = capture({.argv = argv, .cwd = entry.directory});
  bool named = false;
  for (auto const line : lines_of(result.output)) {
    auto const found = parse_diagnostic(line, tree.root);
    if (!found) continue;
    named = true;
    if (found->path == header.path)
      report.add(header.path, found->line, "header", "not self-contained: {}", found->text);
    else
      report.add(header.path, 0, "header", "not self-contained: {}:{}: {}", found->path,
                 found->line, found->text);
  }
  if (result.status == 0 && !named)
    passed.add(header.path, key, read_depfile(depfile, entry.directory));
  else if (!named)
    report.add(header.path, 0, "header", "cannot be compiled alone: {}", trimmed(result.output));
}

// Headers that a source includes before anything else: clang-tidy, which looks at the source
// without precompiled headers, says whether they stand alone.
std::set<std::string_view> first_includes(Tree const& tree,
                                          std::vector<CompileEntry> const& entries) {
  std::set<std::string_view> compiled;
  for (auto const& entry : entries) compiled.insert(entry.source);
  std::set<std::string_view> first;
  for (auto const& source : tree.sources)
    if (!source.header && !source.includes.empty() && compiled.contains(source.path))
      first.insert(source.includes.front().name);
  return first;
}

// Ninja's notes on what each object was made from.
std::map<std::string, std::vector<fs::path>> ninja_dependencies(fs::path const& build) {
  std::map<std::string, std::vector<fs::path>> all;
  auto const result =
      capture({.argv = {"ninja", "-C", build.string(), "-t", "deps"}, .keep_stderr = true});
  std::vector<fs::path>* files = nullptr;
  for (auto const line : lines_of(result.output)) {
    if (line.empty()) continue;
    if (line[0] == ' ') {
      if (files) files->push_back((build / trimmed(line)).lexically_normal());
      continue;
    }
    auto const colon = line.find(": #deps");
    files = colon == line.npos ? nullptr
                               : &all[(build / line.substr(0, colon)).lexically_normal().string()];
  }
  return all;
}

// Beside this program: see tidy/own_declarations.cpp.
fs::path narrowing_plugin() {
  static auto const path =
      fs::read_symlink("/proc/self/exe").parent_path() / "libown_declarations.so";
  return path;
}

void tidy_one(Tree const& tree, CompileEntry const& entry, std::vector<fs::path> dependencies,
              Passed const& passed, Report& report) {
  auto const source = tree.root / entry.source;
  std::vector<std::string> argv{"clang-tidy-19",     "--quiet",
                                "--use-color=false", "--load=" + narrowing_plugin().string(),
                                source.string(),     "--"};
  auto const flags = plain_flags(entry);
  argv.insert(argv.end(), flags.begin(), flags.end());
  auto const key = key_of(argv);
  if (passed.contains(entry.source, key)) return;
  auto const result = capture({.argv = argv, .cwd = entry.directory});
  bool named = false;
  for (auto const line : lines_of(result.output)) {
    auto const found = parse_diagnostic(line, tree.root);
    if (!found) continue;
    named = true;
    constexpr std::string_view noise = ",-warnings-as-errors]";
    auto message = found->text;
    if (message.ends_with(noise)) message.replace(message.size() - noise.size(), noise.npos, "]");
    report.add(found->path, found->line, "tidy", "{}", message);
  }
  if (result.status != 0 && !named)
    report.add(entry.source, 0, "tidy", "clang-tidy failed: {}", trimmed(result.output));
  if (result.status != 0 || named || dependencies.empty()) return;
  dependencies.push_back(source);
  dependencies.push_back(tree.root / ".clang-tidy");
  dependencies.push_back(narrowing_plugin());
  passed.add(entry.source, key, dependencies);
}

}  // namespace

void check_self_contained(Tree const& tree, std::vector<CompileEntry> const& entries,
                          CompiledGates const& gates, Report& report) {
  ContentHashes hashes;
  Passed const passed(gates.cache / "header", hashes, gates.forget);
  auto const seen_by_tidy =
      gates.tidies ? first_includes(tree, entries) : std::set<std::string_view>();
  std::vector<Source const*> headers;
  for (auto const& source : tree.sources)
    if (source.header && !seen_by_tidy.contains(source.below)) headers.push_back(&source);
  parallel_for(headers.size(), [&](std::size_t i) {
    if (auto const* entry = fitting_entry(tree, *headers[i], entries))
      compile_alone(tree, *headers[i], *entry, gates, passed, report);
  });
}

void check_tidy(Tree const& tree, std::vector<CompileEntry> const& entries,
                CompiledGates const& gates, Report& report) {
  ContentHashes hashes;
  Passed const passed(gates.cache / "tidy", hashes, gates.forget);
  std::map<fs::path, std::map<std::string, std::vector<fs::path>>> notes;
  std::vector<CompileEntry const*> work;
  std::set<std::string> seen;
  for (auto const& entry : entries) {
    // A source that several images are made from is looked at with its first flags.
    if (!entry.source.ends_with(".cpp") || !seen.insert(entry.source).second) continue;
    work.push_back(&entry);
    if (!notes.contains(entry.build)) notes[entry.build] = ninja_dependencies(entry.build);
  }
  parallel_for(work.size(), [&](std::size_t i) {
    auto const& known = notes.at(work[i]->build);
    auto const found = known.find(work[i]->object.lexically_normal().string());
    tidy_one(tree, *work[i], found == known.end() ? std::vector<fs::path>{} : found->second, passed,
             report);
  });
}

void check_format(Tree const& tree, CompiledGates const& gates, Report& report) {
  ContentHashes hashes;
  Passed const passed(gates.cache / "format", hashes, gates.forget);
  std::vector<std::string> argv{"clang-format-19", "--dry-run", "--Werror"};
  auto const key = key_of(argv);
  std::vector<std::string> fresh;
  for (auto const& file : formatted_files())
    if (!passed.contains(file, key)) fresh.push_back(file);
  if (fresh.empty()) return;
  argv.insert(argv.end(), fresh.begin(), fresh.end());
  auto const result = capture({.argv = argv});
  std::set<std::string> wrong;
  for (auto const line : lines_of(result.output)) {
    auto const found = parse_diagnostic(line, tree.root);
    // One line a file is enough: the cure is the same for all.
    if (found && wrong.insert(found->path).second)
      report.add(found->path, found->line, "format", "not formatted; run ./auk fmt");
  }
  if (result.status != 0 && wrong.empty()) fail("clang-format-19: {}", trimmed(result.output));
  for (auto const& file : fresh)
    if (!wrong.contains(file))
      passed.add(file, key, {tree.root / file, tree.root / ".clang-format"});
}

}  // namespace auk
