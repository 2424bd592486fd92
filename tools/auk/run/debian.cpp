// The guest's default root: programs out of Debian's packages, which are unpacked and never
// installed. Names that no package brings are busybox's.
#include "run/cpio.hpp"
#include "run/run.hpp"

#include <algorithm>
#include <map>
#include <unistd.h>

namespace auk {

namespace {

constexpr auto list_file = "tools/guest/debian.txt";
constexpr auto package_folder = "build/guest/packages";
constexpr auto archive_file = "build/guest/debian.cpio";
constexpr auto key_file = "build/guest/debian.key";
// Changes when apt-get update brings other versions.
constexpr auto apt_lists = "/var/lib/apt/lists";

// What no program of the root reads.
constexpr std::string_view left_out[] = {
    "usr/share/doc/*",      "usr/share/man/*",  "usr/share/locale/*",
    "usr/share/info/*",     "usr/share/bug/*",  "usr/share/lintian/*",
    "usr/share/doc-base/*", "usr/share/menu/*", "usr/lib/*/gconv/*"};

struct Package {
  std::string name;
  std::vector<std::string> files;  // only these; empty: all
};

std::vector<Package> read_list() {
  std::vector<Package> packages;
  auto const text = read_file(list_file);
  for (auto const line : lines_of(text)) {
    if (line.starts_with('#')) continue;
    auto words = split_shell(line);
    if (words.empty()) continue;
    Package package{.name = words.front(), .files = {words.begin() + 1, words.end()}};
    packages.push_back(std::move(package));
  }
  return packages;
}

// Debian's merged layout: /bin, /sbin and /lib are links into /usr.
std::string merged(std::string_view path) {
  for (auto const* top : {"bin", "sbin", "lib", "lib64"})
    if (path == top || path.starts_with(std::string(top) + "/")) return std::format("usr/{}", path);
  return std::string(path);
}

bool is_wanted(Package const& package, std::string const& path) {
  if (!package.files.empty()) return std::ranges::find(package.files, path) != package.files.end();
  return std::ranges::none_of(left_out, [&](auto mask) { return glob_match(mask, path); });
}

std::vector<std::string> with_names(std::vector<std::string> words,
                                    std::vector<Package> const& packages) {
  for (auto const& package : packages) words.push_back(package.name);
  return words;
}

// One line for each package: address, file, size, checksum. Empty if apt does not know them all.
std::string ask_versions(std::vector<Package> const& packages) {
  auto const command = with_names({"apt-get", "-q", "download", "--print-uris"}, packages);
  auto const answer = capture({.argv = command, .keep_stderr = true});
  return answer.status == 0 ? answer.output : std::string();
}

std::string find_versions(std::vector<Package> const& packages) {
  if (auto found = ask_versions(packages); !found.empty()) return found;
  note("asking for newer package lists");
  std::vector<std::string> update{"apt-get", "-q", "update"};
  if (geteuid() != 0) update.insert(update.begin(), "sudo");
  capture({.argv = update});
  return ask_versions(packages);
}

struct Node {
  fs::path source;   // of the host; empty for what is made here
  std::string text;  // of a link made here
};
// By path without a slash in front; a folder comes before what is in it.
using Tree = std::map<std::string, Node>;

void collect(Tree& tree, Package const& package, fs::path const& unpacked) {
  for (auto const& entry : fs::recursive_directory_iterator(unpacked)) {
    auto const path = merged(entry.path().lexically_relative(unpacked).string());
    if (entry.is_directory() && !entry.is_symlink()) continue;
    if (!is_wanted(package, path)) continue;
    for (auto slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1))
      tree.try_emplace(path.substr(0, slash));
    tree.insert_or_assign(path, Node{.source = entry.path(), .text = {}});
  }
}

void unpack_into(Tree& tree, std::vector<Package> const& packages) {
  fs::path const unpacked = fs::path(package_folder) / "unpacked";
  fs::create_directory(unpacked);
  for (auto const& package : packages) {
    auto const folder = unpacked / package.name;
    auto const mask = package.name + "_*.deb";
    auto const file = std::ranges::find_if(fs::directory_iterator(package_folder), [&](auto& e) {
      return glob_match(mask, e.path().filename().string());
    });
    if (file == fs::directory_iterator{}) fail("no package {} came", package.name);
    if (run({.argv = {"dpkg-deb", "-x", file->path().string(), folder.string()}}) != 0)
      fail("cannot unpack {}", file->path().string());
    collect(tree, package, folder);
  }
}

void add_link(Tree& tree, std::string const& path, std::string_view target) {
  tree.try_emplace(path, Node{.source = {}, .text = std::string(target)});
}

std::string archive_of(Tree const& tree) {
  Cpio root;
  for (auto const& [path, node] : tree)
    if (!node.text.empty())
      root.add_link(path, node.text);
    else if (node.source.empty())
      root.add_folder(path);
    else
      root.add_copy(path, node.source);
  add_common_files(root, "/bin/bash");
  return root.finish();
}

// The links that Debian's packages make when they are installed, then busybox for all the rest.
void add_links(Tree& tree) {
  for (auto const* top : {"bin", "sbin", "lib", "lib64"})
    add_link(tree, top, std::format("usr/{}", top));
  add_link(tree, "usr/bin/sh", "dash");
  add_link(tree, "usr/bin/awk", "mawk");
  tree.insert_or_assign("usr/bin/busybox", Node{.source = busybox_program, .text = {}});
  for (auto const& name : busybox_names()) {
    auto const base = fs::path(name).filename().string();
    if (!tree.contains("usr/bin/" + base) && !tree.contains("usr/sbin/" + base))
      add_link(tree, merged(name), "/usr/bin/busybox");
  }
}

void make_archive(std::vector<Package> const& packages) {
  note("making a root of Debian's packages");
  fs::remove_all(package_folder);
  fs::create_directories(package_folder);
  auto const command = with_names({"apt-get", "-q", "download"}, packages);
  if (auto const got = capture({.argv = command, .cwd = package_folder}); got.status != 0)
    fail("cannot download the packages of {}:\n{}", list_file, trimmed(got.output));
  Tree tree;
  unpack_into(tree, packages);
  add_links(tree);
  write_file(archive_file, archive_of(tree));
  fs::remove_all(package_folder);
}

}  // namespace

fs::path debian_root() {
  FileLock const lock("build/lock/debian-root");
  fs::path const archive = archive_file;
  auto const tool = fs::canonical("/proc/self/exe");
  if (std::ranges::none_of(
          std::initializer_list<fs::path>{list_file, apt_lists, busybox_program, tool},
          [&](auto const& source) { return is_newer(source, archive); }))
    return archive;
  auto const packages = read_list();
  auto const versions = find_versions(packages);
  auto const key = std::format(
      "{:016x}", hash_text(versions, hash_text(read_file(list_file), hash_text(read_file(tool)))));
  bool const made = fs::exists(archive);
  // Without a network the versions that are here already do.
  if (versions.empty() && !made) fail("apt knows no versions of the packages of {}", list_file);
  if (!versions.empty() && !(made && try_read_file(key_file) == key)) {
    make_archive(packages);
    write_file(key_file, key);
  }
  fs::last_write_time(archive, fs::file_time_type::clock::now());
  return archive;
}

}  // namespace auk
