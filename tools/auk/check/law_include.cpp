// Law 1: a file includes its own module, and public headers of strictly lower floors.
#include "check/check.hpp"

#include <algorithm>
#include <set>

namespace auk {

namespace {

constexpr auto gate = "law 1";

bool has_component(std::string_view path, std::string_view name) {
  auto const bounded = "/" + std::string(path) + "/";
  return bounded.find("/" + std::string(name) + "/") != std::string::npos;
}

// "X/isa/y.hpp" stands for kernel/X/<isa>/y.hpp of the machine being built.
bool resolves(Tree const& tree, std::string const& name) {
  if (fs::is_regular_file(tree.root / "kernel" / name)) return true;
  auto const isa = ("/" + name).find("/isa/");
  if (isa == std::string::npos) return false;
  return std::ranges::any_of(tree.floors.isa_dirs, [&](std::string const& dir) {
    return fs::is_regular_file(tree.root / "kernel" /
                               (name.substr(0, isa) + dir + name.substr(isa + 3)));
  });
}

void check_quoted(Tree const& tree, Source const& from, Include const& include, Report& report) {
  auto const& name = include.name;
  auto const wrong = [&]<class... Args>(std::format_string<Args...> format, Args&&... args) {
    report.add(from.path, include.line, gate, format, std::forward<Args>(args)...);
  };
  if (has_component(name, ".") || has_component(name, ".."))
    return wrong("\"{}\" is relative; spell it from kernel/", name);
  // Made by the build from facts of floor 0.
  if (name.starts_with("generated/")) return;
  if (!resolves(tree, name)) return wrong("\"{}\" is no file below kernel/", name);
  auto const* to = tree.floors.module_of(name);
  if (!to) return wrong("\"{}\" belongs to no module of floors.toml", name);
  if (to == from.module) return;
  if (has_component(name, "priv")) return wrong("\"{}\" is private to {}", name, to->path);
  if (to->floor == from.module->floor)
    return wrong("{} and {} are both on floor {}: neither may include the other (\"{}\")",
                 from.module->path, to->path, to->floor, name);
  if (to->floor > from.module->floor)
    return wrong("{} on floor {} includes \"{}\" of floor {}", from.module->path,
                 from.module->floor, name, to->floor);
}

}  // namespace

void check_includes(Tree const& tree, Report& report) {
  for (auto const& source : tree.sources) {
    if (!source.module) continue;  // reported with its folder
    for (auto const& include : source.includes) {
      if (include.name.empty()) {
        report.add(source.path, include.line, gate, "an include is spelled out, not a macro");
      } else if (!include.angle) {
        check_quoted(tree, source, include, report);
      } else if (!tree.floors.angle_includes.contains(include.name) &&
                 !tree.floors.in_free_dir(source.below)) {
        report.add(source.path, include.line, gate, "<{}> is not in [include].allow of floors.toml",
                   include.name);
      }
    }
  }
}

void check_modules(Tree const& tree, Report& report) {
  std::set<std::string> homeless;
  for (auto const& source : tree.sources)
    if (!source.module) homeless.insert(fs::path(source.path).parent_path().generic_string());
  for (auto const& folder : homeless)
    report.add(folder, 0, gate, "this folder belongs to no module of floors.toml");
  std::vector<std::string> missing;
  for (auto const& module : tree.floors.modules)
    if (!fs::is_directory(tree.root / "kernel" / module.path)) missing.push_back(module.path);
  if (!missing.empty()) note("warning: floors.toml names folders to come: {}", join(missing, ", "));
}

}  // namespace auk
