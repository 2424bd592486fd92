// capget(2) and capset(2), and capabilities stored with a file.
// Linux: <linux/capability.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct user_cap_header {  //= __user_cap_header_struct
  std::uint32_t version;
  std::int32_t pid;
};
static_assert(std::has_unique_object_representations_v<user_cap_header>);

// Versions 2 and 3 pass two of these: the low and the high 32 capabilities.
struct user_cap_data {  //= __user_cap_data_struct
  std::uint32_t effective;
  std::uint32_t permitted;
  std::uint32_t inheritable;
};
static_assert(std::has_unique_object_representations_v<user_cap_data>);

// The security.capability attribute: little-endian on disk on every machine.
struct vfs_cap_word {  //= -
  std::uint32_t permitted;
  std::uint32_t inheritable;
};

struct vfs_cap_data {
  std::uint32_t magic_etc;
  vfs_cap_word data[2];
};
static_assert(sizeof(vfs_cap_data) == 20);

struct vfs_ns_cap_data {
  std::uint32_t magic_etc;
  vfs_cap_word data[2];
  std::uint32_t rootid;
};
static_assert(sizeof(vfs_ns_cap_data) == 24);

}  // namespace uapi
