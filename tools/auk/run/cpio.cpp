#include "run/cpio.hpp"

#include <iterator>
#include <sys/stat.h>

namespace auk {

namespace {
constexpr unsigned reader_block = 512;
constexpr auto trailer = "TRAILER!!!";

std::string_view without_slash(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  return path;
}
}  // namespace

void Cpio::pad(std::size_t alignment) {
  bytes_.append((alignment - bytes_.size() % alignment) % alignment, '\0');
}

void Cpio::add(std::string_view name, Entry const& entry) {
  auto const links = S_ISDIR(entry.mode) ? 2 : 1;
  // Magic, inode, mode, user, group, links, time, size, device, device meant, name's size, sum.
  std::format_to(
      std::back_inserter(bytes_),
      "070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}",
      next_inode_++, entry.mode, 0, 0, links, 0, entry.content.size(), 0, 0, entry.major,
      entry.minor, name.size() + 1, 0);
  bytes_ += name;
  bytes_ += '\0';
  pad(4);
  bytes_ += entry.content;
  pad(4);
}

void Cpio::add_folder(std::string_view path, unsigned mode) {
  add(without_slash(path), {.mode = S_IFDIR | mode});
}

void Cpio::add_file(std::string_view path, std::string_view content, unsigned mode) {
  add(without_slash(path), {.mode = S_IFREG | mode, .content = content});
}

void Cpio::add_link(std::string_view path, std::string_view target) {
  add(without_slash(path), {.mode = S_IFLNK | 0777, .content = target});
}

void Cpio::add_device(std::string_view path, unsigned mode, unsigned major, unsigned minor) {
  add(without_slash(path), {.mode = mode, .major = major, .minor = minor});
}

void Cpio::add_copy(std::string_view path, fs::path const& source) {
  struct stat facts{};
  if (lstat(source.c_str(), &facts) != 0) fail("cannot read {}", source.string());
  unsigned const mode = facts.st_mode & 07777;
  if (S_ISLNK(facts.st_mode)) return add_link(path, fs::read_symlink(source).string());
  if (S_ISREG(facts.st_mode)) return add_file(path, read_file(source), mode);
  if (!S_ISDIR(facts.st_mode)) fail("{} is neither a file, a link nor a folder", source.string());
  add_folder(path, mode);
  for (auto const& entry : fs::directory_iterator(source))
    add_copy(std::format("{}/{}", path, entry.path().filename().string()), entry.path());
}

std::string Cpio::finish() {
  add(trailer, {.mode = 0});
  pad(reader_block);
  return std::move(bytes_);
}

}  // namespace auk
