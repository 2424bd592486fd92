// Arguments of clone3(2) and of the scheduling calls.
// Linux: <linux/sched.h>, <linux/sched/types.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct clone_args {
  std::uint64_t flags;
  std::uint64_t pidfd;
  std::uint64_t child_tid;
  std::uint64_t parent_tid;
  std::uint64_t exit_signal;
  std::uint64_t stack;  // lowest address, not the initial stack pointer
  std::uint64_t stack_size;
  std::uint64_t tls;
  std::uint64_t set_tid;
  std::uint64_t set_tid_size;
  std::uint64_t cgroup;
};
static_assert(sizeof(clone_args) == 88);
static_assert(std::has_unique_object_representations_v<clone_args>);

struct sched_attr {
  std::uint32_t size;
  std::uint32_t sched_policy;
  std::uint64_t sched_flags;
  std::int32_t sched_nice;
  std::uint32_t sched_priority;
  std::uint64_t sched_runtime;
  std::uint64_t sched_deadline;
  std::uint64_t sched_period;
  std::uint32_t sched_util_min;
  std::uint32_t sched_util_max;
};
static_assert(sizeof(sched_attr) == 56);
static_assert(std::has_unique_object_representations_v<sched_attr>);

// Linux exports no declaration of this one; libc carries its own.
struct sched_param {  //= -
  std::int32_t sched_priority;
};
static_assert(sizeof(sched_param) == 4);

}  // namespace uapi
