// Roots that people bring, folders and archives of any kind: as the cpio archive that any kernel
// unpacks, or as a file system that Auk uses where it lies.
#include "run/run.hpp"

#include <unistd.h>

namespace auk {

namespace {

constexpr auto image_folder = "build/guest/images";

// Kernels unpack these as they are.
bool is_archive_for_kernels(fs::path const& image) {
  auto const name = image.filename().string();
  return glob_match("*.cpio", name) || glob_match("*.cpio.gz", name) ||
         glob_match("*.cpio.zst", name);
}

// Changes when something in it does; of a folder, when anything below it does.
std::uint64_t state_of(fs::path const& image) {
  auto const add = [](std::uint64_t seed, fs::path const& path) {
    auto const status = fs::symlink_status(path);
    auto const time = fs::is_symlink(status) ? fs::file_time_type{} : fs::last_write_time(path);
    return hash_text(std::format("{} {} {} {}", path.string(), time.time_since_epoch().count(),
                                 static_cast<int>(status.permissions()),
                                 fs::is_regular_file(status) ? fs::file_size(path) : 0),
                     seed);
  };
  auto state = add(hash_text(image.string()), image);
  if (!fs::is_directory(image)) return state;
  for (auto const& entry : fs::recursive_directory_iterator(image))
    state = add(state, entry.path());
  return state;
}

// Runs both as root, or as somebody to whom all seems to be as root would have it.
void run_as_root(std::string const& script, std::vector<std::string> words, fs::path const& image) {
  std::vector<std::string> argv{"sh", "-ec", script, "sh"};
  if (geteuid() != 0) argv.insert(argv.begin(), "fakeroot");
  argv.insert(argv.end(), words.begin(), words.end());
  auto const ran = capture({.argv = argv, .keep_stderr = true});
  if (ran.status != 0) fail("{} is no image: {}", image.string(), trimmed(ran.output));
}

// An archive holds several times its size if it is compressed.
constexpr std::uintmax_t growth = 8;

// Runs `script` on a folder, its second word, that holds what is in the image; the first word is
// the file to make. bsdtar reads all that is called an archive. The folder goes with the shell,
// also if the keyboard ends both of us.
void make_of_folder(std::string const& script, fs::path const& image, fs::path const& made) {
  if (fs::is_directory(image)) return run_as_root(script, {made.string(), image.string()}, image);
  auto const folder = scratch_place(fs::file_size(image) * growth) /
                      std::format("auk-{}-{}", getpid(), made.filename().string());
  run_as_root(R"(trap 'rm -rf "$2"' EXIT; trap 'exit 1' HUP INT TERM; )"
              R"(mkdir "$2"; bsdtar -xpf "$3" -C "$2"; )" +
                  script,
              {made.string(), folder.string(), image.string()}, image);
}

// bsdtar writes owners, rights and links of a folder. What it makes of an archive directly has lost
// the hard links.
constexpr auto pack_archive = R"(bsdtar --format=newc -cf "$1" -C "$2" .)";
// With whole pages, which a kernel can map as they are, and a whole number of large ones.
constexpr auto pack_disk =
    R"(mkfs.erofs --quiet -Enoinline_data "$1" "$2"; truncate --size=%2M "$1")";

// What was made of images that have gone since. The lock is held.
void drop_orphans() {
  std::vector<fs::path> orphans;
  for (auto const& entry : fs::directory_iterator(image_folder)) {
    if (entry.path().extension() != ".key") continue;
    auto const key = read_file(entry.path());
    auto const lines = lines_of(key);
    if (lines.size() != 2 || !fs::exists(lines[1])) orphans.push_back(entry.path());
  }
  for (auto const& key : orphans) {
    fs::remove(fs::path(key).replace_extension());
    fs::remove(key);
  }
}

fs::path make_once(fs::path const& image, std::string_view suffix, std::string const& script) {
  FileLock const lock("build/lock/images");
  fs::create_directories(image_folder);
  auto const name = std::format("{:016x}{}", hash_text(image.string()), suffix);
  fs::path const made = fs::absolute(fs::path(image_folder) / name);
  fs::path const key = made.string() + ".key";
  auto const state = std::format("{:016x}\n{}\n", state_of(image), image.string());
  if (fs::exists(made) && try_read_file(key) == state) return made;
  fs::remove(key);
  drop_orphans();
  // Who made one of Debian's said what it takes.
  if (image.parent_path() != fs::absolute(roots_folder))
    note("making a root of {}", image.string());
  // Another one may be reading the old one.
  auto const fresh = made.string() + ".new";
  fs::remove(fresh);
  make_of_folder(script, image, fresh);
  fs::rename(fresh, made);
  write_file(key, state);
  return made;
}

}  // namespace

fs::path image_root(fs::path const& named) {
  if (!fs::exists(named)) fail("there is no image {}", named.string());
  auto const image = fs::canonical(named);
  return is_archive_for_kernels(image) ? image : make_once(image, ".cpio", pack_archive);
}

fs::path image_disk(fs::path const& named) {
  if (!fs::exists(named)) fail("there is no image {}", named.string());
  return make_once(fs::canonical(named), ".erofs", pack_disk);
}

}  // namespace auk
