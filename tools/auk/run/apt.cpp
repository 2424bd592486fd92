#include "run/apt.hpp"

#include <algorithm>
#include <array>
#include <ranges>
#include <unistd.h>

namespace auk {

namespace {

constexpr auto apt_folder = "build/guest/apt";
constexpr auto source_file = "build/guest/apt/sources.list";
// Backports are not part of the release.
constexpr std::array codenames{"bookworm", "bookworm-updates", "bookworm-security"};
// What any Debian has, whether or not it is asked for: mmdebstrap's variant "minbase".
constexpr std::array always{"?essential", "?priority(required)", "apt", "usr-is-merged"};

std::vector<std::string> split(std::string_view line, char separator) {
  std::vector<std::string> fields;
  for (auto const field : std::views::split(line, separator))
    fields.emplace_back(std::string_view(field));
  return fields;
}

void update_lists() {
  note("asking for newer package lists");
  std::vector<std::string> update{"apt-get", "-q", "update"};
  if (geteuid() != 0) update.insert(update.begin(), "sudo");
  if (auto const ran = capture({.argv = update}); ran.status != 0)
    note("apt-get update failed: {}", trimmed(ran.output));
}

// What apt said is wrong, in the words of people who asked for packages.
std::string complaints_of(std::string_view output) {
  std::vector<std::string> all;
  constexpr std::string_view mark = "E: ", unknown = "Unable to locate package ";
  for (auto line : lines_of(output)) {
    if (!line.starts_with(mark)) continue;
    line.remove_prefix(mark.size());
    // It guesses further at names that could be patterns.
    if (line.starts_with("Couldn't find any package by")) continue;
    all.push_back(line.starts_with(unknown)
                      ? std::format("Debian 12 has no package {}", line.substr(unknown.size()))
                      : std::string(line));
  }
  return all.empty() ? std::string(trimmed(output)) : join(all, "; ");
}

}  // namespace

bool is_package_name(std::string_view name) {
  auto const is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  auto const is_allowed = [&](char c) { return is_plain(c) || c == '+' || c == '-' || c == '.'; };
  // A minus at the end tells apt to remove it.
  return name.size() >= 2 && is_plain(name.front()) && !name.ends_with('-') &&
         std::ranges::all_of(name, is_allowed);
}

fs::path Apt::folder() { return fs::absolute("build/guest/packages"); }

Apt::Apt() {
  find_sources();
  if (sources_.empty()) {
    update_lists();
    find_sources();
  }
  if (sources_.empty()) fail("apt has no sources of Debian 12 (bookworm) on this host");
  write_file(source_file, join(sources_, "\n") + "\n");
  for (auto const& path : {fs::path(apt_folder) / "none" / "partial", folder() / "partial"})
    fs::create_directories(path);
}

void Apt::find_sources() {
  sources_.clear();
  lists_.clear();
  auto const asked =
      capture({.argv = {"apt-get", "indextargets", "--format",
                        "$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(FILENAME)",
                        "Created-By: Packages", "Architecture: amd64"},
               .keep_stderr = true});
  for (auto const line : lines_of(asked.output)) {
    auto const fields = split(trimmed(line), '|');
    if (fields.size() != 6 || fields[0] != "Debian" || !std::ranges::contains(codenames, fields[1]))
      continue;
    fs::path const list = fields[5];
    if (!fs::exists(list)) continue;
    sources_.push_back(std::format("deb {} {} {}", fields[2], fields[3], fields[4]));
    lists_.push_back(list);
    // What vouches for it lies beside it, under the name of the source.
    auto const name = list.filename().string();
    auto const source = name.substr(0, name.rfind(std::format("_{}_binary-", fields[4])));
    for (auto const* suffix : {"_InRelease", "_Release", "_Release.gpg"}) {
      auto const proof = list.parent_path() / (source + suffix);
      if (fs::exists(proof) && !std::ranges::contains(lists_, proof)) lists_.push_back(proof);
    }
  }
}

// As if nothing were installed, on a host whose other packages and preferences do not matter.
std::vector<std::string> Apt::command(fs::path const& archives,
                                      std::vector<std::string> const& packages) const {
  std::vector<std::string> words{"apt-get", "-q", "-y", "--no-install-recommends"};
  for (auto const& option :
       {std::string("Dir::State::status=/dev/null"),
        std::format("Dir::Etc::SourceList={}", fs::absolute(source_file).string()),
        std::string("Dir::Etc::SourceParts=/dev/null"),
        std::string("Dir::Etc::Preferences=/dev/null"),
        std::string("Dir::Etc::PreferencesParts=/dev/null"),
        std::format("Dir::Cache::archives={}", fs::absolute(archives).string()),
        // Apt's own locks are of the host's state, which is not changed.
        std::string("Debug::NoLocking=1")})
    words.insert(words.end(), {"-o", option});
  words.emplace_back("install");
  words.insert(words.end(), always.begin(), always.end());
  words.insert(words.end(), packages.begin(), packages.end());
  return words;
}

Apt::Closure Apt::resolve(std::vector<std::string> const& packages) const {
  // Of what it already has it would not speak.
  auto words = command(fs::path(apt_folder) / "none", packages);
  words.insert(words.begin() + 1, "--print-uris");
  auto const asked = capture({.argv = words});
  if (asked.status != 0) fail("{}", complaints_of(asked.output));
  Closure closure;
  for (auto const line : lines_of(asked.output)) {
    // 'ADDRESS' FILE SIZE SUM
    auto const fields = split(trimmed(line), ' ');
    if (fields.size() < 3 || !fields[0].starts_with('\'')) continue;
    auto const bytes = static_cast<std::uintmax_t>(std::stoull(fields[2]));
    closure.files.push_back(fields[1]);
    closure.bytes += bytes;
    if (!fs::exists(folder() / fields[1])) closure.missing += bytes;
  }
  std::ranges::sort(closure.files);
  return closure;
}

void Apt::download(std::vector<std::string> const& packages) {
  auto words = command(folder(), packages);
  words.insert(words.begin() + 1, "--download-only");
  if (capture({.argv = words}).status == 0) return;
  update_lists();
  find_sources();
  auto const ran = capture({.argv = words});
  if (ran.status != 0) fail("cannot download packages: {}", complaints_of(ran.output));
}

}  // namespace auk
