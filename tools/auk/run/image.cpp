// Roots that people bring: folders and archives of any kind, as the cpio archive a kernel unpacks.
#include "run/run.hpp"

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

}  // namespace

fs::path image_root(fs::path const& image) {
  if (!fs::exists(image)) fail("there is no image {}", image.string());
  if (is_archive_for_kernels(image)) return image;
  FileLock const lock("build/lock/images");
  fs::create_directories(image_folder);
  auto const name = std::format("{:016x}", hash_text(image.string()));
  fs::path const made = fs::path(image_folder) / (name + ".cpio");
  fs::path const key = fs::path(image_folder) / (name + ".key");
  auto const state = std::format("{:016x}", state_of(image));
  if (fs::exists(made) && try_read_file(key) == state) return made;
  fs::remove(key);
  note("making a root of {}", image.string());
  // bsdtar reads all that is called an archive; what it writes keeps owners, rights and links.
  std::vector<std::string> argv{"bsdtar", "--format=newc", "-cf", fs::absolute(made).string()};
  if (fs::is_directory(image))
    argv.insert(argv.end(), {"-C", image.string(), "."});
  else
    argv.push_back("@" + image.string());
  auto const packed = capture({.argv = argv, .keep_stderr = true});
  if (packed.status != 0) fail("{} is no image: {}", image.string(), trimmed(packed.output));
  write_file(key, state);
  return made;
}

}  // namespace auk
