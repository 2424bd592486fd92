// Roots that people bring: folders and archives of any kind, as the cpio archive a kernel unpacks.
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

// bsdtar reads all that is called an archive, and of a folder it writes owners, rights and links.
// What it makes of an archive directly has lost the hard links.
void pack(fs::path const& image, fs::path const& made) {
  if (fs::is_directory(image))
    return run_as_root(R"(bsdtar --format=newc -cf "$1" -C "$2" .)",
                       {made.string(), image.string()}, image);
  fs::path const folder = made.string() + ".folder";
  fs::remove_all(folder);
  fs::create_directories(folder);
  run_as_root(R"(bsdtar -xpf "$1" -C "$2"; bsdtar --format=newc -cf "$3" -C "$2" .)",
              {image.string(), folder.string(), made.string()}, image);
  fs::remove_all(folder);
}

}  // namespace

fs::path image_root(fs::path const& named) {
  if (!fs::exists(named)) fail("there is no image {}", named.string());
  auto const image = fs::canonical(named);
  if (is_archive_for_kernels(image)) return image;
  FileLock const lock("build/lock/images");
  fs::create_directories(image_folder);
  auto const name = std::format("{:016x}", hash_text(image.string()));
  fs::path const made = fs::absolute(fs::path(image_folder) / (name + ".cpio"));
  fs::path const key = fs::path(image_folder) / (name + ".key");
  auto const state = std::format("{:016x}", state_of(image));
  if (fs::exists(made) && try_read_file(key) == state) return made;
  fs::remove(key);
  note("making a root of {}", named.string());
  // Another one may be reading the old one.
  auto const fresh = made.string() + ".new";
  pack(image, fresh);
  fs::rename(fresh, made);
  write_file(key, state);
  return made;
}

}  // namespace auk
