// Points in time and intervals as system calls pass them.  On 64-bit machines the old and the
// 64-bit-time flavours are the same bytes, so one type of each serves both.
// Linux: <linux/time.h>, <linux/time_types.h>, <linux/times.h>, <linux/timex.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct kernel_timespec {  //= __kernel_timespec
  std::int64_t tv_sec;
  std::int64_t tv_nsec;
};

struct timespec {
  std::int64_t tv_sec;
  std::int64_t tv_nsec;
};
static_assert(sizeof(timespec) == sizeof(kernel_timespec));

struct timeval {
  std::int64_t tv_sec;
  std::int64_t tv_usec;
};

struct itimerspec {  //= __kernel_itimerspec
  kernel_timespec it_interval;
  kernel_timespec it_value;
};

struct itimerval {
  timeval it_interval;
  timeval it_value;
};

struct timezone {
  std::int32_t tz_minuteswest;
  std::int32_t tz_dsttime;
};

struct tms {
  std::int64_t tms_utime;
  std::int64_t tms_stime;
  std::int64_t tms_cutime;
  std::int64_t tms_cstime;
};

// adjtimex(2), clock_adjtime(2)
struct timex {  //= __kernel_timex
  std::uint32_t modes;
  std::uint32_t pad0;  //= -
  std::int64_t offset;
  std::int64_t freq;
  std::int64_t maxerror;
  std::int64_t esterror;
  std::int32_t status;
  std::uint32_t pad1;  //= -
  std::int64_t constant;
  std::int64_t precision;
  std::int64_t tolerance;
  timeval time;
  std::int64_t tick;
  std::int64_t ppsfreq;
  std::int64_t jitter;
  std::int32_t shift;
  std::uint32_t pad2;  //= -
  std::int64_t stabil;
  std::int64_t jitcnt;
  std::int64_t calcnt;
  std::int64_t errcnt;
  std::int64_t stbcnt;
  std::int32_t tai;
  std::int32_t reserved[11];  //= -
};
static_assert(sizeof(timex) == 208);

static_assert(std::has_unique_object_representations_v<kernel_timespec>);
static_assert(std::has_unique_object_representations_v<itimerspec>);
static_assert(std::has_unique_object_representations_v<itimerval>);
static_assert(std::has_unique_object_representations_v<timex>);

}  // namespace uapi
