// Roots of Debian 12, each made once by mmdebstrap: its packages are installed as on any Debian, so
// that users, alternatives, caches and byte code are what programs expect. Nothing of that runs as
// root if we do not: mmdebstrap takes a user namespace, or pretends where there are none.
//
// A root is kept as an archive with all owners and rights; image.cpp makes of it what a kernel
// takes. It stays as it is when Debian has newer versions: making one takes a minute, and who ran
// `apt-get update` did not ask for that. Left out are documentation and translations, which no
// program needs, because kernels other than ours unpack the root into the guest's memory.
#include "run/apt.hpp"
#include "run/run.hpp"
#include "run/vm.hpp"

#include <algorithm>
#include <array>

namespace auk {

namespace {

constexpr auto list_file = "tools/guest/debian.txt";
constexpr auto last_step = "tools/guest/finish-root.sh";
constexpr auto log_name = "build/log/root.log";
// Of a root that is being made, for each byte of its packages: they, what is in them, the archive.
constexpr std::uintmax_t growth = 12;

// The same for every root, so a part of the recipe.
constexpr std::array always{
    "--variant=minbase",
    // Nothing is loaded: all that is wanted is put into apt's folders first.
    "--skip=update,download/empty", R"(--setup-hook=mkdir -p "$1/var/cache/apt/archives")",
    // As debootstrap does it; without, a package of perl's weight merges the folders.
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    // A root that is thrown away if the host goes down need not be on its disk.
    "--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/man/*/*", "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-include=/usr/share/locale/locale.alias",
    "--dpkgopt=path-exclude=/usr/share/bug/*", "--dpkgopt=path-exclude=/usr/share/lintian/*"};

std::vector<std::string> default_packages() {
  std::vector<std::string> packages;
  auto const text = read_file(list_file);
  for (auto const line : lines_of(text)) {
    auto const name = trimmed(line.substr(0, line.find('#')));
    if (!name.empty()) packages.emplace_back(name);
  }
  return packages;
}

// Changes if roots are made in another way.
std::uint64_t recipe() {
  auto hash = hash_text(read_file(last_step));
  for (auto const* option : always) hash = hash_text(option, hash);
  return hash_text(join(default_packages(), " "), hash);
}

// What apt takes for a root: hard links, so that only this root's files are handed over.
void gather(fs::path const& folder, std::vector<fs::path> const& files) {
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (auto const& file : files) {
    std::error_code other_disk;
    fs::create_hard_link(file, folder / file.filename(), other_disk);
    if (other_disk) fs::copy_file(file, folder / file.filename());
  }
}

std::string last_words(fs::path const& log) {
  std::vector<std::string> errors;
  auto const text = try_read_file(log).value_or("");
  for (auto const line : lines_of(text))
    if (line.starts_with("E: ") || line.starts_with("dpkg: error"))
      errors.emplace_back(trimmed(line));
  return join(errors, "\n  ");
}

void install(Apt const& apt, Apt::Closure const& closure, std::vector<std::string> const& packages,
             fs::path const& made) {
  auto const work = fs::absolute("build/guest/apt") / made.filename();
  std::vector<fs::path> archives;
  archives.reserve(closure.files.size());
  for (auto const& file : closure.files) archives.push_back(Apt::folder() / file);
  gather(work / "archives", archives);
  gather(work / "lists", apt.lists());
  auto const hand_over = [&](char const* what, char const* place) {
    return std::format("--setup-hook=sync-in {} {}", shell_word((work / what).string()), place);
  };
  auto const room = scratch_place(closure.bytes * growth);
  std::vector<std::string> words{"env", "LC_ALL=C.UTF-8", "TMPDIR=" + room.string(), "mmdebstrap"};
  words.insert(words.end(), always.begin(), always.end());
  words.insert(words.end(),
               {"--include=" + join(packages, ","),
                hand_over("archives", "/var/cache/apt/archives"),
                hand_over("lists", "/var/lib/apt/lists"),
                // The text, because a user namespace may not reach the file.
                "--customize-hook=" + read_file(last_step), "bookworm", made.string()});
  words.insert(words.end(), apt.sources().begin(), apt.sources().end());
  auto const log = fs::absolute(log_name);
  write_file(log, "");
  fs::remove(made);
  int const status = run({.argv = words, .log_file = log});
  fs::remove_all(work);
  if (status == 0) return;
  fs::remove(made);
  fail("mmdebstrap cannot make the root (see {}):\n  {}", log_name, last_words(log));
}

void make_root(std::vector<std::string> const& more, std::string const& key, fs::path const& made) {
  auto packages = default_packages();
  packages.insert(packages.end(), more.begin(), more.end());
  Apt apt;
  auto closure = apt.resolve(packages);
  constexpr std::uintmax_t mib = 1 << 20;
  note("making a root of Debian 12{}: {} packages, {} MiB to download; this once, it takes {}",
       more.empty() ? "" : std::format(" with {}", join(more, ", ")), closure.files.size(),
       (closure.missing + mib - 1) / mib,
       closure.bytes < 100 * mib ? "about a minute" : "some minutes");
  if (closure.missing > 0) {
    apt.download(packages);
    closure = apt.resolve(packages);
  }
  // Its suffix says what it is.
  auto const fresh = made.parent_path() / std::format("new-{}", made.filename().string());
  install(apt, closure, packages, fs::absolute(fresh));
  fs::rename(fresh, made);
  write_file(made.string() + ".key", key + join(closure.files, "\n") + "\n");
}

// Sorted, each once, without what the default root has.
std::vector<std::string> beyond_default(std::vector<std::string> packages) {
  auto const known = default_packages();
  std::erase_if(packages, [&](auto const& name) { return std::ranges::contains(known, name); });
  std::ranges::sort(packages);
  auto const [first, last] = std::ranges::unique(packages);
  packages.erase(first, last);
  return packages;
}

}  // namespace

fs::path debian_root(std::vector<std::string> const& asked_for) {
  auto const more = beyond_default(asked_for);
  for (auto const& package : more)
    if (!is_package_name(package)) fail("--install: \"{}\" is no name of a package", package);
  auto const set = join(more, " ");
  auto const name = more.empty() ? "debian" : std::format("debian-{:016x}", hash_text(set));
  fs::path const made = fs::path(roots_folder) / (name + ".tar.zst");
  FileLock const lock(std::format("build/lock/{}", name));
  // In front of the files it consists of.
  auto const key = std::format("{:016x}\n{}\n", recipe(), set);
  if (fs::exists(made) && try_read_file(made.string() + ".key").value_or("").starts_with(key))
    return made;
  fs::create_directories(roots_folder);
  fs::remove(made.string() + ".key");
  make_root(more, key, made);
  return made;
}

}  // namespace auk
