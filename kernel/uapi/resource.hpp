// Resource use and limits.
// Linux: <linux/time.h>, <linux/resource.h>
#pragma once

#include <cstdint>
#include <type_traits>

#include "uapi/time.hpp"

namespace uapi {

struct rusage {
  timeval ru_utime;
  timeval ru_stime;
  std::int64_t ru_maxrss;
  std::int64_t ru_ixrss;
  std::int64_t ru_idrss;
  std::int64_t ru_isrss;
  std::int64_t ru_minflt;
  std::int64_t ru_majflt;
  std::int64_t ru_nswap;
  std::int64_t ru_inblock;
  std::int64_t ru_oublock;
  std::int64_t ru_msgsnd;
  std::int64_t ru_msgrcv;
  std::int64_t ru_nsignals;
  std::int64_t ru_nvcsw;
  std::int64_t ru_nivcsw;
};
static_assert(sizeof(rusage) == 144);
static_assert(std::has_unique_object_representations_v<rusage>);

struct rlimit {
  std::uint64_t rlim_cur;
  std::uint64_t rlim_max;
};

struct rlimit64 {
  std::uint64_t rlim_cur;
  std::uint64_t rlim_max;
};
static_assert(std::has_unique_object_representations_v<rlimit64>);

}  // namespace uapi
