// What ioctl_nsfs(2) says of a mount namespace.
// Linux: <linux/nsfs.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct mnt_ns_info {
  std::uint32_t size;
  std::uint32_t nr_mounts;
  std::uint64_t mnt_ns_id;
};
static_assert(sizeof(mnt_ns_info) == 16);
static_assert(std::has_unique_object_representations_v<mnt_ns_info>);

}  // namespace uapi
