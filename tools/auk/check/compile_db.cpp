#include "check/compile_db.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace auk {

std::vector<CompileEntry> load_compile_db(Tree const& tree, fs::path const& build) {
  auto const text = try_read_file(build / "compile_commands.json");
  std::vector<CompileEntry> entries;
  if (!text) return entries;
  for (auto const& item : nlohmann::json::parse(*text)) {
    fs::path const directory = item.at("directory").get<std::string>();
    fs::path const source = directory / item.at("file").get<std::string>();
    auto const relative = source.lexically_normal().lexically_relative(tree.root).generic_string();
    if (!relative.starts_with("kernel/")) continue;
    CompileEntry entry{.source = relative,
                       .object = {},
                       .directory = directory,
                       .build = build,
                       .argv = split_shell(item.at("command").get<std::string>())};
    for (std::size_t i = 0; i + 1 < entry.argv.size(); ++i)
      if (entry.argv[i] == "-o") entry.object = directory / entry.argv[i + 1];
    entries.push_back(std::move(entry));
  }
  return entries;
}

namespace {

// "X/isa/y.hpp" is found through links from <out>/include/X/isa to the machine's folder.
fs::path make_isa_links(Tree const& tree, fs::path const& out) {
  auto const include = out / "include";
  for (auto const& source : tree.sources) {
    auto const folder = fs::path(source.below).parent_path();
    if (!source.isa || folder.filename() != tree.floors.isa_dirs.front()) continue;
    auto const link = include / folder.parent_path() / "isa";
    fs::create_directories(link.parent_path());
    if (!fs::is_symlink(link)) fs::create_directory_symlink(tree.root / "kernel" / folder, link);
  }
  return include;
}

}  // namespace

std::vector<CompileEntry> compile_fixture(Tree const& tree, fs::path const& out) {
  std::vector<CompileEntry> entries;
  auto const isa_include = make_isa_links(tree, out);
  for (auto const& source : tree.sources) {
    if (source.header) continue;
    auto const object = out / (source.path + ".o");
    fs::create_directories(object.parent_path());
    std::vector<std::string> argv{"clang++-19",
                                  "-std=c++23",
                                  "-ffreestanding",
                                  "-fno-exceptions",
                                  "-fno-rtti",
                                  "-fno-threadsafe-statics",
                                  "-O1",
                                  "-Wall",
                                  "-I" + (tree.root / "kernel").string(),
                                  "-I" + isa_include.string(),
                                  "-c",
                                  (tree.root / source.path).string(),
                                  "-o",
                                  object.string()};
    entries.push_back({.source = source.path,
                       .object = object,
                       .directory = tree.root,
                       .build = {},
                       .argv = argv});
  }
  parallel_for(entries.size(), [&](std::size_t i) {
    auto const result = capture({.argv = entries[i].argv});
    if (result.status != 0) fail("{} does not compile:\n{}", entries[i].source, result.output);
  });
  return entries;
}

namespace {

// How many words from `at` on belong to a flag that plain_flags leaves out; 0: it stays.
std::size_t left_out(std::vector<std::string> const& argv, std::size_t at,
                     std::string const& source_name) {
  auto const& word = argv[at];
  if (word == "-o" || word == "-MF" || word == "-MT" || word == "-MQ") return 2;
  if (word == "-c" || word == "--" || word == "-MD" || word == "-MMD") return 1;
  if (word == "-Winvalid-pch") return 1;
  if (!word.starts_with("-") && word.ends_with(source_name)) return 1;
  bool const precompiled = word == "-Xclang" && at + 3 < argv.size() &&
                           argv[at + 1].starts_with("-include") &&
                           argv[at + 3].find("cmake_pch") != std::string::npos;
  return precompiled ? 4 : 0;
}

}  // namespace

std::vector<std::string> plain_flags(CompileEntry const& entry) {
  std::vector<std::string> flags;
  auto const source_name = fs::path(entry.source).filename().string();
  // A launcher such as ccache may stand before the compiler.
  auto const compiler = std::ranges::find_if(
      entry.argv, [](std::string const& word) { return word.find("clang") != std::string::npos; });
  auto at = static_cast<std::size_t>(compiler - entry.argv.begin()) + 1;
  while (at < entry.argv.size()) {
    auto const skip = left_out(entry.argv, at, source_name);
    if (skip == 0) flags.push_back(entry.argv[at]);
    at += std::max<std::size_t>(skip, 1);
  }
  return flags;
}

}  // namespace auk
