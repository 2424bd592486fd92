// Record locks, owners of signal-driven I/O, and openat2(2).
// Linux: <asm/fcntl.h>, <linux/fcntl.h>, <linux/openat2.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct flock {
  std::int16_t l_type;
  std::int16_t l_whence;
  std::uint32_t pad0;  //= -
  std::int64_t l_start;
  std::int64_t l_len;
  std::int32_t l_pid;
  std::uint32_t pad1;  //= -
};
static_assert(sizeof(flock) == 32);
static_assert(std::has_unique_object_representations_v<flock>);

struct f_owner_ex {
  std::int32_t type;
  std::int32_t pid;
};
static_assert(std::has_unique_object_representations_v<f_owner_ex>);

struct open_how {
  std::uint64_t flags;
  std::uint64_t mode;
  std::uint64_t resolve;
};
static_assert(sizeof(open_how) == 24);
static_assert(std::has_unique_object_representations_v<open_how>);

// What name_to_handle_at(2) fills; the handle's bytes follow. Not in a header that Linux exports.
struct file_handle {  //= -
  std::uint32_t handle_bytes;
  std::int32_t handle_type;
};
static_assert(std::has_unique_object_representations_v<file_handle>);
inline constexpr std::uint32_t max_handle_sz = 128;  //= -

}  // namespace uapi
