// The guest's first root: archives that are put one behind the other.
#include "run/cpio.hpp"
#include "run/run.hpp"

#include "../guest/protocol.hpp"

#include <algorithm>
#include <sys/stat.h>

namespace auk {

namespace {

constexpr auto init_sources = "tools/guest";
constexpr auto init_program = "build/guest/auk-init";

bool is_newer_than_all(fs::path const& made, std::vector<fs::path> const& sources) {
  return std::ranges::none_of(sources, [&](auto const& source) { return is_newer(source, made); });
}

fs::path guest_init() {
  fs::path const program = init_program;
  if (is_newer_than_all(program, files_below(init_sources))) return program;
  fs::create_directories(program.parent_path());
  auto const fresh = program.string() + ".new";
  int const status = run({.argv = {"clang++-19", "-std=c++20", "-Wall", "-Wextra", "-Wshadow",
                                   "-Wconversion", "-Werror", "-O2", "-s", "-static", "-nostdlib++",
                                   "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics",
                                   std::string(init_sources) + "/auk-init.cpp", "-o", fresh}});
  if (status != 0) fail("auk-init does not build");
  fs::rename(fresh, program);
  return program;
}

void add_devices(Cpio& root) {
  struct Device {
    char const* name;
    unsigned mode, major, minor;
  };
  static constexpr Device devices[] = {
      {"console", 0600, 5, 1}, {"null", 0666, 1, 3},   {"zero", 0666, 1, 5},
      {"full", 0666, 1, 7},    {"random", 0666, 1, 8}, {"urandom", 0666, 1, 9},
      {"tty", 0666, 5, 0},     {"ttyS0", 0660, 4, 64}, {"ttyS1", 0660, 4, 65},
      {"ttyS2", 0660, 4, 66},  {"ttyS3", 0660, 4, 67},
  };
  root.add_folder("/dev");
  for (auto const& [name, mode, major, minor] : devices)
    root.add_device(std::format("/dev/{}", name), S_IFCHR | mode, major, minor);
}

std::string make_busybox_root() {
  Cpio root;
  for (auto const* folder : {"/bin", "/sbin", "/usr", "/usr/bin", "/usr/sbin"})
    root.add_folder(folder);
  root.add_copy("/bin/busybox", busybox_program);
  for (auto const& name : busybox_names()) root.add_link(name, busybox_program);
  add_common_files(root, "/bin/sh");
  return root.finish();
}

std::string command_text(RunOptions const& options, std::optional<TerminalSize> terminal,
                         bool on_disk) {
  std::string text;
  auto const add = [&](char kind, std::string_view value) {
    if (value.find('\0') != value.npos) fail("a zero byte in the command");
    text += std::format("{} {}", kind, value);
    text += '\0';
  };
  if (options.ports == "virtio") add('p', "");
  if (on_disk) add('d', "");
  if (terminal) {
    add('t', "");
    add('s', std::format("{} {}", terminal->rows, terminal->columns));
  }
  add('w', options.folder);
  if (!options.user.empty()) add('u', options.user);
  for (auto const& variable : options.environment) add('e', variable);
  for (auto const& word : options.command) add('a', word);
  if (text.size() > guest::protocol::command_limit)
    fail("the command has {} bytes, {} are allowed", text.size(), guest::protocol::command_limit);
  return text;
}

// The folders above a path, which the root may not have.
void add_parents(Cpio& archive, std::string const& path) {
  for (auto slash = path.find('/', 1); slash != path.npos; slash = path.find('/', slash + 1))
    archive.add_folder(path.substr(0, slash));
}

}  // namespace

std::string module_place(std::string_view folder, std::size_t order, fs::path const& file) {
  return std::format("{}/{:03}-{}", folder, order, file.filename().string());
}

std::vector<std::string> busybox_names() {
  auto const listed = capture({.argv = {busybox_program, "--list-full"}});
  if (listed.status != 0) fail("cannot ask {} for its names", busybox_program);
  std::vector<std::string> names;
  for (auto const line : lines_of(listed.output))
    if (auto const name = trimmed(line); !name.empty() && name != "bin/busybox")
      names.emplace_back(name);
  return names;
}

void add_common_files(Cpio& root, std::string_view shell) {
  for (auto const* folder : {"/etc", "/home", "/mnt", "/proc", "/sys", "/run", "/var"})
    root.add_folder(folder);
  root.add_folder("/root", 0700);
  root.add_folder("/tmp", 01777);
  root.add_file("/etc/passwd", std::format("root:x:0:0:root:/root:{}\n"
                                           "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
                                           shell));
  root.add_file("/etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n");
  root.add_file("/etc/hostname", "auk\n");
  root.add_file("/etc/hosts", "127.0.0.1 localhost auk\n");
}

fs::path busybox_root() {
  FileLock const lock("build/lock/guest");
  fs::path const archive = "build/guest/busybox.cpio";
  if (is_newer_than_all(archive, {busybox_program, fs::canonical("/proc/self/exe")}))
    return archive;
  write_file(archive, make_busybox_root());
  return archive;
}

std::string command_archive(RunOptions const& options, std::optional<TerminalSize> terminal,
                            bool on_disk, std::vector<fs::path> const& modules) {
  Cpio archive;
  {
    FileLock const lock("build/lock/guest");
    archive.add_file("/init", read_file(guest_init()), 0755);
  }
  add_devices(archive);
  archive.add_folder("/auk");
  archive.add_file("/auk/command", command_text(options, terminal, on_disk));
  if (!modules.empty()) archive.add_folder(guest::protocol::modules_for_disk);
  for (std::size_t i = 0; i < modules.size(); ++i)
    archive.add_copy(module_place(guest::protocol::modules_for_disk, i, modules[i]), modules[i]);
  for (auto const& [source, path] : options.copies) {
    auto const place = on_disk ? guest::protocol::copies + path : path;
    add_parents(archive, place);
    archive.add_copy(place, source);
  }
  return archive.finish();
}

}  // namespace auk
