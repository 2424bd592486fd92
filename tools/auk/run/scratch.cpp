// Where trees of many small files are made that nobody keeps.
#include "run/run.hpp"

#include <cstdio>
#include <sys/statvfs.h>

namespace auk {

namespace {

constexpr auto memory_folder = "/dev/shm";
constexpr auto disk_folder = "build/guest/scratch";
// Left to everybody else.
constexpr std::uintmax_t spare = std::uintmax_t{1} << 30;

std::uintmax_t available_memory() {
  auto const text = try_read_file("/proc/meminfo").value_or("");
  for (auto const line : lines_of(text)) {
    unsigned long long kib = 0;
    if (std::sscanf(std::string(line).c_str(), "MemAvailable: %llu", &kib) == 1) return kib * 1024;
  }
  return 0;
}

}  // namespace

fs::path scratch_place(std::uintmax_t bytes) {
  struct statvfs facts{};
  bool const fits = statvfs(memory_folder, &facts) == 0 &&
                    std::uintmax_t{facts.f_bavail} * facts.f_frsize >= bytes &&
                    (facts.f_flag & (ST_NOEXEC | ST_NODEV)) == 0 &&
                    available_memory() >= bytes + spare;
  if (fits) return memory_folder;
  fs::create_directories(disk_folder);
  return fs::absolute(disk_folder);
}

}  // namespace auk
