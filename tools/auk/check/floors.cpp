#include "check/floors.hpp"

#include <algorithm>
#include <toml++/toml.h>

namespace auk {

namespace {

bool has_directory(std::string_view path, std::vector<std::string> const& names) {
  for (std::size_t slash; (slash = path.find('/')) != path.npos; path.remove_prefix(slash + 1))
    if (std::ranges::find(names, path.substr(0, slash)) != names.end()) return true;
  return false;
}

bool matches_any(std::string_view path, std::vector<std::string> const& globs) {
  return std::ranges::any_of(globs, [&](auto const& glob) { return glob_match(glob, path); });
}

std::vector<std::string> strings(toml::table const& table, std::string_view where) {
  std::vector<std::string> list;
  auto const* array = table.at_path(where).as_array();
  if (!array) return list;
  for (auto const& node : *array) {
    auto text = node.value<std::string>();
    if (!text) fail("floors.toml:{}: a string is expected", node.source().begin.line);
    list.push_back(*std::move(text));
  }
  return list;
}

template <class T> T required(toml::table const& table, std::string_view key) {
  auto value = table[key].value<T>();
  if (!value) fail("floors.toml:{}: \"{}\" is missing", table.source().begin.line, key);
  return *std::move(value);
}

std::vector<Module> modules_of(toml::table const& table) {
  std::vector<Module> modules;
  auto const* floors = table["floor"].as_array();
  if (!floors) fail("floors.toml: no [[floor]]");
  for (auto const& floor_node : *floors) {
    auto const& floor = *floor_node.as_table();
    int const number = static_cast<int>(required<std::int64_t>(floor, "number"));
    auto const* list = floor["modules"].as_array();
    if (!list) continue;
    for (auto const& node : *list) {
      auto const* module = node.as_table();
      if (!module) fail("floors.toml:{}: a table is expected", node.source().begin.line);
      auto path = required<std::string>(*module, "path");
      if (std::ranges::contains(modules, path, &Module::path))
        fail("floors.toml:{}: module {} is named twice", node.source().begin.line, path);
      modules.push_back({path, required<std::string>(*module, "line"), number});
    }
  }
  return modules;
}

}  // namespace

Module const* Floors::module_of(std::string_view below_kernel) const {
  Module const* best = nullptr;
  for (auto const& module : modules) {
    if (!below_kernel.starts_with(module.path)) continue;
    if (below_kernel.size() > module.path.size() && below_kernel[module.path.size()] != '/')
      continue;
    if (!best || module.path.size() > best->path.size()) best = &module;
  }
  return best;
}

bool Floors::in_isa_dir(std::string_view below_kernel) const {
  return has_directory(below_kernel, isa_dirs) || matches_any(below_kernel, isa_files);
}

bool Floors::in_free_dir(std::string_view below_kernel) const {
  return has_directory(below_kernel, free_include_dirs);
}

Floors load_floors(fs::path const& file) try {
  auto const table = toml::parse(read_file(file), file.string());
  auto const set_of = [&](std::string_view where) {
    auto const list = strings(table, where);
    return std::set<std::string, std::less<>>(list.begin(), list.end());
  };
  return {.modules = modules_of(table),
          .angle_includes = set_of("include.allow"),
          .free_include_dirs = strings(table, "include.free_dirs"),
          .link_allow = strings(table, "law2.allow"),
          .link_exclude = strings(table, "law2.exclude"),
          .callback_headers = set_of("law3.callback_headers"),
          .isa_dirs = strings(table, "law4.isa_dirs"),
          .isa_files = strings(table, "law4.isa_files"),
          .isa_words = set_of("law4.words"),
          .file_lines = table.at_path("limits.file_lines").value_or(1500),
          .unanalysed_functions = table.at_path("limits.unanalysed_functions").value_or(20)};
} catch (toml::parse_error const& error) {
  fail("{}:{}: {}", file.string(), error.source().begin.line, error.description());
}

}  // namespace auk
