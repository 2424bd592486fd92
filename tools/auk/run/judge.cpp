// The Linux that says what is right: a kernel image out of Debian's archive, never installed.
#include "run/run.hpp"

#include <unistd.h>

namespace auk {

namespace {

constexpr auto meta_package = "linux-image-6.12-cloud-amd64";

std::optional<std::string> output_of(std::vector<std::string> argv) {
  auto const result = capture({.argv = std::move(argv)});
  if (result.status != 0) return std::nullopt;
  return result.output;
}

// The meta package depends on the newest version's image, and on nothing else.
std::optional<std::string> newest_image() {
  auto const text = output_of({"apt-cache", "depends", meta_package});
  if (!text) return std::nullopt;
  for (auto const line : lines_of(*text)) {
    constexpr std::string_view mark = "Depends: ";
    auto const field = trimmed(line);
    if (field.starts_with(mark)) return std::string(field.substr(mark.size()));
  }
  return std::nullopt;
}

std::optional<fs::path> find_with(fs::path const& folder, std::string_view pattern) {
  if (!fs::is_directory(folder)) return std::nullopt;
  for (auto const& entry : fs::directory_iterator(folder))
    if (glob_match(pattern, entry.path().filename().string())) return entry.path();
  return std::nullopt;
}

// The signed image may lag behind its unsigned twin, or be missing.
std::optional<fs::path> download(fs::path const& folder) {
  auto const name = newest_image();
  if (!name) return std::nullopt;
  for (auto const& package : {*name, *name + "-unsigned"})
    if (capture({.argv = {"apt-get", "-q", "download", package}, .cwd = folder}).status == 0)
      return find_with(folder, "*.deb");
  return std::nullopt;
}

fs::path fetch_package(fs::path const& folder) {
  if (auto const found = download(folder)) return *found;
  note("asking for newer package lists");
  std::vector<std::string> update{"apt-get", "-q", "update"};
  if (geteuid() != 0) update.insert(update.begin(), "sudo");
  capture({.argv = update});
  if (auto const found = download(folder)) return *found;
  fail("cannot download {} (try: apt-get download {})", meta_package, meta_package);
}

}  // namespace

fs::path linux_judge() {
  fs::path const kernel = judge_kernel;
  fs::path const modules = kernel.parent_path() / "modules";
  auto const is_here = [&] { return fs::exists(kernel) && fs::exists(modules); };
  if (is_here()) return kernel;
  FileLock const lock("build/lock/judge");
  if (is_here()) return kernel;
  fs::path const folder = kernel.parent_path() / "package";
  fs::remove_all(folder);
  fs::create_directories(folder);
  note("downloading {}", meta_package);
  auto const package = fetch_package(folder);
  auto const unpacked = folder / "root";
  if (run({.argv = {"dpkg-deb", "-x", package.string(), unpacked.string()}}) != 0)
    fail("cannot unpack {}", package.string());
  auto const image = find_with(unpacked / "boot", "vmlinuz-*");
  auto const config = find_with(unpacked / "boot", "config-*");
  if (!image || !config) fail("no kernel in {}", package.string());
  fs::rename(*config, kernel.parent_path() / "config");
  fs::remove_all(modules);
  fs::rename(unpacked / "lib" / "modules", modules);
  write_file(kernel.parent_path() / "version", image->filename().string().substr(8) + "\n");
  // Last: it stands for all of it.
  fs::rename(*image, kernel);
  fs::remove_all(folder);
  return kernel;
}

fs::path linux_module(std::string const& name) {
  auto const modules = linux_judge().parent_path() / "modules";
  auto const plain = modules / (name + ".ko");
  FileLock const lock("build/lock/judge");
  if (fs::exists(plain)) return plain;
  for (auto const& entry : fs::recursive_directory_iterator(modules)) {
    if (entry.path().filename() != name + ".ko.xz") continue;
    auto const ran = capture({.argv = {"xz", "-dc", entry.path().string()}});
    if (ran.status != 0) fail("cannot unpack {}", entry.path().string());
    write_file(plain, ran.output);
    return plain;
  }
  fail("Linux has no module {}", name);
}

}  // namespace auk
