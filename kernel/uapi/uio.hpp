// Scatter/gather elements.
// Linux: <linux/uio.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct iovec {
  std::uint64_t iov_base;
  std::uint64_t iov_len;
};
static_assert(sizeof(iovec) == 16);
static_assert(std::has_unique_object_representations_v<iovec>);

}  // namespace uapi
