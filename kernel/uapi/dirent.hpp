// One record of getdents64(2).
// Linux: <lifted/linux/dirent.h>
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace uapi {

// The name begins at name_offset and runs on past the struct; d_reclen counts it, its NUL and the
// zeroes up to the next multiple of eight.
struct linux_dirent64 {
  std::uint64_t d_ino;
  std::int64_t d_off;
  std::uint16_t d_reclen;
  std::uint8_t d_type;
  char d_name_start[5];  //= -
};
inline constexpr std::size_t dirent_name_offset = offsetof(linux_dirent64, d_name_start);
static_assert(sizeof(linux_dirent64) == 24 && dirent_name_offset == 19);
static_assert(std::has_unique_object_representations_v<linux_dirent64>);

}  // namespace uapi
