// What sysinfo(2) writes.
// Linux: <linux/sysinfo.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct sysinfo {
  std::int64_t uptime;
  std::uint64_t loads[3];
  std::uint64_t totalram;
  std::uint64_t freeram;
  std::uint64_t sharedram;
  std::uint64_t bufferram;
  std::uint64_t totalswap;
  std::uint64_t freeswap;
  std::uint16_t procs;
  std::uint16_t pad;
  std::uint32_t pad1;  //= -
  std::uint64_t totalhigh;
  std::uint64_t freehigh;
  std::uint32_t mem_unit;
  std::uint32_t pad2;  //= -
};
static_assert(sizeof(sysinfo) == 112);
static_assert(std::has_unique_object_representations_v<sysinfo>);

}  // namespace uapi
