// Law 2: the floors 0..k together have no undefined symbol, for every k. An object on floor f
// breaks it exactly if it needs a symbol whose lowest definition stands above f.
#include "check/check.hpp"

#include <algorithm>
#include <cxxabi.h>
#include <map>

namespace auk {

namespace {

constexpr auto gate = "law 2";

struct Definition {
  int floor;
  std::string source;
};

std::string demangled(std::string const& symbol) {
  int status = 0;
  char* text = abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status);
  std::string name = status == 0 ? text : symbol;
  std::free(text);
  return name;
}

struct Symbols {
  std::vector<std::string> needed, defined;
};

// One line each: "file: name type [value size]".
std::map<std::string, Symbols> read_symbols(std::vector<fs::path> const& objects) {
  std::vector<std::string> argv{"llvm-nm-19", "--extern-only", "--format=posix", "-A"};
  for (auto const& object : objects) argv.push_back(object.string());
  std::map<std::string, Symbols> found;
  if (objects.empty()) return found;
  auto const result = capture({.argv = argv, .keep_stderr = true});
  if (result.status != 0) fail("llvm-nm-19 failed on the objects of {}", objects[0].string());
  for (auto const line : lines_of(result.output)) {
    auto const colon = line.find(": ");
    if (colon == line.npos) continue;
    auto const rest = line.substr(colon + 2);
    auto const space = rest.find(' ');
    if (space == rest.npos || space + 1 >= rest.size()) continue;
    char const type = rest[space + 1];
    auto& symbols = found[std::string(line.substr(0, colon))];
    // A weak reference upwards is a reference upwards.
    bool const undefined = type == 'U' || type == 'w' || type == 'v';
    (undefined ? symbols.needed : symbols.defined).emplace_back(rest.substr(0, space));
  }
  return found;
}

}  // namespace

void check_links(Tree const& tree, std::vector<CompileEntry> const& entries, Report& report) {
  std::vector<CompileEntry const*> linked;
  std::vector<fs::path> objects;
  for (auto const& entry : entries) {
    auto const below = std::string_view(entry.source).substr(std::string_view("kernel/").size());
    bool const elsewhere = std::ranges::any_of(
        tree.floors.link_exclude, [&](auto const& glob) { return glob_match(glob, below); });
    if (elsewhere || !tree.floors.module_of(below) || !fs::exists(entry.object)) continue;
    linked.push_back(&entry);
    objects.push_back(entry.object);
  }
  auto const symbols = read_symbols(objects);
  auto const floor_of = [&](CompileEntry const& entry) {
    return tree.floors.module_of(std::string_view(entry.source).substr(7))->floor;
  };

  std::map<std::string, Definition> lowest;
  for (auto const* entry : linked) {
    auto const found = symbols.find(entry->object.string());
    if (found == symbols.end()) continue;
    for (auto const& name : found->second.defined) {
      Definition const definition{floor_of(*entry), entry->source};
      auto const [place, fresh] = lowest.try_emplace(name, definition);
      if (!fresh && definition.floor < place->second.floor) place->second = definition;
    }
  }

  for (auto const* entry : linked) {
    auto const found = symbols.find(entry->object.string());
    if (found == symbols.end()) continue;
    int const floor = floor_of(*entry);
    for (auto const& name : found->second.needed) {
      auto const definition = lowest.find(name);
      if (definition != lowest.end() && definition->second.floor <= floor) continue;
      // What the compiler itself asks for may stand anywhere.
      if (std::ranges::any_of(tree.floors.link_allow,
                              [&](auto const& glob) { return glob_match(glob, name); }))
        continue;
      if (definition != lowest.end())
        report.add(entry->source, 0, gate, "floor {} needs {}, defined on floor {} ({})", floor,
                   demangled(name), definition->second.floor, definition->second.source);
      else
        report.add(entry->source, 0, gate, "floor {} needs {}, which no floor defines", floor,
                   demangled(name));
    }
  }
}

}  // namespace auk
